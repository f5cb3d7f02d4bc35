"""A world is watched while its ranks run: a process beside the launcher serves its page.

The authority over the ranks only notes what is over. A thread of the launcher takes that a few
times a second and passes it on; while it cannot, because the process is busy, the oldest is dropped
and counted. So neither a browser nor the process can hold up a rank.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.view.live.feed import Feed, LiveBatch
from bench.view.live.page_process import PageProcess
from bench.view.live.process import Order
from fabric.clock.emulator import Emulator
from fabric.failure import WorldError
from fabric.host.forked import here
from fabric.world.world import World

LOOK = 0.1
"""Seconds between two batches."""

LONG_LOOK = 0.4
"""Seconds between two batches where more calls end than are told one by one: so that the more there
are, the more are told together."""

MOST_WAITING = 1 << 15
"""Calls and stretches that wait to be passed on, at most."""

ENDED = "the run has ended"


@contextmanager
def shown(world: World, wait: bool = False) -> Iterator[None]:
    """A context manager during which a page shows what the ranks of ``world`` do.

    Its address is written to standard error. ``wait``: begin when a browser watches. Raises
    `WorldError` if no machine is emulated.
    """
    if world.emulator is None:
        raise WorldError("live shows an emulated machine, and none is emulated")
    at_home = here()
    teller = Teller(world, world.emulator)
    try:
        if wait:
            teller.watched.wait()
        yield
    finally:
        if at_home():
            teller.close()


class Teller:
    """A thread of a launcher that tells the page's process what happens.

    ``watched``: set when a browser watches, or when none ever will as the process has ended.
    """

    def __init__(self, world: World, emulator: Emulator) -> None:
        self._world, self._emulator = world, emulator
        self._latest = emulator.watch(MOST_WAITING)
        self._feed, self._over = Feed(), threading.Event()
        self._said = 0  # losses that the process knows of
        self._page = PageProcess(Order(emulator.fabric, emulator.size))
        self.watched = self._page.watched
        self._thread = threading.Thread(target=self._tell, name="triplane live tell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell how the world has ended, and end the process."""
        self._over.set()
        self._page.close()
        self._thread.join()

    def _tell(self) -> None:
        self._page.tell(self._batches())

    def _batches(self) -> Iterator[LiveBatch]:
        pause = LOOK
        while not self._over.wait(pause):
            news = self._news(None)
            pause = LONG_LOOK if any(span.many > 1 for span in news.spans) else LOOK
            yield news
        error = self._world.error
        yield self._news(ENDED if error is None else str(error))

    def _news(self, end: str | None) -> LiveBatch:
        found, now, lost = self._latest.take(), self._now(), self._world.losses[self._said :]
        self._said += len(lost)
        news = [(now, words) for words in lost]
        return self._feed.batch(found, now, self._latest.dropped, news, end)

    def _now(self) -> float:
        world, emulator = self._world, self._emulator
        if world.scale is not None:
            return world.time(time.monotonic())
        return max(emulator.clock(rank) for rank in range(emulator.size))
