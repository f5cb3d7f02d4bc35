"""One-sided memory: what is there equals a sequential model, and nothing depends on the host."""

import gc
import os
import pickle
import signal
import sys
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import Communicator, init
from collectives.memory.errors import WindowError
from collectives.memory.window import Window
from fabric import Fabric, launch
from fabric.failure import Deadlock, RankLost, TimedOut, TransportError, WorldError
from fabric.memory import far, places
from fabric.memory.far import FarMemory, MemoryDoor
from tests.programs import memory_hosts
from tests.support.memory_programs import check, main, random_program, seen_of
from tests.test_liveness import linux
from tests.test_mpi import PROGRAMS, needs_mpich, run
from tests.test_run import ended, free_port, here, nodes
from topology import star
from topology.errors import ArgumentError

RANKS = 4


@pytest.fixture(scope="module")
def machine() -> Fabric:
    return Fabric(star(RANKS))


@given(seeds=st.lists(st.integers(0, 1 << 32), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None)
def test_threads_see_what_a_sequential_model_says(seeds: list[int]) -> None:
    programs = [random_program(seed, RANKS) for seed in seeds]
    seen = launch(main, RANKS, Fabric(star(RANKS)), args=(programs, True), timeout=120)
    for program, ranks in zip(programs, zip(*seen, strict=True), strict=True):
        check(program, ranks, timed=True)


def several(comm: Communicator, timed: bool) -> list[Any]:
    """What a rank finds in one program after another, as a world of processes takes long to make.

    Without an emulated machine values of words are up to the host.
    """
    programs = [random_program(seed, RANKS) for seed in range(20)]
    found: list[Any] = [[seen_of(comm, program, timed) for program in programs]]
    for body in (own_memory, late_reader, counted) if timed else (own_memory, numbers, busy):
        found.append(body(comm))
    found.append(on_two_hosts(comm, timed))
    return found if timed else [*found, elsewhere(comm)]


def on_two_hosts(comm: Communicator, timed: bool) -> list[Any]:
    """The same where ranks can open the memory of every second one, and the authority of none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "where", lambda: f"host {comm.rank % 2}")
        programs = [random_program(seed, RANKS) for seed in range(3)]
        bodies = (own_memory, late_reader, counted) if timed else (own_memory, numbers, busy)
        return [
            [seen_of(comm, program, timed) for program in programs],
            *(body(comm) for body in bodies),
        ]


@pytest.mark.parametrize("timed", [True, False])
def test_ranks_of_two_hosts_see_what_a_sequential_model_says(timed: bool) -> None:
    """Bytes, words, times and memory of the program's own, over sockets; nothing is left open."""
    of_one, of_two = of_processes(timed)[:4], list(zip(*of_processes(timed)[4], strict=True))
    for seed, seen in enumerate(zip(*of_two[0], strict=True)):
        check(random_program(seed, RANKS), seen, timed)
    assert of_two[1] == of_one[1]
    if timed:
        assert [found[:3] for found in of_two[3]] == [found[:3] for found in of_one[3]]
    else:
        assert all(after <= before for before, after in of_two[2])
        assert of_two[3] == (7, 7, 7, 7)


@cache
def of_processes(timed: bool) -> list[tuple[Any, ...]]:
    """The same of all ranks, as processes: for each program what each has found."""
    found = launch(joined, RANKS, star(RANKS) if timed else None, "zmq", args=(several, timed),
                   timeout=120)  # fmt: skip
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("timed", [True, False])
def test_processes_see_what_a_sequential_model_says(timed: bool) -> None:
    for seed, seen in enumerate(zip(*of_processes(timed)[0], strict=True)):
        check(random_program(seed, RANKS), seen, timed)


@needs_mpich
def test_ranks_of_mpi_see_what_a_sequential_model_says(tmp_path: Path) -> None:
    program = PROGRAMS / "memory_ranks.py"
    code, said = run(
        Path(sys.executable).with_name("triplane"), "run", "-n", RANKS, "--transport", "mpi",
        "--system", f"star:{RANKS}", program, tmp_path, 4,
    )  # fmt: skip
    assert code == 0, said
    ranks = [pickle.loads((tmp_path / f"{rank}").read_bytes()) for rank in range(RANKS)]
    for seed, seen in enumerate(zip(*ranks, strict=True)):
        check(random_program(seed, RANKS), seen, timed=True)


@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_two_and_one_ranks_do_too(sync: str) -> None:
    for ranks in (1, 2):
        programs = [random_program(seed, ranks) for seed in range(5)]
        seen = launch(
            main, ranks, star(ranks), args=(programs, sync == "strict"), sync=sync, timeout=120
        )
        for program, of_ranks in zip(programs, zip(*seen, strict=True), strict=True):
            check(program, of_ranks, sync == "strict")


def counted(comm: Communicator) -> Any:
    """Many ranks at one word, some of them late: what each gets, and when."""
    with Window(comm, 64, plane="net") as window:
        comm.compute(comm.rank % 2 * 1e-7)
        found = [window.fetch_add(0, 8, comm.rank + 1) for _ in range(5)]
        swapped = window.compare_and_swap(0, 16, 0, comm.rank + 1)
        window.flush()
        comm.barrier()
        return found, swapped, int(window.local.view(np.int64)[1]), comm.now()


def test_twenty_runs_are_the_same() -> None:
    runs = {str(launch(joined, RANKS, star(RANKS), args=(counted,))) for _ in range(20)}
    assert len(runs) == 1
    words = [found[:3] for found in launch(joined, RANKS, star(RANKS), args=(counted,))]
    assert [found[:3] for found in of_processes(True)[3]] == words
    found = launch(joined, RANKS, star(RANKS), args=(counted,))
    assert found[0][2] == 5 * sum(range(1, RANKS + 1))
    assert [swapped for _, swapped, _, _ in found].count(0) == 1


def joined(body: Callable[..., Any], *args: Any) -> Any:
    with init() as comm:
        return body(comm, *args)


def late_reader(comm: Communicator) -> Any:
    """A read that begins, in emulated time, after a write was over, with no other order."""
    with Window(comm, 8) as window:
        comm.barrier()
        out = np.zeros(1, np.uint8)
        if comm.rank:
            comm.compute(1.0)
            window.get(out, 0)
        else:
            window.put(np.array([9], np.uint8), 0)
        comm.barrier()
        return int(out[0])


def test_a_read_sees_what_was_over_when_it_began() -> None:
    for _ in range(5):
        assert launch(joined, RANKS, star(RANKS), args=(late_reader,))[1:] == [9] * 3
    assert of_processes(True)[2][1:] == (9, 9, 9)


def own_memory(comm: Communicator) -> Any:
    """Memory that a program has already, read and written where it is."""
    mine = np.arange(16, dtype=np.int32) + 100 * comm.rank
    with Window(comm, mine) as window:
        comm.barrier()
        peer, out = (comm.rank + 1) % comm.size, np.zeros((3, 2), np.int32)
        column = out[:, 1]  # with gaps
        window.get(column, peer, 4)
        window.put(np.array([-1], np.int32), peer, 60)
        before = window.fetch_add(peer, 8, 1)
        comm.barrier()
        return out.tolist(), mine[[2, 15]].tolist(), before & 0xFFFFFFFF


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
@pytest.mark.parametrize("timed", [True, False])
def test_memory_of_the_program_itself_is_a_window(transport: str, timed: bool) -> None:
    if transport == "zmq":
        found = of_processes(timed)[1]
    else:
        found = launch(joined, RANKS, star(RANKS) if timed else None, args=(own_memory,))
    for rank, (out, mine, before) in enumerate(found):
        peer = (rank + 1) % RANKS
        assert out == [[0, 100 * peer + at] for at in (1, 2, 3)]
        assert mine == [100 * rank + 3, -1]
        assert before == 100 * peer + 2


def in_a_group(comm: Communicator) -> Any:
    part = comm.group([3, 1])
    if part is None:
        return None
    with Window(part, 16, device="cpu", name="pair") as window:
        address = window.address(1, 8)
        if part.rank == 0:
            window.put(np.array([5, 6], np.uint8), address, 1)
            window.signal(address, -8, 3)
        else:
            window.wait(0, 3)
        part.barrier()
        return window.sizes, window.local.tolist()[8:12]


def test_a_window_of_a_group_counts_ranks_of_the_group() -> None:
    found = launch(joined, RANKS, star(RANKS), args=(in_a_group,))
    assert found[0] is found[2] is None
    assert found[3] == ((16, 16), [0, 0, 0, 0])
    assert found[1] == ((16, 16), [0, 5, 6, 0])


def refused(comm: Communicator) -> list[str]:
    """What is refused, before anything moves."""
    window, x = Window(comm, 16, name="kv"), np.zeros(8, np.uint8)
    other = Window(comm, 8, name="other")
    tries: list[Callable[[], object]] = [
        lambda: window.put(x, 1, 9),
        lambda: window.get(x, 1, -1),
        lambda: window.put(x, 4),
        lambda: window.fetch_add(0, 4),
        lambda: window.fetch_add(0, 16),
        lambda: window.fetch_add(0, 0, dtype=np.float32),
        lambda: window.atomic(0, 0, "nand", 1),
        lambda: window.wait(0, 1, "=>"),
        lambda: window.put(x, other.address(0)),
        lambda: window.put(x, 0, source="gpu"),
        lambda: window.get(np.zeros(8, np.uint8)[::-1].copy()[:0], 0, 17),
        lambda: Window(comm, np.zeros((4, 4))[:, 1]),
        lambda: Window(comm, 8, device="hbm"),
    ]
    said = []
    for one in tries:
        with pytest.raises((WindowError, ArgumentError)) as error:
            one()
        said.append(str(error.value))
    other.free()
    window.free()
    window.free()
    with pytest.raises(WindowError, match="kv"):
        window.put(x, 0)
    with pytest.raises(WindowError, match=f"rank {comm.rank} was freed"):
        _ = window.local
    return said


def test_what_cannot_be_is_refused_by_name() -> None:
    said = launch(joined, 2, star(2), args=(refused,))[0]
    assert said == [
        "put of 8 bytes at offset 9 of rank 1's window 'kv': it has 16 bytes",
        "get of 8 bytes at offset -1 of rank 1's window 'kv': it has 16 bytes",
        "rank is 4; there are ranks 0 to 1",
        "add of the word at offset 4 of rank 0's window 'kv': words begin at multiples of 8",
        "add of 8 bytes at offset 16 of rank 0's window 'kv': it has 16 bytes",
        "a word is int64, uint64, and cannot be float32",
        "op is 'nand'; it can be set, swap, add, cas, and, or, xor",
        "comparison is '=>'; it can be ==, !=, >=, >, <=, <",
        said[8],
        "source is 'gpu'; it can be npu, cpu",
        "get of 0 bytes at offset 17 of rank 0's window 'kv': it has 16 bytes",
        "memory of shape [4] has gaps: a window is bytes side by side",
        "device is 'hbm'; it can be npu, cpu",
    ]
    assert said[8].endswith("is an address of another window than 'kv'")


def never(comm: Communicator, timeout: float | None) -> None:
    window = Window(comm, 64, name="kv")
    if comm.rank == 1:
        window.wait(8, 2, timeout=timeout)
    elif comm.rank == 2:
        window.signal(1, 8, 1, op="add")
        window.flush()
        comm.recv(np.zeros(1), 1)
    elif timeout is not None:
        comm.recv(np.zeros(1), 2)


@pytest.mark.parametrize(
    ("transport", "system"), [("inproc", star(RANKS)), ("inproc", None), ("zmq", None)]
)
def test_a_signal_that_nobody_sends_is_a_named_deadlock(transport: str, system: Any) -> None:
    with pytest.raises(Deadlock) as error:
        launch(joined, RANKS, system, transport, args=(never, None), timeout=60)
    assert "rank 1 waits for the word at 8 of its window 'kv' to be >= 2, which is 1" in str(
        error.value
    )
    assert "rank 2 waits in send_recv(float64[1], rank 1 to rank 2, tag 0) for rank 1" in str(
        error.value
    )


def test_a_wait_takes_no_longer_than_it_is_allowed() -> None:
    with pytest.raises(TimedOut, match=r"rank 1: the word at 8 of its window 'kv' to be >= 2"):
        launch(joined, RANKS, star(RANKS), sync="eager", args=(never, 0.1), timeout=60)


def untaken(comm: Communicator) -> int:
    """A rank leaves, and its memory is there for those that go on; a word, too."""
    window = Window(comm, 64)
    if comm.rank == 0:
        comm.barrier()
        return 0
    window.put(np.array([comm.rank], np.uint8), 0, 8 + comm.rank)
    comm.barrier()
    comm.compute(1.0)
    return window.fetch_add(0, 0, 1)


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_the_memory_of_a_rank_that_has_left_stays(transport: str) -> None:
    assert sorted(launch(joined, 3, star(3), transport, args=(untaken,))) == [0, 0, 1]


def dropped(comm: Communicator) -> list[int]:
    """Rank 1 lets go of its window and of its memory, and rank 0 reads that."""
    array = np.full(1 << 16, 10 + comm.rank, np.uint8)
    alive, room = weakref.ref(array), np.zeros(2, np.uint8)
    window: Window | None = Window(comm, array)
    del array
    if comm.rank == 1:
        window = None
        gc.collect()
    comm.barrier()
    if window is not None and comm.rank == 0:
        window.get(room, 1, 100)
    comm.barrier()
    return [*room.tolist(), alive() is not None]


def test_memory_stays_registered_though_its_window_is_let_go_of() -> None:
    assert launch(joined, 2, star(2), args=(dropped,)) == [[11, 11, True], [0, 0, True]]


def numbers(comm: Communicator) -> tuple[int, int]:
    """How many descriptors a process has before and after many windows."""
    Window(comm, 8).free()
    comm.barrier()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        Window(comm, 8).free()
    comm.barrier()
    return before, len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors by /proc")
def test_windows_leave_no_descriptors_behind() -> None:
    for before, after in of_processes(False)[2]:
        assert after <= before


def elsewhere(comm: Communicator) -> str:
    """On a host whose memory nobody else can open, and that answers to itself alone."""
    with pytest.MonkeyPatch.context() as patch:
        if comm.rank == 2:
            patch.setattr(places, "where", lambda: "another host")
            patch.setattr(far, "kernel", lambda: "another")
        with pytest.raises(WindowError) as error:
            Window(comm, 8, name="far")
    comm.barrier()
    return str(error.value)


def test_memory_on_another_host_is_refused_by_name() -> None:
    assert set(of_processes(False)[5]) == {
        "window 'far' cannot be: the authority cannot reach it: the memory of rank 2 is on another"
        " host, where only its own host can reach it: give it TRIPLANE_BIND=tcp://ADDRESS"
    }


def test_memory_between_two_nodes_over_encrypted_sockets(tmp_path: Path) -> None:
    """Launched as on two hosts, with addresses and keys of theirs; times are those of threads."""
    keys, meet = str(tmp_path / "keys"), f"127.0.0.1:{free_port()}"
    assert here("--make-keys", "--keys", keys).returncode == 0
    with nodes(
        "-n", "2", "--rdzv-endpoint", meet, "--keys", keys, "--system", "star:2",
        str(PROGRAMS / "memory_hosts.py"), "apart",
        own=(["--local-addr", "127.0.0.1"], ["--local-addr", "127.0.0.2"]),
    ) as launchers:  # fmt: skip
        shown = ended(launchers)
    assert [one.returncode for one in shown] == [0, 0], shown
    far = sorted(one.stdout.splitlines()[-1] for one in shown)
    alone = launch(memory_hosts.main, 2, star(2))
    assert far == [" ".join(map(str, said)) for said in alone]
    assert [said[3:5] for said in alone] == [[2, 2], [1, 1]]


def test_memory_for_other_hosts_answers_only_who_may_ask_and_for_what_is_there() -> None:
    door = MemoryDoor(3, {})
    memory = np.arange(3 << 20, dtype=np.uint32).view(np.uint8)
    door.expose(7, memory)
    reached = FarMemory(door.address, 7, 3, None)
    room = np.zeros(memory.size, np.uint8)
    reached.read(0, room)  # more than one piece
    assert (room == memory).all()
    reached.write(5, np.full(1 << 21, 9, np.uint8))
    assert (memory[5 : 5 + (1 << 21)] == 9).all()
    assert memory[4] == room[4]
    with pytest.raises(TransportError, match="rank 3 on another host: there is no such memory"):
        reached.read(memory.size - 1, np.zeros(2, np.uint8))
    other = FarMemory(door.address, 8, 3, None)
    with pytest.raises(TransportError, match="there is no such memory"):
        other.write(0, room[:1])
    other.close()
    reached.read(0, room[:8])  # a refusal ends nothing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(far, "PATIENCE", 0.3)
        where, token, kernel = door.address.split(" ", 2)
        stranger = FarMemory(f"{where} {token[::-1]} {kernel}", 7, 3, None)
        with pytest.raises(TransportError, match=r"no answer within 0\.3 s"):
            stranger.read(0, room[:8])
        door.close()
        with pytest.raises(TransportError, match=r"no answer within 0\.3 s"):
            reached.read(0, room[:8])
        stranger.close()
        reached.close()
    with pytest.raises(TransportError, match="rank 1 is on another host"):
        FarMemory("", 0, 1, None)


def test_access_without_an_order_of_its_own_needs_no_call_of_the_target() -> None:
    """The target computes in Python all the while, and makes no call."""
    assert of_processes(False)[3] == (7, 7, 7, 7)


def busy(comm: Communicator) -> int:
    window = Window(comm, 64)
    if comm.rank == 0:
        while not window.local[0]:  # sees what rank 1 writes, without a call
            pass
        found = int(window.local[0])
    else:
        window.put(np.array([7], np.uint8), 0)
        found = 7
    comm.barrier()
    window.free()
    return found


def test_errors_of_a_world_are_raised_by_accesses() -> None:
    error, _ = launch(joined, 2, star(2), args=(failing,), timeout=60, return_exceptions=True)
    assert isinstance(error, WorldError)
    assert "rank 1 raised ValueError: on purpose" in str(error)


def failing(comm: Communicator) -> None:
    window = Window(comm, 8)
    if comm.rank:
        raise ValueError("on purpose")
    while True:
        window.put(b"1", 1)


def killed(comm: Communicator) -> None:
    """One is killed; of the others one waits for its signal, one writes to it again and again."""
    window = Window(comm, 64, name="kv")
    comm.barrier()
    if comm.rank == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if comm.rank == 1:
        window.wait(0, 1)
    while True:
        window.put(b"1", 2, 8)
        window.fetch_add(2, 16)


@pytest.mark.parametrize("system", [star(3), None], ids=["timed", "untimed"])
def test_who_waits_for_a_rank_that_is_killed_learns_it(system: Any) -> None:
    outcomes = launch(joined, 3, system, "zmq", args=(killed,), return_exceptions=True, timeout=60)
    assert [type(outcome) for outcome in outcomes] == [RankLost] * 3
    assert len({str(outcome) for outcome in outcomes[:2]}) == 1
    assert "rank 2 was killed by SIGKILL" in str(outcomes[0])


@linux
@pytest.mark.parametrize("size", [1 << 50, (1 << 63) - 1])
def test_a_window_that_the_host_has_no_memory_for_is_an_error(size: int) -> None:
    with pytest.raises(TransportError, match=f"no room for a window of {size} bytes: the host has"):
        places.allocated(size, shared=True)
    own = places.allocated(1 << 16, shared=True)
    assert not own.bytes.any()
    own.hide()
