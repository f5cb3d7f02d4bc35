"""Sweeps: the file, the points, what an answer depends on, what is kept, and the table."""

import contextlib
import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.sweep import store, table
from bench.sweep.answering import AskedPoint, PointAnswer, answer
from bench.sweep.command import ask
from bench.sweep.identity import dependencies
from bench.sweep.options import SweepError, command_of, words
from bench.sweep.picture import curves
from bench.sweep.running import MOST_LOST, Use, run
from bench.sweep.study import Point, load
from fabric.machine import MachineSpec
from tests.support.pages import environment

HERE = Path(__file__).parent

SMALL = """
bench = "moe"
[options]
ep = 4
hidden = 128
experts = 8
[grid]
tokens = [1, 2, 3]
[[zipped]]
system = ["cloudmatrix384", "dgx_h800:2"]
software = ["cann-ep", "deepep-v1"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


@contextlib.contextmanager
def thread() -> Iterator[tuple[Executor, int]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool, 1


def swept(folder: Path, text: str, retry: bool = False) -> list[dict[str, Any]]:
    """The rows of a sweep by a thread of this process; answers are kept in the folder."""
    study = load(written(folder, text))
    with store.opened(folder / "answers.jsonl") as found:
        rows = table.rows(study, ask(study, found, thread, retry), found)
    return [dict(row) for row in rows]


def asked(folder: Path) -> int:
    """How many points were asked in all the runs of `swept` in this folder."""
    lines = (folder / "answers.jsonl").read_text("utf-8").splitlines()
    return sum("key" in json.loads(line) for line in lines)


def by_command(*arguments: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(main, ["bench", *arguments, "--format", "json"])
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_the_rows_are_what_the_command_answers(tmp_path: Path) -> None:
    rows = swept(tmp_path, SMALL)
    expected = []
    for system, software in (("cloudmatrix384", "cann-ep"), ("dgx_h800:2", "deepep-v1")):
        for tokens in "123":
            expected += by_command(
                "moe", "--ep", "4", "--hidden", "128", "--experts", "8", "--tokens", tokens,
                "--system", system, "--software", software,
            )  # fmt: skip
    assert len(rows) == len(expected) == 12
    for row, one in zip(rows, expected, strict=True):
        machine = MachineSpec.from_json(one.pop("machine"))
        assert MachineSpec.from_json(json.loads(row["machine"])) == machine
        del one["host_time_s"]  # differs from run to run
        assert {name: row[name] for name in one} == one
    assert [row["asked_tokens"] for row in rows] == [1, 1, 2, 2, 3, 3] * 2
    assert [row["point"] for row in rows] == [k // 2 for k in range(12)]


def test_any_bench_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "ring.goal").write_text(
        "num_ranks 2\nrank 0 {\nl1: send 64b to 1 tag 0\n}\n"
        "rank 1 {\nl1: recv 64b from 0 tag 0\n}\n"
    )
    questions = {
        "all_reduce": 'ranks = 4\nminbytes = "1K"\nmaxbytes = "4K"\nstepfactor = 2\nop = "max"',
        "faults": 'kind = ["l2", "l1"]\nranks = 8\nworkload = "all_reduce"\nsize = "64K"',
        "placement": "npus = [384]\njobs = 100\nseeds = 2\nmix = 'all'",
        "trace": f'files = ["{tmp_path}/ring.goal"]',
        "send_recv": 'ranks = 2\nb = 8\ne = 8\nwithout = ["node3", "node4"]',
    }
    for name, options in questions.items():
        rows = swept(tmp_path, f'bench = "{name}"\n[options]\n{options}\n')
        assert [row["error"] for row in rows] == [None] * len(rows), rows
        assert rows[0]["bench"] == name
        if name == "all_reduce":
            assert [row["size_bytes"] for row in rows] == [1024, 2048, 4096]
            assert {row["redop"] for row in rows} == {"max"}


def test_fields_of_a_machine_without_an_option_are_axes_too(tmp_path: Path) -> None:
    text = """
    bench = "all_reduce"
    [options]
    ranks = 4
    minbytes = "1M"
    maxbytes = "1M"
    system = "star:8"
    software = "raw"
    [grid]
    machine.system_options = [{bandwidth = 1e9}, {bandwidth = 2e9}]
    machine.tolerance = [0.01]
    """
    slow, fast = swept(tmp_path, text)
    assert slow["error"] is None
    assert slow["time_us"] == pytest.approx(2 * fast["time_us"], rel=1e-2)
    assert json.loads(slow["machine"])["tolerance"] == 0.01
    assert json.loads(slow["asked_machine_system_options"]) == {"bandwidth": 1e9}


def test_points_of_a_grid_zipped_lists_single_ones_and_ranges(tmp_path: Path) -> None:
    text = """
    bench = "faults"
    [options]
    tokens = 5
    [[zipped]]
    ranks = [2, 4]
    seed = [7, 8]
    [grid]
    kind = [["l1", "l2"], "nic"]
    tokens = {from = 1, to = 9, factor = 3}
    [[points]]
    kind = "die"
    """
    study = load(written(tmp_path, text))
    found = [dict(point.settings) for point in study.points]
    grid = [{"tokens": tokens, "ranks": ranks, "seed": seed, "kind": kind}
            for ranks, seed in ((2, 7), (4, 8)) for kind in (["l1", "l2"], "nic")
            for tokens in (1, 3, 9)]  # fmt: skip
    assert found == [*grid, {"tokens": 5, "kind": "die"}]
    assert words(command_of("faults"), found[0]) == [
        "--kind=l1,l2", "--ranks=2", "--tokens=1", "--seed=7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bench = 'moo'", "bench is 'moo'; there are all_reduce, "),
        ("bench = 'moe'\n[grid]\ntoknes = [1]", "bench moe has no option 'toknes'; it has ep,"),
        ("bench = 'moe'\n[grid]\nmode = ['fast']",
         "[grid] mode = 'fast': 'fast' is not one of 'low-latency', 'normal'"),
        ("bench = 'moe'\n[options]\nsystem = 'cloudmatrix'", "there are cloudmatrix384"),
        ("bench = 'moe'\n[options]\nsystem = 'none.toml'", "there is no such file"),
        ("bench = 'moe'\n[[zipped]]\nsoftware = ['cann']", "[[zipped]] number 1 software = 'cann'"),
        ("bench = 'moe'\n[grid]\nengine = ['flow', 'flaw']", "[grid] engine = 'flaw': "),
        ("bench = 'moe'\n[grid]\nmachine.toleranze = [1]", "near it: tolerance"),
        ("bench = 'moe'\n[grid]\ntokens = 3", "[grid] tokens is 3; it has to be a list of"),
        ("bench = 'moe'\n[grid]\ntokens = []", "[grid] tokens is []; it has to be a list"),
        ("bench = 'moe'\n[grid]\ntokens = {from = 4, to = 2}", "is no range"),
        ("bench = 'moe'\n[grid]\nsensitivity = [1]", "it is a flag: true or false"),
        ("bench = 'moe'\n[options]\nformat = 'csv'", "says how one answer of bench moe is written"),
        ("bench = 'moe'\n[options]\nlive-wait = true", "is written or shown"),
        ("bench = 'moe'\n[[zipped]]\nep = [4, 8]\ntokens = [1]", "there are ep 2, tokens 1"),
        ("bench = 'moe'\n[grid]\nep = {from = 1, to = 2000000}", "has more than 1048576 values"),
        ("bench = 'moe'\nplots = 1", "unknown key 'plots'; known are bench, title"),
        ("[grid]\nep = [1]", "key 'bench' is missing"),
        ("bench = \n", "not TOML: line 1"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    result = CliRunner().invoke(main, ["sweep", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"triplane: error: {path}: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not path.with_name("study.answers.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--executor", "slurm"], "--executor is 'slurm'; there are processes, mpi, dask:ADDRESS"),
        (["--executor", "dask"], "dask needs the ADDRESS of a scheduler"),
        (["--format", "parquet"], "--format parquet needs an --output"),
        (["--plot", "a.gif"], "the name must end in .png, .svg, .pdf"),
    ],
)
def test_wrong_options_of_the_command_are_one_line(
    tmp_path: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["sweep", str(written(tmp_path, SMALL)), *arguments])
    assert result.exit_code == 2
    assert said in result.stderr


def key(**settings: Any) -> str:
    return dependencies(Point("moe", settings, {})).key


def test_a_key_is_of_all_that_an_answer_depends_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = key(ep=4)
    assert key(ep=4) == base
    assert key(ep=8) != base
    assert key(ep=4, mode="normal") != base
    assert dependencies(Point("moe", {"ep": 4}, {"tolerance": 0.1})).key != base
    assert dependencies(Point("faults", {}, {})).key != dependencies(Point("moe", {}, {})).key
    with monkeypatch.context() as changed:
        changed.setenv("NCCL_TESTS_MIN_BW", "3")
        assert key(ep=4) != base
    with monkeypatch.context() as changed:
        changed.setattr("bench.sweep.identity.code", lambda: "another")
        assert key(ep=4) != base


@pytest.mark.parametrize("settings", [
    {"skew": "file:{}"}, {"classes": "{}"}, {"faults": "{}"}, {"rank-table": "{}:0"},
    {"routing": "static:{}"}, {"system": "{}"}, {"machine": "{}"},
])  # fmt: skip
def test_a_key_changes_with_the_files_that_are_named(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    outer, inner = tmp_path / "outer.json", tmp_path / "inner.csv"
    inner.write_text("1")
    outer.write_text(json.dumps({"deep": [{"name": f"static:{inner}"}]}))
    named = {name: value.format(outer) for name, value in settings.items()}
    first = key(**named)
    assert key(**named) == first
    inner.write_text("2")
    second = key(**named)
    assert second != first
    outer.write_text("{}")
    assert key(**named) not in (first, second)


def test_a_key_is_of_all_the_ranks_traces(tmp_path: Path) -> None:
    for rank in range(3):
        (tmp_path / f"run.{rank}.et").write_bytes(bytes([rank]))
    point = Point("trace", {"files": [f"{tmp_path}/run"]}, {})
    first = dependencies(point)
    assert len(first.files) == 3
    (tmp_path / "run.2.et").write_bytes(b"9")
    assert dependencies(point).key != first.key


def test_a_worker_with_another_file_says_so_and_answers_nothing(tmp_path: Path) -> None:
    skew = tmp_path / "routing.csv"
    skew.write_text("not read")
    point = Point("moe", {"skew": f"file:{skew}"}, {})
    task = AskedPoint(dependencies(point).key, point)
    skew.write_text("changed meanwhile")
    found = answer(task)
    assert found.rows == ()
    assert "other code, files" in str(found.error)
    assert str(skew) in str(found.error)


def test_answers_are_kept_and_only_new_points_are_asked(tmp_path: Path) -> None:
    first = swept(tmp_path, SMALL)
    assert asked(tmp_path) == 6
    assert swept(tmp_path, SMALL) == first
    assert asked(tmp_path) == 6
    more = swept(tmp_path, SMALL.replace("[1, 2, 3]", "[3, 4, 1]"))
    assert asked(tmp_path) == 8
    of_three = [row["time_us"] for row in first if row["asked_tokens"] == 3]
    assert [row["time_us"] for row in more if row["asked_tokens"] == 3] == of_three


def test_failures_are_rows_with_their_line_and_asked_again_on_request(tmp_path: Path) -> None:
    machine = tmp_path / "machine.json"
    text = f'bench = "moe"\n[options]\nep = 4\nmachine = "{machine}"\n[grid]\ntokens = [1, 2]\n'
    MachineSpec(without=("node77",)).save(machine)
    failed = swept(tmp_path, text)
    assert len(failed) == 2
    assert all("node77" in row["error"] and "time_us" not in row for row in failed)
    assert swept(tmp_path, text) == failed
    assert asked(tmp_path) == 2
    assert swept(tmp_path, text, retry=True) == failed
    assert asked(tmp_path) == 4
    MachineSpec(without=("node7",)).save(machine)
    assert [row["error"] for row in swept(tmp_path, text)] == [None] * 4


def test_a_failure_is_the_line_of_the_command(tmp_path: Path) -> None:
    text = "bench = 'moe'\n[grid]\nep = [4, 999]\n[options]\ntokens = 1\n"
    path = written(tmp_path, text)
    result = CliRunner().invoke(main, ["sweep", str(path), "--workers", "1", "--format", "json"])
    assert result.exit_code == 1
    last = json.loads(result.stdout)[-1]
    direct = CliRunner().invoke(main, ["bench", "moe", "--ep", "999", "--tokens", "1"])
    assert direct.stderr == f"triplane: error: {last['error']}\n"
    assert f"point 1 (ep 999): {last['error']}" in result.stderr
    assert "1 of 2 points have failed; --retry asks them again" in result.stderr


def test_a_sweep_killed_ten_times_ends_with_the_table_of_an_undisturbed_one(
    tmp_path: Path,
) -> None:
    study = written(tmp_path, SMALL.replace("[1, 2, 3]", "{from = 1, to = 60}"))
    done = subprocess.run(
        [sys.executable, HERE / "programs" / "killed_sweep.py", study, tmp_path, "7"],
        capture_output=True, text=True, timeout=300, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kept = [*map(int, done.stdout.split())]
    assert len(kept) == 10
    assert kept[-1] < 120
    assert len({*kept}) > 5, "the kills came at moments that differ"


def test_a_file_of_answers_is_not_written_by_two_or_made_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with store.opened(path), pytest.raises(SweepError, match="another sweep is adding"):
        store.opened(path).__enter__()
    other = tmp_path / "mine.txt"
    other.write_text("a diary\n")
    with pytest.raises(SweepError, match="has no answers of a sweep"):
        store.opened(other).__enter__()
    assert other.read_text() == "a diary\n"


class Loser(Executor):
    """An executor whose worker ends at some points: it then breaks, or loses only these."""

    def __init__(self, ends: Callable[[Point], bool], breaks: bool) -> None:
        self.ends, self.breaks, self.is_broken = ends, breaks, False

    def submit(self, fn: Any, /, *args: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        (tasks,) = args
        if self.is_broken or any(self.ends(task.point) for task in tasks):
            self.is_broken |= self.breaks
            kind = BrokenExecutor if self.breaks else RuntimeError
            future.set_exception(kind("gone"))
        else:
            future.set_result([PointAnswer(one.key, (), None, (), 1e-4, "") for one in tasks])
        return future


def lost(count: int, ends: Callable[[Point], bool], breaks: bool) -> dict[str, str | None]:
    @contextlib.contextmanager
    def pools() -> Iterator[tuple[Executor, int]]:
        yield Loser(ends, breaks), 3

    tasks = [AskedPoint(f"{k}", Point("moe", {"ep": k}, {})) for k in range(count)]
    found = [*run(tasks, pools, Use())]
    assert sorted(one.key for one in found) == sorted(task.key for task in tasks)
    return {one.key: one.error for one in found}


@pytest.mark.parametrize("breaks", [True, False])
def test_only_a_point_that_ends_its_worker_has_failed(breaks: bool) -> None:
    found = lost(200, lambda point: point.settings["ep"] in (3, 150), breaks)
    assert {key for key, error in found.items() if error} == {"3", "150"}
    assert "its worker has ended" in str(found["3"])


@pytest.mark.parametrize("breaks", [True, False])
def test_a_worker_that_ends_once_costs_no_point(breaks: bool) -> None:
    left = [2]

    def ends(_point: Point) -> bool:
        left[0] -= 1
        return left[0] == 0

    assert not any(lost(50, ends, breaks).values())


def test_workers_that_never_answer_end_the_sweep() -> None:
    with pytest.raises(SweepError, match=f"{MOST_LOST + 1} times in a row"):
        lost(100, lambda point: True, True)


def test_the_table_has_the_same_rows_in_every_form(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = written(tmp_path, SMALL.replace("[1, 2, 3]", "[1]"))
    folder = str(tmp_path)
    runs = CliRunner()
    for name in ("a.json", "a.csv", "a.parquet", "a.txt"):
        form = ["--format", "table"] if name == "a.txt" else []
        line = ["sweep", str(path), "--workers", "1", "--output", f"{folder}/{name}", *form]
        result = runs.invoke(main, line)
        assert result.exit_code == 0, result.output
        assert result.output == ""
    as_json = json.loads((tmp_path / "a.json").read_text("utf-8"))
    as_csv = [*csv.DictReader(io.StringIO((tmp_path / "a.csv").read_text("utf-8")))]
    kept = parquet.read_table(tmp_path / "a.parquet")
    assert b"[[zipped]]" in kept.schema.metadata[b"triplane_sweep"]
    for row, text, stored in zip(as_json, as_csv, kept.to_pylist(), strict=True):
        machine = row.pop("machine")
        assert json.loads(text.pop("machine")) == json.loads(stored.pop("machine")) == machine
        assert stored == row
        assert text == {k: "" if v is None else str(v) for k, v in row.items()}
        assert [*text] == [*row]
    assert (tmp_path / "a.txt").read_text("utf-8").count("\n") == 5


def test_a_plot_has_a_line_for_each_of_what_differs(tmp_path: Path) -> None:
    rows = swept(tmp_path, SMALL)
    study = load(written(tmp_path, SMALL))
    found = curves(rows, study)
    assert (found.x, found.y) == ("asked_tokens", "time_us")
    assert len(found.of) == 4  # operations x systems
    label = "dispatch, cloudmatrix384, cann-ep"
    assert found.of[label] == [
        (row["asked_tokens"], row["time_us"]) for row in rows
        if row["op"] == "dispatch" and row["asked_system"] == "cloudmatrix384"
    ]  # fmt: skip
    chosen = load(written(tmp_path, SMALL + '[plot]\nx = "bound_us"\nlines = "op"\n'))
    assert {*curves(rows, chosen).of} == {"dispatch", "combine"}
    wrong = load(written(tmp_path, SMALL + '[plot]\ny = "tyme_us"\n'))
    with pytest.raises(SweepError, match=r"no column 'tyme_us'.*near it: time_us"):
        curves(rows, wrong)


def test_the_page_and_picture_hold_the_study_and_only_text(tmp_path: Path) -> None:
    text = 'title = "<b>mine</b>"\n' + SMALL.replace("[1, 2, 3]", "[1]")
    path, page, plot = written(tmp_path, text), tmp_path / "a.html", tmp_path / "a.svg"
    line = ["sweep", str(path), "--workers", "1", "--page", str(page), "--plot", str(plot)]
    result = CliRunner().invoke(main, [*line, "--output", str(tmp_path / "a.csv")])
    assert result.exit_code == 0, result.output
    shown = page.read_text("utf-8")
    assert "<b>mine" not in shown
    assert "&lt;b&gt;mine&lt;/b&gt;" in shown
    assert "<svg" in shown
    assert "http" not in shown.replace("http://www.w3.org/", "").replace("http-equiv", "").replace(
        "http://purl.org/", "").replace("http://creativecommons.org/", "").replace(
        "https://matplotlib.org/", "")  # fmt: skip
    assert "[[zipped]]" in shown
    assert plot.read_text("utf-8").startswith("<?xml")
