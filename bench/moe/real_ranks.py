"""Dispatch and combine with real tokens between real ranks: emulated time, and every token checked.

An expert multiplies its tokens with a number of its own, so the result is known: each token times
the weighted sum of its experts' numbers, as exactly as its numbers were sent.
"""

import gc
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bench.cases.moe import Experts
from bench.machine import BenchError
from collectives import init
from collectives.moe import LowLatency, Normal, Wire
from collectives.moe.tensors import bfloat16
from collectives.moe.tokens.quantise import as_float32, bound, decode_into, rounded
from fabric.fabric import Fabric
from fabric.launching.launch import launch

if TYPE_CHECKING:
    from collectives.calls.communicator import Communicator

APART = 1.0
"""Emulated seconds at which all ranks begin to combine: long after the last dispatch has ended."""

BLOCK = 64
"""Rows that are worked on at a time: few enough to stay in the caches."""

WIRES = {"int8": Wire("int8"), "fp8": Wire("fp8"), "bf16": Wire()}

_Times = tuple[float, float]


@dataclass(frozen=True)
class MoeSample:
    """What a rank measured of dispatch and combine: seconds, emulated and of its host's clock.

    ``wrong``: tokens whose result is not what it must be.
    """

    emulated: _Times
    wall: _Times
    wrong: int


def measure(
    work: Experts, fabric: Fabric, transport: str, node: int | None,
    trace: Path | None = None,
) -> list[MoeSample]:  # fmt: skip
    """Run dispatch and combine with real tokens; returns what each rank measured, in rank order.

    ``work.op`` does not matter. Raises `BenchError` for wrong results, and for a machine that
    ``transport`` cannot take.
    """
    software = fabric.software.stack(work.operation)
    work.routing()
    tokens(work, 0)  # both are made once, where ranks are threads of this process
    with _without_collector():
        samples: list[MoeSample] = launch(
            rank, work.ranks, fabric, transport, args=(work, software, node), trace=trace,
        )  # fmt: skip
    wrong = sum(sample.wrong for sample in samples)
    if wrong:
        raise BenchError(f"EP{work.ranks}: {wrong} tokens did not come back as they must")
    return samples


@contextmanager
def _without_collector() -> Iterator[None]:
    """As timeit does: looking through what hundreds of threads have made would take longer."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def rank(work: Experts, software: str, node: int | None) -> MoeSample:
    """The program of one rank: dispatches, computes and combines; returns what it measured."""
    with init() as comm:
        choices = work.routing().topk_idx[comm.rank]
        x = tokens(work, comm.rank)[: len(choices)]
        weights = np.random.default_rng(comm.rank).random(choices.shape, np.float32)
        run = _low_latency if work.mode_of(software) == "low-latency" else _normal
        out, emulated, wall = run(comm, work, software, node, (x, choices, weights))
        gain = (weights * np.where(choices < 0, 0, factor(choices))).sum(axis=1)
        with _turn():
            wrong = _wrong(x, gain, out, WIRES[work.dtype])
        return MoeSample(emulated, wall, wrong)


def tokens(work: Experts, rank: int) -> NDArray[Any]:
    """The tokens of a rank, bfloat16 ``[tokens, hidden]``; no two tokens of all ranks are equal."""
    size = work.tokens * work.hidden
    return _noise(size + 13 * work.ranks)[13 * rank : 13 * rank + size].reshape(-1, work.hidden)


@cache
def _noise(size: int) -> NDArray[Any]:
    values = np.random.default_rng(0).standard_normal((1, size), np.float32)
    noise: NDArray[Any] = rounded(values, bfloat16())[0]
    return noise


def factor(expert: NDArray[np.int64]) -> NDArray[np.float32]:
    """The factor by which each expert multiplies its tokens, float32 from 1 to 2."""
    return (1 + expert * 0.618034 % 1).astype(np.float32)


_Given = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]
_Found = tuple[NDArray[Any], _Times, _Times]


def _low_latency(
    comm: "Communicator", work: Experts, software: str, node: int | None, given: _Given
) -> _Found:
    x, choices, weights = given
    buffer = LowLatency(
        comm, experts=work.experts, hidden=work.hidden, max_tokens=work.tokens,
        wire=WIRES[work.dtype], message=work.format(software),
    )  # fmt: skip
    clock = _Clock(comm)
    got, handle, _ = buffer.dispatch(x, choices)
    clock.stop()
    y = buffer.results(handle)
    numbers = factor(buffer.expert_ranks.first[comm.rank] + np.arange(buffer.local_experts))
    with _turn():
        for expert, n in enumerate(got.counts.tolist()):
            scales = None if got.scales is None else got.scales[expert]
            _multiply(got.x[expert, :n], scales, numbers[expert], y[expert, :n])
    clock.start(APART)
    out, _ = buffer.combine(y, handle, weights)
    clock.stop()
    return out, clock.emulated, clock.wall


def _normal(
    comm: "Communicator", work: Experts, software: str, node: int | None, given: _Given
) -> _Found:
    x, choices, weights = given
    buffer = Normal(
        comm, experts=work.experts, hidden=work.hidden, wire=WIRES[work.dtype],
        ranks_per_node=node, message=work.format(software),
    )  # fmt: skip
    clock = _Clock(comm)
    got, handle, _ = buffer.dispatch(x, choices, weights)
    clock.stop()
    chosen = np.where(got.topk_idx < 0, 0, got.topk_idx + buffer.expert_ranks.first[comm.rank])
    gain = (got.topk_weights * factor(chosen)).sum(axis=1)
    y = np.empty((len(got.x), work.hidden), x.dtype)
    with _turn():
        _multiply(got.x, got.scales, gain[:, None], y)
    clock.start(APART)
    out, _, _ = buffer.combine(y, handle)
    clock.stop()
    return out, clock.emulated, clock.wall


def _multiply(
    x: NDArray[Any], scales: NDArray[Any] | None, by: NDArray[np.float32], out: NDArray[Any]
) -> None:
    """What experts do; ``x``, ``scales``: as received; ``by``: a number, or one for each row."""
    each = np.broadcast_to(by, (len(out), 1))
    for part in _blocks(len(out)):
        if scales is None:
            out[part] = rounded(as_float32(x[part]) * each[part], out.dtype)
        else:  # a scale a row, or several
            factors = each[part].reshape(-1, *[1] * (scales.ndim - 1))
            decode_into(out[part], x[part], scales[part] * factors)


@cache
def _turn() -> threading.BoundedSemaphore:
    """What a rank holds while it computes: hundreds of threads at once hinder each other."""
    return threading.BoundedSemaphore(os.cpu_count() or 1)


class _Clock:
    """Measures how long dispatch and combine take; all ranks begin each at one emulated time."""

    def __init__(self, comm: "Communicator") -> None:
        self._comm = comm
        self._taken: list[_Times] = []
        self.start(0.0)

    def start(self, emulated: float) -> None:
        """Begin at that emulated time."""
        if emulated:
            self._comm.compute(emulated - self._comm.now())
        self._began = emulated, time.perf_counter()

    def stop(self) -> None:
        """It is over."""
        wall = time.perf_counter() - self._began[1]
        self._taken.append((self._comm.now() - self._began[0], wall))

    @property
    def emulated(self) -> _Times:
        """Of dispatch, of combine."""
        return self._taken[0][0], self._taken[1][0]

    @property
    def wall(self) -> _Times:
        """Of dispatch, of combine."""
        return self._taken[0][1], self._taken[1][1]


def _wrong(x: NDArray[Any], gain: NDArray[np.float32], out: NDArray[Any], wire: Wire) -> int:
    """How many tokens are further off than quantisation and rounding explain."""
    wrong = 0
    for part in _blocks(len(x)):
        exact, by = as_float32(x[part]), gain[part, None]
        # Results are rounded to 8 bits on the way and at the end, each time by 2**-9 at most.
        off = bound(x[part], wire)
        limit = (off + (off + np.abs(exact)) * np.float32(2**-7)) * by
        wrong += int((np.abs(as_float32(out[part]) - exact * by) > limit).any(axis=1).sum())
    return wrong


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(first, min(first + BLOCK, rows)) for first in range(0, rows, BLOCK))


def slowest(samples: Sequence[MoeSample], op: int) -> _Times:
    """Emulated and wall seconds of dispatch (``op`` 0) or combine (1), of the slowest rank."""
    return (
        max(sample.emulated[op] for sample in samples), max(sample.wall[op] for sample in samples)
    )  # fmt: skip
