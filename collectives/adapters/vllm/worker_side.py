"""The half of the KV connector that lives in an instance's worker: what a step moves."""

from collections.abc import Mapping

from torch import Tensor
from vllm.logger import init_logger

from collectives.adapters.step_log import StepLog
from collectives.adapters.vllm.orders import LoadOrder, StepOrders
from collectives.adapters.vllm.pooled import PooledBlocks
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.transfer import Peers, layout_of, rows_of
from collectives.memory.work import MemoryWork


class WorkerSide:
    """The caches of an instance among the others; waits for them, see `Peers`.

    ``kernels``: of each layer's attention, which lay out its cache; ``blocks``: how many there are;
    ``block``: tokens of one. ``layouts``: by layer, see `layout_of`. ``record``: gets what is read
    and written.
    """

    def __init__(
        self, given: Instance, caches: Mapping[str, Tensor], kernels: Mapping[str, str],
        blocks: int, block: int, record: StepLog,
    ) -> None:  # fmt: skip
        self._given, self._record = given, record
        rows = {name: rows_of(name, cache, blocks) for name, cache in caches.items()}
        self.layouts = {name: layout_of(cache, kernels[name]) for name, cache in caches.items()}
        self.peers = Peers(given, rows, self.layouts)
        self._layers, self._coming = tuple(rows), dict[str, list[tuple[LoadOrder, MemoryWork]]]()
        self._begun: list[LoadOrder] = []
        self._pooled: PooledBlocks | None = None
        if self.peers.pool is not None:
            size = given.block_in_pool(block)
            self._pooled = PooledBlocks(self.peers.pool, rows, size, size // block, record)
        self._missing: set[int] = set()

    def begin(self, orders: StepOrders) -> None:
        """Begin to read what a step needs."""
        if orders.moves:
            self._record.begin()
        lost: set[int] = set()
        for load in orders.loads:
            coming = self.peers.pull(load)
            if coming is None:
                init_logger(__name__).warning(
                    "rank %d no longer holds the KV of request %s; kv_load_failure_policy says what"
                    " becomes of it", load.source, load.request,
                )  # fmt: skip
                lost.update(load.blocks)
                continue
            self._begun.append(load)
            for name, work in coming.items():
                self._coming.setdefault(name, []).append((load, work))
        if self._pooled is not None:
            lost |= self._pooled.begin(orders.reads)
            self._pooled.lose(lost)
        self._missing |= lost

    def wait(self, layer: str) -> None:
        """Return when a layer's blocks that are read are in its cache; raises `TimedOut`."""
        for load, work in self._coming.pop(layer, ()):
            work.wait(self._given.timeout)
            self._record.add(layer, "kv transfer", load.tokens, work, self.peers.label)
        if self._pooled is not None:
            self._pooled.wait(layer)

    def write(self, layer: str, orders: StepOrders) -> None:
        """Begin to store the blocks of a layer that the step has computed."""
        if self._pooled is not None:
            self._pooled.write(layer, orders.writes)

    def end(self, orders: StepOrders) -> None:
        """Complete all that the step reads and writes, and hold what others are to read."""
        for layer in self._layers:
            self.wait(layer)
        if self._pooled is not None:
            self._pooled.end()
        self.peers.check()
        for load in self._begun:
            self.peers.pulled(load)
        self._begun.clear()
        for hold in orders.holds:
            self.peers.hold(hold)

    def released(self, finished: set[str]) -> set[str]:
        """The requests whose blocks are held no longer; ``finished``: those that have ended."""
        if self._pooled is not None:
            self._pooled.finished(finished)
        return self.peers.released()

    def missing(self) -> set[int]:
        """The blocks that could not be read since the last call."""
        missing, self._missing = self._missing, set()
        return missing

    def close(self) -> None:
        """Leave the others; raises what went wrong between them."""
        self.peers.close()
