"""A world is watched while its ranks run: a process beside the launcher serves its page.

The authority over the ranks only notes what is over. A thread of the launcher takes that a few
times a second and passes it on; while it cannot, because the process is busy, the oldest is dropped
and counted. So neither a browser nor the process can hold up a rank.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.streams import complain
from bench.view.live.feed import Feed
from bench.view.live.process import LENGTH, Order
from fabric.clock.emulator import Emulator
from fabric.failure import WorldError
from fabric.host.forked import here
from fabric.world.world import World

LOOK = 0.1
"""Seconds between two batches."""

MOST_WAITING = 1 << 15
"""Calls and stretches that wait to be passed on, at most."""

PARTING = 3.0
"""Seconds that the process has to end."""

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
    process = _started()
    teller = Teller(world, world.emulator, process)
    try:
        if wait:
            teller.watched.wait()
        yield
    finally:
        if at_home():
            teller.close()


def _started() -> "subprocess.Popen[bytes]":
    ours = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
    # Not of the terminal's process group: Ctrl-C ends the launcher, and then it ends itself.
    return subprocess.Popen(
        [sys.executable, "-m", "bench.view.live.process"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, process_group=0,
    )  # fmt: skip


class Teller:
    """Two threads of a launcher: one tells the page's ``process`` what happens, one hears it.

    ``watched``: set when a browser watches, or when none ever will as the process has ended.
    """

    def __init__(
        self, world: World, emulator: Emulator, process: "subprocess.Popen[bytes]"
    ) -> None:
        self._world, self._emulator, self._process = world, emulator, process
        self._latest = emulator.watch(MOST_WAITING)
        self._feed, self._over = Feed(), threading.Event()
        self.watched = threading.Event()
        self._said = 0  # losses that the process knows of
        self._threads = [
            threading.Thread(target=do, name=f"triplane live {do.__name__}", daemon=True)
            for do in (self._tell, self._hear)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Tell how the world has ended, and end the process."""
        self._over.set()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING)
        self._process.kill()  # which does nothing to one that has ended
        self._process.wait()
        for thread in self._threads:
            thread.join()

    def _hear(self) -> None:
        """Say where the page is, once it is there; then hear whether somebody watches."""
        with _pipe(self._process.stdout) as said:
            line = said.readline().decode()
            if line:
                complain(f"triplane: watch the run at {line.strip()}")
            said.readline()
            self.watched.set()

    def _tell(self) -> None:
        # The process may end first, as when its user kills it: then there is nobody to tell.
        with contextlib.suppress(BrokenPipeError), _pipe(self._process.stdin) as pipe:
            _send(pipe, Order(self._emulator.fabric, self._emulator.size))
            while not self._over.wait(LOOK):
                self._pass_on(pipe, None)
            error = self._world.error
            self._pass_on(pipe, ENDED if error is None else str(error))

    def _pass_on(self, pipe: IO[bytes], end: str | None) -> None:
        found, now, lost = self._latest.take(), self._now(), self._world.losses[self._said :]
        self._said += len(lost)
        news = [(now, words) for words in lost]
        _send(pipe, self._feed.batch(found, now, self._latest.dropped, news, end))

    def _now(self) -> float:
        world, emulator = self._world, self._emulator
        if world.scale is not None:
            return world.time(time.monotonic())
        return max(emulator.clock(rank) for rank in range(emulator.size))


@contextmanager
def _pipe(pipe: IO[bytes] | None) -> Iterator[IO[bytes]]:
    if pipe is None:
        raise WorldError("the process of the page has no pipes")
    with contextlib.closing(pipe):
        yield pipe


def _send(pipe: IO[bytes], what: Any) -> None:
    data = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
    pipe.write(LENGTH.pack(len(data)) + data)
    pipe.flush()
