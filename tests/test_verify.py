"""A schedule that does not do what is specified is refused, with what each rank lacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from collectives import init
from collectives.algorithms.sizes import buffers
from collectives.algorithms.table import ALGORITHMS, schedule
from collectives.algorithms.verify import NAMED, Words, verify
from fabric.launching.launch import launch
from fabric.schedule.plan import plan
from fabric.schedule.step import ScheduleError, Step
from topology.errors import ArgumentError

CASES = [(op, name) for op in NAMED for name in ALGORITHMS[op]]


def verified(steps: Sequence[Step], name: str, ranks: int, size: int, **more: Any) -> None:
    sent, held = buffers(name, ranks, size)
    verify(steps, name, ranks=ranks, sent=sent, held=held, itemsize=4, **more)


@pytest.mark.parametrize("ranks", [1, 2, 4, 7])
@pytest.mark.parametrize(("op", "name"), CASES)
def test_every_algorithm_does_what_its_collective_specifies(op: str, name: str, ranks: int) -> None:
    if op == "all_to_all" and name == "hierarchical" and ranks == 7:
        ranks = 6
    more = {"root": ranks - 1} if op in ("reduce", "gather", "broadcast", "scatter") else {}
    for size in (0, 4, 60):
        made = schedule(op, ranks, size, name, itemsize=4, ranks_per_node=2, **more)
        verified(list(made), op, ranks, size, **more)


@pytest.mark.parametrize("op", ["prod", "min", "max", "band", "bor", "bxor", "avg"])
def test_every_operation(op: str) -> None:
    steps = list(schedule("all_reduce", 4, 64, "ring", itemsize=4))
    verified(steps, "all_reduce", 4, 64, op=op)
    short = [*steps[:2], *steps[3:]]
    with pytest.raises(ScheduleError, match="does not do what is specified"):
        verified(short, "all_reduce", 4, 64, op=op)


@pytest.mark.parametrize("op", ["sum", "max", "min", "band"])
def test_who_is_left_out_is_named(op: str) -> None:
    me = np.arange(4)
    left_out = [Step(me, me, 8), Step([1, 2], [0, 0], 8, reduces=True)]
    with pytest.raises(
        ScheduleError, match=r"rank 0: bytes 0 to 8 of recv lack what rank 3 sends$"
    ):
        verified(left_out, "reduce", 4, 8, op=op)


def test_who_counts_twice_is_named() -> None:
    me = np.arange(3)
    twice = [Step(me, me, 8), Step([1, 2, 2], [0, 0, 0], 8, reduces=True)]
    with pytest.raises(ScheduleError, match="of recv hold what they must not of rank 2"):
        verified(twice, "reduce", 3, 8)
    verified(twice, "reduce", 3, 8, op="max")  # which does not count


def test_what_nobody_writes_is_named_for_each_rank() -> None:
    me = np.arange(6)
    own = [Step(me, me, 8, 0, me * 8)]
    with pytest.raises(ScheduleError) as caught:
        verified(own, "all_gather", 6, 8)
    assert str(caught.value) == (
        "the schedule does not do what is specified: rank 0: bytes 8 to 16 of recv are never"
        " written; rank 1: bytes 0 to 8 of recv are never written; rank 2: bytes 0 to 8 of recv are"
        " never written; rank 3: bytes 0 to 8 of recv are never written; and 2 more ranks"
    )


def test_what_lies_in_a_wrong_place_is_named() -> None:
    (step,) = schedule("all_to_all", 3, 8, "direct")
    src_at = step.src_at.copy()
    src_at[(step.src == 1) & (step.dst == 0)] = 8  # what is for rank 1 itself
    mixed = Step(step.src, step.dst, step.size, src_at, step.dst_at)
    with pytest.raises(ScheduleError, match="rank 0: bytes 8 to 16 of recv hold what they"):
        verified([mixed], "all_to_all", 3, 8)


def test_a_schedule_that_depends_on_the_order_of_rows_is_refused() -> None:
    with pytest.raises(ScheduleError, match="writes bytes of rank 0 twice"):
        verified([Step([0, 1], [0, 0], 8)], "reduce", 2, 8)


def test_large_blocks_are_verified_as_fast_as_small_ones() -> None:
    steps = list(schedule("all_reduce", 8, 1 << 40, "ring", itemsize=4))
    verified(steps, "all_reduce", 8, 1 << 40)


def neighbours(inputs: Sequence[Words]) -> list[Words]:
    """Each rank adds what the one before it has to its own."""
    return [mine + other for mine, other in zip(inputs, np.roll(inputs, 1, axis=0), strict=True)]


def test_a_function_specifies() -> None:
    me = np.arange(4)
    steps = [Step(me, me, 16), Step(me, (me + 1) % 4, 16, reduces=True)]
    how: Any = {"ranks": 4, "sent": 16, "held": 16, "itemsize": 4}
    verify(steps, neighbours, **how)
    with pytest.raises(ScheduleError, match="rank 0: bytes 0 to 4 of recv lack what rank 3 sends"):
        verify(steps[:1], neighbours, **how)
    verify(steps[:1], lambda inputs: [None, *inputs[1:]], **how)
    with pytest.raises(ScheduleError, match="speaks of 1 ranks of 4"):
        verify(steps, lambda inputs: inputs[:1], **how)
    with pytest.raises(ScheduleError, match="of rank 0 has 4 items; the specification has 5"):
        verify(steps, lambda inputs: [np.zeros(5)] * 4, **how)
    with pytest.raises(ScheduleError, match="step 0 cuts items of 4 bytes"):
        verify([Step(0, 0, 3)], neighbours, **how)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"specification": "all_to_all_v"}, "no specification is called 'all_to_all_v'"),
        ({"held": 20}, "the recv buffer has 20 bytes; it has to have 16"),
        ({"specification": "all_gather"}, "all_gather of 2 ranks: the recv buffer has 16 bytes"),
    ],
)
def test_what_cannot_be_verified(how: dict[str, Any], words: str) -> None:
    given: Any = {"specification": "all_reduce", "ranks": 2, "sent": 16, "held": 16, "itemsize": 4}
    with pytest.raises(ScheduleError, match=words):
        verify(list(schedule("all_reduce", 2, 16, "ring")), **(given | how))


def specified() -> tuple[list[float], str, str]:
    """A schedule of the user's own runs; a wrong one is refused at every rank, and life goes on."""
    with init() as comm:
        x, out = np.full(4, comm.rank + 1.0, np.float32), np.zeros(4, np.float32)
        steps = list(schedule("all_reduce", comm.size, 16, "ring", itemsize=4))
        refusals = []
        for wrong in (steps[:-1], plan(steps, comm.size, comm.rank)):
            try:
                comm.run(wrong, x, out, spec="all_reduce")
            except (ScheduleError, ArgumentError) as error:
                refusals.append(str(error))
        comm.run(steps, x, out, spec="all_reduce")
        return out.tolist(), refusals[0], refusals[1]


def test_a_communicator_refuses_what_does_not_do_what_is_specified() -> None:
    for out, refused, no_plan in launch(specified, 3, "cloudmatrix384", timeout=60):
        assert out == [6.0] * 4
        assert "rank 0: bytes" in refused
        assert "a Plan has one rank's rows" in no_plan


def odd_spec() -> str:
    with init() as comm:
        try:
            comm.run([], spec=3)  # type: ignore[arg-type]
        except ArgumentError as error:
            return str(error)
    return ""


def test_a_specification_is_a_name_or_a_function() -> None:
    (words,) = launch(odd_spec, 1, timeout=60)
    assert words == "spec is 3; it has to be the name of a collective or a function"
