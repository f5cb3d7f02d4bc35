import logging
from dataclasses import replace

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabric.failure import RankLost
from fabric.schedule.step import MAX_SIZE
from fabric.transports.base import Transport
from fabric.transports.zmq.frames import HEADER, PIECE, Frame, FrameError, decode, encode
from fabric.transports.zmq.reach import SHARED_MEMORY
from fabric.transports.zmq.sockets import BIND
from tests.support.worlds import connected, finish, good, noise, sender

TOKEN = bytes(range(16))
RANKS = 5


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    at = 64 * draw(st.integers(0, 1 << 40))
    last = draw(st.booleans())
    length = draw(st.integers(0, PIECE)) if last else 64 * draw(st.integers(1, PIECE // 64))
    return Frame(
        TOKEN, draw(st.integers(0, RANKS - 1)), draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 2**32 - 1)),
        at + length + (0 if last else draw(st.integers(1, 1 << 20))), at, length,
    )  # fmt: skip


@given(frames())
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    header = encode(frame)
    assert len(header) == HEADER
    assert decode(header, frame.length, TOKEN, RANKS) == frame


@given(frames(), st.integers(0, HEADER - 1), st.integers(1, 255))
def test_a_header_with_a_wrong_byte_is_no_frame(frame: Frame, at: int, flip: int) -> None:
    header = bytearray(encode(frame))
    header[at] ^= flip
    with pytest.raises(FrameError):
        decode(bytes(header), frame.length, TOKEN, RANKS)


@given(st.binary(max_size=2 * HEADER), st.integers(0, 2 * PIECE))
def test_noise_is_no_frame(header: bytes, length: int) -> None:
    with pytest.raises(FrameError):
        decode(header, length, TOKEN, RANKS)


@pytest.mark.parametrize(
    ("change", "length", "words"),
    [
        ({"token": b"somebody else's!"}, 64, "token"),
        ({"source": RANKS}, 64, "source 5; there are ranks 0 to 4"),
        ({}, 63, "a piece of 63 bytes with a header for 64"),
        ({"length": PIECE + 64, "size": 1 << 20}, PIECE + 64, "a piece of"),
        ({"size": 63}, 64, "bytes 0 to 64 of a message of 63"),
        ({"size": MAX_SIZE + 1}, 64, "of a message of"),
        ({"at": 32}, 64, "not aligned"),
        ({"length": 63}, 63, "not aligned"),
        ({"length": 0}, 0, "not aligned"),
    ],
)
def test_a_frame_that_cannot_be_is_refused(change: dict[str, int], length: int, words: str) -> None:
    frame = replace(Frame(TOKEN, 1, 2, 3, 4, 1000, 0, 64), **change)
    with pytest.raises(FrameError, match=words):
        decode(encode(frame), length, TOKEN, RANKS)


garbage = st.lists(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            frames().map(lambda frame: encode(replace(frame, token=bytes(16)))),
            frames().map(encode),
        ),
        min_size=1, max_size=4,
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@settings(
    max_examples=15, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(messages=garbage)
@pytest.mark.parametrize("bind", ["ipc", "tcp://127.0.0.1"])
def test_garbage_at_the_socket_of_a_working_world_is_dropped_and_counted(
    bind: str, messages: list[list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED_MEMORY, "0")
    monkeypatch.setenv(BIND, bind)

    def main(transport: Transport) -> int:
        sockets = transport._ways.sockets  # type: ignore[attr-defined]
        peer = 1 - transport.rank
        with sender(sockets.address, sockets.token) as socket:
            for tag, message in enumerate(messages):
                socket.send_multipart(message)
                room = np.zeros(5000, np.uint8)
                finish(
                    transport,
                    transport.send(peer, tag, 1, noise(tag, room.size)),
                    transport.receive(peer, tag, 1, room.size, room),
                )
                assert (room == noise(tag, room.size)).all()
            while transport.dropped < len(messages):  # type: ignore[attr-defined]
                transport.progress(0.05)
        return transport.dropped  # type: ignore[attr-defined, no-any-return]

    assert good(connected("zmq", 2, main)) == [len(messages)] * 2


def test_frames_of_our_own_out_of_turn_are_dropped_or_missed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has the token can repeat a frame, or leave one out: the first harms nobody."""
    monkeypatch.setenv(SHARED_MEMORY, "0")
    caplog.set_level(logging.WARNING, "triplane")

    def main(transport: Transport) -> int:
        if transport.rank == 1:
            return 0
        sockets = transport._ways.sockets  # type: ignore[attr-defined]
        first = Frame(sockets.token, 1, 0, 7, 0, 300, 0, 64)
        with sender(sockets.address, sockets.token) as socket:
            _send(socket, first, first, replace(first, sequence=1, at=128))
            while sockets.dropped < 2:
                transport.progress(0.05)
            _send(socket, replace(first, sequence=1, at=64, length=236))
            room = np.ones(300, np.uint8)
            finish(transport, transport.receive(1, 7, 0, 300, room))
            assert not room.any()
            _send(socket, replace(first, sequence=5))
            with pytest.raises(RankLost, match="3 frames from rank 1 to rank 0 were lost"):
                _forever(transport)
        return int(sockets.dropped)

    assert good(connected("zmq", 2, main))[0] == 2
    assert "rank 0 has dropped 1 malformed frames" in caplog.text


def _forever(transport: Transport) -> None:
    while True:
        transport.progress(0.05)


def _send(socket: "zmq.Socket[bytes]", *frames: Frame) -> None:
    for frame in frames:
        socket.send_multipart([encode(frame), bytes(frame.length)])
