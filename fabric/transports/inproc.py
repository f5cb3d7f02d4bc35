"""Transport between threads of one process: a large message is read where the sender has it."""

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any

from fabric.failure import RankLost, TransportError, WorldError
from fabric.forked import Refused, here, own
from fabric.transport import ANY, Bytes, Exchange, Lender, Request, Take
from fabric.transports.matching import Matching, Message, Receive, check_peer, refusal

EAGER = 8192
"""Bytes up to which a message is copied when it is sent, so that its sender need not wait; one
copy of so many costs less than waking the sender."""


class _Parcel(Message):
    """A message; ``request`` ends when it was ``taken``, None where that does not matter."""

    __slots__ = ("data", "request", "taken")

    def __init__(self, peer: int, tag: int, mark: int, data: Bytes, sent: Request | None) -> None:
        super().__init__(peer, tag, mark, data.size)
        self.data, self.request, self.taken = data, sent, False


class _Mailbox:
    """What others have for a rank: parcels, and None for each of its own that was taken.

    Appending and popping at the two ends of a deque are atomic, so the lock is no mutex: it is
    what the owner sleeps on, released by whoever finds it sleeping.
    """

    __slots__ = ("bell", "closed", "items", "lender", "sleeping")

    def __init__(self) -> None:
        self.items: deque[_Parcel | None] = deque()
        self.lender = Lender()
        self.sleeping = self.closed = False
        self.bell = Lock()
        self.bell.acquire()

    def put(self, item: _Parcel | None) -> None:
        self.items.append(item)
        if self.sleeping:
            self.ring()

    def ring(self) -> None:
        self.sleeping = False
        try:
            self.bell.release()
        except RuntimeError:  # somebody else has rung
            return

    def wait(self, timeout: float) -> None:
        """Return when there is something, somebody has rung, or the time is over."""
        self.sleeping = True  # first this and then the look, or a put between them is missed
        if not self.items:
            self.bell.acquire(timeout=timeout)
        self.sleeping = False


class Inproc:
    """A `fabric.transport.Transport` of one rank; ``boxes``: the mailboxes of all of them.

    ``lender``: see `fabric.transport.lender`; it lives as long as any rank does.
    """

    def __init__(self, rank: int, boxes: Sequence[_Mailbox]) -> None:
        self.rank, self.size = rank, len(boxes)
        self._boxes, self._box = boxes, boxes[rank]
        self.lender = self._box.lender
        self._matching: Matching[_Parcel] = Matching()
        self._at_home = here()
        own(self)

    def disown(self, error: WorldError) -> None:
        """See `fabric.forked`."""
        refused: Any = Refused(error)
        self._boxes = self._box = refused

    def send(self, peer: int, tag: int, mark: int, data: Bytes) -> Request:
        """Put the message into the peer's mailbox."""
        check_peer(self.rank, self.size, peer)
        self._check_open()
        request = Request(peer)
        box = self._boxes[peer]
        if data.size > EAGER:
            parcel = _Parcel(self.rank, tag, mark, data, request)
        else:
            request.done = True
            parcel = _Parcel(self.rank, tag, mark, data.copy(), None)
        box.put(parcel)
        # Looked at after the put: either this or the peer's close sees the parcel, unless the peer
        # has taken it and then closed.
        if box.closed and not parcel.taken:
            _lost(request, peer)
        return request

    def receive(self, peer: int, tag: int, mark: int, size: int, take: Take | Bytes) -> Request:
        """Take the message now where it has come already."""
        if peer != ANY:
            check_peer(self.rank, self.size, peer)
        self._check_open()
        receive = Receive(peer, tag, mark, size, take)
        parcel = self._matching.post(receive)
        if parcel is not None:
            self._deliver(receive, parcel)
        return receive

    def progress(self, timeout: float) -> bool:
        """Deliver what has come."""
        items = self._box.items
        if not items and timeout > 0:
            self._box.wait(timeout)
        come = len(items)  # what comes meanwhile is for the next time, or this might never end
        for _ in range(come):
            parcel = items.popleft()
            if parcel is None:
                continue
            receive = self._matching.arrive(parcel)
            if receive is not None:
                self._deliver(receive, parcel)
        return come > 0

    def unclaimed(self) -> list[tuple[int, int]]:
        """What the matching has kept."""
        return self._matching.unclaimed()

    def wake(self) -> None:
        """Ring the bell, so that the next or present wait ends."""
        self._box.ring()

    def close(self) -> None:
        """Tell the senders of what was not taken that it never will be."""
        if not self._at_home():
            return
        self._box.closed = True
        while self._box.items:
            parcel = self._box.items.popleft()
            if parcel is not None:
                self._matching.arrive(parcel)
        for parcel in self._matching.messages():
            if parcel.request is not None:
                _lost(parcel.request, self.rank)
                self._boxes[parcel.peer].put(None)
        self._matching = Matching()

    def _check_open(self) -> None:
        if self._box.closed:
            raise TransportError(f"the transport of rank {self.rank} is closed", self.rank)

    def _deliver(self, receive: Receive, parcel: _Parcel) -> None:
        receive.peer = parcel.peer
        receive.error = refusal(self.rank, receive, parcel)
        receive.done = parcel.taken = True
        if receive.error is None and parcel.size:
            receive.take(0, parcel.data)
        if parcel.request is not None:
            parcel.request.done = True
            self._boxes[parcel.peer].put(None)


def _lost(request: Request, peer: int) -> None:
    request.error = RankLost(f"rank {peer} has closed its transport: it takes no more", peer)
    request.done = True


def connect(rank: int, size: int, exchange: Exchange) -> Inproc:
    """The transport of a thread; what is exchanged are the mailboxes themselves."""
    return Inproc(rank, exchange(_Mailbox()))
