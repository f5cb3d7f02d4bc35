"""`Pool`: blocks of bytes by key over the memory of several servers, as programs call it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import methodcaller
from types import TracebackType
from typing import Any

from collectives.memory.pool.access import SMALL, Counts, NewValue, ShardAccess, fetch, store
from collectives.memory.pool.core.errors import PoolError, PoolLost
from collectives.memory.pool.core.eviction import MakePolicy, eviction_policy
from collectives.memory.pool.core.hash_ring import VIRTUAL_NODES, HashRing, server_names
from collectives.memory.pool.core.hashing import content_hash
from collectives.memory.pool.core.tiers import DRAM, PAGE, shape_of, whole_key
from collectives.memory.pool.hosted.remote import connected
from collectives.memory.pool.local import LocalAccess, ServedShard
from collectives.memory.pool.members import PoolMembers


class Pool:
    """A store of values by key; make one with `Pool.local` or `Pool.connect`.

    A value is what was put under its key, or it is not there: one that was evicted, removed, or
    lost with its server, or whose bytes no longer have their hash, is a miss. To put another value
    under a key replaces the first for everybody at once. Any thread may use a pool.

    Values are anything with bytes: bytes, memoryviews, numpy arrays, tensors of torch on the CPU.
    ``namespace``: keys of different namespaces never meet.
    """

    def __init__(self, members: PoolMembers, namespace: str = "") -> None:
        self.namespace = namespace
        self._members, self._before = members, whole_key(namespace, "")

    @staticmethod
    def local(
        servers: int = 1, *, dram: int = DRAM, npu: int = 0, ssd: int = 0, object_storage: int = 0,
        policy: str | MakePolicy = "lru", replicas: int = 1, page: int = PAGE,
        quotas: Mapping[str, int] | None = None, virtual_nodes: int = VIRTUAL_NODES,
    ) -> "Pool":  # fmt: skip
        """A pool inside this process, of so many servers.

        ``npu``, ``dram``, ``ssd``, ``object_storage``: bytes of these tiers at each server, 0 for
        no such tier. ``policy``: of each tier, ``"lru"``, ``"lfu"`` or what makes an
        `EvictionPolicy`. ``quotas``: bytes of a namespace in the whole pool, of which each server
        keeps an equal part. Raises `PoolError`.
        """
        sizes = {"npu": npu, "dram": dram, "ssd": ssd, "object": object_storage}
        shape = shape_of(servers, sizes, page, quotas or {})
        make = eviction_policy(policy)
        ring = HashRing(server_names(servers), virtual_nodes)
        links: dict[str, ShardAccess] = {}
        try:
            for name in ring.servers:
                links[name] = LocalAccess(ServedShard(shape, make))
            return Pool(PoolMembers(links, ring, replicas))
        except BaseException:
            for link in links.values():
                link.close()
            raise

    @staticmethod
    def connect(address: str, *, timeout: float | None = None) -> "Pool":
        """A client of the pool of processes at ``address``, see `serving`.

        ``timeout``: seconds in which a server has to answer; one that does not is lost (None: the
        default of `remote.ANSWER`). Raises `PoolLost` if there is no such pool.
        """
        return Pool(connected(address, timeout))

    def within(self, namespace: str) -> "Pool":
        """The same pool for keys of another ``namespace``; raises `PoolError` for a slash in it."""
        return Pool(self._members, namespace)

    # --- one value

    def put(self, key: str, value: Any) -> None:
        """Store ``value`` under ``key``.

        Raises `PoolFull` if there is no room, `PoolLost` if no server is left; then there is no
        earlier value of the key any more either.
        """
        one = self._new(key, value)
        while owners := self._members.owners(one.key):
            told = [why for server in owners for why in self._put_at(server, [one])]
            refused = [why for why in told if why is not None]
            if len(refused) < len(told):
                return
            if refused:
                raise refused[0]
        raise PoolLost("no server of the pool is left")

    def get(self, key: str) -> bytes | None:
        """A copy of the value of ``key``; None for a miss."""
        (found,) = self._get([key], None)
        return found  # type: ignore[return-value]  # without memory to fill it is bytes

    def get_into(self, key: str, into: Any) -> int | None:
        """Fill the memory of ``into`` from its beginning; returns the value's bytes, None: a miss.

        What was in it is lost on a miss, too. Raises `PoolError` if the value is larger.
        """
        (found,) = self.batch_get_into([key], [into])
        return found

    def exists(self, key: str) -> bool:
        """Whether there is a value of ``key``, which is no use of it."""
        return self.batch_exists([key])[0]

    def size(self, key: str) -> int | None:
        """The bytes of the value of ``key``, which is no use of it; None for a miss."""
        return self._sizes([key])[0]

    def remove(self, key: str) -> bool:
        """Remove the value of ``key``; returns whether there was one."""
        return self.batch_remove([key])[0]

    def pin(self, key: str) -> bool:
        """Keep the value of ``key`` from being evicted until it is unpinned as often.

        Returns whether there was one. The pins of a client end with it.
        """
        return self._any([key], "pin")[0]

    def unpin(self, key: str) -> bool:
        """Take back one of this client's pins; returns whether it had one."""
        return self._any([key], "unpin")[0]

    # --- many values

    def batch_put(self, values: Mapping[str, Any]) -> list[bool]:
        """Store many values by key; returns which were stored."""
        made = [self._new(key, value) for key, value in values.items()]
        stored = [False] * len(made)
        left: Sequence[int] = range(len(made))
        while left and self.servers:  # again where a server was lost meanwhile
            answered = set[int]()
            for owners in self._members.rounds([made[at].key for at in left]):
                for server, places in owners:
                    mine = [left[place] for place in places]
                    told = self._put_at(server, [made[at] for at in mine])
                    for at, why in zip(mine, told, strict=False):
                        stored[at] |= why is None
                        answered.add(at)
            left = [at for at in left if at not in answered]
        return stored

    def batch_get(self, keys: Sequence[str]) -> list[bytes | None]:
        """Copies of the values of ``keys``; None for each miss."""
        return self._get(keys, None)  # type: ignore[return-value]

    def batch_get_into(self, keys: Sequence[str], into: Sequence[Any]) -> list[int | None]:
        """Fill memory with values; see `get_into`. Raises `PoolError` if one is larger."""
        if len(keys) != len(into):
            raise PoolError(f"{len(keys)} keys and memory for {len(into)}")
        rooms = [bytes_of(one, f"into[{at}]", True) for at, one in enumerate(into)]
        found = self._get(keys, rooms)
        for one in found:
            if isinstance(one, PoolError):
                raise one
        return found  # type: ignore[return-value]

    def batch_exists(self, keys: Sequence[str]) -> list[bool]:
        """Whether there is a value, for each key, which is no use of it."""
        return [size is not None for size in self._sizes(keys)]

    def batch_remove(self, keys: Sequence[str]) -> list[bool]:
        """Remove values; returns whether there was one, for each key."""
        return self._any(keys, "remove")

    # --- the whole

    def clear(self) -> int:
        """Remove all values of the namespace; returns how many, each replica counted."""
        return sum(self._members.each(lambda one: one.clear(self.namespace)).values())

    def report(self) -> None:
        """Tell all servers which values this client has read; else they learn it a little later.

        Their policies and `stats` go by that.
        """
        self._members.each(lambda one: one.report())

    def stats(self) -> dict[str, Counts]:
        """What has happened at each server, and how full it is: see `access.Counts`."""
        return self._members.each(lambda one: one.counts())

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers that are not lost."""
        return self._members.ring.servers

    def owners(self, key: str) -> tuple[str, ...]:
        """The servers that hold the value of ``key`` if there is one; none if all are lost."""
        return self._members.owners(self._before + key)

    def close(self) -> None:
        """Give back what this client holds; a local pool's memory is freed. Idempotent."""
        self._members.close()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def _put_at(self, server: str, made: Sequence[NewValue]) -> Sequence[PoolError | None]:
        """What a server says of each value, None where it is stored; nothing if it is lost."""
        told = self._members.ask(server, partial(store, values=made)) or ()
        if any(told):  # no older values may come back from here
            full = [one.key for one, why in zip(made, told, strict=True) if why]
            self._members.ask(server, methodcaller("remove", full))
        return told

    def _new(self, key: str, value: Any) -> NewValue:
        whole, view = self._before + key, bytes_of(value, "the value")
        return NewValue(whole, view, content_hash(whole, view) if len(view) <= SMALL else 0)

    def _get(
        self, keys: Sequence[str], into: Sequence[memoryview] | None
    ) -> list[bytes | int | PoolError | None]:
        whole = [self._before + key for key in keys]
        results: list[bytes | int | PoolError | None] = [None] * len(whole)
        for owners in self._members.rounds(whole):
            for server, places in owners:
                mine = [at for at in places if results[at] is None]
                if not mine:
                    continue
                names = [whole[at] for at in mine]
                rooms = None if into is None else [into[at] for at in mine]
                told = self._members.ask(server, partial(fetch, keys=names, into=rooms)) or []
                for at, found in zip(mine, told, strict=False):
                    results[at] = found
        return results

    def _sizes(self, keys: Sequence[str]) -> list[int | None]:
        whole = [self._before + key for key in keys]
        sizes: list[int | None] = [None] * len(whole)
        for at, size in self._members.ask_all(whole, "sizes"):
            sizes[at] = size if sizes[at] is None else sizes[at]
        return sizes

    def _any(self, keys: Sequence[str], question: str) -> list[bool]:
        whole = [self._before + key for key in keys]
        found = [False] * len(whole)
        for at, one in self._members.ask_all(whole, question):
            found[at] |= bool(one)
        return found


def bytes_of(value: Any, name: str, writable: bool = False) -> memoryview:
    """The bytes of a value where they lie; raises `ArgumentError` if it has none."""
    if type(value) is bytes and not writable:
        return memoryview(value)
    with suppress(TypeError):
        view = memoryview(value)
        if view.c_contiguous and view.nbytes and not (writable and view.readonly):
            return view.cast("B")
    from collectives.calls import buffers

    found = buffers.view(value, name, writable)
    if writable and found.home is not None:
        raise PoolError(f"{name} does not lie side by side in memory, and is to be filled")
    return found.bytes.data
