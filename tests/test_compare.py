"""Two answers side by side: rows that are about the same, what changed, and by which cause."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.compare.answers import Row, about, pairs
from bench.compare.changes import UNKNOWN
from tests.support.commands import refused, run


def answer(path: Path, *arguments: str) -> list[dict[str, Any]]:
    """Ask a bench command, and keep its answer in a file."""
    path.write_text(run("bench", *arguments, "--format", "json"), "utf-8")
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
    return found


def compared(a: Path, b: Path, *more: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run("bench", "compare", str(a), str(b), "--format", "json", *more)
    )
    return found


def test_changes_of_a_system_are_by_the_machine(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    before = answer(a, "moe", "--ep", "8,16")
    after = answer(b, "moe", "--ep", "16,8,32", "--system", "dgx_h800:16",
                   "--software", "deepep-v1")  # fmt: skip
    rows = compared(a, b)
    both = [row for row in rows if row["quantity"] == "time_us"]
    assert len(both) == 4
    for row in both:
        about = (row["op"], row["ranks"])
        was, now = (next(one for one in answers if (one["op"], one["ranks"]) == about)
                    for answers in (before, after))  # fmt: skip
        assert (row["a"], row["b"]) == (was["time_us"], now["time_us"])
        assert row["change_percent"] == pytest.approx(100 * (now["time_us"] / was["time_us"] - 1))
        assert row["cause"] == (
            "system cloudmatrix384 -> dgx_h800:16; software cann-ep -> deepep-v1"
        )
    left = [row for row in rows if row["quantity"] is None]
    assert [(row["op"], row["ranks"], row["cause"]) for row in left] == [
        ("dispatch", 32, "only in B"), ("combine", 32, "only in B"),
    ]  # fmt: skip
    text = run("bench", "compare", str(a), str(b))
    assert "# time_us: 4 of 4 changed: from " in text
    assert "# 2 rows only in B\n" in text


def test_a_stack_that_is_named_and_was_the_usual_one_is_no_change(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    answer(a, "moe", "--ep", "8")
    answer(b, "moe", "--ep", "8", "--software", "cann-ep", "--planes", "rdma")
    assert {row["cause"] for row in compared(a, b, "--all")} == {None, 'planes null -> ["rdma"]'}


def test_changes_of_an_option_are_by_it(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    line = ["all_reduce", "-b", "1M", "-e", "4M", "-f", "2", "--ranks"]
    answer(a, *line, "8")
    answer(b, *line, "16")
    rows = compared(a, b)
    assert len({row["size_bytes"] for row in rows}) == 3
    changed = [row for row in rows if row["a"] != row["b"]]
    assert len(changed) >= 3
    for row in changed:
        assert "ranks 8 -> 16" in row["cause"]


def test_the_same_question_with_another_answer_is_by_code_or_files(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    rows = answer(a, "moe", "--ep", "8")
    assert all(row["cause"] is None and row["change_percent"] == 0 for row in compared(a, a))
    rows[0]["time_us"] *= 2
    b.write_text(json.dumps(rows), "utf-8")
    (changed,) = (row for row in compared(a, b) if row["cause"])
    assert (changed["quantity"], changed["cause"]) == ("time_us", UNKNOWN)
    assert changed["change_percent"] == pytest.approx(100)
    b.write_text(json.dumps([{**row, "version": "9", "code": "ff"} for row in rows]), "utf-8")
    known = [{**row, "version": "8", "code": "ff"} for row in json.loads(a.read_text("utf-8"))]
    a.write_text(json.dumps(known), "utf-8")
    (changed,) = (row for row in compared(a, b) if row["cause"])
    assert changed["cause"] == "version 8 -> 9"


def test_all_quantities_can_be_seen_and_texts_too(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    answer(a, "moe", "--ep", "8")
    answer(b, "moe", "--ep", "8", "--tokens", "1")
    rows = compared(a, b, "--all")
    names = {row["quantity"] for row in rows}
    assert {"time_us", "bound_us", "bottleneck", "calibration"} <= names
    assert not names & {"host_time_s", "system", "op", "machine", "key"}
    of_text = next(row for row in rows if row["quantity"] == "bottleneck")
    assert of_text["change_percent"] is None


def test_answers_of_sweeps_are_matched_by_what_was_asked(tmp_path: Path) -> None:
    for name, tokens in (("a", "[1, 2]"), ("b", "[2, 4]")):
        study = tmp_path / f"{name}.toml"
        study.write_text(
            f'bench = "moe"\n[options]\nep = 4\nhidden = 128\n[grid]\ntokens = {tokens}\n', "utf-8"
        )
        line = ["sweep", str(study), "--workers", "1", "--output", f"{tmp_path}/{name}.json"]
        done = CliRunner().invoke(main, line)
        assert done.exit_code == 0, done.output
    rows = compared(tmp_path / "a.json", tmp_path / "b.json")
    same = [row for row in rows if row["quantity"] is not None]
    assert {row["asked_tokens"] for row in same} == {2}
    assert all(row["a"] == row["b"] for row in same)
    assert {(row["asked_tokens"], row["cause"]) for row in rows if row["quantity"] is None} == {
        (1, "only in A"), (4, "only in B"),
    }  # fmt: skip


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from("xy"), "ranks": st.integers(1, 3), "time_us": st.floats(1, 9)}
    ),
    min_size=1,
    max_size=8,
)


@given(RECORDS, RECORDS)
def test_every_row_is_in_one_pair_and_pairs_are_about_the_same(
    a: list[dict[str, Any]], b: list[dict[str, Any]]
) -> None:
    before, after = [Row(one, None) for one in a], [Row(one, None) for one in b]
    columns = about(before, after)
    found = [*pairs(before, after, columns)]
    assert [id(one) for one, _ in found if one] == [id(one) for one in before]
    assert sorted(id(other) for _, other in found if other) == sorted(map(id, after))
    for one, other in found:
        if one is not None and other is not None:
            assert one.key(columns) == other.key(columns)
    of_a = [one.key(columns) for one, other in found if one and other is None]
    of_b = [other.key(columns) for one, other in found if one is None and other]
    assert not {*of_a} & {*of_b}


def test_the_same_answer_in_another_order_has_no_changes(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    rows = answer(a, "moe", "--ep", "8,16")
    b.write_text(json.dumps(rows[::-1]), "utf-8")
    assert all(row["a"] == row["b"] for row in compared(a, b))


@pytest.mark.parametrize(
    ("text", "said"),
    [("{}", "is no answer of a bench command"), ("[]", "is no answer"), ("[1]", "record 0 is 1"),
     ('[{"x": [1]}]', "record 0: x is [1]"), ("[", "is no JSON"),
     ('[{"machine": {"sistem": "a"}}]', "record 0: a machine has no key 'sistem'")],
)  # fmt: skip
def test_what_is_no_answer_is_refused_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    a = tmp_path / "a.json"
    a.write_text(text, "utf-8")
    assert said in refused("bench", "compare", str(a), str(a))
