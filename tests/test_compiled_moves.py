"""Moves of small messages by compiled code: the same bytes, and the same rings, as without it."""

import gc
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from collectives import Communicator, buffers, init
from fabric import launch
from fabric.failure import CallMismatch, RankLost, WorldError
from fabric.host.lacking import COMPILED, LACKS
from fabric.transports.base import BriefMove, Bytes, MadeAtOnce, MayChange, Request, address_of
from fabric.transports.zmq import compiled_moves
from fabric.transports.zmq.compiled_moves import RingEnds, compiled_code, made_at_once
from fabric.transports.zmq.partial import Outgoing
from fabric.transports.zmq.shared_buffers import SharedBuffers
from fabric.transports.zmq.shm import NAP, SLOTS
from tests.support.every_byte import REDUCING, call, numbers, wanted
from tests.support.worlds import noise
from tests.test_communicator import ANYWHERE, OPS
from tests.test_shm import SHARED, Pair, pair

pytestmark = pytest.mark.skipif(
    compiled_code() is None,
    reason="there was no C compiler where Triplane was installed: install one, and it once more",
)

UFUNCS = (
    np.add, np.multiply, np.minimum, np.maximum, np.bitwise_and, np.bitwise_or, np.bitwise_xor,
)  # fmt: skip
INTEGERS = tuple(np.dtype(f"{sign}{size}") for sign in "iu" for size in (1, 2, 4, 8))
KNOWN = [(each, dtype) for dtype in INTEGERS for each in UFUNCS] + [
    (each, np.dtype(name))
    for name in ("f4", "f8", ml_dtypes.bfloat16)
    for each in (np.add, np.multiply)
]
NOTHING = np.zeros(0, np.uint8)


def made(
    moves: Sequence[BriefMove | MayChange], combine: np.ufunc | None = None, dtype: Any = None,
    of: Pair | None = None, idle: Callable[[], bool] = lambda: True, crowded: bool = False,
) -> MadeAtOnce | None:  # fmt: skip
    shared = SharedBuffers(0, bytes(16)) if of is None else of.shared
    ends = RingEnds({}, {}, shared, idle)
    if of is not None:
        ends = RingEnds({1: of.outlet}, {1: of.inlet, 0: of.inlet}, shared, idle, crowded)
    return made_at_once(moves, combine, None if dtype is None else np.dtype(dtype), ends)


def compiled(*given: Any, **options: Any) -> MadeAtOnce:
    found = made(*given, **options)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("combine", "dtype"), KNOWN, ids=lambda each: getattr(each, "__name__", str(each))
)
@settings(max_examples=25, deadline=None)
@given(
    items=st.integers(0, 70), shifts=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    seed=st.integers(0, 1 << 30), is_odd=st.booleans(), apart=st.booleans(),
)  # fmt: skip
def test_items_are_combined_as_numpy_combines_them(
    combine: np.ufunc, dtype: np.dtype[Any], items: int, shifts: tuple[int, int], seed: int,
    is_odd: bool, apart: bool,
) -> None:  # fmt: skip
    """To the bit, at any address, of any bits.

    Of two NaNs the first one stays; in numpy it depends on where in the array they are.
    """
    size = items * dtype.itemsize
    send, recv = (noise(seed + n, 3 * size + at) for n, at in enumerate(shifts))
    is_float = dtype.kind not in "iu"
    if is_odd and is_float:
        for array, at in zip((send, recv), shifts, strict=True):
            odd = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], dtype).view(np.uint8)
            loud = np.array([np.inf, -np.inf], dtype).view(np.uint8).reshape(2, -1)
            loud[:, 0] = 5  # NaNs that make themselves heard
            values = np.concatenate([odd, loud.ravel()]).view(dtype)
            chosen = np.random.default_rng([seed, at]).choice(values, 3 * items)
            array[at:] = chosen.view(np.uint8)
    base = shifts[0] + size if apart else None
    move = BriefMove(None, (0, shifts[0]), (1, shifts[1]), size, True, base)
    want = recv.copy()
    into = slice(shifts[1], shifts[1] + size)
    come = send[shifts[0] : shifts[0] + size].copy().view(dtype)
    first = (send[shifts[0] + size :][:size] if apart else recv[into]).copy().view(dtype)
    with np.errstate(all="ignore"):
        result = combine(first, come)
        if is_float:
            both = (first != first) & (come != come)
            result[both] = first[both] * dtype.type(1)
    want[into] = result.view(np.uint8)
    assert compiled([move], combine, dtype)(1, 2, send, recv, NOTHING) == 1
    assert np.array_equal(recv, want)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([0, 1, 63, 64, 65, 300, 800]), max_size=25),
    turns=st.lists(st.integers(0, 4), max_size=80),
)
def test_either_code_goes_on_where_the_other_has_stopped(
    sizes: list[int], turns: list[int]
) -> None:
    """Whoever writes to a ring, and whoever reads from it, and wherever it is full or empty."""
    with pair() as p:
        data = [noise(k, size) for k, size in enumerate(sizes)]
        sent, come, begun = 0, list[NDArray[np.uint8]](), deque(range(len(sizes)))
        for turn in [*turns, *[0, 2] * 60]:
            if turn < 2 and sent < len(data):
                tag, bytes_ = sent, data[sent]
                if turn == 0:
                    moves = compiled([BriefMove(1, (0, 0), None, bytes_.size)], of=p)
                    sent += moves(tag, tag ^ 1, bytes_, NOTHING, NOTHING)
                else:
                    sent += p.outlet.put(tag, tag ^ 1, bytes_)
            elif turn >= 2 and len(come) < sent:
                tag = begun[0]
                into = np.zeros(sizes[tag], np.uint8)
                if turn == 2:
                    moves = compiled([BriefMove(0, None, (1, 0), into.size)], of=p)
                    done = moves(tag, tag ^ 1, NOTHING, into, NOTHING) == 1
                elif turn == 3:
                    piece = p.inlet.take(tag, tag ^ 1, into.size)
                    done = piece is not None
                    if piece is not None:
                        into[:] = piece
                        p.inlet.taken()
                else:
                    piece = p.inlet.take(tag, tag, into.size)  # of another mark
                    assert piece is None
                    done = False
                if done:
                    begun.popleft()
                    come.append(into)
        assert len(come) == len(data)
        assert all(map(np.array_equal, come, data))
        assert not p.inlet.come()


def test_another_message_than_the_awaited_one_is_left_where_it_is() -> None:
    with pair() as p:
        assert p.outlet.put(7, 8, noise(1, 100))
        into = np.zeros(100, np.uint8)
        for tag, mark, size in ((6, 8, 100), (7, 9, 100), (7, 8, 99), (7, 8, 64)):
            moves = compiled([BriefMove(0, None, (1, 0), size)], of=p)
            assert moves(tag, mark, NOTHING, into, NOTHING) == 0
        assert not into.any()
        assert compiled([BriefMove(0, None, (1, 0), 100)], of=p)(7, 8, NOTHING, into, NOTHING) == 1
        assert np.array_equal(into, noise(1, 100))


@pytest.mark.parametrize("woken_by", ["compiled code", "python", "its own rank", "nobody"])
def test_who_naps_is_woken_by_what_it_lacks(woken_by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And by another thread of its rank that wants to make calls; else it ends at its time."""
    wait = 0.1 if woken_by == "nobody" else 60.0
    monkeypatch.setattr(compiled_moves, "CROWDED_WAIT", round(wait * 1e9))
    with pair() as ends, ThreadPoolExecutor(1) as pool:
        take = compiled([BriefMove(0, None, (1, 0), 100)], of=ends, crowded=True)
        send = compiled([BriefMove(1, (0, 0), None, 100)], of=ends)
        data, room, words = noise(1, 100), np.zeros(100, np.uint8), ends.homes[1].arena.words
        taken = pool.submit(take, 7, 6, NOTHING, room, NOTHING)
        until = time.monotonic() + 10.0
        while not words[NAP] and not taken.done() and time.monotonic() < until:
            time.sleep(0.001)
        assert taken.done() or words[NAP] == 1
        match woken_by:
            case "compiled code":
                assert send(7, 6, data, NOTHING, NOTHING) == 1
            case "python":
                assert ends.outlet.put(7, 6, data)
            case "its own rank":
                ends.homes[1].arena.rouse()
        came = woken_by in ("compiled code", "python")
        assert taken.result(10.0) == came
        assert np.array_equal(room, data) == came
        assert not words[NAP]


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.sampled_from([100, SHARED, SHARED + 1, 3000, 70_000]), max_size=30),
    turns=st.lists(st.integers(0, 5), max_size=120), seed=st.integers(0, 1 << 30),
)  # fmt: skip
def test_what_is_shared_is_lent_and_taken_by_either_code(
    sizes: list[int], turns: list[int], seed: int
) -> None:
    """Small messages between large ones; each is given back once, to whoever has lent it."""
    with pair() as p:
        sender = p.shared.allocate(sum(sizes) + 1)
        sender[:] = noise(seed, sender.size)
        places = np.cumsum([0, *sizes]).tolist()
        sent, came, waiting = 0, 0, list[tuple[Request, int]]()

        def data(number: int) -> Bytes:
            return sender[places[number] :][: sizes[number]]

        for turn in [*turns, *[0, 2, 3, 5] * 40]:
            if turn == 0 and sent < len(sizes):
                list_ = [BriefMove(1, (0, places[sent]), None, sizes[sent]), MayChange(0)]
                made = compiled(list_, of=p)(sent, 5, sender, NOTHING, NOTHING)
                if made == 1 and sizes[sent] >= SHARED:
                    out = Outgoing(Request(1), sent, 5, data(sent))
                    p.outlet.resume(out)
                    waiting.append((out.request, sent))
                assert made != 2 or sizes[sent] < SHARED  # nobody has read it yet
                sent += made > 0
            elif turn == 1 and sent < len(sizes):
                out = Outgoing(Request(1), sent, 5, data(sent))
                if sizes[sent] < SHARED:
                    sent += p.outlet.put(sent, 5, data(sent))
                elif p.outlet.push(out):
                    if out.at < sizes[sent]:  # every slot is taken: it goes through the ring
                        while not out.request.done:
                            p.inlet.pull()
                            p.outlet.push(out)
                        came = _received(p, came, sent, data)
                    waiting.append((out.request, sent))
                    sent += 1
            elif turn in (2, 3) and came < sent:
                into = np.zeros(sizes[came], np.uint8)
                if turn == 2:
                    list_ = [BriefMove(0, None, (1, 0), into.size)]
                    done = compiled(list_, of=p)(came, 5, NOTHING, into, NOTHING) == 1
                else:
                    piece = p.inlet.take(came, 5, into.size)
                    done = piece is not None
                    if piece is not None:
                        into[:] = piece
                        p.inlet.taken()
                if done:
                    assert np.array_equal(into, data(came))
                    came += 1
            elif turn == 4:
                came = _received(p, came, sent - 1, data)
            elif turn == 5:
                p.outlet.settle()
                assert all(request.done == (number < came) for request, number in waiting)
        assert (sent, came) == (len(sizes), len(sizes))
        assert not p.outlet.lent


def _received(p: Pair, came: int, last: int, data: Callable[[int], Bytes]) -> int:
    """Receive everything without compiled code: how many messages have come then."""
    p.inlet.pull()
    while p.inlet.wanted:
        p.inlet.fetch()
    for message, pieces in p.received:
        assert message.tag == came <= last
        assert np.array_equal(np.concatenate(pieces), data(came))
        came += 1
    p.received.clear()
    return came


def test_no_more_are_lent_than_there_are_slots_and_none_from_other_memory() -> None:
    with pair() as p, pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_moves, "WAIT", 1000)
        sender = p.shared.allocate(2 * SHARED)
        many = [BriefMove(1, (0, 0), None, SHARED) for _ in range(SLOTS + 1)]
        leave = [MayChange(number) for number in range(len(many))]
        moves = compiled([*many, *leave], of=p)
        ring = p.outlet.addresses().size // 64
        assert moves(1, 2, sender, NOTHING, NOTHING) == min(SLOTS, ring)
        assert list(p.outlet.unsettled) == [*range(1, 1 + min(SLOTS, ring))]
        for _ in range(3):
            assert p.inlet.take(1, 2, SHARED) is not None
            p.inlet.taken()
        assert compiled(many[:1] + leave[:1], of=p)(1, 2, np.array(sender), NOTHING, NOTHING) == 0
        assert compiled(many[:1] + leave[:1], of=p)(1, 2, sender[1:], NOTHING, NOTHING) == 1
        assert made(many[:1], of=p) is None  # nobody would know when it is read


def test_a_buffer_that_was_freed_is_listed_no_more() -> None:
    with pair() as p:
        first, second = p.shared.allocate(5000), p.shared.allocate(5000)
        entries = np.frombuffer(p.shared.listed(), np.uint64).reshape(-1, 4)
        assert sorted(entries[:, 0].tolist()) == sorted(map(address_of, (first, second)))
        assert (entries[:, 1] - entries[:, 0]).tolist() == [5000, 5000]
        del first
        left = np.frombuffer(p.shared.listed(), np.uint64).reshape(-1, 4)
        assert left[:, 0].tolist() == [address_of(second)]


def test_a_sender_that_closes_while_it_is_read_is_left_to_the_other_code() -> None:
    with pair() as p:
        sender = p.shared.allocate(SHARED)
        list_ = [BriefMove(1, (0, 0), None, SHARED), MayChange(0)]
        assert compiled(list_, of=p)(1, 2, sender, NOTHING, NOTHING) == 1
        p.homes[0].shut()
        into = np.zeros(SHARED, np.uint8)
        taken = compiled([BriefMove(0, None, (1, 0), SHARED)], of=p)
        assert taken(1, 2, NOTHING, into, NOTHING) == 0
        assert p.inlet.take(1, 2, SHARED) is not None
        with pytest.raises(RankLost, match="has closed its transport while sending"):
            p.inlet.taken()


Case = tuple[str, str, str, str, int, int]


def cases(ranks: int) -> list[Case]:
    chosen = []
    for number, op in enumerate(OPS):
        for turn, name in enumerate(ANYWHERE[op]):
            kind = (
                ("sum", "max", "bxor", "avg", "sum")[(number + turn) % 5] if op in REDUCING else ""
            )
            dtype = (
                "int32" if kind in ("max", "bxor") else ("float32", "int64", "bfloat16")[turn % 3]
            )
            chosen.append((op, name, dtype, kind, (1, 13, 1000)[(turn + number) % 3], turn % ranks))
    return chosen


def calls_over_and_over(every: Sequence[Case], seed: int) -> str:
    """In a rank: each call several times, with other data, while ranks come late now and then."""
    random = np.random.default_rng([seed, int(os.environ.get("RANK", "0"))])
    with init() as comm:
        for op, name, dtype, kind, items, root in every:
            size = np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
            send_size, recv_size = buffers(op, comm.size, items * size)
            for turn in range(6):
                inputs = numbers(comm.size, send_size // size, dtype, exact=True)
                inputs = [np.roll(each, turn) for each in inputs]
                got = np.zeros(recv_size // size, inputs[0].dtype)
                if random.random() < 0.2:
                    time.sleep(random.choice([0.0001, 0.0005, 0.003]))
                if turn == 3:  # one is under way beside it
                    beside = np.array([comm.rank], np.int32)
                    work = comm.all_reduce(beside, async_op=True)
                call(comm, op, inputs[comm.rank].copy(), got, root, kind, algorithm=name)
                if turn == 3:
                    work.wait()
                    assert beside[0] == sum(range(comm.size))
                want = wanted(op, inputs, root, kind)[comm.rank]
                assert want is None or got.tobytes() == want.tobytes(), (op, name, dtype, kind)
        return "right"


@pytest.mark.parametrize("lacking", ["", COMPILED])
@pytest.mark.parametrize("ranks", [2, 3])
def test_every_collective_over_and_over(
    ranks: int, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LACKS, lacking)
    args = cases(ranks), ranks
    found = launch(calls_over_and_over, ranks, None, "zmq", args=args, timeout=120.0)
    assert found == ["right"] * ranks


def shared_calls_over_and_over(seed: int) -> str:
    """In a rank: large calls from buffers that are shared, and some that are not."""
    random = np.random.default_rng([seed, int(os.environ.get("RANK", "0"))])
    with init() as comm:
        for number, op in enumerate(OPS):
            for turn, name in enumerate(ANYWHERE[op]):
                kind = ("sum", "bxor")[turn % 2] if op in REDUCING else ""
                send_size, recv_size = buffers(op, comm.size, (160_000, 300_000)[number % 2])
                inputs = numbers(comm.size, send_size // 4, "int32", exact=True)
                send, got = (comm.empty(size // 4, np.int32) for size in (send_size, recv_size))
                for time_ in range(4):
                    mine = [np.roll(each, time_) for each in inputs]
                    send[:] = mine[comm.rank]
                    given = send if random.random() < 0.9 else send.copy()
                    if random.random() < 0.1:
                        time.sleep(0.003)
                    call(comm, op, given, got, turn % comm.size, kind, algorithm=name)
                    want = wanted(op, mine, turn % comm.size, kind)[comm.rank]
                    assert want is None or got.tobytes() == want.tobytes(), (op, name, kind)
                    given[:] = -1  # whoever has not read it yet would read this
        return "right"


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_large_collectives_between_shared_buffers(ranks: int) -> None:
    found = launch(shared_calls_over_and_over, ranks, None, "zmq", args=(ranks,), timeout=120.0)
    assert found == ["right"] * ranks


def beside_a_receive(algorithm: str) -> str:
    """In a rank: calls with a large work buffer while a receive is under way."""
    with init() as comm:
        x, out = comm.empty((2, 1 << 18), np.float32)
        far = np.zeros(100, np.float32)
        for turn in range(3):
            work = comm.irecv(far, (comm.rank + 1) % comm.size) if turn else None
            x[:] = 1
            comm.all_reduce(x, "sum", out, algorithm=algorithm)
            assert (out == comm.size).all()
            if work is not None:
                comm.send(far + 1, (comm.rank - 1) % comm.size)
                work.wait()
        return "right"


@pytest.mark.parametrize("algorithm", ["recursive_doubling", "halving_doubling", "tree"])
def test_a_large_call_beside_another(algorithm: str) -> None:
    assert launch(beside_a_receive, 4, None, "zmq", args=(algorithm,), timeout=60.0) == 4 * [
        "right"
    ]


def closes_beside_a_call(after: float) -> list[str]:
    """In a rank: another thread is in a large call when the communicator is closed: its error."""
    errors: list[str] = []

    def reduce_for_ever(comm: Communicator) -> None:
        x, out = comm.empty((2, 1 << 22), np.float32)
        try:
            while True:
                comm.all_reduce(x, "sum", out)
        except Exception as error:
            errors.append("known" if isinstance(error, WorldError) else repr(error))

    with suppress(RuntimeError), init() as comm:
        other = threading.Thread(target=reduce_for_ever, args=(comm,))
        other.start()
        time.sleep(after)
        raise RuntimeError("enough")
    other.join()
    return errors


@pytest.mark.parametrize("after", [0.05, 0.0535, 0.057])
def test_a_thread_in_a_large_call_while_another_closes(after: float) -> None:
    found = launch(
        closes_beside_a_call, 2, None, "zmq", args=(after,), timeout=60.0, return_exceptions=True
    )
    assert ["known"] in found, found
    assert not any("signal" in str(one) or "Error(" in str(one) for one in found), found


def test_what_compiled_code_reads_lives_as_long_as_its_moves() -> None:
    with pair() as p:
        moves = compiled([BriefMove(0, None, (1, 0), 100)], of=p)
        inlet = weakref.ref(p.inlet)
        del p.inlet
        gc.collect()
        assert inlet() is not None
        del moves
        gc.collect()
        assert inlet() is None


def runs_ahead(times: int) -> int:
    """In a rank: the root sends until the rings are full, and goes on when others read."""
    with init() as comm:
        right = 0
        for turn in range(times):
            x = noise(turn, 1 << 14) if comm.rank == 0 else np.zeros(1 << 14, np.uint8)
            if comm.rank == 1 and turn in (5, 90):
                time.sleep(0.05)
            comm.broadcast(x, 0)
            right += np.array_equal(x, noise(turn, 1 << 14))
        return right


def test_a_root_that_runs_ahead_of_the_others() -> None:
    assert launch(runs_ahead, 3, None, "zmq", args=(200,), timeout=60.0) == [200] * 3


def other_calls() -> str:
    """In a rank: ranks make the same call but once; whoever is in it learns of it."""
    with init() as comm:
        x = np.zeros(4, np.float32)
        for _ in range(50):
            comm.all_reduce(x)
        comm.all_reduce(x, "max" if comm.rank == 1 else "sum")
    return "over"


def test_a_call_that_differs_after_many_that_were_alike() -> None:
    with pytest.raises(CallMismatch, match=r"rank 1 called all_reduce\(max"):
        launch(other_calls, 3, None, "zmq", timeout=60.0)
