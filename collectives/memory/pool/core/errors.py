"""What can go wrong with a pool. A block that is not there is no error: it is a miss, None."""

from topology.errors import TriplaneError


class PoolError(TriplaneError):
    """A pool was asked for something that it cannot do; the base of its errors."""


class PoolFull(PoolError):
    """There is no room for a value: it is too large, or what is there may not be evicted."""


class PoolLost(PoolError):
    """No server of the pool can be reached any more, so nothing can be stored."""


class ServerLost(PoolError):
    """One server of the pool has died, or has not answered in time."""
