"""LaunchJob: what `fabric.launch` was asked for, passed to each way of running it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fabric.failure import WorldError
from fabric.settings import Settings
from topology.arguments import integer

if TYPE_CHECKING:
    from fabric.fabric import Fabric


@dataclass(frozen=True)
class LaunchJob:
    """``main(*args)`` in each of ``ranks`` ranks, with common settings.

    ``timeout``: seconds after which they are ended; None: never. ``make``: what makes the
    machine, if the settings do not describe it or it is there already. ``transport``: how their
    bytes travel, by name.
    """

    main: Callable[..., Any]
    ranks: int
    settings: Settings
    args: tuple[Any, ...] = ()
    timeout: float | None = None
    make: "Callable[[], Fabric] | None" = None
    transport: str = "inproc"


MOST_RANKS = 1 << 16
"""Ranks of a world at most: of what nobody can run, nothing is made."""


def checked_size(ranks: Any) -> int:
    """``ranks`` as the size of a world, an int from 1 to `MOST_RANKS`.

    Raises `ArgumentError` for no integer, `WorldError` for one out of range.
    """
    size = integer(ranks, "ranks")
    if not 1 <= size <= MOST_RANKS:
        raise WorldError(f"a world has 1 to {MOST_RANKS} ranks, {size} are asked for")
    return size
