"""`MooncakeDistributedStore` over a pool: Mooncake's names, and its codes instead of errors.

Not Mooncake's are the leases of objects that were read: they can be removed at once.
"""

import ctypes
import random
from collections.abc import Mapping, Sequence
from typing import Any

from collectives.adapters.mooncake.memory import RegisteredMemory
from collectives.adapters.mooncake.pools import joined, left
from collectives.adapters.mooncake.settings import (
    BUFFER_OVERFLOW,
    INVALID_PARAMS,
    NO_AVAILABLE_HANDLE,
    OBJECT_NOT_FOUND,
    OK,
    ReplicateConfig,
    StoreSettings,
    settings_of,
)
from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.pool import Pool

PORTS = 12300, 14300
"""Between which Mooncake chooses a port, where a host name has none."""

_NOT_SET_UP = 1

Ranges = Sequence[Sequence[Sequence[int]]]


class BufferHandle(bytearray):
    """A copy of an object's bytes, as a buffer."""

    def size(self) -> int:
        """Its bytes."""
        return len(self)

    def ptr(self) -> int:
        """The address of the first byte; 0 if there is none."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self)) if self else 0


class MooncakeDistributedStore:
    """Mooncake's store. Methods return 0 or a size, or one of its codes, which are below 0."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._settings = StoreSettings("", "", 0, 0)
        self._memory, self._host = RegisteredMemory(), ""

    def __del__(self) -> None:
        self.close()

    def setup(
        self, local_hostname: str | Mapping[str, Any], metadata_server: str = "",
        global_segment_size: int | str = 1 << 24, local_buffer_size: int | str = 1 << 24,
        protocol: str = "tcp", rdma_devices: str = "",
        master_server_addr: str = "127.0.0.1:50051", *more: Any, **others: Any,
    ) -> int:  # fmt: skip
        """Join a pool, see `pools.joined`; ``local_hostname``: also a dict of all arguments.

        What concerns the network (protocol, devices, metadata) has no meaning here.
        """
        given: Mapping[str, Any] = {
            "local_hostname": local_hostname, "metadata_server": metadata_server,
            "global_segment_size": global_segment_size, "local_buffer_size": local_buffer_size,
            "master_server_addr": master_server_addr,
        }  # fmt: skip
        settings = settings_of(local_hostname if isinstance(local_hostname, Mapping) else given)
        if settings is None:
            return INVALID_PARAMS
        self.close()
        try:
            self._pool, self._settings = joined(settings), settings
        except PoolError:
            return NO_AVAILABLE_HANDLE
        host = settings.local_hostname
        self._host = host if ":" in host else f"{host}:{random.randint(*PORTS)}"
        return OK

    def close(self) -> int:
        """Leave the pool."""
        pool, self._pool = getattr(self, "_pool", None), None
        if pool is not None:
            left(self._settings, pool)
        return OK

    def health_check(self) -> int:
        """0 if the store is set up and a server of its pool answers, 1 if not set up, else 2."""
        if self._pool is None:
            return _NOT_SET_UP
        return OK if self._pool.stats() else 2

    def get_hostname(self) -> str:
        """The host's name and a port."""
        return self._host

    # --- bytes

    def put(self, key: str, value: Any, config: ReplicateConfig | None = None) -> int:
        """Store an object; one that is there already stays as it is."""
        return self._put([key], [value], config, False, self._settings.local_buffer_size)[0]

    def upsert(self, key: str, value: Any, config: ReplicateConfig | None = None) -> int:
        """Store an object, in place of what is there."""
        return self._put([key], [value], config, True, self._settings.local_buffer_size)[0]

    def put_parts(self, key: str, *parts: Any, config: ReplicateConfig | None = None) -> int:
        """Store an object whose bytes are in several parts."""
        return self.put(key, b"".join(map(bytes, parts)), config)

    def upsert_parts(self, key: str, *parts: Any, config: ReplicateConfig | None = None) -> int:
        """Store an object whose bytes are in several parts, in place of what is there."""
        return self.upsert(key, b"".join(map(bytes, parts)), config)

    def put_batch(
        self, keys: Sequence[str], values: Sequence[Any], config: ReplicateConfig | None = None
    ) -> int:
        """Store objects; the code of the first that could not be."""
        codes = self._put(keys, values, config, False, self._settings.local_buffer_size)
        return next((code for code in codes if code), OK)

    def upsert_batch(
        self, keys: Sequence[str], values: Sequence[Any], config: ReplicateConfig | None = None
    ) -> int:
        """Store objects, in place of what is there; the code of the first that could not be."""
        codes = self._put(keys, values, config, True, self._settings.local_buffer_size)
        return next((code for code in codes if code), OK)

    def get(self, key: str) -> bytes:
        """The bytes of an object; empty if it is not there."""
        return self.get_batch([key])[0]

    def get_batch(self, keys: Sequence[str]) -> list[bytes]:
        """The bytes of objects; empty where one is not there."""
        return [one or b"" for one in self._get(keys)]

    def get_buffer(self, key: str) -> BufferHandle | None:
        """A copy of an object as a buffer; None if it is not there."""
        return self.batch_get_buffer([key])[0]

    def batch_get_buffer(self, keys: Sequence[str]) -> list[BufferHandle | None]:
        """Copies of objects as buffers; None where one is not there."""
        return [None if one is None else BufferHandle(one) for one in self._get(keys)]

    # --- memory of the program

    def register_buffer(self, buffer_ptr: int, size: int) -> int:
        """Register memory that objects are read into and written from."""
        return OK if self._memory.add(buffer_ptr, size) else INVALID_PARAMS

    def unregister_buffer(self, buffer_ptr: int) -> int:
        """Forget the memory that begins there."""
        return OK if self._memory.remove(buffer_ptr) else INVALID_PARAMS

    def put_from(
        self, key: str, buffer_ptr: int, size: int, config: ReplicateConfig | None = None
    ) -> int:
        """Store an object from registered memory."""
        return self.batch_put_from([key], [buffer_ptr], [size], config)[0]

    def upsert_from(
        self, key: str, buffer_ptr: int, size: int, config: ReplicateConfig | None = None
    ) -> int:
        """Store an object from registered memory, in place of what is there."""
        return self.batch_upsert_from([key], [buffer_ptr], [size], config)[0]

    def batch_put_from(
        self, keys: Sequence[str], buffer_ptrs: Sequence[int], sizes: Sequence[int],
        config: ReplicateConfig | None = None,
    ) -> list[int]:  # fmt: skip
        """Store objects from registered memory."""
        return self._put_from(keys, buffer_ptrs, sizes, config, False)

    def batch_upsert_from(
        self, keys: Sequence[str], buffer_ptrs: Sequence[int], sizes: Sequence[int],
        config: ReplicateConfig | None = None,
    ) -> list[int]:  # fmt: skip
        """Store objects from registered memory, in place of what is there."""
        return self._put_from(keys, buffer_ptrs, sizes, config, True)

    def batch_put_from_multi_buffers(
        self, keys: Sequence[str], all_buffer_ptrs: Sequence[Sequence[int]],
        all_sizes: Sequence[Sequence[int]], config: ReplicateConfig | None = None,
    ) -> list[int]:  # fmt: skip
        """Store objects whose bytes are in several parts of registered memory."""
        parts = self._parts(keys, all_buffer_ptrs, all_sizes)
        if parts is None:
            return [INVALID_PARAMS] * len(keys)
        return self._put(keys, [b"".join(one) for one in parts], config, False, None)

    def get_into(self, key: str, buffer_ptr: int, size: int) -> int:
        """Read an object into registered memory of ``size`` bytes; its size."""
        return self.batch_get_into([key], [buffer_ptr], [size])[0]

    def batch_get_into(
        self, keys: Sequence[str], buffer_ptrs: Sequence[int], sizes: Sequence[int]
    ) -> list[int]:
        """Read objects into registered memory; their sizes."""
        rooms = self._memory.views(buffer_ptrs, sizes)
        if self._pool is None or rooms is None or len(rooms) != len(keys):
            return [INVALID_PARAMS] * len(keys)
        return [self._into(key, room) for key, room in zip(keys, rooms, strict=True)]

    def batch_get_into_multi_buffers(
        self, keys: Sequence[str], all_buffer_ptrs: Sequence[Sequence[int]],
        all_sizes: Sequence[Sequence[int]], prefer_alloc_in_same_node: bool = False,
    ) -> list[int]:  # fmt: skip
        """Read objects into several parts of registered memory each; their sizes."""
        parts = self._parts(keys, all_buffer_ptrs, all_sizes)
        if parts is None:
            return [INVALID_PARAMS] * len(keys)
        found = self._get(keys)
        return [_spread(value, rooms) for value, rooms in zip(found, parts, strict=True)]

    def get_into_ranges(
        self, buffer_ptrs: Sequence[int], all_keys: Sequence[Sequence[str]],
        all_dst_offsets: Ranges, all_src_offsets: Ranges,
        all_sizes: Ranges,
    ) -> list[list[list[int]]]:  # fmt: skip
        """Read parts of objects into registered memory: of each buffer's keys, several ranges.

        Returns the size of each range, or a code.
        """
        found = []
        columns = (buffer_ptrs, all_keys, all_dst_offsets, all_src_offsets, all_sizes)
        for address, keys, dst, src, sizes in zip(*columns, strict=True):
            of_keys = zip(keys, dst, src, sizes, strict=True)
            found.append([self._ranges(address, key, a, b, c) for key, a, b, c in of_keys])
        return found

    # --- about objects

    def is_exist(self, key: str) -> int:
        """1 if an object is there, else 0."""
        return self.batch_is_exist([key])[0]

    def batch_is_exist(self, keys: Sequence[str]) -> list[int]:
        """1 for each object that is there, else 0; -1 if the store is not set up."""
        if self._pool is None:
            return [-1] * len(keys)
        return [int(one) for one in self._pool.batch_exists(keys)]

    def get_size(self, key: str) -> int:
        """The bytes of an object."""
        size = None if self._pool is None else self._pool.size(key)
        return OBJECT_NOT_FOUND if size is None else size

    def remove(self, key: str, force: bool = False) -> int:
        """Remove an object."""
        return self.batch_remove([key], force)[0]

    def batch_remove(self, keys: Sequence[str], force: bool = False) -> list[int]:
        """Remove objects."""
        if self._pool is None:
            return [INVALID_PARAMS] * len(keys)
        return [OK if one else OBJECT_NOT_FOUND for one in self._pool.batch_remove(keys)]

    def remove_all(self, force: bool = False) -> int:
        """Remove all objects; how many."""
        return INVALID_PARAMS if self._pool is None else self._pool.clear()

    # --- inside

    def _put(
        self, keys: Sequence[str], values: Sequence[Any], config: ReplicateConfig | None,
        replace: bool, most: int | None,
    ) -> list[int]:  # fmt: skip
        """Store objects of at most ``most`` bytes (None: any), which pass the local buffer."""
        pool = self._pool
        if pool is None or len(keys) != len(values) or (config is not None and config.refused()):
            return [INVALID_PARAMS] * len(keys)
        there = [False] * len(keys) if replace else pool.batch_exists(keys)
        codes = [OK] * len(keys)
        for at, (key, value) in enumerate(zip(keys, values, strict=True)):
            if most is not None and memoryview(value).nbytes > most:
                codes[at] = BUFFER_OVERFLOW
            elif not there[at]:
                codes[at] = _stored(pool, key, value)
            if codes[at] == OK and config is not None and config.with_hard_pin:
                pool.pin(key)
        return codes

    def _put_from(
        self, keys: Sequence[str], buffer_ptrs: Sequence[int], sizes: Sequence[int],
        config: ReplicateConfig | None, replace: bool,
    ) -> list[int]:  # fmt: skip
        values = self._memory.views(buffer_ptrs, sizes)
        if values is None:
            return [INVALID_PARAMS] * len(keys)
        return self._put(keys, values, config, replace, None)

    def _get(self, keys: Sequence[str]) -> list[bytes | None]:
        return [None] * len(keys) if self._pool is None else self._pool.batch_get(keys)

    def _into(self, key: str, room: memoryview) -> int:
        assert self._pool is not None
        try:
            size = self._pool.get_into(key, room)
        except PoolError:  # the object is larger
            return INVALID_PARAMS
        return OBJECT_NOT_FOUND if size is None else size

    def _parts(
        self, keys: Sequence[str], addresses: Sequence[Sequence[int]],
        sizes: Sequence[Sequence[int]],
    ) -> list[list[memoryview]] | None:  # fmt: skip
        if not len(keys) == len(addresses) == len(sizes):
            return None
        found = [self._memory.views(*each) for each in zip(addresses, sizes, strict=True)]
        known = [one for one in found if one is not None]
        return known if len(known) == len(found) else None

    def _ranges(
        self, address: int, key: str, dst: Sequence[int], src: Sequence[int], sizes: Sequence[int]
    ) -> list[int]:
        many = max(len(dst), len(src), len(sizes))
        if not len(dst) == len(src) == len(sizes):
            return [INVALID_PARAMS] * many
        value = self._get([key])[0] if many else None
        if value is None:
            return [OBJECT_NOT_FOUND] * many
        codes = []
        for to, begin, size in zip(dst, src, sizes, strict=True):
            room = self._memory.view(address + to, size)
            if room is None or begin + size > len(value):
                codes.append(INVALID_PARAMS)
            else:
                room[:] = value[begin : begin + size]
                codes.append(size)
        return codes


def _stored(pool: Pool, key: str, value: Any) -> int:
    try:
        pool.put(key, value)
    except PoolError:
        return NO_AVAILABLE_HANDLE
    return OK


def _spread(value: bytes | None, rooms: Sequence[memoryview]) -> int:
    """Fill parts of memory, one after the other; the value's size, or a code."""
    if value is None:
        return OBJECT_NOT_FOUND
    if sum(map(len, rooms)) < len(value):
        return INVALID_PARAMS
    at = 0
    for room in rooms:
        part = value[at : at + len(room)]
        room[: len(part)] = part
        at += len(part)
    return len(value)
