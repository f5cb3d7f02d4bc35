"""Verify that a schedule does what a specification says, before it is run with anybody's data.

`collectives.algorithms.reference` runs the schedule with random integers of 64 bits, which combine
exactly and in any order, and what every rank then holds is compared with what the specification
says of the same integers. Two wrongs that cancel are as likely as two equal random numbers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import gcd
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms import reference, spec
from collectives.algorithms.sizes import buffers
from fabric.schedule.step import ScheduleError, Step

Words = NDArray[np.uint64]
Specification = str | Callable[[Sequence[Words]], Sequence[Any]]
"""The name of a collective, or a function from what all ranks send to what each must then hold."""

NAMED: Mapping[str, Callable[..., Sequence[Any]]] = MappingProxyType(
    {
        name: getattr(spec, name)
        for name in (
            "all_reduce", "reduce", "reduce_scatter", "all_gather", "gather", "broadcast",
            "scatter", "all_to_all", "send_recv", "barrier",
        )
    }
)  # fmt: skip
"""The collectives that a schedule can be held to by name."""

REDUCING = ("all_reduce", "reduce", "reduce_scatter")
ROOTED = ("reduce", "gather", "broadcast", "scatter")

NEUTRAL: Mapping[str, int] = MappingProxyType(
    {"prod": 1, "min": (1 << 64) - 1, "band": (1 << 64) - 1}
)
"""What changes nothing when it is combined with another integer; 0 for other operations."""

ONE_BY_ONE = ("min", "max", "band", "bor")
"""Operations whose result may be right by chance though a rank is left out: each rank is tried."""

TOLD = 4
"""Ranks that an error names of each kind at most."""

TRACED = 64
"""Ranks up to which an error says whose part is lacking: the schedule is run once for each."""


class _Case(NamedTuple):
    """What is verified: places and sizes count units; ``sent``, ``held``: of every rank."""

    steps: Sequence[Step]
    must: Callable[[Sequence[Words]], Sequence[Any]]
    op: str
    ranks: int
    sent: int
    held: int
    unit: int  # bytes


def verify(
    steps: Sequence[Step], specification: Specification, *, ranks: int, sent: int, held: int,
    itemsize: int, op: str = "sum", root: int = 0,
) -> None:  # fmt: skip
    """Raise `ScheduleError`, with what each rank lacks, unless steps do what is specified.

    ``specification``: the name of one of `NAMED`; or a function that is given the send buffers of
    all ranks, uint64 ``[sent // itemsize]`` each, and returns what each recv buffer must begin
    with, or None where it does not matter. ``sent``, ``held``: bytes of a rank's send and recv
    buffer, alike at all ranks; by name, 0 for one that this rank has not.
    """
    reference.check(steps, ranks)
    if isinstance(specification, str):
        case = _named(steps, specification, op, ranks, sent, held, itemsize, root)
    else:
        _whole(steps, itemsize, every=True)
        size = (sent // itemsize, held // itemsize)
        case = _Case(_in_units(steps, itemsize), specification, op, ranks, *size, itemsize)
    rng = np.random.default_rng(0)
    given = rng.integers(1, 1 << 63, (ranks, case.sent), np.uint64)
    for inputs in _tries(case, given):
        wrong = _wrong(case, inputs)
        if wrong:
            told = _told(case, given, dict(list(wrong.items())[:TOLD]))
            more = f"; and {len(wrong) - TOLD} more ranks" if len(wrong) > TOLD else ""
            raise ScheduleError(f"the schedule does not do what is specified: {told}{more}")


def _named(
    steps: Sequence[Step], name: str, op: str, ranks: int, sent: int, held: int, itemsize: int,
    root: int,
) -> _Case:  # fmt: skip
    if name not in NAMED:
        raise ScheduleError(
            f"no specification is called {name!r}; there are {', '.join(NAMED)}, or a function"
        )
    size = _size(name, ranks, sent, held)
    needed = buffers(name, ranks, size)
    for what, has, needs in zip(("send", "recv"), (sent, held), needed, strict=True):
        if has not in (0, needs):
            raise ScheduleError(
                f"{name} of {ranks} ranks: the {what} buffer has {has} bytes; it has to have"
                f" {needs}"
            )
    _whole(steps, itemsize, every=False)
    unit = _unit(steps, size)
    more: dict[str, Any] = {"root": root} if name in ROOTED else {}
    if name in REDUCING:
        more["op"] = op = "sum" if op == "avg" else op  # an average is a sum until the very end

    def must(inputs: Sequence[Words]) -> Sequence[Any]:
        return NAMED[name](inputs, **more)

    return _Case(
        _in_units(steps, unit), must, op, ranks, needed[0] // unit, needed[1] // unit, unit
    )


def _size(name: str, ranks: int, sent: int, held: int) -> int:
    """The bytes that `buffers` means by the size of a collective, from this rank's buffers."""
    if name in ("reduce_scatter", "scatter"):
        return held
    if name == "all_to_all":
        return sent // ranks
    return sent or (held // ranks if name in ("all_gather", "gather") else held)


def _whole(steps: Sequence[Step], itemsize: int, *, every: bool) -> None:
    """Raise `ScheduleError` for a step that reduces (``every``: any step) and cuts items."""
    for number, step in enumerate(steps):
        columns = (step.size, step.src_at, step.dst_at)
        if (every or step.reduces) and any((column % itemsize).any() for column in columns):
            raise ScheduleError(f"step {number} cuts items of {itemsize} bytes")


def _unit(steps: Sequence[Step], size: int) -> int:
    """The bytes that the schedule never cuts: all of them fare alike, so one stands for them."""
    columns = (column for step in steps for column in (step.size, step.src_at, step.dst_at))
    return gcd(size, *(int(np.gcd.reduce(column)) for column in columns)) or 1


def _in_units(steps: Sequence[Step], unit: int) -> list[Step]:
    def scaled(column: NDArray[np.int64]) -> NDArray[np.int64]:
        return column // unit * np.dtype(np.uint64).itemsize

    return [
        Step(
            step.src, step.dst, scaled(step.size), scaled(step.src_at), scaled(step.dst_at),
            reduces=step.reduces, reads=step.reads, writes=step.writes,
        )
        for step in steps
    ]  # fmt: skip


def _tries(case: _Case, given: Words) -> Iterator[Words]:
    yield given
    if case.op in ONE_BY_ONE and any(step.reduces for step in case.steps):
        yield from (_alone(case, given, rank) for rank in range(case.ranks))


def _alone(case: _Case, given: Words, rank: int) -> Words:
    """What the ranks send if only one has anything that shows."""
    inputs = np.full_like(given, NEUTRAL.get(case.op, 0))
    inputs[rank] = given[rank]
    return inputs


def _wrong(case: _Case, inputs: Words) -> dict[int, int]:
    """The first unit that is not as it must be, of each rank that has one."""
    wrong = {}
    for rank, (has, must) in enumerate(zip(*_held(case, inputs), strict=True)):
        if must is not None and len(places := np.flatnonzero(has[: len(must)] != must)):
            wrong[rank] = int(places[0])
    return wrong


def _held(case: _Case, inputs: Words) -> tuple[list[Words], list[Words | None]]:
    """What every rank holds after the schedule, and what it must."""
    size = np.dtype(np.uint64).itemsize
    must = [None if m is None else np.asarray(m).reshape(-1) for m in case.must(list(inputs))]
    if len(must) != case.ranks:
        raise ScheduleError(f"the specification speaks of {len(must)} ranks of {case.ranks}")
    for rank, one in enumerate(must):
        if one is not None and len(one) > case.held:
            raise ScheduleError(
                f"the recv buffer of rank {rank} has {case.held} items; the specification has"
                f" {len(one)}"
            )
    return reference.run(case.steps, list(inputs), case.held * size, case.op), must


def _told(case: _Case, given: Words, wrong: Mapping[int, int]) -> str:
    """What these ranks lack at these units, found out by letting one rank at a time show."""
    lacking: dict[int, list[int]] = {rank: [] for rank in wrong}
    other: dict[int, list[int]] = {rank: [] for rank in wrong}
    neutral = NEUTRAL.get(case.op, 0)
    for source in range(case.ranks if case.ranks <= TRACED else 0):
        has, must = _held(case, _alone(case, given, source))
        for rank, place in wrong.items():
            wanted = must[rank]
            if wanted is not None and has[rank][place] != wanted[place]:
                found = lacking if has[rank][place] == neutral else other
                found[rank].append(source)
    return "; ".join(
        _sentence(case, rank, place, lacking[rank], other[rank]) for rank, place in wrong.items()
    )


def _sentence(
    case: _Case, rank: int, place: int, lacking: Sequence[int], other: Sequence[int]
) -> str:
    where = f"rank {rank}: bytes {place * case.unit} to {(place + 1) * case.unit} of recv"
    if not _written(case, rank, place):
        return f"{where} are never written"
    says = [f"lack what rank {_listed(lacking)} sends"] if lacking else []
    says += [f"hold what they must not of rank {_listed(other)}"] if other else []
    return f"{where} {' and '.join(says) or 'are not what they must be'}"


def _written(case: _Case, rank: int, place: int) -> bool:
    at = place * np.dtype(np.uint64).itemsize
    return any(
        ((step.dst == rank) & (step.dst_at <= at) & (at < step.dst_at + step.size)).any()
        for step in case.steps if step.writes == "recv"
    )  # fmt: skip


def _listed(ranks: Sequence[int]) -> str:
    return ", ".join(map(str, ranks[:TOLD])) + (" ..." if len(ranks) > TOLD else "")
