"""The servers that a client reaches: which holds a key, and who holds it when one is lost."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from operator import methodcaller
from typing import Any, TypeVar

from collectives.memory.pool.access import ShardAccess
from collectives.memory.pool.core.errors import PoolError, PoolLost, ServerLost
from collectives.memory.pool.core.hash_ring import HashRing

Answer = TypeVar("Answer")


class PoolMembers:
    """The servers of a pool by name, and the ring of those that are not lost.

    ``replicas``: at how many servers each value is. Raises `PoolError` for more than there are.
    """

    def __init__(self, links: Mapping[str, ShardAccess], ring: HashRing, replicas: int = 1) -> None:
        if not 1 <= replicas <= max(len(ring.servers), 1):
            raise PoolError(f"{replicas} replicas; the pool has {len(ring.servers)} servers")
        self.ring, self.replicas = ring, replicas
        self._links, self._lock, self._open = links, threading.Lock(), True

    def owners(self, key: str) -> tuple[str, ...]:
        """The servers that hold ``key``, as far as they are not lost; empty if all are."""
        if not self._open:
            raise PoolError("the pool is closed")
        try:
            return self.ring.owners(key, self.replicas)
        except PoolLost:
            return ()

    def rounds(self, keys: Sequence[str]) -> Iterator[Iterator[tuple[str, list[int]]]]:
        """Iterate over owners of each number, first to last: a server, and positions in ``keys``.

        Owners are those of now: who is lost on the way does not change whom the others' values are
        asked of.
        """
        owners = [self.owners(key) for key in keys]
        for which in range(self.replicas):
            found: dict[str, list[int]] = {}
            for at, of_key in enumerate(owners):
                if which < len(of_key):
                    found.setdefault(of_key[which], []).append(at)
            yield iter(found.items())

    def ask(self, server: str, question: Callable[[ShardAccess], Answer]) -> Answer | None:
        """The answer of a server; None, and it is lost from then on, if it gives none."""
        try:
            return question(self._links[server])
        except ServerLost:
            self.lose(server)
            return None

    def ask_all(self, keys: Sequence[str], question: str) -> Iterator[tuple[int, Any]]:
        """Iterate over the position of a key and an answer about it, of each of its owners.

        ``question``: a method of `ShardAccess` that takes keys.
        """
        for owners in self.rounds(keys):
            for server, places in owners:
                asked = [keys[at] for at in places]
                told = self.ask(server, methodcaller(question, asked))
                yield from zip(places, told or (), strict=False)

    def each(self, question: Callable[[ShardAccess], Answer]) -> dict[str, Answer]:
        """The answer of each server that gives one."""
        told = {server: self.ask(server, question) for server in self.ring.servers}
        return {server: answer for server, answer in told.items() if answer is not None}

    def lose(self, server: str) -> None:
        """Have a server hold nothing from now on; its keys are those of the next ones."""
        with self._lock:
            if server in self.ring.servers:
                self.ring = self.ring.without([server])
        with suppress(ServerLost):
            self._links[server].close()

    def close(self) -> None:
        """Leave all servers. Idempotent."""
        with self._lock:
            was_open, self._open = self._open, False
        for server in self.ring.servers if was_open else ():
            with suppress(ServerLost):
                self._links[server].close()
