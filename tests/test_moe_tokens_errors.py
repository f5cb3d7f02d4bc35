"""What cannot be, and what goes wrong: every rank is told who, what, and what there would be."""

import os
import re
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from collectives import Communicator, init
from collectives.moe import LowLatency, Normal, TokenError, Wire
from fabric.failure import CallMismatch, RankFailed, RankLost
from fabric.launching.launch import launch

RANKS, HIDDEN = 3, 128
X = np.ones((4, HIDDEN), np.float32)
CHOICES = np.array([[0, 1], [2, 3], [4, 5], [0, 5]])
WEIGHTS = np.ones((4, 2), np.float32)


def low_latency(comm: Communicator, **other: Any) -> LowLatency:
    return LowLatency(comm, **{"experts": 6, "hidden": HIDDEN, "max_tokens": 4, **other})


def normal(comm: Communicator, **other: Any) -> Normal:
    return Normal(comm, **{"experts": 6, "hidden": HIDDEN, **other})


def y_of(buffer: LowLatency) -> Any:
    return np.zeros((buffer.local_experts, buffer.rows, HIDDEN), np.float32)


def out_of_range(comm: Communicator) -> None:
    low_latency(comm).dispatch(X, np.where(comm.rank == 1, CHOICES + 1, CHOICES))


def out_of_range_normal(comm: Communicator) -> None:
    normal(comm).dispatch(X, np.where(comm.rank == 1, CHOICES + 1, CHOICES), WEIGHTS)


def below(comm: Communicator) -> None:
    normal(comm).dispatch(X, np.where(comm.rank == 1, CHOICES - 2, CHOICES))


def twice(comm: Communicator) -> None:
    low_latency(comm).dispatch(X, CHOICES * 0 if comm.rank == 1 else CHOICES)


def too_many(comm: Communicator) -> None:
    low_latency(comm, max_tokens=3).dispatch(X[:3] if comm.rank != 1 else X, CHOICES[:3])


def wrong_type(comm: Communicator) -> None:
    low_latency(comm).dispatch(X.astype(np.float64) if comm.rank == 1 else X, CHOICES)


def no_integers(comm: Communicator) -> None:
    normal(comm).dispatch(X, CHOICES.astype(float) if comm.rank == 1 else CHOICES)


def wrong_hidden(comm: Communicator) -> None:
    normal(comm).dispatch(X[:, :64] if comm.rank == 1 else X, CHOICES)


def wrong_results(comm: Communicator) -> None:
    buffer = low_latency(comm)
    _, handle, _ = buffer.dispatch(X, CHOICES)
    y = y_of(buffer)
    buffer.combine(y[:, :5] if comm.rank == 1 else y, handle, WEIGHTS)


def results_of_another_type(comm: Communicator) -> None:
    buffer = normal(comm)
    got, handle, _ = buffer.dispatch(X, CHOICES)
    buffer.combine(got.x.astype(np.float16) if comm.rank == 1 else got.x, handle)


def third_in_flight(comm: Communicator) -> None:
    buffer = low_latency(comm)
    handles = [buffer.dispatch(X, CHOICES)[1] for _ in range(2)]
    if comm.rank != 1:
        handles[0].release()
    buffer.dispatch(X, CHOICES)


def combined_twice(comm: Communicator) -> None:
    buffer = low_latency(comm)
    _, handle, _ = buffer.dispatch(X, CHOICES)
    buffer.combine(y_of(buffer), handle, WEIGHTS)
    if comm.rank == 1:
        buffer.combine(y_of(buffer), handle, WEIGHTS)
    comm.barrier()


def other_layout(comm: Communicator) -> None:
    buffer = normal(comm)
    _, handle, _ = buffer.dispatch(X, CHOICES)
    buffer.dispatch(X[: 3 if comm.rank == 1 else 4], handle=handle)


def tuple_as_is(comm: Communicator) -> None:
    normal(comm).dispatch((X, X) if comm.rank == 1 else X, CHOICES)


WRONG: list[tuple[Callable[[Communicator], None], str]] = [
    (out_of_range, "rank 1: token 2 slot 1 chooses expert 6; experts are 0 to 5, and -1 is a"),
    (out_of_range_normal, "rank 1: token 2 slot 1 chooses expert 6; experts are 0 to 5"),
    (below, "rank 1: token 0 slot 0 chooses expert -2; experts are 0 to 5"),
    (twice, r"rank 1: token 0 chooses expert 0 in slots \[0, 1\]"),
    (too_many, "rank 1: x has 4 tokens, and the buffers were made for 3; max_tokens has to be 4"),
    (wrong_type, "rank 1: x is float64; it has to be bfloat16 or float16 or float32"),
    (no_integers, "rank 1: topk_idx is float64; it has to be integers"),
    (wrong_hidden, r"rank 1: x has the shape \[4, 64\]; it has to be \[any, 128\]"),
    (wrong_results, r"rank 1: y has the shape \[2, 5, 128\]; it has to be \[2, 12, 128\]"),
    (results_of_another_type, "rank 1: y is float16; it has to be float32"),
    (third_in_flight, "rank 1: 2 dispatches are in flight, for which there are buffers"),
    (combined_twice, "rank 1: the handle is not of a dispatch in flight here"),
    (other_layout, "rank 1: x has 3 tokens; the handle is of 4"),
    (tuple_as_is, "rank 1: x is a tuple of 2; for wire as-is it has to be an array"),
]


def rank(wrong: Callable[[Communicator], None]) -> None:
    comm = init(timeout=60)
    wrong(comm)
    comm.barrier()


def seen(
    main: Callable[..., None], *args: Any, system: str | None = None, transport: str = "inproc"
) -> list[Any]:
    """What each rank sees: exceptions, if all is right."""
    return launch(main, RANKS, system, transport, args=args, timeout=60, return_exceptions=True)


@pytest.mark.parametrize(("wrong", "words"), WRONG, ids=lambda one: getattr(one, "__name__", ""))
def test_every_rank_is_told_what_cannot_be(wrong: Any, words: str) -> None:
    errors = seen(rank, wrong)
    assert [type(error) for error in errors] == [RankFailed, TokenError, RankFailed]
    for error in errors:
        assert re.search(words, str(error)), error


def test_processes_are_told_as_threads_are() -> None:
    for error in seen(rank, out_of_range, transport="zmq"):
        assert re.search(WRONG[0][1], str(error)), error


def other_arguments(comm: Communicator) -> None:
    low_latency(comm, max_tokens=4 + (comm.rank == 2)).dispatch(X, CHOICES)


def other_wire(comm: Communicator) -> None:
    normal(comm, wire="int8" if comm.rank == 2 else "fp8").dispatch(X, CHOICES)


def other_type(comm: Communicator) -> None:
    normal(comm).dispatch(X.astype(np.float16) if comm.rank == 2 else X, CHOICES)


def other_experts(comm: Communicator) -> None:
    normal(comm, experts=[2, 2, 2] if comm.rank else [1, 2, 3]).dispatch(X, CHOICES)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (other_arguments, "<= 5, 128.*|<= 4, 128"), (other_wire, "int8"),
        (other_type, "float16"), (other_experts, r"experts 1\+2\+3"),
    ],
)  # fmt: skip
def test_ranks_that_disagree_are_named_to_all(wrong: Any, words: str) -> None:
    for error in seen(rank, wrong):
        assert isinstance(error, CallMismatch)
        assert re.search(words, str(error)), error
        assert "rank 2" in str(error) or "rank 0" in str(error)


def killed() -> None:
    comm = init()
    buffer = low_latency(comm)
    _, handle, _ = buffer.dispatch(X, CHOICES)
    if comm.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    buffer.combine(y_of(buffer), handle, WEIGHTS)


def test_a_dead_rank_is_named_to_the_others() -> None:
    for error in seen(killed, transport="zmq"):
        assert isinstance(error, RankLost)
        assert "rank 1 was killed by SIGKILL" in str(error)


def absent() -> None:
    with init() as comm:
        if comm.rank != 1:
            low_latency(comm).dispatch(X, CHOICES)


@pytest.mark.parametrize("system", [None, "cloudmatrix384"])
def test_a_rank_that_never_comes_is_named_to_the_others(system: str | None) -> None:
    errors = seen(absent, system=system)
    for error in (errors[0], errors[2]):
        assert isinstance(error, RankLost)
        assert "rank 1 has ended without calling" in str(error)
        assert "low_latency.dispatch" in str(error)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda comm: low_latency(comm, max_tokens=0),
            "max_tokens is 0; it has to be an integer from 1 to",
        ),
        (lambda comm: low_latency(comm, wire="int4"), "there are as-is, int8, fp8"),
        (lambda comm: normal(comm, hidden=100, wire="fp8"), "needs a multiple of 128"),
        (lambda comm: normal(comm, ranks_per_node=2), "3 ranks fill nodes of 1, 3"),
        (lambda comm: normal(comm, expert_alignment=0), "expert_alignment is 0"),
    ],
)
def test_arguments_that_cannot_be(make: Any, words: str) -> None:
    def attempt() -> str:
        with init() as comm:
            with pytest.raises(TokenError, match=words):
                make(comm)
            return "refused"

    assert launch(attempt, RANKS, None) == ["refused"] * RANKS


def test_wires_can_be_given_whole() -> None:
    def attempt() -> str:
        with init() as comm:
            return normal(comm, wire=Wire("fp8", True), hidden=512).wire.words

    assert launch(attempt, 2, None) == ["fp8 rounded"] * 2
