from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.cases.moe import Experts
from collectives.algorithms import allreduce, alltoall
from fabric import Costs, Endpoint, Fabric, ScheduleError, Step, Timeline
from fabric.endpoint.costs import DISTANCES
from fabric.engines import columns
from tests.support.slow_fluid import Path, simulate, spray
from topology import (
    Node,
    RouteError,
    Topology,
    cloudmatrix384,
    fat_tree,
    ring,
    star,
    supernode,
    system,
)
from topology.errors import TriplaneError
from topology.units import GB, US

Ints = NDArray[np.int64]


def on(endpoint: Costs) -> Endpoint:
    return Endpoint("test", {"": endpoint})


# Against the oracle: every row's start and finish, on anything.

LITTLE = Node(npus=2, dies_per_npu=2, cpus=1, sub_planes=2)
SHAPES: dict[str, Callable[[], Topology]] = {
    "star": lambda: star(6),
    "fat tree": lambda: fat_tree(4),
    "ring": lambda: ring(5),
    "supernode": lambda: supernode(6, node=LITTLE, rails=2),
    "lean supernode": lambda: supernode(
        4, node=replace(LITTLE, uplinks=3), l2_chips=2, rails=1, oversubscription=2.0
    ),
}
PLANES = [None, ("ub",), ("rdma",), ("ub", "package")]


@cache
def shape(name: str) -> Topology:
    return SHAPES[name]()


@dataclass(frozen=True)
class Where:
    shape: str
    lost: tuple[str, ...]
    speed: tuple[float, ...]
    planes: tuple[str, ...] | None

    def topology(self) -> Topology:
        less = shape(self.shape).without(*self.lost)
        factor = np.resize(self.speed, less.n_links)
        return replace(
            less,
            link_bandwidth=less.link_bandwidth * factor,
            link_latency=less.link_latency * factor[::-1],
        )


@st.composite
def places(draw: st.DrawFn) -> Where:
    name = draw(st.sampled_from(sorted(SHAPES)))
    topology = shape(name)
    switches = topology.vertex_names[topology.n_endpoints :]
    links = [topology.link_name(link) for link in range(topology.n_links)]
    lost = draw(st.lists(st.sampled_from(switches), max_size=2, unique=True))
    lost += draw(st.lists(st.sampled_from(links), max_size=3, unique=True))
    # Links that differ can be folded less.
    speed = draw(st.just([1.0]) | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=1))
    planes = draw(st.sampled_from(PLANES)) if "supernode" in name else None
    return Where(name, tuple(lost[::-1]), tuple(speed), planes)


ROWS = st.integers(0, 14)
SIZES = st.sampled_from([0, 1, 512, 40_000, 65_536, 300_000, 1 << 20])


@st.composite
def schedules(draw: st.DrawFn, ranks: int) -> list[Step]:
    steps = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(ROWS)
        rank = st.lists(st.integers(0, ranks - 1), min_size=rows, max_size=rows)
        size = draw(st.lists(SIZES, min_size=rows, max_size=rows))
        messages = draw(st.none() | st.integers(1, 9))
        steps.append(Step(
            draw(rank), draw(rank), size, messages=messages, reduces=number % 2 == 1,
            beside=draw(st.booleans()),
        ))  # fmt: skip
    return steps


def constants(largest: float) -> st.SearchStrategy[float]:
    return st.integers(0, 20).map(lambda part: part * largest / 20)


def by_distance(values: st.SearchStrategy[float]) -> st.SearchStrategy[float | dict[str, float]]:
    return values | st.dictionaries(st.sampled_from(DISTANCES), values, max_size=3)


PROTOCOLS = {"ll": 25 * GB, "ll128": 150 * GB}
COSTS = st.builds(
    Costs,
    launch=constants(5 * US), barrier=constants(1 * US), latency=by_distance(constants(1 * US)),
    crossings=st.sampled_from([1.0, 2.0]), per_message=by_distance(constants(0.1 * US)),
    message_gap=by_distance(constants(0.5 * US)), per_peer=by_distance(constants(0.2 * US)),
    per_byte=by_distance(constants(1e-11)), per_reduced_byte=constants(1e-11),
    pair_bandwidth=by_distance(st.sampled_from([np.inf, 20 * GB, 150 * GB])),
    protocol_latency=st.sampled_from([{}, {"ll": 0.2 * US, "ll128": 0.9 * US, "simple": 4 * US}]),
    initiator_bandwidth=st.sampled_from([np.inf, 50 * GB, 180 * GB]),
    efficiency=st.sampled_from([{}, {"net": 0.5}, {"ub": 0.8, "package": 0.3}]),
).map(
    lambda costs: replace(costs, protocol_bandwidth=PROTOCOLS) if costs.protocol_latency else costs
)  # fmt: skip


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()))
@settings(max_examples=60, deadline=None)
def test_the_engine_is_the_fluid_limit(data: st.DataObject, where: Where, costs: Costs) -> None:
    topology = where.topology()
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    steps = data.draw(schedules(ranks))
    try:
        expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes)
    except RouteError:
        with pytest.raises(RouteError):
            Fabric(topology, endpoint=on(costs), planes=where.planes).simulate(steps)
        return
    fabric = Fabric(topology, endpoint=on(costs), planes=where.planes, tolerance=0.0)
    timeline = fabric.simulate(steps, ranks=ranks)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)
    if timeline.size.sum():  # the bound of what moves nothing: test_bound
        assert timeline.bound <= timeline.duration * (1 + 1e-9)


@given(data=st.data(), where=places(), policy=st.sampled_from(["hash", "adaptive"]))
@settings(max_examples=15, deadline=None)
def test_whatever_the_routing(data: st.DataObject, where: Where, policy: str) -> None:
    topology = where.topology()
    steps = data.draw(schedules(6 if len(topology.accelerators) >= 6 else 5))
    fabric = flow(topology, planes=where.planes, routing=policy, tolerance=0.0)
    try:
        timeline = fabric.simulate(steps)
    except RouteError:
        return
    expected = simulate(topology, steps, path=lambda src, dst: path_of(fabric, src, dst))
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6)


@pytest.mark.parametrize("near", [150, 20], ids=["near-is-faster", "near-is-slower"])
def test_pairs_that_are_far_apart_keep_their_own_limit(near: int) -> None:
    # Six send to rank 0, whose port would give each a sixth: those whose limit is below leave it.
    topology = system("cloudmatrix384")
    costs = Costs(pair_bandwidth={"node": near * GB, "supernode": (170 - near) * GB})
    incast = [Step([2, 3, 4, 5, 16, 17], [0] * 6, [10_000_000] * 6)]
    found = flow(topology, costs).simulate(incast)
    expected = simulate(topology, incast, costs)
    np.testing.assert_allclose(found.finish, expected.finish, rtol=1e-6)
    slow = found.finish[4:] if near == 150 else found.finish[:4]
    np.testing.assert_allclose(slow, 500e-6, rtol=2e-3)


def flow(topology: Topology, costs: Costs | None = None, **options: object) -> Fabric:
    return Fabric(topology, endpoint=on(costs or Costs()), **options)  # type: ignore[arg-type]


def path_of(fabric: Fabric, src: int, dst: int) -> Path:
    """What the router says, link by link; test_routes tells whether it is right."""
    router = fabric.router
    number = int(router.paths(np.array([src], np.int32), np.array([dst], np.int32))[0])
    table, load = router.table, dict[int, float]()
    for entry in range(table.begin[number], table.begin[number + 1]):
        links = router.links(int(table.resource[entry]))
        load |= {int(link): float(table.weight[entry]) / len(links) for link in links}
    plane = fabric.topology.planes[table.plane[number]] if src != dst else ""
    return Path(load, float(table.latency[number]), plane)


def test_the_oracle_itself() -> None:
    # Three streams, two links: 0->1 and 0->2 share a port; 3->2 has what they leave.
    three = [Step([0, 0, 3], [1, 2, 2], [1000, 1000, 3000])]
    answer = simulate(star(4, bandwidth=1e9, latency=1e-6), three)
    assert answer.start == [0, 0, 0]
    assert answer.finish == pytest.approx([3e-6, 3e-6, 5e-6])
    assert spray(fat_tree(4), 0, 15).latency == pytest.approx(5 * US)
    assert answer.rank_finish == pytest.approx([3e-6, 3e-6, 5e-6, 5e-6])


# Many flows: the tolerance is kept.


def random_matrix(ranks: int, tokens: int = 128, top_k: int = 8, size: int = 7680) -> Ints:
    """Bytes from rank to rank when each token goes to ``top_k`` distinct ranks, itself left out."""
    rng, bytes_ = np.random.default_rng(1), np.zeros((ranks, ranks), np.int64)
    for src in range(ranks):
        for _ in range(tokens):
            bytes_[src, rng.choice(ranks, top_k, replace=False)] += size
    np.fill_diagonal(bytes_, 0)
    return bytes_


def one_step(matrix: Ints) -> Step:
    src, dst = np.nonzero(matrix)
    return Step(src, dst, matrix[src, dst])


def skewed(ranks: int, seed: int) -> Step:
    rng = np.random.default_rng(seed)
    hot = 1 / (1 + np.arange(ranks))
    dst = rng.choice(ranks, (ranks, 60), p=hot / hot.sum())
    return Step(np.repeat(np.arange(ranks), 60), dst.ravel(), rng.integers(1, 60_000, 60 * ranks))


TRAFFIC = {
    "moe": [one_step(random_matrix(64))],
    "skewed": [skewed(64, 1)],
    "three steps": [skewed(64, 2), one_step(random_matrix(64)), skewed(64, 3)],
}
FABRICS: dict[str, tuple[Callable[[], Topology], tuple[str, ...] | None]] = {
    "star": (lambda: star(64), None),
    "fat tree": (lambda: fat_tree(8), None),
    "supernode": (lambda: supernode(32), None),
    "rdma": (lambda: supernode(32, rails=4, oversubscription=2.0), ("rdma",)),
    "broken": (lambda: supernode(32).without("node0.l1.2", "l2.0.0", "l2.1.*"), ("ub",)),
}


@cache
def exact(traffic: str, where: str) -> Timeline:
    make, planes = FABRICS[where]
    return flow(make(), planes=planes, tolerance=0.0).simulate(TRAFFIC[traffic])


@pytest.mark.parametrize("where", FABRICS)
@pytest.mark.parametrize("traffic", TRAFFIC)
def test_the_tolerance_is_kept(traffic: str, where: str) -> None:
    make, planes = FABRICS[where]
    true = exact(traffic, where)
    for tolerance in (1e-3, 1e-2):
        answer = flow(make(), planes=planes, tolerance=tolerance).simulate(TRAFFIC[traffic])
        assert answer.duration == pytest.approx(true.duration, rel=tolerance)
        assert answer.duration >= answer.bound * (1 - 1e-9)
        np.testing.assert_allclose(answer.resource_bytes, true.resource_bytes)


@pytest.mark.parametrize("size", [4 << 20, 16 << 20, 64 << 20])
def test_the_tolerance_holds_where_latencies_differ(size: int) -> None:
    # What comes from the own node comes first, and its head start is not lost: ports are full
    # from the first byte to the last.
    timeline = machine().simulate(alltoall.direct(256, size // 256))
    assert timeline.duration == pytest.approx(255 * (size // 256) / (196 * GB) + 187.5e-9, rel=1e-3)


@cache
def machine() -> Fabric:
    return flow(cloudmatrix384(), planes=("ub",))


def test_many_flows_against_the_oracle() -> None:
    matrix = random_matrix(12, tokens=40)
    topology = fat_tree(4)
    expected = simulate(topology, [one_step(matrix), one_step(matrix.T)])
    answer = flow(topology, tolerance=0.0).simulate([one_step(matrix), one_step(matrix.T)])
    np.testing.assert_allclose(answer.finish, expected.finish, rtol=1e-6)


# Closed forms.


@pytest.mark.parametrize("algorithm", [alltoall.direct, alltoall.pairwise])
@pytest.mark.parametrize("ranks", [2, 3, 16, 64])
def test_all_to_all_on_a_star(algorithm: object, ranks: int) -> None:
    size = 1 << 20
    timeline = flow(star(ranks)).simulate(algorithm(ranks, size))  # type: ignore[operator]
    steps = 1 if algorithm is alltoall.direct else ranks - 1
    wire = (ranks - 1) * size / (196 * GB)
    assert timeline.duration == pytest.approx(wire + steps * US, rel=1e-9)
    assert timeline.bound == pytest.approx(timeline.duration, rel=1e-9)


NON_BLOCKING: dict[str, tuple[Callable[[], Topology], str, float, float, float]] = {
    "cloudmatrix384": (cloudmatrix384, "ub", 196 * GB, 0.1875 * US, 0.5625 * US),
    "supernode(64)": (lambda: supernode(64), "ub", 196 * GB, 0.1875 * US, 0.5625 * US),
    "rdma": (lambda: supernode(64), "rdma", 25 * GB, 3.6 * US, 5.6 * US),
    "fat_tree(8)": (lambda: fat_tree(8), "net", 196 * GB, 1 * US, 5 * US),
}


@pytest.mark.parametrize("name", NON_BLOCKING)
def test_all_to_all_on_a_non_blocking_fabric(name: str) -> None:
    make, plane, port, nearest, farthest = NON_BLOCKING[name]
    topology = make()
    ranks = len(topology.accelerators)
    size = (1 << 28) // ranks
    timeline = flow(topology, planes=(plane,)).simulate(alltoall.direct(ranks, size))
    wire = (ranks - 1) * size / port
    assert wire + nearest <= timeline.duration * (1 + 1e-9)
    assert timeline.duration <= (wire + farthest) * (1 + 1e-9)
    assert timeline.duration == pytest.approx(wire, rel=5e-3)
    assert timeline.bound <= timeline.duration * (1 + 1e-9)


def test_pairwise_all_to_all_between_nodes() -> None:
    ranks, size = 128, 1 << 20
    timeline = flow(supernode(64), planes=("ub",)).simulate(alltoall.pairwise(ranks, size))
    step = size / (196 * GB)
    # Within a node there are two switches less on the way; a rank has few peers there.
    assert timeline.duration == pytest.approx((ranks - 1) * (step + 562.5e-9), rel=0.01)


@pytest.mark.parametrize("ranks", [8, 64, 200])
def test_moe_dispatch_on_a_star_is_its_longest_row_or_column(ranks: int) -> None:
    matrix = random_matrix(ranks)
    timeline = flow(star(ranks)).simulate([one_step(matrix)])
    longest = max(matrix.sum(0).max(), matrix.sum(1).max())
    assert timeline.duration == pytest.approx(longest / (196 * GB) + 1 * US, rel=1e-3)
    assert timeline.bound == pytest.approx(longest / (196 * GB) + 1 * US, rel=1e-9)
    assert timeline.duration >= timeline.bound * (1 - 1e-9)


@pytest.mark.parametrize("where", ["star", "ring", "supernode"])
def test_ring_all_reduce(where: str) -> None:
    topology = {"star": star(32), "ring": ring(32), "supernode": supernode(16)}[where]
    port, late = 196 * GB, {"star": 1 * US, "ring": 2 * US, "supernode": 3 * 187.5e-9}[where]
    ranks, chunk = 32, 1 << 20
    timeline = flow(topology, planes=("ub",) if where == "supernode" else None).simulate(
        allreduce.ring(ranks, ranks * chunk)
    )
    assert timeline.duration == pytest.approx(2 * (ranks - 1) * (chunk / port + late), rel=1e-9)


def test_the_package_link_carries_its_pair_beside_the_network() -> None:
    ranks, size = 32, 1 << 20
    ub = flow(supernode(16), planes=("ub",)).simulate(alltoall.direct(ranks, size)).duration
    both = flow(supernode(16)).simulate(alltoall.direct(ranks, size)).duration
    assert both == pytest.approx((ranks - 2) / (ranks - 1) * ub, rel=2e-3)


# Windows: a schedule may be as long as it likes.


@given(data=st.data(), rows=st.integers(1, 40), where=st.sampled_from(["star", "supernode"]))
@settings(max_examples=30, deadline=None)
def test_windows_change_nothing(data: st.DataObject, rows: int, where: str) -> None:
    topology, costs = shape(where), Costs(per_peer=0.1 * US, initiator_bandwidth=150 * GB)
    steps = [step for _ in range(3) for step in data.draw(schedules(5))]
    ranks = data.draw(st.sampled_from([5, 6]))  # rank 5 idles
    fabric = flow(topology, costs, tolerance=0.0)
    at_once = fabric.simulate(steps, ranks=ranks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "WINDOW_ROWS", rows)
        in_windows = fabric.simulate(iter(steps), ranks=ranks)
    same(at_once, in_windows)


@pytest.mark.parametrize("rows", [1, 30, 500])
def test_a_long_schedule_in_windows(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps() -> list[Step]:
        ring_of_half = list(allreduce.ring(8, 1 << 20))
        late = [Step([12, 13], [13, 14], [1 << 20, 1 << 22])]
        return [skewed(12, 5), *ring_of_half, *late, *alltoall.pairwise(16, 4096), skewed(16, 6)]

    fabric = flow(star(16), tolerance=0.0)
    at_once = fabric.simulate(steps(), ranks=16)
    monkeypatch.setattr(columns, "WINDOW_ROWS", rows)
    same(at_once, fabric.simulate(iter(steps()), ranks=16))


def same(a: Timeline, b: Timeline) -> None:
    for column in ("src", "dst", "size", "step"):
        np.testing.assert_array_equal(getattr(a, column), getattr(b, column))
    for column in ("start", "finish", "rank_finish", "resource_bytes"):
        np.testing.assert_allclose(getattr(a, column), getattr(b, column), rtol=1e-9, atol=1e-18)
    assert a.labels == b.labels
    if a.size.sum():  # the bound of what moves nothing: test_bound
        assert a.bound == pytest.approx(b.bound, rel=1e-9)
        assert str(a.bottleneck) == str(b.bottleneck)


def test_a_rank_that_comes_late_is_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "WINDOW_ROWS", 1)
    timeline = flow(star(8)).simulate([Step(0, 1, 10), Step(4, 5, 1_000_000)])
    assert timeline.duration == pytest.approx(1 * US + 1_000_000 / (196 * GB))
    assert timeline.duration >= timeline.bound * (1 - 1e-9)


def test_fewer_ranks_than_the_schedule_names_are_refused() -> None:
    with pytest.raises(ScheduleError, match="rank 5"):
        flow(star(8)).simulate([Step([0, 4], [1, 5], [10, 1_000_000])], ranks=2)


# Every knob is alive.

DISPATCH = [skewed(32, 9), Step(np.arange(32), np.arange(32)[::-1], 70_000, messages=10)]


def lasts(topology: Topology | None = None, costs: Costs | None = None, **options: object) -> float:
    return flow(topology or star(32), costs, **options).simulate(DISPATCH).duration


@pytest.mark.parametrize(
    "costs",
    [
        Costs(launch=1 * US), Costs(barrier=1 * US), Costs(latency=1 * US), Costs(crossings=2),
        Costs(per_message=1e-8), Costs(message_gap=1 * US), Costs(per_peer=1e-8),
        Costs(per_byte=1e-12), Costs(pair_bandwidth=5 * GB), Costs(initiator_bandwidth=5 * GB),
        Costs(efficiency={"net": 0.9}),
    ],
    ids=str,
)  # fmt: skip
def test_endpoint_constants_cost_time(costs: Costs) -> None:
    assert lasts(costs=costs) > lasts() * 1.001


def test_reduced_bytes_cost_time_where_a_step_reduces() -> None:
    fabric = flow(star(4), Costs(per_reduced_byte=1e-11))
    plain = fabric.simulate([Step(0, 1, 1_000_000)]).duration
    reduced = fabric.simulate([Step(0, 1, 1_000_000, reduces=True)]).duration
    assert reduced - plain == pytest.approx(1e-5)


def test_one_message_gap_for_all_holds_them_back() -> None:
    fabric = flow(star(2), Costs(message_gap=25e-9), tolerance=0.0)
    assert fabric.simulate([Step(0, 1, 1)]).duration == pytest.approx(1.025 * US)


def test_bandwidth_latency_routing_and_planes_change_the_answer() -> None:
    base = lasts()
    assert lasts(star(32, bandwidth=98 * GB)) == pytest.approx(2 * base, rel=0.1)
    assert lasts(star(32, latency=2 * US)) == pytest.approx(base + 2 * US, rel=0.01)
    node_pair = supernode(16)
    answers = [lasts(node_pair, planes=planes) for planes in (None, ("ub",), ("rdma",))]
    assert len(set(answers)) == 3
    assert answers[2] > 5 * answers[1]
    assert lasts(node_pair, routing="hash") > 1.5 * lasts(node_pair, routing="spray")
    half = [f"node0.l1.0->l2.0.{chip}" for chip in range(8)]
    hurt = supernode(16, l2_chips=16).without(*half)
    across = [Step(np.arange(16), np.arange(16) + 16, 1 << 20)]
    even, adaptive = (
        flow(hurt, planes=("ub",), routing=policy).simulate(across).duration
        for policy in ("spray", "adaptive")
    )
    assert even > 1.2 * adaptive
    assert lasts(placement=np.arange(32)[::-1]) == pytest.approx(base, rel=1e-3)


def test_ranks_sit_where_they_are_placed() -> None:
    machine, pair = supernode(16), [Step(0, 1, 1 << 20)]
    beside = flow(machine, placement=[0, 1]).simulate(pair).duration
    apart = flow(machine, placement=[0, 17]).simulate(pair).duration
    assert beside == pytest.approx(200e-9 + (1 << 20) / (270 * GB))
    assert apart == pytest.approx(562.5e-9 + (1 << 20) / (196 * GB))


def test_rows_between_the_same_ranks_are_one_stream() -> None:
    cut = flow(star(3)).simulate([Step([0, 0, 0, 2], [1, 1, 1, 1], [100, 200, 300, 600])])
    whole = flow(star(3)).simulate([Step([0, 2], [1, 1], 600)])
    assert cut.finish == pytest.approx(np.full(4, whole.finish[0]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Fabric("star:4"), "topology is 'star:4'; it has to be a Topology"),
        (lambda: Fabric(star(4), endpoint=5), "endpoint is 5; it has to be a name or an Endpoint"),
        (lambda: Fabric(star(4), tolerance="0"), "tolerance is '0'"),
        (lambda: Fabric(star(4), placement=[0.5, 1]), r"placement\[0\] is 0.5"),
        (lambda: Fabric(star(4), placement=[[0, 1]]), r"placement\[0\] is \[0, 1\]"),
        (lambda: Fabric(star(4), placement=np.array([True])), "placement is an array of booleans"),
        (lambda: Fabric(star(4), placement=[0, 2**32]), "rank 1 is placed on endpoint 4294967296"),
        (lambda: Fabric(star(4)).simulate([], ranks=2.0), "ranks is 2.0"),
        (lambda: Fabric(star(4)).simulate([], ranks=5), "ranks is 5; .* from 0 to 4"),
        (lambda: Fabric(star(4)).simulate([], operation=5), "operation is 5"),
        (lambda: Fabric(star(4)).simulate(5), "steps is 5; it has to be an iterable of Step"),
        (lambda: Fabric(star(4)).simulate([5]), "step 0 of the schedule is 5"),
    ],
)
def test_arguments_of_another_kind_are_refused(call: Any, words: str) -> None:
    with pytest.raises(TriplaneError, match=words):
        call()


def test_a_rank_that_does_not_exist() -> None:
    with pytest.raises(ScheduleError, match="rank 8"):
        flow(star(8)).simulate([Step(0, 8, 1)])


def test_the_unlimited_link() -> None:
    free = replace(star(3), link_bandwidth=np.full(6, np.inf))
    assert flow(free).simulate([Step([0, 2], 1, 1 << 20)]).duration == pytest.approx(1 * US)


def test_credit_too_small_to_be_told_from_now_ends() -> None:
    """Two kinds of latency and a limit of the initiator: it ran for ever, at one instant."""
    costs = Costs(
        barrier=1.484e-6, latency={"beyond": 3.937e-6}, initiator_bandwidth=221.2 * GB,
        efficiency={"rdma": 0.95, "nvlink": 0.6473},
    )  # fmt: skip
    fabric = Fabric(system("h800"), endpoint=on(costs), planes=("nvlink", "rdma"))
    work = Experts("combine", "low-latency", 256, 128, 7168, 8, 256, "fp8", "uniform", 0, 1)
    found = fabric.simulate(work.steps("deepep-v1", None), ranks=256)
    assert found.bound <= found.duration < 1.1 * found.bound
