"""A call whose messages have memory of their own, instead of the buffers of a schedule.

Messages are computed round by round, when they are needed: what a round sends may depend on what
the one before has received.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.ready import ReadyPlan
from fabric.ranks.wide import WIDE
from fabric.schedule.plan import Plan, TimedRows
from fabric.transports.base import SMALL, Brief, Bytes, Take, Transport

NOTHING_READY = ReadyPlan((), (0, 0, 0))
"""The ready plan of a call that is made `in_rounds`."""


class Round(NamedTuple):
    """Messages in progress together: (rank, bytes) to send, and (rank, size, taker) to receive.

    Ranks are those of the plan; a taker is as in `Transport.receive`. Both ends of a message must
    know it, and those of one pair have one order; empty ones are left out. ``at_once``: makes the
    first of them, given the tag and the mark, and returns how many; None: nothing does.
    """

    sends: Sequence[tuple[int, Bytes]]
    receives: Sequence[tuple[int, int, Take | Bytes]]
    at_once: Callable[[int, int], int] | None = None


def timed_as(
    words: str, plan: Plan, operation: str, timed: TimedRows | None = None,
    facts: Mapping[str, Any] | None = None,
) -> PreparedCall:  # fmt: skip
    """A `PreparedCall` without data that takes the emulated time of ``plan``.

    ``words``: its description in errors and traces; ``operation``: selects the constants;
    ``timed``: the rows that take time instead, ``facts``: for the log of a run; see `PreparedCall`.
    """
    return PreparedCall(words, plan, NOTHING_READY, operation, timed=timed, facts=facts)


def in_rounds(
    call: PreparedCall, transport: Transport, members: tuple[int, ...], tag: int,
    rounds: Sequence[Callable[[], Round]], finish: Callable[[], None] | None = None,
) -> Execution:  # fmt: skip
    """The execution of ``call``; each of ``rounds`` is asked for its messages in turn.

    That is, when those before have arrived. ``finish``: called when all have. The rest as in
    `Execution`.
    """
    return Execution(call, transport, members, tag, partial(_moves, rounds, finish))


def _moves(
    rounds: Sequence[Callable[[], Round]], finish: Callable[[], None] | None, on: Execution
) -> Generator[None, None, None]:
    for number, messages in enumerate(rounds):
        _post(on, number, messages())
        while not on.arrived(number):
            yield
    if finish is not None:
        finish()  # before others have taken all: they may wait for what it gives back
    while not on.sent(len(rounds)):
        yield


def _post(on: Execution, number: int, messages: Round) -> None:
    """Receives first: what comes early then goes where it belongs."""
    transport, wide, members, tag, mark = (
        on.transport, on.transport.many, on.members, on.tag, on.mark
    )  # fmt: skip
    sends, receives, _ = messages
    if wide is not None and _wide([(peer, size) for peer, size, _ in receives]):
        peers, sizes, takes = zip(*receives, strict=True)
        world = [members[peer] for peer in peers]
        request = wide.receive_many(world, sizes, tag, mark, partial(_take_all, takes))
        on.receiving.append((number, request))
        receives = ()
    if wide is not None and _wide([(peer, data.size) for peer, data in sends]):
        world = [members[peer] for peer, _ in sends]
        pieces = [data.tobytes() for _, data in sends]
        on.sending.append((number, wide.send_many(world, tag, mark, pieces)))
        sends = ()
    brief: Brief | None = getattr(transport, "brief", None) if on.patient else None
    if brief is not None and all(size <= brief.most for _, size, _ in receives):
        receives = _move_briefly(on, brief, number, messages)
        sends = ()
    for peer, size, take in receives:
        request = transport.receive(members[peer], tag, mark, size, take)
        if not request.done or request.error is not None:
            on.receiving.append((number, request))
    for peer, data in sends:
        _send(on, number, members[peer], data)


def _send(on: Execution, number: int, peer: int, data: Bytes) -> None:
    request = on.transport.send(peer, on.tag, on.mark, data)
    if not request.done or request.error is not None:
        on.sending.append((number, request))


def _move_briefly(
    on: Execution, brief: Brief, number: int, messages: Round
) -> Sequence[tuple[int, int, Take | Bytes]]:
    """Send, and take what comes soon, without requests: the receives that are left."""
    members, tag, mark = on.members, on.tag, on.mark
    sends, receives, at_once = messages
    made = 0 if at_once is None else at_once(tag, mark)
    if made:
        sends, receives = sends[made:], receives[max(made - len(sends), 0) :]
    for peer, data in sends:
        if not brief.put(members[peer], tag, mark, data):
            _send(on, number, members[peer], data)
    until = on.until()
    for place, (peer, size, take) in enumerate(receives):
        piece = brief.take(members[peer], tag, mark, size, until)
        if piece is None:
            return receives[place:]
        if isinstance(take, np.ndarray):
            take[:] = piece
        elif size:
            take(0, piece)
        brief.taken(members[peer])
    return ()


def _wide(messages: Sequence[tuple[int, int]]) -> bool:
    """Whether messages, by peer and size, are many small ones, one for each peer."""
    return (
        len(messages) >= WIDE
        and max(size for _, size in messages) <= SMALL
        and len({peer for peer, _ in messages}) == len(messages)
    )


def _take_all(takes: Sequence[Take | Bytes], pieces: Sequence[bytes]) -> None:
    for take, piece in zip(takes, pieces, strict=True):
        data = np.frombuffer(piece, np.uint8)
        if isinstance(take, np.ndarray):
            take[:] = data
        elif data.size:
            take(0, data)
