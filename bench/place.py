"""``triplane topo place``: which endpoints a job's ranks get, as a placement for other commands."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
import numpy as np

from bench.cli import HELP
from bench.machine_options import system_options
from bench.new_files import NewFile
from bench.numbers import CountList
from bench.options import FORMATS
from bench.records import Record, Value, as_text, opened
from topology.formats import rank_files
from topology.formats.schedulers import HostNames
from topology.graph import CONTAINERS, NOWHERE, Ints, Topology
from topology.placement.allocate import POLICIES, blocks, place
from topology.placement.usable import usable

if TYPE_CHECKING:
    from fabric.machine import MachineSpec


@dataclass(frozen=True, eq=False)
class PlacedJob:
    """A job that has been placed.

    ``left``: the machine's topology, of which ``places`` are the endpoints of the ranks; ``whole``:
    the same with nothing taken out, of which these are the ``numbers``. ``sizes``: of its blocks.
    """

    machine: "MachineSpec"
    whole: Topology
    left: Topology
    places: Ints
    numbers: Ints
    sizes: tuple[int, ...]
    hosts: HostNames

    def rank_cost(self) -> str:
        """What it costs each rank to send to each other, as JSON."""
        from topology.placement.rank_cost import as_json, rank_costs
        from topology.routing.router import Router

        router = Router(self.left, self.machine.routing, self.machine.planes)
        return as_json(rank_costs(router, self.places))


FILES: Mapping[str, Callable[[PlacedJob], str]] = MappingProxyType(
    {
        "openmpi": lambda job: rank_files.open_mpi(job.whole, job.numbers, job.hosts),
        "hosts": lambda job: rank_files.host_list(job.whole, job.numbers, job.hosts),
        "hccl": lambda job: rank_files.hccl(job.whole, job.numbers, job.hosts),
        "sp-block": lambda job: rank_files.sp_block(job.whole, job.sizes),
        "rank-cost": PlacedJob.rank_cost,
    }
)
"""Files of a placement for other tools, by the name of their format."""

_RANKS = click.IntRange(1, 1 << 20)


class BlockList(CountList):
    """Sizes of blocks in order, with commas between them; ``4x16`` are four of 16."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """``value`` as the size of each block; click reports anything else."""
        if isinstance(value, tuple):
            return value
        found: list[int] = []
        for part in str(value).split(","):
            times, cross, size = part.strip().rpartition("x")
            each = self._count(size, part, param, ctx)
            found += [each] * (self._count(times, part, param, ctx) if cross else 1)
            if len(found) > self.most:
                self.fail(f"more than {self.most} blocks are asked for", param, ctx)
        return tuple(found)


@click.command("place", context_settings=HELP)
@system_options("Place around this switch, link or node as taken out; may be given again.")
@click.option("-n", "--ranks", type=_RANKS, metavar="N", help="Ranks of the job.")
@click.option("--blocks", "sizes", type=BlockList("ranks of a block", 1 << 16), metavar="N,N,..",
              help="Instead of --ranks: blocks of so many ranks, each within one --level;"
                   " 4x16: four of 16.")  # fmt: skip
@click.option("--policy", type=click.Choice(POLICIES),
              help="packed: close together [default]; spread: over all of a --level in turn;"
                   " within: all in one of a --level.")  # fmt: skip
@click.option("--level", metavar="NAME",
              help="package, node, rack, supernode, or a plane: what hangs on the same switches"
                   " of it [spread: node].")  # fmt: skip
@click.option("--busy", multiple=True, metavar="NAME",
              help="This die, node or pattern is another job's; may be given again.")  # fmt: skip
@click.option("--unhurt", is_flag=True,
              help="Also leave out endpoints that have lost a link of their own.")  # fmt: skip
@click.option("--hosts", "pattern", default="node{}", show_default=True, metavar="NAME",
              help="Names of hosts in files for launchers; {}: the node's number.")  # fmt: skip
@click.option("--format", "form", type=click.Choice((*FORMATS, "list", *FILES)), default="table",
              help="list: numbers for --placement; json: a machine with this placement, for"
                   " --machine; else a file for another tool.")  # fmt: skip
@click.option("--output", type=NewFile())
def command(
    machine: "MachineSpec", ranks: int | None, sizes: tuple[int, ...] | None, policy: str | None,
    level: str | None, busy: tuple[str, ...], unhurt: bool, pattern: str, form: str,
    output: Path | None,
) -> None:  # fmt: skip
    """Choose the endpoints of a job's ranks on SYSTEM.

    Ranks go on accelerators that are left, reach each other and are not busy. Of a machine the
    planes that it uses count.
    """
    if (ranks is None) == (sizes is None):
        raise click.UsageError("either --ranks or --blocks is needed")
    if sizes is not None and (policy or level is None):
        raise click.UsageError("--blocks needs a --level, and takes no --policy")
    whole = machine.whole()
    left = whole.without(*machine.without) if machine.without else whole
    free = usable(left, busy=busy, planes=machine.planes or (), unhurt_of=whole if unhurt else None)
    if sizes is None:
        places = place(left, policy or "packed", ranks or 0, free, level)
    else:
        places = blocks(left, sizes, free, level or "")
    numbers = [whole.index[left.vertex_names[at]] for at in places.tolist()]
    if form in FILES:
        job = PlacedJob(machine, whole, left, places, np.array(numbers, np.int32),
                        sizes or (len(numbers),), HostNames(pattern))  # fmt: skip
        text = FILES[form](job)
    else:
        text = written(machine, whole, numbers, form)
    with opened(output) as file:
        file.write(text)


def written(machine: "MachineSpec", whole: Topology, numbers: Sequence[int], form: str) -> str:
    """A placement as text in one of the formats of the command.

    ``numbers``: the endpoint of each rank in ``whole``, the machine with nothing taken out.
    """
    if form == "list":
        return ",".join(map(str, numbers)) + "\n"
    rows = records(whole, np.array(numbers, np.int32))
    if form != "json":
        return as_text(rows, form)
    placed = machine.changed(placement=tuple(numbers))
    return json.dumps({"ranks": rows, "machine": placed.to_json()}, allow_nan=False) + "\n"


def records(topology: Topology, places: Ints) -> list[Record]:
    """A record for each rank: its endpoint, by number and name, and what that sits in."""
    known = [name for name in CONTAINERS if (getattr(topology, name)[places] != NOWHERE).any()]
    found: list[Record] = []
    for rank, at in enumerate(places.tolist()):
        inside = {name: int(getattr(topology, name)[at]) for name in known}
        record: dict[str, Value] = {
            "rank": rank, "endpoint": at, "name": topology.vertex_names[at],
            **{name: None if number == NOWHERE else number for name, number in inside.items()},
        }  # fmt: skip
        found.append(record)
    return found
