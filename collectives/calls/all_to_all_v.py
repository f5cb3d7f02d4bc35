"""All-to-all-v as a call. A rank knows its own counts, and needs no other rank's for most of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.algorithms.table import ALGORITHMS
from collectives.calls.buffers import UserBuffer, name_of, shift
from fabric.ranks.execution import PreparedCall
from fabric.ranks.ready import made_ready
from fabric.schedule.counts import RankCounts
from fabric.schedule.plan import Plan, plan_of_own_rows
from fabric.schedule.plan import plan as plan_of
from topology.arguments import integers
from topology.errors import ArgumentError

Longs = NDArray[np.int64]

LOCAL = tuple(name for name, one in ALGORITHMS["all_to_all_v"].items() if one.of_own_counts)
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
    dtype: np.dtype[np.generic], mine: Plan, name: str, wide: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> PreparedCall:  # fmt: skip
    """The `PreparedCall` of an all-to-all-v with plan ``mine``.

    Ranks do not compare counts, as each has its own.

    ``wide``: see `made_ready`; ``facts``: as in `PreparedCall`.
    """
    made, words = made_ready(mine, wide=wide), f"all_to_all_v({name_of(dtype)}, {name})"
    return PreparedCall(words, mine, made, "all_to_all_v", facts=facts)


def plan_of_all(name: str, rank: int, counts: Longs, ranks_per_node: int) -> Plan:
    """A rank's plan by an algorithm that needs all counts: bytes, int64 [ranks, ranks]."""
    steps = ALGORITHMS["all_to_all_v"][name](counts, ranks_per_node=ranks_per_node)
    return plan_of(steps, len(counts), rank)


def plan(name: str, rank: int, sent: Longs, received: Longs) -> Plan:
    """A rank's part of algorithm ``name``, one of `LOCAL`, as a `Plan`.

    ``sent[j]``: bytes to rank j; ``received[i]``: bytes from rank i.
    """
    steps = ALGORITHMS["all_to_all_v"][name](RankCounts(rank, sent, received))
    return plan_of_own_rows(steps, len(sent), rank)
