from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms import allreduce, alltoall, barrier
from fabric import Costs, Endpoint, Fabric, Step, Timeline
from topology import Topology, fat_tree, ring, star, supernode
from topology.units import GB, US

PORT = 196 * GB


def run(
    topology: Topology, steps: list[Step], costs: Costs | None = None, **options: object
) -> Timeline:
    endpoint = Endpoint("stack", {"": costs or Costs()})
    fabric = Fabric(topology, endpoint=endpoint, **options)  # type: ignore[arg-type]
    return fabric.simulate(steps)


def scattered(ranks: int, rows: int, seed: int) -> Step:
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(0, ranks, (2, rows))
    return Step(src, dst, rng.integers(0, 1 << 20, rows))


# No engine beats it.

SHAPES = {"star": star(8), "tree": fat_tree(4), "ring": ring(8), "supernode": supernode(8)}


@given(
    where=st.sampled_from(sorted(SHAPES)),
    seeds=st.lists(st.integers(0, 1000), min_size=1, max_size=4),
    rows=st.integers(1, 60),
    tolerance=st.sampled_from([0.0, 1e-3]),
    costs=st.sampled_from([
        Costs(), Costs(launch=3 * US, barrier=US, per_byte=1e-11, per_peer=US / 10),
        Costs(pair_bandwidth=40 * GB, initiator_bandwidth=90 * GB), Costs(message_gap=US),
    ]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_answer_is_below_the_bound(
    where: str, seeds: list[int], rows: int, tolerance: float, costs: Costs
) -> None:
    steps = [scattered(8, rows, seed) for seed in seeds]
    answer = run(SHAPES[where], steps, costs, tolerance=tolerance)
    bottleneck = answer.bottleneck
    assert 0 <= bottleneck.time <= answer.bound * (1 + 1e-9)
    assert answer.bound <= answer.duration * (1 + 1e-9)
    assert bottleneck.share * answer.duration == pytest.approx(bottleneck.time)


@pytest.mark.parametrize("where", ["star", "tree"])
@pytest.mark.parametrize("seed", range(4))
def test_many_flows_are_not_below_it_either(where: str, seed: int) -> None:
    topology = {"star": star(64), "tree": fat_tree(8)}[where]
    answer = run(topology, [scattered(64, 4000, seed), scattered(64, 3000, seed + 9)])
    assert answer.bound <= answer.duration * (1 + 1e-9)


# It is the closed form.


@pytest.mark.parametrize("ranks", [2, 5, 64])
def test_one_step_on_a_star_is_the_longest_row_or_column(ranks: int) -> None:
    step = scattered(ranks, 30 * ranks, 3)
    sent, received = np.zeros(ranks), np.zeros(ranks)
    away = step.src != step.dst
    np.add.at(sent, step.src[away], step.size[away])
    np.add.at(received, step.dst[away], step.size[away])
    answer = run(star(ranks), [step])
    longest = max(sent.max(), received.max())
    assert answer.bound == pytest.approx(longest / PORT + 1 * US, rel=1e-9)
    assert answer.duration == pytest.approx(answer.bound, rel=0.05)


def test_ring_all_reduce() -> None:
    ranks, chunk = 16, 1 << 16
    answer = run(star(ranks), list(allreduce.ring(ranks, ranks * chunk)))
    assert answer.bound == pytest.approx(2 * (ranks - 1) * (chunk / PORT + 1 * US), rel=1e-9)


def test_pairwise_all_to_all() -> None:
    ranks, size = 16, 1 << 16
    answer = run(star(ranks), list(alltoall.pairwise(ranks, size)))
    assert answer.bound == pytest.approx((ranks - 1) * (size / PORT + 1 * US), rel=1e-9)


def test_costs_add_up() -> None:
    costs = Costs(
        launch=4 * US, barrier=1 * US, latency=0.5 * US, crossings=2, per_message=0.1 * US,
        per_peer=0.2 * US, per_byte=1e-11,
    )  # fmt: skip
    answer = run(star(4), [Step([0, 1, 2, 3], [1, 2, 3, 0], 1_000_000, messages=5)], costs)
    start = 4 * US + 2 * US
    wire = 2 * US + 0.5 * US + 1_000_000 / PORT
    end = 5 * 0.1 * US + 0.2 * US + 1e-5
    assert answer.bound == pytest.approx(start + wire + end)
    assert answer.duration == pytest.approx(answer.bound)


# What moves nothing.


@pytest.mark.parametrize(
    ("steps", "time"),
    [
        ([], 0.0),
        ([Step([], [], [])], 0.0),
        ([Step(0, 1, 0)], 1 * US),
        ([Step(0, 0, 0)], 0.0),
        ([Step(0, 0, 1000)], 0.0),
        (list(barrier.dissemination(8)), 3 * US),
    ],
    ids=["nothing", "no rows", "no bytes", "no bytes to itself", "a copy", "a barrier"],
)
def test_schedules_without_bytes_on_the_wire(steps: list[Step], time: float) -> None:
    answer = run(star(8), steps)
    assert answer.duration == pytest.approx(time)
    assert answer.bound == pytest.approx(time)
    assert np.isfinite([answer.bottleneck.time, answer.bottleneck.share]).all()
    assert answer.bottleneck.kind == "latency" or time == 0


def test_a_barrier_after_traffic_counts() -> None:
    answer = run(star(4), [Step(0, 1, 196_000), *barrier.dissemination(4)])
    assert answer.duration == pytest.approx(2 * US + 2 * US)
    assert answer.bound == pytest.approx(answer.duration)


def test_launch_without_bytes() -> None:
    answer = run(star(4), list(barrier.dissemination(4)), Costs(launch=5 * US))
    assert answer.bound == pytest.approx(answer.duration)
    assert answer.duration == pytest.approx(7 * US)
    assert answer.bottleneck.kind == "endpoint"


# What sets the time.


def cause(answer: Timeline) -> tuple[str, str]:
    return answer.bottleneck.kind, answer.bottleneck.name


def test_a_full_port() -> None:
    incast = Step([0, 1, 2], 3, 10_000_000)
    assert cause(run(star(4), [incast])) == ("link", "switch->host3 (net)")
    outcast = Step(2, [0, 1, 3], 10_000_000)
    assert cause(run(star(4), [outcast])) == ("link", "host2->switch (net)")


def test_the_share_of_the_bottleneck() -> None:
    answer = run(star(4), [Step([0, 1], 3, 9_800_000)])
    assert answer.bottleneck.time == pytest.approx(100 * US)
    assert answer.bottleneck.share == pytest.approx(100 / 101)
    assert str(answer.bottleneck) == "link switch->host3 (net): 100 us, 99%"


def test_a_link_in_the_middle() -> None:
    # Half the hosts of a ring send to the other half: the two links between the halves are full.
    answer = run(ring(8), [Step([0, 1, 2, 3], [4, 5, 6, 7], 10_000_000)])
    kind, name = cause(answer)
    assert kind == "link"
    assert name.startswith("router")
    slow = supernode(32, rails=4, oversubscription=4.0)
    across = Step(np.arange(16), np.arange(16) + 16, 100_000_000)
    kind, name = cause(run(slow, [across], planes=("rdma",)))
    assert kind == "link"
    assert "rdma" in name


def test_a_bundle_that_lost_links() -> None:
    hurt = supernode(16).without("node0.l1.0->l2.*", "node0.l1.1->l2.*", "node0.l1.2->l2.*")
    across = Step(np.arange(16), np.arange(16) + 16, 10_000_000)
    answer = run(hurt, [across], planes=("ub",))
    assert answer.bottleneck.kind == "link"
    healthy = run(supernode(16), [across], planes=("ub",))
    assert answer.bound > healthy.bound


def test_a_slow_link() -> None:
    topology = star(4)
    slow = topology.link_bandwidth.copy()
    slow[topology.link_dst == topology.vertex("host1")] /= 10
    steps = [Step([0, 1, 2, 3], [1, 2, 3, 0], 1_000_000)]
    answer = run(replace(topology, link_bandwidth=slow), steps)
    assert cause(answer) == ("link", "switch->host1 (net)")


def test_limits_of_software() -> None:
    fan = Step(0, [1, 2, 3], 10_000_000)
    answer = run(star(4), [fan], Costs(initiator_bandwidth=50 * GB))
    assert cause(answer) == ("limit", "of rank 0 as initiator (stack)")
    assert answer.bound == pytest.approx(3e7 / (50 * GB) + 1 * US)
    answer = run(star(4), [fan], Costs(pair_bandwidth=10 * GB))
    assert cause(answer) == ("limit", "of one pair (stack)")
    assert answer.bound == pytest.approx(1e7 / (10 * GB) + 1 * US)


def test_latency() -> None:
    steps = [Step(0, 1, 8), Step(1, 2, 8), Step(2, 3, 8)]
    answer = run(star(4), steps)
    kind, name = cause(answer)
    assert kind == "latency"
    assert "rank" in name
    assert answer.duration == pytest.approx(3 * US, rel=1e-3)


def test_software() -> None:
    answer = run(star(4), [Step(0, [1, 2, 3], 1000)], Costs(per_peer=10 * US))
    assert cause(answer) == ("endpoint", "cost of stack at rank 0")
    assert answer.bottleneck.time == pytest.approx(30 * US)
    launched = run(star(4), [Step(0, 1, 1000)], Costs(launch=50 * US))
    assert launched.bottleneck.kind == "endpoint"
    assert launched.bottleneck.time == pytest.approx(50 * US)
