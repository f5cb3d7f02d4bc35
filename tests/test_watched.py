"""What is kept of a world that is watched while it runs, and what browsers are told of it."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.view.live import feed, watched
from bench.view.live.feed import CallSpan, Feed, Kind, LiveBatch
from bench.view.live.film import CallLoad, LiveFilm
from bench.view.live.frames import Seen, frame
from bench.view.live.process import Pace
from bench.view.live.watched import Watched
from collectives.algorithms.table import schedule
from fabric import Fabric, Step
from fabric.clock.emulator import Emulator
from fabric.clock.record import Latest, OverCall, Stretch
from fabric.faults.table import Fault, FaultPlan
from fabric.schedule.plan import plans
from fabric.timeline.ranks import MOVE, SOFTWARE, WAIT
from topology import star, supernode
from topology.units import US

Added = tuple[int, float, float, float, int]
"""A resource, bytes, when they begin, how long they take, and their class."""


def additions() -> st.SearchStrategy[list[Added]]:
    times = st.floats(0, 50, allow_subnormal=False)
    return st.lists(
        st.tuples(st.integers(0, 2), st.floats(0.5, 99), times, times, st.integers(0, 1)),
        min_size=1, max_size=12,
    )  # fmt: skip


def one(resource: int, size: float) -> CallLoad:
    return CallLoad(1, np.zeros(1, np.int64), np.array([resource]), np.array([size]))


@given(additions())
def test_a_film_that_was_stretched_is_as_one_that_was_long_enough(added: list[Added]) -> None:
    """Against the bytes of each interval from their definition, at the width it has in the end."""
    film = LiveFilm(np.array([1.0, 2.0, 4.0]), bins=8)
    for resource, size, begin, lasts, label in added:
        film.add(one(resource, size), 3, begin, begin + lasts, label)
    bins, width = np.arange(film.bins), film.width
    wanted = np.zeros((3, film.bins))
    for resource, size, begin, lasts, _ in added:
        end = begin + lasts
        common = np.minimum(end, (bins + 1) * width) - np.maximum(begin, bins * width)
        share = np.maximum(0.0, common) / (end - begin or 1.0)  # lasts, as far as times tell it
        if begin + lasts == begin:  # all at once
            share = np.where((bins * width <= begin) & (begin < (bins + 1) * width), 1.0, share)
        wanted[resource] += 3 * size * share
    carried = film.utilisation(bins) * film.capacity[:, None] * width
    np.testing.assert_allclose(carried, wanted, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(film.carried, wanted.sum(axis=1), rtol=1e-6)
    assert film.duration > max(begin + lasts for _, _, begin, lasts, _ in added)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=20))
def test_the_class_of_most_of_the_bytes_is_found(votes: list[tuple[int, int]]) -> None:
    film = LiveFilm(np.ones(1), bins=8)
    for label, size in votes:
        film.add(one(0, size), 1, 0.0, 1.0, label)
    total = np.bincount([label for label, _ in votes], [size for _, size in votes])
    if total.max() > total.sum() / 2:
        assert film.main_label(np.array([0]))[0, 0] == total.argmax()


def test_classes_beyond_those_that_can_be_told_apart_are_others() -> None:
    film = LiveFilm(np.ones(1))
    numbers = [film.label(f"op {k}") for k in range(12)]
    assert numbers == [*range(7), *[7] * 5]
    assert film.labels[-1] == "others"


# From an emulator to the film.


def posted(fabric: Fabric, ranks: int, calls: Sequence[list[Step]]) -> list[OverCall | Stretch]:
    """What an emulator has to tell of these calls, before each of which rank r computes r us."""
    emulator = Emulator(fabric, ranks)
    latest = emulator.watch(10_000)
    for rank in range(ranks):
        for op, steps in enumerate(calls):
            rows = plans(steps, ranks)[rank].rows
            emulator.called(op, f"call_{op}(of it)")
            emulator.compute(rank, rank * US)
            emulator.begin(rank, op, tuple(range(ranks)), rows, "")
            emulator.wait(rank, op)
        emulator.end(rank)
    emulator.advance()
    return latest.take()


def link_bytes(world: Watched) -> Any:
    """Bytes of each link, from those of its resource."""
    resource = world.fabric.router.link_resource
    alike = np.bincount(resource[resource >= 0])
    return np.where(resource >= 0, (world.film.carried / alike)[resource], 0.0)


@pytest.mark.parametrize("system", ["star", "supernode"])
def test_links_carry_what_they_carry_in_simulations(system: str) -> None:
    fabric = Fabric(star(8) if system == "star" else supernode(32), endpoint="raw")
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 8, (2, 40))
    calls = [
        list(schedule("all_reduce", 8, 1 << 20, "ring")),
        list(schedule("all_to_all", 8, 1 << 16, "direct")),
        [Step(pairs[0], pairs[1], rng.integers(1, 9999, 40))],
    ]
    world = Watched(fabric, 8)
    world.take(Feed().batch(posted(fabric, 8, calls), now=1e-3))
    wanted = sum(fabric.simulate(steps, ranks=8).link_bytes for steps in calls)
    assert link_bytes(world) == pytest.approx(wanted)
    assert world.calls == 3
    assert world.film.labels == ["call_0", "call_1", "call_2"]


def test_lanes_say_who_waits_for_whom_moves_and_computes() -> None:
    fabric = Fabric(star(4))
    world = Watched(fabric, 4)
    world.take(Feed().batch(posted(fabric, 4, [[Step([0, 1, 2], [1, 2, 3], 1 << 20)]]), now=1e-3))
    mine = {(s.rank, s.what): s for s in world.stretches}
    assert [mine[rank, SOFTWARE].end for rank in (1, 2, 3)] == pytest.approx([1e-6, 2e-6, 3e-6])
    assert (0, SOFTWARE) not in mine
    for rank in (0, 1, 2):
        waits = mine[rank, WAIT]
        assert (waits.begin, waits.end) == pytest.approx((rank * US, 3 * US))
        assert waits.peer == 3
        assert mine[rank, MOVE].begin == pytest.approx(3 * US)
    assert (3, WAIT) not in mine


def test_a_fault_is_marked_when_it_comes_and_its_links_carry_no_more() -> None:
    plan = FaultPlan((Fault(("l2.0.0",), start=20 * US),), detection=1 * US)
    fabric = Fabric(supernode(32), faults=plan)
    chip = fabric.topology.index["l2.0.0"]
    touches = (fabric.topology.link_src == chip) | (fabric.topology.link_dst == chip)
    world = Watched(fabric, 32)
    kind = Kind(
        0, "put", (0, 17), np.array([0], np.int32), np.array([17], np.int32), np.array([2.0**20]),
        np.zeros(1, np.int64),
    )  # fmt: skip
    world.take(LiveBatch(10e-6, (kind,), (CallSpan(0, 1, (0.0, 0.0), (9e-6, 9e-6)),)))
    assert world.marks == []
    first = link_bytes(world)[touches].sum()
    assert first > 0
    world.take(LiveBatch(30e-6, (), (CallSpan(0, 1, (25e-6, 25e-6), (29e-6, 29e-6)),)))
    assert link_bytes(world)[touches].sum() == first
    assert world.film.carried.sum() == pytest.approx(4 * 2 * 2.0**20)
    assert [mark.at for mark in world.marks] == pytest.approx([20e-6, 21e-6])
    assert "l2.0.0" in world.marks[0].text
    assert set(world.marks[0].links.tolist()) == set(np.flatnonzero(touches).tolist())


# What is said, and what is not.


def test_what_nobody_takes_is_dropped_and_counted() -> None:
    latest = Latest(10)
    some = [Stretch(rank, "compute", 0.0, 1.0) for rank in range(25)]
    for stretch in some[:14]:
        latest.add(stretch)
    assert latest.take() == some[4:14]
    for stretch in some[14:]:
        latest.add(stretch)
    assert (latest.take(), latest.dropped) == (some[15:], 5)


def test_a_watched_emulator_keeps_nothing_for_a_trace() -> None:
    emulator = Emulator(Fabric(star(2)), 2)
    latest = emulator.watch(3)
    rows = [plan.rows for plan in plans([Step([0], [1], 8)], 2)]
    for op in range(50):
        for rank in (0, 1):
            emulator.called(op, "put(1)")
            emulator.begin(rank, op, (0, 1), rows[rank], "")
            emulator.wait(rank, op)
    emulator.advance()
    assert emulator.record is not None
    assert (emulator.record.over, emulator.record.words) == ([], {})
    assert emulator.recorded() == []
    assert (len(latest.take()), latest.dropped) == (3, 47)


def test_many_calls_are_few_spans_and_none_is_lost() -> None:
    calls = [list(schedule("all_reduce", 4, 4096, "ring"))] * 300
    found = posted(Fabric(star(4)), 4, calls)
    few, said = feed.MOST_STRETCHES, Feed()
    batch = said.batch(found * 5, now=1.0)
    assert len(batch.kinds) == 1
    assert sum(span.many for span in batch.spans) == 1500
    assert len(batch.computed) <= few
    assert 0.8 * feed.MOST_SPANS < len(batch.spans) <= feed.MOST_SPANS
    assert sum(len(span.begin) for span in batch.spans) <= few
    again = said.batch(found[-4:], now=1.0)
    assert again.kinds == ()
    assert {span.many for span in again.spans} == {1}


def told() -> Iterator[LiveBatch]:
    """A world of 4 ranks in 60 batches, in which the number of classes and the time grow."""
    rng = np.random.default_rng(8)
    row = np.array([0, 1, 2], np.int32), np.array([3, 2, 0], np.int32)
    clock = 0.0
    for number in range(60):
        kind = Kind(number, f"op {number // 9}", (0, 1, 2, 3), *row, rng.uniform(1, 1e6, 3),
                    np.array([0, 0, 1]))  # fmt: skip
        length = 1e-6 * 1.1**number
        spans = [
            CallSpan(number, 1, (clock + k * length,) * 4, (clock + (k + 0.9) * length,) * 4)
            for k in range(3)
        ]
        clock += 3 * length
        news = ((clock, f"news {number}"),) if number % 7 == 0 else ()
        yield LiveBatch(clock, (kind,), tuple(spans), (), number, news)


def put(kept: dict[str, Any], one: dict[str, Any]) -> None:
    """What the page does with a frame: `take` in live.js."""
    rows = len(kept["carried"])
    for name in ("utilisation", "main_label"):
        if one["whole"]:
            kept[name] = np.zeros((rows, len(one["bins"])), np.uint8)
        kept[name][:, one["bins"]] = one[name]
    kept["carried"][one["carriers"]] = one["carried"]
    for name, column in one["lanes"].items():
        before = kept["lanes"].get(name, column[:0])
        kept["lanes"][name] = np.concatenate([before, column])[-watched.MOST_STRETCHES :]
    kept["marks"] += [mark["text"] for mark in one["marks"]]
    kept |= {name: one[name] for name in ("now", "duration", "calls", "labels", "dropped")}


@pytest.mark.parametrize("every", [1, 2, 7, 60])
def test_a_slow_browser_has_the_same_in_the_end(every: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(watched, "MOST_STRETCHES", 100)
    fabric = Fabric(star(4))
    links = np.arange(fabric.topology.n_links)
    world, seen = Watched(fabric, 4), Seen()
    world.stretches = watched.deque(maxlen=100)
    rows = len(world.film.capacity)
    page: dict[str, Any] = {"carried": np.zeros(rows, np.float32), "lanes": {}, "marks": []}
    for number, batch in enumerate(told()):
        world.take(batch)
        if (number + 1) % every == 0:
            put(page, frame(world, seen, links))
    put(page, frame(world, seen, links))
    whole: dict[str, Any] = {"carried": np.zeros(rows, np.float32), "lanes": {}, "marks": []}
    put(whole, frame(world, Seen(), links))
    for name, value in whole.items():
        if name == "lanes":
            for column, content in value.items():
                assert np.array_equal(page["lanes"][column], content), column
        else:
            assert np.array_equal(page[name], value), name
    assert len(page["lanes"]["rank"]) == 100
    assert seen.skipped == max(0, (60 // every - 1) * (every - 1) + 60 % every - (60 % every > 0))
    assert page["calls"] == 180


def test_frames_cost_a_share_of_a_core_at_most() -> None:
    """Whatever a frame costs, and whenever there is news: time of pages over all time."""
    pace, now, used, frames = Pace(), 100.0, 0.0, 0
    pace._used = 0.0
    for turn in range(4000):
        if pace.due(now, used):
            frames += 1
            used += 0.02 if turn % 3 else 0.06
        now += 0.1
    assert used / (now - 100.0) < 0.035
    assert frames > 200


def test_ranks_that_did_not_take_part_have_no_stretch() -> None:
    world = Watched(Fabric(star(2)), 2)
    kind = Kind(
        0, "agree", (0, 1), *[np.zeros(0, np.int32)] * 2, np.zeros(0), np.zeros(0, np.int64)
    )
    world.take(LiveBatch(1.0, (kind,), (CallSpan(0, 1, (0.5, math.nan), (1.0, math.nan)),)))
    assert [(s.rank, s.begin, s.end) for s in world.stretches] == [(0, 0.5, 1.0)]
