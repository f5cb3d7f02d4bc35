"""The options of a bench command by name, as a sweep's file gives them: looked up, checked, worded.

The commands' own declarations are what is read here, so a sweep takes what a command takes.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import click

from bench.cli import bench
from bench.new_files import NewFile
from fabric.endpoint.stacks import named
from fabric.engines.base import maker
from topology.errors import TriplaneError
from topology.files.reading import shown
from topology.names import near
from topology.presets.catalogue import check_name

Setting = str | int | float | bool | Sequence["Setting"]
"""The value of an option: a list is given again and again, or with commas in between."""

NOT_HERE = ("compare", "calibrate")
"""Commands of ``triplane bench`` that are no question about a machine."""

_WRITES = ("--format", "--output_file", "--write", "--live", "--live-wait", "--help")
"""Options, besides those that name a file to write, that say where an answer goes or is shown."""

_CHECKS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {"system": check_name, "software": named, "engine": maker}
)
"""What else is known of the values of an option, by its name: each raises `TriplaneError`."""


class SweepError(TriplaneError):
    """A sweep's file has something unknown or impossible in it, or its workers are gone."""


def benches() -> list[str]:
    """The commands of ``triplane bench`` that a sweep can ask: those that write records."""
    return [name for name in bench.list_commands(click.Context(bench)) if name not in NOT_HERE]


def command_of(name: str) -> click.Command:
    """The bench command called ``name``; raises `SweepError` with the choices."""
    found = bench.get_command(click.Context(bench), name) if name in benches() else None
    if found is None or option_of(found, "format", every=True) is None:
        choices = benches()
        raise SweepError(
            f"bench is {shown(name)}; there are {', '.join(choices)}{near(name, choices)}"
        )
    return found


def options(command: click.Command, *, every: bool = False) -> Iterator[click.Parameter]:
    """Iterate over what a sweep may give to the command; ``every``: with what is not for a sweep.

    Left out are the options that say where and how an answer is written.
    """
    for param in command.params:
        hidden = isinstance(param.type, NewFile) or not {*param.opts}.isdisjoint(_WRITES)
        if every or not hidden:
            yield param


def name_of(param: click.Parameter) -> str:
    """The name of an option in a sweep's file: its longest without dashes, such as ``top-k``."""
    first = param.opts[0] if param.opts[0].startswith("--") else max(param.opts, key=len)
    return first.lstrip("-")


def option_of(
    command: click.Command, name: str, *, every: bool = False
) -> click.Parameter | None:  # fmt: skip
    """The option called ``name``, short or long, ``-`` and ``_`` alike; None if there is none."""
    return next(
        (param for param in options(command, every=every)
         if any(_plain(one) == _plain(name) for one in (*param.opts, *param.secondary_opts))),
        None,
    )  # fmt: skip


def _plain(name: str) -> str:
    return name.lstrip("-").replace("_", "-")


def known(bench_name: str, command: click.Command, name: str) -> click.Parameter:
    """The option called ``name`` of a bench command; raises `SweepError` with the choices."""
    found = option_of(command, name)
    if found is not None:
        return found
    if option_of(command, name, every=True) is not None:
        raise SweepError(
            f"{name!r} says how one answer of bench {bench_name} is written or shown; a sweep"
            " writes the table of all of them (--output, --plot, --page)"
        )
    choices = [name_of(param) for param in options(command)]
    raise SweepError(
        f"bench {bench_name} has no option {shown(name)}; it has {', '.join(choices)}, and"
        f" machine.FIELD{near(name, choices)}"
    )


def check(bench_name: str, command: click.Command, name: str, value: object) -> str:
    """The option's own name, where ``value`` is one of its; raises `SweepError` if it is not."""
    param = known(bench_name, command, name)
    texts = _texts(param, value)
    own = name_of(param)
    try:
        for text in texts if isinstance(param, click.Option) and not _is_flag(param) else ():
            param.type.convert(text, param, click.Context(command))
            if param.name in _CHECKS:
                _CHECKS[param.name](text)
    except click.ClickException as error:
        raise SweepError(error.message) from None
    return own


def _is_flag(param: click.Parameter) -> bool:
    return isinstance(param, click.Option) and param.is_flag


def _texts(param: click.Parameter, value: object) -> list[str]:
    """``value`` as the words that the option is given one after the other."""
    if _is_flag(param):
        if not isinstance(value, bool):
            raise SweepError("it is a flag: true or false")
        return []
    each = value if isinstance(value, list | tuple) else [value]
    texts = [_text(one) for one in each]
    if "" in texts or not texts:
        raise SweepError("it is empty: give a value, or leave it out")
    return texts if param.multiple or param.nargs == -1 else [",".join(texts)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    raise SweepError(f"{shown(value)} is no text, finite number, true or false, or list of them")


def words(command: click.Command, settings: Mapping[str, Setting]) -> list[str]:
    """The words of a command line with these ``settings``, in the order of the options' own.

    Raises `ValueError` for a name that no option has as its own (`name_of`).
    """
    line: list[str] = []
    last: list[str] = []
    by_name = {name_of(param): param for param in options(command)}
    for name in sorted(settings, key=[*by_name].index):
        param, value = by_name[name], settings[name]
        if isinstance(param, click.Argument):
            last += _texts(param, value)
        elif _is_flag(param):
            line += [f"--{name}"] * (value is True)
        else:
            line += [f"--{name}={text}" for text in _texts(param, value)]
    return [*line, *(["--", *last] if last else [])]
