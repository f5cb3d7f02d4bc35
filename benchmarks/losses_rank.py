"""What a rank of ``losses.py`` does: dispatch, experts, combine, again and again, until killed."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives import init
from collectives.calls.communicator import Communicator
from collectives.moe import LowLatency, Normal
from collectives.moe.routing.placement import Placement, balanced
from collectives.moe.routing.remaining import Remaining, remaining
from fabric import launch
from fabric.failure import RankLost

EXPERTS, SPARE, HIDDEN, TOKENS, TOP_K = 12, 4, 256, 16, 3

WARM = 5
"""Steps after which time counts: the first ones load and compile what they use."""

NOBODY = -1
"""Who sits on a seat whose rank is lost, and that no spare has taken."""

AFTERWARDS = 10
"""Steps that are made after the last kill."""


class Trial(NamedTuple):
    """Who is killed, by rank, and when: so many seconds after the first steps.

    ``log``: a file, to which ranks append when they were killed, and when they had made their first
    step after a loss. ``ranks``: at first; ``spares``: beside them, which take the places of the
    first that are killed.
    """

    seed: int
    kills: Mapping[int, float]
    log: str
    ranks: int
    spares: int = 0


class Layers(NamedTuple):
    """The layers on a communicator, and what is left of the experts there."""

    left: Remaining
    low_latency: LowLatency
    normal: Normal


@dataclass
class Progress:
    """What all ranks know alike: ``step``, how many were made ``after`` the last kill, and who sits
    on each seat, a rank of the world or `NOBODY`. A seat has its experts, whoever sits there.
    ``joined``: how many spares have taken one.
    """  # noqa: D205

    seats: list[int]
    step: int = 0
    after: int = 0
    joined: int = 0

    @property
    def lost(self) -> int:
        """How many ranks are lost."""
        return len(self.seats) + self.joined - sum(seat != NOBODY for seat in self.seats)

    def shared(self, comm: Communicator) -> Communicator:
        """A communicator by seats, when rank 0 has told who sits where; raises `RankLost`."""
        mine = [*self.seats, self.step, self.after, self.joined]
        told = np.array(mine, np.int64)
        comm.broadcast(told)
        *seats, self.step, self.after, self.joined = told.tolist()
        for seat, one in enumerate(seats):
            seats[seat] = one if one in comm.members else NOBODY
        for one in comm.members:
            if one not in seats:
                seats[seats.index(NOBODY)] = one
                self.joined += 1
        self.seats = seats
        found = comm.group([comm.members.index(one) for one in seats if one != NOBODY])
        assert found is not None
        return found


def rank(trial: Trial) -> int:
    """Make steps until all kills are over; returns how many. Raises `AssertionError` if wrong."""
    launch(warmed, 1, None)  # or a spare would load all this when the others wait for it
    comm = init()
    me, mine = comm.members[comm.rank], 0
    _note(trial, f"pid {os.getpid()}")
    placement = balanced(np.random.default_rng(trial.seed).random(EXPERTS), trial.ranks, SPARE)
    now, fresh = Progress(list(range(trial.ranks))), comm.joined
    layers = None if comm.joined else _layers(comm, placement, now)
    while now.after < AFTERWARDS:
        try:
            if layers is None:
                comm = now.shared(comm)
                layers = _layers(comm, placement, now)
            _step(comm, layers, trial.seed, now.step, me)
        except RankLost:
            comm = comm.grow() if trial.spares else comm.shrink()
            layers, fresh = None, True
            continue
        if fresh:
            _note(trial, f"step {now.lost}")
            fresh = False
        now.step += 1
        mine += 1
        if mine == WARM and me in trial.kills:
            alarm = threading.Timer(trial.kills[me], _end, [trial, me])
            alarm.daemon = True
            alarm.start()
        now.after += now.lost == len(trial.kills)
    return mine


def warmed() -> None:
    """Steps of a rank alone, which load and compile what they use."""
    comm, now = init(), Progress([0])
    layers = _layers(comm, balanced(np.ones(EXPERTS), 1, 0), now)
    for step in range(2):
        _step(comm, layers, 0, step, 0)


def _end(trial: Trial, me: int) -> None:
    """In the middle of whatever the rank does."""
    _note(trial, f"kill {me}")
    os.kill(os.getpid(), signal.SIGKILL)


def _note(trial: Trial, words: str) -> None:
    with Path(trial.log).open("a") as file:
        file.write(f"{words} {time.monotonic()}\n")


def _layers(comm: Communicator, placement: Placement, now: Progress) -> Layers:
    left = remaining(placement, [n for n, seat in enumerate(now.seats) if seat == NOBODY])
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
