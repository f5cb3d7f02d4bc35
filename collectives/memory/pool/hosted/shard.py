"""The shard of a server that is a process: with a directory that clients read."""

from pathlib import Path

from collectives.memory.pool.core.eviction import MakePolicy
from collectives.memory.pool.core.tiers import StoreShape
from collectives.memory.pool.directory import Directory
from collectives.memory.pool.local import ServedShard


class HostedShard(ServedShard):
    """A `ServedShard` that keeps a `Directory`."""

    def __init__(self, shape: StoreShape, policy: MakePolicy, folder: Path | None = None) -> None:
        self.directory = Directory(shape.tiers[0].size // shape.page, folder)
        super().__init__(shape, policy, folder, self.directory)

    def use(self, number: int) -> None:
        """Note that a client has read the value whose key has this hash, by the directory."""
        key = self.directory.key(number)
        if key is not None:
            self.shard.use(key)

    def close(self) -> None:
        """Free the memory."""
        super().close()
        self.directory.close()
