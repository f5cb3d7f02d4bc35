"""The routing table, its counts against plain loops, and the tables made up or read."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.moe import (
    BLOCK_FP8,
    FormatError,
    Routing,
    RoutingError,
    combine_size,
    dispatch_size,
    from_file,
    node_limited,
    oracle,
    parse_skew,
    uniform,
    zipf,
)
from collectives.moe.schedules import low_latency, normal


@st.composite
def routings(draw, ranks=(1, 2, 3, 5, 8, 16)):
    """Any sound routing: uneven tokens, masked choices, experts fewer or more than ranks."""
    count = draw(st.sampled_from(ranks))
    experts = draw(st.integers(1, 3 * count + 2))
    top_k = draw(st.integers(1, min(8, experts)))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    tables = []
    for tokens in draw(st.lists(st.integers(0, 6), min_size=count, max_size=count)):
        keys = rng.random((tokens, experts))
        table = np.argsort(keys, axis=1)[:, :top_k]
        tables.append(np.where(rng.random(table.shape) < 0.2, -1, table))
    return Routing(tables, experts)


@settings(max_examples=80, deadline=None)
@given(routings())
def test_counts_are_what_loops_count(routing):
    ranks = range(routing.ranks)
    host = [oracle.host(routing, expert) for expert in range(routing.experts)]
    assert routing.expert_rank.tolist() == host
    assert routing.local_experts.tolist() == [host.count(rank) for rank in ranks]
    for src, expert in itertools.product(ranks, range(routing.experts)):
        assert routing.expert_counts[src, expert] == len(oracle.chosen(routing, src, expert))
    for dst in ranks:
        got = [src for src, _ in oracle.received(routing, dst)]
        assert routing.rank_counts[:, dst].tolist() == [got.count(src) for src in ranks]
    assert routing.counts.sum() == sum((table != -1).sum() for table in routing.topk_idx)
    assert (routing.rank_counts <= routing.counts).all()


@settings(max_examples=40, deadline=None)
@given(routings(ranks=(2, 8, 16)), st.sampled_from([1, 2]))
def test_a_node_needs_a_token_once(routing, width):
    counts = routing.node_counts(width)
    for node in range(routing.ranks // width):
        got = [src for src, _ in oracle.received(routing, node, width)]
        assert counts[:, node].tolist() == [got.count(src) for src in range(routing.ranks)]


def test_selections_are_in_order_and_number_the_tokens_of_an_expert():
    chosen = Routing([[[0, 2], [2, -1]], [[2, 0]]], 3).selections
    assert chosen.src.tolist() == [0, 0, 0, 1, 1]
    assert chosen.token.tolist() == [0, 0, 1, 0, 0]
    assert chosen.slot.tolist() == [0, 1, 0, 0, 1]
    assert chosen.expert.tolist() == [0, 2, 2, 2, 0]
    assert chosen.dst.tolist() == [0, 1, 1, 1, 0]
    assert chosen.position.tolist() == [0, 0, 1, 0, 0]


def test_the_table_is_copied_and_cannot_be_written():
    table = np.array([[[0, 1]]])
    routing = Routing(table, 2)
    table[:] = 0
    assert routing.topk_idx[0].tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="read-only"):
        routing.topk_idx[0][:] = 0


def test_fewer_experts_than_ranks_leave_the_last_ranks_without():
    routing = uniform(5, 4, 2, 3)
    assert routing.expert_rank.tolist() == [0, 1, 2]
    assert routing.local_experts.tolist() == [1, 1, 1, 0, 0]
    assert routing.rank_counts[:, 3:].sum() == 0


@pytest.mark.parametrize(
    ("table", "experts", "message"),
    [
        ([[[0, 1]], [[0, 1], [1, 4]]], 4, "rank 1 token 1 slot 1 chooses expert 4; experts are"),
        ([[[-2, 1]]], 4, "rank 0 token 0 slot 0 chooses expert -2"),
        ([[], [[3, 0], [2, 2]]], 4, r"rank 1 token 1 chooses expert 2 in slots \[0, 1\]"),
        ([[[0, 1, 2]]], 2, "top_k is 3 of 2 experts; it has to be 1 to 2"),
        ([[[0]], [[0, 1]]], 2, "one top_k on all ranks"),
        ([[0, 1]], 2, "one top_k on all ranks"),
        ([], 2, "one top_k on all ranks"),
        ([[[0.5, 1.0]]], 2, "have to be integers"),
        ([[[0, 1], [0]]], 2, "are not a table"),
        ([np.empty((0, 0), int)], 2, "top_k is 0"),
    ],
)  # fmt: skip
def test_an_unsound_table_is_refused_by_name(table, experts, message):
    with pytest.raises(RoutingError, match=message):
        Routing(table, experts)


def test_masked_choices_may_repeat():
    assert Routing([[[-1, -1, 0]]], 4).counts.tolist() == [[1]]


GENERATORS = [
    lambda *a, **k: uniform(*a, **k),
    lambda *a, **k: zipf(*a, exponent=1.1, **k),
    lambda *a, **k: node_limited(*a, groups=4, top_groups=2, **k),
]


@pytest.mark.parametrize("make", GENERATORS)
def test_generators_repeat_with_the_seed(make):
    one, same, other = (make(4, [3, 0, 5, 8], 3, 16, seed=seed) for seed in (7, 7, 8))
    assert (one.flat == same.flat).all()
    assert (one.flat != other.flat).any()
    assert one.tokens.tolist() == [3, 0, 5, 8]
    assert (one.flat >= 0).all()


@pytest.mark.parametrize("make", [uniform, lambda *a: zipf(*a, exponent=2.5)])
def test_all_experts_can_be_chosen(make):
    routing = make(1, 50, 6, 6)
    assert (np.sort(routing.flat, axis=1) == np.arange(6)).all()


def test_uniform_makes_each_set_equally_likely():
    routing = uniform(1, 60_000, 2, 4)
    sets = np.sort(routing.flat, axis=1) @ [4, 1]
    counts = np.unique(sets, return_counts=True)[1]
    assert len(counts) == 6
    assert abs(counts - 10_000).max() < 500


def test_zipf_draws_as_without_replacement_from_its_weights():
    flat = zipf(1, 100_000, 2, 4, seed=3, exponent=1.0).flat
    popular = np.argsort(-np.bincount(flat[:, 0]))
    weights = np.array([12, 6, 4, 3]) / 25
    place = np.argsort(popular)[flat]
    for first, second in itertools.permutations(range(4), 2):
        share = ((place == [first, second]).all(axis=1)).mean()
        expected = weights[first] * weights[second] / (1 - weights[first])
        assert share == pytest.approx(expected, abs=0.006)


def test_zipf_of_zero_is_flat_and_of_much_is_not_stuck():
    flat = np.bincount(zipf(1, 20_000, 2, 8, exponent=0.0).flat.ravel())
    assert abs(flat - 5000).max() < 300
    hot = np.bincount(zipf(1, 1000, 8, 64, exponent=40.0).flat.ravel(), minlength=64)
    assert hot.max() == 1000


def test_node_limited_stays_within_its_groups():
    flat = node_limited(2, 500, 8, 250, groups=8, top_groups=4).flat
    edges = np.cumsum([32, 32, 31, 31, 31, 31, 31])
    groups = [set(np.searchsorted(edges, row, side="right").tolist()) for row in flat]
    assert max(map(len, groups)) == 4
    assert set().union(*groups) == set(range(8))


def test_node_limited_is_the_gate_of_deepeps_benchmark():
    # The scores themselves, as tests/test_internode.py draws them.
    scores = np.random.default_rng(0).random((20_000, 64))
    best = scores.reshape(-1, 8, 8).max(axis=2)
    allowed = best >= np.sort(best, axis=1)[:, -4, None]
    top = np.argsort(np.where(np.repeat(allowed, 8, axis=1), scores, 0))[:, -8:]
    theirs = np.mean([len(set(row)) for row in (top // 8).tolist()])
    ours = node_limited(8, 2500, 8, 64).node_counts(1).sum() / 20_000
    assert ours == pytest.approx(theirs, abs=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: uniform(2, 3, 5, 4), "top_k is 5 of 4 experts"),
        (lambda: uniform(2, 3, 1, -4), "experts is -4; it has to be an integer"),
        (lambda: uniform(2, 3, 1, 4.0), "experts is 4.0"),
        (lambda: uniform(2.0, 3, 1, 4), "ranks is 2.0"),
        (lambda: uniform(2, 3, "1", 4), "top_k is '1'"),
        (lambda: uniform(2, 3.5, 1, 4), "3.5 tokens on 2 ranks"),
        (lambda: uniform(2, [3], 1, 4), "tokens on 2 ranks: one number, or one for each"),
        (lambda: uniform(2, np.ones((2, 1), int), 1, 4), "tokens on 2 ranks"),
        (lambda: uniform(2, 10**12, 1, 4), "tokens on 2 ranks"),
        (lambda: uniform(2, 3, 1, 4, seed=-1), "seed is -1"),
        (lambda: zipf(1, 1, 1, 4, exponent="1"), "exponent of zipf is '1'"),
        (lambda: node_limited(1, 1, 1, 4, groups=2.0), "groups is 2.0"),
        (lambda: Routing([[[0]]], 2.0), "experts is 2.0"),
        (lambda: Routing([np.array([[2**64 - 1]], np.uint64)], 2), "which is no expert"),
        (lambda: Routing([[[True]]], 2), "choices of rank 0 are bool"),
        (lambda: Routing(5, 2), "not a table"),
        (lambda: uniform(6, 1, 1, 6).node_counts(2.0), "ranks_per_node is 2.0"),
        (lambda: low_latency.dispatch(uniform(2, 1, 1, 2), 8.5), "message of 8.5 bytes"),
        (lambda: low_latency.dispatch(uniform(2, 1, 1, 2), 8, max_tokens=1.5), "max_tokens is 1.5"),
        (lambda: low_latency.combine(uniform(2, 1, 1, 2), 8, flag_size=-4), "flag_size is -4"),
        (lambda: normal.dispatch(uniform(2, 1, 1, 2), 8, ranks_per_node=1, chunks=1.5), "chunks"),
        (lambda: uniform(2, [1, 2, 3], 1, 4), "on 2 ranks"),
        (lambda: uniform(2, -1, 1, 4), "-1 tokens"),
        (lambda: uniform(0, 1, 1, 4), "0 ranks"),
        (lambda: zipf(1, 1, 1, 4, exponent=-1.0), "exponent of zipf is -1"),
        (lambda: zipf(1, 1, 1, 4, exponent=float("nan")), "exponent of zipf is nan"),
        (lambda: node_limited(1, 1, 1, 4, groups=5), "groups of 4 experts"),
        (lambda: node_limited(1, 1, 5, 16, groups=4, top_groups=1), "may have only 4"),
        (lambda: uniform(6, 1, 1, 6).node_counts(4), "fill nodes of 1, 2, 3, 6"),
        (lambda: parse_skew("zipf", 1, 1, 1, 4), "unknown skew 'zipf'"),
        (lambda: parse_skew("zipf:hot", 1, 1, 1, 4), "no number in skew 'zipf:hot'"),
        (lambda: parse_skew("uniform:3", 1, 1, 1, 4), "known: uniform, zipf:EXPONENT"),
        (lambda: parse_skew("node-limited:9", 1, 1, 1, 16), "9 of 8 groups"),
        (lambda: parse_skew("file:nowhere.npy", 1, 1, 1, 4), "cannot read a routing from nowhere"),
        (lambda: from_file("table.txt", 4), "can from .npy, .npz, .json, .csv, .safetensors, .pt"),
    ],
)
def test_what_cannot_be_made_is_refused(call, message):
    with pytest.raises(RoutingError, match=message):
        call()


def test_parse_skew_names_the_generators():
    what = (4, 8, 2, 32)
    assert (parse_skew("uniform", *what, seed=5).flat == uniform(*what, seed=5).flat).all()
    assert (parse_skew("zipf:1.1", *what).flat == zipf(*what, exponent=1.1).flat).all()
    two = node_limited(*what, groups=8, top_groups=2)
    assert (parse_skew("node-limited:2", *what, groups=8).flat == two.flat).all()
    assert (parse_skew("node-limited", *what).flat == node_limited(*what).flat).all()


def test_files_give_back_what_was_written(tmp_path):
    table = uniform(3, 4, 2, 9).flat.reshape(3, 4, 2)
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", topk_idx=table, experts=9)
    told = {"experts": 9, "topk_idx": table.tolist()}
    (tmp_path / "a.json").write_text(json.dumps(told))
    lines = [f"{rank},{row[0]},{row[1]}" for rank in range(3) for row in table[rank].tolist()]
    (tmp_path / "a.csv").write_text("\n".join(["rank,first,second", "# by hand", *lines]))
    for name in ("a.npy", "a.npz", "a.json", "a.csv"):
        assert (from_file(tmp_path / name, 9).flat == table.reshape(-1, 2)).all()
    assert parse_skew(f"file:{tmp_path / 'a.npz'}", 3, 1, 1, 9).top_k == 2


def test_a_rank_without_tokens_can_be_written(tmp_path):
    (tmp_path / "a.json").write_text('{"experts": 4, "topk_idx": [[[0, 3]], [], [[1, -1]]]}')
    (tmp_path / "a.csv").write_text("0,0,3\n2,1,-1\n")
    for name in ("a.json", "a.csv"):
        assert from_file(tmp_path / name, 4).tokens.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("name", "text", "experts", "message"),
    [
        ("a.json", "[[[0, 1]]]", None, "does not tell how many experts"),
        ("a.json", '{"experts": 8, "topk_idx": [[[0, 1]]]}', 4, "is of 8 experts, not of 4"),
        ("a.json", '{"topk": []}', 4, "topk_idx"),
        ("a.json", "[[[0, 9]]]", 4, "a.json: rank 0 token 0 slot 1 chooses expert 9"),
        ("a.json", "7", 4, "a.json"),
        ("a.csv", "0,1,2\n1,0\n", 4, "cannot read a routing"),
        ("a.csv", "", 4, "every line has to be a rank"),
        ("a.npy", "not numpy", 4, "cannot read a routing"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, name, text, experts, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(RoutingError, match=message):
        from_file(tmp_path / name, experts)


def test_a_file_of_other_ranks_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 1, 1), int))
    with pytest.raises(RoutingError, match="is of 2 ranks, not of 3"):
        parse_skew(f"file:{tmp_path / 'a.npy'}", 3, 1, 1, 4)


@pytest.mark.parametrize(
    ("software", "dtype", "mode", "size"),
    [
        ("cann-ep", "int8", "low-latency", 7680),
        ("sgl-kernel-npu", "int8", "normal", 7680),
        ("deepep-v1", "fp8", "low-latency", 7408),
        ("deepep-2025-02", "bf16", "low-latency", 14352),
        ("deepep-v1", "fp8", "normal", 7392),
        ("cann-ep", "bf16", "low-latency", 14336),
        ("raw", "bf16", "low-latency", 14336),
    ],
)
def test_messages_weigh_what_their_software_says(software, dtype, mode, size):
    assert dispatch_size(7168, software, dtype, mode) == size


def test_results_weigh_14_kib_and_odd_formats_are_refused():
    assert combine_size(7168) == 14 * 1024
    with pytest.raises(FormatError, match="multiple of 128"):
        BLOCK_FP8.size(100)
    with pytest.raises(FormatError, match="cann-ep does not dispatch 'fp8'; it does int8, bf16"):
        dispatch_size(7168, "cann-ep", "fp8")
    with pytest.raises(FormatError, match="no message format of 'nccl'"):
        dispatch_size(7168, "nccl", "fp8")


CSV = "rank,e0,e1\n0,0,1\n0,2,3\n1,1,-1\n"


@pytest.mark.parametrize(
    "data",
    [
        CSV.encode(),
        CSV.replace(",", ";").encode(),
        CSV.replace(",", "\t").replace("rank", "Rank").encode(),
        b"\xef\xbb\xbf# by hand\r\n" + CSV.replace("\n", "\r\n").replace(",", " , ").encode(),
        CSV.replace("\n", "\r").replace("rank", '"RANK_ID"').encode(),
    ],
)
def test_a_table_is_read_however_it_is_written(tmp_path, data):
    (tmp_path / "a.csv").write_bytes(data)
    found = from_file(tmp_path / "a.csv", 4)
    assert [rank.tolist() for rank in found.topk_idx] == [[[0, 1], [2, 3]], [[1, -1]]]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("2,3", "2.0,3", "line 3, column 2: '2.0' is no expert: a whole number from 0 to 3 or -1"),
        ("2,3", "2,4", "line 3, column 3: '4' is no expert"),
        ("2,3", "2,2", "line 3, column 3: expert 2 comes twice"),
        ("2,3", "2", "line 3 has 2 cells: 3 cells, as before, are expected"),
        ("1,1", "-1,1", "line 4, column 1: '-1' is no rank"),
        ("1,1", "9999999,1", "line 4, column 1: '9999999' is no rank"),
        ("e0,e1", "token,e0", "line 1, column 2: 'token' is no column of a routing"),
        ("2,3", '"2,3', "line 3: quotes are not closed"),
        ("2,3", "2," + "3" * 70000, "line 3: a cell has 70000 characters"),
        (CSV, "", "it has no token: every line has to be a rank"),
        (CSV, "rank,e0\n", "it has no token"),
    ],
)
def test_a_fault_of_a_table_has_its_place(tmp_path, old, new, fault):
    (tmp_path / "a.csv").write_text(CSV.replace(old, new))
    with pytest.raises(RoutingError, match=f"a.csv: {fault}"):
        from_file(tmp_path / "a.csv", 4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"experts": "4", "topk_idx": [[[0]]]}', "experts is '4'; a whole number of 1 or more"),
        ('{"experts": 1e3, "topk_idx": [[[0]]]}', "experts is 1000.0; a whole"),
        ('{"topk_idx": [[[0, 1]], [[2, true]]]}', r"topk_idx\[1\]\[0\]\[1\] is true; an expert"),
        ('{"topk_idx": [[[0, 1]], [[2]]]}', r"topk_idx\[1\]\[0\] has 1 experts, and others 2"),
        ('{"topk_idx": [[[0, 1]], 7]}', r"topk_idx\[1\] is 7; a list of tokens is"),
        ('{"topk_idx": [[[0]]], "top_k": 2}', "top_k is 2, and topk_idx has 1"),
        ('{"topk_idx": [[[0]]], "tokens": [2]}', r"tokens is \[2\], and topk_idx has \[1\]"),
        ('{"topk_idx": [[[0]]], "expert": 4}', "it has 'expert'; known are topk_idx, experts"),
        ("[[], []]", "it has no token that chooses an expert"),
        ("[" * 90, "line 1, column 65: more than 64 lists"),
        (
            "[[[0]\n x",
            "line 2, column 2: ',' or the end of the list or object is expected, not 'x'",
        ),
    ],
)
def test_a_fault_of_json_has_its_place(tmp_path, text, fault):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RoutingError, match=f"a.json: {fault}"):
        from_file(tmp_path / "a.json", 4)


def test_arrays_that_are_no_routing(tmp_path):
    table = np.zeros((2, 1, 1), np.int64)
    for arrays, fault in [
        ({"topk_idx": table, "experts": [4, 4]}, r"experts is int64\[2\]; one whole number"),
        ({"topk_idx": table, "experts": 4.0}, r"experts is float64\[\]; one whole number"),
        ({"topk_idx": table.astype(float)}, r"topk_idx is float64\[2, 1, 1\]; integers"),
        ({"topk_idx": table, "weights": table}, "it has 'weights'; known are"),
        ({"topk_idx": table, "ranks": 3}, "ranks is 3, and topk_idx has 2"),
        ({"experts": 4}, "it has no topk_idx; it has experts"),
        ({"topk_idx": table.astype(np.uint64) - 1}, "18446744073709551615, which is no expert"),
    ]:
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(RoutingError, match=rf"a\.npz: .*{fault}"):
            from_file(tmp_path / "a.npz", 4)
    np.savez(tmp_path / "a.npz", topk_idx=table, experts=1 << 20)
    assert from_file(tmp_path / "a.npz").experts == 1 << 20
    np.savez(tmp_path / "a.npz", topk_idx=np.zeros((300, 1, 1), np.int64), experts=1 << 20)
    with pytest.raises(RoutingError, match="300 ranks and 1048576 experts, more than"):
        from_file(tmp_path / "a.npz")
