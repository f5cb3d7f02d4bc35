"""What is checked and worked out about a call once, and used whenever it is made again."""

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from collectives.algorithms.sizes import buffers
from collectives.algorithms.spec import combiner
from collectives.algorithms.table import default, schedule
from collectives.calls.buffers import ArgumentError, UserBuffer, in_place, name_of, shift
from collectives.calls.group import Group
from collectives.calls.part_of import whole_rows, whole_size
from collectives.calls.reductions import lowers, reduction
from fabric.ranks.execution import PreparedCall
from fabric.ranks.ready import made_ready
from fabric.schedule.plan import Plan, plans
from fabric.world.messages import Advice
from fabric.world.rank_control import RankControl

PLANNED = 64
"""Schedules whose plans are kept. Ranks that are threads share them."""

NODE = 16
"""Ranks that share a node where there is no fabric that knows; as in `schedule`."""

_Place = Callable[[int, int], int]

IN_PLACE: Mapping[str, _Place] = MappingProxyType(
    {
        **dict.fromkeys(("all_reduce", "reduce", "broadcast"), lambda rank, size: 0),
        **dict.fromkeys(("all_gather", "gather"), lambda rank, size: -rank * size),
        **dict.fromkeys(("reduce_scatter", "scatter"), lambda rank, size: rank * size),
    }
)
"""Where the recv buffer may begin if it shares memory with the send buffer, in bytes from there:
both are one, or the shorter is the rank's own block of the longer, as in NCCL. Others may not."""


class CallArguments(NamedTuple):
    """All that a `PreparedCall` depends on, besides the group; ``shift``: see `made_ready`."""

    op: str
    send: tuple[np.dtype[Any], int]
    recv: tuple[np.dtype[Any], int]
    reduction: str
    root: int
    algorithm: str | None
    shift: int | None


def collective(
    asked: CallArguments,
    group: Group,
    control: RankControl,
    wide: int | None = None,
    copies: int = 1,
) -> PreparedCall:
    """The `PreparedCall` of a collective as ``asked``; raises `ArgumentError` or `ScheduleError`.

    Buffers may be identical, or the shorter one may be the rank's own block of the longer one, as
    in NCCL; any other overlap is an error. ``wide``: see `made_ready`. ``copies``: as in
    `Settings.copies` where all ranks of the world make the call.
    """
    op, rank, ranks = asked.op, group.rank, group.size
    dtype, items = _unit(asked, ranks)
    size = items * dtype.itemsize
    _fit(asked, group, dtype, size)
    place = IN_PLACE[op](rank, size) if op in IN_PLACE else None
    if size and asked.shift not in (None, place):
        allowed = "" if place is None else ", and not as a call in place would"
        raise ArgumentError(f"{op}: what it reads and what it fills share memory{allowed}")
    combine = reduction(asked.reduction, dtype) if asked.reduction else None
    itemsize, whole = dtype.itemsize, whole_size(op, size, dtype.itemsize, copies)
    told = advice(op, group, whole, control, itemsize, asked.root, asked.algorithm)
    algorithm, timed = told.algorithm, None
    if copies > 1:  # what is fastest for all may be none for so few
        algorithm = asked.algorithm or default(op, ranks, size)
        timed = whole_rows(
            op, ranks, whole, told.algorithm, asked.root, itemsize, told.ranks_per_node,
            copies, rank,
        )  # fmt: skip
    plan = planned(op, ranks, size, algorithm, asked.root, itemsize, told.ranks_per_node)[rank]
    average = ranks if asked.reduction == "avg" else 0
    # Else the plan reads a copy, and nothing is shared: see `collectives.calls.execution`.
    here = not lowers(dtype, average) or (asked.shift == 0 and asked.send == asked.recv)
    made = made_ready(plan, asked.shift if here else None, wide)
    facts = {
        "collective": op, "size": size, "itemsize": itemsize, "root": asked.root,
        "algorithm": asked.algorithm,
    }  # fmt: skip
    return PreparedCall(
        _words(asked, dtype, items), plan, made, told.operation, combine, dtype, average, timed,
        facts,
    )  # fmt: skip


def advice(
    op: str, group: Group, size: int, control: RankControl, itemsize: int = 1, root: int = 0,
    algorithm: str | None = None,
) -> Advice:  # fmt: skip
    """How to make a collective: what the authority advises, or else the library's `default`."""
    told = control.advise(op, group.members, size, itemsize, root, algorithm)
    return told or Advice(algorithm or default(op, group.size, size), NODE, op)


def custom(
    plan: Plan, group: Group, send: UserBuffer, recv: UserBuffer, op: str, operation: str,
    name: str, wide: int | None = None,
) -> PreparedCall:  # fmt: skip
    """The `PreparedCall` of a user's own schedule.

    Raises `ArgumentError` for buffers that do not fit it. ``operation``: selects the software's
    constants; ``name``: what errors and traces call it; ``wide``: see `made_ready`.
    """
    if (plan.rank, plan.ranks) != (group.rank, group.size):
        raise ArgumentError(
            f"{name}: a plan of rank {plan.rank} of {plan.ranks}, at rank {group.rank} of"
            f" {group.size}"
        )
    _members(plan, name)
    combiner(op)  # even where no step of this rank reduces: the same at every rank
    dtype = send.dtype if send.items else recv.dtype
    combine, average = None, 0
    if any(part.reduces for part in plan.parts):
        if send.items and recv.items and send.dtype != recv.dtype:
            raise ArgumentError(
                f"{name}: send is {name_of(send.dtype)}, and recv is {name_of(recv.dtype)}; its"
                " steps reduce"
            )
        _whole_items(plan, name, dtype.itemsize)
        combine, average = reduction(op, dtype), group.size if op == "avg" else 0
    here = not lowers(dtype, average) or in_place(send, recv)
    made = made_ready(plan, shift(send, recv) if here else None, wide)
    for what, room, buffer in (("send", made.rooms[0], send), ("recv", made.rooms[1], recv)):
        if room > buffer.bytes.size:
            raise ArgumentError(
                f"{name}: the {what} buffer has {buffer.bytes.size} bytes; its steps need {room}"
            )
    words = f"{name}({f'{op}, ' if combine else ''}{name_of(dtype)})"
    return PreparedCall(words, plan, made, operation, combine, dtype, average)


def _members(plan: Plan, name: str) -> None:
    last = max((int(max(part.src.max(), part.dst.max())) for part in plan.parts), default=0)
    if last >= plan.ranks:
        raise ArgumentError(f"{name}: a step has rank {last}; there are 0 to {plan.ranks - 1}")


def _whole_items(plan: Plan, name: str, itemsize: int) -> None:
    for part in plan.parts:
        places = np.concatenate([part.src_at, part.dst_at, part.size])
        if part.reduces and (places % itemsize).any():
            raise ArgumentError(f"{name}: step {part.number} cuts items of {itemsize} bytes")


def _unit(asked: CallArguments, ranks: int) -> tuple[np.dtype[Any], int]:
    """The type, and how many items make what `schedule` calls size."""
    dtype, items = asked.recv if asked.op in ("reduce_scatter", "scatter") else asked.send
    if asked.op != "all_to_all":
        return dtype, items
    if items % ranks:
        raise ArgumentError(f"all_to_all: the {items} items of x are no {ranks} equal blocks")
    return dtype, items // ranks


def _fit(asked: CallArguments, group: Group, dtype: np.dtype[Any], size: int) -> None:
    """Refuse buffers of other types or lengths than the call needs at this rank."""
    op, at_root = asked.op, group.rank == asked.root
    needed = buffers(op, group.size, size)
    used = (op != "scatter" or at_root, op not in ("gather", "reduce") or at_root)
    for name, given, room, use in zip(
        ("x", "out"), (asked.send, asked.recv), needed, used, strict=True
    ):
        if use and (given[0] != dtype or given[1] * dtype.itemsize != room):
            raise ArgumentError(
                f"{op} of {group.size} ranks: {name} is {_type(*given)}, but must be"
                f" {_type(dtype, room // dtype.itemsize)}"
            )


def _type(dtype: np.dtype[Any], items: int) -> str:
    return f"{name_of(dtype)}[{items}]"


def _words(asked: CallArguments, dtype: np.dtype[Any], items: int) -> str:
    parts = [asked.reduction] if asked.reduction else []
    parts += [_type(dtype, items)] if asked.op != "barrier" else []
    parts += [f"root {asked.root}"] if asked.op in _ROOTED else []
    parts += [asked.algorithm] if asked.algorithm else []
    return f"{asked.op}({', '.join(parts)})"


_ROOTED = ("broadcast", "reduce", "gather", "scatter")


def planned(
    op: str, ranks: int, size: int, algorithm: str, root: int, itemsize: int, ranks_per_node: int
) -> tuple[Plan, ...]:
    """The plans of all ranks of a collective, computed once in this process.

    Arguments as in `schedule`.
    """
    with _PLANNING:  # threads that all want the same wait for the first of them
        return _planned(op, ranks, size, algorithm, root, itemsize, ranks_per_node)


_PLANNING = threading.Lock()


@lru_cache(PLANNED)
def _planned(
    op: str, ranks: int, size: int, algorithm: str, root: int, itemsize: int, ranks_per_node: int
) -> tuple[Plan, ...]:
    steps = schedule(
        op, ranks, size, algorithm, root=root, itemsize=itemsize, ranks_per_node=ranks_per_node
    )
    return plans(steps, ranks)
