"""Random programs of one-sided accesses, and what a sequential model says that they must find.

A phase ends with a flush and a barrier. In it each rank owns one block of every rank's data, which
nobody else touches, and all ranks share the words.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collectives import init
from collectives.calls.communicator import Communicator
from collectives.memory.window import Window

WORDS = 4
"""Words of a window, at its begin."""

BLOCK = 24
"""Bytes of a block of data; a window has one for each rank, and one word a rank for signals."""

ATOMICS = ("add", "swap", "cas", "and", "or", "xor")


@dataclass(frozen=True)
class Op:
    """One access.

    ``kind``: "put", "get", "putv", "getv", "fence", "flush", "compute", or one of `ATOMICS`.
    ``at``: a byte of the block, or the number of a word.
    """

    kind: str
    target: int = 0
    at: int = 0
    data: bytes = b""
    value: int = 0
    compare: int = 0
    is_async: bool = False


@dataclass
class Seen:
    """What a rank has seen: the bytes of its gets, in order, and of its atomics what they gave.

    ``atomics``: end in emulated seconds, how many accesses of the rank began and ended just then
    before it, its number, op, value before.
    """

    gets: list[bytes] = field(default_factory=list)
    atomics: list[tuple[float, int, int, Op, int]] = field(default_factory=list)
    final: bytes = b""


Program = list[list[list[Op]]]
"""By phase, by rank."""


def random_program(seed: int, ranks: int, phases: int = 3, most: int = 8) -> Program:
    chance = random.Random(seed)
    return [
        [[_op(chance, ranks) for _ in range(chance.randint(0, most))] for _ in range(ranks)]
        for _ in range(phases)
    ]


def _op(chance: random.Random, ranks: int) -> Op:
    target, kind = (
        chance.randrange(ranks),
        chance.choice(
            ("put", "put", "get", "get", "putv", "getv", "fence", "flush", "compute", *ATOMICS)
        ),
    )
    if kind in ATOMICS:
        return Op(kind, target, chance.randrange(WORDS), value=chance.randint(-3, 5),
                  compare=chance.randint(-1, 3))  # fmt: skip
    if kind == "compute":
        return Op(kind, value=chance.randint(0, 50))
    at = chance.randrange(BLOCK)
    size = chance.randint(0, BLOCK - at)
    data = bytes(chance.randrange(256) for _ in range(size))
    return Op(kind, target, at, data, is_async=chance.random() < 0.4)


def size_of(ranks: int) -> int:
    return (WORDS + ranks) * 8 + BLOCK * ranks


def block_at(ranks: int, phase: int, rank: int) -> int:
    """Where the block begins that ``rank`` owns in every window in a phase."""
    return (WORDS + ranks) * 8 + BLOCK * ((rank + phase) % ranks)


def main(programs: Sequence[Program], timed: bool) -> list[Seen]:
    """What a rank sees of each program, in a world of its own window each."""
    with init() as comm:
        return [seen_of(comm, program, timed) for program in programs]


def seen_of(comm: Communicator, program: Program, timed: bool, plane: str | None = None) -> Seen:
    """What a rank sees of a program; ``plane``: of the window."""
    seen, n = Seen(), comm.size
    after, before = (comm.rank + 1) % n, (comm.rank - 1) % n
    with Window(comm, size_of(n), plane=plane, name="random") as window:
        for phase, by_rank in enumerate(program):
            _phase(comm, window, block_at(n, phase, comm.rank), by_rank[comm.rank], seen, timed)
            window.flush()
            # A signal each, so that the next phase may begin: no barrier is needed for the data of
            # the neighbours, which the ring of signals orders only in part, so there is one, too.
            window.put_signal(b"", after, 0, 8 * (WORDS + comm.rank), phase + 1)
            assert window.wait(8 * (WORDS + before), phase + 1) == phase + 1
            comm.barrier()
        seen.final = window.local.tobytes()
    return seen


def _phase(
    comm: Communicator, window: Window, base: int, ops: Sequence[Op], seen: Seen, timed: bool
) -> None:
    waiting: list[tuple[int, Any]] = []
    places: Counter[int] = Counter()
    for op in ops:
        if op.kind == "compute":
            comm.compute(op.value * 1e-7)
        elif op.kind in ("fence", "flush"):
            getattr(window, op.kind)()
        elif op.kind in ATOMICS:
            work = window.atomic(op.target, 8 * op.at, op.kind, op.value, op.compare)
            value = work.value()
            begin, end = work.times() if timed else (0.0, 0.0)
            # One of the rank's own memory takes no time: it is after what ended just when it began.
            deep = seen.atomics[-1][1] + 1 if seen.atomics and begin == end else int(begin == end)
            seen.atomics.append((end, deep, len(seen.atomics), op, value))
        elif op.kind.startswith("put"):
            # An earlier access of this rank to the same bytes has to be over first.
            window.flush()
            _put(window, base, op)
        else:
            window.flush()
            room = np.full(len(op.data), 255, np.uint8)
            waiting.append((len(seen.gets), _get(window, base, op, room)))
            seen.gets.append(b"")
            if not op.is_async:
                waiting.pop()
                seen.gets[-1] = room.tobytes()
            else:
                places[len(seen.gets) - 1] += 1
                window.flush()
                waiting.pop()
                seen.gets[-1] = room.tobytes()


def _put(window: Window, base: int, op: Op) -> None:
    data = np.frombuffer(op.data, np.uint8)
    if op.kind == "put":
        window.put(data, op.target, base + op.at, async_op=op.is_async)
    else:
        half = len(data) // 2
        pieces = [(data[half:], base + op.at + half), (data[:half], base + op.at)]
        window.putv(pieces, window.address(op.target), async_op=op.is_async)


def _get(window: Window, base: int, op: Op, room: np.ndarray[Any, Any]) -> Any:
    if op.kind == "get":
        return window.get(room, op.target, base + op.at, async_op=op.is_async)
    half = len(room) // 2
    pieces = [(room[half:], base + op.at + half), (room[:half], base + op.at)]
    return window.getv(pieces, op.target, async_op=op.is_async)


def check(program: Program, seen: Sequence[Seen], timed: bool) -> None:
    """Assert that what ranks saw is what a sequential model gives."""
    n = len(seen)
    memory = [bytearray(size_of(n)) for _ in range(n)]
    _check_data(program, seen, memory)
    if timed:
        _check_words(seen, memory)
        for rank in range(n):
            before = (rank - 1) % n
            at = 8 * (WORDS + before)
            memory[rank][at : at + 8] = len(program).to_bytes(8, "little")
            assert seen[rank].final == bytes(memory[rank])
    else:
        for rank in range(n):
            data = (WORDS + n) * 8
            assert seen[rank].final[data:] == bytes(memory[rank][data:])


def _check_data(program: Program, seen: Sequence[Seen], memory: list[bytearray]) -> None:
    """No two ranks share a block in a phase: one rank after the other is any order."""
    n, gets = len(seen), [iter(one.gets) for one in seen]
    for phase, by_rank in enumerate(program):
        for rank, ops in enumerate(by_rank):
            base = block_at(n, phase, rank)
            for op in ops:
                if op.kind in ATOMICS or op.kind in ("fence", "flush", "compute"):
                    continue
                part = slice(base + op.at, base + op.at + len(op.data))
                if op.kind.startswith("put"):
                    memory[op.target][part] = op.data
                else:
                    assert next(gets[rank]) == bytes(memory[op.target][part])


def _check_words(seen: Sequence[Seen], memory: list[bytearray]) -> None:
    """In the order in which they were over; at one instant as they began, and then by rank."""
    every = sorted(
        (end, deep, rank, number, op, value)
        for rank, one in enumerate(seen) for end, deep, number, op, value in one.atomics
    )  # fmt: skip
    for _, _, _, _, op, value in every:
        at = 8 * op.at
        old = int.from_bytes(memory[op.target][at : at + 8], "little", signed=True)
        assert value == old, (op, value, old)
        memory[op.target][at : at + 8] = _after(old, op).to_bytes(8, "little", signed=True)


def _after(old: int, op: Op) -> int:
    match op.kind:
        case "add":
            return old + op.value
        case "swap":
            return op.value
        case "cas":
            return op.value if old == op.compare else old
        case "and":
            return old & op.value
        case "or":
            return old | op.value
    return old ^ op.value
