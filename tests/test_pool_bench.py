"""``triplane bench pool``: its records, what it refuses, and published figures."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bench.pool.published import TOLERANCE, hit_rate, notes
from tests.support.commands import refused, run

SMALL = ("bench", "pool", "--requests", "30", "--nodes", "2", "--clients", "4", "--rate", "50")


def answers(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*SMALL, *arguments, "--format", "json"))
    return found


def test_there_is_a_record_for_each_plane_and_policy() -> None:
    rows = answers()
    assert [(row["plane"], row["policy"]) for row in rows] == [
        ("ub", "lru"), ("ub", "lfu"), ("vpc", "lru"), ("vpc", "lfu"),
    ]  # fmt: skip
    for row in rows:
        assert row["requests"] == 30
        assert 0 < row["token_hit_percent"] < 100
        assert row["get_p50_us"] <= row["get_p90_us"] <= row["get_p99_us"]
        assert row["machine"]["system"] == "cloudmatrix384"
    ub, vpc = rows[0], rows[2]
    assert ub["get_p99_us"] < vpc["get_p99_us"]
    table = run(*SMALL, "--planes", "ub", "--policy", "lru").splitlines()
    assert table[0].startswith("# cloudmatrix384: 30 requests of generated chats")
    assert len([line for line in table if not line.startswith("#")]) == 2
    text = run(*SMALL, "--planes", "vpc", "--policy", "lru", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["get_p50_us"]) == vpc["get_p50_us"]


def test_requests_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(
        "".join(
            json.dumps({"timestamp": 1000 * at, "input_length": 1030, "output_length": 1,
                        "hash_ids": [0, 1, 99]}) + "\n"
            for at in range(3)
        )
    )  # fmt: skip
    rows = answers("--requests-file", str(path), "--faster", "10")
    assert {(row["requests"], row["blocks"], row["hits_dram"]) for row in rows} == {(3, 6, 4)}
    assert rows[0]["span_s"] == pytest.approx(0.2, abs=0.01)


def test_what_cannot_be_is_refused_in_a_line() -> None:
    for arguments, said in (
        (("--planes", "rdma"), "no pool over plane 'rdma'"),
        (("--policy", "fifo"), "no eviction policy 'fifo'"),
        (("--policy", "lru,"), "has an empty name"),
        (("--dram", "1M"), "less than a block"),
        (("--block", "64"), "blocks of 64 tokens; a context cache has 128 to 512"),
        (("--turns", "0.5"), "turns is 0.5"),
        (("--clients", "99"), "99 clients"),
        (("--system", "dgx_h800"), "has no plane ub"),
        (("--requests-file", "/no/such/file"), "cannot be read"),
    ):
        assert said in refused(*SMALL, *arguments)


MISSED = {
    "throughput at 90% reuse over none", "TTFT at 50% reuse", "TTFT at 90% reuse",
    "cold start, no cache", "cold start, DRAM of each instance",
}  # fmt: skip
"""What does not follow from the machine's figures; each record says why."""


def test_published_figures_follow_within_15_percent_or_say_why_not() -> None:
    rows = json.loads(run("bench", "pool", "--published", "--format", "json"))
    assert len(rows) == 17
    assert {row["figure"] for row in rows if row["reason"]} == MISSED
    for row in rows:
        assert (abs(float(row["error_percent"] or 0)) <= TOLERANCE) == (row["reason"] is None)
    by = {row["figure"]: row["predicted"] for row in rows}
    assert by["throughput of UB over VPC, at most"] == pytest.approx(1.52, rel=0.15)
    assert by["cold start, pool"] == pytest.approx(671 / 2.5 + 671 / 149, rel=1e-3)
    below = [*notes(rows)]
    assert len(below) == 4
    assert below[2].startswith("context: 3 beyond 15%: the paper's own figures leave a third")


def test_a_cache_of_one_model_of_eight_hits_an_eighth() -> None:
    assert hit_rate(1, seed=3) == pytest.approx(1 / 8, abs=0.01)
    assert hit_rate(4, seed=3) == pytest.approx(4 / 8, abs=0.02)
    assert hit_rate(8) == 1.0
