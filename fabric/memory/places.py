"""How a rank's registered memory is made, and how other processes reach it.

Memory that we make ourselves between processes is a file without a name, which others map: they
read and write it as their own. Memory that a program brings is read and written where it is: by its
address within the process, from others with the help of the kernel (`ProcessMemory`). Processes of
other hosts ask for it over a socket (`fabric.memory.far`).
"""

import ctypes
import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from fabric.failure import TransportError
from fabric.host.curve import Keys
from fabric.host.liveness import where
from fabric.memory.far import FarMemory
from fabric.transports.base import Bytes, address_of
from fabric.transports.peer_memory import ProcessMemory, readable
from fabric.transports.zmq.doorbell import nameless


class MemoryPlace(NamedTuple):
    """Where registered memory is.

    ``host``: `fabric.host.liveness.where` of its process; ``process``, ``address``: whose it
    is and where; ``size``: bytes; ``path``: the file by which other processes map it, "" if none.
    ``number``: of the memory for other hosts, which ask for it at ``door`` ("": nowhere).
    """

    host: str
    process: int
    address: int
    size: int
    path: str
    number: int = 0
    door: str = ""

    def is_of(self, process: int) -> bool:
        """Whether it is memory of ``process``, and of no other one or of a file that has a name."""
        return self.process == process and bool(
            re.fullmatch(rf"(/proc/{process}/fd/\d+)?", self.path)
        )


class ReachedMemory(Protocol):
    """Registered memory, of this process or of another one."""

    def read(self, at: int, into: Bytes) -> None:
        """Fill ``into`` with the bytes from ``at`` on. Raises `WorldError` if its owner is gone."""

    def write(self, at: int, data: Bytes) -> None:
        """Copy ``data`` to ``at``. Raises `WorldError` if its owner is gone."""


class MappedMemory:
    """Registered memory that this process has at an address of its own: ``bytes``, uint8."""

    def __init__(self, array: Bytes) -> None:
        self.bytes = array

    def read(self, at: int, into: Bytes) -> None:
        """Fill ``into`` with the bytes from ``at`` on."""
        into[:] = self.bytes[at : at + into.size]

    def write(self, at: int, data: Bytes) -> None:
        """Copy ``data`` to ``at``."""
        self.bytes[at : at + data.size] = data


class ForeignMemory:
    """Registered memory at an ``address`` of another ``process``, which is rank ``rank``."""

    def __init__(self, rank: int, process: int, address: int) -> None:
        self._memory, self._address = ProcessMemory(rank, process), address

    def read(self, at: int, into: Bytes) -> None:
        """Fill ``into`` with the bytes from ``at`` on; raises `RankLost`, `TransportError`."""
        if into.size:
            self._memory.read(self._address + at, into)

    def write(self, at: int, data: Bytes) -> None:
        """Copy ``data`` to ``at``; raises `RankLost`, `TransportError`."""
        if data.size:
            self._memory.write(self._address + at, data)


@dataclass(frozen=True, eq=False)
class OwnMemory:
    """Memory that this process registers: ``bytes``, uint8, and the ``place`` that others open."""

    bytes: Bytes
    place: MemoryPlace
    _descriptor: int | None = None

    def hide(self) -> None:
        """Close the file, after every process that is to map the memory has done so. Once."""
        if self._descriptor is not None:
            os.close(self._descriptor)


def allocated(size: int, shared: bool) -> OwnMemory:
    """New memory of ``size`` bytes, all 0; ``shared``: so that other processes can map it.

    Raises `TransportError` if there is no room, or the host has no files without a name.
    """
    if not shared:
        return registered(np.zeros(size, np.uint8))
    if not nameless():
        raise TransportError(
            "this host has no files without a name (memfd), which windows between processes need:"
            " register memory of your own, or use the transport inproc"
        )
    free = _available()
    if size > free:  # pages are asked for one by one, and the first that there is none for kills
        raise TransportError(f"no room for a window of {size} bytes: the host has {free} free")
    descriptor = os.memfd_create("triplane window", os.MFD_CLOEXEC)
    try:
        os.posix_fallocate(descriptor, 0, max(size, 1))
        array = np.frombuffer(mmap.mmap(descriptor, max(size, 1)), np.uint8, size)
    except (OSError, MemoryError) as error:
        os.close(descriptor)
        raise TransportError(f"no room for a window of {size} bytes: {error}") from error
    path = f"/proc/{os.getpid()}/fd/{descriptor}"
    return OwnMemory(array, _place(array, path), descriptor)


def _available() -> int:
    """The bytes of memory that this host, a Linux, can give to programs now."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable":
            return int(amount.split()[0]) * 1024
    raise TransportError("this host's kernel does not say how much memory is free")


def registered(memory: Bytes) -> OwnMemory:
    """Memory that a program has already, uint8 without gaps, as registered memory."""
    return OwnMemory(memory, _place(memory, ""))


def _place(array: Bytes, path: str) -> MemoryPlace:
    return MemoryPlace(where(), os.getpid(), address_of(array), array.size, path)


def reached(place: MemoryPlace, rank: int, keys: Keys | None = None) -> ReachedMemory:
    """The registered memory of ``rank`` at ``place``, for this process to read and write.

    ``keys``: of the world, for memory on another host. Raises `TransportError` that says why it
    cannot be reached.
    """
    if place.host != where():
        return FarMemory(place.door, place.number, rank, keys)
    if place.process == os.getpid():
        return MappedMemory(_at(place.address, place.size))
    if place.path:
        return MappedMemory(_mapped(place, rank))
    if not readable(rank, place.process, place.address, min(place.size, 1)):
        raise TransportError(
            f"the kernel lets this process neither read nor write the memory of rank {rank}: let"
            " the window make its own memory",
            rank,
        )
    return ForeignMemory(rank, place.process, place.address)


def _at(address: int, size: int) -> Bytes:
    if not size:
        return np.zeros(0, np.uint8)
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def _mapped(place: MemoryPlace, rank: int) -> Bytes:
    try:
        descriptor = os.open(place.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return np.frombuffer(mmap.mmap(descriptor, max(place.size, 1)), np.uint8, place.size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise TransportError(
            f"the memory of rank {rank} cannot be mapped: {error}", rank
        ) from error
