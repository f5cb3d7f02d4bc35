"""Messages between two ranks, as calls: what `Communicator.send`, `recv` and `batch` begin."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from collectives.calls.buffers import NOTHING, UserBuffer, meet, name_of, span, view
from collectives.calls.group import Group
from fabric.endpoint.costs import MESSAGE
from fabric.ranks.execution import PreparedCall
from fabric.ranks.ready import made_ready
from fabric.schedule.plan import Plan, PlanStep
from topology.arguments import integer, shown
from topology.errors import ArgumentError


@dataclass(frozen=True, slots=True)
class Send:
    """For `Communicator.batch`: send ``x`` to rank ``dst``."""

    x: Any
    dst: int
    tag: int = 0


@dataclass(frozen=True, slots=True)
class Recv:
    """For `Communicator.batch`: fill ``x`` with what rank ``src`` sends."""

    x: Any
    src: int
    tag: int = 0


class CheckedMessage(NamedTuple):
    """A checked message: source and destination by place in the group, this rank's buffers."""

    src: int
    dst: int
    tag: int
    send: UserBuffer
    recv: UserBuffer

    @property
    def kind(self) -> tuple[object, ...]:
        """A key that is equal for messages that can share one `Call`."""
        used = self.send if self.send is not NOTHING else self.recv
        return "message", self.src, self.dst, self.tag, used.dtype, used.items


def checked(each: Send | Recv, group: Group) -> CheckedMessage:
    """The message to or from another rank that ``each`` describes; raises `ArgumentError`."""
    rank, peer, tag = group.rank, _peer(each, group), integer(each.tag, "tag")
    if peer == rank:
        raise ArgumentError(f"rank {rank} sends to itself: that needs both ends in one batch")
    if isinstance(each, Send):
        return CheckedMessage(rank, peer, tag, view(each.x, "x"), NOTHING)
    return CheckedMessage(peer, rank, tag, NOTHING, view(each.x, "x", True))


def checked_all(batch: Any, group: Group) -> list[CheckedMessage]:
    """The messages of a batch; a `Send` and a `Recv` to oneself are paired by tag, in order.

    Raises `ArgumentError`, also if one message fills memory that another reads or fills.
    """
    ends = _ends(batch)
    own = [each for each in ends if _peer(each, group) == group.rank]
    others = [checked(each, group) for each in ends if _peer(each, group) != group.rank]
    messages = [*others, *_to_oneself(own, group.rank)]
    _apart(messages)
    return messages


def _ends(batch: Any) -> list[Send | Recv]:
    if not isinstance(batch, Collection) or isinstance(batch, str | bytes | Mapping):
        raise ArgumentError(f"messages is {shown(batch)}; it has to be a list of Send and Recv")
    for place, each in enumerate(batch):
        if not isinstance(each, Send | Recv):
            raise ArgumentError(f"messages[{place}] is {shown(each)}; it has to be a Send or Recv")
    return list(batch)


def _to_oneself(own: list[Send | Recv], rank: int) -> list[CheckedMessage]:
    tagged = [(integer(each.tag, "tag"), each) for each in own]
    # Sorting keeps the order of those that are alike.
    tagged.sort(key=lambda pair: pair[0])
    sends = [(tag, view(each.x, "x")) for tag, each in tagged if isinstance(each, Send)]
    recvs = [(tag, view(each.x, "x", True)) for tag, each in tagged if isinstance(each, Recv)]
    if [tag for tag, _ in sends] != [tag for tag, _ in recvs]:
        raise ArgumentError(f"rank {rank} sends to itself what the batch does not receive")
    for (_, send), (_, recv) in zip(sends, recvs, strict=True):
        if (send.dtype, send.items) != (recv.dtype, recv.items):
            raise ArgumentError(
                f"rank {rank} sends itself {name_of(send.dtype)}[{send.items}] and receives"
                f" {name_of(recv.dtype)}[{recv.items}]"
            )
    return [
        CheckedMessage(rank, rank, tag, send, recv)
        for (tag, send), (_, recv) in zip(sends, recvs, strict=True)
    ]


def _apart(messages: list[CheckedMessage]) -> None:
    """Refuse messages that fill what another one of the batch reads or fills."""
    read = [(message.send, False) for message in messages if message.send.items]
    filled = [(message.recv, True) for message in messages if message.recv.items]
    under_way: list[tuple[UserBuffer, bool]] = []  # that reach beyond where the last one begins
    for each, writes in sorted([*read, *filled], key=lambda end: span(end[0])):
        begin, _ = span(each)
        under_way = [end for end in under_way if span(end[0])[1] > begin]
        if any((writes or fills) and meet(each, other) for other, fills in under_way):
            raise ArgumentError(
                "two messages of the batch share memory, and one fills it: what is there in the end"
                " would be up to chance"
            )
        under_way.append((each, writes))


def _peer(each: Send | Recv, group: Group) -> int:
    return group.check(*((each.dst, "dst") if isinstance(each, Send) else (each.src, "src")))


def call(message: CheckedMessage, rank: int) -> PreparedCall:
    """The `PreparedCall` of ``message`` at ``rank``.

    In its plan the sender is rank 0, and the receiver 1.
    """
    used = message.send if message.send is not NOTHING else message.recv
    alone = message.src == message.dst
    none, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    dst = none if alone else one
    size = np.array([used.bytes.size])
    part = PlanStep(0, 0, none, dst, size, none, none, one, False, "send", "recv", "send-recv")
    plan = Plan(0 if rank == message.src else 1, 1 if alone else 2, (part,))
    words = (
        f"send_recv({name_of(used.dtype)}[{used.items}], rank {message.src} to rank"
        f" {message.dst}, tag {message.tag})"
    )
    return PreparedCall(words, plan, made_ready(plan), MESSAGE)
