"""Instances of the engine as ranks of a world, and their KV caches as windows of memory.

An instance reads the blocks that another one holds where they lie in its cache, layer by layer,
while that one goes on with its own work: one-sided memory, as engines do it over RDMA.
"""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch._C._distributed_c10d import TCPStore

from collectives.adapters.torch.joining import joined, settings
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.holds import Holds
from collectives.adapters.vllm.orders import Hold, LoadOrder
from collectives.adapters.vllm.settings import Instance
from collectives.calls.start import everybody
from collectives.memory.pool.pool import Pool
from collectives.memory.timed_pool import TimedPool
from collectives.memory.window import Window
from collectives.memory.work import MemoryWork
from fabric.endpoint.one_sided import READ, SIDES
from fabric.launching.current import alone

Rows = Mapping[str, NDArray[np.uint8]]
"""KV caches by layer, uint8 [blocks, bytes of a block], where they lie."""


class Peers:
    """One instance among the others, with its caches; ``layouts``: of each, see `layout_of`.

    Waits until all instances are there. Raises `WorldError`, and `KVError` if their caches differ.
    ``world``: a word that stands for this world of instances.
    """

    def __init__(self, given: Instance, rows: Rows, layouts: Mapping[str, Any]) -> None:
        self.given, self._rows, self.world = given, rows, ""
        if given.ranks == 1:
            self._member = alone(settings(given.environment()))
        else:
            store = self._client()
            self._meet(store)
            self._member = joined(store, given.rank, given.ranks, given.environment())
        self._comm = everybody(self._member, given.timeout)
        self.pool: TimedPool | None = None
        try:
            if given.ranks > 1:
                self._agree(store, layouts)
                self._register()
            if given.pool is not None:
                pool = Pool.connect(given.pool).within(given.namespace)
                self.pool = TimedPool(self._comm, pool, given.pool_plane)
        except BaseException as error:
            self._member.close(error)
            raise

    def _register(self) -> None:
        self._holds = Holds(self._comm, self.given.hold)
        self._windows = {
            name: Window(self._comm, self._rows[name], name=f"kv {at}")
            for at, name in enumerate(self._rows)
        }

    @property
    def label(self) -> Any:
        """The emulated machine that times transfers between instances; None for none."""
        return self._comm.machine(READ + SIDES[False, False])

    def check(self) -> None:
        """Raise the error that has ended the world of instances, if any."""
        self._member.driver.control.check()

    def hold(self, hold: Hold) -> None:
        """Hold a prompt's blocks for another instance."""
        self._holds.add(hold)

    def released(self) -> set[str]:
        """The requests whose blocks are held no longer, each once."""
        return self._holds.over() if self.given.ranks > 1 else set()

    def pull(self, order: LoadOrder) -> dict[str, MemoryWork] | None:
        """Begin to read blocks into the own cache; returns the reads by layer.

        None if the source no longer holds them. Raises `KVError` for a source that there is not,
        `WorldError` if it has died.
        """
        me, ranks = self.given.rank, self.given.ranks
        if order.source == me or not 0 <= order.source < ranks:
            raise KVError(f"rank {me} asks rank {order.source} of {ranks} for KV")
        if order.world != self.world or not self._holds.begin(order):
            return None
        return {
            name: self._windows[name].getv(
                [
                    (rows[mine], theirs * rows.shape[1])
                    for mine, theirs in zip(order.blocks, order.theirs, strict=True)
                ],
                order.source, async_op=True,
            )
            for name, rows in (self._rows.items() if order.blocks else ())
        }  # fmt: skip

    def pulled(self, order: LoadOrder) -> None:
        """Let go of the source's hold, when all reads are over."""
        self._holds.end(order)

    def close(self) -> None:
        """Leave the world of instances, and the pool."""
        if self.pool is not None:
            self.pool.pool.close()
        self._member.close(None)

    def _client(self) -> TCPStore:
        given = self.given
        return TCPStore(
            given.address, given.port, given.ranks, given.rank == 0,
            timedelta(seconds=given.start_timeout), wait_for_workers=False,
        )  # fmt: skip

    def _meet(self, store: TCPStore) -> None:
        """Wait until all instances have started."""
        keys = [f"here/{rank}" for rank in range(self.given.ranks)]
        if self.given.rank == 0:
            store.set("world", secrets.token_hex(8))
        store.set(keys[self.given.rank], "")
        try:
            store.wait(keys, timedelta(seconds=self.given.start_timeout))
        except dist.DistError as error:
            late = [rank for rank, key in enumerate(keys) if not store.check([key])]
            raise KVError(
                f"of {self.given.ranks} instances, {late} have not come to"
                f" {self.given.address}:{self.given.port} within {self.given.start_timeout:g} s"
            ) from error
        self.world = store.get("world").decode()

    def _agree(self, store: TCPStore, layouts: Mapping[str, Any]) -> None:
        """Refuse instances whose blocks differ."""
        mine = json.dumps(list(layouts.items()))
        store.set(f"layouts/{self.given.rank}", mine)
        others = [store.get(f"layouts/{rank}").decode() for rank in range(self.given.ranks)]
        for rank, other in enumerate(others):
            if other != mine:
                raise KVError(
                    f"the KV blocks of rank {self.given.rank} are {mine}, those of rank {rank}"
                    f" {other}; all instances need the same model, type and block size"
                )


def rows_of(name: str, cache: Tensor, blocks: int) -> NDArray[np.uint8]:
    """A layer's cache as bytes [blocks, bytes of a block]; raises `KVError` if blocks have gaps."""
    size = cache[0].numel() if cache.shape[0] else 0
    dense = cache[:1].untyped_storage().nbytes() >= blocks * size * cache.element_size()
    spans = sum((extent - 1) * step for extent, step in zip(cache.shape[1:], cache.stride()[1:],
                                                           strict=True))  # fmt: skip
    if cache.shape[0] != blocks or cache.stride(0) != size or spans != size - 1 or not dense:
        raise KVError(
            f"the cache of {name} is {list(cache.shape)} with strides {list(cache.stride())}; it"
            f" has to be {blocks} blocks first, one after the other"
        )
    flat = cache.as_strided((blocks, size), (size, 1), cache.storage_offset())
    rows: NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return rows


def layout_of(cache: Tensor, kernel: str) -> list[Any]:
    """How a block of a layer's cache is laid out; ``kernel``: of the attention that does it."""
    return [list(cache.shape[1:]), list(cache.stride()[1:]), str(cache.dtype), kernel]
