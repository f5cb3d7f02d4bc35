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

import numpy as np

from collectives.moe.routing.routing import Ints, Routing, RoutingError, count
from collectives.moe.schedules.formats import Buffers, check_size
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
    """Send tokens to the slots of their experts, then counts (which are the flags) to every peer.

    Send buffer of a rank: its tokens ``[tokens, message]``, then its counts by expert, int32
    ``[experts]``. Receive buffer: its slots, then counts, int32 ``[ranks, local experts]``.
    With ``flag_size``, counts have that many bytes to each peer instead: ``[ranks, flag_size]``
    at both ends. ``max_tokens``: slots of an expert and source, the most tokens of a rank where
    not given. Rows of "dispatch" are the routing's selections, in order.

    Raises `RoutingError` where a rank has more than ``max_tokens`` tokens.
    """
    room = _room(routing, message_size, max_tokens)
    flag = None if flag_size is None else count(flag_size, "flag_size")
    return _dispatch(routing, message_size, room, flag)


def _dispatch(
    routing: Routing, message_size: int, room: int, flag_size: int | None
) -> Iterator[Step]:
    chosen = routing.selections
    at = slots(routing, max_tokens=room)
    at *= message_size
    yield Step(
        chosen.src, chosen.dst, message_size, chosen.token * message_size, at, label=DISPATCH
    )
    src, dst = _peers(routing)
    sent, held = routing.tokens * message_size, _slots_end(routing, room) * message_size
    if flag_size is None:
        size = COUNT * routing.local_experts[dst]
        send = COUNT * routing.first_expert[dst]
    else:
        size = np.full(len(dst), flag_size)
        send = dst * size
    yield Step(src, dst, size, sent[src] + send, held[dst] + src * size, label=FLAGS)


def combine(
    routing: Routing,
    message_size: int,
    *,
    max_tokens: int | None = None,
    flag_size: int = FLAG,
) -> Iterator[Step]:
    """Send results from the slots back to the owners of the tokens, then a flag to every peer.

    Send buffer of a rank: its slots, as dispatch filled them, then a flag for each rank. Receive
    buffer: ``[tokens, top_k, message]``, then a flag from each rank. Masked choices stay
    unwritten. Rows of "combine" are the routing's selections, in order; raises as `dispatch`.
    """
    room = _room(routing, message_size, max_tokens)
    return _combine(routing, message_size, room, count(flag_size, "flag_size"))


def _combine(routing: Routing, message_size: int, room: int, flag_size: int) -> Iterator[Step]:
    chosen = routing.selections
    home = (chosen.token * routing.top_k + chosen.slot) * message_size
    at = slots(routing, max_tokens=room)
    at *= message_size
    yield Step(chosen.dst, chosen.src, message_size, at, home, label=COMBINE)
    owner, host = _peers(routing)
    send = _slots_end(routing, room)[host] * message_size + owner * flag_size
    recv = routing.tokens[owner] * routing.top_k * message_size + host * flag_size
    yield Step(host, owner, flag_size, send, recv, label=FLAGS)


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


def _peers(routing: Routing) -> tuple[Ints, Ints]:
    # Whoever hosts experts waits for every rank, itself included: a copy, so that counts are whole.
    hosts = np.flatnonzero(routing.local_experts)
    src = np.repeat(np.arange(routing.ranks), len(hosts))
    return src, np.tile(hosts, routing.ranks)


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
