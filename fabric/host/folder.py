"""A private folder for a world's sockets; those that killed launchers have left behind are removed.

It is in the temporary folder, or if a socket's path would be too long there, in another folder that
programs use for such files. Everything else there belongs to others, and is not touched.
"""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fabric.failure import TransportError
from fabric.host.forked import here
from fabric.host.liveness import GONE, birth, host, state
from fabric.host.owned import is_owned, read_owned, write_owned

PREFIX = "triplane-"
OWNER = "owner"
"""The file that says whose the folder is: process, its birth, its host, a line each."""

MAX_PATH = 100
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""

LONGEST = len(f"/{PREFIX}12345678/1234567.socket")
"""What a socket's path adds to that of the folder for temporary files, at most."""

OTHERS = ("/tmp", "/var/tmp", "/dev/shm")
"""Where a private folder may lie if not in the temporary folder; and in ``XDG_RUNTIME_DIR``."""


@contextmanager
def private_folder(for_sockets: bool = True) -> Iterator[Path]:
    """A context manager for a new folder that only this user can enter; it is removed at the end.

    ``for_sockets``: choose a place where the path of a socket is short enough, if there is one.
    Raises `TransportError` if no folder can be made.
    """
    sweep()
    at_home = here()
    folder = _made(for_sockets)
    try:
        pid = os.getpid()
        write_owned(folder / OWNER, f"{pid}\n{birth(pid)}\n{host()}\n".encode())
        yield folder
    finally:
        if at_home():  # not at the end of a process that was forked meanwhile
            shutil.rmtree(folder, ignore_errors=True)


def _made(for_sockets: bool) -> Path:
    bases = _bases()
    short = [base for base in bases if len(os.fsencode(base)) + LONGEST < MAX_PATH]
    why = ""
    for base in [*short, *bases] if for_sockets else bases:
        try:
            return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        except OSError as error:
            why = why or str(error)
    raise TransportError(f"no folder can be made for a world's files: {why}; set TMPDIR to one")


def _bases() -> list[Path]:
    """The folders in which private ones may lie, the best first."""
    named = [*OTHERS, os.environ.get("XDG_RUNTIME_DIR", "")]
    with suppress(FileNotFoundError):  # there is none that this process can write to
        named.insert(0, tempfile.gettempdir())
    return [Path(name) for name in dict.fromkeys(named) if name and os.path.isdir(name)]


def sweep(gone: Collection[tuple[int, str]] = ()) -> None:
    """Remove the folders that killed processes of this user and host have left.

    ``gone``: number and birth of processes that no longer need theirs, though they may live.
    """
    for base in _bases():
        for folder in base.glob(f"{PREFIX}*"):
            if not is_owned(folder):
                continue
            with suppress(OSError, ValueError):
                pid, born, where = read_owned(folder / OWNER).decode().splitlines()
                over = (int(pid), born) in gone or state(int(pid), born) == GONE
                if where == host() and over:
                    shutil.rmtree(folder, ignore_errors=True)


def living() -> Iterator[Path]:
    """The private folders of this user whose processes run on this host."""
    for base in _bases():
        for folder in sorted(base.glob(f"{PREFIX}*")):
            if not is_owned(folder):
                continue
            with suppress(OSError, ValueError):
                pid, born, where = read_owned(folder / OWNER).decode().splitlines()
                if where == host() and state(int(pid), born) != GONE:
                    yield folder


def endpoint(folder: Path, name: str) -> str:
    """The ZeroMQ endpoint for a socket called ``name``: a file in ``folder``.

    Where that path would be too long for a socket, it is any free port of the loopback.
    """
    path = folder / name
    return f"ipc://{path}" if len(os.fsencode(path)) < MAX_PATH else "tcp://127.0.0.1:*"
