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
from dataclasses import astuple, fields
from typing import Any, NamedTuple, get_args

import numpy as np

from fabric.schedule.plan import TimedRows
from fabric.world.codec import MessageKind, WireError, as_list, kinds_of, message_of, parsed, tag
from fabric.world.messages import Begin, Hello, ToAuthority, ToRank

VERSION = 5

LEFT_ALREADY = "has left this world already, which is not over yet"
"""The refusal of a process that would be a rank which has left: it may wait for the next world."""

SLOTS = {"group": 64, "rows": 64, "call": 256}
"""How many of each are kept."""

COLUMNS = len(fields(TimedRows))


# What is kept under a number, and the message that refers to it. ``number``: which slot is filled.


class _Group(NamedTuple):
    """The world ranks of a group."""

    number: int
    members: tuple[int, ...]


class _Rows(NamedTuple):
    """The rows of a plan, which are frame ``frame`` + 1 of the message."""

    number: int
    frame: int


class _Call(NamedTuple):
    """What the calls of one kind have in common; ``group``, ``rows``: the numbers of theirs."""

    number: int
    group: int
    rows: int
    words: str
    operation: str


class _Begin(NamedTuple):
    """A `Begin`; ``call``: the number of its call."""

    op: int
    call: int
    at: float | None


_Kept = _Group | _Rows | _Call


class _Slots:
    """The sender's side of a table: the number that something has, or gets now."""

    def __init__(self, size: int) -> None:
        self._size, self._next = size, 0
        self._number: dict[Any, int] = {}
        self._key: dict[int, Any] = {}

    def find(self, key: Any) -> tuple[int, bool]:
        """The number of ``key``, and whether it is new; then the oldest loses its own."""
        found = self._number.get(key)
        if found is not None:
            return found, False
        number = self._next % self._size
        self._next += 1
        self._number.pop(self._key.pop(number, None), None)
        self._number[key], self._key[number] = number, key
        return number, True


class Packer:
    """Turns what a process sends to the authority into frames."""

    def __init__(self) -> None:
        self._slots = {name: _Slots(size) for name, size in SLOTS.items()}
        # By identity: a communicator passes the same rows and group again and again, and these
        # references keep the identities from being used for anything else.
        self._kept: dict[int, tuple[TimedRows, tuple[int, ...]]] = {}

    def pack(self, messages: Iterable[ToAuthority]) -> list[bytes]:
        """The messages as frames of one ZeroMQ message."""
        out: list[list[Any]] = []
        blobs: list[bytes] = []
        for message in messages:
            if isinstance(message, Begin):
                number = self._call(out, blobs, message)
                out.append(as_list(_Begin(message.op, number, message.at)))
            else:
                out.append(as_list(message))
        return [_json(out), *blobs]

    def _call(self, out: list[list[Any]], blobs: list[bytes], begin: Begin) -> int:
        """The number of the call; defined before, in ``out`` and ``blobs``, where it is new."""
        group, rows = begin.group, begin.rows
        key = (id(rows), id(group), begin.words, begin.operation)
        number, new = self._slots["call"].find(key)
        if new:
            self._kept[number] = rows, group
            group_number, unknown = self._slots["group"].find(group)
            if unknown:
                out.append(as_list(_Group(group_number, group)))
            rows_number, unknown = self._slots["rows"].find(rows.digest)
            if unknown:
                out.append(as_list(_Rows(rows_number, len(blobs))))
                blobs.append(np.stack(astuple(rows)).astype("<i8").tobytes())
            out.append(
                as_list(_Call(number, group_number, rows_number, begin.words, begin.operation))
            )
        return number


class Unpacker:
    """Turns the frames of one rank of a world of ``size`` back into messages."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._groups: dict[int, tuple[int, ...]] = {}
        self._rows: dict[int, TimedRows] = {}
        self._calls: dict[int, tuple[tuple[int, ...], TimedRows, str, str]] = {}

    def unpack(self, frames: Sequence[bytes]) -> list[ToAuthority]:
        """The messages in ``frames``; raises `WireError`, and then none of them counts."""
        messages: list[ToAuthority] = []
        kinds = _to_authority()
        for item in parsed(frames[0]):
            message = message_of(item, kinds)
            if isinstance(message, _Begin):
                messages.append(self._begin(message))
            elif isinstance(message, (_Group, _Rows, _Call)):  # of a union it takes much longer
                self._keep(message, frames)
            else:
                messages.append(message)
        return messages

    def _begin(self, message: _Begin) -> Begin:
        call = self._calls.get(message.call)
        if call is None:
            raise WireError(f"there is no call {message.call}")
        return Begin(message.op, *call, message.at)

    def _keep(self, message: _Kept, frames: Sequence[bytes]) -> None:
        name = tag(type(message))
        if message.number >= SLOTS[name]:
            raise WireError(f"{name} {message.number} is beyond the {SLOTS[name]} that are kept")
        match message:
            case _Group(number, members):
                if any(rank >= self._size for rank in members):
                    raise WireError(f"group {members!r:.80} has ranks outside the world")
                self._groups[number] = members
            case _Rows(number, frame):
                if frame + 1 >= len(frames):
                    raise WireError(f"there is no frame {frame + 1}")
                self._rows[number] = _rows(frames[frame + 1])
            case _Call(number, group, rows, words, operation):
                if group not in self._groups or rows not in self._rows:
                    raise WireError(f"call {number} is of an unknown group or plan")
                self._calls[number] = self._groups[group], self._rows[rows], words, operation
                check_rows(self._rows[rows], len(self._groups[group]))


def unpack_hello(frame: bytes) -> Hello:
    """The first message of a process that is not known yet; raises `WireError` for any other."""
    items = parsed(frame)
    if len(items) != 1 or not isinstance(items[0], list) or items[0][:1] != [tag(Hello)]:
        raise WireError("a stranger says something else than hello")
    hello: Hello = message_of(items[0], _from_strangers())
    return hello


def pack_replies(replies: Iterable[ToRank]) -> bytes:
    """Messages from the authority to a process, as one frame."""
    return _json([as_list(reply) for reply in replies])


def unpack_replies(frame: bytes) -> list[ToRank]:
    """The messages in a frame made by `pack_replies`; raises `WireError`."""
    kinds = _to_rank()
    return [message_of(item, kinds) for item in parsed(frame)]


def _rows(blob: bytes) -> TimedRows:
    if len(blob) % (8 * COLUMNS):
        raise WireError(f"rows of {len(blob)} bytes")
    columns = np.frombuffer(blob, "<i8").astype(np.int64).reshape(COLUMNS, -1)
    return TimedRows(*columns)


def check_rows(rows: TimedRows, ranks: int) -> None:
    """Raise `WireError` unless ``rows`` can be part of a schedule of so many ``ranks``.

    It refuses what no rank of ours sends, once for each kind of call, whether or not a machine is
    emulated. Which rows a rank may bring to a call is for the engine to say, and whether it may
    begin the call at all for the `CallRegister`.
    """
    if len(rows) and (
        min(column.min() for column in astuple(rows)) < 0
        or max(rows.src.max(), rows.dst.max()) >= ranks
        or rows.reduces.max() > 1
        or (np.diff(rows.step) < 0).any()
    ):
        raise WireError(f"rows that are no part of a schedule of {ranks} ranks")


def _json(items: list[list[Any]]) -> bytes:
    return json.dumps(items, separators=(",", ":")).encode()


@functools.cache
def _from_strangers() -> Mapping[str, MessageKind]:
    return kinds_of([Hello], finite=True)


@functools.cache
def _to_authority() -> Mapping[str, MessageKind]:
    sent = [_Begin if kind is Begin else kind for kind in get_args(ToAuthority)]
    return kinds_of([*get_args(_Kept), *sent], finite=True)


@functools.cache
def _to_rank() -> Mapping[str, MessageKind]:
    return kinds_of(get_args(ToRank), finite=False)  # a clock may have been told to go for ever
