"""What a rank of ``losses.py`` does: dispatch, experts, combine, again and again, until killed."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives import init
from collectives.calls.communicator import Communicator
from collectives.moe import LowLatency, Normal
from collectives.moe.routing.placement import Placement, balanced
from collectives.moe.routing.remaining import Remaining, remaining
from fabric.failure import RankLost

EXPERTS, SPARE, HIDDEN, TOKENS, TOP_K = 12, 4, 256, 16, 3

WARM = 5
"""Steps after which time counts: the first ones load and compile what they use."""

AFTERWARDS = 10
"""Steps that are made after the last kill."""


class Trial(NamedTuple):
    """Who is killed, by rank, and when: so many seconds after the first steps.

    ``log``: a file, to which ranks append when they were killed, and when they had made their first
    step after a loss.
    """

    seed: int
    kills: Mapping[int, float]
    log: str


class Layers(NamedTuple):
    """The layers on a communicator, and what is left of the experts there."""

    left: Remaining
    low_latency: LowLatency
    normal: Normal


def rank(trial: Trial) -> int:
    """Make steps until all kills are over; returns how many. Raises `AssertionError` if wrong."""
    comm = init()
    me, ranks = comm.members[comm.rank], comm.size
    _note(trial, f"pid {os.getpid()}")
    placement = balanced(np.random.default_rng(trial.seed).random(EXPERTS), ranks, SPARE)
    step, after, fresh = 0, 0, False
    layers = _layers(comm, placement, ranks)
    while after < AFTERWARDS:
        try:
            _step(comm, layers, trial.seed, step, me)
        except RankLost:
            comm, fresh = comm.shrink(), True
            layers = _layers(comm, placement, ranks)
            continue
        if fresh:
            _note(trial, f"step {ranks - comm.size}")
            fresh = False
        step += 1
        if step == WARM and me in trial.kills:
            alarm = threading.Timer(trial.kills[me], _end, [trial, me])
            alarm.daemon = True
            alarm.start()
        after += comm.size == ranks - len(trial.kills)
    return step


def _end(trial: Trial, me: int) -> None:
    """In the middle of whatever the rank does."""
    _note(trial, f"kill {me}")
    os.kill(os.getpid(), signal.SIGKILL)


def _note(trial: Trial, words: str) -> None:
    with Path(trial.log).open("a") as file:
        file.write(f"{words} {time.monotonic()}\n")


def _layers(comm: Communicator, placement: Placement, ranks: int) -> Layers:
    left = remaining(placement, [rank for rank in range(ranks) if rank not in comm.members])
    local = left.placement.local.tolist()
    low_latency = LowLatency(comm, experts=local, hidden=HIDDEN, max_tokens=TOKENS)
    return Layers(left, low_latency, Normal(comm, experts=local, hidden=HIDDEN))


def _step(comm: Communicator, layers: Layers, seed: int, step: int, me: int) -> None:
    """A token's result of expert e is the token times e + 1: the mixture is known beforehand."""
    rng = np.random.default_rng([seed, step, me])
    x = rng.integers(-8, 8, (TOKENS, HIDDEN)).astype(np.float32)
    chosen = np.argsort(rng.random((TOKENS, EXPERTS)), axis=1)[:, :TOP_K]
    given = rng.random((TOKENS, TOP_K)).astype(np.float32)
    held = _mixture(x, chosen, given, layers.left.held)
    weights = layers.left.weights(chosen, given)
    places = layers.left.choose(chosen, comm.rank)
    by = _by_low_latency if step % 2 == 0 else _by_normal
    out = by(layers, x, places, weights)
    np.testing.assert_allclose(out, held, rtol=1e-4, atol=1e-3)


def _mixture(
    x: NDArray[np.float32], chosen: NDArray[np.intp], given: NDArray[np.float32],
    held: NDArray[np.bool_],
) -> NDArray[np.float64]:  # fmt: skip
    """The dense mixture over the experts that are held, token by token."""
    out = np.zeros(x.shape)
    for token, experts in enumerate(chosen.tolist()):
        kept = [slot for slot, expert in enumerate(experts) if held[expert]]
        whole, share = given[token].sum(dtype=float), given[token][kept].sum(dtype=float)
        for slot in kept:
            weight = given[token, slot] * whole / share
            out[token] += weight * x[token] * (experts[slot] + 1.0)
    return out


def _factors(layers: Layers) -> NDArray[np.float32]:
    """By what each physical expert multiplies."""
    factors: NDArray[np.float32] = np.flatnonzero(layers.left.held).astype(np.float32) + 1
    return factors[layers.left.placement.logical]


def _by_low_latency(layers: Layers, x: Any, places: Any, weights: Any) -> Any:
    layer = layers.low_latency
    got, handle, _ = layer.dispatch(x, places)
    y = layer.results(handle)
    first = layer.expert_ranks.first[layer.comm.rank]
    for expert, rows in enumerate(got.counts):
        y[expert, :rows] = got.x[expert, :rows] * _factors(layers)[first + expert]
    return layer.combine(y, handle, weights)[0]


def _by_normal(layers: Layers, x: Any, places: Any, weights: Any) -> Any:
    layer = layers.normal
    got, handle, _ = layer.dispatch(x, places, weights)
    mine = _factors(layers)[layer.expert_ranks.first[layer.comm.rank] :]
    factors = np.where(got.topk_idx >= 0, mine[got.topk_idx], np.float32(0))
    y = got.x * (got.topk_weights * factors).sum(axis=1, keepdims=True)
    return layer.combine(y, handle)[0]
