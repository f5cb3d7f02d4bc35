"""Whether a process of this host runs, is stopped or is gone, and how it ended."""

import contextlib
import ctypes
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

RUNNING, STOPPED, GONE = "running", "stopped", "gone"

LAUNCHER_LOOK = 0.25
"""Seconds between two looks at a launcher that is not the parent."""

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def state(pid: int, born: str = "") -> str:
    """The state of process ``pid``: `RUNNING`, `STOPPED` or `GONE`.

    Gone is also a zombie, and a process whose ``born`` (see `birth`) differs, as its number was
    reused. Stopped is a process that a signal or a debugger has stopped. Running is also one of
    which nothing can be learned now, as when this process has no file descriptor left.
    """
    fields = _stat(pid) if _PROC.is_dir() else _ps(pid)
    if fields is None or fields[0] in "ZX" or (born and fields[1] not in ("", born)):
        return GONE
    return STOPPED if fields[0] in "Tt" else RUNNING


def birth(pid: int) -> str:
    """The begin of process ``pid`` as text in the host's own terms.

    Empty if the process is gone.
    """
    fields = _stat(pid) if _PROC.is_dir() else _ps(pid)
    return "" if fields is None else fields[1]


def began(pid: int) -> float:
    """The time at which process ``pid`` began, in seconds as `since_boot` counts.

    Infinity if that is not known.
    """
    fields = _stat(pid) if _PROC.is_dir() else None
    return math.inf if fields is None else int(fields[1]) / os.sysconf("SC_CLK_TCK")


def since_boot() -> float:
    """Seconds since this host booted, or since another moment that all processes here share."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def ancestors(pid: int) -> Iterator[int]:
    """Iterate over the parent of process ``pid``, its parent, and so on, as far as known."""
    while pid > 1:
        found = _parent(pid)
        if found is None:
            return
        pid = found
        yield pid


def kernel() -> str:
    """A text that is equal for all processes under one kernel, since it booted."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        import platform  # not of Linux, which has no use for them
        import uuid

        return f"{platform.node()} {uuid.getnode():x}"


def host() -> str:
    """A text that is equal for processes that see each other's process numbers on one host."""
    try:
        return f"{kernel()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return kernel()


def where() -> str:
    """A text that is equal for processes that can open each other's files.

    They share one kernel, user and /proc.
    """
    return f"{host()} {os.getuid()}"


def die_with(launcher: int, born: str) -> None:
    """End this process when process ``launcher`` ends, at once or soon after.

    ``born``: what `birth` returned for the launcher. If the launcher is the parent, the Linux
    kernel does it. If not (a shell, numactl or a profiler is in between), a thread watches; if the
    launcher cannot be seen from here, as in a container, nothing is done.
    """
    if os.getppid() == launcher and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != launcher:  # it has ended before the kernel was asked
            _die(launcher)
    elif state(launcher, born) != GONE:
        name = "triplane launcher watch"
        threading.Thread(target=_watch, args=(launcher, born), name=name, daemon=True).start()


def _watch(launcher: int, born: str) -> None:
    while state(launcher, born) != GONE:
        time.sleep(LAUNCHER_LOOK)
    _die(launcher)


def _die(launcher: int) -> None:
    with contextlib.suppress(OSError):  # standard error may have gone with the launcher
        os.write(2, b"triplane: the launcher, process %d, has ended; so does a rank\n" % launcher)
    os.kill(os.getpid(), signal.SIGKILL)


def how_it_ended(code: int) -> str:
    """An exit code in words; below 0 it is the signal that killed the process."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _parent(pid: int) -> int | None:
    """Field 4 of proc(5)'s stat, or what ps says."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return int(text.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        if _PROC.is_dir():
            return None
    command = ["ps", "-o", "ppid=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return int(shown) if shown.isdigit() else None


_PROC = Path("/proc/self")

_UNKNOWN = "?", ""


def _stat(pid: int) -> tuple[str, str] | None:
    """State and start time, fields 3 and 22 of proc(5)'s stat; a name may hold spaces and ")"."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        return _UNKNOWN
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else None


def _ps(pid: int) -> tuple[str, str] | None:
    """The same where there is no /proc, as on macOS."""
    command = ["ps", "-o", "state=,lstart=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return (shown[0][0], " ".join(shown[1:])) if shown else None
