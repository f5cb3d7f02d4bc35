"""The slow, obvious interpreter of a schedule: the executable definition of what steps mean.

Where an executor or an engine disagrees with `run`, the executor or engine is wrong. Memory that
nobody has written is filled with a poison value, so a schedule that reads it gives wrong results
and not zeros.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.spec import averaged, combiner, shares
from fabric.schedule.step import ScheduleError, Step

POISON = 0xA5
"""What every byte of a recv and work buffer is before anybody writes it."""

Bytes = NDArray[np.uint8]


def run(
    steps: Iterable[Step],
    send: Sequence[NDArray[Any]],
    recv_size: int | Sequence[int],
    op: str = "sum",
) -> list[NDArray[Any]]:
    """The recv buffer of every rank after ``steps``, in the dtype of the send buffers.

    ``send[i]`` is the send buffer of rank i, ``recv_size`` the bytes of a recv buffer (of all, or
    one number for each rank). Rows combine in row order. ``op="avg"`` adds up the `spec.shares` of
    the send buffers, and the recv buffers are `averaged` after the last step. Raises
    `ScheduleError` if a row leaves a buffer or a rank does not exist.
    """
    ranks, dtype, combine = len(send), send[0].dtype, combiner(op)
    room = np.broadcast_to(recv_size, ranks).tolist()
    if op == "avg":
        send = [shares(array, ranks) for array in send]
    buffers = {
        "send": [array.reshape(-1).view(np.uint8) for array in send],
        "recv": [_poison(size) for size in room],
        "work": [_poison(0)] * ranks,
    }
    for step in steps:
        _rows(step, buffers, dtype, combine)
    recv = [buffer.view(dtype) for buffer in buffers["recv"]]
    return [averaged(array, ranks) for array in recv] if op == "avg" else recv


def _rows(
    step: Step, buffers: dict[str, list[Bytes]], dtype: np.dtype[Any], combine: np.ufunc
) -> None:
    _members(step, len(buffers["send"]))
    source, target = buffers[step.reads], buffers[step.writes]
    columns = (step.src, step.dst, step.size, step.src_at, step.dst_at)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    if step.writes == "work":
        _grow(target, step)
    # All reads before any write: what a step reads is what stood there before the step.
    moved = [_piece(source[src], at, size).copy() for src, _, size, at, _ in rows]
    for (_, dst, size, _, at), data in zip(rows, moved, strict=True):
        into = _piece(target[dst], at, size)
        if step.reduces:
            data = combine(into.view(dtype), data.view(dtype)).view(np.uint8)
        into[:] = data


def _grow(work: list[Bytes], step: Step) -> None:
    for rank in np.unique(step.dst):
        end = (step.dst_at + step.size)[step.dst == rank].max()
        if end > len(work[rank]):
            work[rank] = np.concatenate([work[rank], _poison(end - len(work[rank]))])


def _piece(buffer: Bytes, at: int, size: int) -> Bytes:
    if at + size > len(buffer):
        raise ScheduleError(f"bytes {at} to {at + size} leave a buffer of {len(buffer)} bytes")
    return buffer[at : at + size]


def _poison(size: int) -> Bytes:
    return np.full(size, POISON, np.uint8)


def _members(step: Step, ranks: int) -> None:
    last = max(step.src.max(initial=0), step.dst.max(initial=0))
    if last >= ranks:
        raise ScheduleError(f"a step has rank {last}; there are ranks 0 to {ranks - 1}")


def check(steps: Iterable[Step], ranks: int) -> None:
    """Raise `ScheduleError` unless every step means the same however its rows are interleaved.

    Within a step no rank may read a byte that the step writes there, and no two rows may write one
    byte unless the step reduces (rows then combine in their order). No step may write "send".
    """
    for number, step in enumerate(steps):
        where = f"step {number} ({step.label})" if step.label else f"step {number}"
        _members(step, ranks)
        if step.writes == "send":
            raise ScheduleError(f"{where} writes the send buffer, which is the caller's")
        _sound(step, where)


def _sound(step: Step, where: str) -> None:
    full = step.size > 0
    # One line of bytes, on which every rank has a stretch of its own.
    stretch = int((np.maximum(step.src_at, step.dst_at) + step.size).max(initial=0))
    written = (step.dst * stretch + step.dst_at)[full]
    order = written.argsort(kind="stable")
    begin, end = written[order], (written + step.size[full])[order]
    if not step.reduces and (begin[1:] < end[:-1]).any():
        row = np.flatnonzero(full)[order[1:][begin[1:] < end[:-1]][0]]
        raise ScheduleError(f"{where}: row {row} writes bytes of rank {step.dst[row]} twice")
    if step.reads != step.writes or not full.any():
        return
    read = (step.src * stretch + step.src_at)[full]
    # The writes that begin before a read ends; it is clear of them if all have ended by its start.
    before = np.searchsorted(begin, read + step.size[full])
    reach = np.concatenate([[0], np.maximum.accumulate(end)])[before]
    if (reach > read).any():
        row = np.flatnonzero(full)[(reach > read).argmax()]
        raise ScheduleError(f"{where}: row {row} reads bytes of rank {step.src[row]} it writes")
