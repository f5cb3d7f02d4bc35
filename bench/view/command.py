"""``triplane view``: one HTML page of a system, or of what ran on it."""

from pathlib import Path

import click

from bench.cli import HELP
from bench.machine import BenchError
from bench.machine_options import machine_file_option, machine_of, no_system
from bench.new_files import NewFile
from bench.streams import put, stdout
from bench.view.live.addresses import addresses
from bench.view.page import Exhibit, page
from fabric.timeline.film import film_of
from fabric.timeline.value import Timeline
from topology.files.arrays import is_npz
from topology.files.output import text_file
from topology.presets.catalogue import whole_of
from topology.units import MB


def opened(name: str | None, without: tuple[str, ...], machine: str | None = None) -> Exhibit:
    """What ``name`` shows: a timeline's file, or a system without the parts in ``without``.

    ``machine``: the file of the machine whose system and parts are shown where ``name`` or
    ``without`` do not say otherwise. Raises `TriplaneError` if there is nothing of the name.
    """
    return _of_machine(name, without, machine) if name is None else _named(name, without, machine)


def _named(name: str, without: tuple[str, ...], machine: str | None) -> Exhibit:
    path = Path(name)
    if path.is_file() and (path.suffix == ".npz" or is_npz(path)):
        if without or machine:
            raise BenchError(f"{name} is a timeline: what it ran on cannot be changed any more")
        timeline = Timeline.load(path)
        return Exhibit(timeline.topology, film_of(timeline), whole_of(timeline.topology))
    if path.suffix == ".npz":
        raise BenchError(f"there is no file {name}")
    return _of_machine(name, without, machine)


def _of_machine(name: str | None, without: tuple[str, ...], machine: str | None) -> Exhibit:
    """The system of a machine, with what it takes out drawn as missing."""
    chosen = machine_of(machine, {"system": name, "without": without})
    whole = chosen.whole()
    return (
        Exhibit(whole.without(*chosen.without), None, whole) if chosen.without else Exhibit(whole)
    )


@click.command(context_settings=HELP)
@click.argument("names", metavar="SYSTEM|TIMELINE [SECOND]", nargs=-1)
@click.option(
    "-o",
    "--output",
    type=NewFile(),
    help="The page to write, such as page.html.",
)
@click.option(
    "--without",
    multiple=True,
    metavar="NAME",
    help="Show the systems without this switch, link or node; may be given again.",
)
@click.option(
    "--live", is_flag=True, help="Say where the pages of runs with --live are that go on now."
)
@machine_file_option
def command(
    names: tuple[str, ...], output: Path | None, without: tuple[str, ...], live: bool,
    machine_file: str | None,
) -> None:  # fmt: skip
    """Write one HTML page that shows a system or a timeline; two are shown side by side.

    A TIMELINE is a file that `triplane bench ... --timeline FILE` wrote. Of a machine all planes
    are shown, and what it takes out. The page needs no server and no network.
    """
    if live:
        if names or output or without or machine_file:
            raise click.UsageError("--live goes alone: it finds the runs that go on")
        _say_where()
        return
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if not names and machine_file is None:
        raise no_system(click.get_current_context())
    if len(names) > 2:
        raise click.UsageError(f"one or two can be shown, not {len(names)}")
    runs = [opened(name, without, machine_file) for name in names or (None,)]
    text = page(*runs)
    with text_file(output) as file:
        file.write(text)
    click.echo(f"{output}: {len(text) / MB:.2f} MB", err=True)


def _say_where() -> None:
    """Print the addresses of pages of runs that go on; raises `BenchError` where there are none."""
    found = addresses()
    if not found:
        raise BenchError(
            "nothing with --live goes on here: start `triplane run --live`, or a bench with --live"
        )
    put(stdout(), *found)
