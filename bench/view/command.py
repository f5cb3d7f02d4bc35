"""``triplane view``: one HTML page of a system, or of what ran on it."""

import zipfile
from pathlib import Path

import click

from bench.cli import HELP
from bench.machine import BenchError
from bench.new_files import NewFile
from bench.view.page import Exhibit, page
from fabric.timeline.film import film_of
from fabric.timeline.value import Timeline
from topology import system
from topology.files.output import text_file
from topology.presets.catalogue import whole_of
from topology.units import MB


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
