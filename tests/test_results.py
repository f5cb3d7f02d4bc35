"""Results of ranks on their way to the launcher: in pieces, cut off, and of a rank that stops."""

import os
import signal
from itertools import pairwise
from multiprocessing import Pipe
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives import init
from fabric.failure import RankLost
from fabric.launching import results
from fabric.launching.launch import launch
from fabric.launching.results import IncomingResult, send_result


@given(data=st.binary(min_size=1, max_size=300), cuts=st.lists(st.integers(1, 307), max_size=5))
def test_a_result_arrives_in_any_pieces(data: bytes, cuts: list[int]) -> None:
    mine, theirs = Pipe()
    with mine, theirs:
        coming, framed = IncomingResult(mine), len(data).to_bytes(8, "little") + data
        ends = [*sorted({cut for cut in cuts if cut < len(framed)}), len(framed)]
        for begin, end in pairwise([0, *ends]):
            assert coming.take() is None
            os.write(theirs.fileno(), framed[begin:end])
        assert coming.take() == data


def test_what_is_sent_is_what_arrives() -> None:
    mine, theirs = Pipe()
    with mine, theirs:
        send_result(theirs, b"all of it")
        assert IncomingResult(mine).take() == b"all of it"


@pytest.mark.parametrize("sent", [b"", b"\x05\0", b"\x05\0\0\0\0\0\0\0", b"\x05\0\0\0\0\0\0\0abc"])
def test_a_result_that_is_cut_off_never_arrives(sent: bytes) -> None:
    mine, theirs = Pipe()
    with mine:
        with theirs:
            os.write(theirs.fileno(), sent)
        with pytest.raises(EOFError):
            IncomingResult(mine).take()


def stops_on_the_way(number: int) -> bytes:
    """Rank 1 sends half of the result and is sent a signal."""
    with init() as comm:
        comm.barrier()
        rank = comm.rank

    def write(file: int, data: Any) -> int:
        sent = os.write(file, data[: max(1, len(data) // 2)])
        os.kill(os.getpid(), number)
        return sent

    if rank == 1:
        results.os = SimpleNamespace(write=write)  # type: ignore[assignment]  # of this process
    return bytes(1000)


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (signal.SIGSTOP, "has been stopped for more than 0.3 s"),
        (signal.SIGKILL, "was killed by SIGKILL"),
        (signal.SIGTERM, "was killed by SIGTERM"),
    ],
)
def test_a_launcher_waits_for_no_result_of_a_rank_that_stops(number: int, end: str) -> None:
    outcomes = launch(
        stops_on_the_way, 2, None, "zmq", args=(number,), stop_timeout=0.3, return_exceptions=True
    )
    assert outcomes[0] == bytes(1000)
    assert isinstance(outcomes[1], RankLost)
    assert str(outcomes[1]) == f"rank 1 {end}"
