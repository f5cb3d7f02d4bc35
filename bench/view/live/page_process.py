"""The process beside one that has something to show: started, told what happens, ended."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.streams import complain
from bench.view.live.feed import LiveBatch
from bench.view.live.process import LENGTH, Order
from fabric.failure import WorldError

PARTING = 3.0
"""Seconds that the process has to end."""


class PageProcess:
    """The process that serves the page of ``order``; its address is written to standard error.

    ``watched``: set when a browser watches, or when none ever will as the process has ended.
    """

    def __init__(self, order: Order) -> None:
        self._order, self._process = order, _started()
        self.watched = threading.Event()
        self._thread = threading.Thread(target=self._hear, name="triplane live hear", daemon=True)
        self._thread.start()

    def tell(self, batches: Iterable[LiveBatch]) -> None:
        """Tell the process of each batch as it comes; then it hears no more.

        The process may end first, as when its user kills it: then there is nobody to tell, and the
        rest is left.
        """
        with contextlib.suppress(BrokenPipeError), _pipe(self._process.stdin) as pipe:
            _send(pipe, self._order)
            for batch in batches:
                _send(pipe, batch)

    def close(self) -> None:
        """End the process, after it has had time to say what it was told."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING)
        self._process.kill()  # which does nothing to one that has ended
        self._process.wait()
        self._thread.join()

    def _hear(self) -> None:
        """Say where the page is, once it is there; then hear whether somebody watches."""
        with _pipe(self._process.stdout) as said:
            line = said.readline().decode()
            if line:
                complain(f"triplane: watch the run at {line.strip()}")
            said.readline()
            self.watched.set()


def _started() -> "subprocess.Popen[bytes]":
    ours = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))
    # Not of the terminal's process group: Ctrl-C ends the launcher, and then it ends itself.
    return subprocess.Popen(
        [sys.executable, "-m", "bench.view.live.process"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}, process_group=0,
    )  # fmt: skip


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
