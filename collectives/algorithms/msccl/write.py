"""Writes a schedule of ours as the XML that MSCCL's runtimes read; `file` reads it back.

Each rank has a thread block for each peer and direction, and one for copies of its own. That a rank
begins a step when it has finished the one before is said by waits of thread blocks for each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import gcd
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from collectives.algorithms import reference
from collectives.algorithms.msccl.file import COLLECTIVES, MscclError
from collectives.algorithms.sizes import buffers
from fabric.schedule.step import Step
from topology.files.output import text_file

NAMES = {ours: theirs for theirs, ours in reversed(COLLECTIVES.items())}
"""MSCCL's names of the collectives by ours."""

MOST_CHUNKS = 72
"""Chunks of one step at most: MSCCL_MAX_COUNT of its runtimes."""

_BUFFERS = {"send": "i", "recv": "o", "work": "s"}
_SHARED = ("all_gather", "reduce_scatter", "all_to_all")


@dataclass(slots=True)
class _Line:
    """A step of a thread block as it is written, and whether another waits for it."""

    kind: str
    source: str = 'srcbuf="i" srcoff="-1"'
    target: str = 'dstbuf="i" dstoff="-1"'
    count: int = 0
    after: tuple[int, int] = (-1, -1)
    is_awaited: bool = False


@dataclass(slots=True)
class _Block:
    number: int
    sends_to: int
    receives_from: int
    lines: list[_Line] = field(default_factory=list)
    awaited: dict[int, int] = field(default_factory=dict)  # of other blocks: up to which line


@dataclass(slots=True)
class _Rank:
    """The thread blocks of a rank by direction and peer, and where they were before the step."""

    blocks: dict[tuple[str, int], _Block] = field(default_factory=dict)
    before: dict[int, int] = field(default_factory=dict)

    def block(self, way: str, peer: int) -> _Block:
        if (way, peer) not in self.blocks:
            ends = (peer, -1) if way == "send" else (-1, peer) if way == "recv" else (-1, -1)
            self.blocks[way, peer] = _Block(len(self.blocks), *ends)
        return self.blocks[way, peer]


def write(
    path: str | Path, steps: Sequence[Step], op: str, ranks: int, size: int, name: str = "triplane"
) -> None:
    """Write the steps of the collective ``op`` to an XML file of MSCCL at ``path``.

    ``size``: bytes, as `collectives.algorithms.sizes.buffers` means them; the file holds for any
    other that its chunks divide. Raises `MscclError` for a collective that MSCCL has no name for,
    `ScheduleError` for steps whose rows may not be interleaved, and `OSError`.
    """
    if op not in NAMES:
        raise MscclError(f"MSCCL has no collective {op}; it has {', '.join(NAMES)}")
    reference.check(steps, ranks)
    text = "".join(f"{line}\n" for line in _text(steps, op, ranks, size, name))
    with text_file(Path(path)) as file:
        file.write(text)


def _text(steps: Sequence[Step], op: str, ranks: int, size: int, name: str) -> Iterator[str]:
    chunk = _chunk(steps, size)
    total = (size * ranks if op in _SHARED else size) // chunk
    sent, held = (room // chunk for room in buffers(op, ranks, size))
    made = [_Rank() for _ in range(ranks)]
    for step in steps:
        _add(step, made, chunk)
    scratch = max((int((step.dst_at + step.size).max(initial=0)) for step in steps
                   if step.writes == "work"), default=0)  # fmt: skip
    yield (
        f'<algo name={quoteattr(name)} proto="Simple" nchannels="1" nchunksperloop="{total}"'
        f' ngpus="{ranks}" coll="{NAMES[op]}" inplace="0" outofplace="1" minBytes="0"'
        f' maxBytes="0">'
    )
    for rank, one in enumerate(made):
        yield (
            f'  <gpu id="{rank}" i_chunks="{sent}" o_chunks="{held}"'
            f' s_chunks="{-(-scratch // chunk)}">'
        )
        for block in one.blocks.values():
            yield from _block(block)
        yield "  </gpu>"
    yield "</algo>"


def _chunk(steps: Sequence[Step], size: int) -> int:
    """The bytes that no step cuts."""
    columns = [column for step in steps for column in (step.size, step.src_at, step.dst_at)]
    return gcd(size, *(int(np.gcd.reduce(column)) for column in columns if len(column))) or 1


def _add(step: Step, ranks: Sequence[_Rank], chunk: int) -> None:
    for one in ranks:
        one.before = {block.number: len(block.lines) for block in one.blocks.values()}
    reduced: dict[int, list[tuple[int, int, _Block, int]]] = {}
    columns = (step.src, step.dst, step.size, step.src_at, step.dst_at)
    for src, dst, size, src_at, dst_at in zip(*(c.tolist() for c in columns), strict=True):
        for begin in range(0, size // chunk, MOST_CHUNKS):
            count = min(MOST_CHUNKS, size // chunk - begin)
            source = _place("src", step.reads, src_at // chunk + begin)
            target = _place("dst", step.writes, dst_at // chunk + begin)
            if src == dst:
                kind = "re" if step.reduces else "cpy"
                block = _append(ranks[dst], "own", -1, _Line(kind, source, target, count))
            else:
                _append(ranks[src], "send", dst, _Line("s", source, target, count))
                kind = "rrc" if step.reduces else "r"
                own = target.replace("dst", "src") if step.reduces else source
                block = _append(ranks[dst], "recv", src, _Line(kind, own, target, count))
            if step.reduces:
                place = dst_at // chunk + begin
                _in_turn(reduced.setdefault(dst, []), (place, place + count, block))


def _place(end: str, buffer: str, chunk: int) -> str:
    return f'{end}buf="{_BUFFERS[buffer]}" {end}off="{chunk}"'


def _append(rank: _Rank, way: str, peer: int, line: _Line) -> _Block:
    """Add a line to a thread block, which first waits for the steps before."""
    block = rank.block(way, peer)
    others = {one.number: one for one in rank.blocks.values()}
    late = [
        (number, count - 1) for number, count in rank.before.items()
        if number != block.number and block.awaited.get(number, 0) < count
    ]  # fmt: skip
    for at, (number, last) in enumerate(late):
        others[number].lines[last].is_awaited = True
        block.awaited[number] = last + 1
        if at < len(late) - 1:
            block.lines.append(_Line("nop", after=(number, last)))
        else:
            line.after = (number, last)
    block.lines.append(line)
    return block


def _in_turn(done: list[tuple[int, int, _Block, int]], row: tuple[int, int, _Block]) -> None:
    """Let a row that reduces wait for those before it in the step that reduce the same bytes."""
    begin, end, block = row
    for first, last, other, number in done:
        meets = other is not block and begin < last and first < end
        if meets and block.awaited.get(other.number, 0) <= number:
            other.lines[number].is_awaited = True
            block.awaited[other.number] = number + 1
            block.lines.insert(-1, _Line("nop", after=(other.number, number)))
    done.append((begin, end, block, len(block.lines) - 1))


def _block(block: _Block) -> Iterator[str]:
    yield (
        f'    <tb id="{block.number}" send="{block.sends_to}" recv="{block.receives_from}"'
        ' chan="0">'
    )
    for number, line in enumerate(block.lines):
        tb, step = line.after
        yield (
            f'      <step s="{number}" type="{line.kind}" {line.source} {line.target}'
            f' cnt="{line.count}" depid="{tb}" deps="{step}" hasdep="{int(line.is_awaited)}"/>'
        )
    yield "    </tb>"
