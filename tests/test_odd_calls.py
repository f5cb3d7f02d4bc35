"""Every call of a communicator with odd arguments: right, or refused, and alike on all transports.

``ODD_CALLS=20000 ODD_SEED=7 pytest tests/test_odd_calls.py`` makes so many, other ones, with
tensors on all transports.
"""

import os
import sys
from pathlib import Path

import pytest

from fabric.launching.launch import launch
from tests.support.odd_calls import RANKS, Call, drawn, outcomes

MANY = int(os.environ.get("ODD_CALLS", "0"))
SEED = int(os.environ.get("ODD_SEED", "1"))
LIMIT = 120.0 + MANY / 20
MPI = (Path(sys.prefix) / "bin" / "mpiexec").exists()


def made(calls: list[Call], transport: str, system: str) -> list[tuple[str, ...]]:
    """What came of the calls, at rank 0 and at rank 1; each is as numpy says, or refused."""
    both = launch(outcomes, RANKS, system, transport, args=(calls,), timeout=LIMIT)
    return [said for each in zip(*both, strict=True) for said in each]


def test_odd_arguments_are_right_or_refused_on_every_transport() -> None:
    calls = drawn(MANY or 160, SEED, tensors=bool(MANY))
    assert sum(call.refused for call in calls) > len(calls) / 5
    assert sum(not call.refused for call in calls) > len(calls) / 5
    found = made(calls, "inproc", "star:2")
    assert made(calls, "zmq", "star:2") == found
    if MPI:
        assert made(calls, "mpi", "star:2") == found


def test_odd_tensors_are_right_or_refused() -> None:
    pytest.importorskip("torch", reason="torch is an optional extra")
    made(drawn(MANY or 160, SEED, tensors=True), "inproc", "none")
