import gc
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from collectives import ArgumentError, init
from fabric import launch
from fabric.failure import RankLost, TimedOut, TransportError
from fabric.transports.zmq import mapped_file
from fabric.transports.zmq.mapped_file import LARGE
from fabric.transports.zmq.shared_buffers import OPEN, OpenedBuffers, SharedBuffers, SharedPlace
from fabric.transports.zmq.shm import CLOSED
from tests.support.worlds import noise

TOKEN = b"a token of a rank"[:16]
SIZE = 300_000


def of_rank_3() -> tuple[SharedBuffers, OpenedBuffers]:
    return SharedBuffers(3, TOKEN), OpenedBuffers(3, os.getpid(), TOKEN)


def place_of(shared: SharedBuffers, data: NDArray[np.uint8]) -> SharedPlace:
    place = shared.find(data)
    assert place is not None
    return place


def files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("size", [SIZE, LARGE, 2 * LARGE + 12_345])
def test_what_is_written_is_read_where_it_is(size: int) -> None:
    shared, opened = of_rank_3()
    one, other = shared.allocate(size), shared.allocate(size)
    assert not one.any()
    assert not other.any()
    one[:], other[:] = noise(1, size), noise(2, size)
    for data in (one, other, one[7:100], other[size - 5 :], other[:0]):
        assert np.array_equal(opened.bytes(place_of(shared, data), data.size), data)
    kept = opened.bytes(place_of(shared, one), size)
    one[12] += 1
    assert kept[12] == one[12]
    with pytest.raises(ValueError, match="read-only"):
        kept[0] = 1
    assert shared.find(np.zeros(8, np.uint8)) is None
    assert shared.find(noise(1, SIZE)) is None


@pytest.mark.parametrize("size", [SIZE, LARGE + 5])
def test_the_memory_of_a_buffer_is_freed_with_its_last_array(size: int) -> None:
    shared, opened = of_rank_3()
    before, part = files(), shared.allocate(size)[9:99]
    part[:] = 1
    place = place_of(shared, part)
    seen = opened.bytes(place, part.size)
    assert seen.all()
    del part
    assert not seen.any()  # who has it open still may read, and keeps no memory of the host
    del seen, opened
    assert files() == before
    with pytest.raises(RankLost, match="rank 3 has died, or has freed what it was sending"):
        OpenedBuffers(3, os.getpid(), TOKEN).bytes(place, 9)


def mappings() -> int:
    gc.collect()
    return len(Path("/proc/self/maps").read_text().splitlines())


def test_what_is_mapped_is_unmapped_with_its_last_array() -> None:
    shared, opened = of_rank_3()
    shared.allocate(3 * LARGE)
    before = mappings()
    for _ in range(5):
        data = shared.allocate(3 * LARGE + 1)
        assert data[-1] == opened.bytes(place_of(shared, data), data.size)[-1]
    del data, opened
    assert mappings() <= before + 1


def test_another_file_of_the_same_number_is_not_taken_for_the_buffer() -> None:
    shared, _ = of_rank_3()
    first = shared.allocate(SIZE)
    place = place_of(shared, first)
    del first
    second = shared.allocate(SIZE)
    assert place_of(shared, second).file == place.file
    for late in (OpenedBuffers(3, os.getpid(), TOKEN), OpenedBuffers(3, os.getpid(), TOKEN[::-1])):
        with pytest.raises(RankLost, match="is another"):
            late.bytes(place, 9)


def test_as_many_buffers_as_one_likes() -> None:
    shared, opened = SharedBuffers(3, TOKEN), OpenedBuffers(3, os.getpid(), TOKEN, OPEN // 3)
    kept = []
    for number in range(20):
        data = shared.allocate(5000 + number)
        data[:] = noise(number, data.size)
        kept = [*kept[-6:], data]
        for each in kept:
            assert np.array_equal(opened.bytes(place_of(shared, each), each.size), each)


def test_a_forked_child_frees_nothing_of_its_parent() -> None:
    shared, opened = of_rank_3()
    data = shared.allocate(SIZE)
    data[:] = 5
    place = place_of(shared, data)
    child = os.fork()
    if not child:
        del data
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert (data == 5).all()
    assert (opened.bytes(place, SIZE) == 5).all()


def test_no_room_is_said() -> None:
    shared, _ = of_rank_3()
    before = files()
    with pytest.raises(TransportError, match=r"rank 3 needs \d+ bytes for a buffer"):
        shared.allocate(1 << 60)
    assert files() == before


def fails_and_goes_on(told: Path) -> None:
    """In a rank: whether others are told that what a failed call has lent may change."""
    comm = init()
    transport: Any = comm.driver.transport
    if comm.rank == 1:
        time.sleep(0.3)
        return
    with pytest.raises(TimedOut):
        comm.broadcast(comm.empty(SIZE, np.uint8), timeout=0.05)
    box = getattr(transport, "_box", None)
    void = transport._ways.home.arena.words[CLOSED] if box is None else box.floor > 1 << 63
    told.write_text(str(bool(void)))


@pytest.mark.parametrize("transport", ["zmq", "inproc"])
def test_what_a_failed_call_has_lent_is_not_to_be_read(transport: str, tmp_path: Path) -> None:
    told = tmp_path / "told"
    launch(
        fails_and_goes_on, 2, None, transport, args=(told,), timeout=60.0, return_exceptions=True
    )
    assert told.read_text() == "True"


def collectives_over_shared_arrays(count: int) -> bool:
    with init() as comm:
        n, me = comm.size, comm.rank
        for dtype in ("f4", "i8", "u1", "f2"):
            x, out = comm.empty(count, dtype), comm.empty((n, count), dtype)
            assert not x.any()
            assert x.flags.c_contiguous
            assert out.shape == (n, count)
            x[:] = me + 1
            comm.all_gather(out, x)
            assert (out == np.arange(1, n + 1)[:, None]).all()
            comm.all_reduce(x)
            assert (x == n * (n + 1) // 2).all()
            for block in out:
                block[:] = me
            comm.all_to_all(out, out.copy())
            assert (out == np.arange(n)[:, None]).all()
            block = comm.empty(count // n, dtype)
            comm.reduce_scatter(block, x[: count // n * n])
            assert (block == x[0] * n).all()
            comm.broadcast(out[1:], root=n - 1)
        whole = comm.empty(3 * count, np.float64)  # a part of one, and one that is gone at once
        whole[:] = me
        comm.all_reduce(whole[count : 2 * count], algorithm="ring")
        assert (whole[count : 2 * count] == n * (n - 1) / 2).all()
        assert (whole[:count] == me).all()
        comm.all_gather(np.zeros((n, count)), comm.empty(count))
    return True


@pytest.mark.parametrize(
    ("ranks", "transport", "lacks"),
    [(2, "zmq", ""), (3, "zmq", "process_vm_readv"), (2, "zmq", "memfd_create"), (3, "inproc", "")],
)
def test_collectives_of_shared_arrays_are_right(
    ranks: int, transport: str, lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if lacks:
        monkeypatch.setenv("TRIPLANE_LACKS", lacks)
    arguments = (400_000,)
    assert launch(
        collectives_over_shared_arrays, ranks, transport=transport, args=arguments
    ) == [True] * ranks  # fmt: skip


def impossible_arrays() -> list[str]:
    said = []
    bad: list[tuple[Any, Any]] = [
        (-1, "f4"), ("x", "f4"), (3, "no type"), (3, object), (1 << 62, "f8"), ((2, 1.5), "f8")
    ]  # fmt: skip
    with init() as comm:
        for shape, dtype in bad:
            with pytest.raises(ArgumentError) as error:
                comm.empty(shape, dtype)
            said.append(str(error.value))
        assert comm.empty(0).size == 0
        assert comm.empty((2, 0, 3), "i1").shape == (2, 0, 3)
        assert comm.empty(()).shape == ()
        assert comm.empty(3).dtype == np.float64
    return said


def test_arrays_that_there_are_not_are_refused() -> None:
    said = launch(impossible_arrays, 2, transport="zmq")[0]
    assert all(
        "there is no array of shape" in line or "holds no numbers" in line for line in said
    ), said
    assert "-1" in said[0]
    assert "'no type'" in said[2]


def test_buffers_are_there_where_no_large_pages_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_file, "_COLLAPSE", 9_999)  # as before Linux 6.1: no such advice
    shared, opened = of_rank_3()
    data = shared.allocate(2 * LARGE)
    assert not data.any()
    data[:] = noise(1, data.size)
    assert np.array_equal(opened.bytes(place_of(shared, data), data.size), data)
