"""Traffic whose transfers never meet is timed without events: the same times as with them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms import allgather, allreduce, alltoall, broadcast
from fabric import Costs, Endpoint, Fabric, Step, Timeline
from fabric.engines import columns
from fabric.engines.flow import uncontended
from tests.support.slow_fluid import simulate
from topology import Topology, cloudmatrix384, ring, star, supernode
from topology.units import GB, US


def flow(topology: Topology, costs: Costs | None = None, **options: object) -> Fabric:
    endpoint = Endpoint("test", {"": costs or Costs()})
    return Fabric(topology, endpoint=endpoint, **options)  # type: ignore[arg-type]


class Asked:
    """Stands for `uncontended.rates`, notes what it says; ``never``: says that flows may meet."""

    def __init__(self, patch: pytest.MonkeyPatch, never: bool = False) -> None:
        real, self.apart = uncontended.rates, list[bool]()

        def rates(*columns: object) -> object:
            found = real(*columns)  # type: ignore[arg-type]
            self.apart.append(len(found) > 0)
            return found[:0] if never else found

        patch.setattr(uncontended, "rates", rates)


def with_events(fabric: Fabric, steps: list[Step], ranks: int | None = None) -> Timeline:
    with pytest.MonkeyPatch.context() as patch:
        Asked(patch, never=True)
        return fabric.simulate(steps, ranks=ranks)


def same(a: Timeline, b: Timeline) -> None:
    for column in ("start", "finish", "rank_finish", "resource_bytes"):
        np.testing.assert_allclose(getattr(a, column), getattr(b, column), rtol=1e-9, atol=1e-18)
    assert a.bound == pytest.approx(b.bound, rel=1e-12)


# Steps in which every rank sends to one at most and receives from one at most.


@st.composite
def matchings(draw: st.DrawFn, ranks: int) -> list[Step]:
    steps = []
    for _ in range(draw(st.integers(1, 6))):
        order = draw(st.permutations(range(ranks)))
        rows = draw(st.lists(st.integers(0, ranks - 1), unique=True, max_size=ranks))
        size = st.sampled_from([0, 1, 40_000, 300_000, 1 << 20])
        sizes = [draw(size) for _ in rows]
        steps.append(Step(rows, [order[row] for row in rows], sizes, reduces=draw(st.booleans())))
    return steps


COSTS = st.sampled_from([
    Costs(), Costs(per_byte=1e-12, per_message=0.1 * US), Costs(launch=1 * US, per_peer=0.2 * US),
    Costs(pair_bandwidth=20 * GB, latency=1 * US), Costs(message_gap=3 * US, crossings=2),
])  # fmt: skip


@given(steps=matchings(6), costs=COSTS)
@settings(max_examples=40, deadline=None)
def test_permutations_against_the_oracle(steps: list[Step], costs: Costs) -> None:
    topology, ranks = star(6), 6
    expected = simulate(topology, steps, costs, ranks=ranks)
    answer = flow(topology, costs).simulate(steps, ranks=ranks)
    np.testing.assert_allclose(answer.start, expected.start, rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(answer.finish, expected.finish, rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(answer.rank_finish, expected.rank_finish, rtol=1e-9, atol=1e-18)
    assert answer.duration >= answer.bound * (1 - 1e-12)


@given(steps=matchings(5), costs=COSTS, rows=st.integers(1, 12), known=st.booleans())
@settings(max_examples=40, deadline=None)
def test_windows_change_nothing(steps: list[Step], costs: Costs, rows: int, known: bool) -> None:
    fabric, ranks = flow(star(6), costs, tolerance=0.0), 6 if known else None
    at_once = fabric.simulate(steps, ranks=6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "WINDOW_ROWS", rows)
        in_windows = fabric.simulate(steps, ranks=ranks)
        same_events = with_events(fabric, steps, ranks)
    ends = len(in_windows.rank_finish)
    np.testing.assert_allclose(in_windows.finish, at_once.finish, rtol=1e-9, atol=1e-18)
    np.testing.assert_allclose(in_windows.rank_finish, at_once.rank_finish[:ends], rtol=1e-9)
    same(in_windows, same_events)


SCHEDULES: dict[str, Callable[[int], list[Step]]] = {
    "ring": lambda ranks: list(allreduce.ring(ranks, 1 << 20)),
    "pairwise": lambda ranks: list(alltoall.pairwise(ranks, 4096)),
    "halving": lambda ranks: list(allreduce.halving_doubling(ranks, 1 << 20)),
    "bruck": lambda ranks: list(allgather.bruck(ranks, 4096)),
    "tree": lambda ranks: list(broadcast.tree(np.arange(ranks), 1 << 20)),
}
PLACES: dict[str, tuple[Callable[[], Topology], tuple[str, ...] | None]] = {
    "star": (lambda: star(48), None),
    "ub": (lambda: supernode(24), ("ub",)),
    "package links too": (lambda: supernode(24), None),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_collectives_take_as_long_as_with_events(
    name: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, planes = PLACES[where]
    fabric, steps = flow(make(), planes=planes, tolerance=0.0), SCHEDULES[name](48)
    expected = with_events(fabric, steps)
    asked = Asked(monkeypatch)
    same(fabric.simulate(steps), expected)
    assert asked.apart == [True]
    for rows in (100, 700):
        monkeypatch.setattr(columns, "WINDOW_ROWS", rows)
        same(fabric.simulate(steps, ranks=48), expected)


def test_a_ring_on_cloudmatrix384_does_without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, machine = Asked(monkeypatch), cloudmatrix384()
    steps = list(allreduce.ring(384, 1 << 20))
    for planes in (("ub",), None):
        timeline = flow(machine, planes=planes).simulate(steps)
        assert timeline.duration >= timeline.bound * (1 - 1e-12)
    assert asked.apart == [True, True]


MEETING = {
    "one port, one step": (star(4), [Step([0, 1], [2, 2], 1 << 20)]),
    "one port, and no rank orders its steps": (
        ring(6), [Step(0, 2, 1 << 20), Step(1, 3, 1 << 20)],
    ),
    "a later step overtakes": (
        ring(6), [Step([0, 3], [1, 4], [1 << 22, 1]), Step(5, 2, 1 << 20)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", MEETING)
def test_what_may_meet_is_seen(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    topology, steps = MEETING[what]
    asked, expected = Asked(monkeypatch), simulate(topology, steps)
    answer = flow(topology, tolerance=0.0).simulate(steps)
    np.testing.assert_allclose(answer.finish, expected.finish, rtol=1e-9)
    assert asked.apart == [False]


def test_one_rank_in_common_orders_two_steps_on_one_link(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both go over the link from 1 to 2; rank 1 is an end of both.
    steps = [Step(1, 3, 1 << 20), Step(1, 2, 1 << 20)]
    asked, expected = Asked(monkeypatch), simulate(ring(6), steps)
    np.testing.assert_allclose(flow(ring(6)).simulate(steps).finish, expected.finish, rtol=1e-9)
    assert asked.apart == [True]


def test_an_initiator_is_one_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two ports, but one initiator: what a die sends its mate does not count, the rest does.
    asked, costs = Asked(monkeypatch), Costs(initiator_bandwidth=50 * GB)
    flow(star(4), costs).simulate([Step([0, 1], [1, 0], 1 << 20)])
    flow(star(4), costs).simulate([Step([0, 0], [1, 2], 1 << 20)])
    assert asked.apart == [True, False]


# Numbering of streams beyond the table of all pairs.


@pytest.mark.parametrize("dst", [[2, 3, 0], [2, 2, 0]])
def test_rows_in_any_order_among_very_many_ranks(
    dst: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    src, size = [1, 0, 3], [1_000_000, 5, 70_000]
    steps = [Step(src, dst, size), Step([*src, 1], [*dst, dst[0]], [*size, 900])]
    expected = flow(star(4)).simulate(steps)
    monkeypatch.setattr(columns, "_DENSE_RANKS", 0)
    same(flow(star(4)).simulate(steps), expected)
