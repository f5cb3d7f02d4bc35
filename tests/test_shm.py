import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric.failure import RankLost, TransportError
from fabric.transports.base import ALIGNMENT, Bytes, Request, address_of
from fabric.transports.peer_memory import ProcessMemory, memory_of
from fabric.transports.zmq import byte_ring, compiled_moves, shm
from fabric.transports.zmq.byte_ring import Inlet, Outlet
from fabric.transports.zmq.doorbell import Doorbell
from fabric.transports.zmq.partial import IncomingMessage, Outgoing
from fabric.transports.zmq.shared_buffers import SharedBuffers
from fabric.transports.zmq.shm import (
    ASLEEP,
    LEAST,
    RING,
    Neighbour,
    OwnArena,
    open_neighbour,
    ring_size,
)
from tests.support.worlds import noise

SMALL = 1024
LENDABLE = 4000
SHARED = 900


class Pair:
    """Rank 0 sends to rank 1 through a small ring; ``received`` are the messages that came."""

    def __init__(self, folder: Path, lends: bool) -> None:
        self.bells = [Doorbell(None), Doorbell(None)]
        self.homes = [OwnArena(rank, 2, None) for rank in range(2)]
        doors = [home.door(bell) for home, bell in zip(self.homes, self.bells, strict=True)]
        self.neighbours = [Neighbour(1, 2, doors[1]), Neighbour(0, 2, doors[0])]
        self.shared = SharedBuffers(0, self.homes[0].token)
        self.outlet = Outlet(self.homes[0], self.neighbours[0], lends, self.shared)
        self.inlet = Inlet(self.homes[1], self.neighbours[1], self._begin)
        self.received: list[tuple[IncomingMessage, list[Bytes]]] = []

    def _begin(self, message: IncomingMessage) -> None:
        pieces: list[Bytes] = []
        self.received.append((message, pieces))

        def take(at: int, piece: Bytes) -> None:
            assert at == sum(p.size for p in pieces)
            assert at + piece.size == message.size or piece.size % ALIGNMENT == 0
            pieces.append(piece.copy())

        message.meet(1, byte_ring.Receive(0, message.tag, message.mark, message.size, take))

    def close(self) -> None:
        for closable in (*self.neighbours, *self.homes, *self.bells):
            closable.close()


@contextmanager
def pair(lends: bool = False) -> Iterator[Pair]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shm, "ring_size", lambda ranks: SMALL)
        patch.setattr(byte_ring, "LEND", LENDABLE)
        patch.setattr(byte_ring, "SHARED", SHARED)
        patch.setattr(compiled_moves, "SHARED", SHARED)
        patch.setattr(byte_ring, "FETCH", 1280)
        patch.setattr(byte_ring, "PIECE", 256)
        made = Pair(Path(), lends)
        try:
            yield made
        finally:
            made.close()


def outgoing(tag: int, data: Bytes) -> Outgoing:
    return Outgoing(Request(1), tag, tag ^ 1, data)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 63, 64, 65, 960, 1024, 1025, 5000]), max_size=25),
    turns=st.lists(st.integers(0, 2), max_size=60),
    lends=st.booleans(),
    shared=st.lists(st.booleans(), min_size=25, max_size=25),
)
def test_a_ring_carries_every_byte_whatever_the_turns(
    sizes: list[int], turns: list[int], lends: bool, shared: list[bool]
) -> None:
    with pair(lends) as p:
        outs = [outgoing(k, noise(k, size)) for k, size in enumerate(sizes)]
        for out, is_shared in zip(outs, shared, strict=False):
            if is_shared and out.data.size:
                buffer = p.shared.allocate(out.data.size + 9)[7 : out.data.size + 7]
                buffer[:] = out.data
                out.data = buffer
        waiting = list(outs)
        turns = [*turns, *[0, 1, 2] * 200]
        for turn in turns:
            if turn == 0 and waiting:
                p.outlet.push(waiting[0])
                waiting = waiting[waiting[0].at == waiting[0].data.size :]
            elif turn == 1:
                p.inlet.pull()
            elif p.inlet.wanted:
                p.inlet.fetch()
            else:
                p.outlet.settle()
        assert not waiting
        assert all(out.request.done for out in outs)
        assert len(p.received) == len(outs)
        for out, (message, pieces) in zip(outs, p.received, strict=True):
            assert (message.peer, message.tag, message.mark) == (0, out.tag, out.mark)
            assert np.array_equal(np.concatenate([np.zeros(0, np.uint8), *pieces]), out.data)
        assert not p.inlet.pull()
        assert not p.outlet.lent


def test_a_lent_message_is_done_when_it_was_read() -> None:
    with pair(lends=True) as p:
        out = outgoing(1, noise(1, LENDABLE))
        assert p.outlet.push(out)
        assert p.inlet.pull()
        assert not p.outlet.settle()
        assert not out.request.done
        while p.inlet.wanted:
            p.inlet.fetch()
        assert p.outlet.settle()
        assert out.request.done
        assert out.request.error is None


def test_what_is_lent_to_one_that_closes_is_lost() -> None:
    with pair(lends=True) as p:
        out = outgoing(1, noise(1, LENDABLE))
        p.outlet.push(out)
        p.homes[1].shut()
        assert p.outlet.settle()
        assert isinstance(out.request.error, RankLost)


def test_what_was_lent_by_one_that_has_closed_is_not_taken() -> None:
    with pair(lends=True) as p:
        p.outlet.push(outgoing(1, noise(1, LENDABLE)))
        p.inlet.pull()
        p.homes[0].shut()
        with pytest.raises(RankLost, match="rank 0 has closed its transport while sending"):
            p.inlet.fetch()
        assert p.received[0][1] == []


@pytest.mark.parametrize("survives", [False, True])
def test_what_is_lent_to_one_that_cannot_read_it_is_an_error(survives: bool) -> None:
    with pair(lends=True) as p:
        p.inlet.neighbour.survives, p.inlet.neighbour.memory = survives, None
        p.outlet.push(outgoing(1, noise(1, LENDABLE)))
        p.inlet.pull()
        with pytest.raises(TransportError, match="has lent a message that nobody can take"):
            p.inlet.fetch()


def test_what_is_taken_from_a_shared_buffer_while_its_owner_closes_does_not_count() -> None:
    with pair() as p:
        data = p.shared.allocate(2 * LENDABLE)
        p.outlet.push(outgoing(1, data))
        p.inlet.pull()
        message, pieces = p.received[0]
        assert message.receive is not None
        take = message.receive.take

        def taking(at: int, piece: Bytes) -> None:
            take(at, piece)
            p.homes[0].shut()

        message.receive.take = taking
        with pytest.raises(RankLost, match="rank 0 has closed its transport while sending"):
            p.inlet.fetch()
        assert len(pieces) == 1
        assert not message.receive.done


def test_more_than_can_be_lent_goes_through_the_ring() -> None:
    with pair(lends=True) as p:
        outs = [outgoing(k, noise(k, LENDABLE)) for k in range(shm.SLOTS + 1)]
        for out in outs[: shm.SLOTS]:
            while not p.outlet.push(out):
                p.inlet.pull()
        assert len(p.outlet.lent) == shm.SLOTS
        while outs[-1].at < LENDABLE:
            p.outlet.push(outs[-1])
            p.inlet.pull()
        assert len(p.outlet.lent) == shm.SLOTS
        assert outs[-1].request.done


@pytest.mark.parametrize("who", [0, 1])
def test_a_rank_that_sleeps_is_woken(who: int) -> None:
    with pair() as p:
        out = outgoing(1, noise(1, 2 * SMALL))
        if who == 0:
            p.outlet.push(out)
        p.homes[who].arena.words[ASLEEP] = 1
        if who == 1:
            p.outlet.push(out)
        else:
            p.inlet.pull()
        assert p.homes[who].arena.words[ASLEEP] == 0
        assert os.read(p.bells[who].ear, 100) == b"!"


def test_who_wakes_a_dead_rank_learns_it() -> None:
    with pair() as p:
        p.homes[1].arena.words[ASLEEP] = 1
        p.bells[1].close()
        with pytest.raises(RankLost, match="rank 1 has died"):
            p.outlet.push(outgoing(1, noise(1, 1)))


@pytest.mark.parametrize("counter", [0, 1])
def test_a_broken_ring_is_no_crash(counter: int) -> None:
    with pair() as p:
        words = p.homes[0].arena.words
        if counter == 0:  # a counter that cannot be
            words[p.homes[0].arena.counters(1)[0]] = SMALL + 64
        else:  # a header that nobody wrote
            p.outlet.push(outgoing(1, noise(1, 1)))
            p.homes[0].arena.bytes(1)[:4] = 0
        with pytest.raises(TransportError, match="the ring from rank 0 is broken"):
            p.inlet.pull()


def test_memory_is_found_only_by_its_token_and_on_its_host(tmp_path: Path) -> None:
    home, bell = OwnArena(0, 2, tmp_path / "memory"), Doorbell(tmp_path / "bell")
    try:
        door = home.door(bell)
        for wrong in (
            replace(door, token="00" * 16), replace(door, host="elsewhere"),
            replace(door, memory=str(tmp_path / "nothing")), replace(door, bell="/nothing"),
        ):  # fmt: skip
            assert open_neighbour(0, 2, wrong) is None
        found = open_neighbour(0, 2, door)
        assert found is not None
        found.close()
        home.hide()
        bell.hide()
        assert list(tmp_path.iterdir()) == []
        assert open_neighbour(0, 2, door) is None
    finally:
        home.close()
        bell.close()


def test_a_bell_can_be_rung_any_number_of_times() -> None:
    bell = Doorbell(None)
    try:
        for _ in range(100_000):
            bell.ring()
        bell.listen()
        bell.listen()
    finally:
        bell.close()
    bell.close()
    bell.ring()


def test_memory_of_a_process_is_read_only_where_it_is() -> None:
    data = noise(1, 1000)
    memory = memory_of(0, os.getpid(), address_of(data), data[:16].tobytes())
    if memory is None:
        pytest.skip("this system does not let processes read each other")
    room = np.zeros(1000, np.uint8)
    memory.read(address_of(data), room)
    assert (room == data).all()
    with pytest.raises(TransportError, match="cannot be read: Bad address"):
        memory.read(8, room)
    assert memory_of(0, os.getpid(), address_of(data), b"something else !") is None
    assert memory_of(0, 2**22 + 1, address_of(data), data[:16].tobytes()) is None
    with pytest.raises(RankLost, match="rank 3 has died"):
        ProcessMemory(3, 2**22 + 1).read(address_of(data), room)


@pytest.mark.parametrize(("ranks", "size"), [(1, RING), (2, RING), (8, RING), (320, 131072)])
def test_rings_are_powers_of_two_that_share_the_room(ranks: int, size: int) -> None:
    assert ring_size(ranks) == size


@given(st.integers(1, 100_000))
def test_rings_are_never_too_small(ranks: int) -> None:
    assert LEAST <= ring_size(ranks) <= RING
    assert ring_size(ranks) & (ring_size(ranks) - 1) == 0


def shared_message(p: Pair, tag: int, size: int) -> Outgoing:
    """One that lies in a shared buffer, lent."""
    out = outgoing(tag, noise(tag, size))
    buffer = p.shared.allocate(size)
    buffer[:] = out.data
    out.data = buffer
    assert p.outlet.push(out)
    assert not out.request.done
    return out


def test_a_shared_message_is_taken_where_it_lies() -> None:
    with pair() as p:
        out = shared_message(p, 3, SHARED)
        assert p.inlet.take(3, 3, SHARED) is None  # another mark
        assert p.inlet.take(2, 2 ^ 1, SHARED) is None
        assert p.inlet.take(3, 3 ^ 1, SHARED + 1) is None
        piece = p.inlet.take(3, 3 ^ 1, SHARED)
        assert piece is not None
        assert np.array_equal(piece, out.data)
        assert not p.outlet.settle()
        p.inlet.taken()
        assert p.outlet.settle()
        assert out.request.done
        assert p.outlet.put(4, 4 ^ 1, noise(4, 100))  # and what follows is taken as before
        brief = p.inlet.take(4, 4 ^ 1, 100)
        assert brief is not None
        assert np.array_equal(brief, noise(4, 100))
        p.inlet.taken()


def test_a_shared_message_of_one_that_closes_meanwhile_is_lost() -> None:
    with pair() as p:
        shared_message(p, 3, SHARED)
        assert p.inlet.take(3, 3 ^ 1, SHARED) is not None
        p.homes[0].shut()
        with pytest.raises(RankLost, match="rank 0 has closed its transport while sending"):
            p.inlet.taken()


def test_a_shared_message_is_not_taken_at_once_where_losses_are_survived() -> None:
    with pair() as p:
        out = shared_message(p, 3, SHARED)
        p.neighbours[1].survives = True
        assert p.inlet.take(3, 3 ^ 1, SHARED) is None
        assert p.inlet.pull()
        while p.inlet.wanted:
            p.inlet.fetch()
        ((_, pieces),) = p.received
        assert np.array_equal(np.concatenate(pieces), out.data)
