"""What SSDs and object storage behind the VPC plane take: a queue for each, one after the other."""

from collections import defaultdict
from dataclasses import dataclass

from collectives.memory.pool.core.errors import PoolError
from topology.units import GB, MS, US, Gbit


@dataclass(frozen=True)
class Storage:
    """Bandwidths in bytes per second, latencies in seconds.

    ``ssd_bandwidth``: of a node's SSDs, which it reaches through its Qingtian card: "typically
    under 400 Gbps" (arXiv 2506.12708v2 section 4.4.1), of which this is the most that can be.
    ``object_bandwidth``: of the whole pool's bucket, 2.5 GB/s (the same, section 4.4.3). Both
    latencies are assumptions: published for neither.
    """

    ssd_bandwidth: float = 400 * Gbit
    ssd_latency: float = 200 * US
    object_bandwidth: float = 2.5 * GB
    object_latency: float = 10 * MS

    def __post_init__(self) -> None:
        for name in ("ssd_bandwidth", "object_bandwidth"):
            if not getattr(self, name) > 0:
                raise PoolError(f"{name} is {getattr(self, name)}; it has to be above 0")
        for name in ("ssd_latency", "object_latency"):
            if not getattr(self, name) >= 0:
                raise PoolError(f"{name} is {getattr(self, name)}; it cannot be")


class StorageQueues:
    """When transfers to and from storage are over, where each waits for those before it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._free: dict[tuple[str, int], float] = defaultdict(float)

    def over(self, tier: str, node: int, size: int, now: float) -> float:
        """When a transfer of ``size`` bytes is over that is asked for at ``now``; seconds.

        Tiers that are memory take no time here.
        """
        if tier == "ssd":
            queue, rate = (tier, node), self._storage.ssd_bandwidth
            latency = self._storage.ssd_latency
        elif tier == "object":
            queue, rate = (tier, 0), self._storage.object_bandwidth
            latency = self._storage.object_latency
        else:
            return now
        self._free[queue] = max(self._free[queue], now) + size / rate
        return self._free[queue] + latency
