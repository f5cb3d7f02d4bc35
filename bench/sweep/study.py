"""The file of a sweep, TOML: which bench commands are asked, with which options, at which points.

By hand::

    bench = "moe"

    [options]                       # of every point
    mode = "low-latency"

    [grid]                          # each value with each other
    tokens = [32, 128]
    ep = [8, 16, 32]

    [[zipped]]                      # row by row
    system = ["cloudmatrix384", "dgx_h800:16"]
    software = ["cann-ep", "deepep-v1"]
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bench.sweep.options import Setting, SweepError, check, command_of
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.files.reading import read_text, shown
from topology.formats.toml_tables import Table, check_keys, toml_of

MOST = 1 << 24
"""Bytes of a sweep's file at most."""

MOST_POINTS = 1 << 20
"""Points of a sweep at most."""

MACHINE = "machine."
"""How the names of a machine's fields begin, of which there need not be an option."""

_KEYS = {
    "bench": True, "title": False, "options": False, "grid": False, "zipped": False,
    "points": False, "plot": False,
}  # fmt: skip
_RANGE = {"from": True, "to": True, "step": False, "factor": False}


@dataclass(frozen=True)
class Point:
    """One question: a bench command and its options.

    ``settings``: by the options' names. ``machine``: fields of `MachineSpec` as JSON values.
    """

    bench: str
    settings: Mapping[str, Setting]
    machine: Mapping[str, Any]

    def asked(self, name: str) -> object:
        """The value of ``name``, an axis of the study; None where this point does not have it."""
        if name == "bench":
            return self.bench
        if name.startswith(MACHINE):
            return self.machine.get(name.removeprefix(MACHINE))
        return self.settings.get(name)


@dataclass(frozen=True)
class PlotChoice:
    """What is drawn: a column over another, a line for each of what ``lines`` are.

    None, or no lines: chosen by what the table has.
    """

    x: str | None = None
    y: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A sweep's file: its ``points`` in order, and the names of what differs among them.

    ``title``: the file's name where it says none. ``text``: of the file.
    """

    title: str
    text: str
    points: tuple[Point, ...]
    axes: tuple[str, ...]
    plot: PlotChoice = field(default_factory=PlotChoice)


def load(path: str | Path) -> Study:
    """The sweep in the TOML file at ``path``; raises `SweepError` naming file, key and value."""
    text = read_text(path, SweepError, MOST)
    try:
        return _study(toml_of(text, SweepError), text, Path(path).stem)
    except TriplaneError as error:
        raise SweepError(f"{path}: {error}") from None


def _study(file: Table, text: str, name: str) -> Study:
    check_keys(file, _KEYS, "the file", SweepError)
    commands = {one: command_of(one) for one in _benches(file["bench"])}
    always = _settings(file.get("options", {}), "[options]", commands)
    axes = [_zipped(table, f"[[zipped]] number {number}", commands)
            for number, table in enumerate(_tables(file, "zipped"), 1)]  # fmt: skip
    grid = _axes(file.get("grid", {}), "[grid]", commands)
    axes += [[{key: value} for value in values] for key, values in grid.items()]
    single = [_settings(table, f"[[points]] number {number}", commands)
              for number, table in enumerate(_tables(file, "points"), 1)]  # fmt: skip
    count = len(commands) * (math.prod(map(len, axes)) + len(single))
    if count > MOST_POINTS:
        raise SweepError(f"{count} points are asked for; at most {MOST_POINTS} are possible")
    products = itertools.product(*axes) if axes or not single else iter(())
    chosen = [*({k: v for part in parts for k, v in part.items()} for parts in products), *single]
    points = tuple(_point(one, {**always, **more}) for one in commands for more in chosen)
    title = file.get("title", name)
    if not isinstance(title, str) or not title:
        raise SweepError(f"title is {shown(title)}; it has to be a text")
    varied = dict.fromkeys(key for more in chosen for key in more)
    names = [*(["bench"] if len(commands) > 1 else []), *varied]
    return Study(title, text, points, tuple(names), _plot(file.get("plot", {})))


def _benches(given: object) -> list[str]:
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise SweepError(f"bench is {shown(given)}; it has to be a name, or a list of names")
    return list(dict.fromkeys(names))


def _tables(file: Table, key: str) -> list[Table]:
    found = file.get(key, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise SweepError(f"{key} is no array of tables; write [[{key}]]")
    return found


def _point(bench_name: str, chosen: Mapping[str, Any]) -> Point:
    return Point(
        bench_name,
        {key: value for key, value in chosen.items() if not key.startswith(MACHINE)},
        {key.removeprefix(MACHINE): value for key, value in chosen.items()
         if key.startswith(MACHINE)},
    )  # fmt: skip


def _flat(table: object, where: str) -> Iterator[tuple[str, Any]]:
    """Keys and values of a table, those of a table ``machine`` in it as ``machine.KEY``."""
    if not isinstance(table, dict):
        raise SweepError(f"{where} is {shown(table)}; it has to be a table")
    for key, value in table.items():
        if key == "machine" and isinstance(value, dict):
            yield from ((f"{MACHINE}{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _settings(
    table: object, where: str, commands: Mapping[str, click.Command]
) -> dict[str, Any]:  # fmt: skip
    """A table of single values, by the options' own names."""
    return {_checked(key, [value], where, commands): value for key, value in _flat(table, where)}


def _axes(
    table: object, where: str, commands: Mapping[str, click.Command]
) -> dict[str, list[Any]]:  # fmt: skip
    """A table of lists of values, by the options' own names."""
    found: dict[str, list[Any]] = {}
    for key, given in _flat(table, where):
        values = _values(given, f"{where} {key}")
        name = _checked(key, values, where, commands)
        if name in found:
            raise SweepError(f"{where} has {name} twice, as {key!r} too")
        found[name] = values
    return found


def _zipped(
    table: object, where: str, commands: Mapping[str, click.Command]
) -> list[dict[str, Any]]:  # fmt: skip
    """A table of lists of one length, as its rows."""
    columns = _axes(table, where, commands)
    lengths = {name: len(values) for name, values in columns.items()}
    if len({*lengths.values()}) != 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "none"
        raise SweepError(f"{where}: its lists have to be equally long; there are {said}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _checked(
    key: str, values: Sequence[Any], where: str, commands: Mapping[str, click.Command]
) -> str:  # fmt: skip
    """The own name of the option ``key``, of which every command must take every value."""
    name = key
    for value in values:
        try:
            if key.startswith(MACHINE):
                MachineSpec.from_json({key.removeprefix(MACHINE): value})
                continue
            for one, command in commands.items():
                name = check(one, command, key, value)
        except TriplaneError as error:
            raise SweepError(f"{where} {key} = {shown(value)}: {error}") from None
    return name


def _values(given: object, where: str) -> list[Any]:
    """The values of an axis: a list, or a range from, to, and step or factor."""
    if isinstance(given, dict):
        return _range(given, where)
    if not isinstance(given, list) or not given:
        raise SweepError(
            f"{where} is {shown(given)}; it has to be a list of values, or a range such as"
            " {from = 1, to = 64, factor = 2}"
        )
    return given


def _range(given: Mapping[str, Any], where: str) -> list[Any]:
    check_keys(given, _RANGE, where, SweepError)
    for key, value in given.items():
        if type(value) is not int:
            raise SweepError(f"{where}: {key} is {shown(value)}; it has to be a whole number")
    low, high, step, factor = (given.get(key) for key in _RANGE)
    assert low is not None
    assert high is not None
    if step is not None and factor is not None:
        raise SweepError(f"{where}: a range has a step or a factor, not both")
    if low > high or (step or 1) < 1 or (factor is not None and (factor < 2 or low < 1)):
        raise SweepError(
            f"{where}: {shown(given)} is no range: it goes up by a step from 1 on, or from 1 on by"
            " a factor from 2 on"
        )
    if factor is None:
        if (high - low) // (step or 1) >= MOST_POINTS:
            raise SweepError(f"{where}: {shown(given)} has more than {MOST_POINTS} values")
        return list(range(low, high + 1, step or 1))
    return [low * factor**k for k in range(64) if low * factor**k <= high]


def _plot(table: object) -> PlotChoice:
    if not isinstance(table, dict):
        raise SweepError(f"plot is {shown(table)}; write [plot]")
    check_keys(table, {"x": False, "y": False, "lines": False}, "[plot]", SweepError)
    lines = table.get("lines", [])
    lines = [lines] if isinstance(lines, str) else lines
    for name in (table.get("x", ""), table.get("y", ""), *lines):
        if not isinstance(name, str):
            raise SweepError(f"[plot]: {shown(name)} is no name of a column")
    return PlotChoice(table.get("x"), table.get("y"), tuple(lines))
