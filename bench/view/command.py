"""``triplane view``: one HTML page of a system, or of what ran on it."""

import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

import click

from bench.cli import HELP
from bench.machine import BenchError
from bench.new_files import NewFile
from bench.view.page import Exhibit, page
from fabric.timeline.film import film_of
from fabric.timeline.value import Timeline
from topology import Topology, TopologyError, system
from topology.files.output import text_file
from topology.units import MB


@dataclass(frozen=True)
class Fleet:
    """What the names of fault-free systems look like, and what `topology.system` calls them."""

    written: str
    called: str


_FLEETS = (
    Fleet(r"(?:supernode|star|ring|fat_tree)\(\d+\)", r"\g<0>"),
    Fleet(r"(dgx_h\d+)\(nodes=(\d+), rdma='\w+'\)", r"\1:\2"),
    Fleet(r"\w+", r"\g<0>"),
)


def whole_of(topology: Topology) -> Topology | None:
    """The fault-free system from which ``topology`` was made; None if it is unknown."""
    if not topology.removed:
        return None
    for fleet in _FLEETS:
        if re.fullmatch(fleet.written, topology.name):
            called = re.sub(fleet.written, fleet.called, topology.name)
            return _rebuilt(called.replace("(", ":").rstrip(")"), topology)
    return None


def _rebuilt(name: str, topology: Topology) -> Topology | None:
    """The system called ``name`` if ``topology`` is what its faults leave of it."""
    try:
        whole = system(name)
        left = whole.without(*topology.removed)
    except TopologyError:  # a name of the user's own, or made with parameters of its own
        return None
    return whole if left.equals(topology) else None


def opened(name: str, without: tuple[str, ...]) -> Exhibit:
    """What ``name`` shows: a timeline's file, or a system without the parts in ``without``.

    Raises `TriplaneError` if it is neither.
    """
    path = Path(name)
    if path.is_file() and (path.suffix == ".npz" or zipfile.is_zipfile(path)):
        if without:
            raise BenchError(f"{name} is a timeline: what it ran on cannot be changed any more")
        timeline = Timeline.load(path)
        return Exhibit(timeline.topology, film_of(timeline), whole_of(timeline.topology))
    if path.suffix == ".npz":
        raise BenchError(f"there is no file {name}")
    whole = system(name)
    return Exhibit(whole.without(*without), None, whole) if without else Exhibit(whole)


@click.command(context_settings=HELP)
@click.argument("names", metavar="SYSTEM|TIMELINE [SECOND]", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=NewFile(),
    required=True,
    help="The page to write, such as page.html.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="Show the systems without this switch, link or node; may be given again.",
)
def command(names: tuple[str, ...], output: Path, without: tuple[str, ...]) -> None:  # fmt: skip
    """Write one HTML page that shows a system or a timeline; two are shown side by side.

    A TIMELINE is a file that `triplane bench ... --timeline FILE` wrote. The page needs no server
    and no network.
    """
    if len(names) > 2:
        raise click.UsageError(f"one or two can be shown, not {len(names)}")
    runs = [opened(name, without) for name in names]
    text = page(*runs)
    with text_file(output) as file:
        file.write(text)
    click.echo(f"{output}: {len(text) / MB:.2f} MB", err=True)
