"""How the ranks of a window make their memory known to each other, in no emulated time."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from collectives.calls.communicator import Communicator
from collectives.memory.errors import WindowError
from fabric.failure import WorldError
from fabric.host.curve import Keys
from fabric.memory.far import MemoryDoor
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


class Met(NamedTuple):
    """The parts of all ranks of a window, and what this rank needs to know of its own.

    ``door``: what answers for its memory to other hosts, None where all is on one; ``sides``: of
    "npu" and "cpu", those whose memory has a port where the window is accessed.
    """

    parts: tuple[PeerWindow, ...]
    door: MemoryDoor | None
    sides: tuple[str, ...]


def meet(
    comm: Communicator, window: int, own: OwnMemory, device: str, name: str, plane: str
) -> Met:
    """Register ``own`` as this rank's part of ``window``, which is accessed over ``plane``.

    "" is those of the machine. All ranks call it. Raises `WindowError` at every rank if one cannot
    reach another's memory.
    """
    place, control, is_cpu = own.place, comm.driver.control, device == "cpu"
    exposed = control.expose(window, place, is_cpu, name, plane)
    told = _told(comm, [*place, device, exposed.why], name)
    sides = tuple(one for one, has in (("npu", exposed.npu), ("cpu", exposed.cpu)) if has)
    door = None
    try:
        if any(said[-1] for said in told) or len({said[0] for said in told}) > 1:
            door = MemoryDoor(comm.driver.transport.rank, os.environ)
            door.expose(window, own.bytes)
            place = place._replace(number=window, door=door.address)
            exposed = control.expose(window, place, is_cpu, name, plane)
            told = _told(comm, [*place, device, exposed.why], name)
        return Met(_parts(comm, told, name), door, sides)
    except BaseException:
        if door is not None:
            door.close()
        raise


def _parts(comm: Communicator, told: Sequence[Sequence[Any]], name: str) -> tuple[PeerWindow, ...]:
    """What all ranks know of each other's parts, if each can reach those of all others."""
    parts, refused = [], [str(said[-1]) for said in told if said[-1]]
    keys = Keys.from_environment(os.environ)
    for place, (*where, device, _) in enumerate(told):
        rank = comm.members[place]
        try:
            memory = reached(MemoryPlace(*where), rank, keys)
            parts.append(PeerWindow(memory, where[3], device, rank))
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
