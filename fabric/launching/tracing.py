"""The authority over a world while its ranks run: who shows it, its trace and log at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.failure import WorldError
from fabric.host.forked import here
from fabric.settings import Settings, emulator
from fabric.world.world import World, advisor

if TYPE_CHECKING:
    from fabric.fabric import Fabric


LIVE = "triplane.live"
"""The group of the entry point that shows a world while its ranks run: it makes a context manager
of the world, and of whether ranks wait for somebody who watches."""


@contextmanager
def opened(
    ranks: int, settings: Settings, make: "Callable[[], Fabric] | None" = None
) -> Iterator[World]:
    """A context manager for the authority over a world of ``ranks`` ranks.

    ``make``: what makes the machine; None: that of the settings is built. Writes the
    trace at the end, if the settings ask for one. Raises `WorldError` if the machine has too few
    endpoints, or if the trace could not be written.
    """
    timing = emulator(settings, (make or settings.fabric)(), ranks)
    if timing is not None:
        advisor()  # imported here, not when the first rank asks and others wait
    recorder = None
    if settings.record is not None:
        from fabric.world.recorder import RunRecorder

        recorder = RunRecorder(ranks)
    world = World(
        ranks, timing, start=time.monotonic(), scale=settings.paced, survives=settings.survives,
        recorder=recorder, spares=settings.spares,
    )  # fmt: skip
    shown = _shown(world, settings) if settings.live else nullcontext()
    with _traced(world, settings), _recorded(world, settings), shown:
        yield world


def _shown(world: World, settings: Settings) -> AbstractContextManager[None]:
    """A context manager during which what ranks do can be watched.

    What shows it is in a package that this one does not know. Raises `WorldError` if there is none.
    """
    for entry in entry_points(group=LIVE):
        show: Callable[[World, bool], AbstractContextManager[None]] = entry.load()
        return show(world, settings.live_wait)
    raise WorldError(f"Triplane is not installed whole: nothing is registered as {LIVE}")


@contextmanager
def _recorded(world: World, settings: Settings) -> Iterator[None]:
    """While this lasts the ranks run; then the log of their run is written, as their trace is."""
    recorder = world.recorder
    if settings.record is None or recorder is None:
        yield
        return
    path = Path(settings.record)

    def write() -> None:
        from fabric.run_log.file import save

        save(recorder.log(world.emulator, settings), path)

    with _written("record", path, write):
        yield


@contextmanager
def _traced(world: World, settings: Settings) -> Iterator[None]:
    """While this lasts the ranks run; then their trace is written, however they have ended.

    Raises `WorldError` before they begin where it could not be written.
    """
    if settings.trace is None:
        yield
        return
    path, timed = Path(settings.trace), world.emulator
    if timed is None:
        raise WorldError(f"a trace ({path}) is of emulated time, and no machine is emulated")

    def write() -> None:
        from fabric.clock.perfetto import write

        write(timed, path)

    with _written("trace", path, write):
        yield


@contextmanager
def _written(what: str, path: Path, write: Callable[[], None]) -> Iterator[None]:
    """At the end ``write`` writes the file at ``path``.

    Raises `WorldError` at the beginning if there is no folder to write it to.
    """
    if not path.absolute().parent.is_dir():
        raise WorldError(f"the {what} {path} cannot be written: there is no folder {path.parent}")
    at_home = here()
    try:
        yield
    finally:
        if at_home():  # not at the end of a process that was forked meanwhile
            write()
