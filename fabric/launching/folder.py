"""A private folder for a world's sockets; those of launchers that were killed are taken away."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fabric.forked import here
from fabric.liveness import GONE, birth, host, state

PREFIX = "triplane-"
OWNER = "owner"
"""The file that says whose the folder is: process, its birth, its host, a line each."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A new folder that only this user can enter; gone afterwards, with all that is in it."""
    sweep()
    at_home = here()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        pid = os.getpid()
        (folder / OWNER).write_text(f"{pid}\n{birth(pid)}\n{host()}\n", encoding="utf-8")
        yield folder
    finally:
        if at_home():  # not at the end of a process that was forked meanwhile
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Take away the folders that killed launchers of this user and host have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, ValueError):
            pid, born, where = (folder / OWNER).read_text(encoding="utf-8").splitlines()
            mine = folder.stat().st_uid == os.getuid() and where == host()
            if mine and state(int(pid), born) == GONE:
                shutil.rmtree(folder, ignore_errors=True)


def endpoint(folder: Path, name: str) -> str:
    """Where a socket of that name listens.

    In the folder, or, where its path is too long, on any port of the loopback.
    """
    path = folder / name
    return f"ipc://{path}" if len(os.fsencode(path)) < MAX_PATH else "tcp://127.0.0.1:*"


MAX_PATH = 100
"""Bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""
