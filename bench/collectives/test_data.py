"""The data that ranks send in a benchmark, and what each must hold after it: computed, never sent.

Reductions take small whole numbers whose sums and products every type holds exactly, so the order
of a reduction does not matter and every element can be compared bit by bit. All other data is
random bytes, different for every pair of ranks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.spec import averaged, combiner, shares

Array = NDArray[Any]

DTYPES: dict[str, np.dtype[Any]] = {
    "int8": np.dtype(np.int8), "uint8": np.dtype(np.uint8), "int32": np.dtype(np.int32),
    "uint32": np.dtype(np.uint32), "int64": np.dtype(np.int64), "uint64": np.dtype(np.uint64),
    "half": np.dtype(np.float16), "float": np.dtype(np.float32), "double": np.dtype(np.float64),
    "bfloat16": np.dtype(ml_dtypes.bfloat16), "f8e4m3": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8e5m2": np.dtype(ml_dtypes.float8_e5m2),
}  # fmt: skip
"""By nccl-tests' name."""

POISON = 0xA5
"""What every byte that must be filled is before."""

_ONES = 8  # the largest sum; float8_e5m2 has every whole number up to it
_TWOS = 3  # factors of 2 in a product at most
_PERIOD = 13  # of the pattern, at least
_STEP = 1 << 20  # items at a time, so that what is computed stays in the cache

Pieces = list[tuple[int, int, int]]
"""What a buffer is made of: so many bytes (third) that the first rank has for the second."""


@dataclass(frozen=True)
class RowJob:
    """A row to be measured. Plain values only: it travels between processes.

    ``redop``, ``root``: "sum" and 0 for operations that have none. ``size``: bytes, as in
    `collectives.schedule`; ``counts``: of all_to_all_v instead, bytes from each rank to each.
    ``operation``: whose endpoint costs apply. ``iters`` operations are timed after ``warmup``;
    ``check``: True if the data is checked.
    """

    op: str
    algorithm: str
    datatype: str
    redop: str
    root: int
    size: int
    counts: Sequence[Sequence[int]] | None
    operation: str
    warmup: int
    iters: int
    check: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of an element."""
        return DTYPES[self.datatype]

    @property
    def reduces(self) -> bool:
        """True if the collective combines elements."""
        return self.op in ("all_reduce", "reduce", "reduce_scatter")


def given(job: RowJob, rank: int, ranks: int) -> Array:
    """The elements that a rank sends; empty if it sends nothing."""
    if job.reduces:
        items = job.size // job.dtype.itemsize
        return _values(job, rank, ranks, 0, items * (ranks if job.op == "reduce_scatter" else 1))
    return _made(job, _PIECES[job.op](job, rank, ranks)[0])


def wanted(job: RowJob, rank: int, ranks: int) -> Array:
    """The elements that a rank must have received; empty if it receives nothing."""
    if not job.reduces:
        return _made(job, _PIECES[job.op](job, rank, ranks)[1])
    items = job.size // job.dtype.itemsize
    if job.op == "reduce" and rank != job.root:
        return np.zeros(0, job.dtype)
    first = items * rank if job.op == "reduce_scatter" else 0
    total, combine = np.empty(items, job.dtype), combiner(job.redop)
    for at in range(0, items, _STEP):
        n = min(_STEP, items - at)
        part = _added(job, 0, ranks, first + at, n)
        for other in range(1, ranks):
            part = combine(part, _added(job, other, ranks, first + at, n))
        total[at : at + n] = averaged(part, ranks) if job.redop == "avg" else part
    return total


def _added(job: RowJob, rank: int, ranks: int, first: int, items: int) -> Array:
    """What of a rank's items is combined."""
    values = _values(job, rank, ranks, first, items)
    return shares(values, ranks) if job.redop == "avg" else values


def wrong(found: Array, expected: Array) -> int:
    """The number of elements that differ in any bit."""
    each = (len(expected), expected.itemsize)
    pairs = (array.view(np.uint8).reshape(each) for array in (found, expected))
    return int(np.not_equal(*pairs).any(1).sum())


def _values(job: RowJob, rank: int, ranks: int, first: int, items: int) -> Array:
    """A rank's items from number ``first``: a pattern that differs between ranks and places."""
    place = np.arange(first, first + items) + rank
    if job.redop in ("min", "max"):
        return (place * 5 % 7).astype(job.dtype)
    place %= max(ranks, _PERIOD)  # so no more ranks than these have more than the least
    if job.redop == "prod":
        return np.where(place < _TWOS, 2, 1).astype(job.dtype)
    return (place < _ONES).astype(job.dtype)


def _made(job: RowJob, pieces: Pieces) -> Array:
    drawn = [
        np.random.default_rng([src, dst]).integers(0, 256, size, np.uint8)
        for src, dst, size in pieces
    ]
    return np.concatenate([np.zeros(0, np.uint8), *drawn]).view(job.dtype)


def _all_gather(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    return [(rank, 0, job.size)], [(src, 0, job.size) for src in range(ranks)]


def _gather(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    sent, received = _all_gather(job, rank, ranks)
    return sent, received if rank == job.root else []


def _scatter(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    sent = [(job.root, dst, job.size) for dst in range(ranks)]
    return sent if rank == job.root else [], [(job.root, rank, job.size)]


def _broadcast(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    piece = [(job.root, 0, job.size)]
    return piece if rank == job.root else [], piece


def _all_to_all(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    counts = job.counts or [[job.size] * ranks] * ranks
    sent = [(rank, dst, counts[rank][dst]) for dst in range(ranks)]
    return sent, [(src, rank, counts[src][rank]) for src in range(ranks)]


def _send_recv(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    return [(rank, 0, job.size)], [((rank - 1) % ranks, 0, job.size)]


def _nothing(job: RowJob, rank: int, ranks: int) -> tuple[Pieces, Pieces]:
    return [], []


_PIECES: dict[str, Callable[[RowJob, int, int], tuple[Pieces, Pieces]]] = {
    "all_gather": _all_gather, "gather": _gather, "scatter": _scatter, "broadcast": _broadcast,
    "all_to_all": _all_to_all, "all_to_all_v": _all_to_all, "send_recv": _send_recv,
    "barrier": _nothing,
}  # fmt: skip
