"""How processes of one user on one host find their world by a name that all of them know.

Under torchrun and the like, a rank knows only public settings, such as ``MASTER_PORT``. From these
it can derive the name of a file, and nothing else. The file, which only this user can read, holds
the address of the authority, and the secret that lets a rank in. Rank 0 (or node 0) claims the name
for its process: as long as that lives, no other process can.
"""

import fcntl
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from secrets import token_hex

from fabric.failure import RankLost, TimedOut, TransportError, WorldError
from fabric.host.liveness import GONE, began, birth, host, since_boot, state
from fabric.host.owned import is_owned, read_owned, write_owned

MEETING_PATIENCE = 60.0
"""Seconds that ranks wait for rank 0 to be there; once it is, they wait as long as it lives."""

FAILED_LINGER = 1.0
"""Seconds that rank 0 stays to tell the others why it could not start the authority."""

MEETING_LOOK = 0.02
"""Seconds between two looks."""

NAMES = 16
"""Names of the folder that are tried, should others have laid something under the first ones."""


@dataclass(frozen=True)
class MeetingRecord:
    """The content of the file: which process claims the name, and where its authority is.

    ``process`` and ``birth``: as in `fabric.host.liveness`; ``at``: when, in seconds since the host
    booted; ``token``: lets ranks in; ``address``: empty as long as the authority does not listen;
    ``error``: why it never will.
    """

    process: int
    birth: str
    at: float
    token: str
    address: str = ""
    error: str = ""

    @property
    def abandoned(self) -> bool:
        """True if the process that has claimed the name is gone."""
        return state(self.process, self.birth) == GONE


def name_of(public: Sequence[str]) -> str:
    """The name of a meeting: a hash of ``public`` settings, this host and network namespace."""
    try:
        network = os.readlink("/proc/self/ns/net")
    except OSError:
        network = ""
    words = json.dumps([*public, host(), network])
    return hashlib.blake2b(words.encode(), digest_size=12).hexdigest()


def claim(name: str) -> MeetingRecord:
    """Claim ``name`` for this process; returns the record of the claim, without an address yet.

    If another living process has it, that one's record is returned instead, once it has an address
    (see `mine`); if that process fails or ends before, this one claims the name. Raises
    `TransportError` if no file can be made.
    """
    while True:
        with _locked() as folder:
            found = _found(name)
            if found is None or found.abandoned:
                pid = os.getpid()
                record = MeetingRecord(pid, birth(pid), since_boot(), token_hex(16))
                _write(folder / name, record)
                return record
        if found.address:
            return found
        time.sleep(MEETING_LOOK)


def mine(record: MeetingRecord) -> bool:
    """True if this process has made the claim."""
    return record.process == os.getpid()


def publish(name: str, record: MeetingRecord, address: str) -> None:
    """Publish the address at which the authority listens, to all that `find` the name."""
    with _locked() as folder:
        _write(folder / name, replace(record, address=address))


def fail(name: str, record: MeetingRecord, error: str) -> None:
    """Publish for `FAILED_LINGER` seconds why there will be no authority; then withdraw it."""
    with _locked() as folder:
        _write(folder / name, replace(record, error=error))
    time.sleep(FAILED_LINGER)
    withdraw(name, record.token)


def withdraw(name: str, token: str) -> None:
    """Release ``name`` if it is still claimed with ``token``.

    The folder is removed with the last name.
    """
    for place in _folders():
        with suppress(OSError, WorldError), _locked(place) as folder:
            _clear(folder, name, token)


def _clear(folder: Path, name: str, token: str) -> None:
    """Remove a record, what else is left over, and the folder with the last of them."""
    found = _read(folder / name)
    if found is not None and found.token == token:
        (folder / name).unlink()
    for other in folder.iterdir():
        if _leftover(other):
            other.unlink()
    folder.rmdir()


def _leftover(path: Path) -> bool:
    """Whether a file was left by processes that were killed; under the lock nobody writes one."""
    found = _read(path)
    old = found is not None and found.abandoned and since_boot() - found.at > MEETING_PATIENCE
    return old or "." in path.name


def find(name: str, who: str = "rank 0", patience: float = MEETING_PATIENCE) -> MeetingRecord:
    """Wait for the record of the process that claimed ``name``, until it has an address.

    ``who``: whom it waits for, for errors. Raises `TimedOut` if nobody has claimed it within
    ``patience`` seconds, and `WorldError` if the claimant fails or is gone.
    """
    due = time.monotonic() + patience
    while time.monotonic() < due:
        found = _found(name)
        if found is not None and not (found.abandoned and found.at < began(os.getpid())):
            if found.error:
                raise WorldError(f"{who} could not start the authority: {found.error}", 0)
            if found.address:
                return found
            if found.abandoned:
                raise RankLost(f"{who} has ended before it had started the authority", 0)
            due = time.monotonic() + patience  # it is there, and takes its time
        time.sleep(MEETING_LOOK)
    raise TimedOut(
        f"{who} has not come within {patience:g} s, to a file in {_first()}: is it of another user"
        " or container, or has it another TMPDIR? Then all need keys (docs/running.md)", 0
    )  # fmt: skip


def _first() -> Path:
    return Path(tempfile.gettempdir()) / f"triplane-{os.geteuid()}"


def _candidates() -> Iterator[Path]:
    first = _first()
    yield first
    yield from (first.with_name(f"{first.name}.{number}") for number in range(1, NAMES))


def _folders() -> Iterator[Path]:
    """The user's folder; several only if others have laid something under its names meanwhile."""
    return filter(is_owned, _candidates())


def _found(name: str) -> MeetingRecord | None:
    """The record of that name, if there is one."""
    records = (_read(folder / name) for folder in _folders())
    return next((record for record in records if record is not None), None)


def _make() -> Path:
    """The user's folder, made if need be."""
    for path in _candidates():
        with suppress(FileExistsError):
            path.mkdir(mode=0o700)
        if is_owned(path):
            return path
    raise TransportError(
        f"{_first()} and its like belong to other users, or let them in: remove them or set TMPDIR"
    )


@contextmanager
def _locked(place: Path | None = None) -> Iterator[Path]:
    """The user's folder, or the one at ``place``, made if need be, with nobody else in here."""
    try:
        folder, handle = _open(place)
    except OSError as error:
        raise TransportError(f"ranks cannot meet in {_first().parent}: {error}") from error
    try:
        yield folder
    finally:
        os.close(handle)  # which unlocks it


def _open(place: Path | None) -> tuple[Path, int]:
    while place is None or is_owned(place):
        folder = place or _make()
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(handle), os.lstat(folder)):
                    return folder, handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # it was removed meanwhile, and perhaps made anew
    raise FileNotFoundError(f"{place} was removed")


def _read(path: Path) -> MeetingRecord | None:
    """The record in a file; None where there is none, or not a sound one."""
    try:
        values = json.loads(read_owned(path))
        record = MeetingRecord(**values)
    except (OSError, ValueError, TypeError):
        return None
    kinds = (int, str, float, str, str, str)
    sound = all(isinstance(v, k) for v, k in zip(asdict(record).values(), kinds, strict=True))
    return record if sound else None


def _write(path: Path, record: MeetingRecord) -> None:
    """Replace the file as a whole: whoever reads it meanwhile gets the old or the new one."""
    part = path.with_name(f"{path.name}.{token_hex(8)}")
    try:
        write_owned(part, json.dumps(asdict(record)).encode())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise TransportError(f"ranks cannot meet by {path}: {error.strerror or error}") from error
