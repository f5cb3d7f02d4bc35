"""What clients ask of a server, each a list that begins with a verb, and the answers. No I/O."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

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

LEAST_SHARE = 32
"""Values that a first tier has room for, at least, if one is reserved before it is asked for."""

_DIGESTS = 1 << 64


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
            answers.append(str(why))
    return frame(answers)


def _commit(served: HostedShard, holder: Holder, given: list[Any], body: bytes) -> bytes:
    """Commit values; where there is one, and it says so, reserve the like of it for the next."""
    for number, key, size, digest, _ in _rows(given, 5):
        _keys([key])
        _numbers([number, digest])
        _numbers([size], MOST_SIZE)
        served.shard.commit(holder, number, key, size, digest)
    if len(given) != 1 or given[0][-1] is not True:
        return frame([])
    key, size = given[0][1:3]
    if served.shape.pages(size) * LEAST_SHARE > served.shape.tiers[0].size // served.shape.page:
        return frame([])
    try:
        next_number, place = served.reserve(holder, namespace_of(key), size)
    except PoolFull:
        return frame([])
    return frame([next_number, *_place(place)])


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
            answers.append(str(why))
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


Answering = Callable[[HostedShard, Holder, list[Any], bytes], bytes]

VERBS: Mapping[str, Answering] = MappingProxyType({
    "reserve": _reserve, "commit": _commit, "abort": _abort, "small": _small, "find": _find,
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
