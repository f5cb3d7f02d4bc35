import gc
import json
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cases import moe
from bench.cli import bench
from bench.moe import measure
from bench.published.case import draws
from bench.published.predict import predict
from bench.published.rows import PublishedRow, read
from fabric.endpoint.records import stacks
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.units import GB


def printed(*arguments: str) -> str:
    run = CliRunner().invoke(bench, ["moe", *arguments])
    assert run.exit_code == 0, run.stderr
    return run.stdout


def refused(*arguments: str) -> str:
    run = CliRunner().invoke(bench, ["moe", *arguments])
    assert run.exit_code == 2
    assert "Traceback" not in run.stderr
    (line,) = run.stderr.splitlines()
    return line


def test_records_carry_units_and_the_published_value():
    (dispatch, combine) = json.loads(printed("--ep", "8", "--format", "json"))
    assert (dispatch["op"], combine["op"]) == ("dispatch", "combine")
    assert dispatch["published_us"] == 116
    assert dispatch["error_percent"] == pytest.approx(100 * (dispatch["time_us"] / 116 - 1))
    assert dispatch["bound_us"] <= dispatch["time_us"] * (1 + 1e-9)
    assert dispatch["size_bytes"] == 7680
    assert combine["size_bytes"] == 14336


def test_a_process_that_asks_for_many_routings_remembers_few() -> None:
    """A worker of a sweep of thousands of points would else hold them all."""
    asked = [weakref.ref(moe._routing("uniform", 2, tokens, 2, 4, 1, 0)) for tokens in range(1, 41)]
    gc.collect()
    assert sum(one() is not None for one in asked) == moe.KEPT


def test_bandwidth_is_a_ranks_selections_over_the_time():
    (row, _) = json.loads(printed("--ep", "16", "--format", "json"))
    assert row["bandwidth_GBps"] == pytest.approx(128 * 8 * 7680 / row["time_us"] / 1e3)


ASKED = {
    (row.software, row.system, row.op): row
    for row in read() if row.op in moe.OPERATIONS and row.mode == "low-latency" and row.tokens
    and (row.ranks or 99) <= 32 and row.experts == 256 and row.top_k == 8
    and row.dispatch_dtype == moe.dtype_of(row.software) and row.system != "mi300x-cx7"
    and not stacks()[row.software].not_modelled
}  # fmt: skip


@pytest.mark.parametrize("row", ASKED.values(), ids=lambda row: row.id)
def test_an_answer_is_what_validate_says_of_the_same_question(row: PublishedRow) -> None:
    """The same model by the other door: one row of each stack, system and operation."""
    machine = MachineSpec(row.system, row.software)
    fabric, software, _ = measure.prepared(machine, "low-latency")
    work = moe.Experts(
        row.op, "low-latency", row.ranks or 0, row.tokens or 0, row.hidden or 0, 8, 256,
        moe.dtype_of(software),
    )  # fmt: skip
    seeds = range(draws(work.ranks * work.tokens * work.top_k))
    times = [measure.simulate(replace(work, seed=seed), fabric).duration for seed in seeds]
    assert sum(times) / len(times) == pytest.approx(predict(row).time, rel=1e-6)


@pytest.mark.parametrize("system", ["cloudmatrix384", "h800", "star:32"])
@pytest.mark.parametrize("mode", moe.MODES)
def test_every_mode_runs_on_every_kind_of_system(system: str, mode: str):
    rows = json.loads(
        printed("--ep", "32", "--tokens", "64", "--system", system, "--mode", mode,
                "--format", "json")
    )  # fmt: skip
    for row in rows:
        assert 0 < row["bound_us"] <= row["time_us"] * (1 + 1e-9)


def test_raw_dispatch_is_the_fullest_port():
    fabric, _, _ = measure.prepared(MachineSpec(system="star:16", software="raw"), "low-latency")
    work = moe.Experts("dispatch", "low-latency", 16, tokens=32, experts=64)
    counts = work.routing().counts * work.message_size("raw")
    np.fill_diagonal(counts, 0)
    wire = max(counts.sum(0).max(), counts.sum(1).max()) / (196 * GB)
    flags = 3 * 4 * 4 * 16 / (196 * GB)
    duration = measure.simulate(work, fabric).duration
    assert wire + 1e-6 <= duration <= wire + 2e-6 + flags + 1e-9


def test_hot_experts_take_longer_and_dead_switches_too():
    plain, hot, hurt = (
        json.loads(printed("--ep", "64", "--software", "raw", "--format", "json", *more))[0]
        for more in ([], ["--skew", "zipf:1.1"], ["--without", "l2.3.*"])
    )
    assert hot["time_us"] > 1.5 * plain["time_us"]
    assert hurt["time_us"] > 1.1 * plain["time_us"]


def test_normal_mode_has_two_levels_only_between_nodes_with_a_network_of_their_own():
    h800, _, _ = measure.prepared(MachineSpec(system="h800"), "normal")
    cloudmatrix, _, _ = measure.prepared(MachineSpec(), "normal")
    work = moe.Experts("dispatch", "normal", 16)
    assert measure.nodes_of(replace(work, ranks=8), h800) is None
    assert measure.nodes_of(work, h800) == 8
    assert measure.nodes_of(replace(work, ranks=64), cloudmatrix) is None


def test_table_plot_and_trace(tmp_path: Path):
    plot, trace = tmp_path / "moe.png", tmp_path / "moe.json"
    text = printed("--ep", "8,16", "--plot", str(plot), "--trace", str(trace))
    assert text.startswith("# MoE low-latency on cloudmatrix384 with cann-ep")
    *rows, last, _, _ = text.splitlines()[2:]
    assert [line.split()[:2] for line in rows] == [
        [ranks, op] for ranks in ("8", "16") for op in ("dispatch", "combine")
    ]
    assert last == "# published next to EP16: EP8, dispatch 116 us, combine 118 us"
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert json.loads(trace.read_text())["traceEvents"]


@pytest.mark.parametrize(
    "arguments",
    [["--ep", "8,32"], ["--ep", "16", "--skew", "zipf:1"], ["--ep", "16", "--top-k", "4"]],
)
def test_nothing_is_said_of_other_sizes_where_it_says_nothing(arguments: list[str]):
    assert "published next" not in printed(*arguments)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--ep", "999"], "999"),
        (["--ep", "8,x"], "'x'"),
        (["--ep", "0"], "'0'"),
        (["--top-k", "300"], "300"),
        (["--tokens", "0"], "'0'"),
        (["--tokens", "1,,8"], "'' is no number of tokens from 1 to"),
        (["--tokens", "64..8"], "'64..8' goes down"),
        (["--ep", "8..x"], "'8..x' is no number of ranks"),
        (["--hidden", str(10**18)], str(10**18)),
        (["--skew", "zopf:1"], "zopf"),
        (["--system", "nosuch"], "nosuch"),
        (["--software", "nosuch"], "nosuch"),
        (["--engine", "nosuch"], "nosuch"),
        (["--planes", "nosuch"], "nosuch"),
        (["--without", "nosuch"], "nosuch"),
    ],
)
def test_wrong_input_is_one_line_that_names_it(arguments: list[str], named: str):
    assert named in refused(*arguments)


@pytest.mark.parametrize("expert", [-2, 999])
def test_a_token_routed_to_no_expert_is_named(tmp_path: Path, expert: int):
    table = np.zeros((8, 2, 1), np.int64)
    table[3, 1, 0] = expert
    np.save(tmp_path / "routing.npy", table)
    line = refused("--ep", "8", "--skew", f"file:{tmp_path / 'routing.npy'}")
    assert str(expert) in line
    assert "rank 3" in line


def test_too_many_selections_are_refused():
    fabric, _, _ = measure.prepared(MachineSpec(software="raw"), "low-latency")
    with pytest.raises(TriplaneError, match="selections"):
        measure.simulate(moe.Experts("dispatch", "low-latency", 768, tokens=1 << 20), fabric)


def test_a_file_brings_its_own_tokens_ranks_and_experts(tmp_path: Path):
    path = tmp_path / "routing.json"
    path.write_text('{"experts": 4, "topk_idx": [[[0, 1], [2, 3]], [[1, 2]]]}')
    skew = ("--skew", f"file:{path}", "--software", "raw", "--hidden", "64")
    text = printed(*skew, "--mode", "normal")
    assert ": 1 to 2 tokens a rank, hidden 64, top-2, routing file:" in text
    assert "(4 experts)" in text
    told = {}
    for transport in ("sim", "inproc"):
        (row, _) = json.loads(printed(*skew, "--transport", transport, "--format", "json"))
        told[transport] = [row[key] for key in ("ranks", "tokens", "top_k", "experts")]
    assert told["sim"] == told["inproc"] == [2, 1.5, 2, 4]
    assert row["tokens_checked"] == 3
    assert row["wrong_tokens"] == 0
    for more, fault in [
        (("--ep", "2,4"), "--ep asks for 2, 4, and the routing in"),
        (("--tokens", "2"), "has 1, 2: leave --tokens out"),
        (("--top-k", "8"), "--top-k asks for 8, and the routing"),
        (("--experts", "8"), "is of 4 experts, not of 8"),
        (("--seed", "0"), "--seed decides nothing where"),
    ]:
        assert fault in refused(*skew, *more)
    path.write_text("[[[0, 1]], [[1, 2]]]")
    same = ("--ep", "2", "--tokens", "1", "--top-k", "2", "--format", "json")
    assert json.loads(printed(*skew, *same))[0]["experts"] == 256


def test_tokens_are_a_sweep_too(tmp_path: Path):
    same = ("--ep", "8,16", "--software", "raw", "--hidden", "64", "--format", "json")
    rows = json.loads(printed("--tokens", "1..5,3", *same))
    asked = [(row["ranks"], row["tokens"]) for row in rows[::2]]
    assert asked == [(ranks, tokens) for ranks in (8, 16) for tokens in (1, 2, 4, 3)]
    alone = json.loads(printed("--tokens", "4", *same))
    assert [row["time_us"] for row in rows if row["tokens"] == 4] == [
        row["time_us"] for row in alone
    ]
    plot = tmp_path / "tokens.svg"
    text = printed("--ep", "8", "--tokens", "1,128", "--plot", str(plot))
    assert ": 1,128 tokens a rank, hidden" in text
    assert text.splitlines()[1].split()[:3] == ["EP", "tokens", "op"]
    said = plot.read_text()
    assert "tokens of a rank" in said
    assert "published" in said


def test_published_rows_of_several_sizes_are_drawn(tmp_path: Path):
    tokens, ranks = tmp_path / "tokens.svg", tmp_path / "ranks.svg"
    printed("--ep", "8,16", "--tokens", "64,128", "--plot", str(tokens))
    assert "cann-ep, EP16" in tokens.read_text()
    printed("--ep", "16,32", "--mode", "normal", "--system", "h800:4", "--plot", str(ranks))
    assert "EP size (ranks)" in ranks.read_text()
