"""How the ranks of a window make their memory known to each other, in no emulated time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from collectives.calls.communicator import Communicator
from collectives.memory.errors import WindowError
from fabric.failure import WorldError
from fabric.memory.places import MemoryPlace, OwnMemory, ReachedMemory, reached

ROOM = 1024
"""Bytes in which a rank says what others must know of it, as JSON."""


@dataclass(frozen=True, slots=True)
class PeerWindow:
    """What a rank knows of another one's part of a window.

    ``memory``: reaches it; ``size``: bytes; ``device``: "npu" or "cpu"; ``rank``: of the world.
    """

    memory: ReachedMemory
    size: int
    device: str
    rank: int


def meet(
    comm: Communicator, window: int, own: OwnMemory, device: str, name: str
) -> tuple[PeerWindow, ...]:
    """Register ``own`` as this rank's part of ``window``; returns the parts of all ranks.

    All ranks call it. Raises `WindowError` at every rank if one cannot reach another's memory.
    """
    why = comm.driver.control.expose(window, own.place, device == "cpu", name)
    told = _told(comm, [*own.place, device, why], name)
    parts, refused = [], [said[-1] for said in told if said[-1]]
    for place, (*where, cpu, _) in enumerate(told):
        rank = comm.members[place]
        try:
            parts.append(PeerWindow(reached(MemoryPlace(*where), rank), where[3], cpu, rank))
        except WorldError as error:
            refused.append(f"rank {comm.rank} cannot reach it: {error}")
    every = [why for (why,) in _told(comm, [refused[0] if refused else ""], name) if why]
    if every:
        raise WindowError(f"window {name!r} cannot be: {every[0]}")
    return tuple(parts)


def settle(comm: Communicator, name: str) -> None:
    """Return when all ranks have called it."""
    _told(comm, [], name)


def _told(comm: Communicator, mine: Sequence[Any], name: str) -> list[list[Any]]:
    """What every rank has said, in order of ranks."""
    text = json.dumps(mine).encode()[:ROOM]
    sent, brought = np.zeros((2, comm.size, ROOM), np.uint8)
    sent[:, : len(text)] = np.frombuffer(text, np.uint8)
    comm.inform(brought, sent, f"window({name!r})")
    return [json.loads(row.tobytes().rstrip(b"\0")) for row in brought]
