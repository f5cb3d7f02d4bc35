"""Files and folders of this user, told apart from what others have put into a shared folder.

A temporary folder that users share may hold links, pipes and devices of anybody, under any name. So
owner and kind are checked before something is opened, and again once it is open: only regular files
and folders of this user are accepted, without following links.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST = 1 << 16
"""Bytes that are read of a file at most; ours are much smaller."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What a mode lets others than the owner do."""


def is_owned(folder: Path) -> bool:
    """True if ``folder`` is a folder of this user, not a link, that nobody else may enter."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mine = found.st_uid == os.geteuid() and not found.st_mode & OTHERS
    return mine and stat.S_ISDIR(found.st_mode)


def read_owned(path: Path) -> bytes:
    """The content of a small file of this user that others can at most read.

    Raises `OSError` for anything else: a link, a pipe, a device, a file of another user or one that
    others can write, more than `MOST` bytes.
    """
    with _checked(path, os.O_NOFOLLOW, (os.geteuid(),), stat.S_IWGRP | stat.S_IWOTH) as handle:
        return _bounded(path, handle)


def read_secret(path: Path) -> bytes:
    """The content of a small file that only this user (and root) can read.

    Links to it are followed.

    Raises `OSError` for anything else, also for a file that its group or others can read.
    """
    with _checked(path, 0, (os.geteuid(), 0), OTHERS) as handle:
        return _bounded(path, handle)


def write_owned(path: Path, content: bytes) -> None:
    """Write ``content`` to a new file that only this user can read and write.

    Raises `OSError` if the file exists.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


@contextmanager
def _checked(path: Path, more: int, owners: tuple[int, ...], forbidden: int) -> Iterator[int]:
    """A descriptor of a regular file of one of ``owners``, without the bits ``forbidden``."""
    _check(path, os.stat(path, follow_symlinks=not more), owners, forbidden)
    # Not blocking: what was a file a moment ago could be a pipe by now.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | more)
    try:
        _check(path, os.fstat(handle), owners, forbidden)
        yield handle
    finally:
        os.close(handle)


def _check(path: Path, found: os.stat_result, owners: tuple[int, ...], forbidden: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    if found.st_uid not in owners:
        raise PermissionError(errno.EPERM, f"belongs to user {found.st_uid}", str(path))
    if found.st_mode & forbidden:
        mode = stat.S_IMODE(found.st_mode)
        raise PermissionError(
            errno.EPERM, f"has mode {mode:04o}, which lets other users in", str(path)
        )


def _bounded(path: Path, handle: int) -> bytes:
    found = b""
    while len(found) <= MOST:
        more = os.read(handle, MOST + 1 - len(found))
        if not more:
            return found
        found += more
    raise OSError(errno.EFBIG, f"has more than {MOST} bytes", str(path))
