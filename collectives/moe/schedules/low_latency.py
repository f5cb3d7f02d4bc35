"""The low-latency mode: a message for every choice of every token, into slots fixed beforehand.

A receiver has ``max_tokens`` slots for each pair of one of its experts and a source, so that
nobody has to ask where to write:

    slot = (local expert * ranks + src) * max_tokens + position

where position counts the tokens of ``src`` for that expert (DeepEP's receive buffer of
``low_latency_dispatch``; CloudMatrix-Infer's FusedDispatch, arXiv:2506.12708 4.2.1, has the same
slots by source). Combine goes back from those slots to a place for each (token, choice) at the
owner, and the owner adds up.

Cost, of T tokens a rank and k choices: T*k messages out of every rank, then one flag to every
rank that hosts experts, in 2 steps; T*k*message bytes a rank, some of them to itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from collectives.moe.routing.routing import Ints, Routing, RoutingError, count
from collectives.moe.schedules.formats import Buffers, check_size
from fabric.schedule.counts import Counts, all_pairs
from fabric.schedule.step import Step

COUNT = 4
"""Bytes of the count of one local expert from one source: int32."""

FLAG = 4
"""Bytes of a combine flag: int32. UBEP writes 512 B at once: pass ``flag_size=512`` for that."""

DISPATCH, COMBINE, FLAGS = "dispatch", "combine", "flags"
"""Labels of the steps."""


def dispatch(
    routing: Routing,
    message_size: int,
    *,
    max_tokens: int | None = None,
    flag_size: int | None = None,
) -> Iterator[Step]:
    """The schedule that sends tokens to the slots of their experts, then counts to every peer.

    The counts are the flags that tell a peer that all tokens have come. Send buffer of a rank: its
    tokens ``[tokens, message]``, then its counts by expert, int32 ``[experts]``. Receive buffer:
    its slots, then counts, int32 ``[ranks, local experts]``. With ``flag_size``, counts have that
    many bytes to each peer instead: ``[ranks, flag_size]`` at both ends. ``message_size``: bytes of
    a token. ``max_tokens``: slots of an expert and source; None: the most tokens of a rank. Rows of
    "dispatch" are the routing's selections, in order.

    Raises `RoutingError` if a rank has more than ``max_tokens`` tokens.
    """
    room = _room(routing, message_size, max_tokens)
    flag = None if flag_size is None else count(flag_size, "flag_size")
    return _dispatch(_DispatchPlaces(routing, message_size, room, flag), message_size, flag)


def counted_dispatch(counts: Counts, local_experts: Ints, message_size: int) -> Iterator[Step]:
    """The schedule of `dispatch` from counts only, of all ranks or of one.

    ``counts``: choices from rank to rank; ``local_experts``: ``[ranks]``; ``message_size``: bytes.
    The messages between two ranks are one row, which takes the same time: to be timed and not to be
    run, since such a row has no places.
    """
    return _dispatch(_Counted(counts, local_experts), message_size, None)


def combine(
    routing: Routing,
    message_size: int,
    *,
    max_tokens: int | None = None,
    flag_size: int = FLAG,
) -> Iterator[Step]:
    """The schedule that sends results from the slots back to the owners of the tokens.

    Then a flag goes to every peer. Send buffer of a rank: its slots, as dispatch filled them, then
    a flag for each rank. Receive buffer: ``[tokens, top_k, message]``, then a flag from each rank.
    Masked choices stay unwritten. Sizes are in bytes. Rows of "combine" are the routing's
    selections, in order; raises as `dispatch`.
    """
    room, flag = _room(routing, message_size, max_tokens), count(flag_size, "flag_size")
    return _combine(_CombinePlaces(routing, message_size, room, flag), message_size, flag)


def counted_combine(
    counts: Counts, local_experts: Ints, message_size: int, *, flag_size: int = FLAG
) -> Iterator[Step]:
    """The schedule of `combine` from counts only: `counted_dispatch` with its ends exchanged."""
    return _combine(_Counted(counts, local_experts), message_size, flag_size)


class _LowLatencyRows(NamedTuple):
    """Rows between the owners of tokens and the hosts of experts.

    ``n``: messages of each row, None: one. ``owner_at``, ``host_at``: where a row lies in the
    buffer of either, in bytes.
    """

    owner: Ints
    host: Ints
    n: Ints | None
    owner_at: Ints
    host_at: Ints


class _Known(Protocol):
    """What a schedule is made from: the messages of a dispatch or combine, and who flags whom."""

    @property
    def local_experts(self) -> Ints: ...

    def messages(self) -> _LowLatencyRows: ...

    def flags(self) -> _LowLatencyRows: ...


def _dispatch(known: _Known, message_size: int, flag_size: int | None) -> Iterator[Step]:
    owner, host, n, owner_at, host_at = known.messages()
    size = message_size if n is None else n * message_size
    yield Step(owner, host, size, owner_at, host_at, messages=n, label=DISPATCH)
    owner, host, _, owner_at, host_at = known.flags()
    size = COUNT * known.local_experts[host] if flag_size is None else flag_size
    yield Step(owner, host, size, owner_at, host_at, label=FLAGS)


def _combine(known: _Known, message_size: int, flag_size: int) -> Iterator[Step]:
    owner, host, n, owner_at, host_at = known.messages()
    size = message_size if n is None else n * message_size
    yield Step(host, owner, size, host_at, owner_at, messages=n, label=COMBINE)
    owner, host, _, owner_at, host_at = known.flags()
    yield Step(host, owner, flag_size, host_at, owner_at, label=FLAGS)


@dataclass(frozen=True, eq=False, slots=True)
class _Counted:
    """A schedule known by counts only: a row for each pair of ranks."""

    counts: Counts
    local_experts: Ints

    def messages(self) -> _LowLatencyRows:
        pairs = self.counts.pairs_filled()
        nowhere = np.zeros_like(pairs[0])
        return _LowLatencyRows(*pairs, self.counts.between(pairs), nowhere, nowhere)

    def flags(self) -> _LowLatencyRows:
        # Whoever hosts experts waits for every rank, itself included: a copy, so counts are whole.
        pairs = self.counts.pairs_to(np.flatnonzero(self.local_experts))
        nowhere = np.zeros_like(pairs[0])
        return _LowLatencyRows(*pairs, None, nowhere, nowhere)


@dataclass(frozen=True, eq=False, slots=True)
class _DispatchPlaces:
    """Every choice of every token, from the tokens of its owner to its slot."""

    routing: Routing
    message_size: int
    room: int
    flag_size: int | None

    @property
    def local_experts(self) -> Ints:
        return self.routing.local_experts

    def messages(self) -> _LowLatencyRows:
        chosen = self.routing.selections
        at = slots(self.routing, max_tokens=self.room)
        at *= self.message_size
        return _LowLatencyRows(chosen.src, chosen.dst, None, chosen.token * self.message_size, at)

    def flags(self) -> _LowLatencyRows:
        routing, size = self.routing, self.flag_size
        owner, host = _flagged(routing)
        sent = routing.tokens * self.message_size
        held = _slots_end(routing, self.room) * self.message_size
        if size is None:
            send = COUNT * routing.first_expert[host]
            recv = COUNT * routing.local_experts[host] * owner
        else:
            send, recv = host * size, owner * size
        return _LowLatencyRows(owner, host, None, sent[owner] + send, held[host] + recv)


@dataclass(frozen=True, eq=False, slots=True)
class _CombinePlaces:
    """The result of every choice, from its slot to its place at the owner of the token."""

    routing: Routing
    message_size: int
    room: int
    flag_size: int

    @property
    def local_experts(self) -> Ints:
        return self.routing.local_experts

    def messages(self) -> _LowLatencyRows:
        chosen = self.routing.selections
        home = (chosen.token * self.routing.top_k + chosen.slot) * self.message_size
        at = slots(self.routing, max_tokens=self.room)
        at *= self.message_size
        return _LowLatencyRows(chosen.src, chosen.dst, None, home, at)

    def flags(self) -> _LowLatencyRows:
        routing, size = self.routing, self.flag_size
        owner, host = _flagged(routing)
        send = _slots_end(routing, self.room)[host] * self.message_size + owner * size
        home = routing.tokens[owner] * routing.top_k * self.message_size
        return _LowLatencyRows(owner, host, None, home + host * size, send)


def slots(routing: Routing, *, max_tokens: int | None = None) -> Ints:
    """The slot of every selection on its expert's rank, int64; raises as `dispatch`."""
    room = _room(routing, 1, max_tokens)
    chosen = routing.selections
    local = np.arange(routing.experts) - routing.first_expert[routing.expert_rank]
    at: Ints = (local * routing.ranks)[chosen.expert]
    at += chosen.src
    at *= room
    at += chosen.position
    return at


def dispatch_buffers(
    routing: Routing,
    message_size: int,
    *,
    max_tokens: int | None = None,
    flag_size: int | None = None,
) -> Buffers:
    """The bytes of every rank's buffers for `dispatch`, with the same arguments and errors."""
    room = _room(routing, message_size, max_tokens)
    send, recv = routing.tokens * message_size, _slots_end(routing, room) * message_size
    if flag_size is None:
        counts = COUNT * routing.ranks * routing.local_experts
        return Buffers(send + COUNT * routing.experts, recv + counts)
    return Buffers(send + flag_size * routing.ranks, recv + flag_size * routing.ranks)


def combine_buffers(
    routing: Routing,
    message_size: int,
    *,
    max_tokens: int | None = None,
    flag_size: int = FLAG,
) -> Buffers:
    """The bytes of every rank's buffers for `combine`, with the same arguments and errors."""
    room = _room(routing, message_size, max_tokens)
    flags = flag_size * routing.ranks
    send = _slots_end(routing, room) * message_size + flags
    return Buffers(send, routing.tokens * routing.top_k * message_size + flags)


def _flagged(routing: Routing) -> tuple[Ints, Ints]:
    return all_pairs(routing.ranks, np.flatnonzero(routing.local_experts))


def _slots_end(routing: Routing, room: int) -> Ints:
    return routing.local_experts * routing.ranks * room


def _room(routing: Routing, message_size: int, max_tokens: int | None) -> int:
    check_size(message_size)
    most = int(routing.tokens.max())
    room = most if max_tokens is None else count(max_tokens, "max_tokens")
    if most > room:
        rank = int(routing.tokens.argmax())
        raise RoutingError(
            f"rank {rank} has {most} tokens, and max_tokens is {room}; it has to be {most} or more"
        )
    return room
