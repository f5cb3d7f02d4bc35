"""Every collective x type x number of ranks on every transport: numpy and MPI say what is right."""

import sys

import pytest

from fabric.launching.launch import launch
from tests.support.every_byte import GROUPS, cases, main
from tests.test_mpi import HERE, both, ranks_of, run


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_every_collective_equals_numpy(transport: str) -> None:
    made = launch(main, max(GROUPS), None, transport, timeout=100.0)
    assert made == [
        sum(len(cases(ranks)) for ranks in GROUPS if rank < ranks) for rank in range(max(GROUPS))
    ]


@both
def test_every_collective_equals_numpy_and_mpi(mpiexec: list[object]) -> None:
    """Of up to 3 ranks, for the sake of time: docs/mpi.md has the command for 8."""
    code, output = run(*mpiexec, "-n", 3, sys.executable, HERE / "support" / "every_byte.py")
    assert (code, ranks_of(output)) == (0, [0, 1, 2]), output
