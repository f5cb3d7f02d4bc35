"""Memory that calls use again and again."""

import numpy as np

from collectives.calls.work import Work
from collectives.moe.tensors import Array
from fabric.transports.base import Bytes


class Scratch:
    """Memory that is used again: touching new memory costs more than most copies."""

    def __init__(self) -> None:
        self._kept: dict[str, Bytes] = {}

    def room(self, name: str, size: int) -> Bytes:
        """``size`` bytes with undefined content; the same memory again for the same ``name``."""
        if name not in self._kept or self._kept[name].size < size:
            self._kept[name] = np.empty(size, np.uint8)
        return self._kept[name][:size]

    def table(self, name: str, rows: int, like: Array) -> Array:
        """An array of ``rows`` rows as long as those of ``like``, of its type; see `room`."""
        shape = (rows, *like.shape[1:])
        size = int(np.prod(shape)) * like.dtype.itemsize
        array: Array = self.room(name, size).view(like.dtype).reshape(shape)
        return array


class Scratches:
    """A pool of `Scratch`, as many as there are calls under way at a time."""

    def __init__(self) -> None:
        self._lent: list[tuple[Scratch, Work]] = []

    def free(self) -> Scratch:
        """A scratch that no call uses any more, or a new one."""
        for number, (scratch, work) in enumerate(self._lent):
            if work.done():
                del self._lent[number]
                return scratch
        return Scratch()

    def lend(self, scratch: Scratch, work: Work) -> None:
        """Reserve ``scratch`` for a call until it is over."""
        self._lent.append((scratch, work))
