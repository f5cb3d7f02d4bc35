"""A process that a rank forks is no rank: what it does with the rank's things is refused there.

And its end, whatever it is, is not the rank's; see forking_ranks.py.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fabric.host.forked import end_of_child, here, only_here
from fabric.launching.launch import launch
from tests.programs.forking_ranks import main

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
TRIPLANE = [sys.executable, "-c", "from bench.cli import main; main()", "run", "--system", "none"]

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

ENDS = [40, 40, 1, 0]
"""Of the four children of each rank but the first: no attempt of theirs is not refused."""


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*TRIPLANE, *map(str, arguments)], capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip


def test_children_of_threads() -> None:
    assert launch(main, 3, None, timeout=120) == [([], True), (ENDS, True), (ENDS, True)]


def test_children_of_a_launched_function_return_nothing_for_it() -> None:
    assert launch(main, 2, None, "zmq", timeout=120) == [([], True), (ENDS, True)]


def test_children_of_programs_in_a_wrapper_and_a_program_that_is_over() -> None:
    """The last: its process goes on for as long as a thread of it."""
    ended = run(
        "-n", 3, "--grace", 0.2, PROGRAMS / "wrapper.py", PROGRAMS / "forking_ranks.py", "LATE"
    )
    lines = sorted(ended.stdout.splitlines())
    late = (
        "RankLost"
        if not lines
        else "True rank 1 has ended without calling all_reduce(sum, float32[4])"
    )
    assert lines[:3] == [str((ENDS, True)), str((ENDS, True)), str(([], True))], ended.stderr
    assert [line.startswith(late) for line in lines[3:]] == [True, True], ended.stdout


def test_children_under_mpi() -> None:
    pytest.importorskip("mpi4py")
    if not (Path(sys.prefix) / "bin" / "mpiexec").exists():
        pytest.skip("pip install mpich")
    ended = run("-n", 2, "--transport", "mpi", PROGRAMS / "forking_ranks.py")
    assert sorted(ended.stdout.splitlines()) == [str((ENDS, True)), str(([], True))], ended.stderr
    assert ended.returncode == 0


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(None, 0), ("a result", 0), (SystemExit(3), 3), (SystemExit("x"), 1), (SystemExit(), 0),
     (SystemExit(False), 0), (ValueError("x"), 1), (KeyboardInterrupt(), 1)],
)  # fmt: skip
def test_a_child_that_comes_back_ends_as_a_program_does(outcome: object, code: int) -> None:
    at_home, done = here(), list[int]()
    note = only_here(lambda: done.append(1))
    pid = os.fork()
    if pid == 0:
        sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        note()
        end_of_child(at_home, outcome)
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code
    end_of_child(at_home, outcome)
    note()
    assert done == [1]
