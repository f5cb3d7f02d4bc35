"""Reads a schedule of MSCCL from its XML, with the line of everything; what is wrong is named so.

As ``msccl_parser.cc`` of Azure/msccl-executor-nccl reads it: an ``algo`` has a ``gpu`` a rank, a
``gpu`` thread blocks (``tb``) with at most one peer to send to and one to receive from, and a
``tb`` steps in order. A step may wait for a step of another thread block of its rank.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from fabric.schedule.step import ScheduleError
from topology.files.reading import read_text, shown, whole
from topology.names import near

COLLECTIVES = {
    "allreduce": "all_reduce", "allgather": "all_gather", "reducescatter": "reduce_scatter",
    "reduce_scatter": "reduce_scatter", "alltoall": "all_to_all", "broadcast": "broadcast",
    "reduce": "reduce",
}  # fmt: skip
"""Our names of the collectives by MSCCL's."""

SENDS, RECEIVES = ("s", "rcs", "rrs", "rrcs"), ("r", "rcs", "rrs", "rrc", "rrcs")
"""The types of steps that send, and those that receive."""

TYPES = ("s", "r", "rcs", "rrs", "rrc", "rrcs", "cpy", "re", "nop")
"""Send, receive, copy, reduce, and several of them in one; copy and reduce alone; only wait."""

MOST = 1 << 14
"""Ranks, chunks and steps of a thread block at most."""


class MscclError(ScheduleError):
    """A schedule of MSCCL cannot be read, or does not do what its collective does."""


@dataclass(frozen=True, slots=True)
class MscclStep:
    """One step of a thread block: ``kind`` is one of `TYPES`.

    ``source``, ``target``: buffer ("i", "o" or "s") and chunk; ``count``: chunks. ``after``: the
    thread block of the same rank and its step that this waits for, None for none.
    """

    kind: str
    source: tuple[str, int]
    target: tuple[str, int]
    count: int
    after: tuple[int, int] | None
    line: int


@dataclass(slots=True)
class ThreadBlock:
    """A thread block: the ranks that it sends to and receives from, -1 for none."""

    sends_to: int
    receives_from: int
    channel: int
    line: int
    steps: list[MscclStep] = field(default_factory=list)


@dataclass(slots=True)
class MscclGpu:
    """The thread blocks of one rank by id, and the chunks of its buffers."""

    line: int
    chunks: Mapping[str, int]
    blocks: dict[int, ThreadBlock] = field(default_factory=dict)


@dataclass(slots=True)
class MscclFile:
    """A schedule of MSCCL.

    ``collective``: our name of it; ``chunks``: that all data of a rank is cut into.
    ``in_place``: whether input and output are one buffer.
    """

    name: str
    collective: str
    ranks: int
    chunks: int
    in_place: bool
    gpus: dict[int, MscclGpu] = field(default_factory=dict)


def read(path: str | Path) -> MscclFile:
    """The schedule in the XML file at ``path``; raises `MscclError` naming file and line."""
    return _Reader(str(path)).read(read_text(path, MscclError))


class _Reader:
    """Goes through the elements of a file, which are checked as they come."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._no_doctype
        self.inside: list[str] = []
        self.found: MscclFile | None = None
        self.gpu: MscclGpu | None = None
        self.block: ThreadBlock | None = None

    def read(self, text: str) -> MscclFile:
        try:
            self.parser.Parse(text, True)
        except expat.ExpatError as error:
            where = f"line {error.lineno}, column {error.offset + 1}"
            raise MscclError(
                f"{self.path} is no XML: {where}: {expat.ErrorString(error.code)}"
            ) from None
        if self.found is None:
            raise MscclError(f"{self.path} has no algo")
        return _checked(self.path, self.found)

    @property
    def line(self) -> int:
        return self.parser.CurrentLineNumber

    def refuse(self, message: str) -> NoReturn:
        raise MscclError(f"{self.path}: line {self.line}: {message}")

    def _no_doctype(self, *_: Any) -> None:
        self.refuse("a document type; a schedule has none")

    def _begin(self, name: str, given: dict[str, str]) -> None:
        place = {"algo": (), "gpu": ("algo",), "tb": ("algo", "gpu"), "step": ("algo", "gpu", "tb")}
        if name not in place or tuple(self.inside) != place[name]:
            where = f"in {self.inside[-1]}" if self.inside else "as the root"
            self.refuse(f"an element {name!r} {where}; there are algo, gpu, tb, step in each other")
        takes: dict[str, Callable[[dict[str, str]], None]] = {
            "algo": self._algo, "gpu": self._gpu, "tb": self._block, "step": self._step,
        }  # fmt: skip
        takes[name](given)
        self.inside.append(name)

    def _end(self, _name: str) -> None:
        self.inside.pop()

    def _number(self, given: Mapping[str, str], key: str, low: int, high: int = MOST) -> int:
        if key not in given:
            self.refuse(f"the attribute {key} is missing")
        value = whole(given[key], low, high)
        if value is None:
            self.refuse(f"{key} is {shown(given[key])}; it has to be a number, {low} to {high}")
        return value

    def _algo(self, given: dict[str, str]) -> None:
        called = given.get("coll", "")
        if called not in COLLECTIVES:
            known = ", ".join(COLLECTIVES)
            self.refuse(f"coll is {called!r}; there are {known}{near(called, COLLECTIVES)}")
        both = given.get("inplace") == "1" and given.get("outofplace") == "1"
        self.found = MscclFile(
            given.get("name", ""), COLLECTIVES[called], self._number(given, "ngpus", 1),
            self._number(given, "nchunksperloop", 1), given.get("inplace") == "1" and not both,
        )  # fmt: skip

    def _gpu(self, given: dict[str, str]) -> None:
        assert self.found is not None
        rank = self._number(given, "id", 0)
        if rank >= self.found.ranks or rank in self.found.gpus:
            self.refuse(f"gpu {rank} comes twice, or there are only {self.found.ranks}")
        chunks = {key: self._number(given, f"{key}_chunks", 0) for key in "ios"}
        self.gpu = self.found.gpus[rank] = MscclGpu(self.line, chunks)

    def _block(self, given: dict[str, str]) -> None:
        assert self.found is not None
        assert self.gpu is not None
        number, last = self._number(given, "id", 0), self.found.ranks - 1
        if number in self.gpu.blocks:
            self.refuse(f"tb {number} comes twice")
        self.block = self.gpu.blocks[number] = ThreadBlock(
            self._number(given, "send", -1, last), self._number(given, "recv", -1, last),
            self._number(given, "chan", -1), self.line,
        )  # fmt: skip

    def _step(self, given: dict[str, str]) -> None:
        assert self.block is not None
        kind, number = given.get("type", ""), self._number(given, "s", 0)
        if kind not in TYPES:
            self.refuse(f"type is {kind!r}; there are {', '.join(TYPES)}")
        if number != len(self.block.steps):
            self.refuse(f"step {number}; {len(self.block.steps)} is the next")
        for needs, peer, said in ((SENDS, self.block.sends_to, "send"),
                                  (RECEIVES, self.block.receives_from, "recv")):  # fmt: skip
            if kind in needs and peer < 0:
                self.refuse(f"a step {kind} in a tb whose {said} is -1")
        other, step = self._number(given, "depid", -1), self._number(given, "deps", -1)
        after = None if other < 0 or step < 0 else (other, step)
        is_empty = kind == "nop"
        self.block.steps.append(
            MscclStep(
                kind, self._place(given, "src", is_empty), self._place(given, "dst", is_empty),
                0 if is_empty else self._number(given, "cnt", 1), after, self.line,
            )
        )  # fmt: skip

    def _place(self, given: Mapping[str, str], end: str, is_empty: bool) -> tuple[str, int]:
        if is_empty:
            return "i", 0
        buffer = given.get(f"{end}buf", "")
        if buffer not in ("i", "o", "s"):
            self.refuse(f"{end}buf is {buffer!r}; there are i, o, s")
        return buffer, self._number(given, f"{end}off", -1)


def _checked(path: str, found: MscclFile) -> MscclFile:
    """``found``, all of whose steps refer to what there is."""
    for rank in range(found.ranks):
        if rank not in found.gpus:
            raise MscclError(f"{path}: it has no gpu {rank}, and ngpus is {found.ranks}")
        for block in found.gpus[rank].blocks.values():
            for step in block.steps:
                _check_step(path, found.gpus[rank], step)
    _check_ends(path, found)
    return found


def _check_step(path: str, gpu: MscclGpu, step: MscclStep) -> None:
    if step.after is not None:
        other, number = step.after
        if other not in gpu.blocks or number >= len(gpu.blocks[other].steps):
            raise MscclError(
                f"{path}: line {step.line}: it waits for step {number} of tb {other}, which the gpu"
                " has not"
            )


def _check_ends(path: str, found: MscclFile) -> None:
    """Each direction of a channel between two ranks belongs to one thread block at either end."""
    seen: dict[tuple[str, int, int, int], int] = {}
    for rank, gpu in found.gpus.items():
        for block in gpu.blocks.values():
            for way, peer in (("send", block.sends_to), ("recv", block.receives_from)):
                key = (way, rank, peer, block.channel)
                if peer >= 0 and seen.setdefault(key, block.line) != block.line:
                    raise MscclError(
                        f"{path}: line {block.line}: {way} {peer} on channel {block.channel} is"
                        f" already the tb's on line {seen[key]}"
                    )
