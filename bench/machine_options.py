"""The options by which a machine is chosen, as one `MachineSpec`: a file, and options over it.

Nothing heavy is imported before a command runs, so that ``--help`` stays quick.
"""

import functools
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from bench.options import check_none_empty

if TYPE_CHECKING:
    from fabric.machine import MachineSpec, Option

_WORDS: Mapping[str, "Option"] = MappingProxyType({"true": True, "false": False, "null": None})
_INTEGER = re.compile(r"-?\d{1,18}")
_FLOAT = re.compile(r"-?\d{1,18}(\.\d{0,18})?(e[-+]?\d{1,2})?")


class RoutingPolicy(click.ParamType[str]):
    """The text of a policy of `topology.routing.policies`."""

    name = "policy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """``value`` as it is written; click reports what is no policy."""
        from topology.errors import TopologyError
        from topology.routing.policies import policy_of

        try:
            policy_of(str(value))
        except TopologyError as error:
            self.fail(str(error), param, ctx)
        return str(value)


_PLACES = re.compile(r"\s*\d{1,9}\s*(?:,\s*\d{1,9}\s*)*")


def machine_of(
    file: str | None, given: Mapping[str, Any], default: "MachineSpec | None" = None
) -> "MachineSpec":
    """The machine in the ``file``, or ``default``, with what was ``given`` as single options.

    ``given``: by field of `MachineSpec`, as text; None or () where it was not. An option takes the
    place of what the file says, a list that of the whole list. Raises `MachineError`.
    """
    from fabric.machine import MachineSpec

    base = (default or MachineSpec()) if file is None else MachineSpec.load(file)
    changed = {name: value for name, value in given.items() if value not in (None, ())}
    if planes := changed.get("planes"):
        changed["planes"] = tuple(re.split(r"\s*,\s*", planes.strip()))
    if classes := changed.get("classes"):
        from fabric.classes.file import load_classes

        changed["classes"] = load_classes(classes)
        _check_operations(classes, [name for one in changed["classes"] for name in one.operations])
    if faults := changed.get("faults"):
        from fabric.faults.file import load_faults

        changed["faults"] = load_faults(faults)
    if options := changed.get("engine_options"):
        changed["engine_options"] = {**base.engine_options, **dict(map(_engine_option, options))}
    placement = changed.get("placement")
    if placement and _PLACES.fullmatch(placement):
        changed["placement"] = tuple(map(int, placement.split(",")))
    return base.changed(**changed)


def _engine_option(given: str) -> "tuple[str, Option]":
    """Name and value of NAME=VALUE; a value that is no number and no truth value is a text."""
    name, equals, value = given.partition("=")
    if not name or not equals:
        raise click.UsageError(f"--engine-option is {given!r}; it has to be NAME=VALUE")
    if value in _WORDS:
        return name, _WORDS[value]
    if _INTEGER.fullmatch(value):
        return name, int(value)
    return name, float(value) if _FLOAT.fullmatch(value) else value


def _check_operations(file: str, names: Iterable[str]) -> None:
    """Warn of names in a table of classes that no operation of ours has: a program's may."""
    from collectives.algorithms.table import ALGORITHMS
    from collectives.workloads.background.streams import BLOCKS
    from fabric.endpoint.costs import MESSAGE
    from fabric.endpoint.records import fitted
    from fabric.machine import MachineWarning
    from topology.names import near

    timed = (key.partition(":")[0] for one in fitted().values() for key in one.get("costs", {}))
    known = dict.fromkeys([*ALGORITHMS, MESSAGE, *BLOCKS, *timed])
    known.pop("default", None)  # of all operations that are not named
    for name in names:
        if name not in known:
            warnings.warn(
                f"{file}: no operation of ours is called {name!r}, only a program's could be of"
                f" that class; there are {', '.join(known)}{near(name, known)}",
                MachineWarning, stacklevel=2,
            )  # fmt: skip


_MACHINE_OPTIONS = (
    click.option("--machine", "machine_file", metavar="FILE",
                 help="A machine's JSON, or an answer that holds one; the options below override"
                      " what it says."),
    click.option("--system", metavar="SYSTEM",
                 help="A preset's name (see `triplane topo list`) or a TOML file"
                      " [cloudmatrix384]."),
    click.option("--software", "--endpoint", "software", metavar="NAMES",
                 help="Software stacks whose costs count [the system's own]."),
    click.option("--engine", metavar="NAME", help="How transfers are timed [flow]."),
    click.option("--engine-option", "engine_options", multiple=True, metavar="NAME=VALUE",
                 help="An option of the engine, e.g. credits=100; may be given again."),
    click.option("--routing", type=RoutingPolicy(), metavar="POLICY",
                 help="How traffic is split over ways: spray, adaptive, hash[:seed=N],"
                      " packet-hash[:seed=N], weighted[:NAME=WEIGHT,..], all-path[:direct=SHARE]"
                      " or static:FILE [spray]."),
    click.option("--planes", metavar="NAMES", help="Use these planes only, e.g. rdma or ub,rdma."),
    click.option("--without", multiple=True, metavar="NAME",
                 help="Take this switch, link or node out; may be given again."),
    click.option("--classes", metavar="FILE",
                 help="Traffic classes, TOML: which transfers go first, and how others share."),
    click.option("--faults", metavar="FILE",
                 help="What breaks when, TOML: links, chips, dies, nodes, racks, planes."),
    click.option("--rank-table", "--placement", "placement", metavar="FILE[:PART]|N,N..",
                 help="Ranks are where HCCL's rank table says, or on these endpoints [in order]."),
)  # fmt: skip
_MACHINE_NAMES = (
    "system",
    "software",
    "engine",
    "engine_options",
    "routing",
    "planes",
    "without",
    "classes",
    "faults",
    "placement",
)


def machine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the choice of a machine, which the command gets as ``machine``, a `MachineSpec`."""

    @functools.wraps(function)
    def run(*args: Any, machine_file: str | None, **values: Any) -> Any:
        check_none_empty(click.get_current_context())
        given = {name: values.pop(name) for name in _MACHINE_NAMES}
        return function(*args, machine=machine_of(machine_file, given), **values)

    for option in reversed(_MACHINE_OPTIONS):
        run = option(run)
    return run


def machine_over_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the choice of a machine over one that is known later, as ``machine_over``.

    The command calls ``machine_over(known)`` for the `MachineSpec`. Where --system or --machine is
    given, nothing of the known one counts.
    """

    @functools.wraps(function)
    def run(*args: Any, machine_file: str | None, **values: Any) -> Any:
        check_none_empty(click.get_current_context())
        given = {name: values.pop(name) for name in _MACHINE_NAMES}

        def machine_over(known: "MachineSpec | None") -> "MachineSpec":
            return machine_of(machine_file, given, None if given["system"] else known)

        return function(*args, machine_over=machine_over, **values)

    for option in reversed(_MACHINE_OPTIONS):
        run = option(run)
    return run


def system_options(without: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: SYSTEM, --machine and --without, as a ``machine`` for what looks at a topology.

    ``without``: the help of --without. SYSTEM may be left out where a machine is given, and else
    takes the place of the machine's.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.argument("name", metavar="SYSTEM", required=False)
        @machine_file_option
        @click.option("--without", multiple=True, metavar="NAME", help=without)
        @functools.wraps(function)
        def run(name: str | None, machine_file: str | None, without: tuple[str, ...],
                **values: Any) -> Any:  # fmt: skip
            if name is None and machine_file is None:
                raise no_system(click.get_current_context())
            machine = machine_of(machine_file, {"system": name, "without": without})
            return function(machine=machine, **values)

        return run

    return decorate


machine_file_option = click.option(
    "--machine", "machine_file", metavar="FILE",
    help="A machine's JSON, or an answer that holds one: what it says of the system counts.",
)  # fmt: skip
"""Adds --machine to a command that looks at a topology, which gets it as ``machine_file``."""


def no_system(ctx: click.Context) -> click.MissingParameter:
    """The error of click for a command whose argument is missing."""
    argument = next(one for one in ctx.command.params if isinstance(one, click.Argument))
    return click.MissingParameter(ctx=ctx, param=argument)
