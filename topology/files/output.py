"""The one way in which a file that a user has named is written.

A regular file is replaced as a whole once all of it is written: a reader in the meantime, or after
a failure, finds the old one. Anything else (a device, a pipe) is written to directly, and a link is
followed: the file that it leads to is replaced, and the link stays.
"""

import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import IO

PART = ".triplane-part-"
"""How the names of files begin that are not complete yet."""

LINKS = 40
"""Links that are followed one after the other, as many as Linux does."""


@contextmanager
def text_file(
    path: str | Path, encoding: str = "utf-8", errors: str = "strict"
) -> Iterator[IO[str]]:
    r"""A context manager for writing a text file, as `byte_file`; line ends are ``\n``."""
    with byte_file(path) as file:
        text = io.TextIOWrapper(file, encoding, errors, newline="\n")
        try:
            yield text
            text.flush()
        finally:
            with suppress(OSError, ValueError):  # of a file that failed, or was closed, already
                text.detach()


@contextmanager
def byte_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A context manager to write the file at ``path``: it appears only if the block succeeds.

    Raises `OSError` that names ``path``.
    """
    try:
        target = _target(Path(path))
        found = _found(target)
        made: AbstractContextManager[IO[bytes]]
        if found and not stat.S_ISREG(found.st_mode):
            made = _open(target)
        elif found and (found.st_nlink > 1 or not _can_replace(target, found)):
            made = _copied(target)
        else:
            made = _replaced(target, found)
        with made as file:
            yield file
    except OSError as error:
        if error.filename is None or PART in os.fsdecode(error.filename):
            error.filename, error.filename2 = str(path), None
        raise


def _target(path: Path) -> Path:
    """Where the links lead; one in /proc stands for what is open, and has no other name."""
    for _ in range(LINKS):
        if not path.is_symlink() or path.parent.resolve().is_relative_to("/proc"):
            return path
        _check_owner(path, os.lstat(path))
        path = path.parent.resolve() / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _found(target: Path) -> os.stat_result | None:
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return None
    _check_owner(target, found)
    return found


def _check_owner(path: Path, found: os.stat_result) -> None:
    """Refuse what another user has laid into a folder that all share, as the kernel can."""
    folder = os.stat(path.parent)
    shared = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if shared and found.st_uid not in (os.geteuid(), folder.st_uid):
        raise PermissionError(
            errno.EACCES,
            f"what is there belongs to user {found.st_uid}, in a folder that all share",
        )


def _can_replace(target: Path, found: os.stat_result) -> bool:
    """Whether a new file there can be all that the old one is."""
    mine = found.st_uid == os.geteuid() and found.st_gid in (os.getegid(), *os.getgroups())
    return (mine or os.geteuid() == 0) and os.access(target.parent, os.W_OK | os.X_OK)


def _open(target: Path) -> IO[bytes]:
    """What is there, opened as a shell does."""
    return open(os.open(target, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "wb")


@contextmanager
def _copied(target: Path) -> Iterator[IO[bytes]]:
    """For a file that has to stay the same one: its new content, which comes from elsewhere."""
    _check_writable(target)
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        with _open(target) as old:
            shutil.copyfileobj(file, old)


@contextmanager
def _replaced(target: Path, found: os.stat_result | None) -> Iterator[IO[bytes]]:
    """A new file beside it, under a name that nobody can know before, which then takes its place.

    It has the mode and the owner of the old one.
    """
    if found:
        _check_writable(target)
    part = target.with_name(f"{PART}{token_hex(8)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(part, flags, 0o666)
    try:
        with open(handle, "wb") as file:
            if found:
                os.fchown(handle, found.st_uid, found.st_gid)
                os.fchmod(handle, stat.S_IMODE(found.st_mode))
            yield file
        try:
            part.replace(target)
        except OSError as error:
            if error.errno != errno.EBUSY:  # such a file is mounted there, as containers have them
                raise
            with part.open("rb") as new, _open(target) as old:
                shutil.copyfileobj(new, old)
            part.unlink()
    except BaseException:
        with suppress(FileNotFoundError):
            part.unlink()
        raise


def _check_writable(target: Path) -> None:
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
