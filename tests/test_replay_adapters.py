"""Runs of torch and of DeepEP's stand-in are recorded as others are, and replayed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from collectives import init
from collectives.adapters.deep_ep import Buffer
from collectives.workloads.recorded.replay import replay
from collectives.workloads.recorded.routings import routings
from fabric import launch
from fabric.machine import MachineSpec
from fabric.run_log.file import RunLogError, load
from fabric.run_log.value import RunLog
from tests.support.deep_ep_oracle import World, made, result
from tests.support.torch_world import said

PATIENCE = 60.0
HIDDEN, MOST = 256, 12


def written(path: Path) -> RunLog:
    """The record that an authority writes when it sees that nobody is left."""
    due = time.monotonic() + PATIENCE
    while True:
        try:
            return load(path)
        except RunLogError:
            if time.monotonic() > due:
                raise
            time.sleep(0.05)


def ran(system: str, path: Path) -> list[Any]:
    """What the ranks of torch say of their clocks and calls on a system."""
    ended = said("torch_recorded.py", 3, str(path), system)
    assert [code for code, _, _ in ended] == [0] * 3, ended
    return [lines[0] for _, lines, _ in ended]


def test_torchs_calls_are_replayed_as_they_would_run_there(tmp_path: Path) -> None:
    systems = "cloudmatrix384", "h800:2"
    told = {name: ran(name, tmp_path / f"{number}.npz") for number, name in enumerate(systems)}
    log = written(tmp_path / "0.npz")
    for name in systems:
        run = replay(log, MachineSpec(name).build())
        for rank, (clock, times) in enumerate(told[name]):
            mine = log.parts.rank == rank
            have = set(zip(run.begin[mine].tolist(), run.end[mine].tolist(), strict=True))
            assert have.issuperset(map(tuple, times))
            assert run.clock[rank] == clock
    assert told[systems[0]] != told[systems[1]]


def deep_ep(world: World) -> float:
    """A layer of each mode; returns the clock."""
    with init() as comm:
        size = Buffer.get_low_latency_rdma_size_hint(MOST, HIDDEN, comm.size, world.experts)
        buffer = Buffer(comm, 1 << 24, size, low_latency_mode=True)
        own = world.tokens[comm.rank]
        for _ in range(2):
            x, _, handle, *_ = buffer.low_latency_dispatch(
                own.x, own.idx, MOST, world.experts, use_fp8=False
            )
            buffer.low_latency_combine(result(x, comm.rank), own.idx, own.weights, handle)
        layout = buffer.get_dispatch_layout(own.idx, world.experts)
        came, *_, inner, _ = buffer.dispatch(
            own.x, topk_idx=own.idx, topk_weights=own.weights,
            num_tokens_per_rank=layout[0], num_tokens_per_rdma_rank=layout[1],
            num_tokens_per_expert=layout[2], is_token_in_rank=layout[3],
        )  # fmt: skip
        buffer.combine(came, inner)
        return comm.now()


def test_deep_eps_calls_are_recorded_with_their_routing(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    world, path = made(4, 2, hidden=HIDDEN), tmp_path / "run.npz"
    clocks = launch(deep_ep, 4, args=(world,), record=path, timeout=PATIENCE)
    log = load(path)
    assert replay(log, MachineSpec().build()).clock.tolist() == clocks
    there = launch(deep_ep, 4, "h800", args=(world,), timeout=PATIENCE)
    assert replay(log, MachineSpec("h800").build()).clock.tolist() == there
    captured = routings(log)
    assert captured.experts == world.experts
    for rank, own in enumerate(world.tokens):
        mine = captured.topk_idx[(captured.rank == rank) & (captured.step == 0)]
        assert np.array_equal(mine, own.idx.numpy())
