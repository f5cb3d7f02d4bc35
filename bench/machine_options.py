"""The options by which a machine is chosen, as one `MachineSpec`: a file, and options over it.

Nothing heavy is imported before a command runs, so that ``--help`` stays quick.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from bench.options import check_none_empty

if TYPE_CHECKING:
    from fabric.machine import MachineSpec

_PLACES = re.compile(r"\s*\d{1,9}\s*(?:,\s*\d{1,9}\s*)*")


def _machine(file: str | None, given: Mapping[str, Any]) -> "MachineSpec":
    """The machine in the file, or the default one, with what was given as single options.

    An option takes the place of what the file says, a list that of the whole list.
    """
    from fabric.machine import MachineSpec

    base = MachineSpec() if file is None else MachineSpec.load(file)
    changed = {name: value for name, value in given.items() if value not in (None, ())}
    if planes := changed.get("planes"):
        changed["planes"] = tuple(re.split(r"\s*,\s*", planes.strip()))
    placement = changed.get("placement")
    if placement and _PLACES.fullmatch(placement):
        changed["placement"] = tuple(map(int, placement.split(",")))
    return replace(base, **changed)


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
    click.option("--routing", type=click.Choice(("spray", "hash", "adaptive")),
                 help="How paths are chosen [spray]."),
    click.option("--planes", metavar="NAMES", help="Use these planes only, e.g. rdma or ub,rdma."),
    click.option("--without", multiple=True, metavar="NAME",
                 help="Take this switch, link or node out; may be given again."),
    click.option("--rank-table", "--placement", "placement", metavar="FILE[:PART]|N,N..",
                 help="Ranks are where HCCL's rank table says, or on these endpoints [in order]."),
)  # fmt: skip
_MACHINE_NAMES = ("system", "software", "engine", "routing", "planes", "without", "placement")


def machine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the choice of a machine, which the command gets as ``machine``, a `MachineSpec`."""

    @functools.wraps(function)
    def run(*args: Any, machine_file: str | None, **values: Any) -> Any:
        check_none_empty(click.get_current_context())
        given = {name: values.pop(name) for name in _MACHINE_NAMES}
        return function(*args, machine=_machine(machine_file, given), **values)

    for option in reversed(_MACHINE_OPTIONS):
        run = option(run)
    return run
