"""An engine of others goes wherever ours goes: see tests/support/constant_engine.py."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.published.rows import PUBLISHED
from collectives import init, schedule
from fabric import Fabric, Timeline, launch
from tests.support import constant_engine
from topology import star
from topology.units import GB, US

RANKS, SIZE = 4, 1 << 20
ROUND = 10 * US + SIZE // RANKS / GB
"""Seconds of one step of a direct exchange of a quarter each, of the engine's usual constants."""

ENGINE = ["--engine", "constant"]
MACHINE = ["--system", "star:4", "--software", "raw", *ENGINE]


@pytest.fixture(autouse=True)
def constant() -> Iterator[None]:
    with constant_engine.installed():
        yield


def machine() -> Fabric:
    return Fabric(star(RANKS), engine="constant")


def run(*arguments: str) -> Any:
    """The JSON that ``triplane`` prints."""
    found = CliRunner().invoke(main, [*arguments, "--format", "json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def all_to_all() -> float:
    """A rank's clock after one exchange."""
    comm = init()
    x = np.full(SIZE, comm.rank, np.uint8)
    comm.all_to_all(np.empty_like(x), x)
    return comm.now()


def test_simulate_and_what_comes_of_it(tmp_path: Path) -> None:
    timeline = machine().simulate(
        schedule("all_to_all", RANKS, SIZE // RANKS, "direct"), ranks=RANKS
    )
    assert timeline.duration == pytest.approx(ROUND)
    assert timeline.link_bytes.tolist() == [SIZE // RANKS * (RANKS - 1)] * timeline.topology.n_links
    assert 0 < timeline.bound < timeline.duration
    assert timeline.bottleneck.kind == "link"
    timeline.save(tmp_path / "t.npz")
    assert Timeline.load(tmp_path / "t.npz").duration == timeline.duration
    timeline.to_perfetto(tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_ranks_run_on_it(sync: str) -> None:
    clocks = launch(all_to_all, RANKS, machine(), sync=sync)
    assert clocks == pytest.approx([ROUND] * RANKS, abs=1e-11)


@pytest.mark.parametrize("transport", ["sim", "inproc", "zmq"])
def test_benchmarks_of_collectives(transport: str, tmp_path: Path) -> None:
    page, film = tmp_path / "page.html", str(tmp_path / "t.npz")
    trace = tmp_path / "t.json"
    more = ["--timeline", film] if transport == "sim" else []
    (found,) = run(
        "bench", "all_to_all", "--ranks", "4", "-b", "1M", "-e", "1M", "--transport", transport,
        "--trace", str(trace), *more, *MACHINE,
    )  # fmt: skip
    assert json.loads(trace.read_text())["traceEvents"]
    assert found["engine"] == "constant"
    assert found["time_us"] == pytest.approx(ROUND / US)
    if transport == "sim":
        written = CliRunner().invoke(main, ["view", film, "-o", str(page)])
        assert written.exit_code == 0, written.output
        assert "</html>" in page.read_text()


def test_moe() -> None:
    dispatch, combine = run("bench", "moe", "--ep", "8", *ENGINE)
    least = 128 * 8 / 8 * 7168 / GB  # what a rank gets in one transfer of each, at one byte a value
    assert dispatch["time_us"] * US > least / 2
    assert combine["time_us"] > dispatch["time_us"]


def test_workloads(tmp_path: Path) -> None:
    goal = tmp_path / "x.goal"
    goal.write_text(
        "num_ranks 2\n"
        "rank 0 {\nl1: calc 1000\nl2: send 1000000b to 1 tag 0\nl2 requires l1\n}\n"
        "rank 1 {\nl1: recv 1000000b from 0 tag 0\n}\n"
    )
    (found, *_) = run(
        "bench", "trace", str(goal), "--trace", str(tmp_path / "t.json"), "--system", "star:2",
        "--software", "raw", *ENGINE,
    )  # fmt: skip
    assert found["time_us"] == pytest.approx(1 + (10 * US + 1e6 / GB) / US)
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]


def test_validate(tmp_path: Path) -> None:
    header, *rows = Path(PUBLISHED).read_text(encoding="utf-8").splitlines()
    targets = tmp_path / "targets.csv"
    targets.write_text("\n".join([header, *rows[:2]]) + "\n", encoding="utf-8")
    found, usual = (run("bench", "validate", "--targets", str(targets), *e) for e in (ENGINE, []))
    assert [row["id"] for row in found] == [row["id"] for row in usual]
    assert [row["predicted"] for row in found] != [row["predicted"] for row in usual]


def test_a_process_finds_it() -> None:
    words = "from fabric.engines.base import engines; print(*engines())"
    found = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=True, env=os.environ
    )
    assert {"constant", "flow"} <= set(found.stdout.split())


def test_processes_run_on_it() -> None:
    """By the command line, under its own transport for processes."""
    found = subprocess.run(
        [str(Path(sys.executable).with_name("triplane")), "run", "-n", "2", *MACHINE,
         "examples/all_reduce.py"],
        capture_output=True, text=True, check=False, env=os.environ, cwd=constant_engine.ROOT,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "2 ranks: the sum is 1, after" in found.stdout
    assert float(found.stdout.split("after ")[1].split()[0]) > 1000  # 4 MB at 1 GB/s
