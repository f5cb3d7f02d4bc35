"""Which message belongs to which receive: pure logic, the same for every transport.

A receive and a message match if their tag and peer agree, the earliest receive with the earliest
message; whichever is first waits here for the other. Mark and size are then checked by `refusal`.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from fabric.failure import CallMismatch, TransportError
from fabric.transports.base import ANY, Bytes, Request, Take


class Receive(Request):
    """A posted receive. ``into``: the array that it fills, None if it passes bytes to ``take``."""

    __slots__ = ("into", "last", "mark", "next", "order", "size", "tag", "take")

    def __init__(self, peer: int, tag: int, mark: int, size: int, take: Take | Bytes) -> None:
        super().__init__(peer)
        self.tag, self.mark, self.size = tag, mark, size
        self.into = take if isinstance(take, np.ndarray) else None
        self.take = _filling(take) if isinstance(take, np.ndarray) else take
        self.order = 0
        self.next: Any = None
        self.last: Any = None


def _filling(into: Bytes) -> Take:
    def take(at: int, piece: Bytes) -> None:
        into[at : at + piece.size] = piece

    return take


class Message:
    """A message of ``size`` bytes that has arrived from ``peer``, or begins to.

    Transports extend it.
    """

    __slots__ = ("last", "mark", "next", "order", "peer", "size", "tag")

    def __init__(self, peer: int, tag: int, mark: int, size: int) -> None:
        self.peer, self.tag, self.mark, self.size = peer, tag, mark, size
        self.order = 0
        self.next: Any = None
        self.last: Any = None


M = TypeVar("M", bound=Message)


class Matching(Generic[M]):
    """The receives without a message and the messages without a receive, of one rank.

    A key is ``tag << 32 | peer + 1`` (`ANY` is 0): one int, and no object a queue, because a rank
    of a wide all-to-all has hundreds here and the garbage collector visits every container.
    """

    def __init__(self) -> None:
        self._receives: dict[int, Receive] = {}
        self._messages: dict[int, M] = {}
        self._order = 0
        self._anys = 0

    def post(self, receive: Receive) -> M | None:
        """Match a new receive.

        Returns the earliest message for it, or None if it now waits for one.
        """
        key = receive.tag << 32 | receive.peer + 1
        come = self._earliest(receive.tag) if receive.peer == ANY else key
        if come in self._messages:
            return _pop(self._messages, come)
        self._order = receive.order = self._order + 1
        self._anys += receive.peer == ANY
        _push(self._receives, key, receive)
        return None

    def arrive(self, message: M) -> Receive | None:
        """Match a new message.

        Returns the earliest receive for it, or None if it now waits for one.
        """
        key = message.tag << 32 | message.peer + 1
        if self._anys and self._any_is_first(key):
            self._anys -= 1
            return _pop(self._receives, message.tag << 32)
        if key in self._receives:
            return _pop(self._receives, key)
        self._order = message.order = self._order + 1
        _push(self._messages, key, message)
        return None

    def awaits(self, tag: int = -1, peer: int = ANY) -> bool:
        """True if any receive waits for a message.

        With ``tag`` and ``peer``, one that could match these.
        """
        if tag < 0 or not self._receives:
            return bool(self._receives)
        key = tag << 32
        return key in self._receives or key | peer + 1 in self._receives

    def pending(self, tag: int, peer: int) -> bool:
        """True if a message of ``tag`` from ``peer`` waits for a receive, or one for it."""
        key = tag << 32
        named = key | peer + 1
        return named in self._messages or named in self._receives or key in self._receives

    @property
    def empty(self) -> bool:
        """True if no receive waits for a message, and no message for a receive."""
        return not (self._receives or self._messages)

    def earliest(self, tag: int, peers: Sequence[int]) -> list[M]:
        """Remove and return the earliest message of ``tag`` from each peer that sent one."""
        if not self._messages:
            return []
        keys = (tag << 32 | peer + 1 for peer in peers)
        return [_pop(self._messages, key) for key in keys if key in self._messages]

    def messages(self) -> list[M]:
        """All messages that have no receive yet."""
        return [item for first in self._messages.values() for item in _queue(first)]

    def unclaimed(self) -> list[tuple[int, int]]:
        """Peer and tag of each arrived message that has no receive, earliest first."""
        come = sorted(self.messages(), key=lambda message: message.order)
        return [(message.peer, message.tag) for message in come]

    def forget(self, floor: int) -> list[M]:
        """Remove all receives and messages with tags below ``floor``; returns the messages."""
        gone = [
            item for key, first in self._messages.items() if key >> 32 < floor
            for item in _queue(first)
        ]  # fmt: skip
        for queues in (self._messages, self._receives):
            for key in [key for key in queues if key >> 32 < floor]:
                del queues[key]
        self._anys = sum(1 for receive in self.receives() if receive.peer == ANY)
        return gone

    def receives(self) -> list[Receive]:
        """All receives that have no message yet."""
        return [item for first in self._receives.values() for item in _queue(first)]

    def _any_is_first(self, key: int) -> bool:
        first = self._receives.get(key >> 32 << 32)
        named = self._receives.get(key)
        return first is not None and (named is None or first.order < named.order)

    def _earliest(self, tag: int) -> int:
        """The key of the earliest message of a tag; one that nothing has where there is none."""
        keys = [key for key in self._messages if key >> 32 == tag]
        return min(keys, key=lambda key: self._messages[key].order, default=-1)


Q = TypeVar("Q", bound=Receive | Message)

# A queue is its first item, which knows the last; each knows the next. `last` of a lone item is
# None and not itself, or every item would be a cycle for the garbage collector.


def _push(queues: dict[int, Any], key: int, item: Receive | Message) -> None:
    first = queues.setdefault(key, item)
    if first is not item:
        (first.last or first).next = item
        first.last = item


def _pop(queues: dict[int, Q], key: int) -> Q:
    first = queues.pop(key)
    if first.next is not None:
        queues[key] = first.next
        first.next.last = first.last if first.last is not first.next else None
        first.next = first.last = None
    return first


def _queue(first: Q) -> list[Q]:
    items: list[Any] = [first]
    while items[-1].next is not None:
        items.append(items[-1].next)
    return items


def refusal(rank: int, receive: Receive, message: Message) -> CallMismatch | None:
    """The error if ``message`` is not what ``receive`` of ``rank`` expects; None if it is."""
    if message.size == receive.size and message.mark == receive.mark:
        return None
    return CallMismatch(
        f"rank {rank} waits for {receive.size} bytes from rank {message.peer} in call "
        f"{receive.mark:#010x}, and rank {message.peer} has sent {message.size} bytes in call "
        f"{message.mark:#010x} (tag {receive.tag:#x})"
    )


def new_receive(
    rank: int, ranks: int, peer: int, tag: int, mark: int, size: int, take: Take | Bytes
) -> Receive:
    """A receive of rank ``rank`` of ``ranks``, to be posted; the rest as in `Transport.receive`.

    Raises `TransportError` if ``peer`` is no rank.
    """
    if peer != ANY:
        check_peer(rank, ranks, peer)
    return Receive(peer, tag, mark, size, take)


def check_peer(rank: int, size: int, peer: int) -> None:
    """Raise `TransportError` if ``peer`` is not a rank of a world of ``size`` ranks."""
    if not 0 <= peer < size:
        raise TransportError(f"rank {rank} names rank {peer}; there are ranks 0 to {size - 1}")
