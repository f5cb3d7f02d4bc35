"""Times never fall with size, tokens or ranks, and none is below its bound."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cases.moe import Experts, dtype_of, node_ranks
from collectives.algorithms.table import schedule
from fabric import Fabric, Step
from fabric.endpoint.presets import names, preset
from fabric.endpoint.records import stacks
from topology import system

COLLECTIVES = {
    "hccl": "cloudmatrix384", "nccl": "h100", "nccl-nvls": "h100", "nccl-nvl72": "gb200",
    "nccl-lsa-simple": "gb200", "nccl-lsa-poison": "gb200", "nccl-oneshot-multicast": "gb200",
}  # fmt: skip
COPIES = [name for name in names() if {"read", "write", ""} & set(preset(name).by_operation)
          and name.startswith(("raw", "hixl", "memfabric"))]  # fmt: skip
EXPERTS = {
    "cann-ep": "cloudmatrix384", "sgl-kernel-npu": "cloudmatrix384", "deepep-v1": "h100",
    "deepep-2025-02": "h800", "trtllm-nvlink-twosided": "gb200",
}  # fmt: skip
SIZES = st.integers(0, 1 << 27)


@cache
def machine(software: str, name: str) -> Fabric:
    endpoint = preset(software)
    return Fabric(system(name), endpoint=endpoint, planes=endpoint.planes, tolerance=0.0)


def copied(software: str, operation: str, size: int, messages: int, far: int) -> float:
    fabric = machine(software, "cloudmatrix384")
    found = fabric.simulate(
        [Step(0, far, size * messages, messages=messages)], operation=operation, size=size, ranks=32
    )
    assert found.duration >= found.bound * (1 - 1e-9)
    return found.duration


@pytest.mark.parametrize("software", COPIES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_copy_of_more_takes_no_less(software: str, data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(["read", "write", "read:cpu", "write:local-cpu"]))
    far = data.draw(st.sampled_from([1, 2, 16]))
    small, large = sorted((data.draw(SIZES), data.draw(SIZES)))
    messages = data.draw(st.integers(1, 64))
    times = [copied(software, operation, size, messages, far) for size in (small, large)]
    assert times[0] <= times[1] * (1 + 1e-9)
    assert copied(software, operation, small, messages + 1, far) >= times[0] * (1 - 1e-9)


def collected(software: str, op: str, algorithm: str, ranks: int, size: int) -> float:
    fabric = machine(software, COLLECTIVES[software])
    operation = fabric.software.regime(op, None, algorithm)
    found = fabric.simulate(
        schedule(op, ranks, size, algorithm), operation=operation, size=size, ranks=ranks
    )
    assert found.duration >= found.bound * (1 - 1e-9)
    return found.duration


@pytest.mark.parametrize("software", COLLECTIVES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_collective_of_more_takes_no_less(software: str, data: st.DataObject) -> None:
    known = stacks()[software].algorithms or {"all_gather": ["ring"], "all_to_all": ["direct"]}
    op = data.draw(st.sampled_from(sorted(known)))
    algorithm = data.draw(
        st.sampled_from([a for a in known[op] if a not in ("hierarchical", "nvls_tree")])
    )
    small, large = sorted((data.draw(SIZES), data.draw(SIZES)))
    ranks = data.draw(st.integers(2, 8))
    once, more = (collected(software, op, algorithm, ranks, size) for size in (small, large))
    assert once <= more * (1 + 1e-9)


@given(size=st.integers(524289, 1 << 24))
@settings(max_examples=10, deadline=None)
def test_nothing_is_below_its_bound_at_the_usual_tolerance_either(size: int) -> None:
    """Blocks that differ by a byte end together then, the longer ones a little early."""
    exact = machine("hccl", "cloudmatrix384")
    usual = replace(exact, tolerance=None)
    times = [
        fabric.simulate(schedule("all_reduce", 16, size, "two_shot"), operation="all_reduce")
        for fabric in (exact, usual)
    ]
    assert times[1].bound <= times[1].duration
    assert times[1].bound == pytest.approx(times[0].bound, rel=1e-3)
    assert times[1].duration == pytest.approx(times[0].duration, rel=1e-3)


def exchanged(software: str, work: Experts) -> float:
    fabric = machine(software, EXPERTS[software])
    planes = fabric.software.planes or fabric.topology.planes
    normal = work.mode_of(software) == "normal"
    width = node_ranks(fabric.topology, planes, work.ranks) if normal else None
    operation = work.op if stacks()[software].once_a_rank else work.operation
    found = fabric.simulate(work.steps(software, width), operation=operation, ranks=work.ranks)
    assert found.duration >= found.bound * (1 - 1e-9)
    return found.duration


@pytest.mark.parametrize("software", EXPERTS)
@given(
    op=st.sampled_from(["dispatch", "combine"]), ranks=st.sampled_from([8, 16, 32]),
    tokens=st.integers(1, 256), more=st.integers(1, 8) | st.integers(1, 256),
    skew=st.sampled_from(["uniform", "zipf:1.1", "node-limited:4"]), seed=st.integers(0, 1 << 32),
    mode=st.sampled_from(["low-latency", "normal"]),
)  # fmt: skip
@settings(max_examples=10, deadline=None)
def test_more_tokens_take_no_less(
    software: str, op: str, ranks: int, tokens: int, more: int, skew: str, seed: int, mode: str
) -> None:
    """The tokens of the smaller batch are among those of the larger one."""
    if preset(software).key(f"{op}:normal") != f"{op}:normal":
        mode = "low-latency"
    work = Experts(op, mode, ranks, tokens, dtype=dtype_of(software), skew=skew, seed=seed)
    less, greater = (
        exchanged(software, replace(work, tokens=count)) for count in (tokens, tokens + more)
    )
    # Between nodes a batch is cut into 16 chunks, and a longer one elsewhere: hot experts' tokens
    # may be spread better then. The most that was found is 0.35%.
    cut_anew = mode == "normal" and ranks > 8
    assert less <= greater * (1.005 if cut_anew else 1 + 1e-9)


@pytest.mark.parametrize("software", COPIES)
@pytest.mark.parametrize("far", [1, 2, 16])
def test_nothing_takes_its_fixed_cost_and_much_the_bandwidth(software: str, far: int) -> None:
    """A few bytes take what one takes, nothing no more; large copies follow their bytes."""
    none, byte, few = (copied(software, "write", size, 1, far) for size in (0, 1, 64))
    assert none <= byte
    assert few == pytest.approx(byte, rel=1e-2, abs=1e-8)
    large, twice, both = (copied(software, "write", 1 << n, 1, far) for n in (34, 35, 36))
    assert (both - twice) / (twice - large) == pytest.approx(2, rel=1e-6)
    assert 10e9 < (1 << 34) / (twice - large) < 270.001e9  # of the package link at most


@pytest.mark.parametrize("software", ["hccl", "nccl"])
@pytest.mark.parametrize("size", [0, 1 << 10, 1 << 20])
def test_more_ranks_take_no_less(software: str, size: int) -> None:
    times = [collected(software, "all_gather", "ring", ranks, size) for ranks in range(2, 33, 3)]
    assert times == sorted(times)
