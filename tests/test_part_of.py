"""A few ranks that run as some of many: the same times as if all ran."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives import Communicator, init
from collectives.calls.part_of import whole_size
from collectives.memory import Window
from collectives.moe import LowLatency, Normal
from fabric import Fabric, Step, launch
from fabric.clock.emulator import Emulator
from fabric.clock.part_of import EmulatorOfMany
from fabric.failure import WorldError
from fabric.schedule.plan import plans, rows_of_several
from topology import star
from topology.errors import ArgumentError

PATIENCE = 60.0

TRIPLANE = Path(sys.executable).with_name("triplane")

PROGRAM = """
import sys

import numpy as np
from collectives import init

comm = init()
x = np.ones(1000, np.float32)
comm.all_reduce(x)
assert x[0] == comm.size
sys.stdout.write(f"{comm.rank} {comm.now()!r}\\n")
"""


def many(main: Callable[..., Any], ranks: int, *args: Any, **options: Any) -> list[Any]:
    return launch(main, ranks, args=args, timeout=PATIENCE, **options)


def calls(comm: Communicator, asked: list[tuple[str, int]]) -> list[float]:
    """Each call with as much in every rank's send buffer, however many ranks there are."""
    times = []
    for k, (op, size) in enumerate(asked):
        comm.compute(1e-7 * (comm.rank % 2) * k)
        x = np.ones(size, np.float32)
        if op == "all_gather":
            comm.all_gather(np.empty(size * comm.size, np.float32), x)
        elif op == "reduce_scatter":
            comm.reduce_scatter(np.empty(size // comm.size, np.float32), x)
        elif op == "all_to_all":
            comm.all_to_all(np.empty_like(x), x)
        elif op == "broadcast":
            comm.broadcast(x, root=1)
        elif op == "barrier":
            comm.barrier()
        else:
            comm.all_reduce(x)
        times.append(comm.now())
    return times


def all_calls(asked: list[tuple[str, int]]) -> list[float]:
    return calls(init(), asked)


OPS = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "barrier")


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(OPS), st.integers(1, 2000).map(lambda n: 16 * n)),
             min_size=1, max_size=4),
    st.sampled_from([2, 4, 8]), st.sampled_from([None, "cann-ep", "hccl"]),
)  # fmt: skip
def test_collectives_take_what_they_take_where_all_run(
    asked: list[tuple[str, int]], ranks: int, software: str | None
) -> None:
    whole = many(all_calls, 16, asked, software=software)
    some = many(all_calls, ranks, asked, software=software, as_part_of=16)
    # A tree lets some go early. They wait for the rank that stands for them, so what follows may
    # be later, but never sooner.
    assert some[0][0] == whole[0][0]
    assert all(a >= b for mine, all_ in zip(some, whole, strict=False)
               for a, b in zip(mine, all_, strict=True))  # fmt: skip
    if not any(op == "broadcast" for op, _ in asked):
        assert some == whole[:ranks]


@pytest.mark.parametrize("transport", ["zmq", "mpi"])
def test_between_processes(transport: str) -> None:
    asked = [("all_reduce", 1 << 14), ("all_to_all", 1 << 10)]
    assert (
        many(all_calls, 2, asked, transport=transport, as_part_of=16)
        == (many(all_calls, 16, asked)[:2])
    )


def test_all_of_them_are_as_without() -> None:
    asked = [(op, 1600) for op in OPS]
    assert many(all_calls, 8, asked, as_part_of=8) == many(all_calls, 8, asked)


@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_times_do_not_depend_on_how_far_ahead_a_program_posts(sync: str) -> None:
    """Ranks 0 and 1 run. 2 and 3 end the first call long before, and others need them next."""
    big = 1 << 20
    calls = [[Step([0, 2], [1, 3], [big, 1])], [Step([2], [3], [big]), Step([3], [0], [big])]]
    rows = [[rows_of_several([whole[rank], whole[rank + 2]]) for rank in (0, 1)]
            for whole in (plans(steps, 4) for steps in calls)]  # fmt: skip

    def post(emulator: Emulator, op: int) -> None:
        for rank in (0, 1):
            emulator.begin(rank, op, (0, 1), rows[op][rank], "")
            emulator.wait(rank, op)
            emulator.ask(rank, op)
            if op == 1:
                emulator.end(rank)

    ahead, in_step = (EmulatorOfMany(Fabric(star(4)), 2, 4, sync) for _ in range(2))
    post(ahead, 0)
    post(ahead, 1)
    told = ahead.advance()
    assert len(told) == 4
    post(in_step, 0)
    first = in_step.advance()
    post(in_step, 1)
    assert first + in_step.advance() == told


def test_results_are_those_of_the_ranks_that_run() -> None:
    def main() -> float:
        comm, x = init(), np.full(4, 2.0, np.float32)
        comm.all_reduce(x, "prod")
        return float(x[0])

    assert many(main, 4, as_part_of=64) == [16.0] * 4


def in_pairs() -> list[float]:
    comm = init()
    pair = comm.split(comm.rank // 2)
    assert pair is not None
    x, times = np.ones(1 << 16, np.float32), []
    pair.all_reduce(x)
    times.append(comm.now())
    if pair.rank == 0:
        pair.send(x, 1)
    else:
        pair.recv(x, 0)
    times.append(comm.now())
    return times


def test_a_group_is_made_in_every_block() -> None:
    """Groups of two, as of tensor parallelism, and messages within them, beside each other."""
    assert many(in_pairs, 4, as_part_of=16) == many(in_pairs, 16)[:4]


def message() -> float:
    comm, x = init(), np.ones(1 << 12, np.float32)
    if comm.rank:
        comm.recv(x, 0)
    else:
        comm.send(x, 1)
    return comm.now()


def test_a_message_between_two_ranks_that_are_all_stays_one() -> None:
    assert many(message, 2, as_part_of=16) == many(message, 2)


def low_latency() -> list[float]:
    comm, times = init(), []
    experts, chosen = 2 * comm.size, np.random.default_rng(comm.rank)
    layer = LowLatency(comm, experts=experts, hidden=128, max_tokens=64)
    for _ in range(2):
        choices = np.argsort(chosen.random((64, experts)), axis=1)[:, :8]
        _, handle, work = layer.dispatch(np.zeros((64, 128), np.float16), choices)
        work.wait()
        times.append(comm.now())
        results = layer.results(handle)
        results[:] = 0
        _, work = layer.combine(results, handle, np.ones((64, 8), np.float32))
        work.wait()
        times.append(comm.now())
    return times


def normal() -> list[float]:
    comm, times = init(), []
    experts, chosen = 2 * comm.size, np.random.default_rng(comm.rank)
    layer = Normal(comm, experts=experts, hidden=128)
    for _ in range(2):
        choices = np.argsort(chosen.random((256, experts)), axis=1)[:, :8]
        got, handle, work = layer.dispatch(np.zeros((256, 128), np.float16), choices)
        work.wait()
        times.append(comm.now())
        work = layer.combine(np.zeros(got.x.shape, np.float16), handle)[2]
        work.wait()
        times.append(comm.now())
    return times


@pytest.mark.parametrize("main", [low_latency, normal])
def test_a_quarter_takes_what_all_take_where_experts_are_chosen_alike(
    main: Callable[[], list[float]],
) -> None:
    whole = np.array(many(main, 32, software="cann-ep"))
    some = np.array(many(main, 8, software="cann-ep", as_part_of=32))
    alone = np.array(many(main, 8, software="cann-ep"))
    assert abs(some.mean(0) / whole.mean(0) - 1).max() < 0.03
    assert abs(some.max(0) / whole.max(0) - 1).max() < 0.03
    assert (alone.mean(0) / whole.mean(0)).max() < 0.9  # so it is no matter of course
    assert (some == np.array(many(main, 8, software="cann-ep", as_part_of=32))).all()


def irregular(what: str) -> None:
    comm = init()
    x, ones = np.ones(comm.size, np.float32), [1] * comm.size
    if what == "all_to_all_v":
        comm.all_to_all_v(x.copy(), x, ones, ones)
    elif what == "schedule":
        comm.run([Step(0, 1, 4)], x, x.copy())
    else:
        layer = Normal(comm, experts=8, hidden=128, ranks_per_node=2)
        layer.dispatch(np.zeros((2, 128), np.float16), np.zeros((2, 1), np.int64))


@pytest.mark.parametrize(
    ("what", "named"),
    [("all_to_all_v", "all_to_all_v"), ("schedule", "program's own"), ("nodes", "nodes of 2")],
)
def test_what_cannot_be_scaled_is_named(what: str, named: str) -> None:
    with pytest.raises(ArgumentError, match=f"{named}.*cannot be timed as a call of 16 ranks"):
        many(irregular, 4, what, as_part_of=16)


def window() -> None:
    Window(init(), 64)


def test_one_sided_memory_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"one-sided memory needs all ranks.*a part of 16"):
        many(window, 4, as_part_of=16)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"as_part_of": 6}, "as_part_of is 6; it has to be a multiple of the 4 ranks"),
        ({"as_part_of": 2}, "as_part_of is 2; it has to be a multiple of the 4 ranks"),
        ({"as_part_of": 8, "system": None}, "as_part_of is 8, and no machine is emulated"),
        ({"as_part_of": 4000}, "4000 ranks are more than the 768 endpoints of cloudmatrix384"),
    ],
)
def test_a_wrong_number_is_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(WorldError, match=why):
        many(all_calls, 4, [("barrier", 1)], **options)


@pytest.mark.parametrize("value", [0, 1.5, "many"])
def test_a_wrong_value_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="as_part_of is"):
        many(all_calls, 4, [("barrier", 1)], as_part_of=value)


@pytest.mark.parametrize(
    ("op", "copies", "size"),
    [("all_reduce", 4, 400), ("all_gather", 4, 400), ("reduce_scatter", 4, 100),
     ("all_to_all", 3, 136), ("all_to_all", 400, 4)],
)  # fmt: skip
def test_each_rank_brings_as_much(op: str, copies: int, size: int) -> None:
    assert whole_size(op, 400, 4, copies) == size


@pytest.mark.parametrize("sync", ["strict", "eager"])
def test_a_program_from_a_shell(tmp_path: Path, sync: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def run(*options: str) -> list[str]:
        done = subprocess.run(
            [TRIPLANE, "run", "--transport", "inproc", *options, "--sync", sync, str(program)],
            capture_output=True, text=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        return sorted(done.stdout.splitlines())

    whole = run("-n", "8")
    assert len(whole) == 8
    assert run("-n", "2", "--as-part-of", "8") == whole[:2]
