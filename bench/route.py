"""``triplane topo route``: all ways between two endpoints, with their weights and links."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bench.cli import HELP
from bench.machine_options import machine_options
from bench.new_files import NewFile
from bench.options import FORMATS
from bench.records import Record, as_text, opened
from topology.text import visible
from topology.units import GB, US

if TYPE_CHECKING:
    from fabric.machine import MachineSpec
    from topology.routing.listing import ListedWays


@click.command("route", context_settings=HELP)
@click.argument("src")
@click.argument("dst")
@machine_options
@click.option("--most", type=click.IntRange(1, 1 << 20), default=200, show_default=True,
              metavar="N", help="Ways that are listed at most.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="table")
@click.option("--output", type=NewFile())
def command(
    src: str, dst: str, machine: "MachineSpec", most: int, form: str, output: Path | None
) -> None:
    """List the ways from endpoint SRC to endpoint DST that a routing policy uses.

    With the fraction of the bytes that takes each, the latency of its links, and their names.
    """
    from fabric.machine import MachineWarning
    from topology.routing.listing import ways

    with warnings.catch_warnings(action="ignore", category=MachineWarning):
        router = machine.build().router  # routes have no software, so none is missed
    found = ways(router, src, dst, most)
    rows = records(found)
    with opened(output) as file:
        if form == "table":
            file.write(visible(_head(found, router.policy, router.topology.name, src, dst)) + "\n")
            rows = [{"weight": row["weight"], "latency us": row["latency_us"],
                     "way": row["vertices"]} for row in rows]  # fmt: skip
            file.write(as_text(rows, form))
            if found.count > len(rows):
                file.write(f"# and {found.count - len(rows)} more: --most lists them\n")
        else:
            file.write(as_text(rows, form, machine))


def records(found: "ListedWays") -> list[Record]:
    """A record for each way: its weight, latency, plane, and the names on it, with spaces."""
    return [
        {
            "way": number, "weight": way.weight, "latency_us": way.latency / US,
            "plane": found.plane, "hops": len(way.links), "vertices": " ".join(way.vertices),
            "links": ", ".join(way.links),
        }
        for number, way in enumerate(found.shown)
    ]  # fmt: skip


def _head(found: "ListedWays", policy: str, system: str, src: str, dst: str) -> str:
    ways, links = (f"{n} {word}{'s' * (n != 1)}" for n, word in
                   ((found.count, "way"), (found.links, "link")))  # fmt: skip
    return (
        f"# {policy} on {system}, {src} to {dst}: {ways} over {links} of {found.plane},"
        f" {found.bandwidth / GB:.4g} GB/s alone, {found.latency / US:.4g} us on the wire"
    )
