"""Dispatch and combine of real tokens equal the dense mixture, bit for bit in the stated order."""

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe import Wire, uniform
from fabric.launching.launch import launch
from tests.support.moe_ranks import Case, dense, rank

MPI = (Path(sys.prefix) / "bin" / "mpiexec").exists()
TYPES = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16),
    "float32": np.dtype(np.float32),
}  # fmt: skip
WIRES = [Wire(), Wire("int8"), Wire("fp8"), Wire("fp8", True), Wire("fp8", True, True)]
NODES = {"low-latency": [None], "normal": [None, 2]}


def tokens(choices: list[Any], hidden: int, dtype: np.dtype[Any], seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    x = [rng.standard_normal((len(one), hidden)).astype(dtype) for one in choices]
    return x, [rng.random(np.shape(one), np.float32) for one in choices]


def run(case: Case, transport: str = "inproc") -> None:
    """All ranks, and each result against the dense one."""
    ranks = len(case.x)
    results = launch(rank, ranks, None, transport, args=(case,), timeout=120)
    for me, seen in enumerate(results):
        wanted = dense(case, me)
        assert len(seen) == case.times
        for out, *_ in seen:
            assert out.dtype == wanted.dtype
            np.testing.assert_array_equal(out.view(np.uint8), wanted.view(np.uint8))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    mode = draw(st.sampled_from(sorted(NODES)))
    node = draw(st.sampled_from([None, 1, 2])) if mode == "normal" else None
    ranks = draw(st.integers(1, 3)) * (node or 1)
    if draw(st.booleans()):
        experts: Any = draw(st.integers(1, 7))
        total = experts
    else:
        experts = draw(st.lists(st.integers(0, 3), min_size=ranks, max_size=ranks).filter(sum))
        total = sum(experts)
    top_k = draw(st.integers(1, min(total, 4)))
    chooses = st.lists(st.integers(0, total - 1), min_size=top_k, max_size=top_k, unique=True)
    masked = draw(st.sampled_from([0.0, 0.3, 1.0]))
    crowded = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 1 << 20)))
    choices = []
    for _ in range(ranks):
        rows = draw(st.lists(chooses, min_size=0, max_size=5))
        mine = np.array([list(range(top_k)) if crowded else row for row in rows], np.int64)
        mine = mine.reshape(-1, top_k)
        choices.append(np.where(rng.random(mine.shape) < masked, -1, mine))
    wire = draw(st.sampled_from(WIRES))
    hidden = 512 if wire.ue8m0 else 128 * draw(st.integers(1, 2))
    dtype = TYPES[draw(st.sampled_from(sorted(TYPES)))]
    return Case(mode, experts, choices, *tokens(choices, hidden, dtype, 1), wire, node,
                draw(st.integers(1, 3)))  # fmt: skip


@settings(max_examples=300, derandomize=True, deadline=None)
@given(cases())
def test_any_routing_over_threads(case: Case) -> None:
    run(case)


def some(mode: str, node: int | None, wire: Wire, dtype: str, times: int = 2) -> Case:
    routing = uniform(4, [5, 0, 3, 17], 3, 10, seed=3)
    choices: list[Any] = [one.copy() for one in routing.topk_idx]
    choices[0][0] = -1
    choices[3][:, 0] = np.where(choices[3][:, 0] % 2, -1, choices[3][:, 0])
    return Case(mode, 10, choices, *tokens(choices, 1024, TYPES[dtype], 2), wire, node, times)


EVERY = [
    some(mode, node, wire, dtype)
    for mode, nodes in NODES.items() for node in nodes for wire in WIRES for dtype in TYPES
]  # fmt: skip


def every(transport: str) -> None:
    """All modes, wires and types in one world."""
    results = launch(ranks, 4, None, transport, args=(EVERY,), timeout=120)
    for me, seen in enumerate(results):
        for case, mine in zip(EVERY, seen, strict=True):
            wanted = dense(case, me)
            for out, *_ in mine:
                assert out == wanted.tobytes(), case.wire


def ranks(cases: list[Case]) -> list[Any]:
    from collectives import init
    from tests.support.moe_ranks import parts

    with init() as comm:
        return [[(out.tobytes(), *times) for out, *times in parts(case, comm)] for case in cases]


def test_every_mode_over_threads() -> None:
    every("inproc")


def test_every_mode_over_processes() -> None:
    every("zmq")


@pytest.mark.skipif(not MPI, reason="needs mpich: pip install 'triplane[mpi]'")
def test_every_mode_over_mpi() -> None:
    every("mpi")
