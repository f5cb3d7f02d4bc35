"""What a launcher says to the page's server of a world that runs: batches of calls that are over.

Calls of a kind, that is, of one group with the same transfers, are many: a kind is said once. Where
a batch has more calls than a picture can show, neighbours of one kind are joined: their bytes are
all there, and their time is that from the first to the last.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.clock.accesses import TimedAccess
from fabric.clock.calls import TimedCall
from fabric.clock.record import OverCall, Stretch
from topology.labels import label

MOST_STRETCHES = 3000
"""Stretches of ranks in a batch at most, more or less."""

MOST_SPANS = 100
"""Spans of calls in a batch at most, more or less: more are no clearer picture."""

MOST_KINDS = 4096
"""Kinds of calls that are remembered."""


@dataclass(frozen=True, eq=False)
class Kind:
    """Calls that are alike: what they are called, whose they are, and what they move.

    ``number``: of the kind; ``ranks``: who makes such a call, in the order of `CallSpan.begin`.
    ``src``, ``dst``: int32, places of the machine; ``size``: float64, bytes; ``step``: int64; a row
    is a transfer. ``plane``: over which they go where that is not up to the machine, else "".
    """

    number: int
    label: str
    ranks: tuple[int, ...]
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    size: NDArray[np.float64]
    step: NDArray[np.int64]
    plane: str = ""


class CallSpan(NamedTuple):
    """So ``many`` calls of a ``kind``, one after the other, in emulated seconds.

    ``begin``: when each rank joined the first of them; ``end``: when its part of the last ended;
    nan for a rank that did not. ``waits``: a rank moves nothing before the last one has joined, as
    in a call of running ranks.
    """

    kind: int
    many: int
    begin: tuple[float, ...]
    end: tuple[float, ...]
    waits: bool = True


@dataclass(frozen=True)
class LiveBatch:
    """What has happened since the last batch.

    ``now``: the latest clock of a rank, in emulated seconds; ``kinds``: those that are new;
    ``computed``: stretches; ``dropped``: how many calls and stretches nobody has taken in time, so
    far. ``news``: lines of text, such as who is lost; ``end``: how the world has ended, None while
    it goes on.
    """

    now: float
    kinds: tuple[Kind, ...] = ()
    spans: tuple[CallSpan, ...] = ()
    computed: tuple[Stretch, ...] = ()
    dropped: int = 0
    news: tuple[tuple[float, str], ...] = ()
    end: str | None = None


@dataclass(eq=False)
class Feed:
    """Makes batches of what an emulator has recorded; it remembers which kinds it has said."""

    _kinds: dict[Any, tuple[int, Any]] = field(default_factory=dict)
    _count: int = 0

    def batch(
        self, found: Iterable[OverCall | Stretch], now: float, dropped: int = 0,
        news: Sequence[tuple[float, str]] = (), end: str | None = None,
    ) -> LiveBatch:  # fmt: skip
        """What was ``found``, as a `LiveBatch`."""
        calls: dict[int, list[TimedCall]] = defaultdict(list)
        kinds: list[Kind] = []
        computed: list[Stretch] = []
        for one in found:
            if isinstance(one, Stretch):
                computed.append(one)
            else:
                calls[self._number(one, kinds)].append(one.call)
        most = sum(len(some) * len(some[0].end) for some in calls.values())
        together = max(
            1, math.ceil(most / MOST_STRETCHES),
            math.ceil(sum(map(len, calls.values())) / MOST_SPANS),
        )  # fmt: skip
        spans = tuple(
            _span(number, some[at : at + together])
            for number, some in calls.items()
            for at in range(0, len(some), together)
        )
        return LiveBatch(now, tuple(kinds), spans, _few(computed), dropped, tuple(news), end)

    def _number(self, one: OverCall, kinds: list[Kind]) -> int:
        key, kept = _key(one.call)
        known = self._kinds.get(key)
        if known is None:
            if len(self._kinds) >= MOST_KINDS:
                self._kinds.clear()
            known = self._kinds[key] = self._count, kept
            kinds.append(_kind(self._count, one))
            self._count += 1
        return known[0]


def _key(call: TimedCall) -> tuple[Any, Any]:
    """The same for calls that are alike, and what has to be kept for that to hold."""
    if isinstance(call, TimedAccess):
        terms = call.terms
        return (id(call.family), call.owner, terms.writes, terms.size), call.family
    return (id(call.family), *map(id, call.parts)), (call.family, call.parts)


def _kind(number: int, one: OverCall) -> Kind:
    call = one.call
    name = label(one.words.partition("(")[0] or call.family.operation)
    if isinstance(call, TimedAccess):
        ends = call.family.group[0], call.family.group[-1]
        row = np.array(ends if call.terms.writes else ends[::-1], np.int32)[:, None]
        return Kind(
            number, name, (call.owner,), row[0], row[1], np.array([float(call.terms.size)]),
            np.zeros(1, np.int64), call.terms.plane,
        )  # fmt: skip
    sent = [_sent(part.streams, position) for position, part in enumerate(call.parts) if part]
    src, dst, size, step = (
        np.concatenate(columns) for columns in zip(*sent, strict=True)
    ) if sent else np.zeros((4, 0))  # fmt: skip
    group = np.array(call.family.group, np.int32)
    return Kind(
        number, name, call.family.group, group[src.astype(np.int64)], group[dst.astype(np.int64)],
        size.astype(np.float64), step.astype(np.int64),
    )  # fmt: skip


def _sent(brought: Any, position: int) -> tuple[NDArray[Any], ...]:
    """What the rank at ``position`` sends: its own rows, as a row is at both of its ends."""
    streams = brought.streams
    mine = streams.src == position
    return streams.src[mine], streams.dst[mine], streams.size[mine], streams.step[mine]


def _span(kind: int, calls: Sequence[TimedCall]) -> CallSpan:
    first, last = calls[0].joined, calls[-1].end
    return CallSpan(kind, len(calls), _known(first), _known(last))


def _known(times: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(math.nan if time is None else time for time in times)


def _few(computed: Sequence[Stretch]) -> tuple[Stretch, ...]:
    """The stretches, those of a rank that follow each other joined where there are too many."""
    if len(computed) <= MOST_STRETCHES:
        return tuple(computed)
    of_rank: dict[int, list[Stretch]] = defaultdict(list)
    for one in computed:
        of_rank[one.rank].append(one)
    together = math.ceil(len(computed) / MOST_STRETCHES)
    return tuple(
        some[at]._replace(end=some[min(at + together, len(some)) - 1].end)
        for some in of_rank.values()
        for at in range(0, len(some), together)
    )
