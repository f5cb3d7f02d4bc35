"""A timeline as a film: bytes add up, queues drain, ranks wait for whom they wait for."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Fabric, Step
from fabric.timeline.film import MOST_CLASSES, classes, film_of
from fabric.timeline.ranks import MOST_STRETCHES, MOVE, SOFTWARE, WAIT, critical_path, visits
from fabric.timeline.repeated import PARTS, RepeatedRun, film_of_repeated
from fabric.timeline.sequence import in_sequence
from fabric.timeline.value import Timeline
from topology import star, supernode
from topology.units import GB

STAR = Fabric(star(4, bandwidth=1 * GB, latency=0.0))


def test_a_single_transfer_fills_its_links_while_it_lasts() -> None:
    timeline = STAR.simulate([Step([0], [1], [1000])])  # 1 us at 1 GB/s
    film = film_of(timeline, bins=10)
    used = film.utilisation.sum(axis=1) > 0
    assert used.sum() == 2  # up from host0, down to host1
    assert film.utilisation[used] == pytest.approx(1.0)
    assert film.backlog[used][0] == pytest.approx(np.linspace(0.9e-6, 0, 10), abs=1e-15)
    assert film.link_bytes.sum() == 2000
    assert film.duration == pytest.approx(1e-6)


steps = st.lists(
    st.lists(
        st.tuples(st.integers(0, 15), st.integers(0, 15), st.integers(0, 1 << 22)), min_size=1,
        max_size=12,
    ),
    min_size=1, max_size=6,
)  # fmt: skip
NODE = Fabric(supernode(16), endpoint="cann-ep")


def simulated(drawn: list[list[tuple[int, int, int]]]) -> Timeline:
    return NODE.simulate([Step(*np.array(rows).T) for rows in drawn], ranks=16)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(steps)
def test_every_byte_is_in_the_film_once(drawn: list[list[tuple[int, int, int]]]) -> None:
    timeline = simulated(drawn)
    film = film_of(timeline)
    capacity = NODE.router.capacity
    width = timeline.duration / film.utilisation.shape[1]
    assert film.utilisation.sum(axis=1) * capacity * width == pytest.approx(
        timeline.resource_bytes, rel=1e-9, abs=1e-3
    )
    assert (film.backlog >= 0).all()
    assert film.backlog[:, -1] == pytest.approx(0, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(steps)
def test_lanes_tile_each_ranks_time(drawn: list[list[tuple[int, int, int]]]) -> None:
    timeline = simulated(drawn)
    ranks = film_of(timeline).ranks
    assert ranks is not None
    for rank in range(16):
        mine = np.flatnonzero((ranks.rank == rank) & ~ranks.critical)
        mine = mine[np.argsort(ranks.begin[mine], kind="stable")]
        edge = 0.0
        for row in mine:
            assert ranks.begin[row] == pytest.approx(edge, abs=1e-5 * timeline.duration)
            assert ranks.end[row] >= ranks.begin[row]
            edge = float(ranks.end[row])
        if len(mine):
            assert edge == pytest.approx(timeline.rank_finish[rank], abs=1e-5 * timeline.duration)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(steps)
def test_the_critical_path_is_a_chain_back_to_the_begin(
    drawn: list[list[tuple[int, int, int]]],
) -> None:
    timeline = simulated(drawn)
    found = visits(timeline)
    path = critical_path(timeline, found)
    last_rank, last_row = path[0]
    of_last = (timeline.src == last_rank) | (timeline.dst == last_rank)
    assert timeline.rank_finish[last_rank] == timeline.rank_finish.max()
    assert timeline.finish[last_row] == timeline.finish[of_last].max()
    for (_, row), (rank, before) in pairwise(path):
        assert rank in (timeline.src[row], timeline.dst[row])
        assert rank in (timeline.src[before], timeline.dst[before])
        assert timeline.step[before] < timeline.step[row]
        assert timeline.finish[before] <= timeline.start[row] + 1e-12
    first = path[-1][1]
    for rank in (timeline.src[first], timeline.dst[first]):
        mine = (timeline.src == rank) | (timeline.dst == rank)
        assert timeline.step[first] == timeline.step[mine].min()


def test_who_comes_first_waits_for_the_other() -> None:
    """Rank 1 is busy with 0 for 5 us; rank 2 has nothing to do before 1 comes to it."""
    timeline = STAR.simulate([Step([0], [1], [5000]), Step([1], [2], [1000])])
    ranks = film_of(timeline).ranks
    assert ranks is not None
    rows = {
        (int(ranks.rank[i]), int(ranks.what[i])): (ranks.begin[i], ranks.end[i], ranks.peer[i])
        for i in np.flatnonzero(~ranks.critical)
    }
    assert rows[2, WAIT] == (0.0, pytest.approx(5e-6), 1)
    assert rows[2, MOVE] == (pytest.approx(5e-6), pytest.approx(6e-6), 1)
    assert (1, WAIT) not in rows
    path = [(int(ranks.rank[i]), float(ranks.begin[i])) for i in np.flatnonzero(ranks.critical)]
    assert [begin for _, begin in path] == [pytest.approx(5e-6), 0.0]
    assert path[1][0] == 1


def test_what_the_software_takes_is_not_waiting() -> None:
    fabric = Fabric(supernode(16), endpoint="cann-ep")
    me = np.arange(16)
    turns = [Step(me, (me + k) % 16, 1 << 16) for k in (1, 2, 3)]
    ranks = film_of(fabric.simulate(turns, operation="dispatch")).ranks
    assert ranks is not None
    spent = {what: (ranks.end - ranks.begin)[ranks.what == what].sum() for what in (WAIT, SOFTWARE)}
    assert spent[SOFTWARE] > 0
    assert spent[WAIT] == pytest.approx(0, abs=1e-9)  # everybody does the same


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a", "b", "a"], ("a", "b")),
        (["", "", ""], ("step 0", "step 1", "step 2")),
        (["a", "", "a"], ("a", "unnamed")),
    ],
)
def test_classes_are_labels_or_ranges(labels: list[str], expected: tuple[str, ...]) -> None:
    timeline = STAR.simulate([Step([0], [1], [9], label=label) for label in labels])
    names, of_step = classes(timeline)
    assert names == expected
    assert len(of_step) == 3


def test_many_labels_become_the_largest_and_the_others() -> None:
    sizes = [9, 1, 8, 2, 7, 3, 6, 4, 5, 1, 1]
    timeline = STAR.simulate([Step([0], [1], [s], label=f"s{i}") for i, s in enumerate(sizes)])
    names, of_step = classes(timeline)
    assert len(names) == MOST_CLASSES
    assert names == ("s0", "s2", "s4", "s5", "s6", "s7", "s8", "others")
    assert of_step.tolist() == [0, 7, 1, 7, 2, 3, 4, 5, 6, 7, 7]
    names, of_step = classes(STAR.simulate([Step([0], [1], [9]) for _ in range(20)]))
    assert names[0] == "steps 0 to 2"
    assert names[-1].endswith(" to 19")
    assert len(names) == MOST_CLASSES


def test_the_main_class_is_what_most_bytes_are() -> None:
    timeline = STAR.simulate([Step([0], [1], [1000], label="a"), Step([0], [1], [3000], label="b")])
    film = film_of(timeline, bins=8)
    (used, _) = np.flatnonzero(film.utilisation.sum(axis=1) > 0)
    assert film.main_label[used].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]


def test_long_schedules_are_joined_to_as_many_stretches_as_can_be_drawn() -> None:
    me = np.arange(4)
    count = MOST_STRETCHES // 4 * 2 + 7
    timeline = STAR.simulate(Step(me, (me + 1) % 4, 100) for _ in range(count))
    ranks = film_of(timeline).ranks
    assert ranks is not None
    assert (~ranks.critical).sum() <= 3 * MOST_STRETCHES + 12
    assert ranks.end.max() == pytest.approx(timeline.duration)
    assert ranks.critical.sum() == count


def test_nothing_at_all_can_be_shown() -> None:
    film = film_of(STAR.simulate([], ranks=4))
    assert film.duration == 0
    assert film.utilisation.sum() == 0
    assert film.ranks is not None
    assert len(film.ranks.rank) == 0


def test_what_is_repeated_is_as_if_each_time_were_simulated() -> None:
    one = STAR.simulate([Step([0, 2], [1, 1], [1000, 3000], label="send")])
    twice = film_of(in_sequence([one, one]), bins=2 * PARTS)
    assert twice.ranks is not None
    begins = np.array([0.0, one.duration])
    found = film_of_repeated(
        [RepeatedRun(one, "send", begins)], 2 * one.duration, twice.ranks, labels=("send",),
        title="twice", bins=2 * PARTS,
    )  # fmt: skip
    assert found.utilisation == pytest.approx(twice.utilisation, abs=1e-9)
    assert found.link_bytes == pytest.approx(twice.link_bytes)
    assert found.pairs == pytest.approx(twice.pairs)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(8, 40))
def test_what_is_repeated_keeps_its_bytes_wherever_it_begins(at: list[float], bins: int) -> None:
    one = STAR.simulate([Step([0, 2], [1, 1], [1000, 3000], label="send")])
    lanes = film_of(one).ranks
    assert lanes is not None
    duration = 10 * one.duration
    begins = np.array(at) * (duration - one.duration)
    found = film_of_repeated(
        [RepeatedRun(one, "send", begins)], duration, lanes, labels=("send",), title="", bins=bins
    )
    carried = (found.utilisation * one.router.capacity[:, None]).sum(axis=1) * duration / bins
    assert carried == pytest.approx(len(at) * one.resource_bytes)
