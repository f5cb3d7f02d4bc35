"""Messages between two ranks, as calls: what `Communicator.send`, `recv` and `batch` begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from collectives.group import Group
from collectives.views import NOTHING, ArgumentError, Buffer, name_of, view
from fabric.execute import Call
from fabric.plan import Part, Plan
from fabric.script import script


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


class Message(NamedTuple):
    """One message that was checked: from place to place in the group, and this rank's buffers."""

    src: int
    dst: int
    tag: int
    send: Buffer
    recv: Buffer

    @property
    def kind(self) -> tuple[object, ...]:
        """Messages of a kind are one `Call`."""
        used = self.send if self.send is not NOTHING else self.recv
        return "message", self.src, self.dst, self.tag, used.dtype, used.items


def checked(each: Send | Recv, group: Group) -> Message:
    """A message to or from another rank; raises `ArgumentError` for what cannot be."""
    rank, tag = group.rank, int(each.tag)
    if isinstance(each, Send):
        peer, ends = group.check(each.dst, "dst"), (view(each.x, "x"), NOTHING)
    else:
        peer, ends = group.check(each.src, "src"), (NOTHING, view(each.x, "x", True))
    if peer == rank:
        raise ArgumentError(f"rank {rank} sends to itself: that needs both ends in one batch")
    src, dst = (rank, peer) if isinstance(each, Send) else (peer, rank)
    return Message(src, dst, tag, *ends)


def checked_all(batch: Sequence[Send | Recv], group: Group) -> list[Message]:
    """The messages of a batch; those to oneself are pairs of an equal tag, in order."""
    own = [each for each in batch if _peer(each) == group.rank]
    sends = [each for each in own if isinstance(each, Send)]
    recvs = [each for each in own if isinstance(each, Recv)]
    messages = [checked(each, group) for each in batch if _peer(each) != group.rank]
    if sorted(each.tag for each in sends) != sorted(each.tag for each in recvs):
        raise ArgumentError(f"rank {group.rank} sends to itself what the batch does not receive")
    # Sorting keeps the order of those that are alike.
    for out, into in zip(*(sorted(ends, key=_tag) for ends in (sends, recvs)), strict=True):
        send, recv = view(out.x, "x"), view(into.x, "x", True)
        if (send.dtype, send.items) != (recv.dtype, recv.items):
            raise ArgumentError(
                f"rank {group.rank} sends itself {name_of(send.dtype)}[{send.items}] and receives"
                f" {name_of(recv.dtype)}[{recv.items}]"
            )
        messages.append(Message(group.rank, group.rank, out.tag, send, recv))
    return messages


def _peer(each: Send | Recv) -> int:
    return each.dst if isinstance(each, Send) else each.src


def _tag(each: Send | Recv) -> int:
    return each.tag


def call(message: Message, rank: int) -> Call:
    """The call of a message, at ``rank``: in it the sender is rank 0, and the receiver 1."""
    used = message.send if message.send is not NOTHING else message.recv
    alone = message.src == message.dst
    none, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    dst = none if alone else one
    size = np.array([used.bytes.size])
    part = Part(0, none, dst, size, none, none, one, False, "send", "recv", "send-recv")
    plan = Plan(0 if rank == message.src else 1, 1 if alone else 2, (part,))
    words = (
        f"send_recv({name_of(used.dtype)}[{used.items}], rank {message.src} to rank"
        f" {message.dst}, tag {message.tag})"
    )
    return Call(words, plan, script(plan), "send_recv")
