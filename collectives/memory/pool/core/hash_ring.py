"""Consistent hashing: which servers hold a key, so that few keys move when a server is lost."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from collectives.memory.pool.core.errors import PoolError, PoolLost
from collectives.memory.pool.core.hashing import key_hash

VIRTUAL_NODES = 128
"""Points of a server on the ring: the shares of servers then differ by some 9% (1/sqrt(128))."""

MOST_VIRTUAL_NODES = 1 << 14


@dataclass(frozen=True)
class HashRing:
    """The servers of a pool on a ring of hashes; a key's owners are the next servers after it.

    ``virtual_nodes``: points of each server, of which each owns the part of the ring before it.
    Raises `PoolError` if a server is named twice or has no points.
    """

    servers: tuple[str, ...]
    virtual_nodes: int = VIRTUAL_NODES
    _points: list[int] = field(init=False, repr=False, compare=False)
    _owner: list[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(set(self.servers)) < len(self.servers):
            raise PoolError(f"a server is named twice in {', '.join(self.servers)}")
        if not 1 <= self.virtual_nodes <= MOST_VIRTUAL_NODES:
            raise PoolError(
                f"{self.virtual_nodes} virtual nodes; there are 1 to {MOST_VIRTUAL_NODES}"
            )
        placed = sorted(
            (key_hash(f"{server}#{number}"), server)
            for server in self.servers for number in range(self.virtual_nodes)
        )  # fmt: skip
        object.__setattr__(self, "_points", [point for point, _ in placed])
        object.__setattr__(self, "_owner", [server for _, server in placed])

    def owner(self, key: str) -> str:
        """The server that holds ``key``; raises `PoolLost` if there is none."""
        if not self._points:
            raise PoolLost("no server of the pool is left")
        at = bisect_right(self._points, key_hash(key))
        return self._owner[at if at < len(self._owner) else 0]

    def owners(self, key: str, many: int) -> tuple[str, ...]:
        """The first ``many`` different servers after ``key``, or all if there are fewer.

        The first is `owner`. Raises `PoolLost` if there is none.
        """
        if many == 1:
            return (self.owner(key),)
        self.owner(key)
        at, found = bisect_right(self._points, key_hash(key)), dict[str, None]()
        for owner in self._owner[at:] + self._owner[:at]:
            found[owner] = None
            if len(found) == min(many, len(self.servers)):
                break
        return tuple(found)

    def without(self, lost: Iterable[str]) -> "HashRing":
        """The ring without some servers: their keys go to the next ones, all others stay."""
        gone = set(lost)
        return HashRing(
            tuple(server for server in self.servers if server not in gone), self.virtual_nodes
        )


def server_names(servers: int) -> tuple[str, ...]:
    """The names of so many servers; raises `PoolError` for none."""
    if servers < 1:
        raise PoolError(f"{servers} servers; a pool has one at least")
    return tuple(f"server{number}" for number in range(servers))
