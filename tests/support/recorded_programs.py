"""Programs of ranks that are recorded: each returns its clock, and the times of its calls."""

from typing import Any

import numpy as np

from collectives import init
from collectives.calls.messages import Recv, Send
from collectives.moe import LowLatency, Normal
from fabric import Step

Told = tuple[float, list[tuple[float, float]]]
"""A rank's clock at the end, and the times of its calls in order."""


def every_call() -> Told:
    """Calls of every kind, some in flight together; ranks come late by their own computing."""
    comm, works = init(), []
    rank, ranks = comm.rank, comm.size
    pending = comm.all_reduce(np.ones(100_000, np.float32), async_op=True)
    for layer in range(2):
        comm.compute(3e-6 * ((rank * 7 + layer) % 3))
        with comm.span(f"layer {layer}"):
            works.append(comm.all_reduce(np.ones(3000 * (layer + 1), np.float32), op="max"))
            works.append(comm.all_to_all(np.empty(8 * ranks), np.ones(8 * ranks)))
    pending.wait()
    works += [pending, comm.broadcast(np.ones(500), root=1), comm.barrier()]
    counts = (np.arange(ranks) + 1) * (rank + 1)
    given, wanted = np.ones(counts.sum()), (np.arange(ranks) + 1) * (rank + 1)
    for algorithm in (None, "hierarchical"):
        works.append(
            comm.all_to_all_v(np.empty(wanted.sum()), given, counts, wanted, algorithm=algorithm)
        )
    half = comm.split(rank % 2)
    assert half is not None
    works.append(half.all_gather(np.empty(50 * half.size), np.ones(50), algorithm="ring"))
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    works.append(comm.batch([Send(np.ones(9), after), Recv(np.empty(9), before)]))
    me = np.arange(ranks)
    works.append(comm.run([Step(me, (me + 1) % ranks, 640)], np.ones(80), np.empty(80)))
    works += tokens(comm)
    return comm.now(), [work.times() for work in works]


def tokens(comm: Any, most: int = 16) -> list[Any]:
    """Dispatch and combine of both modes, and of two micro-batches in flight together."""
    chances = np.random.default_rng(comm.rank)
    x = np.ones((most - comm.rank % 3, 128), np.float32)
    chosen = np.argsort(chances.random((len(x), 2 * comm.size)), axis=1)[:, :3]
    chosen[0, 0] = -1
    weights = chances.random(chosen.shape).astype(np.float32)
    few = LowLatency(comm, experts=2 * comm.size, hidden=128, max_tokens=most, wire="int8")
    _, handle, first = few.dispatch(x, chosen, async_op=True)
    _, other, second = few.dispatch(x, chosen, async_op=True)
    first.wait()
    second.wait()
    results = few.results(handle)
    results[...] = 0
    works = [first, second, few.combine(results, handle, weights)[1]]
    works.append(few.combine(results, other, weights)[1])
    many = Normal(comm, experts=2 * comm.size, hidden=128)
    arrived, routed, sent = many.dispatch(x, chosen, weights)
    return [*works, sent, many.combine(arrived.x, routed)[2]]


def only_scaled() -> Told:
    """Calls that can be those of many more ranks."""
    comm = init()
    comm.compute(1e-6 * comm.rank)
    works = [comm.all_reduce(np.ones(7000)), comm.all_gather(np.empty(9 * comm.size), np.ones(9))]
    works.append(comm.all_to_all(np.empty(64 * comm.size), np.ones(64 * comm.size)))
    works += [comm.barrier(), *tokens(comm)]
    return comm.now(), [work.times() for work in works]
