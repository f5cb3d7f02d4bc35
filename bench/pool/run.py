"""A replay of requests on a pool over one plane with one policy: its record, and what moves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.background import record as beside_record
from bench.records import Record, Value, in_gb, over
from bench.sensitivity import MovedAnswer, effects
from collectives.memory.pool.core.errors import PoolError
from collectives.memory.pool.core.tiers import StoreShape
from collectives.memory.pool.emulated.replay import BlockShape, ReplayAnswer, replay
from collectives.memory.pool.emulated.requests import CacheRequest
from collectives.memory.pool.emulated.ways import READ, WRITE, PoolWays
from collectives.workloads.background.beside import Beside
from collectives.workloads.background.session import StreamSession
from collectives.workloads.background.streams import Background
from fabric.engines.base import Session
from fabric.fabric import Fabric
from topology.units import US

SHARES = (50, 90, 99)
"""Percentiles that are printed."""


@dataclass(frozen=True)
class PoolRun:
    """``requests`` on a pool over ``ways``, each of whose servers has ``shape``, by a policy.

    ``streams``: what is under way beside it.
    """

    ways: PoolWays
    policy: str
    requests: Sequence[CacheRequest]
    shape: StoreShape
    block: BlockShape
    streams: Sequence[Background] = ()

    def record(self) -> Record:
        """The record of the replay; beside streams also what it takes alone, and what they get."""
        answer = self._replayed(self.ways)
        if not self.streams:
            return self._record(answer)
        fabric = self.ways.fabric
        session = StreamSession(
            fabric, self.streams, self.ways.clients, alone=answer.span,
            inner=fabric.session(len(fabric.places)),
        )  # fmt: skip
        longer = self._replayed(self.ways, session)
        found = Beside(_mean(longer), _mean(answer), session.answers(longer.span))
        return {
            **self._record(longer), "time_us": found.time / US, **beside_record(found)
        }  # fmt: skip

    def _replayed(self, ways: PoolWays, session: Session | None = None) -> ReplayAnswer:
        return replay(
            ways, self.requests, self.shape, self.block, policy=self.policy, session=session
        )

    def _record(self, answer: ReplayAnswer) -> Record:
        tiers = {f"hits_{name}": count for name, count in sorted(answer.by_tier.items())}
        return {
            "plane": self.ways.plane, "software": self.ways.software, "policy": self.policy,
            "requests": answer.requests, "blocks": answer.blocks,
            "hit_percent": 100 * answer.hit_rate, "token_hit_percent": 100 * answer.token_hit_rate,
            **tiers, "evicted": answer.evicted,
            **{f"get_p{share}_us": _percentile(answer.gets, share) for share in SHARES},
            **{f"put_p{share}_us": _percentile(answer.puts, share) for share in SHARES},
            "get_GBps": in_gb(_rate(answer)),
            "read_GBps": in_gb(over(answer.loaded, answer.span)), "span_s": answer.span,
        }  # fmt: skip

    def answer(self, row: Record) -> MovedAnswer:
        """What moves the rate at which requests get their blocks; raises `PoolError` without any.

        ``row``: of this run, which has no streams beside it.
        """
        if not row["get_GBps"]:
            raise PoolError(
                f"{self.policy} over {self.ways.plane}: no request found a block in the pool, so"
                " nothing moves how fast it gets them"
            )

        def rate(fabric: Fabric) -> float:
            return _rate(self._replayed(self.ways.on(fabric))) or 0.0

        found = effects(self.ways.fabric, (READ, WRITE), rate)
        return MovedAnswer({"op": "pool", **row}, found, "get_GBps")


def _rate(answer: ReplayAnswer) -> float | None:
    """Bytes per second that requests get: all that was read over the times of all of them."""
    return over(answer.loaded, float(answer.gets.sum()))


def _mean(answer: ReplayAnswer) -> float:
    """Seconds in which a request's blocks are read or written, in the mean."""
    taken = np.concatenate([answer.gets, answer.puts])
    return float(taken.mean()) if len(taken) else 0.0


def _percentile(times: Any, share: int) -> Value:
    return float(np.percentile(times, share)) / US if len(times) else None
