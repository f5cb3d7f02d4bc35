"""Reading and writing the memory of another process of this host, where the kernel allows it.

Linux has calls for it (``process_vm_readv``, ``process_vm_writev``), which MPI libraries use for
the same purpose under the name of cross-memory attach: one copy instead of two, and only one of the
two works. They are allowed between processes of one user unless a security module forbids it.
"""

import ctypes
import errno
import functools
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fabric.failure import RankLost, TransportError
from fabric.host.lacking import lacks
from fabric.host.liveness import where
from fabric.transports.base import Bytes, ExposedMemory, Rendezvous, address_of

MOST = 1024
"""Stretches that one call reads at most: Linux's ``IOV_MAX``."""


_TOKEN = 16
"""Bytes by which a rank knows that what it reads is another's memory."""


class _Stretch(ctypes.Structure):
    """What C calls ``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class ProcessMemory:
    """The means to read the memory of ``process``, which is rank ``rank``."""

    def __init__(self, rank: int, process: int) -> None:
        self._rank, self._process = rank, process
        self._call = _call("process_vm_readv")
        self._here, self._there = _Stretch(), _Stretch()
        self._stretches = ctypes.byref(self._here), ctypes.byref(self._there)

    def read(self, address: int, into: Bytes) -> None:
        """Fill ``into`` from ``address`` in the other process.

        Raises `RankLost` if the process is gone.
        """
        size = into.size
        self._here.base, self._here.length = address_of(into), size
        self._there.base, self._there.length = address, size
        here, there = self._stretches
        read = self._call(self._process, here, 1, there, 1, 0) if self._call else -1
        if read != size:
            raise self._failed(size, read)

    def write(self, address: int, data: Bytes) -> None:
        """Copy ``data`` to ``address`` in the other process.

        Raises `RankLost` if the process is gone.
        """
        size, call = data.size, _call("process_vm_writev")
        self._here.base, self._here.length = address_of(data), size
        self._there.base, self._there.length = address, size
        here, there = self._stretches
        written = call(self._process, here, 1, there, 1, 0) if call else -1
        if written != size:
            raise self._failed(size, written, "written")

    def gather(self, there: ArrayLike, here: ArrayLike, sizes: ArrayLike) -> None:
        """Copy many stretches of the other process's memory, from ``there`` to ``here``.

        The arguments are addresses and sizes, int [stretches]. Raises `RankLost` if the process is
        gone.
        """
        self._move(self._call, there, here, sizes, "read")

    def scatter(self, there: ArrayLike, here: ArrayLike, sizes: ArrayLike) -> None:
        """Copy many stretches to the other process's memory, to ``there`` from ``here``.

        As `gather`.
        """
        self._move(_call("process_vm_writev"), there, here, sizes, "written")

    def _move(
        self, call: Callable[..., Any] | None, there: ArrayLike, here: ArrayLike, sizes: ArrayLike,
        done: str,
    ) -> None:  # fmt: skip
        stretches = np.size(there)
        table = np.empty((2, stretches, 2), np.uint64)
        table[0, :, 0], table[1, :, 0], table[:, :, 1] = here, there, sizes
        at, each = address_of(table), ctypes.sizeof(_Stretch)
        for first in range(0, stretches, MOST):
            many, to = min(MOST, stretches - first), at + first * each
            size = int(table[0, first : first + many, 1].sum())
            of = to + stretches * each
            moved = call(self._process, to, many, of, many, 0) if call else -1
            if moved != size:
                raise self._failed(size, moved, done)

    def _failed(self, size: int, moved: int, done: str = "read") -> RankLost | TransportError:
        code = ctypes.get_errno()
        if moved >= 0 or code == errno.ESRCH:
            return RankLost(f"rank {self._rank} has died", self._rank)
        return TransportError(
            f"{size} bytes of the memory of rank {self._rank} cannot be {done}:"
            f" {os.strerror(code)}",
            self._rank,
        )


class HostMemory(ExposedMemory):
    """The `PeerMemory` of ranks that are processes of one host; ``others``: by rank."""

    in_place = False

    def __init__(self, others: Mapping[int, ProcessMemory]) -> None:
        super().__init__()
        self._others = others

    def read(self, rank: int, there: ArrayLike, here: ArrayLike, sizes: ArrayLike) -> None:
        """Copy stretches of the memory of another process of this host; see `PeerMemory.read`."""
        self._others[rank].gather(there, here, sizes)


def memory_of_all(rank: int, size: int, exchange: Rendezvous) -> HostMemory | None:
    """The means to read the memory of all ranks of a world; None unless all can read all of it.

    All ranks call it, each with its own number; ``exchange``: as in `fabric.transports.base`.
    """
    token = np.frombuffer(secrets.token_bytes(_TOKEN), np.uint8)
    told = exchange([where(), os.getpid(), address_of(token), token.tobytes().hex()])
    others = {}
    for peer, (place, process, address, expected) in enumerate(told):
        if peer != rank and place == where():
            memory = memory_of(peer, process, address, bytes.fromhex(expected))
            if memory is not None:
                others[peer] = memory
    # Also so that nobody forgets its token while another looks for it.
    return HostMemory(others) if all(exchange(len(others) == size - 1)) else None


def memory_of(rank: int, process: int, address: int, expected: bytes) -> ProcessMemory | None:
    """The means to read the memory of ``process``.

    None unless ``expected`` is found at ``address``.
    """
    if _call("process_vm_readv") is None:
        return None
    memory, room = ProcessMemory(rank, process), np.zeros(len(expected), np.uint8)
    try:
        memory.read(address, room)
    except (RankLost, TransportError):
        return None
    return memory if room.tobytes() == expected else None


def readable(rank: int, process: int, address: int, size: int) -> bool:
    """Whether ``size`` bytes at ``address`` of ``process``, which is ``rank``, can be read."""
    if _call("process_vm_readv") is None or _call("process_vm_writev") is None:
        return False
    try:
        ProcessMemory(rank, process).read(address, np.zeros(size, np.uint8))
    except (RankLost, TransportError):
        return False
    return True


@functools.cache
def _call(name: str) -> Callable[..., Any] | None:
    if lacks(name):
        return None
    try:
        call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):  # not Linux
        return None
    at, many = ctypes.c_void_p, ctypes.c_ulong
    call.argtypes = (ctypes.c_int, at, many, at, many, many)
    call.restype = ctypes.c_ssize_t
    found: Callable[..., Any] = call
    return found
