"""A pool as ranks of an emulated machine use it: the pool has the bytes, the machine the times.

The pool is the DRAM of the nodes on which the ranks are. A read or write of values is one access to
each server that has some of them, over a plane of the pool's own, and contends with all else that
is in flight there. To look a key up takes no time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collectives.calls.communicator import Communicator
from collectives.memory.pool.pool import Pool, bytes_of
from collectives.memory.window import Window
from collectives.memory.work import MemoryWork
from fabric.endpoint.one_sided import READ, SIDES, WRITE, over_plane
from fabric.world.messages import MachineLabel

PLANE = "ub"
"""The plane of a pool: UB, over which a die reads and writes the DRAM of any CPU itself."""


@dataclass(frozen=True)
class PoolWork:
    """Values that are read or written: ``found`` has an entry a key, see `TimedPool`.

    ``works``: the accesses, one a server; none where nothing was read or written.
    """

    found: tuple[Any, ...]
    works: tuple[MemoryWork, ...]

    def wait(self, timeout: float | None = None) -> None:
        """Return when all of it is over; see `Work.wait`."""
        for work in self.works:
            work.wait(timeout)

    def times(self) -> tuple[float, float]:
        """The first begin and the last end in emulated seconds; `Work.times`. Needs ``works``."""
        begin, end = zip(*(work.times() for work in self.works), strict=True)
        return min(begin), max(end)


class TimedPool:
    """``pool`` as the ranks of ``comm`` use it, each with a client of the same pool.

    All ranks make it together. Server i is the DRAM of the CPU of rank i modulo their number.
    ``plane``: over which it is accessed; "" for those of the machine. Raises `WindowError` for a
    plane on which NPUs have no port, or that does not reach it.
    """

    def __init__(self, comm: Communicator, pool: Pool, plane: str = PLANE) -> None:
        self.pool = pool
        self._comm, self._plane = comm, plane
        self._window = Window(comm, 0, device="cpu", plane=plane or None, name="pool")
        self._window.timed(comm.rank, 0, writes=False)  # refused now rather than at the first value
        self._home = {server: at % comm.size for at, server in enumerate(sorted(pool.servers))}

    def batch_get_into(self, keys: Sequence[str], into: Sequence[Any]) -> PoolWork:
        """Begin to fill memory of this rank's NPU with values.

        ``found``: the bytes of each, None for a miss; known at once, as which values there are is
        when a read begins. The memory may be read when the work is over. Raises `PoolError` if a
        value is larger than its memory.
        """
        found = self.pool.batch_get_into(keys, into)
        sizes = {key: size for key, size in zip(keys, found, strict=True) if size is not None}
        read = ((self.pool.owners(key)[:1], size) for key, size in sizes.items())
        return PoolWork(tuple(found), self._begun(read, writes=False))

    def batch_put(self, values: Mapping[str, Any]) -> PoolWork:
        """Begin to store values that are in this rank's NPU; ``found``: whether each was stored."""
        stored = self.pool.batch_put(values)
        written = (
            (self.pool.owners(key), bytes_of(value, "the value").nbytes)
            for (key, value), there in zip(values.items(), stored, strict=True)
            if there
        )
        return PoolWork(tuple(stored), self._begun(written, writes=True))

    def label(self, *, writes: bool) -> MachineLabel | None:
        """The emulated system, and the software that times writes, else reads; None for none."""
        operation = (WRITE if writes else READ) + SIDES[False, True]
        return self._comm.machine(over_plane(operation, self._plane))

    def _begun(
        self, moved: Iterable[tuple[Sequence[str], int]], writes: bool
    ) -> tuple[MemoryWork, ...]:
        """One access to each server; ``moved``: the servers and the size of each value."""
        size, many = Counter[int](), Counter[int]()
        for servers, each in moved:
            for server in servers:
                home = self._home.get(server, 0)
                size[home] += each
                many[home] += 1
        return tuple(
            self._window.timed(home, size[home], many[home], writes=writes, async_op=True)
            for home in many
        )
