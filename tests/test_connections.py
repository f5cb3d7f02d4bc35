"""Connections that are cut: what the receiver then makes of what the sender has sent."""

import os
import socket
from collections.abc import Callable

import numpy as np
import pytest

from fabric.failure import RankLost
from fabric.transports.base import ANY, Transport
from fabric.transports.zmq.connections import FRAME_LOOKS, UNHEARD, Connections
from fabric.transports.zmq.reach import SHARED_MEMORY
from fabric.transports.zmq.sockets import BIND
from fabric.world.counts import Counts
from fabric.world.messages import AskFrames, CountFrames, FrameCount, FramesReply, FramesSent
from tests.support.worlds import connected, finish, good

Answer = tuple[int | None, bool] | None
LOOKS = 10 * (FRAME_LOOKS + UNHEARD)


def cut(connections: Connections) -> None:
    """Cut all connections from which frames have come, as a network would."""
    for descriptor in connections._ranks:
        with socket.socket(fileno=os.dup(descriptor)) as one:
            one.shutdown(socket.SHUT_RDWR)


def looked(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[int], Answer], *,
    sends: bool = True, awaits: int | None = 1,
) -> str:  # fmt: skip
    """What rank 0 finds when its connections are cut, and asked of rank 1 it is told ``answer``.

    ``sends``: whether rank 1 has sent it a frame before; ``awaits``: from whom it waits for one.
    """
    monkeypatch.setenv(SHARED_MEMORY, "0")
    monkeypatch.setenv(BIND, "tcp://127.0.0.1")
    done = []

    def main(transport: Transport) -> str:
        if transport.rank == 1:
            if sends:
                finish(transport, transport.send(0, 1, 1, np.zeros(8, np.uint8)))
            while not done:
                transport.progress(0.01)
            return ""
        connections = transport._ways.sockets.connections  # type: ignore[attr-defined]
        if sends:
            finish(transport, transport.receive(1, 1, 1, 8, np.zeros(8, np.uint8)))
        if awaits is not None:
            transport.receive(awaits, 1, 1, 8, np.zeros(8, np.uint8))
        counts = transport.counted
        assert counts is not None
        counts.ask(lambda peer, question: answer(question))
        try:
            if sends:
                cut(connections)
                while connections._ranks:
                    connections.look()
            else:
                connections._ended(-1)
            for _ in range(LOOKS):
                connections.look()
        except RankLost as error:
            return f"rank {error.rank}: {error}"
        finally:
            done.append(True)
        return f"{len(connections._doubts)} doubts"

    return good(connected("zmq", 2, main))[0]


def test_a_cut_connection_of_a_rank_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "rank 1: the connection from rank 1 to rank 0 was cut"
    assert looked(monkeypatch, lambda _: (1, False)) == told
    assert "2 frames from rank 1 to rank 0 were lost" in looked(monkeypatch, lambda _: (3, False))


def test_a_rank_that_has_left_may_close(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, lambda _: (1, True)) == "0 doubts"
    assert "1 frames from rank 1 to rank 0 were lost" in looked(monkeypatch, lambda _: (2, True))
    assert "cut: frames from rank 1" in looked(monkeypatch, lambda _: (None, True))
    assert looked(monkeypatch, lambda _: (None, True), awaits=None) == "1 doubts"


def test_who_gives_no_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = set()

    def later(question: int) -> Answer:
        asked.add(question)
        return (1, True) if len(asked) == 3 else None

    assert looked(monkeypatch, later) == "0 doubts"


@pytest.mark.parametrize("awaits", [1, ANY])
def test_the_first_frame_of_a_rank_is_missed(awaits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose connection that was cannot be known; it may be a stranger's."""
    lost = looked(monkeypatch, lambda _: (1, False), sends=False, awaits=awaits)
    assert "1 frames from rank 1 to rank 0 were lost" in lost
    assert looked(monkeypatch, lambda _: (0, False), sends=False, awaits=awaits) == "0 doubts"
    assert looked(monkeypatch, lambda _: (1, False), sends=False, awaits=None) == "0 doubts"


def test_the_authority_asks_those_who_are_there_and_knows_of_those_who_have_left() -> None:
    counts, gone = Counts(3), set[int]()
    assert counts.handle(0, AskFrames(1, 7), gone) == [(1, CountFrames(0, 7))]
    assert counts.handle(1, FrameCount(0, 7, 5), gone) == [(0, FramesReply(1, 7, 5, False))]
    assert counts.handle(1, FramesSent((6, 0, 0)), gone) == []
    gone.update((1, 2))
    assert counts.handle(0, AskFrames(1, 8), gone) == [(0, FramesReply(1, 8, 6, True))]
    assert counts.handle(0, AskFrames(2, 9), gone) == [(0, FramesReply(2, 9, None, True))]
    assert counts.handle(0, AskFrames(3, 1), gone) == []
