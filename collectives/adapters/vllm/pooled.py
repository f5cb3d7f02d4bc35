"""The worker's half of the pool: KV blocks between an instance's caches and the pool, by layers."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.adapters.step_log import StepLog
from collectives.adapters.vllm.orders import NOT_WANTED, PoolRead, PoolWrite
from collectives.adapters.vllm.pool_keys import layer_key
from collectives.adapters.vllm.transfer import Rows
from collectives.memory.timed_pool import PoolWork, TimedPool

AHEAD = 4
"""Steps that an engine may have scheduled before it learns of a block that could not be read."""


@dataclass(frozen=True)
class ReadLayer:
    """A layer's blocks on their way: ``from_pool``, uint8 [blocks in the pool, bytes]."""

    order: PoolRead
    from_pool: NDArray[np.uint8]
    work: PoolWork


class PooledBlocks:
    """The blocks of an instance's caches ``rows`` and those of a pool.

    ``block``: tokens of a block in the pool; ``each``: how many of the engine's it is. ``record``:
    gets what is read and written.
    """

    def __init__(self, pool: TimedPool, rows: Rows, block: int, each: int, record: StepLog) -> None:
        self._pool, self._rows, self._block, self._each = pool, rows, block, each
        self._record, self._numbers = record, {name: at for at, name in enumerate(rows)}
        self._coming: dict[str, list[ReadLayer]] = {}
        self._written: list[tuple[str, int, PoolWork]] = []
        self._lost: deque[set[int]] = deque(maxlen=AHEAD)
        self._wrong: set[str] = set()
        self._has_read = False

    def begin(self, reads: Sequence[PoolRead]) -> set[int]:
        """Begin to read what a step needs; returns the engine's blocks that are not there.

        Whether a block is there is known of all layers before the step computes anything.
        """
        lost: set[int] = set()
        self._has_read |= bool(reads)
        for name, rows in self._rows.items():
            for order in reads:
                into = np.empty((len(order.keys), self._each * rows.shape[1]), np.uint8)
                keys = [layer_key(key, self._numbers[name]) for key in order.keys]
                work = self._pool.batch_get_into(keys, list(into))
                self._coming.setdefault(name, []).append(ReadLayer(order, into, work))
                for at, size in enumerate(work.found):
                    if size != into.shape[1]:
                        lost.update(order.blocks[at * self._each : (at + 1) * self._each])
        return lost - {NOT_WANTED}

    def lose(self, blocks: set[int]) -> None:
        """Take note of blocks that a step could not read, from wherever they were to come.

        What is computed after them in this step is wrong, and is not stored.
        """
        self._lost.append(blocks)

    def wait(self, layer: str) -> None:
        """Return when a layer's blocks that come from the pool are in its cache."""
        for coming in self._coming.pop(layer, ()):
            coming.work.wait()
            ours, rows = coming.order.blocks, self._rows[layer]
            given = coming.from_pool.reshape(len(ours), rows.shape[1])
            for at, block in enumerate(ours):
                if block != NOT_WANTED and coming.work.found[at // self._each] is not None:
                    rows[block] = given[at]
            tokens = self._block * sum(size is not None for size in coming.work.found)
            self._note(layer, False, tokens, coming.work)

    def write(self, layer: str, writes: Sequence[PoolWrite]) -> None:
        """Begin to store a layer's blocks that the step has computed, unless they are there."""
        for order in writes:
            if self._is_wrong(order):
                continue
            keys = [layer_key(key, self._numbers[layer]) for key in order.keys]
            last = np.reshape(order.table[-len(keys) * self._each :], (len(keys), self._each))
            there, rows = self._pool.pool.batch_exists(keys), self._rows[layer]
            new = {key: rows[last[at]].ravel() for at, key in enumerate(keys) if not there[at]}
            if new:
                work = self._pool.batch_put(new)
                self._written.append((layer, self._block * sum(work.found), work))

    def end(self) -> None:
        """Return when all blocks that are being stored are; the pool then knows what was read."""
        for layer, tokens, work in self._written:
            work.wait()
            self._note(layer, True, tokens, work)
        self._written.clear()
        if self._has_read:
            self._pool.pool.report()
            self._has_read = False

    def finished(self, requests: set[str]) -> None:
        """Forget requests."""
        self._wrong -= requests

    def _is_wrong(self, order: PoolWrite) -> bool:
        """Whether a request has been computed from a block that could not be read."""
        if any(not lost.isdisjoint(order.table) for lost in self._lost):
            self._wrong.add(order.request)
        return order.request in self._wrong

    def _note(self, layer: str, writes: bool, tokens: int, work: PoolWork) -> None:
        if work.works:
            operation = "pool write" if writes else "pool read"
            self._record.add(layer, operation, tokens, work, self._pool.label(writes=writes))
