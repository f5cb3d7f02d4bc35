"""Wire: records and replies as bytes, between a rank's process and the authority.

JSON, and raw int64 for the rows of a plan; never pickle. What is long and comes again, a group or
a plan, is sent once and kept on the other side under a number, of which there are only so many:
`Packer` and `Unpacker` forget the oldest at the same moment, as what is sent arrives in order.
Everything that arrives is checked; `WireError` for whatever is not exactly as `Packer` makes it.
"""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from fabric.schedule.plan import Plan, TimedRows
from fabric.world.world import Record
from topology.errors import TriplaneError

VERSION = 4

LEFT_ALREADY = "has left this world already, which is not over yet"
"""The refusal of a process that would be a rank which has left: it may wait for the next world."""

SLOTS = {"group": 64, "rows": 64, "call": 256}
"""How many of each are kept."""

COLUMNS = 6
"""Of `TimedRows`."""


class WireError(TriplaneError):
    """What came in is not what a rank of ours sends."""


class _Slots:
    """The sender's side of a table: which number something has, or now gets."""

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
    """Turns what a rank notes into frames."""

    def __init__(self) -> None:
        self._slots = {name: _Slots(size) for name, size in SLOTS.items()}
        # By identity: a communicator passes the same plan and group again and again, and these
        # references keep the identities from being used for anything else.
        self._kept: dict[int, tuple[Plan, tuple[int, ...]]] = {}

    def pack(self, records: Iterable[Record]) -> list[bytes]:
        """One message. A "begin" has a `Plan` here where `World` has rows."""
        out: list[Sequence[Any]] = []
        blobs: list[bytes] = []
        for record in records:
            if record[0] == "begin":
                _, op, group, plan, words, operation, at = record
                out.append(("begin", op, self._call(out, blobs, group, plan, words, operation), at))
            else:
                out.append(record)
        return [json.dumps(out, separators=(",", ":")).encode(), *blobs]

    def _call(
        self, out: list[Sequence[Any]], blobs: list[bytes],
        group: tuple[int, ...], plan: Plan, words: str, operation: str,
    ) -> int:  # fmt: skip
        number, new = self._slots["call"].find((id(plan), id(group), words, operation))
        if new:
            self._kept[number] = plan, group
            where, unknown = self._slots["group"].find(group)
            if unknown:
                out.append(("group", where, group))
            rows, unknown = self._slots["rows"].find(plan.rows.digest)
            if unknown:
                out.append(("rows", rows, len(blobs)))
                blobs.append(np.stack(astuple(plan.rows)).astype("<i8").tobytes())
            out.append(("call", number, where, rows, words, operation))
        return number


class Unpacker:
    """Turns the frames of one rank of a world of ``size`` back into records."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._groups: dict[int, tuple[int, ...]] = {}
        self._rows: dict[int, TimedRows] = {}
        self._calls: dict[int, tuple[tuple[int, ...], TimedRows, str, str]] = {}

    def unpack(self, frames: Sequence[bytes]) -> list[Record]:
        """The records of a message; raises `WireError`, and then none of it counts."""
        records: list[Record] = []
        for item in parsed(frames[0]):
            if not (isinstance(item, list) and item and isinstance(item[0], str)):
                raise WireError(f"{item!r:.80} is no record")
            name = item[0]
            if name in SLOTS:
                self._define(name, item[1:], frames)
                continue
            checked(item)
            records.append(self._begin(*item) if name == "begin" else tuple(item))
        return records

    def _begin(self, name: str, op: int, number: int, at: float | None) -> Record:
        call = self._calls.get(number)
        if call is None:
            raise WireError(f"there is no call {number}")
        return name, op, *call, at

    def _define(self, name: str, values: list[Any], frames: Sequence[bytes]) -> None:
        number = checked([name, *values])[1]
        if number >= SLOTS[name]:
            raise WireError(f"{name} {number} is beyond the {SLOTS[name]} that are kept")
        if name == "group":
            members = values[1]
            if not all(_whole(rank) and rank < self._size for rank in members):
                raise WireError(f"group {members!r:.80} has ranks outside the world")
            self._groups[number] = tuple(members)
        elif name == "rows":
            if values[1] + 1 >= len(frames):
                raise WireError(f"there is no frame {values[1] + 1}")
            self._rows[number] = _rows(frames[values[1] + 1])
        else:
            _, group, rows, words, operation = values
            if group not in self._groups or rows not in self._rows:
                raise WireError(f"call {number} is of an unknown group or plan")
            self._calls[number] = self._groups[group], self._rows[rows], words, operation
            check_rows(self._rows[rows], len(self._groups[group]))


def _whole(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _or_none(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or check(value)


def _ranks(value: object) -> bool:
    return isinstance(value, list) and all(map(_whole, value))


FIELDS: dict[str, tuple[Callable[[object], bool], ...]] = {
    "group": (_whole, lambda value: isinstance(value, list)),
    "rows": (_whole, _whole),
    "call": (_whole, _whole, _whole, _text, _text),
    "begin": (_whole, _whole, _or_none(_number)),
    "wait": (_whole,),
    "compute": (_number,),
    "now": (_whole,),
    "times": (_whole, _whole),
    "mark": (_whole, _or_none(_text), _or_none(_number)),
    "settle": (_whole,),
    "advise": (_whole, _text, _ranks, _whole, _whole, _whole, _or_none(_text)),
    "exchange": (lambda _: True,),
    "blocked": (_or_none(_whole),),
    "fail": (_text, _text, _or_none(_whole)),
    "leave": (),
    "count": (_whole, _whole),
    "counted": (_whole, _whole, _whole),
    "sent": (_ranks,),
    "over": (),
    "beat": (),
    "lost": (_whole, _text),
    "left": (_whole,),
    "node": (_whole, _whole),
    "hello": (_whole, _text, _or_none(_whole), _whole, _whole, _text, _text),
}
"""What follows the name of each record on the wire. "hello": version, token, rank (None: a node's
launcher), size of the world, process id, its birth, host."""


def checked(item: list[Any]) -> list[Any]:
    """A record whose values are as `FIELDS` has them; raises `WireError`."""
    fields = FIELDS.get(item[0])
    if fields is None or len(item) != len(fields) + 1:
        raise WireError(f"there is no record {item!r:.80}")
    for check, value in zip(fields, item[1:], strict=True):
        if not check(value):
            raise WireError(f"{item!r:.80}: {value!r:.40}")
    return item


def parsed(frame: bytes) -> list[Any]:
    """A frame as a JSON list; raises `WireError`."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from None
    if not isinstance(value, list):
        raise WireError(f"{value!r:.80} is no list")
    return value


def _rows(blob: bytes) -> TimedRows:
    if len(blob) % (8 * COLUMNS):
        raise WireError(f"rows of {len(blob)} bytes")
    columns = np.frombuffer(blob, "<i8").astype(np.int64).reshape(COLUMNS, -1)
    return TimedRows(*columns)


def check_rows(rows: TimedRows, ranks: int) -> None:
    """TimedRows that an engine can take, between so many ranks; raises `WireError`."""
    if len(rows) and (
        min(column.min() for column in astuple(rows)) < 0
        or max(rows.src.max(), rows.dst.max()) >= ranks
        or rows.reduces.max() > 1
        or (np.diff(rows.step) < 0).any()
    ):
        raise WireError(f"rows that are no part of a schedule of {ranks} ranks")
