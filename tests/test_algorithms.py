"""The table of algorithms, its door, and how bytes and ranks are cut."""

import inspect
import time
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives import ALGORITHMS, algorithm, buffers, default, schedule
from collectives.algorithms.scatter import edges, fold, folded, stand_in, within_and_across
from collectives.algorithms.sendrecv import pairs, transfers
from collectives.algorithms.table import CallShape
from fabric.schedule.counts import RankCounts
from fabric.schedule.step import ScheduleError

EVERY = [(op, name) for op in ALGORITHMS for name in ALGORITHMS[op]]


@pytest.mark.parametrize(("op", "name"), EVERY)
def test_every_docstring_states_its_cost(op: str, name: str) -> None:
    doc = inspect.getdoc(algorithm(op, name)) or ""
    first, blank, steps, *sent = doc.splitlines()[:4]
    assert first.endswith(".")
    assert not blank
    assert steps.startswith("Steps: ")
    assert any(line.startswith("Bytes sent by a rank: ") for line in doc.splitlines()), sent


@pytest.mark.parametrize(("op", "name"), EVERY)
def test_every_algorithm_is_given_all_that_it_takes(op: str, name: str) -> None:
    found = algorithm(op, name)
    known = {field.name for field in fields(CallShape)} | {"counts"}
    assert set(found.takes) == inspect.signature(found.function).parameters.keys() & known
    shape = CallShape(8, 64, root=3, itemsize=4, ranks_per_node=4)
    named = {key: getattr(shape, key) for key in found.takes}
    for one, other in zip(found.steps(shape), found.function(**named), strict=True):
        for column in ("src", "dst", "size", "src_at", "dst_at"):
            np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def test_algorithms_of_own_counts_make_one_ranks_rows() -> None:
    counts = np.arange(16).reshape(4, 4)
    found = ALGORITHMS["all_to_all_v"]
    assert [name for name in found if found[name].of_own_counts] == ["direct", "pairwise"]
    for one in (found["direct"], found["pairwise"]):
        rows = [step for step in one(RankCounts(2, counts[2], counts[:, 2])) if len(step)]
        assert rows
        for step in rows:
            assert ((step.src == 2) | (step.dst == 2)).all()


@pytest.mark.parametrize("op", ALGORITHMS)
@pytest.mark.parametrize("ranks", [1, 2, 16, 2000])
@pytest.mark.parametrize("size", [0, 8, 1 << 24])
def test_default_is_one_of_the_table(op: str, ranks: int, size: int) -> None:
    assert default(op, ranks, size) in ALGORITHMS[op]


def test_default_follows_size_and_ranks() -> None:
    assert default("all_to_all", 384, 1) == "direct"
    assert default("all_to_all", 8192, 1) == "pairwise"
    assert default("all_reduce", 8, 1024) == "recursive_doubling"
    assert default("all_reduce", 8, 1 << 20) == "halving_doubling"
    assert default("broadcast", 4, 1 << 20) == "binomial"


@pytest.mark.parametrize("op", ALGORITHMS)
def test_schedule_without_a_name_takes_the_default(op: str) -> None:
    named = schedule(op, 6, 24, default(op, 6, 24))
    for one, other in zip(schedule(op, 6, 24), named, strict=True):
        assert one.label == other.label
        np.testing.assert_array_equal(one.dst_at, other.dst_at)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"op": "allreduce"}, "unknown collective 'allreduce'; choose one of all_reduce, "),
        ({"algorithm": "rings"}, "all_reduce has no algorithm 'rings'; choose one of direct, "),
        ({"ranks": 0}, "0 ranks"),
        ({"size": -4}, "size is -4 bytes"),
        ({"size": 8.5}, "size is 8.5; it has to be an integer"),
        ({"size": "8"}, "size is '8'"),
        ({"ranks": 4.0}, "ranks is 4.0"),
        ({"ranks": None}, "ranks is None"),
        ({"op": []}, r"unknown collective \[\]"),
        ({"algorithm": 5}, "no algorithm 5"),
        ({"root": 0.5}, "root is 0.5"),
        ({"itemsize": 1.0}, "itemsize is 1.0"),
        ({"ranks_per_node": "2"}, "ranks_per_node is '2'"),
        ({"root": 4}, "root is 4; there are ranks 0 to 3"),
        ({"root": -1}, "root is -1"),
        ({"itemsize": 3}, "8 bytes is not a number of items of 3 bytes"),
        ({"itemsize": 0}, "items of 0 bytes"),
        ({"ranks_per_node": 0}, "ranks_per_node is 0"),
    ],
)
def test_bad_input_is_refused_at_the_call(arguments: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"op": "all_reduce", "ranks": 4, "size": 8}
    with pytest.raises(ScheduleError, match=message):
        schedule(**{**good, **arguments})


def test_sizes_of_a_narrow_type_do_not_wrap_around() -> None:
    assert buffers("all_gather", np.int8(2), np.uint8(200)) == (200, 400)
    assert buffers("all_to_all", 4, 64e6) == (256_000_000, 256_000_000)


def test_unknown_names() -> None:
    with pytest.raises(ScheduleError, match="choose one of all_reduce"):
        buffers("all", 1, 1)
    with pytest.raises(ScheduleError, match="choose one of direct, pairwise, bruck"):
        algorithm("all_to_all", "ring")
    with pytest.raises(ScheduleError, match="ranks_per_node is 0"):
        stand_in(np.arange(3), np.arange(3), 3, 0)


@pytest.mark.parametrize(
    ("op", "want"),
    [
        ("all_reduce", (6, 6)),
        ("all_gather", (6, 24)),
        ("reduce_scatter", (24, 6)),
        ("all_to_all", (24, 24)),
        ("all_to_all_v", (24, 24)),
        ("broadcast", (6, 6)),
        ("reduce", (6, 6)),
        ("gather", (6, 24)),
        ("scatter", (24, 6)),
        ("send_recv", (6, 6)),
        ("barrier", (0, 0)),
    ],
)
def test_buffers(op: str, want: tuple[int, int]) -> None:
    assert buffers(op, 4, 6) == want


@given(st.integers(0, 1000), st.integers(1, 50), st.sampled_from([1, 2, 4, 8]))
def test_edges_cut_evenly_and_never_an_item(items: int, parts: int, itemsize: int) -> None:
    cut = edges(items * itemsize, parts, itemsize)
    sizes = np.diff(cut)
    assert (cut[0], cut[-1], len(sizes)) == (0, items * itemsize, parts)
    assert not (cut % itemsize).any()
    assert sizes.max() - sizes.min() <= itemsize


def test_edges_refuse_parts_of_items() -> None:
    with pytest.raises(ScheduleError, match="9 bytes are not a number of items of 4"):
        edges(9, 3, 4)


@given(st.integers(1, 300))
def test_fold_speaks_for_everybody_once(ranks: int) -> None:
    bounds, extra = fold(ranks), folded(ranks)
    groups = len(bounds) - 1
    assert groups & (groups - 1) == 0
    assert groups <= ranks < 2 * groups
    assert sorted([*bounds[:-1], *extra]) == list(range(ranks))
    assert set(extra - 1) <= set(bounds[:-1])


@given(st.integers(1, 60), st.integers(1, 70))
def test_stand_ins_are_mates_and_oneself_at_home(ranks: int, ranks_per_node: int) -> None:
    near, rank = (side.ravel() for side in np.indices((ranks, ranks)))
    proxy = stand_in(near, rank, ranks, ranks_per_node)
    assert (proxy < ranks).all()
    np.testing.assert_array_equal(proxy // ranks_per_node, near // ranks_per_node)
    home = near // ranks_per_node == rank // ranks_per_node
    np.testing.assert_array_equal(proxy[home], rank[home])


def test_lanes_put_one_place_of_all_nodes_side_by_side() -> None:
    position, bounds = within_and_across(7, 3)  # nodes 0 1 2, 3 4 5, 6
    assert position.tolist() == [0, 3, 5, 1, 4, 6, 2]
    assert bounds.tolist() == [0, 3, 5, 7]


def test_pairs_ascend_by_source_and_begin_with_the_next_neighbour() -> None:
    src, dst = pairs(3, 1)
    assert src.tolist() == [0, 0, 1, 1, 2, 2]
    assert dst.tolist() == [1, 2, 2, 0, 0, 1]


def test_transfers_leave_out_what_is_empty() -> None:
    (step,) = transfers([0, 1, 2], 3, [4, 0, 6], 1)
    assert (step.src.tolist(), step.size.tolist(), step.src_at.tolist()) == ([0, 2], [4, 6], [1, 1])
    assert not list(transfers([0, 1], [1, 0], 0))
    assert not list(transfers([], [], 8))


@pytest.mark.parametrize(
    ("op", "ranks", "name"), [("all_to_all", 768, "pairwise"), ("all_reduce", 384, "ring")]
)
def test_schedules_of_a_supernode_take_milliseconds(op: str, ranks: int, name: str) -> None:
    begin = time.process_time()
    rows = sum(len(step) for step in schedule(op, ranks, 1 << 20, name))
    assert time.process_time() - begin < 1  # about 0.05 s; the rest is for a busy machine
    assert rows == {"all_to_all": 768 * 768, "all_reduce": 384 * 767}[op]
