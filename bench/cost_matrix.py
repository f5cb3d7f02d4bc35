"""``triplane topo cost-matrix``: latency and bandwidth between endpoints, or groups of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import HELP
from bench.machine_options import system_options
from bench.new_files import NewFile
from bench.options import FORMATS, parse_bytes
from bench.records import Record, Value, as_text, in_gb, opened, over
from bench.streams import put
from topology.analysis.pair_costs import (
    BY,
    GroupCosts,
    ends_of,
    group_costs,
    name_of,
    planes_of,
    usual_grouping,
)
from topology.placement.rank_cost import MESSAGE, as_json, rank_costs
from topology.routing.router import Router
from topology.units import US

if TYPE_CHECKING:
    from fabric.endpoint.costs import Endpoint
    from fabric.machine import MachineSpec
    from topology.graph import Topology

USUAL = "usual"
"""As --software: the stacks that the system usually runs."""

LARGE = 64 << 20
"""Bytes of the message whose bandwidth is told with software."""


@click.command("cost-matrix", context_settings=HELP)
@system_options("Take this switch, link or node out; may be given again.")
@click.option("--by", type=click.Choice(BY),
              help="What a row is between: how far apart two are, what they sit in, or endpoints"
                   " [level; endpoint of small systems].")  # fmt: skip
@click.option("--plane", "planes", multiple=True, metavar="NAME",
              help="Only this plane; may be given again.")  # fmt: skip
@click.option("--software", metavar="NAMES",
              help=f"Add what messages take with these stacks; {USUAL}: the system's.")  # fmt: skip
@click.option("--size", type=parse_bytes, metavar="SIZE", default=str(MESSAGE), show_default=True,
              help="Bytes of that message, and of those of rank-cost.")  # fmt: skip
@click.option("--format", "form", type=click.Choice((*FORMATS, "rank-cost")), default="table",
              show_default=True,
              help="rank-cost: all accelerators by all, for SGLang's --eplb-topology.")  # fmt: skip
@click.option("--output", type=NewFile())
def command(
    machine: "MachineSpec", by: str | None, planes: tuple[str, ...], software: str | None,
    size: int, form: str, output: Path | None,
) -> None:  # fmt: skip
    """List what it costs endpoints of SYSTEM to reach each other, for each plane by itself.

    Latency and bandwidth are of a pair alone on the wire, the lowest and the highest of all pairs
    of a row. Of a machine its planes count, its routing, and the endpoints of its ranks.
    """
    topology, places = machine.placed()
    planes = planes or machine.planes or ()
    if form == "rank-cost":
        router = Router(topology, machine.routing, planes or None)
        ends = topology.accelerators if places is None else places
        text = as_json(rank_costs(router, ends, size))
        with opened(output) as file:
            file.write(text)
        return
    by = by or usual_grouping(topology)
    found: list[Record] = []
    partial: list[str] = []
    for plane in planes_of(topology, planes):
        router = Router(topology, machine.routing, (plane,))
        ends = ends_of(topology, plane) if places is None else places
        costs, whole = group_costs(router, ends, by)
        partial += [] if whole else [plane]
        stack = None if software is None else _stack(software, topology)
        found += [_record(router, one, by, machine, stack, size) for one in costs]
    with opened(output) as file:
        if form != "table":
            file.write(as_text(found, form, machine))
            return
        file.write(as_text([*map(_shown, found)], form))
        put(file, *(f"# {plane}: some endpoints stand for all" for plane in partial))


def _stack(software: str, topology: "Topology") -> "Endpoint":
    from fabric.endpoint.stacks import stacks_of

    return stacks_of(None if software == USUAL else software, topology)


def _record(
    router: Router, costs: GroupCosts, by: str, machine: "MachineSpec", stack: "Endpoint | None",
    size: int,
) -> Record:  # fmt: skip
    topology, (low, high), (slow, fast) = router.topology, costs.latency, costs.bandwidth
    ends = {} if by == "level" else {
        "src": name_of(topology, by, costs.src), "dst": name_of(topology, by, costs.dst),
    }  # fmt: skip
    record: dict[str, Value] = {
        "plane": router.planes[0], **ends, "level": costs.level, "pairs": costs.pairs,
        "latency_us_min": low / US, "latency_us_max": high / US, "bandwidth_GBps_min": in_gb(slow),
        "bandwidth_GBps_max": in_gb(fast),
    }  # fmt: skip
    return record if stack is None else record | _with_software(router, costs, machine, stack, size)


def _with_software(
    router: Router, costs: GroupCosts, machine: "MachineSpec", stack: "Endpoint", size: int
) -> dict[str, Value]:  # fmt: skip
    """What a message takes between the pair that is farthest apart, simulated."""
    from fabric.endpoint.costs import MESSAGE as OPERATION
    from fabric.fabric import Fabric
    from fabric.schedule.step import Step

    fabric = Fabric(
        router.topology, engine=machine.engine, engine_options=machine.engine_options,
        routing=machine.routing, endpoint=stack, planes=router.planes, placement=costs.farthest,
    )  # fmt: skip
    short, large = (
        fabric.simulate([Step(0, 1, one)], operation=OPERATION, size=one, ranks=2).duration
        for one in (size, LARGE)
    )
    return {
        "software": stack.stack(OPERATION), "size_bytes": size, "message_us": short / US,
        "message_GBps": in_gb(over(LARGE, large)),
    }  # fmt: skip


def _shown(row: Record) -> Record:
    """A row for a person: one number where lowest and highest are the same."""
    return dict(_merged(row))


def _merged(row: Record) -> Iterator[tuple[str, Value]]:
    for name, value in row.items():
        if name.endswith("_min"):
            stem = name.removesuffix("_min")
            low, high = (f"{one:.5g}" if isinstance(one, float) else "-"
                         for one in (value, row[f"{stem}_max"]))  # fmt: skip
            yield stem, low if low == high else f"{low} to {high}"
        elif not name.endswith("_max"):
            yield name, value
