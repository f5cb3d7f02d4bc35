"""Uniform traffic by classes: what rows say, and what rows are too many for."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms.table import ALGORITHMS, CallShape, schedule
from fabric import Fabric
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.flow.uniform import classes
from fabric.schedule.step import ScheduleError
from fabric.schedule.uniform import GroupExchange, UniformSteps
from fabric.timeline.value import Timeline
from topology import Topology, cluster, star, supernode, system
from topology.routing.turns import Turned, turned

CLOSE = 1e-9
"""How far classes and rows with a tolerance of 0 may lie apart, as a fraction."""

MACHINES: dict[str, Callable[[], Topology]] = {
    "star": lambda: star(12),
    "supernode": lambda: supernode(16),
    "uneven wiring": lambda: supernode(24, l2_chips=12),
    "a dead L2 chip": lambda: supernode(32).without("l2.0.1"),
    "nodes of NVLink": lambda: system("dgx_h800:4"),
    "two pods": lambda: cluster(6, per_node=4, radix=8),
    "pods of two sizes": lambda: cluster(5, per_node=4, radix=8),
    "oversubscribed": lambda: cluster(4, per_node=4, radix=8, oversubscription=4),
    "shared NICs": lambda: cluster(4, per_node=4, nics=2),
    "supernodes": lambda: cluster(4, of="supernode:8", radix=16),
    "full meshes": lambda: system("atlas950:128"),
}

SOFTWARE = {
    "wire": Endpoint("wire"),
    "near and far": Endpoint("near", {"": Costs(
        launch=1e-6, barrier=2e-7, latency={"package": 1e-7, "node": 4e-7, "beyond": 2e-6},
        per_message=1e-8, per_peer={"node": 3e-8, "beyond": 5e-8}, per_byte=1e-12,
        per_reduced_byte=2e-12, pair_bandwidth={"node": 60e9, "beyond": 9e9},
    )}),
    "few at a time": Endpoint("initiator", {"": Costs(
        initiator_bandwidth=30e9, message_gap={"node": 1e-8, "beyond": 3e-8},
        efficiency={"ub": 0.8, "rdma": 0.5}, protocol_latency={"LL": 0.0, "Simple": 1e-6},
        protocol_bandwidth={"LL": 5e9},
    )}),
}  # fmt: skip

PATTERNS = (
    ("all_to_all", "direct"), ("all_to_all", "pairwise"), ("all_reduce", "hierarchical"),
)  # fmt: skip


@cache
def fabric(machine: str, software: str = "wire") -> Fabric:
    return Fabric(MACHINES[machine](), endpoint=SOFTWARE[software], tolerance=0)


def by_rows(machine: Fabric, steps: UniformSteps) -> Timeline:
    return machine.simulate(steps.make(), ranks=steps.exchanges[0].ranks)


def by_classes(machine: Fabric, steps: UniformSteps) -> Timeline | None:
    return classes.timed(machine, steps, "", steps.exchanges[0].ranks, 0.0, alike=2)


def steps_of(op: str, algorithm: str, ranks: int, chunk: int, node: int) -> UniformSteps | None:
    size = chunk * 32 * ranks if op == "all_reduce" else chunk
    made = schedule(op, ranks, size, algorithm, ranks_per_node=node)
    return made if isinstance(made, UniformSteps) else None


def same(one: Timeline, other: Timeline) -> None:
    assert one.duration == pytest.approx(other.duration, rel=CLOSE)
    assert one.bound == pytest.approx(other.bound, rel=CLOSE)
    assert one.bottleneck.time == pytest.approx(other.bottleneck.time, rel=CLOSE)
    for name in ("rank_finish", "link_bytes", "src", "dst", "size", "step", "start", "finish"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert len(mine) == len(theirs), name
        np.testing.assert_allclose(
            mine, theirs, rtol=CLOSE, atol=CLOSE * one.duration, err_msg=name
        )
    assert one.labels == other.labels


@given(
    st.sampled_from(sorted(MACHINES)), st.sampled_from(sorted(SOFTWARE)),
    st.sampled_from(PATTERNS), st.integers(1, 1 << 20), st.sampled_from([2, 4, 8, 16]),
    st.sampled_from([1.0, 0.5, 0.25]),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_classes_answer_what_rows_do(
    machine: str, software: str, pattern: tuple[str, str], chunk: int, node: int, part: float
) -> None:
    made = fabric(machine, software)
    ranks = max(4, int(len(made.places) * part) // 4 * 4)
    steps = steps_of(*pattern, ranks, chunk, node)
    if steps is None:  # nodes of different sizes
        return
    answer = by_classes(made, steps)
    if answer is not None:
        same(answer, by_rows(made, steps))


@pytest.mark.parametrize("machine", MACHINES)
def test_every_one_of_these_machines_has_ranks_that_are_alike(machine: str) -> None:
    steps = steps_of("all_to_all", "direct", len(fabric(machine).places), 4096, 4)
    assert steps is not None
    assert by_classes(fabric(machine), steps) is not None


@given(
    st.sampled_from([(op, name) for op, table in ALGORITHMS.items()
                     for name, made in table.items() if made.uniform]),
    st.integers(1, 24), st.integers(1, 6), st.integers(0, 40),
)  # fmt: skip
@settings(deadline=None)
def test_exchanges_are_the_rows_of_the_algorithm(
    which: tuple[str, str], ranks: int, node: int, chunk: int
) -> None:
    made = ALGORITHMS[which[0]][which[1]]
    shape = CallShape(ranks, chunk * ranks, ranks_per_node=node)
    steps = made.steps(shape)
    if not isinstance(steps, UniformSteps):
        return
    said = []
    for one in steps.exchanges:
        to, of = one.to(np.arange(ranks)), one.come_from(np.arange(ranks))
        assert {(a, b) for a in range(ranks) for b in to[a]} == {
            (a, b) for b in range(ranks) for a in of[b]
        }
        for columns in to.T[:, None] if one.in_turn else [to.T]:
            pairs = [(a, int(b)) for column in columns for a, b in enumerate(column)]
            said.append((sorted(pairs), {one.size}, one.reduces, one.label))
    rows = [
        (sorted(zip(s.src.tolist(), s.dst.tolist(), strict=True)), set(s.size.tolist()), s.reduces,
         s.label) for s in made.steps(shape)
    ]  # fmt: skip
    assert said == rows
    assert steps.rows == sum(len(pairs) for pairs, *_ in rows)


def moves(found: Turned) -> list[np.ndarray]:
    return [turn.moved(np.arange(found.ranks)) for turn in found.turns]


@pytest.mark.parametrize("machine", MACHINES)
def test_turns_take_paths_to_paths_that_load_the_same(machine: str) -> None:
    made = fabric(machine)
    n, router, ranks = len(made.places), made.router, np.arange(len(made.places))
    found = turned(router, made.places, n)
    path = made.paths.of(np.repeat(ranks, n).astype(np.int32), np.tile(ranks, n).astype(np.int32))
    table = router.table

    def loads(number: int) -> tuple[float, int, list[tuple[int, float]]]:
        entries = slice(table.begin[number], table.begin[number + 1])
        orbits = found.orbit[table.resource[entries]].tolist()
        weights = np.round(table.weight[entries], 12).tolist()
        return table.latency[number], table.plane[number], sorted(zip(orbits, weights, strict=True))

    square = path.reshape(n, n)
    for moved in moves(found):
        assert sorted(moved) == list(range(n))
        for a in range(0, n, 7):
            for b in range(n):
                assert loads(square[a, b]) == loads(square[moved[a], moved[b]])
    for column in (router.capacity, router.plane):
        np.testing.assert_array_equal(column, column[found.first][found.orbit])


def test_a_turn_takes_every_rank_back_to_its_example() -> None:
    made = fabric("full meshes")
    found = turned(made.router, made.places, 128, (64,))
    rank = np.arange(128)
    assert found.times == 128
    assert (found.example(rank) == 0).all()
    for moved in moves(found):
        np.testing.assert_array_equal(found.back(moved[rank], moved[np.full(128, 5)]),
                                      found.back(rank, np.full(128, 5)))  # fmt: skip


@pytest.mark.parametrize(
    "made",
    [
        lambda: Fabric(supernode(16), routing="hash"),
        lambda: Fabric(supernode(16).without("node0.die1->node0.l1.1", "node1.die3")),
        lambda: Fabric(supernode(32), placement=np.random.default_rng(1).permutation(64)),
        lambda: Fabric(star(8), placement=[0, 0, 1, 1, 2, 2, 3, 3]),
    ],
    ids=["hash", "faults", "scattered", "two on one"],
)
def test_where_ranks_are_not_alike_rows_are_timed_or_refused(
    made: Callable[[], Fabric], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = made()
    n = len(machine.places)
    assert by_classes(machine, steps_of("all_to_all", "direct", n, 512, 4)) is None
    monkeypatch.setattr(classes, "MOST_ROWS", n)
    monkeypatch.setattr("fabric.engines.flow.engine.FEWEST_ROWS", 0)
    with pytest.raises(ScheduleError, match=f"{n * n:,} transfers between {n} ranks: .* alike"):
        machine.simulate(schedule("all_to_all", n, 512, "direct"))


def test_small_schedules_are_timed_row_by_row() -> None:
    machine = fabric("supernode")
    steps = schedule("all_to_all", 32, 4096, "direct")
    timeline = machine.simulate(steps)
    assert np.array_equal(timeline.finish, by_rows(machine, steps_of(
        "all_to_all", "direct", 32, 4096, 4)).finish)  # fmt: skip


def test_an_all_to_all_of_ten_thousand_meets_its_closed_form() -> None:
    made = star(10_000)
    timeline = Fabric(made, endpoint="raw").simulate(schedule("all_to_all", 10_000, 6400, "direct"))
    port = made.link_bandwidth[0]
    latency = made.link_latency[made.link_src == 0][0]
    assert timeline.duration == pytest.approx(latency + 9_999 * 6400 / port, rel=1e-12)
    assert timeline.bound == pytest.approx(timeline.duration, rel=1e-12)
    np.testing.assert_allclose(timeline.link_bytes, 9_999 * 6400)
    assert timeline.ranks == 10_000
    assert "100%" in str(timeline.bottleneck)
    with pytest.raises(ScheduleError, match="100,000,000 transfers were timed by classes"):
        timeline.finish  # noqa: B018 - reading makes it


def test_a_bound_that_rounding_lifts_above_the_duration_is_that_and_reads_no_rows() -> None:
    """Here by 7e-16 of it; the 34 million rows are too many to be read."""
    made = Fabric(supernode(8192), endpoint=Endpoint("free"))
    steps = schedule("all_reduce", 16384, 64 << 20, "hierarchical", ranks_per_node=16)
    timeline = made.simulate(steps)
    assert timeline.of_classes
    assert timeline.bound == timeline.duration


def test_chunks_that_differ_by_an_item_count_as_the_longest() -> None:
    machine, size = fabric("nodes of NVLink"), 32 * 100 + 7
    made = schedule("all_reduce", 32, size, "hierarchical", ranks_per_node=8)
    assert isinstance(made, UniformSteps)
    answer, rows = by_classes(machine, made), by_rows(machine, made)
    assert answer is not None
    assert rows.duration <= answer.duration <= rows.duration * (1 + 1 / 100)
    few = schedule("all_reduce", 32, 32 * 10, "hierarchical", ranks_per_node=8)
    assert not isinstance(few, UniformSteps)


def test_groups_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ScheduleError, match="3 ranks, 2 apart, are no groups of 8 ranks"):
        GroupExchange(8, 2, 3, 100)
