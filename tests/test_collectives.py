"""Every algorithm of every collective: right bytes, sound steps, the cost its docstring states."""

from collections.abc import Callable, Iterator
from math import ceil, log2
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectives import ALGORITHMS, buffers, schedule
from collectives.algorithms import broadcast, spec
from collectives.algorithms.alltoall import direct_v, hierarchical_v, pairwise_v
from collectives.algorithms.offload import NAMES
from collectives.algorithms.reference import check, run
from fabric.schedule.step import ScheduleError, Step

RANKS = (1, 2, 3, 5, 7, 8, 16)
ITEMS = (0, 1, 7, 37)
DTYPES = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}
OPS = ("sum", "prod", "min", "max", "avg")
REDUCING = ("all_reduce", "reduce", "reduce_scatter")
ROOTED = ("broadcast", "reduce", "gather", "scatter")
UNIFORM = [(op, name) for op in ALGORITHMS for name in ALGORITHMS[op] if op != "all_to_all_v"]
ALL_TO_ALL_V: dict[str, Callable[..., Iterator[Step]]] = {
    "direct": direct_v,
    "pairwise": pairwise_v,
    "hierarchical": hierarchical_v,
}


def arrays(ranks: int, size: int, itemsize: int = 1) -> list[NDArray[Any]]:
    rng = np.random.default_rng([ranks, size, itemsize])
    return list(rng.integers(-128, 128, (ranks, size // itemsize)).astype(DTYPES[itemsize]))


def expected(
    op: str, inputs: list[NDArray[Any]], root: int, reduction: str
) -> list[NDArray[Any] | None]:
    options: dict[str, Any] = {"op": reduction} if op in REDUCING else {}
    if op in ROOTED:
        options["root"] = root
    outputs: list[NDArray[Any] | None] = getattr(spec, op)(inputs, **options)
    return outputs


def verify(
    op: str, name: str, ranks: int, size: int, *, root: int = 0, itemsize: int = 1,
    ranks_per_node: int = 4, reduction: str = "sum",
) -> None:  # fmt: skip
    send_size, recv_size = buffers(op, ranks, size)
    steps = list(
        schedule(op, ranks, size, name, root=root, itemsize=itemsize, ranks_per_node=ranks_per_node)
    )
    check(steps, ranks)
    assert all(np.all(step.size % itemsize == 0) for step in steps)
    inputs = arrays(ranks, send_size, itemsize)
    outputs = run(steps, inputs, recv_size, reduction)
    for got, want in zip(outputs, expected(op, inputs, root, reduction), strict=True):
        assert want is None or np.array_equal(got, want)


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize(("op", "name"), UNIFORM)
def test_every_rank_holds_what_the_spec_says(op: str, name: str, ranks: int) -> None:
    for itemsize in DTYPES:
        for items in ITEMS:
            verify(op, name, ranks, items * itemsize, itemsize=itemsize)


@pytest.mark.parametrize("reduction", OPS)
@pytest.mark.parametrize(("op", "name"), [case for case in UNIFORM if case[0] in REDUCING])
def test_every_reduction(op: str, name: str, reduction: str) -> None:
    for ranks in RANKS:
        verify(op, name, ranks, 8 * 19, itemsize=8, reduction=reduction)


@pytest.mark.parametrize(("op", "name"), [case for case in UNIFORM if case[0] in ROOTED])
def test_every_root(op: str, name: str) -> None:
    for root in range(7):
        verify(op, name, 7, 22, root=root, itemsize=2, ranks_per_node=3)


@pytest.mark.parametrize("ranks_per_node", [1, 2, 3, 5, 8, 16, 99])
@pytest.mark.parametrize("op", [op for op, name in UNIFORM if name == "hierarchical"])
def test_nodes_of_every_size(op: str, ranks_per_node: int) -> None:
    for ranks in (1, 4, 7, 8, 13):
        for root in {0, ranks // 2, ranks - 1} if op in ROOTED else {0}:
            verify(op, "hierarchical", ranks, 39, root=root, ranks_per_node=ranks_per_node)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_schedule(data: st.DataObject) -> None:
    op, name = data.draw(st.sampled_from(UNIFORM))
    ranks = data.draw(st.integers(1, 20))
    itemsize = data.draw(st.sampled_from(sorted(DTYPES)))
    verify(
        op,
        name,
        ranks,
        data.draw(st.integers(0, 50)) * itemsize,
        root=data.draw(st.integers(0, ranks - 1)),
        itemsize=itemsize,
        ranks_per_node=data.draw(st.integers(1, 21)),
        reduction=data.draw(st.sampled_from(OPS)) if op in REDUCING else "sum",
    )


def verify_v(name: str, counts: NDArray[np.int64], **options: int) -> None:
    steps = list(ALL_TO_ALL_V[name](counts, **options))
    check(steps, len(counts))
    assert all(step.size.all() for step in steps), "an empty row still is a message"
    inputs = [arrays(i + 1, int(total))[0] for i, total in enumerate(counts.sum(1))]
    outputs = run(steps, inputs, counts.sum(0).tolist())
    for got, want in zip(outputs, spec.all_to_all_v(inputs, counts), strict=True):
        np.testing.assert_array_equal(got, want)


def skewed(ranks: int) -> NDArray[np.int64]:
    counts = np.zeros((ranks, ranks), np.int64)
    counts[:, ranks // 2] = np.arange(ranks) + 1
    return counts


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("name", ALL_TO_ALL_V)
def test_counts_empty_skewed_and_one_sided(name: str, ranks: int) -> None:
    for counts in (np.zeros((ranks, ranks), np.int64), skewed(ranks), skewed(ranks).T):
        verify_v(name, counts)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_counts(data: st.DataObject) -> None:
    ranks = data.draw(st.integers(1, 12))
    flat = data.draw(st.binary(min_size=ranks**2, max_size=ranks**2))
    name = data.draw(st.sampled_from(sorted(ALL_TO_ALL_V)))
    options = {"ranks_per_node": data.draw(st.integers(1, 13))} if name == "hierarchical" else {}
    counts = np.frombuffer(flat, np.uint8).astype(np.int64).reshape(ranks, ranks)
    verify_v(name, np.maximum(counts - 100, 0), **options)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.zeros((2, 3), np.int64), "shape"),
        (np.zeros((0, 0), np.int64), "shape"),
        (np.zeros((2, 2)), "float64"),
        (np.array([[0, 0], [-3, 0]]), r"counts\[1, 0\] is -3"),
    ],
)
@pytest.mark.parametrize("name", ALL_TO_ALL_V)
def test_bad_counts(name: str, counts: NDArray[Any], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        list(ALL_TO_ALL_V[name](counts))


@pytest.mark.parametrize("pieces", [1, 2, 3, 100])
def test_chain_of_any_number_of_pieces(pieces: int) -> None:
    inputs = arrays(5, 40)
    steps = list(broadcast.chain(5, 40, 3, itemsize=4, pieces=pieces))
    check(steps, 5)
    for got in run(steps, inputs, 40):
        np.testing.assert_array_equal(got, inputs[3])


@pytest.mark.parametrize("name", ALGORITHMS["all_reduce"])
@pytest.mark.parametrize("ranks", RANKS)
def test_all_reduce_gives_all_ranks_the_same_bits(name: str, ranks: int) -> None:
    rng = np.random.default_rng(ranks)
    inputs = [rng.standard_normal(23).astype(np.float32) for _ in range(ranks)]
    steps = schedule("all_reduce", ranks, 92, name, itemsize=4, ranks_per_node=4)
    outputs = run(steps, inputs, 92)
    assert len({output.tobytes() for output in outputs}) == 1
    np.testing.assert_allclose(outputs[0], np.sum(inputs, 0), rtol=1e-4, atol=1e-5)


def in_place(op: str, ranks: int, size: int, name: str, root: int) -> Iterator[Step]:
    """Give the schedule with a rank's send and recv buffer as pieces of one, called recv here."""
    everybody = np.arange(ranks)
    own = everybody * size if op in ("all_gather", "reduce_scatter") else everybody * 0
    moves = {"send": own if op == "all_gather" else own * 0, "work": own * 0}
    moves["recv"] = own if op == "reduce_scatter" else own * 0
    yield Step(everybody, everybody, buffers(op, ranks, size)[0], 0, moves["send"])
    for step in schedule(op, ranks, size, name, root=root, ranks_per_node=3):
        src_at = step.src_at + moves[step.reads][step.src]
        dst_at = step.dst_at + moves[step.writes][step.dst]
        reads = "work" if step.reads == "work" else "recv"
        stays = (step.src == step.dst) & (src_at == dst_at) & (reads == step.writes)
        columns = (column[~stays] for column in (step.src, step.dst, step.size, src_at, dst_at))
        yield Step(*columns, reduces=step.reduces, reads=reads, writes=step.writes)


@pytest.mark.parametrize("ranks", [1, 4, 7])
@pytest.mark.parametrize(
    ("op", "name"), [case for case in UNIFORM if case[0] in (*REDUCING, "all_gather", "broadcast")]
)
def test_send_and_recv_may_be_one_buffer(op: str, name: str, ranks: int) -> None:
    root, (send_size, recv_size) = ranks // 2, buffers(op, ranks, 13)
    steps = list(in_place(op, ranks, 13, name, root))
    check(steps, ranks)
    inputs = arrays(ranks, send_size)
    outputs = run(steps, inputs, max(send_size, recv_size))
    for rank, want in enumerate(expected(op, inputs, root, "sum")):
        if want is not None:
            begin = rank * 13 if op == "reduce_scatter" else 0
            np.testing.assert_array_equal(outputs[rank][begin : begin + len(want)], want)


def test_barrier_hears_of_everybody() -> None:
    for ranks in RANKS:
        heard = np.eye(ranks, dtype=bool)
        for step in schedule("barrier", ranks, 0):
            before = heard.copy()
            for src, dst in zip(step.src, step.dst, strict=True):
                heard[dst] |= before[src]
        assert heard.all()


# Costs: steps with a row on the wire, and bytes that the busiest rank puts there, as functions of
# ranks P and bytes S. up = ceil(log2 P), low = floor(log2 P), Q = 2**low; fold: P is above Q.
Cost = Callable[[int, int], float]


def up(ranks: int) -> int:
    return ceil(log2(ranks))


def low(ranks: int) -> int:
    return ranks.bit_length() - 1


def fold(ranks: int) -> int:
    return int(ranks != 1 << low(ranks))


def digits(ranks: int) -> int:
    return sum(k.bit_count() for k in range(ranks))


EXACT: dict[tuple[str, str], tuple[Cost, Cost]] = {
    ("all_reduce", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("all_reduce", "two_shot"): (lambda p, s: 2, lambda p, s: 2 * s * (p - 1) / p),
    ("all_reduce", "ring"): (lambda p, s: 2 * (p - 1), lambda p, s: 2 * s * (p - 1) / p),
    ("all_reduce", "recursive_doubling"): (
        lambda p, s: low(p) + 2 * fold(p),
        lambda p, s: s * (low(p) + fold(p)),
    ),
    ("all_reduce", "halving_doubling"): (
        lambda p, s: 2 * low(p) + 2 * fold(p),
        lambda p, s: 2 * s * ((1 << low(p)) - 1) / (1 << low(p)) + s * fold(p),
    ),
    ("all_reduce", "tree"): (lambda p, s: 2 * up(p), lambda p, s: s * up(p)),
    ("all_gather", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("all_gather", "ring"): (lambda p, s: p - 1, lambda p, s: s * (p - 1)),
    ("all_gather", "bruck"): (lambda p, s: up(p), lambda p, s: s * (p - 1)),
    ("reduce_scatter", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("reduce_scatter", "pairwise"): (lambda p, s: p - 1, lambda p, s: s * (p - 1)),
    ("reduce_scatter", "ring"): (lambda p, s: p - 1, lambda p, s: s * (p - 1)),
    ("reduce_scatter", "recursive_halving"): (
        lambda p, s: low(p) + 2 * fold(p),
        lambda p, s: s * (p - 1 + fold(p)),
    ),
    ("all_to_all", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("all_to_all", "pairwise"): (lambda p, s: p - 1, lambda p, s: s * (p - 1)),
    ("all_to_all", "bruck"): (lambda p, s: up(p), lambda p, s: s * digits(p)),
    ("broadcast", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("broadcast", "binomial"): (lambda p, s: up(p), lambda p, s: s * up(p)),
    ("broadcast", "scatter_allgather"): (
        lambda p, s: up(p) + p - 1,
        lambda p, s: 2 * s * (p - 1) / p,
    ),
    ("broadcast", "chain"): (lambda p, s: p - 2 + 16, lambda p, s: s),
    ("reduce", "direct"): (lambda p, s: 1, lambda p, s: s),
    ("reduce", "binomial"): (lambda p, s: up(p), lambda p, s: s),
    ("reduce", "rabenseifner"): (lambda p, s: low(p) + 1 + fold(p), lambda p, s: s),
    ("gather", "direct"): (lambda p, s: 1, lambda p, s: s),
    ("scatter", "direct"): (lambda p, s: 1, lambda p, s: s * (p - 1)),
    ("scatter", "binomial"): (lambda p, s: up(p), lambda p, s: s * (p - 1)),
    ("send_recv", "shift"): (lambda p, s: 1, lambda p, s: s),
    ("barrier", "dissemination"): (lambda p, s: up(p), lambda p, s: 0),
}
SIZE = 2 * 3 * 5 * 7 * 16 * 16  # a number of chunks for all ranks below, and of pieces


def cost(steps: Iterator[Step], ranks: int) -> tuple[int, NDArray[np.int64]]:
    sent, wired = np.zeros(ranks, np.int64), 0
    for step in steps:
        wire = step.src != step.dst
        np.add.at(sent, step.src[wire], step.size[wire])
        wired += bool(wire.any())
    return wired, sent


@pytest.mark.parametrize("ranks", RANKS[1:])
@pytest.mark.parametrize(("op", "name"), EXACT)
def test_cost_is_what_the_docstring_says(op: str, name: str, ranks: int) -> None:
    steps, sent = cost(schedule(op, ranks, SIZE, name), ranks)
    assert (steps, sent.max()) == tuple(form(ranks, SIZE) for form in EXACT[op, name])


@pytest.mark.parametrize("ranks", RANKS[1:])
def test_cost_of_all_gather_by_recursive_doubling(ranks: int) -> None:
    steps, sent = cost(schedule("all_gather", ranks, SIZE, "recursive_doubling"), ranks)
    assert steps == low(ranks) + 2 * fold(ranks)
    if fold(ranks):
        assert sent.max() < 2.4 * SIZE * ranks
    else:
        assert set(sent) == {SIZE * (ranks - 1)}


def test_recursive_doubling_of_any_number_of_ranks_keeps_its_bound() -> None:
    for ranks in range(2, 130):
        _, sent = cost(schedule("all_gather", ranks, 1, "recursive_doubling"), ranks)
        assert sent.max() < 2.4 * ranks


@pytest.mark.parametrize("ranks", RANKS[1:])
def test_cost_of_gather_by_a_binomial_tree(ranks: int) -> None:
    steps, sent = cost(schedule("gather", ranks, SIZE, "binomial", root=1), ranks)
    assert steps == up(ranks)
    assert sent.max() <= max(SIZE * ranks / 2, SIZE)
    assert sent[1] == 0


def leaving(steps: Iterator[Step], per_node: int, ranks: int) -> NDArray[np.int64]:
    sent = np.zeros(ranks, np.int64)
    for step in steps:
        away = step.src // per_node != step.dst // per_node
        np.add.at(sent, step.src[away], step.size[away])
    return sent


@pytest.mark.parametrize(("ranks", "per_node"), [(8, 4), (16, 4), (15, 5), (16, 8)])
@pytest.mark.parametrize(
    ("op", "steps", "total", "away"),
    [
        ("all_gather", 2, lambda p, m: p - 1, lambda p, m: p / m - 1),
        ("reduce_scatter", 2, lambda p, m: p - 1, lambda p, m: p / m - 1),
        ("all_reduce", 4, lambda p, m: 2 * (p - 1) / p, lambda p, m: 2 * (p / m - 1) / p),
        ("all_to_all", 2, lambda p, m: 2 * p - p / m - m, lambda p, m: p - m),
    ],
)
def test_cost_of_going_by_node(
    op: str, steps: int, total: Cost, away: Cost, ranks: int, per_node: int
) -> None:
    def fresh() -> Iterator[Step]:
        return schedule(op, ranks, SIZE, "hierarchical", ranks_per_node=per_node)

    wired, sent = cost(fresh(), ranks)
    assert wired == steps
    np.testing.assert_allclose(sent, SIZE * total(ranks, per_node))
    np.testing.assert_allclose(leaving(fresh(), per_node, ranks), SIZE * away(ranks, per_node))


def test_cost_of_broadcast_by_node() -> None:
    for ranks, per_node in ((8, 4), (16, 4), (15, 5), (7, 3)):
        nodes = ceil(ranks / per_node)
        steps = list(
            schedule("broadcast", ranks, SIZE, "hierarchical", root=2, ranks_per_node=per_node)
        )
        wired, sent = cost(iter(steps), ranks)
        assert wired == up(nodes) + up(per_node)
        assert sent.max() == sent[2] == SIZE * wired
        assert leaving(iter(steps), per_node, ranks).sum() == SIZE * (nodes - 1)


def test_all_to_all_by_node_has_one_message_for_a_mate_and_one_for_a_node() -> None:
    within, across = (
        step for step in schedule("all_to_all", 12, 5, "hierarchical", ranks_per_node=4)
        if step.label in ("within", "across")
    )  # fmt: skip
    for step, messages in ((within, 3), (across, 2)):
        wire = step.src != step.dst
        assert set(np.bincount(step.src[wire])) == {messages}


def test_every_algorithm_has_its_cost_tested() -> None:
    by_hand = {("all_gather", "recursive_doubling"), ("gather", "binomial")}
    elsewhere = ("hierarchical", *NAMES)  # above, and in test_in_switch.py by what links carry
    tested = {*EXACT, *by_hand} | {case for case in UNIFORM if case[1] in elsewhere}
    assert tested == set(UNIFORM)
