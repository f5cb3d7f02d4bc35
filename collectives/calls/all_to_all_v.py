"""All-to-all-v as a call. A rank knows its own counts, and needs no other rank's for most of it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.algorithms.table import ALGORITHMS
from collectives.calls.buffers import UserBuffer, name_of, shift
from fabric.ranks.execution import PreparedCall
from fabric.ranks.ready import made_ready
from fabric.schedule.plan import Plan, PlanStep
from fabric.schedule.plan import plan as plan_of
from topology.arguments import integers
from topology.errors import ArgumentError

Longs = NDArray[np.int64]
_Rows = list[tuple[int, Longs, Longs]]

LOCAL = ("direct", "pairwise")
"""The algorithms that can be planned from a rank's own counts."""


def sizes(name: str, counts: ArrayLike, buffer: UserBuffer, ranks: int) -> Longs:
    """The bytes of each of ``ranks`` blocks in a buffer, from counts of items: int64 [ranks].

    Raises `ArgumentError` that names ``name`` for counts below 0, or more items than the buffer
    has.
    """
    given = integers(counts, name, ranks, least=0)
    total = sum(given)  # of Python's integers, which do not wrap around
    if total > buffer.items:
        raise ArgumentError(f"{name} sum to {total}; the buffer has {buffer.items} items")
    return np.array(given, np.int64) * buffer.dtype.itemsize


def check(rank: int, send: UserBuffer, recv: UserBuffer, sent: Longs, received: Longs) -> None:
    """Raise `ArgumentError` if the buffers of an all-to-all-v differ in type or overlap.

    It is also an error if what the rank sends to itself is not what it receives from itself
    (bytes).
    """
    if send.dtype != recv.dtype:
        raise ArgumentError(
            f"all_to_all_v: x is {name_of(send.dtype)}, and out is {name_of(recv.dtype)}"
        )
    if shift(send, recv) is not None:
        raise ArgumentError("all_to_all_v: what it reads and what it fills share memory")
    if sent[rank] != received[rank]:
        raise ArgumentError(
            f"all_to_all_v: rank {rank} sends {sent[rank]} bytes to itself and receives"
            f" {received[rank]} from itself"
        )


def call(
    dtype: np.dtype[np.generic], mine: Plan, name: str, wide: int | None = None
) -> PreparedCall:
    """The `Call` of an all-to-all-v with plan ``mine``.

    Ranks do not compare counts, as each has its own.

    ``wide``: see `script`.
    """
    made = made_ready(mine, wide=wide)
    return PreparedCall(f"all_to_all_v({name_of(dtype)}, {name})", mine, made, "all_to_all_v")


def plan_of_all(name: str, rank: int, counts: Longs, ranks_per_node: int) -> Plan:
    """A rank's plan by an algorithm that needs all counts: bytes, int64 [ranks, ranks]."""
    steps = ALGORITHMS["all_to_all_v"][name](counts, ranks_per_node=ranks_per_node)
    return plan_of(steps, len(counts), rank)


def plan(name: str, rank: int, sent: Longs, received: Longs) -> Plan:
    """A rank's plan by one of `LOCAL`: its rows of `alltoall.direct_v` or `pairwise_v`.

    ``sent[j]`` bytes go to rank j, ``received[i]`` come from rank i.
    """
    rows = {"direct": _direct_rows, "pairwise": _pairwise_rows}[name](rank, len(sent))
    return Plan(rank, len(sent), tuple(_exchanges(rank, sent, received, rows)))


def _direct_rows(me: int, ranks: int) -> _Rows:
    others, after = np.delete(np.arange(ranks), me), (me + np.arange(ranks)) % ranks
    src = np.concatenate([others[:me], np.full(ranks, me), others[me:]])
    dst = np.concatenate([np.full(me, me), after, np.full(ranks - 1 - me, me)])
    return [(0, src, dst)]


def _pairwise_rows(me: int, ranks: int) -> _Rows:
    steps = (sorted({(me, (me + k) % ranks), ((me - k) % ranks, me)}) for k in range(ranks))
    columns = (np.array(rows).T for rows in steps)
    return [(k, src, dst) for k, (src, dst) in enumerate(columns)]


def _exchanges(me: int, sent: Longs, received: Longs, steps: _Rows) -> Iterator[PlanStep]:
    send_at, recv_at = sent.cumsum() - sent, received.cumsum() - received
    for number, src, dst in steps:
        size = np.where(src == me, sent[dst], received[src])
        full = size > 0
        if full.any():
            src, dst, size = src[full], dst[full], size[full]
            yield PlanStep(
                number, src, dst, size, np.where(src == me, send_at[dst], 0),
                np.where(dst == me, recv_at[src], 0), np.ones_like(size),
                False, "send", "recv", "all-to-all",
            )  # fmt: skip
