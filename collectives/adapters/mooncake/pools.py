"""Which pool a store of Mooncake's uses: one of processes, or one that stores here share."""

import functools
import os
import threading
from dataclasses import dataclass, field

from collectives.adapters.mooncake.settings import StoreSettings
from collectives.memory.pool.core.tiers import PAGE
from collectives.memory.pool.hosted.serving import POOL_ADDRESS
from collectives.memory.pool.pool import Pool


@dataclass
class _Shared:
    pool: Pool
    users: int = 0


@dataclass
class _Pools:
    by_master: dict[str, _Shared] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


@functools.cache
def _pools() -> _Pools:
    """The pools of this process's stores, by the address of the master that they name."""
    return _Pools()


def joined(settings: StoreSettings) -> Pool:
    """The pool that a store uses from now on, until `left`.

    That at the address in the environment variable ``TRIPLANE_POOL``, see
    `collectives.memory.pool.hosted.serving`. Where there is none, the stores of this process that
    name the same master share one in it, as large as the first one's segment. Raises `PoolError`.
    """
    address = os.environ.get(POOL_ADDRESS)
    if address:
        return Pool.connect(address)
    pools = _pools()
    with pools.lock:
        shared = pools.by_master.get(settings.master_server_addr)
        if shared is None:
            pool = Pool.local(dram=max(settings.global_segment_size, PAGE))
            shared = pools.by_master[settings.master_server_addr] = _Shared(pool)
        shared.users += 1
        return shared.pool


def left(settings: StoreSettings, pool: Pool) -> None:
    """Leave a pool; what is in one of this process goes with the last store that uses it."""
    pools = _pools()
    with pools.lock:
        shared = pools.by_master.get(settings.master_server_addr)
        if shared is None or shared.pool is not pool:
            pool.close()
            return
        shared.users -= 1
        if not shared.users:
            del pools.by_master[settings.master_server_addr]
            pool.close()
