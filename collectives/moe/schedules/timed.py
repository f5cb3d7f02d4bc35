"""Timed: the rows of one rank of a dispatch or combine, from what that rank knows.

They are those of `collectives.moe.schedules.normal`, which knows every rank's
choices; `tests/test_moe_tokens_times.py` holds them to that.
"""

from dataclasses import replace

import numpy as np

from collectives.moe.routing.routing import Ints
from collectives.moe.schedules import normal
from fabric.schedule.plan import Plan, PlanStep


def normal_dispatch(rank: int, size: int, sent: Ints, come: Ints) -> Plan:
    """Rows of `normal.dispatch` of one level; ``sent``, ``come``: copies to and from each rank."""
    return _plan(rank, len(sent), [_direct(rank, size, sent, come, normal.DISPATCH)])


def normal_combine(rank: int, size: int, sent: Ints, come: Ints) -> Plan:
    """Rows of `normal.combine` of one level; as `normal_dispatch`, which it sends back."""
    return _plan(rank, len(sent), [_turned(_direct(rank, size, sent, come, normal.COMBINE))])


def _direct(rank: int, size: int, sent: Ints, come: Ints, label: str) -> PlanStep:
    owner, host = _woven(rank, (come > 0).astype(np.int64), np.flatnonzero(sent))
    n = np.where(owner == rank, sent[host], come[owner])
    return _part(0, owner, host, n * size, label, n)


def _turned(part: PlanStep) -> PlanStep:
    return replace(part, src=part.dst, dst=part.src)


def _woven(me: int, others: Ints, mine: Ints) -> tuple[Ints, Ints]:
    # Rows by owner: others[r] of each other rank for me, and in my own place one for each of mine.
    before, after = others[:me], others[me + 1 :]
    owner = np.concatenate([
        np.repeat(np.arange(me), before), np.full(len(mine), me),
        np.repeat(np.arange(me + 1, len(others)), after),
    ])  # fmt: skip
    host = np.concatenate([np.full(before.sum(), me), mine, np.full(after.sum(), me)])
    return owner, host


def _part(
    number: int, src: Ints, dst: Ints, size: Ints, label: str, messages: Ints | None = None
) -> PlanStep:
    nowhere = np.zeros_like(src)
    carried = np.ones_like(src) if messages is None else messages
    return PlanStep(number, src, dst, size, nowhere, nowhere, carried, False, "send", "recv", label)


def _plan(rank: int, ranks: int, parts: list[PlanStep]) -> Plan:
    return Plan(rank, ranks, tuple(part for part in parts if len(part)))
