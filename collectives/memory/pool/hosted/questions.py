"""What clients ask of a server, each a list that begins with a verb, and the answers. No I/O."""

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from collectives.memory.pool.access import SMALL, NewValue
from collectives.memory.pool.core.errors import PoolFull
from collectives.memory.pool.core.shard import Holder
from collectives.memory.pool.core.tiers import Place, namespace_of
from collectives.memory.pool.hosted.shard import HostedShard
from collectives.memory.pool.hosted.wire import frame, pieces_of
from fabric.world.codec import WireError

MOST_KEY = 4096
"""Characters of a whole key at most."""

MOST_SIZE = 1 << 50

AHEAD = "ahead"
"""How a frame begins that is no answer, but says which places were reserved ahead, if any."""

LEAST_SHARE = 32
"""A first tier, and a quota, has room for so many times the values that are reserved ahead."""

_DIGESTS = 1 << 64

_TIME, _VALUE = struct.Struct("<Q"), struct.Struct("<3QI")
"""What a record of a log begins with, and what stands before each key: number, size and hash of the
value, bytes of the key."""


def _keys(given: list[Any]) -> list[str]:
    for one in given:
        if not isinstance(one, str) or len(one) > MOST_KEY or "/" not in one:
            raise WireError(f"{one!r:.60} is no key")
    return given


def _numbers(given: list[Any], below: int = _DIGESTS) -> list[int]:
    for one in given:
        if type(one) is not int or not 0 <= one < below:
            raise WireError(f"{one!r:.60} is no number below {below}")
    return given


def _rows(given: list[Any], width: int) -> list[list[Any]]:
    for one in given:
        if not isinstance(one, list) or len(one) != width:
            raise WireError(f"{one!r:.60} is no list of {width}")
    return given


def _place(place: Place) -> list[Any]:
    return [place.tier, place.runs]


def _reserve(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    answers: list[Any] = []
    for namespace, size in _rows(given, 2):
        _keys([f"{namespace}/"])
        _numbers([size], MOST_SIZE)
        try:
            number, place = served.reserve(holder, namespace, size)
            answers.append([number, *_place(place)])
        except PoolFull as why:
            answers.append([str(why)])
    return frame(answers)


def _abort(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    for number in _numbers(given):
        served.shard.abort(holder, number)
    return b""


def _small(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    rows = _rows(given, 3)
    values = pieces_of(_numbers([row[1] for row in rows], SMALL + 1), body)
    answers: list[Any] = []
    for (key, _, digest), value in zip(rows, values, strict=True):
        _keys([key])
        _numbers([digest])
        try:
            served.store(holder, NewValue(key, memoryview(value), digest))
            answers.append(None)
        except PoolFull as why:
            answers.append([str(why)])
    return frame(answers)


def _find(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    answers: list[Any] = []
    copies: list[bytes] = []
    for key in _keys(given):
        one = served.find(holder, key)
        if one is None:
            answers.append(None)
            continue
        answers.append([one.number, one.size, one.digest, *_place(one.place)])
        if one.copy is not None:
            copies.append(one.copy)
    return frame(answers, b"".join(copies))


def _release(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    for numbers, damaged in zip(_rows([given], 2)[0], (False, True), strict=True):
        if not isinstance(numbers, list):
            raise WireError(f"{numbers!r:.60} is no list")
        for number in _numbers(numbers):
            served.shard.release(holder, number, damaged)
    return b""


def _used(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    for number in _numbers(given):
        served.use(number)
    return b""


def _sizes(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    found = (served.shard.peek(key) for key in _keys(given))
    return frame([None if one is None else one.size for one in found])


def _remove(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    return frame([served.shard.remove(key) for key in _keys(given)])


def _pin(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    return frame([served.shard.pin(holder, key) for key in _keys(given)])


def _unpin(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    return frame([served.shard.unpin(holder, key) for key in _keys(given)])


def _clear(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    return frame([sum(served.shard.clear(key[:-1]) for key in _keys(given))])


def _counts(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    return frame([served.counts()])


class Commit(NamedTuple):
    """Values that a client has stored: number, key, size and hash of each.

    ``time``: of the host's monotonic clock, in nanoseconds, before it was said; ``ahead``: how many
    places for further values like the first are to be reserved.
    """

    time: int
    ahead: int
    values: list[tuple[int, str, int, int]]


def commit_of(message: list[Any]) -> Commit | None:
    """The values that a message commits; None if it is another one.

    Raises `WireError` for what is neither.
    """
    if not message or message[0] != "commit":
        return None
    if len(message) < 4:
        raise WireError(f"{message!r:.60} is no commit")
    time, ahead = _numbers(message[1:3])
    values = []
    for number, key, size, digest in _rows(message[3:], 4):
        _keys([key])
        _numbers([number, digest])
        _numbers([size], MOST_SIZE)
        values.append((number, key, size, digest))
    return Commit(time, ahead, values)


def record_of(time: int, values: Sequence[tuple[int, str, int, int]]) -> bytes:
    """A `Commit` that wants no places, as it stands in a log: numbers, as JSON takes longer."""
    parts = [_TIME.pack(time)]
    for number, key, size, digest in values:
        name = key.encode()
        parts += (_VALUE.pack(number, size, digest, len(name)), name)
    return b"".join(parts)


def commit_of_record(record: bytes) -> Commit:
    """The commit in a record of a log; raises `WireError` for what is none."""
    values: list[tuple[int, str, int, int]] = []
    try:
        (time,) = _TIME.unpack_from(record)
        at = _TIME.size
        while at < len(record):
            number, size, digest, length = _VALUE.unpack_from(record, at)
            at += _VALUE.size + length
            values.append((number, record[at - length : at].decode(), size, digest))
    except (struct.error, UnicodeDecodeError) as error:
        raise WireError(f"a record of a log: {error}") from None
    if at > len(record) or not values:
        raise WireError(f"a record of {len(record)} bytes of {at}")
    _keys([key for _, key, _, _ in values])
    _numbers([size for _, _, size, _ in values], MOST_SIZE)
    return Commit(time, 0, values)


def commit(served: HostedShard, holder: Holder, given: Commit) -> bytes:
    """Commit values; the frame that says which places were reserved for others, if any are to be.

    These are fewer than are wanted if there is no room, or if they would be a large part of all.
    """
    for value in given.values:
        served.shard.commit(holder, *value)
    if not given.ahead:
        return b""
    _, key, size, _ = given.values[0]
    room = served.shape.tiers[0].size
    room = min(room, served.shape.quotas.get(namespace_of(key), room))
    pages = room // served.shape.page
    most = min(given.ahead, pages // (served.shape.pages(size) * LEAST_SHARE))
    places: list[list[Any]] = []
    with suppress(PoolFull):
        for _ in range(most):
            number, place = served.reserve(holder, namespace_of(key), size)
            places.append([number, *_place(place)])
    return frame([AHEAD, *places])


Answering = Callable[[HostedShard, Holder, list[Any], bytes], bytes]

VERBS: Mapping[str, Answering] = MappingProxyType({
    "reserve": _reserve, "abort": _abort, "small": _small, "find": _find,
    "release": _release, "used": _used, "sizes": _sizes, "remove": _remove, "pin": _pin,
    "unpin": _unpin,
    "clear": _clear, "counts": _counts,
})  # fmt: skip
"""The verbs, and what answers each with a frame; "abort", "release" and "used" have no answer."""


def answer(served: HostedShard, holder: Holder, message: list[Any], body: bytes) -> bytes:
    """The frame that answers a client's question; empty where it needs none.

    Raises `WireError` for what is no question; what came before it in the same list may be done.
    """
    verb, *given = message or [None]
    known = VERBS.get(verb) if isinstance(verb, str) else None
    if known is None:
        raise WireError(f"there is no question {message!r:.60}")
    return known(served, holder, given, body)
