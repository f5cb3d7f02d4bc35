"""Many small messages at once between threads: they are messages like others, only cheaper."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import init
from fabric import launch
from fabric.failure import CallMismatch, RankLost, TransportError
from fabric.ranks.wide import WIDE
from fabric.transports.base import ANY, SMALL, Request
from fabric.transports.inproc import Inproc, connect

TAG = 7


def connected(ranks: int) -> list[Inproc]:
    boxes: list[Any] = [None] * ranks

    def exchange(box: Any) -> list[Any]:
        boxes[boxes.index(None)] = box
        return boxes

    return [connect(rank, ranks, exchange) for rank in range(ranks)]


def text(sender: int, receiver: int, number: int) -> bytes:
    return b"%d>%d:%03d" % (sender, receiver, number)


def send(transport: Inproc, number: int, at_once: bool) -> None:
    """Message ``number`` to every other rank."""
    me = transport.rank
    peers = [peer for peer in range(transport.size) if peer != me]
    if at_once:
        assert transport.send_many(peers, TAG, 0, [text(me, p, number) for p in peers]).done
        return
    for peer in peers:
        transport.send(peer, TAG, 0, np.frombuffer(text(me, peer, number), np.uint8))


def receive(transport: Inproc, number: int, at_once: bool, any_rank: bool) -> list[Request]:
    """Message ``number`` from every other rank; each is checked when it is taken."""
    me = transport.rank
    peers = [peer for peer in range(transport.size) if peer != me]
    sizes, right = [len(text(0, 0, 0))] * len(peers), [text(peer, me, number) for peer in peers]
    if at_once:
        return [transport.receive_many(peers, sizes, TAG, 0, lambda got: _same(got, right))]
    if any_rank:
        left = set(right)
        take = lambda _, piece: left.remove(piece.tobytes())  # noqa: E731
        return [transport.receive(ANY, TAG, 0, sizes[0], take) for _ in peers]
    return [
        transport.receive(peer, TAG, 0, sizes[0], lambda _, got, want=want: _same(got, want))
        for peer, want in zip(peers, right, strict=True)
    ]


def _same(got: Any, right: Any) -> None:
    assert (got if isinstance(got, list) else got.tobytes()) == right


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(2, 5), st.integers(1, 5), st.booleans(), st.integers(0, 1 << 32))
def test_they_are_messages_like_others(ranks: int, rounds: int, any_rank: bool, seed: int) -> None:
    """Sent and received one by one or at once, in any order of events: the order of a pair stays.

    ``any_rank``: receives name no sender; ranks then wait for each other between the rounds.
    """
    transports, chance = connected(ranks), random.Random(seed)
    sent, received, waiting = [0] * ranks, [0] * ranks, [list[Request]() for _ in range(ranks)]
    while min(received) < rounds or any(waiting):
        rank = chance.randrange(ranks)
        transport = transports[rank]
        waiting[rank] = [request for request in waiting[rank] if not request.done]
        assert all(request.missing() for request in waiting[rank])
        over = min(count - bool(left) for count, left in zip(received, waiting, strict=True))
        event = chance.randrange(3)
        if event == 0 and sent[rank] < rounds and not (any_rank and sent[rank] > over):
            send(transport, sent[rank], chance.random() < 0.5)
            sent[rank] += 1
        elif event == 1 and received[rank] < rounds and not waiting[rank]:
            waiting[rank] = receive(transport, received[rank], chance.random() < 0.5, any_rank)
            received[rank] += 1
        else:
            transport.progress(0)
    for transport in transports:
        assert transport.unclaimed() == []
        transport.close()


def test_what_nobody_has_received_is_listed_in_the_order_in_which_it_came() -> None:
    first, second, third = connected(3)
    second.send_many([0, 2], TAG, 0, [b"x", b"y"])
    third.send(0, TAG, 0, np.zeros(1, np.uint8))
    second.send_many([0], TAG + 1, 0, [b"z"])
    first.progress(0)
    assert first.unclaimed() == [(1, TAG), (2, TAG), (1, TAG + 1)]


def test_a_message_of_another_call_ends_all_that_it_is_collected_with() -> None:
    first, second, third = connected(3)
    request = first.receive_many([1, 2], [4, 4], TAG, 5, lambda _: pytest.fail("taken"))
    assert request.missing() == (1, 2)
    third.send_many([0], TAG, 6, [b"1234"])
    first.progress(0)
    assert isinstance(request.error, CallMismatch)
    assert "rank 0 waits for 4 bytes from rank 2 in call 0x00000005" in str(request.error)
    assert request.done
    second.send_many([0], TAG, 5, [b"123"])  # it stays the first error
    first.progress(0)
    assert "from rank 2" in str(request.error)
    assert first.unclaimed() == []


def test_ranks_that_are_closed_or_do_not_exist_are_named() -> None:
    first, second, third = connected(3)
    second.send_many([0, 2], TAG, 0, [b"1", b"2"])
    third.progress(0)
    third.receive(1, TAG, 0, 1, np.zeros(1, np.uint8))
    third.close()
    lost = first.send_many([1, 2], TAG, 0, [b"1", b"2"])
    assert isinstance(lost.error, RankLost)
    assert lost.error.rank == 2
    with pytest.raises(TransportError, match="there are ranks 0 to 2"):
        first.send_many([1, 3], TAG, 0, [b"1", b"2"])
    with pytest.raises(TransportError, match="there are ranks 0 to 2"):
        first.receive_many([-1, 1], [1, 1], TAG, 0, lambda _: None)
    first.close()
    with pytest.raises(TransportError, match="rank 0 is closed"):
        first.send_many([1], TAG, 0, [b"1"])


RANKS = WIDE + 4


def everything() -> list[tuple[str, bytes, float]]:
    """All collectives, some under way together; what came of each, and the clock."""
    seen = []
    with init() as comm:
        me, n = comm.rank, comm.size
        rng = np.random.default_rng(me)
        for items in (3, 1000, SMALL // 4 + 1):
            x, out = rng.random(items * n, np.float32), np.empty(items * n, np.float32)
            one, room = x[:items].copy(), np.empty(items, np.float32)
            for name in ("two_shot", "direct", None):
                comm.all_reduce(one, out=room, algorithm=name)
                seen.append((f"all_reduce {name}", room.tobytes(), comm.now()))
                comm.all_reduce(room, op="max", algorithm=name)
                seen.append((f"all_reduce in place {name}", room.tobytes(), comm.now()))
            comm.all_gather(out, one)
            seen.append(("all_gather", out.tobytes(), comm.now()))
            gathered, works = np.empty_like(out), []
            works.append(comm.all_to_all(out, x, async_op=True))
            works.append(comm.all_gather(gathered, one, async_op=True))
            works.append(comm.reduce_scatter(room, x, async_op=True))
            for work in works:
                work.wait()
            seen.append(("together", out.tobytes() + gathered.tobytes() + room.tobytes(), 0.0))
            counts = (np.arange(n) * 7 + me) % (items + 1)
            come = (me * 7 + np.arange(n)) % (items + 1)
            comm.all_to_all_v(out, x, counts, come)
            seen.append(("all_to_all_v", out[: come.sum()].tobytes(), comm.now()))
            comm.gather(out, one, root=2)
            comm.scatter(room, out, root=2)
            seen.append(("gather and scatter", room.tobytes(), comm.now()))
        told = np.zeros((n, 2), np.int64)
        comm.inform(told, np.stack([np.full(n, me), np.arange(n)], 1), "test")
        seen.append(("inform", told.tobytes(), comm.now()))
        odd = comm.split(me % 2)
        assert odd is not None
        ones = np.ones(5)
        odd.all_reduce(ones, algorithm="two_shot")
        seen.append(("split", ones.tobytes(), comm.now()))
    return seen


def test_threads_get_the_bytes_and_times_that_they_get_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert connected(1)[0].many
    sent: list[int] = []  # who has sent many at once, and whether it is done at all
    send_many = Inproc.send_many

    def counted(self: Inproc, *what: Any) -> Request:
        sent.append(self.rank)
        return send_many(self, *what)

    monkeypatch.setattr(Inproc, "send_many", counted)
    wide = launch(everything, ranks=RANKS, system="cloudmatrix384")
    assert min(sent.count(rank) for rank in range(RANKS)) > 20
    monkeypatch.setattr(Inproc, "many", None)
    assert launch(everything, ranks=RANKS, system="cloudmatrix384") == wide
