"""The KV of prompts that an instance has computed, kept until another asks for it."""

import threading
from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor

Blocks = Mapping[str, Tensor]
"""By layer: ``[blocks, ...]``."""


class Kept:
    """A store of at most ``limit`` bytes; the oldest entries make room for new ones.

    Thread-safe.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._size = limit, 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Blocks] = OrderedDict()

    def put(self, request: str, blocks: Blocks) -> None:
        """Keep the blocks of a request; beyond the limit in bytes the oldest are dropped."""
        with self._lock:
            self._kept[request] = blocks
            self._size += _size(blocks)
            while self._size > self._limit and len(self._kept) > 1:
                self._size -= _size(self._kept.popitem(last=False)[1])

    def take(self, request: str) -> Blocks | None:
        """Remove and return the blocks of a request; None if they are not there."""
        with self._lock:
            blocks = self._kept.pop(request, None)
            if blocks is not None:
                self._size -= _size(blocks)
            return blocks


def _size(blocks: Blocks) -> int:
    return sum(tensor.nbytes for tensor in blocks.values())
