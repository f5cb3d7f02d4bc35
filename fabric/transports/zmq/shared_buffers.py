"""Buffers that the processes of a host share: who gets a message from one reads it where it is.

Each is a file without a name, which others open under /proc when a message first comes from it, and
keep open. Its first page tells whose buffer it is, where in the file, and whether it is still in
use: a number of a file may be another file's by the time that it is opened. Buffers of megabytes
have large pages.
"""

import bisect
import mmap
import os
import struct
import weakref
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import numpy as np

from fabric.failure import RankLost
from fabric.host.forked import here
from fabric.transports.base import Bytes, SharedPlace, address_of
from fabric.transports.zmq.mapped_file import LARGE, MappedFile, in_large_pages
from fabric.transports.zmq.shm import no_room

OPEN = 512
"""Buffers of all neighbours that are kept open: half of the files that a process may open."""

_HEAD = struct.Struct("<16sQQQ")
"""In the first page: the owner's token, the buffer's number, where it begins in the file, and
1 when it is in use no more."""

_LISTED = struct.Struct("=4Q")

_IN_USE, _FREED = 0, 1
_REMOVE = 9  # Linux's MADV_REMOVE, which Python has no name for


class _Own(NamedTuple):
    """A buffer of this process: where it ends, its number, its file, and whether it still is.

    ``first``: where it begins in the file.
    """

    end: int
    number: int
    file: int
    first: int
    mapped: "weakref.ref[MappedFile]"


class SharedBuffers:
    """The buffers that rank ``rank`` shares; ``token``: by which others know it.

    ``opened``: by rank, the buffers of others; ``fence``: see `Shared.fence`.
    """

    def __init__(self, rank: int, token: bytes, fence: Callable[[], None] = lambda: None) -> None:
        self.rank, self._token, self._count, self.fence = rank, token, 0, fence
        self.opened: dict[int, OpenedBuffers] = {}
        self._allocating = Lock()
        # Where each begins, in order, and what it is. Read without the lock, so it is replaced and
        # never changed; buffers that were freed stay until the next one is allocated.
        self._known: tuple[list[int], list[_Own]] = [], []
        self._listed, self._list_is_old = b"", False
        self._at_home = here()

    def allocate(self, size: int, *, lasts: bool = False) -> Bytes:
        """A new buffer; see `fabric.transports.base.Shared.allocate`."""
        first = LARGE if size >= LARGE else mmap.PAGESIZE
        length = first + size
        with no_room(self.rank, size, "a buffer"):
            file = os.memfd_create("triplane buffer", os.MFD_CLOEXEC)
            try:
                os.ftruncate(file, length)
                mapped = MappedFile(file, length, True)
            except BaseException:
                os.close(file)
                raise
        whole: Bytes = np.asarray(mapped)[first:]
        begin = mapped.address + first
        in_large_pages(whole, begin)
        with self._allocating:
            self._count += 1
            own = _Own(begin + size, self._count, file, first, weakref.ref(mapped))
            known = dict(zip(*self._known, strict=True)) | {begin: own}
            begins = sorted(begin for begin, own in known.items() if own.mapped() is not None)
            self._known = begins, [known[begin] for begin in begins]
            self._list_is_old = True
        self._tell(own, _IN_USE)
        weakref.finalize(mapped, self._free, own, length, lasts).atexit = False
        return whole

    def _tell(self, own: _Own, state: int) -> None:
        os.pwrite(own.file, _HEAD.pack(self._token, own.number, own.first, state), 0)

    def find(self, data: Bytes) -> SharedPlace | None:
        """Where ``data`` lies, if it lies in one buffer as a whole; else None."""
        begins, buffers = self._known
        if not begins:
            return None
        address = address_of(data)
        at = bisect.bisect(begins, address) - 1
        if at < 0 or address + data.size > buffers[at].end or buffers[at].mapped() is None:
            return None
        return SharedPlace(buffers[at].number, buffers[at].file, address - begins[at])

    def listed(self) -> bytes:
        """Where each buffer begins and ends, its number and its file: four words of each."""
        if self._list_is_old:
            self._list_is_old = False  # first: it may be again while the list is made
            self._listed = b"".join(
                _LISTED.pack(begin, own.end, own.number, own.file)
                for begin, own in zip(*self._known, strict=True)
                if own.mapped() is not None
            )
        return self._listed

    def open(self, rank: int, place: SharedPlace, size: int) -> Bytes:
        """What lies in a buffer of another ``rank``; see `fabric.transports.base.Shared.open`."""
        return self.opened[rank].bytes(place, size)

    def _free(self, own: _Own, length: int, lasts: bool) -> None:
        """No array is left of a buffer; its memory is freed even while others have it open.

        But where it ``lasts``. Takes no lock: it may be called at any time, also while `allocate`
        goes on.
        """
        if not self._at_home():
            return
        self._list_is_old = True
        self._tell(own, _FREED)
        if not lasts:
            with mmap.mmap(own.file, length) as again:
                again.madvise(_REMOVE, own.first, length - own.first)
        os.close(own.file)


class OpenedBuffers:
    """Buffers of rank ``rank``, process ``process``, opened here.

    ``token``: as its arena has it; ``neighbours``: how many ranks of this host have some.
    ``table``: what is open, as `_moves.c` reads it: uint64, its address stays.
    """

    def __init__(self, rank: int, process: int, token: bytes, neighbours: int = 1) -> None:
        self._rank, self._process, self._token = rank, process, token
        self._most = max(OPEN // neighbours, 1)
        # By number: the file, and the buffer in it.
        self._open: OrderedDict[int, tuple[Bytes, Bytes]] = OrderedDict()
        # For compiled code: how many there are, and the number, address and size of each.
        self.table = np.zeros(1 + 3 * self._most, np.uint64)

    def bytes(self, place: SharedPlace, size: int) -> Bytes:
        """The ``size`` bytes from ``place`` on, which must not be written.

        Raises `RankLost` if the buffer is there no more, `OSError` if it cannot be opened.
        """
        kept = self._open.get(place.number)
        if kept is None:
            kept = self._opened(place)
        else:
            self._open.move_to_end(place.number)
        return kept[1][place.at : place.at + size]

    def _opened(self, place: SharedPlace) -> tuple[Bytes, Bytes]:
        self.table[0] = 0  # while what it lists may be closed
        for number, (kept, _) in list(self._open.items()):
            if _HEAD.unpack_from(kept.data)[3] == _FREED:
                del self._open[number]
        while len(self._open) >= self._most:
            self._open.popitem(last=False)
        try:
            file = os.open(f"/proc/{self._process}/fd/{place.file}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                head = os.pread(file, _HEAD.size, 0).ljust(_HEAD.size, b"\0")
                token, number, first, state = _HEAD.unpack(head)
                if (token, number, state) != (self._token, place.number, _IN_USE):
                    raise FileNotFoundError(f"file {place.file} is another")
                mapped = MappedFile(file, os.fstat(file).st_size, False)
            finally:
                os.close(file)
        except (FileNotFoundError, PermissionError, ProcessLookupError) as error:
            raise RankLost(
                f"rank {self._rank} has died, or has freed what it was sending: {error}", self._rank
            ) from error
        whole: Bytes = np.asarray(mapped)
        self._open[place.number] = whole, whole[first:]
        words = [
            (number, address_of(there), there.size) for number, (_, there) in self._open.items()
        ]
        self.table[0], self.table[1 : 1 + 3 * len(words)] = len(words), np.ravel(words)
        return self._open[place.number]
