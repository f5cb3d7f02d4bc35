"""What the steps of an MSCCL file do, round by round: what is in flight together.

MSCCL's thread blocks run beside each other; a send is buffered, and its receiver takes it when it
comes to that. Here rounds of transfers take their place: in each round every thread block goes as
far as it can without waiting for another, and what is sent and taken in one round is one transfer,
straight to its place. A buffer that would be overwritten before a transfer of it was taken is
moved to the receiver's side first, which is what MSCCL's buffers are for.

All of a rank's data is in one stretch of chunks: input, output and scratch, see `ChunkLayout`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from collectives.algorithms.msccl.file import RECEIVES, SENDS, MscclError, MscclFile, MscclStep

Place = tuple[int, int, int]
"""Rank, its first chunk, and how many."""


@dataclass(frozen=True, slots=True)
class ChunkLayout:
    """Where the buffers of rank 0 begin in its stretch, in chunks; see `begins` for others.

    ``sent``, ``held``: chunks of a rank's input and output. ``scratch``: where scratch begins, and
    ``spare``: where what is received early begins. In place, one of input and output is a part of
    the other, as in NCCL.
    """

    sent: int
    held: int
    scratch: int
    spare: int
    in_place: bool

    def begins(self, buffer: str, rank: int) -> int:
        """The first chunk of a buffer ("i", "o" or "s") in the stretch of ``rank``."""
        if buffer == "s":
            return self.scratch
        if not self.in_place:
            return 0 if buffer == "o" else self.held
        inner = "i" if self.sent < self.held else "o"
        return rank * min(self.sent, self.held) if buffer == inner and self.sent != self.held else 0


@dataclass(frozen=True, slots=True)
class MscclRow:
    """One transfer in chunks: from a place to a place, combined there if it ``reduces``."""

    source: Place
    target: Place
    reduces: bool


@dataclass(slots=True)
class _Sent:
    """What was sent and not yet taken: where it lies, and whether it lies at its receiver."""

    place: Place
    is_moved: bool = False


@dataclass(slots=True)
class _Block:
    """How far a thread block is: the next step, and what of it is done."""

    rank: int
    number: int
    sends_to: int
    receives_from: int
    channel: int
    steps: list[MscclStep]
    at: int = 0
    is_taken: bool = False  # the step's receiving half is done
    is_laid: bool = False  # what is to be combined lies at its target
    spare: int = -1  # where a step that keeps nothing combines


@dataclass(frozen=True, slots=True)
class _Action:
    """What a block does in a round, if nothing is in its way."""

    block: _Block
    row: MscclRow
    sent: _Sent | None  # what it takes
    lays: bool = False


def layout_of(file: MscclFile) -> ChunkLayout:
    """Where the buffers of an MSCCL file lie."""
    part = max(1, file.chunks // file.ranks)
    sent = part if file.collective == "all_gather" else file.chunks
    held = part if file.collective == "reduce_scatter" else file.chunks
    data = max(sent, held) if file.in_place else sent + held
    scratch = max(gpu.chunks["s"] for gpu in file.gpus.values())
    return ChunkLayout(sent, held, data, data + scratch, file.in_place)


def rounds(path: str, file: MscclFile) -> Iterator[list[MscclRow]]:
    """The transfers of each round, in order; raises `MscclError` where steps wait for ever.

    ``path``: what errors call the file.
    """
    yield from _Machine(path, file).run()


@dataclass(slots=True)
class _Machine:
    path: str
    file: MscclFile
    layout: ChunkLayout = field(init=False)
    blocks: list[_Block] = field(init=False)
    waiting: dict[tuple[int, int, int], list[_Sent]] = field(default_factory=dict)
    done: dict[tuple[int, int, int], bool] = field(default_factory=dict)
    spare: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.layout = layout_of(self.file)
        self.spare = [self.layout.spare] * self.file.ranks
        self.blocks = [
            _Block(rank, number, one.sends_to, one.receives_from, one.channel, one.steps)
            for rank, gpu in sorted(self.file.gpus.items())
            for number, one in sorted(gpu.blocks.items())
        ]

    def run(self) -> Iterator[list[MscclRow]]:
        """Copies within ranks take no time, so all that can be made come before a round."""
        while True:
            while rows := self._performed(self._ready(own=True)):
                yield rows
            pending = [one for left in self.waiting.values() for one in left if not one.is_moved]
            rows = self._performed(self._ready(own=False), pending)
            if not rows:
                break
            yield rows
        self._check_ended()

    def _ready(self, own: bool) -> list[_Action]:
        """What blocks would do now: ``own``: within their rank, else with data of others."""
        while any([self._posted(block) for block in self.blocks]):  # all of them, each time
            pass
        actions = (one for block in self.blocks if (one := self._next(block)) is not None)
        return [one for one in actions if (one.row.source[0] == one.row.target[0]) == own]

    def _check_ended(self) -> None:
        for block in self.blocks:
            if block.at < len(block.steps):
                step = block.steps[block.at]
                raise MscclError(
                    f"{self.path}: line {step.line}: this step {step.kind} of gpu {block.rank} is"
                    " never reached: what it waits for waits for it, or is never sent"
                )
        for (src, dst, channel), left in self.waiting.items():
            if left:
                raise MscclError(
                    f"{self.path}: gpu {src} sends {len(left)} more than gpu {dst} receives on"
                    f" channel {channel}"
                )

    # --- what takes no time

    def _posted(self, block: _Block) -> bool:
        """Whether the block could go on by a send or by waiting no longer."""
        if block.at == len(block.steps):
            return False
        step = block.steps[block.at]
        if not block.is_taken and not self._may_begin(block, step):
            return False
        if step.kind in SENDS and (block.is_taken or step.kind == "s"):
            self._send(block, step)
        elif step.kind != "nop" and not block.is_taken:
            return False
        self._finish(block)
        return True

    def _may_begin(self, block: _Block, step: MscclStep) -> bool:
        return step.after is None or (block.rank, *step.after) in self.done

    def _send(self, block: _Block, step: MscclStep) -> None:
        place = self._kept(block, step) if block.is_taken else self._at(block, step, step.source)
        way = block.rank, block.sends_to, block.channel
        self.waiting.setdefault(way, []).append(_Sent(place))

    def _finish(self, block: _Block) -> None:
        self.done[block.rank, block.number, block.at] = True
        block.at += 1
        block.is_taken = block.is_laid = False
        block.spare = -1

    # --- what is in a round

    def _next(self, block: _Block) -> _Action | None:
        """What the block would do in this round; None if it has to wait."""
        if block.at == len(block.steps):
            return None
        step = block.steps[block.at]
        if not self._may_begin(block, step):
            return None
        if step.kind in ("cpy", "re"):
            source, target = (self._at(block, step, end) for end in (step.source, step.target))
            return _Action(block, MscclRow(source, target, step.kind == "re"), None)
        target = self._kept(block, step)
        if step.kind.startswith("rr") and not block.is_laid:
            source = self._at(block, step, step.source)
            if source != target:
                return _Action(block, MscclRow(source, target, False), None, lays=True)
        assert step.kind in RECEIVES
        left = self.waiting.get((block.receives_from, block.rank, block.channel))
        if not left:
            return None
        self._check_length(block, step, left[0])
        return _Action(block, MscclRow(left[0].place, target, step.kind.startswith("rr")), left[0])

    def _check_length(self, block: _Block, step: MscclStep, sent: _Sent) -> None:
        if sent.place[2] != step.count:
            raise MscclError(
                f"{self.path}: line {step.line}: it receives {step.count} chunks, and gpu"
                f" {block.receives_from} sends {sent.place[2]}"
            )

    def _at(self, block: _Block, step: MscclStep, place: tuple[str, int]) -> Place:
        buffer, offset = place
        room = {"i": self.layout.sent, "o": self.layout.held}.get(
            buffer, self.layout.spare - self.layout.scratch
        )
        if not 0 <= offset <= room - step.count:
            raise MscclError(
                f"{self.path}: line {step.line}: chunks {offset} to {offset + step.count - 1} of"
                f" buffer {buffer}, which has {room}"
            )
        return block.rank, self.layout.begins(buffer, block.rank) + offset, step.count

    def _kept(self, block: _Block, step: MscclStep) -> Place:
        """Where a step that receives keeps it: its target, or room of its own that it sends on."""
        if step.kind != "rrs":
            return self._at(block, step, step.target)
        if block.spare < 0:
            block.spare = self._room(block.rank, step.count)
        return block.rank, block.spare, step.count

    def _room(self, rank: int, count: int) -> int:
        begin = self.spare[rank]
        self.spare[rank] += count
        return begin

    def _performed(self, actions: list[_Action], sent: Sequence[_Sent] = ()) -> list[MscclRow]:
        """The rows of a round: of actions that are in nobody's way, and of all that is ``sent``.

        What is sent and not taken yet goes to room at its receiver, as into MSCCL's buffers.
        """
        pending = [one for left in self.waiting.values() for one in left if not one.is_moved]
        taken = list[_Action]()
        read, written = [one.place for one in sent], list[Place]()
        for action in actions:
            row = action.row
            others = [one.place for one in pending if one is not action.sent]
            late = row.reduces and bool(sent)  # it is combined after all else of the round
            if _meets(row.source, written) or (
                not late and row.source != row.target
                and _meets(row.target, [*others, *written, *read])
            ):  # fmt: skip
                continue
            taken.append(action)
            read.append(row.source)
            if not late:
                written.append(row.target)
        return self._rows(taken, sent)

    def _rows(self, taken: list[_Action], sent: Sequence[_Sent]) -> list[MscclRow]:
        """The rows of these actions and of what else is ``sent``.

        Where rows between ranks combine and others do not, all of them go to room first: else one
        kind would wait for the other.
        """
        for action in taken:
            self._take(action)
        direct = {id(one.sent) for one in taken}
        crossing = [one.row.reduces for one in taken if one.row.source[0] != one.row.target[0]]
        crossing += [False for one in sent if id(one) not in direct]
        is_mixed = len(set(crossing)) > 1
        rows = [row for one in taken for row in self._split(one.row, is_mixed)]
        for (_, dst, _), left in self.waiting.items():
            for one in left:
                if not one.is_moved and sent:
                    room = (dst, self._room(dst, one.place[2]), one.place[2])
                    rows.append(MscclRow(one.place, room, False))
                    one.place, one.is_moved = room, True
        return rows

    def _split(self, row: MscclRow, is_mixed: bool) -> Iterator[MscclRow]:
        if row.source == row.target:
            return
        if is_mixed and row.reduces and row.source[0] != row.target[0]:
            room = (row.target[0], self._room(row.target[0], row.target[2]), row.target[2])
            yield MscclRow(row.source, room, False)
            yield MscclRow(room, row.target, True)
        else:
            yield row

    def _take(self, action: _Action) -> None:
        block = action.block
        if action.lays:
            block.is_laid = True
            return
        if action.sent is not None:
            self.waiting[block.receives_from, block.rank, block.channel].pop(0)
        block.is_taken = True


def _meets(place: Place, others: list[Place]) -> bool:
    rank, begin, count = place
    return any(
        rank == other and begin < at + more and at < begin + count for other, at, more in others
    )
