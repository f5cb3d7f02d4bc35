"""A schedule of MSCCL as an algorithm of ours: the steps for a size, verified when it is read."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from collectives.algorithms.msccl.file import MscclError, read
from collectives.algorithms.msccl.rounds import ChunkLayout, MscclRow, layout_of, rounds
from collectives.algorithms.verify import verify
from fabric.schedule.step import ScheduleError, Step
from topology.errors import TriplaneError

Steps = Callable[[int, int, int, int], Iterator[Step]]

_WORD = 8  # bytes of a chunk when a schedule is verified
_SHARED = ("all_gather", "reduce_scatter", "all_to_all")


@dataclass(frozen=True, eq=False)
class MscclSchedule:
    """A schedule of MSCCL in rounds of transfers, of chunks.

    ``collective``: our name of what it does; ``chunks``: of all data of a rank. ``parts``: in
    order, int64 [5, rows] each (source, target, chunks, and where they begin there), whether its
    rows reduce, and the number of the round.
    """

    path: str
    name: str
    collective: str
    ranks: int
    chunks: int
    layout: ChunkLayout
    parts: tuple[tuple[NDArray[np.int64], bool, int], ...]

    @property
    def network_rounds(self) -> int:
        """How many rounds there are in which bytes go from a rank to another."""
        return len({number for (src, dst, *_), _, number in self.parts if (src != dst).any()})

    def steps(self, ranks: int, size: int, root: int = 0, itemsize: int = 1) -> Iterator[Step]:
        """The steps for ``size`` bytes, which count as `collectives.algorithms.sizes` says.

        Raises `ScheduleError` at the call for another number of ranks, a root that is not rank 0,
        and a size that cannot be cut into the schedule's chunks.
        """
        chunk = self._chunk(ranks, size, itemsize)
        if root:
            raise ScheduleError(f"{self.path} is a schedule with root 0, not {root}")
        return self._steps(chunk)

    def _chunk(self, ranks: int, size: int, itemsize: int) -> int:
        if ranks != self.ranks:
            raise ScheduleError(f"{self.path} is a schedule of {self.ranks} ranks, not {ranks}")
        shared = self.collective in _SHARED
        unit, left = divmod(size * ranks if shared else size, self.chunks)
        if left or unit % itemsize:
            least = self.chunks * itemsize
            raise ScheduleError(
                f"{self.path} cuts a rank's data into {self.chunks} chunks: it takes multiples of"
                f" {least} bytes, not {size * ranks if shared else size}"
            )
        return unit

    def _steps(self, chunk: int) -> Iterator[Step]:
        everyone = np.arange(self.ranks)
        begin = [self.layout.begins("i", rank) * chunk for rank in range(self.ranks)]
        yield Step(everyone, everyone, self.layout.sent * chunk, 0, begin,
                   reads="send", writes="work", label="input")  # fmt: skip
        for (src, dst, count, src_at, dst_at), reduces, number in self.parts:
            yield Step(
                src, dst, count * chunk, src_at * chunk, dst_at * chunk, reduces=reduces,
                reads="work", writes="work", label=f"round {number}",
            )  # fmt: skip
        begin = [self.layout.begins("o", rank) * chunk for rank in range(self.ranks)]
        yield Step(everyone, everyone, self.layout.held * chunk, begin, 0,
                   reads="work", writes="recv", label="output")  # fmt: skip


def load(path: str) -> MscclSchedule:
    """The schedule in the XML file at ``path``, which does what its collective does.

    It is read again when it has changed. Raises `MscclError` naming the line that is wrong, and
    what ranks lack in the end where it does something else.
    """
    try:
        status = os.stat(path)
    except OSError as fault:
        raise MscclError(f"{path} cannot be read: {fault.strerror or 'it fails'}") from None
    return _load(path, (status.st_mtime_ns, status.st_size, status.st_ino))


def of_file(path: str, op: str) -> Steps:
    """`MscclSchedule.steps` of the file at ``path`` for the collective ``op``.

    Raises `MscclError` as `load`, and for a schedule of another collective.
    """
    found = load(path)
    if found.collective != op:
        raise MscclError(f"{path} is a schedule of {found.collective}, not of {op}")
    return found.steps


@lru_cache(64)
def _load(path: str, _made: tuple[int, ...]) -> MscclSchedule:
    """``_made``: by which a file that was written anew is known."""
    file = read(path)
    if file.chunks % file.ranks and file.collective in (
        "all_gather",
        "reduce_scatter",
        "all_to_all",
    ):
        raise MscclError(
            f"{path}: nchunksperloop is {file.chunks}; {file.ranks} ranks share them, so it has to"
            f" be a multiple of that"
        )
    parts = [part for number, rows in enumerate(rounds(path, file))
             for part in _parts(rows, number)]  # fmt: skip
    found = MscclSchedule(
        path, file.name, file.collective, file.ranks, file.chunks, layout_of(file), tuple(parts)
    )
    _verify(found)
    return found


def _parts(rows: list[MscclRow], number: int) -> Iterator[tuple[NDArray[np.int64], bool, int]]:
    for reduces in (False, True):
        mine = [
            (row.source[0], row.target[0], row.source[2], row.source[1], row.target[1])
            for row in rows if row.reduces == reduces
        ]  # fmt: skip
        if mine:
            yield np.array(mine, np.int64).T.copy(), reduces, number


def _verify(found: MscclSchedule) -> None:
    sent, held = found.layout.sent * _WORD, found.layout.held * _WORD
    try:
        verify(
            list(found._steps(_WORD)), found.collective, ranks=found.ranks, sent=sent, held=held,
            itemsize=_WORD,
        )  # fmt: skip
    except TriplaneError as error:
        raise MscclError(f"{found.path}: {error}") from None
