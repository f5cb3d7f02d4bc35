"""Files without a name mapped where their large pages can be pages of the processor, too.

Of small pages a processor knows too few at a time: copies of megabytes then take up to twice as
long. Linux makes large pages of such a file's memory only where it is asked to, and if both the
place in the file and the address are multiples of one (madvise(2), MADV_COLLAPSE, Linux 6.1).
"""

import ctypes
import functools
import mmap
import os
import weakref
from typing import Any

from fabric.transports.base import Bytes

LARGE = 1 << 21
"""Bytes of a large page: of x86-64, and of arm64 with small pages of 4 KiB."""

MOST = 1 << 30
"""Bytes of a buffer at most that gets all its pages at once; larger ones as they are written."""

_FIXED, _COLLAPSE = 0x10, 25  # MAP_FIXED and MADV_COLLAPSE of Linux; Python has no names for them


class MappedFile:
    """The first ``size`` bytes of a file, mapped: make an array of it with `numpy.asarray`.

    It stays mapped as long as this or an array made of it is there. Raises `OSError`.
    """

    def __init__(self, file: int, size: int, is_writable: bool) -> None:
        protection = mmap.PROT_READ | (mmap.PROT_WRITE if is_writable else 0)
        call = _calls().mmap
        room = _address(
            call(None, size + LARGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        )  # only addresses: no memory
        self.address, end = -(-room // LARGE) * LARGE, room + size + LARGE
        try:
            flags = mmap.MAP_SHARED | _FIXED
            _address(call(self.address, size, protection, flags, file, 0))
        except OSError:
            _unmap(room, size + LARGE)
            raise
        after = -(-(self.address + size) // mmap.PAGESIZE) * mmap.PAGESIZE
        _unmap(room, self.address - room)
        _unmap(after, end - after)
        weakref.finalize(self, _unmap, self.address, size).atexit = False
        self.__array_interface__ = {
            "version": 3, "typestr": "|u1", "shape": (size,),
            "data": (self.address, not is_writable),
        }  # fmt: skip


def in_large_pages(data: Bytes, address: int) -> bool:
    """Have new memory, at such an address, in large pages as far as it fills them; if it can be.

    ``data`` is written: a byte of each. It does nothing for more than `MOST` bytes.
    """
    size = data.size // LARGE * LARGE
    if not size or data.size > MOST or address % LARGE:
        return False
    data[:size:LARGE] = 0  # no large page is made of nothing
    return bool(_calls().madvise(address, size, _COLLAPSE) == 0)


def _address(found: int | None) -> int:
    if found in (None, ctypes.c_void_p(-1).value):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found or 0


def _unmap(address: int, size: int) -> None:
    if size:
        _calls().munmap(address, size)


@functools.cache
def _calls() -> Any:
    """The C library's mmap, munmap and madvise."""
    library = ctypes.CDLL(None, use_errno=True)
    at, size = ctypes.c_void_p, ctypes.c_size_t
    library.mmap.restype = at
    library.mmap.argtypes = at, size, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_longlong
    library.munmap.argtypes = at, size
    library.madvise.argtypes = at, size, ctypes.c_int
    return library
