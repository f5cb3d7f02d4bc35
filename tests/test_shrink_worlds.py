"""Worlds that go on after losses from outside: the command line, what is left, what moves bytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from collectives import init
from collectives.memory.window import Window
from fabric.failure import WorldError
from fabric.host.folder import PREFIX
from fabric.launching.launch import launch
from fabric.settings import Settings
from fabric.transports.base import Rendezvous, Transport, connector
from fabric.transports.zmq.reach import FOLDER, SHARED_MEMORY
from tests.support.worlds import ROOT, finish, good, noise, threads
from topology.errors import ArgumentError

PROGRAM = """
import os, signal, sys
import numpy as np
from collectives import init
from fabric.failure import RankLost

comm = init()
sys.stdout.write(f"pid {os.getpid()}\\n")
sys.stdout.flush()
done = 0
while done < 5:
    if done == 2 and comm.rank == 1 and comm.size == 3:
        END
    try:
        x = np.ones(200000)
        comm.all_reduce(x)
    except RankLost as error:
        comm = comm.shrink()
        continue
    done += 1
sys.stdout.write(f"{int(x[0])} are left, {comm.members}\\n")
"""

ENDS = {
    "os.kill(os.getpid(), signal.SIGKILL)": "rank 1 was killed by SIGKILL",
    "raise KeyError('out of order')": "rank 1 ended with exit code 1",
}


def triplane(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    line = [
        sys.executable,
        "-c",
        "from bench.cli import main; main()",
        "run",
        "--system",
        "none",
        *arguments,
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return subprocess.run(line, capture_output=True, text=True, timeout=120, env=env, cwd=folder)


@pytest.mark.parametrize("end", ENDS)
def test_triplane_run_ends_well_where_ranks_go_on(end: str, tmp_path: Path) -> None:
    """And what was lost leaves no process and no file."""
    (tmp_path / "program.py").write_text(PROGRAM.replace("END", end))
    done = triplane("-n", "3", "--on-loss", "shrink", "program.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines())[:2] == ["2 are left, (0, 2)"] * 2
    last = done.stderr.splitlines()[-1]
    assert last == f"triplane: {ENDS[end]}; the others went on"
    pids = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("pid")]
    assert len(pids) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_threads_of_triplane_run_go_on(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM.replace("END", "raise KeyError('out of order')"))
    line = "-n", "3", "--on-loss", "shrink", "--transport", "inproc", "program.py"
    done = triplane(*line, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 are left, (0, 2)\n") == 2
    lines = done.stderr.splitlines()
    assert lines[-2:] == [
        "KeyError: 'out of order'",
        "triplane: rank 1 raised KeyError: 'out of order'; the others went on",
    ]


def test_without_the_option_the_world_ends_as_ever(tmp_path: Path) -> None:
    end = "os.kill(os.getpid(), signal.SIGKILL)"
    (tmp_path / "program.py").write_text(PROGRAM.replace("END", end))
    done = triplane("-n", "3", "program.py", folder=tmp_path)
    assert done.returncode == 128 + 9
    assert "rank 1 was killed by SIGKILL" in done.stderr.splitlines()[-1]


def test_layers_of_experts_go_on_when_processes_are_killed_at_random_moments(
    tmp_path: Path,
) -> None:
    """The short form of the benchmark, which compares each token with the dense mixture."""
    program = ROOT / "benchmarks" / "losses.py"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    line = [sys.executable, str(program), "--ranks", "4", "--kills", "2", "--seed", "4"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 trials" in done.stdout


@pytest.mark.parametrize("way", ["inproc", "memory", "sockets"])
@pytest.mark.parametrize("size", [100, 100_000, 3 << 20])
def test_what_a_sender_takes_back_is_never_taken_for_its_message(
    way: str, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and as it was, or not at all; later messages come as ever."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setenv(SHARED_MEMORY, "0" if way == "sockets" else "1")
    name = "inproc" if way == "inproc" else "zmq"

    def main(rank: int, exchange: Rendezvous) -> bool:
        transport = connector(name)(rank, 2, exchange)
        try:
            return _takes_back(transport, exchange, size)
        finally:
            exchange(None)
            transport.close()

    assert good(threads(2, main))[0]


def _takes_back(transport: Transport, exchange: Rendezvous, size: int) -> bool:
    resumable, me = transport.resumable, transport.rank  # type: ignore[attr-defined]
    resumable.survive()
    data, into = noise(1, size), np.zeros(size, np.uint8)
    if me == 0:
        for _ in range(3):  # the last does not even begin where there is no room
            transport.send(1, 5, 7, data)
        transport.progress(0.0)
        resumable.forget(10)
        data[:] = 0xFF
    exchange(None)
    if me == 1:
        receives = [transport.receive(0, 5, 7, size, np.zeros(size, np.uint8)) for _ in range(3)]
        for _ in range(20):
            transport.progress(0.005)
        for receive in receives:
            taken = receive.into  # type: ignore[attr-defined]
            assert not receive.done or (
                receive.error is None and np.array_equal(taken, noise(1, size))
            )
        resumable.forget(10)
    exchange(None)
    peer = 1 - me
    mine = noise(2 + me, size)
    finish(transport, transport.receive(peer, 20, 7, size, into), transport.send(peer, 20, 7, mine))
    assert np.array_equal(into, noise(2 + peer, size))
    assert list(transport.unclaimed()) == []
    return True


def _makes_a_window() -> bool:
    with pytest.raises(ArgumentError, match="one-sided memory is not there where ranks go on"):
        Window(init(), 64)
    return True


def test_memory_that_others_write_is_refused_where_ranks_go_on() -> None:
    assert launch(_makes_a_window, 2, on_loss="shrink") == [True, True]


def test_parts_of_a_larger_world_do_not_go_on() -> None:
    with pytest.raises(WorldError, match="on_loss is 'shrink', and as_part_of 8"):
        Settings(as_part_of=8, on_loss="shrink")


def test_settings_travel() -> None:
    settings = Settings(on_loss="shrink", loss_detection=0.5)
    assert Settings.from_json(json.loads(json.dumps(settings.as_json()))) == settings
    assert Settings.from_environment(settings.environment()) == settings
