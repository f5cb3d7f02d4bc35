"""The records of the software stacks: all that is known of each, from one table of ``stacks.toml``.

Constants that are fitted to published rows are in ``constants.toml`` beside it, by the same names,
which only ``triplane bench calibrate --write`` writes. A user's own stack is a TOML file with the
same keys, whose name is the path by which it is asked for.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fabric.endpoint.costs import EndpointError
from topology.errors import TriplaneError
from topology.files.reading import read_text, shown
from topology.formats.toml_tables import toml_of
from topology.names import near

RECORDS = Path(__file__).with_name("stacks.toml")
"""The records of every stack, written by hand."""

CONSTANTS = Path(__file__).with_name("constants.toml")
"""The fitted constants of every stack, with the rows that they were fitted to."""


@dataclass(frozen=True, slots=True)
class Stack:
    """One software stack.

    - ``source``: what it is, and where the statements about it come from.
    - ``usual``: the families of systems (`topology.provenance.Provenance.family`) that usually run
      it, with its place among their stacks: of several that have constants for an operation, the
      lowest applies.
    - ``memory_of``: the families of systems whose one-sided reads and writes it usually times, and
      over which plane; it has constants for ``read`` and ``write``, or is ``one_sided``: its
      constants for every other operation are of reads and writes.
    - ``planes``: that it uses, in order of preference; None: the topology's order.
    - ``messages``: the family of formats of its MoE messages, a name of
      `collectives.moe.schedules.formats.FORMATS`, ``""`` if it sends none; ``dtype``: what it
      dispatches by default.
    - ``small_bytes``, ``small_bytes_of``: ``small`` and ``small_of`` of
      `fabric.endpoint.costs.Endpoint`. ``others_free``: True if
      operations that are not named cost nothing.
    - ``costs``: constants that are known rather than fitted, by operation, with keys as in
      ``constants.toml``.
    - ``constants_of``, ``why``: the stack whose constants it is given, as it has no rows to
      calibrate, and the reason; its own ``costs`` and ``planes`` then say what differs.
      ``not_modelled``: why it has no constants at all.
    - ``stand_ins``: by operation, mode or system, the stack with whose constants published rows of
      it are predicted. ``measured_as``: the name by which published rows call it, "" for its own;
      ``measured_with``: by operation, the algorithm of published rows that name none.
    - ``algorithms``: by operation, those that it has (`collectives.algorithms.table.ALGORITHMS`),
      of which the fastest is taken; operations that are not named have all.
    - ``total_sizes``: True if published sizes of its collectives are shared out over the ranks, as
      nccl-tests' S is. ``once_a_rank``: True if it dispatches a token once to a rank and not once
      to an expert, whatever published rows call the mode.
    - ``fitted_on``, ``known``, ``free``: how its constants are fitted, see
      `bench.validation.recipes`.
    """

    name: str
    source: str = ""
    usual: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    memory_of: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    one_sided: bool = False
    planes: tuple[str, ...] | None = None
    messages: str = ""
    dtype: str = "int8"
    small_bytes: int = 0
    small_bytes_of: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    others_free: bool = False
    costs: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))
    constants_of: str = ""
    why: str = ""
    not_modelled: str = ""
    stand_ins: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    measured_as: str = ""
    measured_with: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    algorithms: Mapping[str, Sequence[str]] = field(default_factory=lambda: MappingProxyType({}))
    total_sizes: bool = False
    once_a_rank: bool = False
    fitted_on: str | None = None
    known: tuple[Mapping[str, Any], ...] = ()
    free: tuple[Mapping[str, Any], ...] = ()


def stack_of(name: str, table: Mapping[str, Any]) -> Stack:
    """The record of the stack ``name`` in its table of ``stacks.toml``.

    Raises `EndpointError` for an unknown key, and for a value of the wrong type.
    """
    defaults = {one.name: getattr(_NOTHING, one.name) for one in fields(Stack)}
    values: dict[str, Any] = {}
    for key, given in table.items():
        if key not in defaults or key == "name":
            raise EndpointError(f"stack {name}: no key {key!r}{near(key, defaults)}")
        kind = {"planes": list, "known": list, "free": list, "fitted_on": str}.get(
            key, dict if isinstance(defaults[key], Mapping) else type(defaults[key])
        )
        if type(given) is not kind:
            raise EndpointError(f"stack {name}: {key} is {given!r}; it cannot be")
        values[key] = (
            tuple(given) if kind is list else MappingProxyType(given) if kind is dict else given
        )
    return Stack(name, **values)


_NOTHING = Stack("")


@cache
def stacks() -> Mapping[str, Stack]:
    """All records by name, in the order of the file; includes stacks without constants."""
    tables = _read(RECORDS)
    return MappingProxyType({name: stack_of(name, table) for name, table in tables.items()})


def record_of(name: str) -> Stack:
    """The record of the stack ``name``; one that says nothing where there is none.

    Several stacks that were joined have none. Raises `EndpointError` for a file that is wrong.
    """
    return stack_file(name).stack if is_file(name) else stacks().get(name) or Stack(name)


# --- stacks of a user's own


FORMAT = "triplane-stack 1"
"""What the key ``format`` of a stack's file says."""

OWN_KEYS = (
    "source", "planes", "messages", "dtype", "small_bytes", "small_bytes_of", "others_free",
    "costs", "algorithms",
    "total_sizes", "once_a_rank", "one_sided", "constants_of", "why",
)  # fmt: skip
"""The keys of `Stack` that a file may have; the others are of the project's own calibration."""


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack that a user has described: its record, and what it was fitted to.

    ``rows``: the tables ``[[rows]]`` as they are written, see `bench.published.errors.RowError`.
    """

    stack: Stack
    rows: tuple[Mapping[str, Any], ...] = ()


def is_file(name: str) -> bool:
    """True if the name of a stack is a path to a user's own: it ends in ``.toml``."""
    return name.endswith(".toml")


def stack_file(path: str) -> StackFile:
    """The stack in the TOML file at ``path``, which is its name; read again when it has changed.

    Raises `EndpointError` naming the file, and the line of what is no TOML.
    """
    try:
        status = os.stat(path)
    except OSError as fault:
        raise EndpointError(f"no software {path!r}: {fault.strerror or 'it fails'}") from None
    return _stack_file(path, (status.st_mtime_ns, status.st_size, status.st_ino))


@lru_cache(64)
def _stack_file(path: str, _made: tuple[int, ...]) -> StackFile:
    """``_made``: by which a file that was written anew is known."""
    try:
        table = dict(toml_of(read_text(path, EndpointError), EndpointError))
    except TriplaneError as error:
        raise EndpointError(_in_file(path, str(error))) from None
    if table.pop("format", None) != FORMAT:
        raise EndpointError(f'{path} is no software stack: it has no line format = "{FORMAT}"')
    rows = table.pop("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise EndpointError(f"{path}: rows is {shown(rows)}; it has to be tables")
    for key in table:
        if key not in OWN_KEYS:
            known = ("format", *OWN_KEYS, "rows")
            raise EndpointError(
                f"{path}: no key {key!r}; there are {', '.join(known)}{near(key, known)}"
            )
    return StackFile(_checked(stack_of(path, table)), tuple(map(MappingProxyType, rows)))


def _in_file(path: str, message: str) -> str:
    return message if message.startswith(path) else f"{path}: {message}"


def _checked(stack: Stack) -> Stack:
    """``stack``, whose parts are of the right types; raises `EndpointError`."""
    if stack.constants_of and stack.constants_of not in stacks():
        raise EndpointError(
            f"{stack.name}: constants_of is {stack.constants_of!r}; there are"
            f" {', '.join(stacks())}{near(stack.constants_of, stacks())}"
        )
    if not stack.constants_of and not stack.costs:
        raise EndpointError(f"{stack.name} has no constants: neither costs nor constants_of")
    for name in ("planes", "algorithms"):
        values = getattr(stack, name) or ()
        lists = values.values() if isinstance(values, Mapping) else [values]
        if not all(isinstance(one, str) for each in lists for one in each):
            raise EndpointError(f"{stack.name}: {name} has to be lists of names")
    for operation, costs in stack.costs.items():
        if not isinstance(costs, dict):
            raise EndpointError(f"{stack.name}: costs.{operation} is no table")
        for key, value in costs.items():
            numbers = value.values() if isinstance(value, dict) else [value]
            if not all(type(one) in (int, float) for one in numbers):
                raise EndpointError(
                    f"{stack.name}: costs.{operation}.{key} is {shown(value)}; it has to be a"
                    " number, or numbers by plane, distance or protocol"
                )
    return stack


@cache
def fitted() -> Mapping[str, Mapping[str, Any]]:
    """The fitted constants by stack: ``costs`` by operation, and the rows, ``fitted_to``."""
    return MappingProxyType(_read(CONSTANTS))


def _read(path: Path) -> dict[str, dict[str, Any]]:
    with path.open("rb") as file:
        return tomllib.load(file)
