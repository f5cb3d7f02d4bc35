"""Messages as bytes, between a rank's process and the authority, by the types of their fields.

A message is a JSON list: its class's name in lower case and the values of its fields, many messages
a frame; never pickle. What is long and is sent again and again (the group, the rows and the words
of a call) is sent once and kept on the other side under a number. Only a limited number is kept:
`Packer` and `Unpacker` forget the oldest at the same moment, as what is sent arrives in order.
Everything that arrives is checked; `WireError` for whatever is not exactly as it would be sent.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, get_args

import numpy as np

from fabric.schedule.plan import TimedRows
from fabric.schedule.traits import HIGHEST, TRAITS, in_order, traits_of
from fabric.world.codec import MessageKind, WireError, kinds_of, message_of, parsed, tag
from fabric.world.messages import Begin, Hello, ToAuthority, ToRank

VERSION = 12

LEFT_ALREADY = "has left this world already, which is not over yet"
"""The refusal of a process that would be a rank which has left: it may wait for the next world."""

SLOTS = {"group": 64, "rows": 64, "call": 256}
"""How many of each are kept."""

REPEATED = 4096
"""Calls in a message at most that are sent as a repetition of the one before."""

COLUMNS = len(fields(TimedRows)) - 1
"""Columns of rows beside their traits."""


# What is kept under a number, and the message that refers to it. ``number``: which slot is filled.


class _Group(NamedTuple):
    """The world ranks of a group."""

    number: int
    members: tuple[int, ...]


class _Rows(NamedTuple):
    """The rows of a plan, which are frame ``frame`` + 1 of the message.

    ``traits``: the names of their traits, whose columns come last.
    """

    number: int
    frame: int
    traits: tuple[str, ...]


class _Call(NamedTuple):
    """What the calls of one kind have in common; ``group``, ``rows``: the numbers of theirs."""

    number: int
    group: int
    rows: int
    words: str
    operation: str


class _Begin(NamedTuple):
    """So many ``times`` a `Begin`, numbered from ``op`` on; ``call``: the number of its call."""

    op: int
    call: int
    at: float | None
    waits: bool
    times: int


_Kept = _Group | _Rows | _Call
_KEPT = frozenset(get_args(_Kept))

_TAGS: Mapping[type[tuple[Any, ...]], str] = {
    kind: tag(kind)
    for kind in (_Begin, *get_args(_Kept), *get_args(ToAuthority), *get_args(ToRank))
}
_BEGIN = _TAGS[_Begin]


class _Slots:
    """The sender's side of a table. ``numbers``: of each key that the other side has kept."""

    def __init__(self, size: int) -> None:
        self.numbers: dict[Any, int] = {}
        self._size, self._next = size, 0
        self._key: dict[int, Any] = {}

    def add(self, key: Any) -> int:
        """A number for ``key``, which has none; the oldest key loses its own."""
        number = self._next % self._size
        self._next += 1
        self.numbers.pop(self._key.pop(number, None), None)
        self.numbers[key], self._key[number] = number, key
        return number


class Packer:
    """Turns what a process sends to the authority into frames."""

    def __init__(self) -> None:
        self._groups, self._rows, self._calls = (_Slots(size) for size in SLOTS.values())
        # By identity: a communicator passes the same rows and group again and again, and these
        # references keep the identities from being used for anything else.
        self._kept: dict[int, tuple[TimedRows, tuple[int, ...]]] = {}

    def pack(self, messages: Iterable[ToAuthority]) -> list[bytes]:
        """The messages as frames of one ZeroMQ message."""
        out: list[Any] = []
        blobs: list[bytes] = []
        run: list[Any] | None = None  # the last of ``out``, if more calls of its kind may join it
        left = REPEATED
        known = self._calls.numbers
        for message in messages:
            if type(message) is Begin:  # as all here, a few times in each small call of a rank
                op, group, rows, words, operation, at, waits, times = message
                number = known.get((id(rows), id(group), words, operation))
                if number is None:
                    number, run = self._define(out, blobs, message), None
                waited = waits and at is None
                if (
                    run and waited and number == run[2] and op == run[1] + run[5]
                    and times <= left
                ):  # fmt: skip
                    run[5] += times
                    left -= times
                    continue
                begin = [_BEGIN, op, number, at, waits, times]
                left -= times - 1
                out.append(begin)
                run = begin if waited else None
            else:
                out.append(_tagged(message))
                run = None
        return [_json(out), *blobs]

    def _define(self, out: list[Sequence[Any]], blobs: list[bytes], begin: Begin) -> int:
        """The number of a call that is new; defined before, in ``out`` and ``blobs``."""
        _, group, rows, words, operation, *_ = begin
        number = self._calls.add((id(rows), id(group), words, operation))
        self._kept[number] = rows, group
        group_number = self._groups.numbers.get(group)
        if group_number is None:
            group_number = self._groups.add(group)
            out.append(_tagged(_Group(group_number, group)))
        rows_number = self._rows.numbers.get(rows.digest)
        if rows_number is None:
            rows_number = self._rows.add(rows.digest)
            traits = tuple(name for _, name, _ in in_order(rows.traits))
            out.append(_tagged(_Rows(rows_number, len(blobs), traits)))
            blobs.append(np.stack(rows.columns()).astype("<i8").tobytes())
        out.append(_tagged(_Call(number, group_number, rows_number, words, operation)))
        return number


class Unpacker:
    """Turns the frames of one rank of a world of ``size`` back into messages.

    ``copies``: how many modelled ranks each stands for in a call of all; see `Settings.copies`.
    """

    def __init__(self, size: int, copies: int = 1) -> None:
        self._size, self._copies = size, copies
        self._groups: dict[int, tuple[int, ...]] = {}
        self._rows: dict[int, TimedRows] = {}
        self._calls: dict[int, tuple[tuple[int, ...], TimedRows, str, str]] = {}

    def unpack(self, frames: Sequence[bytes]) -> list[ToAuthority]:
        """The messages in ``frames``; raises `WireError`, and then none of them counts."""
        messages: list[ToAuthority] = []
        kinds, calls, left = _to_authority(), self._calls, REPEATED
        for item in parsed(frames[0]):
            message = message_of(item, kinds)
            kind = type(message)
            if kind is _Begin:
                op, number, at, waits, times = message
                call = calls.get(number)
                if call is None:
                    raise WireError(f"there is no call {number}")
                left -= times - 1
                if not times or left < 0 or op + times > 1 << 64:
                    raise WireError(f"{times} calls from number {op} on")
                messages.append(Begin(op, *call, at, waits, times))
            elif kind in _KEPT:
                self._keep(message, frames)
            else:
                messages.append(message)
        return messages

    def _keep(self, message: _Kept, frames: Sequence[bytes]) -> None:
        name = tag(type(message))
        if message.number >= SLOTS[name]:
            raise WireError(f"{name} {message.number} is beyond the {SLOTS[name]} that are kept")
        match message:
            case _Group(number, members):
                if any(rank >= self._size for rank in members):
                    raise WireError(f"group {members!r:.80} has ranks outside the world")
                self._groups[number] = members
            case _Rows(number, frame, traits):
                if frame + 1 >= len(frames):
                    raise WireError(f"there is no frame {frame + 1}")
                self._rows[number] = _rows(frames[frame + 1], traits)
            case _Call(number, group, rows, words, operation):
                if group not in self._groups or rows not in self._rows:
                    raise WireError(f"call {number} is of an unknown group or plan")
                self._calls[number] = self._groups[group], self._rows[rows], words, operation
                check_rows(self._rows[rows], self._ranks(self._groups[group]))

    def _ranks(self, group: tuple[int, ...]) -> int:
        """How many ranks the rows of a call of ``group`` are of."""
        return len(group) * (self._copies if len(group) == self._size else 1)


def unpack_hello(frame: bytes) -> Hello:
    """The first message of a process that is not known yet; raises `WireError` for any other."""
    items = parsed(frame)
    if len(items) != 1 or not isinstance(items[0], list) or items[0][:1] != [tag(Hello)]:
        raise WireError("a stranger says something else than hello")
    hello: Hello = message_of(items[0], _from_strangers())
    return hello


def pack_replies(replies: Iterable[ToRank]) -> bytes:
    """Messages from the authority to a process, as one frame."""
    return _json([_tagged(reply) for reply in replies])


def unpack_replies(frame: bytes) -> list[ToRank]:
    """The messages in a frame made by `pack_replies`; raises `WireError`."""
    kinds = _to_rank()
    return [message_of(item, kinds) for item in parsed(frame)]


def _rows(blob: bytes, traits: tuple[str, ...]) -> TimedRows:
    if len(set(traits).intersection(TRAITS)) != len(traits):
        raise WireError(f"rows with the traits {traits!r:.80}; there are {', '.join(TRAITS)}")
    n = COLUMNS + len(traits)
    if len(blob) % (8 * n):
        raise WireError(f"rows of {len(blob)} bytes")
    columns = np.frombuffer(blob, "<i8").astype(np.int64).reshape(n, -1)
    step, src, dst, size, messages, reduces = columns[:COLUMNS]
    named = traits_of(dict(zip(traits, columns[COLUMNS:], strict=True)))
    return TimedRows(step, src, dst, size, messages, reduces, named)


def check_rows(rows: TimedRows, ranks: int) -> None:
    """Raise `WireError` unless ``rows`` can be part of a schedule of so many ``ranks``.

    It refuses what no rank of ours sends, once for each kind of call, whether or not a machine is
    emulated. Which rows a rank may bring to a call is for the engine to say, and whether it may
    begin the call at all for the `CallRegister`.
    """
    if len(rows) and (
        min(column.min() for column in rows.columns()) < 0
        or any(column.max() > HIGHEST for column in rows.traits.columns.values())
        or max(rows.src.max(), rows.dst.max()) >= ranks
        or rows.reduces.max() > 1
        or (np.diff(rows.step) < 0).any()
    ):
        raise WireError(f"rows that are no part of a schedule of {ranks} ranks")


def _tagged(message: tuple[Any, ...]) -> tuple[Any, ...]:
    """What stands for a message on the wire: its tag, then its values."""
    return (_TAGS[type(message)], *message)


def _json(items: Sequence[Sequence[Any]]) -> bytes:
    return _ENCODER.encode(items).encode()


_ENCODER = json.JSONEncoder(separators=(",", ":"))


@functools.cache
def _from_strangers() -> Mapping[str, MessageKind]:
    return kinds_of([Hello], finite=True)


@functools.cache
def _to_authority() -> Mapping[str, MessageKind]:
    sent = [_Begin if kind is Begin else kind for kind in get_args(ToAuthority)]
    return kinds_of([*get_args(_Kept), *sent], finite=True)


@functools.cache
def _to_rank() -> Mapping[str, MessageKind]:
    return kinds_of(get_args(ToRank), finite=False)  # times of replies may be infinite
