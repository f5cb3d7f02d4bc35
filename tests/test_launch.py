"""`launch`: ranks as threads and as processes; their results, their settings, their time."""

import functools
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from collectives import init
from fabric.failure import WorldError
from fabric.host.folder import OWNER, PREFIX, private_folder, sweep
from fabric.host.liveness import GONE, RUNNING, STOPPED, birth, how_it_ended, state
from fabric.launching.current import member
from fabric.launching.launch import launch as unlimited
from fabric.machine import MachineSpec
from fabric.ranks.driver import Driver
from fabric.settings import Settings
from fabric.transports.base import SMALL
from fabric.world.inbox import Inbox
from fabric.world.messages import Finish
from topology import star
from topology.errors import ArgumentError

launch = functools.partial(unlimited, timeout=120.0)
"""So that every test ends by itself."""

both = pytest.mark.parametrize("transport", ["inproc", "zmq"])


def place() -> tuple[int, int, int]:
    me = member()
    return me.rank, me.size, me.local_rank


@both
@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_each_rank_knows_its_place(transport: str, ranks: int) -> None:
    assert launch(place, ranks, None, transport) == [(rank, ranks, rank) for rank in range(ranks)]


def doubled(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return 2 * values


@both
def test_arguments_go_to_every_rank_and_results_come_back_in_order(transport: str) -> None:
    values = np.arange(1 << 20)  # more than a pipe holds
    for result in launch(doubled, 3, None, transport, args=(values,)):
        assert np.array_equal(result, 2 * values)


def times() -> list[float]:
    with init() as comm:
        x, seen = np.full(1000, comm.rank, np.int64), []
        for turn in range(5):
            comm.compute(1e-6 * (comm.rank + turn))
            comm.all_reduce(x, op="max", algorithm="ring")
            if turn % 2:
                seen.append(comm.now())
        return [*seen, comm.now(), float(x[0])]


@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_threads_and_processes_have_the_same_time_to_the_bit(sync: str) -> None:
    threads = launch(times, 4, star(4), "inproc", sync=sync)
    assert launch(times, 4, "star:4", "zmq", sync=sync) == threads
    assert threads[0][0] > 3e-6
    assert threads[0][-1] == 3.0


def test_a_topology_goes_to_processes_too() -> None:
    assert launch(nodes, 2, star(7), "zmq") == [7, 7]


def nodes() -> int:
    fabric = member().fabric
    assert fabric is not None
    return len(fabric.places)


def wall() -> float:
    with init() as comm:
        comm.barrier()
        return comm.now()


@both
def test_without_a_system_time_is_the_wall_clock(transport: str) -> None:
    began = time.monotonic()
    for now in launch(wall, 2, None, transport):
        assert 0 < now < time.monotonic() - began


def paced() -> list[tuple[float, float]]:
    """What the clock says after each transfer, and what it should say."""
    with init() as comm:
        x, seen = np.zeros(1000, np.uint8), []
        for _ in range(20):
            comm.barrier()
            began = comm.now()
            comm.all_reduce(x, op="max", algorithm="ring")
            seen.append((began, comm.now()))
        return seen


@both
def test_on_paced_time_nothing_is_over_before_its_time(transport: str) -> None:
    alone = launch(alone_time, 2, star(2), "inproc")[0]
    seen = launch(paced, 2, star(2), transport, clock="paced", scale=2000.0)
    for pairs in seen:
        assert all(after - began > 0.99 * alone for began, after in pairs)


def test_a_program_may_end_as_soon_as_it_has_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last call is over since the driver last looked: nobody waits for its end once more."""
    monkeypatch.setattr(Driver, "_background", lambda driver: None)  # so only who waits looks
    sent = launch(
        taken_meanwhile, 2, star(2), args=(threading.Event(),), clock="paced", timeout=9.0
    )
    assert sent == [1.0, 1.0]


def taken_meanwhile(taken: threading.Event) -> float:
    comm, x = init(), np.ones(2 * SMALL // 8)
    if comm.rank:
        comm.recv(x, 0)
        taken.set()
    else:
        work = comm.isend(x, 1)
        taken.wait(9.0)
        work.wait()
    return float(x[-1])


@both
def test_any_thread_of_a_rank_may_wait_for_a_call(transport: str) -> None:
    for clock in ("virtual", "paced"):
        assert launch(waited_by_many, 2, star(2), transport, clock=clock) == [8] * 2


def waited_by_many() -> int:
    comm, returned = init(), 0
    for _ in range(2):
        work = comm.all_reduce(np.zeros(1000, np.uint8), op="max", async_op=True)
        with ThreadPoolExecutor(4) as threads:
            for late in [threads.submit(work.wait) for _ in range(4)]:
                late.result(9.0)
                returned += 1
    return returned


def test_no_end_is_lost_however_late_a_rank_waits_for_it() -> None:
    inbox = Inbox()
    for op in range(10_000):
        inbox.receive(Finish(op, 1e-6))
    assert list(inbox.ends) == [*range(10_000)]


def alone_time() -> float:
    with init() as comm:
        comm.all_reduce(np.zeros(1000, np.uint8), op="max", algorithm="ring")
        return comm.now()


@both
def test_settings_reach_every_rank(transport: str) -> None:
    given = launch(settings, 2, "star:4", transport, sync="eager", scale=2.0, grace=3.0)
    assert given == [Settings(MachineSpec("star:4"), sync="eager", scale=2.0, grace=3.0)] * 2


def settings() -> Settings:
    return member().settings


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ranks": 0}, "a world has 1 to 65536 ranks, 0 are asked for"),
        ({"ranks": 10**12}, "a world has 1 to 65536 ranks"),
        ({"ranks": 2.0}, "ranks is 2.0; it has to be an integer"),
        ({"transport": "udp"}, "no transport 'udp'; there are inproc, zmq, mpi"),
        ({"clock": "slow"}, "no clock 'slow'; there are virtual, paced"),
        ({"sync": "lazy"}, "no sync 'lazy'; there are strict, eager"),
        ({"scale": 0.0}, "scale is 0.0"),
        ({"ranks": 9, "system": "star:8"}, "9 ranks are more than the 8 endpoints"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises((WorldError, ArgumentError), match=words):
        launch(place, **{"ranks": 2, **more})


@pytest.mark.parametrize("odd", [np.int64(2), True, np.array(2)])
def test_numbers_of_others_are_numbers(odd: Any) -> None:
    given = launch(settings, odd, "none", scale=np.float32(0.5), timeout=np.int8(60))
    assert given == [Settings(None, scale=0.5)] * int(odd)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"ranks": 2.0}, "ranks is 2.0; it has to be an integer"),
        ({"ranks": "2"}, "ranks is '2'"),
        ({"timeout": "1"}, "timeout is '1'; it has to be a number of seconds"),
        ({"timeout": -1}, "timeout is -1"),
        ({"timeout": math.nan}, "timeout is nan"),
        ({"scale": "1"}, "scale is '1'"),
        ({"grace": None}, "grace is None"),
        ({"clock": 5}, "clock is 5"),
        ({"system": 5}, "system is 5"),
        ({"args": 5}, "args is 5"),
        ({"args": "ab"}, "args is 'ab'"),
        ({"trace": 5}, "trace is 5"),
        ({"return_exceptions": "no"}, "return_exceptions is 'no'; it has to be True or False"),
    ],
)
def test_arguments_of_another_kind_are_refused(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        launch(place, **{"ranks": 2, **more})
    with pytest.raises(ArgumentError, match="main is None"):
        launch(None, 2)  # type: ignore[arg-type]


def no_machine() -> tuple[bool, Any]:
    with init() as comm:
        return comm.now() > 0, member().settings.machine


@both
def test_a_system_called_none_is_no_system(transport: str) -> None:
    assert launch(no_machine, 2, "none", transport) == [(True, None)] * 2
    assert Settings.from_environment({"TRIPLANE_SYSTEM": "none"}) == Settings(None)


def test_a_program_that_nobody_launched_is_a_world_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPLANE_SYSTEM", "star:2")
    code = "import numpy as np; from collectives import init\n"
    code += "with init() as c: c.all_reduce(np.ones(3)); c.compute(1.0); print(c.size, c.now())"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert shown.stdout.split() == ["1", "1.0"]


def exits(code: int) -> None:
    member()
    sys.exit(code)


@both
def test_an_exit_that_tells_of_success_is_one(transport: str) -> None:
    assert launch(exits, 2, None, transport, args=(0,)) == [None, None]


@both
def test_an_exit_that_does_not_does_not_end_the_launcher(transport: str) -> None:
    with pytest.raises(WorldError, match="raised SystemExit: 3"):
        launch(exits, 2, None, transport, args=(3,))


class Strange(Exception):
    """One that pickle makes, and cannot make again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def is_strange() -> None:
    member()
    raise Strange(1, 2)


def test_an_exception_that_cannot_be_sent_is_told_in_words() -> None:
    with pytest.raises(WorldError, match="raised Strange: 1 and 2"):
        launch(is_strange, 2, None, "zmq")


def test_launches_do_not_disturb_each_other() -> None:
    results: list[Any] = []

    def one(ranks: int) -> None:
        results.append(launch(place, ranks, None, "inproc"))

    threads = [threading.Thread(target=one, args=(ranks,)) for ranks in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(map(len, results)) == [1, 2, 3, 4]


INTERRUPTED = """
import os, sys, time
from fabric import launch
def main():
    from fabric.launching.current import member
    os.write(1, b"%d\\n" % member().rank)
    time.sleep(60)
if __name__ == "__main__":
    launch(main, 2, None, sys.argv[1])
"""


@both
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: the kernel ends the children")
def test_no_process_outlives_its_launcher(number: int, transport: str, tmp_path: Path) -> None:
    program = tmp_path / "interrupted.py"
    program.write_text(INTERRUPTED)
    root = str(Path(__file__).parents[1])
    with subprocess.Popen(
        [sys.executable, str(program), transport], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    ) as launcher:  # fmt: skip
        assert launcher.stdout is not None
        for _ in range(2):
            assert launcher.stdout.readline().strip() in ("0", "1")
        os.kill(launcher.pid, number)
        # Its end of the pipe is everybody's: this returns when the last of them is gone.
        launcher.communicate(timeout=60)
    assert launcher.returncode == -number


def test_the_folder_of_a_killed_launcher_is_taken_away_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with private_folder(for_sockets=False) as mine:
        assert mine.stat().st_mode & 0o077 == 0
        left = tmp_path / f"{PREFIX}left"
        left.mkdir(0o700)
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        words = (mine / OWNER).read_text().splitlines()
        (left / OWNER).write_text("\n".join([str(gone.pid), "0", words[2]]))
        (tmp_path / f"{PREFIX}strange").mkdir()
        sweep()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [mine.name, f"{PREFIX}strange"]
        )
    assert not mine.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs signals that stop")
def test_the_state_of_a_process() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = birth(process.pid)
        assert state(process.pid, born) == RUNNING
        assert state(process.pid, "another") == GONE
        process.send_signal(signal.SIGSTOP)
        _until(lambda: state(process.pid, born) == STOPPED)
        process.send_signal(signal.SIGKILL)
        _until(lambda: state(process.pid, born) == GONE)  # though nobody has waited for it yet
    assert state(process.pid, born) == GONE


def _until(come: Callable[[], bool]) -> None:
    due = time.monotonic() + 30.0
    while not come():
        assert time.monotonic() < due
        time.sleep(0.01)


def test_how_a_process_ended_in_words() -> None:
    assert how_it_ended(3) == "ended with exit code 3"
    assert how_it_ended(-9) == "was killed by SIGKILL"
    assert how_it_ended(-12345) == "was killed by signal 12345"


def test_settings_survive_the_environment() -> None:
    given = Settings(None, "paced", "eager", 1000.0, 1.0, 2.0, 0.0)
    assert Settings.from_environment(given.environment()) == given
    with pytest.raises(WorldError, match="TRIPLANE_SCALE is 'x', not a number"):
        Settings.from_environment({"TRIPLANE_SCALE": "x"})


def under_mpi() -> tuple[int, float]:
    with init() as comm:
        x = np.full(10, comm.rank + 1, np.int32)
        comm.all_reduce(x)
        return comm.rank, float(x[0])


@pytest.mark.skipif(not (Path(sys.prefix) / "bin" / "mpiexec").exists(), reason="needs mpich")
def test_ranks_of_mpi() -> None:
    assert launch(under_mpi, 3, None, "mpi") == [(rank, 6.0) for rank in range(3)]


def test_mpi_takes_machines_by_name_only() -> None:
    with pytest.raises(WorldError, match="system is a Topology"):
        launch(under_mpi, 2, star(2), "mpi")


def _loaded() -> bool:
    comm = init()
    comm.all_reduce(np.ones(8))
    return "numba" in sys.modules


def test_a_rank_in_a_process_starts_without_the_engine_that_the_authority_has() -> None:
    assert launch(_loaded, ranks=2, system=star(2), transport="zmq") == [False, False]


def test_the_temporary_folder_may_have_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setenv("TRIPLANE_SHARED_MEMORY", "0")  # so that ranks have sockets, too
    assert launch(_sum, ranks=2, system=None, transport="zmq") == [3.0, 3.0]
    assert list(long.iterdir()) == []


def _sum() -> float:
    with init() as comm:
        x = np.full(4, comm.rank + 1.0)
        comm.all_reduce(x)
        return float(x[0])


def the_mood() -> str:
    with init():
        return os.environ.get("MOOD", "")


def test_ranks_have_the_environment_of_their_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    for mood in ("sunny", "rainy"):
        monkeypatch.setenv("MOOD", mood)
        assert launch(the_mood, 2, None, "zmq") == [mood] * 2
    monkeypatch.delenv("MOOD")
    assert launch(the_mood, 2, None, "zmq") == [""] * 2


def returned_error() -> Exception:
    return ValueError("a result like any other")


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_an_exception_that_is_returned_is_a_result(transport: str) -> None:
    found = launch(returned_error, 2, None, transport)
    assert [(type(each), str(each)) for each in found] == [
        (ValueError, "a result like any other")
    ] * 2
