"""What a sweep runs on: processes of this host, MPI's ranks, a dask cluster that loses a worker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.sweep import executors, store
from bench.sweep import table as tables
from bench.sweep.command import ask
from bench.sweep.options import SweepError
from bench.sweep.study import load
from fabric.host.liveness import GONE, state
from tests.test_mpi import MPICH, OPENMPI, both
from tests.test_mpi import environment as of_mpi

COMMAND = [sys.executable, "-c", "from bench.cli import main; main()"]
POINTS = 200
STUDY = """
bench = "moe"
[options]
ep = 4
hidden = 128
experts = 8
[grid]
seed = {from = 1, to = 100}
tokens = [1, 64]
"""
TIMEOUT = 240.0

__all__ = ["MPICH", "OPENMPI"]


@pytest.fixture(name="study")
def a_study(tmp_path: Path) -> Path:
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    return path


def sweep(study: Path, *more: str, ahead: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
    """A sweep in a process, which writes its table beside the study."""
    line = [*ahead, *COMMAND, "sweep", str(study), "--output", f"{study}.csv", *more]
    return subprocess.Popen(
        line, env=of_mpi(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, cwd=study.parent,
    )  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> str:
    """What a sweep printed; it must have succeeded."""
    try:
        output = process.communicate(timeout=TIMEOUT)[0]
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


def kept(study: Path) -> list[dict[str, object]]:
    path = study.with_name("study.answers.jsonl")
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines[1:] if line.endswith(b"\n")]


def until(condition: Callable[[], object]) -> None:
    """Wait for something that must happen."""
    limit = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def table(study: Path) -> str:
    found = Path(f"{study}.csv").read_text("utf-8")
    assert found.count("\n") == 2 * POINTS + 1
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The table of a sweep by a thread of this process."""
    study = tmp_path_factory.mktemp("undisturbed") / "study.toml"
    study.write_text(STUDY, "utf-8")

    @contextlib.contextmanager
    def thread() -> Iterator[tuple[Executor, int]]:
        with ThreadPoolExecutor(1) as pool:
            yield pool, 1

    read = load(study)
    with store.opened(study.with_name("undisturbed.jsonl")) as found:
        return tables.text(tables.rows(read, ask(read, found, thread), found), "csv")


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started, of which Python's own look after shared memory."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return [int(one) for one in found if b"spawn_main" in Path(f"/proc/{one}/cmdline").read_bytes()]


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
def test_processes_one_of_which_and_then_the_sweep_is_killed(study: Path, undisturbed: str) -> None:
    first = sweep(study, "--workers", "2")
    until(lambda: kept(study))
    os.kill(first.pid, signal.SIGSTOP)  # so that nothing ends while it is looked at
    os.kill(children(first.pid)[0], signal.SIGKILL)
    count = len(kept(study))
    assert count < POINTS
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: len(kept(study)) > count + 1)
    os.kill(first.pid, signal.SIGSTOP)
    workers = children(first.pid)
    first.kill()
    first.communicate()
    until(lambda: all(state(one) == GONE for one in workers))
    assert ended(sweep(study, "--workers", "2")) == ""
    after = table(study)
    asked = [str(one["key"]) for one in kept(study) if "key" in one]
    assert len({*asked}) == len(asked) == POINTS, "no point was asked twice"
    assert after == undisturbed


@both
def test_ranks_of_mpiexec(study: Path, mpiexec: list[object], undisturbed: str) -> None:
    ahead = (*map(str, mpiexec), "-n", "3")
    assert ended(sweep(study, "--executor", "mpi", ahead=ahead)) == ""
    last = kept(study)[-1]["run"]
    assert isinstance(last, dict)
    assert last["workers"] == 2
    assert table(study) == undisturbed


def test_a_wrong_file_is_said_once_under_mpiexec(study: Path) -> None:
    if not MPICH.exists():
        pytest.skip("pip install mpi4py mpich")
    study.write_text("bench = 'moo'", "utf-8")
    process = sweep(study, "--executor", "mpi", ahead=(str(MPICH), "-n", "2"))
    output = process.communicate(timeout=TIMEOUT)[0]
    assert output.count("bench is 'moo'") == 1
    assert process.returncode == 2


def test_a_dask_cluster_one_of_whose_workers_is_killed(
    study: Path, tmp_path: Path, undisturbed: str
) -> None:
    pytest.importorskip("distributed")
    cluster = subprocess.Popen(
        [sys.executable, Path(__file__).parent / "programs" / "dask_cluster.py", "2"],
        env=of_mpi(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert cluster.stdout is not None
        address, *workers = cluster.stdout.readline().split()
        process = sweep(study, "--executor", f"dask:{address}")
        until(lambda: kept(study))
        os.kill(int(workers[0]), signal.SIGKILL)
        assert ended(process) == ""
    finally:
        cluster.communicate(timeout=TIMEOUT)  # it ends with its standard input
    last = kept(study)[-1]["run"]
    assert isinstance(last, dict)
    assert last["workers"] == 2
    assert table(study) == undisturbed


@pytest.mark.parametrize("address", ["nowhere:1:2", "tcp://127.0.0.1:1"])
def test_no_scheduler_is_one_line(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("bench.sweep.executors.CONNECT", 0.2)
    with (
        pytest.raises(SweepError, match=f"^--executor dask:{address}: "),
        executors.pools(f"dask:{address}", None)(),
    ):
        raise AssertionError("there is none")
