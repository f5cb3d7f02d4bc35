"""The work buffers of a rank's calls, kept for the next call."""

import threading

import numpy as np

from fabric.transports.base import Bytes, Shared

POOLED = 4
"""Work buffers that are kept for the next call: fresh memory costs more than most combining."""

SMALL = 1 << 16
"""Bytes up to which a work buffer is not worth keeping."""


class WorkBuffers:
    """Lends work buffers, to any thread; from ``shared`` memory if there is any."""

    def __init__(self, shared: Shared | None = None) -> None:
        self._shared = shared
        self._pool: list[Bytes] = []
        self._pooling = threading.Lock()

    def lend(self, size: int) -> Bytes:
        """A work buffer of at least ``size`` bytes, uint8, with undefined content."""
        if size <= SMALL:
            return np.empty(size, np.uint8)
        with self._pooling:
            for number, buffer in enumerate(self._pool):
                if size <= buffer.size <= 4 * size:
                    return self._pool.pop(number)
        return np.empty(size, np.uint8) if self._shared is None else self._shared.allocate(size)

    def give_back(self, buffer: Bytes) -> None:
        """Take back what `lend` has returned, for reuse."""
        if buffer.size > SMALL:
            with self._pooling:
                self._pool.append(buffer)
                del self._pool[:-POOLED]

    def clear(self) -> None:
        """Release all that is kept."""
        self._pool.clear()
