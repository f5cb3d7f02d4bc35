"""Guard: a small process that outlives the launcher, and ends the ranks if the launcher is killed.

The ranks' own watch (`fabric.host.liveness.die_with`) begins when they join; before that, and for
processes that ranks have started, there is only the guard. It runs `fabric.host.sweep` as a
program.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fabric.host import sweep

GUARDED = "TRIPLANE_GUARDED"
"""The environment variable by which the processes of a world are known: its private folder."""

GUARD_PATIENCE = 10.0
"""Seconds that the guard has to end what is left."""


class Guard:
    """The launcher's end of the connection to the guard.

    ``environment``: variables that everything started must have; ``mark``: the same, as one entry
    of an environment.
    """

    def __init__(self, folder: Path) -> None:
        self.environment = {GUARDED: str(folder)}
        self.mark = f"{GUARDED}={folder}"
        # In a session of its own, where no key and no closed terminal reaches it; with none of the
        # launcher's pipes, whose readers would wait for it; and without an environment, which may
        # hold the mark of a world that this launcher is a rank of.
        self._process = subprocess.Popen(
            [
                sys.executable, "-I", "-S", sweep.__file__, self.mark, str(folder),
                str(os.getpid()), str(os.getsid(0)),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip

    def watch(self, group: int) -> None:
        """Have the guard end process group ``group`` if the launcher dies."""
        self._say(b"%d" % group)

    def take_away(self, folder: str) -> None:
        """Have ``folder`` removed, too, if the launcher is killed."""
        self._say(os.fsencode(folder))

    def over(self) -> None:
        """Report to the guard that all has ended well, so that nothing is killed."""
        self._say(sweep.OVER)

    def close(self) -> None:
        """Let the guard end what is left, unless `over` was called, and wait for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(GUARD_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _say(self, line: bytes) -> None:
        pipe = self._process.stdin
        if pipe is not None:
            with suppress(OSError):  # somebody has killed it; the ranks still have their own watch
                pipe.write(line + b"\n")


@contextmanager
def guarded(folder: Path) -> Iterator[Guard]:
    """A context manager for a guard over a world whose private folder is ``folder``."""
    guard = Guard(folder)
    try:
        yield guard
    finally:
        guard.close()
