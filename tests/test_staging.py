"""Tokens that others read from copies: nobody waits for the readers, and nobody reads others."""

import ctypes
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from collectives import init
from collectives.calls import staging
from collectives.calls.staging import LEAST, Staging
from collectives.moe import LowLatency, Normal
from fabric import launch
from fabric.transports.base import Bytes, SharedPlace, address_of
from fabric.transports.zmq.shared_buffers import OpenedBuffers, SharedBuffers
from tests.support.worlds import noise

TOKEN = b"a token of a rank"[:16]
HIDDEN, TOKENS, TOP_K, EXPERTS = 96, 5, 4, 12


def steps_in_a_rank(staged: int, seed: int, reuse: bool, count: int) -> str:
    """In a rank: dispatch and combine, whose inputs are written over as soon as they may be."""
    staging.MOST = staged
    random = np.random.default_rng([seed, int(os.environ.get("RANK", "0"))])
    with init() as comm:
        layer = LowLatency(comm, experts=EXPERTS, hidden=HIDDEN, max_tokens=TOKENS, reuse=reuse)
        pending: list[tuple[Any, NDArray[np.float32], NDArray[np.float32]]] = []
        shared = np.random.default_rng(seed)  # the same choices of what to do at all ranks
        for step in range(count):
            kind = shared.integers(0, 6)
            tokens = int(random.integers(0, TOKENS + 1))
            x = random.integers(-50, 50, (tokens, HIDDEN)).astype(np.float32)
            choices = random.random((tokens, EXPERTS)).argsort(axis=1)[:, :TOP_K]
            weights = 2.0 ** random.integers(-2, 3, choices.shape).astype(np.float32)
            want = x * weights.sum(axis=1, keepdims=True)
            got, handle, work = layer.dispatch(x, choices, async_op=kind == 1)
            work.wait()
            x[:] = np.nan
            if random.random() < 0.1:
                time.sleep(0.002)
            if kind == 2:
                handle.release()
                continue
            y = layer.results(handle)
            for expert, rows in enumerate(got.counts):
                y[expert, :rows] = got.x[expert, :rows]
            for _ in range(3 if reuse and kind == 3 else 1):
                out, work = layer.combine(y, handle, weights, async_op=kind == 4)
                if kind == 4:
                    pending.append((work, out, want))
                else:
                    assert np.array_equal(out, want), step
            if kind == 4 and step % 2:
                _settle(pending)
            elif kind != 4:
                y[:] = np.nan
        _settle(pending)
        used = comm.staging
        assert used is None or len(used._pieces) <= 8
        return "right"


def _settle(pending: list[tuple[Any, NDArray[np.float32], NDArray[np.float32]]]) -> None:
    for work, out, want in pending:
        work.wait()
        assert np.array_equal(out, want)
    pending.clear()


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("system", [None, "cloudmatrix384"])
@pytest.mark.parametrize("staged", [0, staging.MOST])
def test_what_is_written_over_at_once_was_read_before(
    staged: int, system: str | None, reuse: bool
) -> None:
    args = staged, 7, reuse, 60
    found = launch(steps_in_a_rank, 3, system, "zmq", args=args, timeout=60.0)
    assert found == ["right"] * 3


def many_in_a_rank(most: int, seed: int, count: int) -> str:
    """As `steps_in_a_rank`, in the normal mode: whoever has ``most`` bytes at most copies them."""
    with init() as comm:
        staging.MOST = most * comm.size
        layer = Normal(comm, experts=EXPERTS, hidden=HIDDEN, repeats=True)
        shared = np.random.default_rng(seed)
        random = np.random.default_rng([seed, comm.rank])
        for step in range(count):
            kind, weighs = shared.integers(0, 4), bool(shared.integers(0, 2))
            tokens = int(random.integers(0, TOKENS + 1))
            choices = random.integers(-1, EXPERTS, (tokens, TOP_K))
            weights = random.integers(1, 9, choices.shape).astype(np.float32)
            handle = None
            for again in range(1 + (kind == 1)):
                x = random.integers(-50, 50, (tokens, HIDDEN)).astype(np.float32)
                sent = x.copy()
                if handle is None:
                    given = (choices, weights if weighs else None)
                    got, handle, work = layer.dispatch(sent, *given, async_op=kind == 2)
                else:
                    got, handle, work = layer.dispatch(sent, handle=handle)
                work.wait()
                sent[:] = np.nan
                if random.random() < 0.1:
                    time.sleep(0.002)
                y, came = got.x.copy(), None if again or not weighs else got.topk_weights
                start = np.full_like(x, 3.0)
                out, summed, work = layer.combine(y, handle, came, start=start, async_op=kind == 3)
                work.wait()
                y[:] = np.nan
                homes = np.where(choices < 0, -1, choices // (EXPERTS // comm.size))
                times = [len({*row} - {-1}) for row in homes.tolist()]
                assert np.array_equal(out, 3.0 + x * np.array(times).reshape(-1, 1)), step
                if came is not None:
                    assert np.array_equal(summed, np.where(choices < 0, 0.0, weights)), step
        return "right"


@pytest.mark.parametrize("system", [None, "cloudmatrix384"])
@pytest.mark.parametrize("most", [-1, 3 * 4 * HIDDEN, TOKENS * 4 * HIDDEN])
def test_many_tokens_of_which_some_are_copied(most: int, system: str | None) -> None:
    found = launch(many_in_a_rank, 3, system, "zmq", args=(most, 5, 60), timeout=60.0)
    assert found == ["right"] * 3


class OfOneProcess:
    """What `Staging` asks of shared memory, between objects of one process."""

    def __init__(self, rank: int) -> None:
        buffers = SharedBuffers(rank, TOKEN)
        self.allocate, self.find, self.fence = buffers.allocate, buffers.find, buffers.fence

    def open(self, rank: int, place: SharedPlace, size: int) -> Bytes:
        return OpenedBuffers(rank, os.getpid(), TOKEN).bytes(place, size)


def two() -> list[Staging]:
    """Those of two ranks, which have told each other where their words are."""
    told, meet = np.zeros((2, 2, 3), np.int64), threading.Barrier(2, timeout=30.0)

    def made(rank: int) -> Staging:
        def inform(mine: NDArray[np.int64]) -> NDArray[np.int64]:
            told[rank] = mine
            meet.wait()
            return told[:, rank].copy()

        return Staging(OfOneProcess(rank), rank, (0, 1), inform)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(made, (0, 1)))


def test_memory_is_used_again_once_nobody_reads_it_any_more() -> None:
    one, other = two()
    calls = [(one.begin(), other.begin()) for _ in range(4)]
    assert calls == [(n, n) for n in range(1, 5)]
    assert not one.is_over()
    first, second = one.piece(1, 10), one.piece(2, LEAST + 1)
    assert first.memory.size == LEAST
    assert second.memory.size == 2 * LEAST
    first.memory[:3] = 1, 2, 3
    place = np.array([first.place, (0, 0, 0)], np.int64)
    at = other.addresses(place, np.array([10, 0]))
    assert at[1] == 0
    assert np.ctypeslib.as_array((ctypes.c_uint8 * 3).from_address(int(at[0]))).tolist() == [
        1,
        2,
        3,
    ]
    other.over(2)  # but not 1, so both stay as they are
    third = one.piece(3, 10)
    assert address_of(third.memory) not in map(address_of, (first.memory, second.memory))
    other.over(1)
    assert address_of(one.piece(4, 10).memory) == address_of(first.memory)
    assert address_of(one.piece(4, 10).memory) == address_of(second.memory)
    other.over(4)
    assert not one.is_over()
    other.over(3)
    assert one.is_over()


def leaves_early() -> float:
    """In a rank: the last thing is a combine, which one rank reads late."""
    with init() as comm:
        layer = LowLatency(comm, experts=EXPERTS, hidden=HIDDEN, max_tokens=TOKENS)
        x = np.ones((2, HIDDEN), np.float32)
        choices = np.array([range(EXPERTS)] * 2)
        got, handle, _ = layer.dispatch(x, choices)
        if comm.rank == 1:  # opens what others have for it when they have long been through
            opened = comm.staging._opened  # type: ignore[union-attr]

            def late(*given: Any) -> Any:
                time.sleep(0.3)
                return opened(*given)

            comm.staging._opened = late  # type: ignore[union-attr,method-assign]
            comm.staging._known.clear()  # type: ignore[union-attr]
        return float(layer.combine(got.x, handle, np.ones((2, EXPERTS), np.float32))[0].sum())


def test_who_is_through_waits_for_those_who_read_its_memory() -> None:
    found = launch(leaves_early, 2, None, "zmq", timeout=60.0)
    assert found == [2.0 * EXPERTS * HIDDEN] * 2


def test_what_lasts_stays_for_those_who_have_it_open() -> None:
    shared = SharedBuffers(3, TOKEN)
    opened = [OpenedBuffers(3, os.getpid(), TOKEN) for _ in range(2)]
    seen = []
    for lasts, by in zip((True, False), opened, strict=True):
        memory = shared.allocate(5000, lasts=lasts)
        memory[:] = noise(1, 5000)
        place = shared.find(memory)
        assert place is not None
        seen.append(by.bytes(place, 5000))
        del memory
    assert np.array_equal(seen[0], noise(1, 5000))
    assert not seen[1].any()
