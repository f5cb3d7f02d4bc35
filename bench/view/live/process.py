"""The process of the page's server: ``python -m bench.view.live.process``.

A launcher starts it, and sends on its standard input what is to be shown (`Order`) and then what
happens (`bench.view.live.feed.LiveBatch`), each as a pickle with its length before it: nobody else
can write there. It answers with the page's address, and with `WATCHED` when the first browser has a
stream. When the input ends, however that came about,
it tells the browsers, and ends.
"""

import asyncio
import os
import pickle
import secrets
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bench.view.live.addresses import announced
from bench.view.live.document import live_page
from bench.view.live.feed import LiveBatch
from bench.view.live.frames import Seen, frame
from bench.view.live.server import LiveServer
from bench.view.live.watched import Watched
from bench.view.packing import pack
from bench.view.topology_payload import shown
from fabric.fabric import Fabric
from topology.presets.catalogue import whole_of

LENGTH = struct.Struct("<Q")
"""What is before each pickle: its length in bytes."""

PARTING = 1.0
"""Seconds that browsers have to take the last frame."""

POLITE = 5
"""By how much this process gives way to others: a page must not slow down what it shows."""

SHARE = 0.03
"""Of one core, that following a world may take: browsers get fewer frames where these cost more."""

LONGEST_PAUSE = 2.0
"""Seconds between two frames at most, however much they cost."""

WATCHED = "watched"
"""What is said when somebody watches."""

LOST = "the launcher is gone"
"""How a world has ended of which nothing more is heard."""


@dataclass(frozen=True)
class Order:
    """What is to be shown: a world of ``size`` ranks on ``fabric``."""

    fabric: Fabric
    size: int


async def serve(reader: asyncio.StreamReader) -> None:
    """Serve the page of the world that ``reader`` tells of, until it says no more."""
    order: Order = await _received(reader)
    world, fabric = Watched(order.fabric, order.size), order.fabric
    whole = whole_of(fabric.topology)
    view = shown(fabric.topology, whole)
    kept: list[bytes] = []
    watching: list[str] = []
    making = asyncio.Lock()

    async def document() -> bytes:
        async with making:
            if not kept:
                made = await asyncio.to_thread(live_page, fabric, order.size, view)
                kept.append(made.encode())
            return kept[0]

    def frames() -> Any:
        seen = Seen()
        if not watching:
            watching.append(WATCHED)
            _say(WATCHED)

        def following() -> str | None:
            if seen.version == world.version and seen.epoch == world.film.epoch:
                return None
            return pack(frame(world, seen, view.links), level=1)

        return following

    server = LiveServer(secrets.token_urlsafe(24), document, frames)
    await server.start()
    with announced(server.address):
        _say(server.address)
        os.nice(POLITE)
        await _follow(reader, world, server)
        await server.close(PARTING)


async def _follow(reader: asyncio.StreamReader, world: Watched, server: LiveServer) -> None:
    """Take in what is said until the world has ended; announce it as often as may be."""
    pace = Pace()
    with suppress(asyncio.IncompleteReadError):
        while world.end is None:
            world.take(await _received(reader))
            if pace.due(time.monotonic(), time.process_time()):
                server.announce()
    if world.end is None:
        world.take(LiveBatch(world.now, dropped=world.dropped, end=LOST))


class Pace:
    """Says when the next frame is due, so that frames take `SHARE` of a core at most."""

    def __init__(self) -> None:
        self._next, self._used = 0.0, time.process_time()

    def due(self, now: float, used: float) -> bool:
        """Whether a frame is due at ``now``; ``used``: CPU time, both in seconds."""
        if now < self._next:
            return False
        self._next = now + min((used - self._used) / SHARE, LONGEST_PAUSE)
        self._used = used
        return True


def _say(words: str) -> None:
    with suppress(BrokenPipeError):  # the launcher is gone, which its other pipe says, too
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


async def _received(reader: asyncio.StreamReader) -> Any:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return pickle.loads(await reader.readexactly(length))


async def main() -> None:
    """Serve what standard input tells of."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    with suppress(asyncio.IncompleteReadError):  # the launcher has changed its mind
        await serve(reader)


if __name__ == "__main__":
    asyncio.run(main())
