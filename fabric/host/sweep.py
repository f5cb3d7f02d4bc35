"""End the processes of a world whose launcher was killed. Also a program of its own.

`fabric.launching.guard` starts it as ``python sweep.py MARK FOLDER LAUNCHER SESSION``. It uses only
the standard library, and must not import this project: it starts before the first rank does, and
must cost next to nothing. A process belongs to the world if its environment holds the mark, or if
it is in the process group of a rank that the launcher has named.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

OVER = b"over"
"""The line by which the launcher says that all has ended well and nothing is to be swept."""

SWEEP_LOOK = 0.25
"""Seconds between two looks at the launcher, where another process keeps its pipe open."""

ROUNDS = 50
"""How often what is left is looked for: a process may start another while it is being ended."""

STOPPING = 1.0
"""Seconds in which a process that is sent SIGSTOP surely stands, on a host that is busy, too."""

PROC = Path("/proc")

SEGMENTS = "/dev/shm/mpich_shm_", "/dev/shm/sm_segment."
"""What the shared memory of MPICH 5 and of Open MPI 5 begins with, on Linux."""


def marked(mark: str, also: tuple[str, ...] = ("",)) -> set[int]:
    """The processes of this user, except this one, that have ``mark`` in their environment.

    ``also``: and a variable that begins with one of these texts.
    """
    begins, found = tuple(map(os.fsencode, also)), set[int]()
    for pid in _numbers():
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            given = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
            if os.fsencode(mark) in given and any(item.startswith(begins) for item in given):
                found.add(pid)
    return found


def grouped(groups: Iterable[int], session: int) -> set[int]:
    """The processes of the given process groups that belong to ``session``.

    The number of an ended group may have been reused, but hardly within the same session.
    """
    groups, found = set(groups), set[int]()
    for pid in _numbers() if groups else ():
        with contextlib.suppress(OSError):
            text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
            state, _, group, its_session = text.rpartition(")")[2].split()[:4]
            if state not in "ZX" and int(group) in groups and int(its_session) == session:
                found.add(pid)
    return found


def mapped(pid: int) -> set[Path]:
    """The files of MPI's shared memory that process ``pid`` has mapped, or opened to map them."""
    return {Path(name) for name in _maps(pid) | _opened(pid) if name.startswith(SEGMENTS)}


def _maps(pid: int) -> set[str]:
    try:
        lines = (PROC / str(pid) / "maps").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {line.split(maxsplit=5)[-1] for line in lines}


def _opened(pid: int) -> set[str]:
    """Its open files: it may have been stopped while it was giving a new one its size."""
    found = set[str]()
    with contextlib.suppress(OSError):
        for number in os.listdir(PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                found.add(os.readlink(PROC / str(pid) / "fd" / number))
    return found


def sweep(mark: str, groups: Iterable[int] = (), session: int = 0) -> None:
    """Kill all of a world's processes, and remove the shared memory that MPI has made in them.

    ``mark``: their mark in the environment; ``groups``: their process groups, of ``session``.
    """
    left, groups = set[Path](), set(groups)
    if not PROC.is_dir():
        for group in groups:
            with contextlib.suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        return
    nobody = 0
    for _ in range(ROUNDS):
        found = marked(mark) | grouped(groups, session)
        nobody = 0 if found else nobody + 1
        if nobody > 1:  # the first time, one may have been about to begin its program
            break
        for pid in found:  # all at once: the end of one may be the end of another
            _signal(pid, signal.SIGSTOP)
        for pid in found:
            left |= stopped_with(pid)
        for pid in found:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.01)
    for path in left:
        path.unlink(missing_ok=True)


def stopped_with(pid: int) -> set[Path]:
    """Stop a process, so that it makes no more shared memory.

    Returns MPI's files that it has mapped.
    """
    _signal(pid, signal.SIGSTOP)
    due = time.monotonic() + STOPPING
    while _state(pid) not in "TtZX" and time.monotonic() < due:
        time.sleep(0.001)
    return mapped(pid)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _state(pid: int) -> str:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _numbers() -> list[int]:
    me = os.getpid()
    try:
        return [int(n) for n in os.listdir(PROC) if n.isdigit() and int(n) != me]
    except OSError:
        return []


def main(mark: str, folder: str, launcher: int, session: int) -> None:
    """Read the ranks' process groups from standard input, a number a line; at its end, sweep.

    A line that is a path is a folder, which is removed if the launcher has been killed.
    """
    heard, groups, folders = b"", set[int](), set[bytes]()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while True:
        lives = os.getppid() == launcher
        if not select.select([0], [], [], SWEEP_LOOK if lives else 0.0)[0]:
            if lives:
                continue
            break  # and all that it has said is read
        piece = os.read(0, 1 << 16)
        if not piece:
            break
        heard += piece
        *lines, heard = heard.split(b"\n")
        if OVER in lines:
            return
        groups.update(int(line) for line in lines if line.isdigit())
        folders.update(line for line in lines if line.startswith(b"/"))
    sweep(mark, groups, session)
    for path in folders if os.getppid() != launcher else ():
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)  # the launcher has closed what it had there, or died


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
