"""How the tokens of the normal mode get to the ranks that need them, and results back.

A path belongs to a handle. `Direct` sends a token once to each rank. `Relayed` sends it once to
each node, to the rank there with its source's place within the node, which passes it on; on the way
back that rank adds up what its node has for a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.calls.untimed import Rounds
from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import Array
from collectives.moe.tokens.arrivals import Arrivals, bytes_of, token_record, with_local_experts
from collectives.moe.tokens.loading import row_kernels
from collectives.moe.tokens.quantise import Wire, weighted
from collectives.moe.tokens.scratch import Scratch
from collectives.moe.tokens.segments import into
from collectives.moe.tokens.selection import Copied, copied, needed
from fabric.ranks.message_moves import Round
from fabric.transports.base import Bytes

Parts = tuple[Bytes, ...]

NOTHING = np.dtype([])
"""Facts of a token that travel with it where a handle already holds them: none."""


@dataclass(frozen=True, eq=False)
class DispatchPayload:
    """What a rank dispatches: the bytes of its tokens and of their scales, and what else is told.

    ``choices``: ``[tokens, top_k]``, None where a handle already holds them; ``weights``: float32
    of that shape, or None. ``wire``: how tokens are written; ``kind``: the type of tokens before
    that, None for any.
    """

    rows: Bytes
    scales: Bytes
    choices: Ints | None
    weights: NDArray[np.float32] | None
    wire: Wire
    kind: np.dtype[Any] | None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type that tokens are read back as."""
        return np.dtype(np.float32) if self.kind is None else self.kind

    @property
    def top_k(self) -> int:
        """Choices of a token; 0 where they are not told."""
        return 0 if self.choices is None else self.choices.shape[1]

    @property
    def given_choices(self) -> Ints:
        """The choices of a dispatch without a handle."""
        if self.choices is None:
            raise AssertionError("a dispatch with a handle has no choices of its own")
        return self.choices

    @cached_property
    def records(self) -> Array:
        """What is told of each token, as in `Arrivals`."""
        if self.choices is None:
            return np.empty(len(self.rows), NOTHING)
        records = np.zeros(len(self.rows), token_record(self.top_k, self.weights is not None))
        records["token"], records["expert"] = np.arange(len(records)), self.choices
        if self.weights is not None:
            records["weight"] = self.weights
        return records


@dataclass(slots=True, eq=False)
class Direct:
    """The path with one level.

    ``sent``: this rank's copies by destination; ``received``: how many tokens of each rank arrive.
    """

    rank: int
    expert_ranks: ExpertRanks
    sent: Copied
    received: Ints

    def dispatch(
        self, load: DispatchPayload, arrivals: Arrivals, scratch: Scratch | None = None
    ) -> Rounds:
        """The rounds that bring tokens to the ranks, ordered there by source and token.

        ``scratch``: memory in which to pack them.
        """
        return [partial(self._out, load, arrivals, scratch)]

    def combine(self, given: Sequence[Array], home: Sequence[Array]) -> Rounds:
        """The rounds that bring back ``given``, as tokens arrived, to ``home``, as sent."""
        return [partial(self._back, given, home)]

    def _out(self, load: DispatchPayload, arrivals: Arrivals, scratch: Scratch | None) -> Round:
        dst = np.repeat(np.arange(self.expert_ranks.ranks), self.sent.counts)
        records = with_local_experts(load.records[self.sent.token], dst, self.expert_ranks)
        rows = load.rows, load.scales
        packed = _packed(*rows, records, self.sent.token, self.sent.counts, scratch)
        takes = [
            (source, [arrivals.parts(first, last)])
            for source, first, last in _spans(self.received)
        ]  # fmt: skip
        return _round(self.rank, list(enumerate(packed)), takes)

    def _back(self, given: Sequence[Array], home: Sequence[Array]) -> Round:
        sends = [(s, bytes_of(a[i:j])) for a in given for s, i, j in _spans(self.received)]
        takes: list[tuple[int, list[Parts]]] = [
            (dst, [(bytes_of(a[i:j]),)]) for a in home for dst, i, j in _spans(self.sent.counts)
        ]
        return _round(self.rank, sends, takes)


@dataclass(slots=True, eq=False)
class Relayed:
    """The path with two levels. ``sent``: this rank's copies by node; ``received``: as in `Direct`.

    ``held``: how many tokens this rank passes on, by source (each with its place in a node) and
    node; ``passed``: the copies of those by rank of the own node, once they are known.
    """

    rank: int
    expert_ranks: ExpertRanks
    width: int
    sent: Copied
    received: Ints
    held: Ints
    passed: Copied | None = field(default=None)

    def dispatch(
        self, load: DispatchPayload, arrivals: Arrivals, scratch: Scratch | None = None
    ) -> Rounds:
        """The rounds of `Direct.dispatch` by way of relays."""
        hidden = arrivals.x.shape[-1]
        shape = (int(self.held.sum()),)
        held = Arrivals(shape, hidden, load.wire, load.dtype, load.records.dtype)
        return [partial(self._to_relays, load, held, scratch), partial(self._on, held, arrivals)]

    def combine(self, given: Sequence[Array], home: Sequence[Array]) -> Rounds:
        """The rounds of `Direct.combine` by way of relays.

        ``home`` gets a result for each node, rounded.
        """
        rows = 0 if self.passed is None else len(self.passed.token)
        held = [np.empty((rows, *a.shape[1:]), a.dtype) for a in given]
        return [partial(self._to_relay, given, held), partial(self._home, held, home)]

    @property
    def _node(self) -> int:
        return self.rank // self.width

    def _mates(self) -> range:
        return range(self._node * self.width, (self._node + 1) * self.width)

    def _twins(self) -> range:
        """The ranks with this one's place in their nodes, in order of nodes."""
        return range(self.rank % self.width, self.expert_ranks.ranks, self.width)

    def _to_relays(self, load: DispatchPayload, held: Arrivals, scratch: Scratch | None) -> Round:
        records = load.records[self.sent.token]
        rows = load.rows, load.scales
        packed = _packed(*rows, records, self.sent.token, self.sent.counts, scratch)
        sends = list(zip(self._twins(), packed, strict=True))
        takes = [(self._twins()[n], [held.parts(i, j)]) for n, i, j in _spans(self.held)]
        return _round(self.rank, sends, takes)

    def _on(self, held: Arrivals, arrivals: Arrivals) -> Round:
        if self.passed is None:
            place = np.where(self.expert_ranks.rank // self.width == self._node,
                             self.expert_ranks.rank % self.width, self.width)  # fmt: skip
            table = needed(held.records["expert"], place, self.width + 1)
            self.passed = copied(table[:, : self.width])
        token, counts = self.passed.token, self.passed.counts
        dst = np.repeat(np.array(self._mates()), counts)
        records = with_local_experts(held.records[token], dst, self.expert_ranks)
        packed = _packed(*held.rows(), records, token, counts)
        sends = list(zip(self._mates(), packed, strict=True))
        spans = self._by_relay()
        takes = [
            (mate, [arrivals.parts(i, j) for i, j in spans[place]])
            for place, mate in enumerate(self._mates())
        ]
        return _round(self.rank, sends, takes)

    def _by_relay(self) -> list[list[tuple[int, int]]]:
        """Where what comes by each relay of the node lies here, by source."""
        spans: list[list[tuple[int, int]]] = [[] for _ in range(self.width)]
        for source, i, j in _spans(self.received):
            spans[source % self.width].append((i, j))
        return spans

    def _to_relay(self, given: Sequence[Array], held: Sequence[Array]) -> Round:
        if self.passed is None:
            raise AssertionError("results come back before their tokens went out")
        sends: list[tuple[int, Bytes]] = []
        takes: list[tuple[int, list[Parts]]] = []
        for array, room in zip(given, held, strict=True):
            for mate, spans in zip(self._mates(), self._by_relay(), strict=True):
                pieces = [array[i:j] for i, j in spans]
                if pieces:
                    sends.append((mate, bytes_of(np.concatenate(pieces))))
            for place, i, j in _spans(self.passed.counts):
                takes.append((self._mates()[place], [(bytes_of(room[i:j]),)]))
        return _round(self.rank, sends, takes)

    def _home(self, held: Sequence[Array], home: Sequence[Array]) -> Round:
        if self.passed is None:
            raise AssertionError("results come back before their tokens went out")
        sends: list[tuple[int, Bytes]] = []
        takes: list[tuple[int, list[Parts]]] = []
        for array, room in zip(held, home, strict=True):
            summed = np.empty((len(self.passed.row), *array.shape[1:]), array.dtype)
            weighted(array, self.passed.row, ones(self.passed.row), summed)
            sends += [(self._twins()[n], bytes_of(summed[i:j])) for n, i, j in _spans(self.held)]
            takes += [
                (self._twins()[n], [(bytes_of(room[i:j]),)])
                for n, i, j in _spans(self.sent.counts)
            ]  # fmt: skip
        return _round(self.rank, sends, takes)


def ones(row: Ints) -> NDArray[np.float32]:
    """The weights of a plain sum: float32 ones of the shape of ``row``."""
    return np.ones(row.shape, np.float32)


def _packed(
    rows: Bytes, scales: Bytes, records: Array, token: Ints, counts: Ints,
    scratch: Scratch | None = None,
) -> list[Bytes]:  # fmt: skip
    """The message for each peer: the tokens of ``token``, so many for each."""
    size = records.dtype.itemsize
    extra = (
        records.view(np.uint8).reshape(-1, size) if size else np.empty((len(records), 0), np.uint8)
    )
    begin = np.append(0, counts.cumsum())
    each = rows.shape[1] + scales.shape[1] + extra.shape[1]
    out = (scratch or Scratch()).room("packed", len(token) * each)
    row_kernels().pack(rows, scales, extra, token, begin, out)
    edges = (begin * each).tolist()
    return [out[a:b] for a, b in pairwise(edges)]


def _spans(counts: Ints) -> list[tuple[int, int, int]]:
    """Of each place with any: its number, where its items begin, and end."""
    ends = counts.cumsum().tolist()
    return [
        (place, end - n, end)
        for place, (n, end) in enumerate(zip(counts.tolist(), ends, strict=True)) if n
    ]  # fmt: skip


def _round(
    rank: int, sends: list[tuple[int, Bytes]], takes: Sequence[tuple[int, Sequence[Parts]]]
) -> Round:
    """Messages between ranks; one's own are copied. The parts of a message: by kind, then place."""
    receives, own = [], [data for peer, data in sends if peer == rank and data.size]
    for peer, places in takes:
        parts = [part for kind in zip(*places, strict=True) for part in kind]
        if not parts:
            continue
        take = parts[0] if len(parts) == 1 else into(parts)
        if peer != rank:
            receives.append((peer, sum(part.size for part in parts), take))
        elif callable(take):
            take(0, own.pop(0))
        else:
            take[:] = own.pop(0)
    return Round([(peer, data) for peer, data in sends if peer != rank and data.size], receives)
