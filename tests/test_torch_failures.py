"""What torch's users learn when something goes wrong between the ranks: `torch_failing`."""

import signal

import pytest

from tests.support.torch_world import said

RANKS = 3
NOBODY, ALL, OTHERS, FIRST = (), (0, 1, 2), (0, 2), (0,)
EXPECTED = {
    "other_operation": (ALL, "rank 1 called broadcast(float32[4], root 0)"),
    "other_size": (ALL, "rank 1 called all_reduce(sum, float32[5])"),
    "other_type": (ALL, "rank 1 called all_reduce(sum, int32[4])"),
    "too_late": (ALL, "barrier() was not over after 1 s"),
    "future_too_late": (FIRST, "nothing has come from rank 1"),
    "nobody_sends": (FIRST, "recv(float32[1], any rank, tag 0) was not over after 1 s"),
    "raised": (OTHERS, "rank 1 has aborted its process group"),
    "monitored": (OTHERS, "monitoredBarrier"),
    "killed": (OTHERS, "rank 1 has ended (process"),
}
"""Who gets an error of the backend, and what it says; the others get none."""


@pytest.fixture(scope="module")
def worlds() -> dict[str, dict[int, tuple[str, str]]]:
    """For each world, the type and text of the error at each rank that lived to tell."""
    ended = said("torch_failing.py", RANKS)
    assert [code for code, _, _ in ended] == [0, -signal.SIGKILL, 0], ended
    got: dict[str, dict[int, tuple[str, str]]] = {}
    for rank, (_, lines, _) in enumerate(ended):
        for world, kind, text in lines:
            got.setdefault(world, {})[rank] = (kind, text)
    return got


@pytest.mark.parametrize("world", EXPECTED)
def test_who_learns_what(worlds: dict[str, dict[int, tuple[str, str]]], world: str) -> None:
    who, words = EXPECTED[world]
    for rank, (kind, text) in worlds[world].items():
        assert (kind == "DistBackendError") == (rank in who), (rank, kind, text)
        assert words in text or rank not in who, (rank, text)
    assert set(who) <= set(worlds[world])
