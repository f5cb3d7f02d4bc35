"""Tracing: the authority over a world writes its trace when the world ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fabric.authority.world import World
from fabric.failure import WorldError

if TYPE_CHECKING:
    from fabric.settings import Settings


@contextmanager
def traced(world: World, settings: "Settings") -> Iterator[None]:
    """While this lasts the ranks run; then their trace is written, however they have ended.

    Raises `WorldError` before they begin where it could not be written.
    """
    if settings.trace is None:
        yield
        return
    path = Path(settings.trace)
    if world.emulator is None:
        raise WorldError(f"a trace ({path}) is of emulated time, and no machine is emulated")
    if not path.absolute().parent.is_dir():
        raise WorldError(f"the trace {path} cannot be written: there is no folder {path.parent}")
    try:
        yield
    finally:
        from fabric.trace.live import write

        write(world.emulator, path)
