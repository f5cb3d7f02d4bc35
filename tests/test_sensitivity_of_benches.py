"""``--sensitivity`` of each bench: it says what the bench says on a machine that differs."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.contrast import scenes
from bench.sensitivity import CHANGE
from bench.serving import serve
from topology import save, system

STACK = """
format = "triplane-stack 1"
planes = ["ub"]
messages = "cann"
dtype = "int8"
costs = { dispatch = { launch_us = @ }, combine = { launch_us = 20 }, "dispatch:normal" = { \
launch_us = 40 }, "combine:normal" = { launch_us = 20 }, kv_transfer = { launch_us = @ }, \
all_gather = { launch_us = 20 }, all_to_all = { launch_us = 20 } }
"""
BASE = 40.0

KV = ("kv", "--stack", "mine.toml", "--prefill-tp", "2", "--decode-dp", "2", "--requests", "2,4",
      "--tokens", "256", "--system", "supernode:16")  # fmt: skip
AFD = ("afd", "--software", "mine.toml", "--ep", "16", "--shared-ranks", "0", "--slots", "256",
       "--attention-ranks", "8", "--domains", "1", "--tokens", "8", "--way", "direct",
       "--system", "supernode:16")  # fmt: skip
FAULTS = ("faults", "--kind", "l1", "--ranks", "8", "--tokens", "16", "--software", "mine.toml",
          "--system", "supernode:16")  # fmt: skip
ISOLATION = ("isolation", "--ep", "4", "--tokens", "16", "--software", "mine.toml",
             "--system", "supernode:16")  # fmt: skip
POOL = ("pool", "--requests", "4", "--nodes", "2", "--clients", "2", "--planes", "ub",
        "--policy", "lru", "--system", "supernode:16")  # fmt: skip
SERVE = ("serve", "--number", "10", "--prompt", "1024", "--prefill-tokens", "512",
         "--max-batch", "2", "--software", "mine.toml", "--system", "supernode:384")  # fmt: skip


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_launch(BASE)


def with_launch(us: float) -> None:
    """The stack of these tests, with this launch of a dispatch and of a transfer of caches."""
    Path("mine.toml").write_text(STACK.replace("@", f"{us:g}"), "utf-8")


def text(*words: str) -> str:
    found = CliRunner().invoke(main, ["bench", *words])
    assert found.exit_code == 0, found.output
    return found.stdout


def records(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text(*words, "--format", "json"))
    return found


def moved(words: tuple[str, ...], what: str) -> list[dict[str, Any]]:
    """What is said of one number, an answer each."""
    return [one for one in records(*words, "--sensitivity") if one["what"] == what]


def check(
    words: tuple[str, ...], what: str, keys: tuple[str, ...], changed: list[dict[str, Any]]
) -> None:
    """Compare percents with ``changed``: the records where the number is larger by a tenth.

    ``keys``: of the records' quantities that make the answer, added.
    """
    plain, found = records(*words), moved(words, what)
    assert len(found) == len(plain) == len(changed)
    for before, after, said in zip(plain, changed, found, strict=True):
        old, new = (sum(one[key] for key in keys) for one in (before, after))
        assert said["percent_at_plus_10"] == pytest.approx(100 * (new / old - 1), rel=1e-3)
        assert said["percent_at_plus_10"] * said["percent_at_minus_10"] < 0


@pytest.mark.parametrize(
    ("words", "what", "keys"),
    [
        (KV, "kv_transfer.launch", ("time_ms",)),
        (AFD, "dispatch.launch", ("a2e_us", "e2a_us")),
        (FAULTS, "dispatch.launch", ("slowdown_max",)),
    ],
)
def test_a_constant_moves_the_answer_as_a_stack_that_has_it(
    words: tuple[str, ...], what: str, keys: tuple[str, ...]
) -> None:
    with_launch(BASE * (1 + CHANGE))
    changed = records(*words)
    with_launch(BASE)
    check(words, what, keys, changed)


def test_a_constant_moves_only_the_operation_that_has_it() -> None:
    with_launch(BASE * (1 + CHANGE))
    changed = records(*ISOLATION)
    with_launch(BASE)
    plain, found = records(*ISOLATION), moved(ISOLATION, "dispatch.launch")
    assert [one["classes"] for one in found] == ["none", "priority"]
    for before, after, said in zip(plain[:2], changed[:2], found, strict=True):
        percent = 100 * (after["time_us"] / before["time_us"] - 1)
        assert said["percent_at_plus_10"] == pytest.approx(percent, rel=1e-3)
    assert [one["time_us"] for one in plain[2:]] == [one["time_us"] for one in changed[2:]]


def test_links_move_a_pool_as_a_topology_that_has_them() -> None:
    whole = system("supernode:16")
    kinds = np.array(whole.vertex_kinds)
    ends = np.sort(np.array([kinds[whole.link_src], kinds[whole.link_dst]]), axis=0)
    mine = (ends[0] == "die") & (ends[1] == "l1")
    assert mine.any()
    more = np.where(mine, whole.link_bandwidth * (1 + CHANGE), whole.link_bandwidth)
    save(replace(whole, link_bandwidth=more), "more.toml")
    changed = records(*POOL[:-1], "more.toml")
    check(POOL, "ub die-l1 bandwidth", ("get_GBps",), changed)


def test_links_move_a_ratio_as_scenes_that_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("contrast", "--scenes", "buffers")
    with monkeypatch.context() as patched:
        patched.setattr(scenes, "BANDWIDTH", scenes.BANDWIDTH * (1 + CHANGE))
        changed = records(*words)
    plain, found = records(*words), moved(words, "net host-switch bandwidth")
    assert [one["point"] for one in found] == [one["value"] for one in plain]
    for before, after, said in zip(plain, changed, found, strict=True):
        percent = 100 * (after["packet_over_flow"] / before["packet_over_flow"] - 1)
        assert said["percent_at_plus_10"] == pytest.approx(percent, rel=1e-3, abs=1e-4)


def test_a_run_moves_as_with_a_stack_that_has_a_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    with_launch(BASE * (1 + CHANGE))
    (changed,) = records(*SERVE)
    with_launch(BASE)
    (plain,) = records(*SERVE)
    every = serve.numbers
    monkeypatch.setattr(
        serve, "numbers", lambda at: (one for one in every(at) if one.name == "dispatch.launch")
    )
    first, each = records(*SERVE, "--sensitivity")
    assert "tpot_p50_ms" not in first
    assert first["ttft_p50_ms"] == plain["ttft_p50_ms"]
    assert each["tpot_p50_ms"] == plain["tpot_p50_ms"]
    percent = 100 * (changed["tpot_p50_ms"] / plain["tpot_p50_ms"] - 1)
    assert percent > 1
    assert each["percent_at_plus_10"] == pytest.approx(percent)
    assert abs(first["percent_at_plus_10"]) < percent  # prefill has constants of its own


def test_a_run_is_moved_by_all_that_serves_it() -> None:
    words = {
        one.name for one in serve.numbers(
            serve.setting(serve.AskedInstance(), serve.AskedServing(pool="ub", number=2),
                          serve.MachineSpec())
        )
    }  # fmt: skip
    assert {
        "dispatch.launch", "dispatch:normal.per_peer", "kv_transfer.efficiency.rdma",
        "read:cpu.launch", "write:cpu.launch", "ub die-l1 bandwidth", "rdma die-rdma-leaf latency",
        "memory_bandwidth", "decode imbalance", "prefill imbalance",
    } <= words  # fmt: skip


def test_tables_and_csv_say_it_too() -> None:
    said = text(*KV, "--sensitivity")
    assert "# kv_transfer, 256 tokens, 2 requests, over rdma: " in said
    assert said.count(" us moves with\n") == 2
    assert "worst l1 failure node0.l1.0: slowdown max " in text(*FAULTS, "--sensitivity")
    rows = [*csv.DictReader(text(*KV, "--sensitivity", "--format", "csv").splitlines())]
    assert {row["requests"] for row in rows} == {"2", "4"}
    assert {row["what"] for row in rows} >= {"kv_transfer.launch", "rdma die-rdma-leaf bandwidth"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pool", "--published"), "it does not go with --published"),
        ((*POOL, "--requests", "1"), "no request found a block in the pool"),
        (("faults", "--kind", "l1", "--ranks", "32", "--system", "supernode:16", "--kind", "node"),
         "of the worst failure after which the workload runs: of 2 of kind node there is none"),
    ],
)  # fmt: skip
def test_what_does_not_move_is_refused(words: tuple[str, ...], said: str) -> None:
    found = CliRunner().invoke(main, ["bench", *words, "--sensitivity"])
    assert found.exit_code != 0
    assert said in " ".join(found.output.split()) or said in str(found.exception)


def test_the_hops_of_a_trampoline_are_among_what_matters() -> None:
    """A2E and E2A each wait for the launch of one write."""
    (launch,) = (
        one for one in records(*AFD, "--way", "trampoline", "--sensitivity")
        if one["what"] == "write.launch"
    )  # fmt: skip
    moved = 100 * CHANGE * 2 * launch["value"] / launch["time_us"]
    assert launch["percent_at_plus_10"] == pytest.approx(moved, rel=1e-3)
    assert not [one for one in records(*AFD, "--sensitivity") if one["what"].startswith("write")]


@pytest.mark.parametrize(
    "words", [KV, AFD, FAULTS, ISOLATION, POOL, (*SERVE, "--system", "cloudmatrix384")]
)
def test_every_answer_says_how_far_to_trust_it(words: tuple[str, ...]) -> None:
    assert all(one["calibration"] for one in records(*words) if one.get("kind") != "all")
