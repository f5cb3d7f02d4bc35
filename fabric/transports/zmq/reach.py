"""How a rank reaches each other rank: by shared memory or sockets.

Ranks that can open each other's memory use it; others (of another host, container or user) use
sockets. If no rank needs a socket there is none, and no file either.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fabric.failure import TransportError
from fabric.host.curve import private
from fabric.host.folder import private_folder
from fabric.host.liveness import kernel
from fabric.transports.base import Rendezvous
from fabric.transports.peer_memory import HostMemory
from fabric.transports.zmq.doorbell import Doorbell, nameless
from fabric.transports.zmq.shm import Door, Neighbour, OwnArena, open_neighbour
from fabric.transports.zmq.sockets import BIND, Sockets, endpoint

FOLDER = "TRIPLANE_FOLDER"
"""The environment variable that names a private folder for files; else a rank makes its own."""

SHARED_MEMORY = "TRIPLANE_SHARED_MEMORY"
"""The environment variable that, if it is ``0``, makes even ranks of one host use sockets."""


@dataclass(frozen=True)
class Reach:
    """All connections of a rank of a world of ``size`` to the others.

    ``neighbours``: ranks with which it shares memory; ``readers``: ranks that can also read the
    rest of its memory; ``memory``: reads that of all ranks, if every rank can; ``peers``: of the
    other ranks, address and token; ``leave`` releases everything.
    """

    rank: int
    size: int
    bell: Doorbell
    home: OwnArena | None
    neighbours: Sequence[Neighbour]
    readers: Set[int]
    memory: HostMemory | None
    sockets: Sockets | None
    peers: Mapping[int, tuple[str, bytes]]
    leave: Callable[[], None]


def find(rank: int, size: int, exchange: Rendezvous) -> Reach:
    """Connect a rank to all others by shared memory or sockets; every rank calls it.

    Ranks first exchange how their memory is opened, then whose each of them could open; sockets are
    made only if some pair of ranks shares no memory. Raises `TransportError`.
    """
    with ExitStack() as stack:
        # Made when something first needs a name in it.
        folder = functools.cache(partial(_folder, stack, os.environ))
        endpoint(rank, Path(), os.environ)  # what is wrong is refused even if nobody needs it
        bell = Doorbell(None if nameless() else folder() / f"{rank}.bell")
        stack.callback(bell.close)
        home = _home(rank, size, folder, stack)
        doors = exchange(None if home is None else asdict(home.door(bell)))
        opened = _neighbours(rank, size, doors, stack) if home else {}
        found = exchange([sorted(opened), [peer for peer in opened if opened[peer].memory]])
        whose = [memories for memories, _ in found]
        readers = {peer for peer, (_, read) in enumerate(found) if rank in read}
        neighbours = [opened[peer] for peer in opened if rank in whose[peer]]
        others = {peer: each.memory for peer, each in opened.items() if each.memory is not None}
        memory = HostMemory(others) if all(len(read) == size - 1 for _, read in found) else None
        bell.hide()
        if home is not None:
            home.hide()
        sockets, peers = _sockets(rank, folder, exchange, stack, whose)
        leave = stack.pop_all().close
    return Reach(rank, size, bell, home, neighbours, readers, memory, sockets, peers, leave)


def _folder(stack: ExitStack, environment: Mapping[str, str]) -> Path:
    given = environment.get(FOLDER)
    return Path(given) if given else stack.enter_context(private_folder())


def _home(rank: int, size: int, folder: Callable[[], Path], stack: ExitStack) -> OwnArena | None:
    if os.environ.get(SHARED_MEMORY) == "0":
        return None
    home = OwnArena(rank, size, None if nameless() else folder() / f"{rank}.memory")
    stack.callback(home.close)
    return home


def _neighbours(
    rank: int, size: int, doors: Sequence[Mapping[str, Any] | None], stack: ExitStack
) -> dict[int, Neighbour]:
    """Those whose memory can be opened, by rank."""
    found = {}
    for peer, door in enumerate(doors):
        neighbour = open_neighbour(peer, size, Door(**door)) if door and peer != rank else None
        if neighbour is not None:
            stack.callback(neighbour.close)
            found[peer] = neighbour
    return found


def _sockets(
    rank: int, folder: Callable[[], Path], exchange: Rendezvous, stack: ExitStack,
    whose: Sequence[Sequence[int]],
) -> tuple[Sockets | None, dict[int, tuple[str, bytes]]]:  # fmt: skip
    """The rank's own sockets, and where the others listen: address and token by rank.

    ``whose``: for each rank, whose memory it has opened.
    """
    if all(len(others) == len(whose) - 1 for others in whose):
        return None, {}
    sockets = Sockets(rank, len(whose), folder(), os.environ)
    stack.callback(sockets.close)
    told = exchange([sockets.address, sockets.token.hex(), kernel()])
    for peer, (address, _, where) in enumerate(told):
        if where != kernel() and private(address):
            raise TransportError(
                f"rank {peer} is on another host and listens at {address}, where only its own host"
                f" can reach it: give it {BIND}=tcp://ADDRESS",
                peer,
            )
    return sockets, {
        peer: (address, bytes.fromhex(token)) for peer, (address, token, _) in enumerate(told)
    }
