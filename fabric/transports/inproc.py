"""Transport between threads of one process: a large message is read where the sender has it."""

import ctypes
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fabric.failure import RankLost, TransportError, WorldError
from fabric.host.forked import Disowned, here, own
from fabric.transports.base import (
    ANY,
    SMALL,
    Bytes,
    Counted,
    ExposedMemory,
    Many,
    PeerMemory,
    Rendezvous,
    Request,
    Resumable,
    Take,
    run_as,
)
from fabric.transports.many import Bundle, Collection
from fabric.transports.matching import Matching, Message, Receive, check_peer, new_receive, refusal


class ThreadMemory(ExposedMemory):
    """The `PeerMemory` of ranks that are threads of one process."""

    in_place = True

    def read(self, rank: int, there: ArrayLike, here: ArrayLike, sizes: ArrayLike) -> None:
        """Copy stretches of another thread's memory; see `PeerMemory.read`.

        Code that can use the addresses as they are does so instead.
        """
        columns = np.broadcast_arrays(there, here, sizes)
        for source, target, size in zip(*(column.tolist() for column in columns), strict=True):
            ctypes.memmove(target, source, size)


class _Parcel(Message):
    """A message in a mailbox.

    ``request``: ends when the message was ``taken``; None if it is done already.
    """

    __slots__ = ("data", "request", "taken")

    def __init__(self, peer: int, tag: int, mark: int, data: Bytes, sent: Request | None) -> None:
        super().__init__(peer, tag, mark, data.size)
        self.data, self.request, self.taken = data, sent, False


_ALL_TAGS = 1 << 64


class _Mailbox:
    """What others have sent to a rank: parcels, bundles, and None for each of its parcels taken.

    Appending and popping at the two ends of a deque are atomic, so the lock is no mutex: it is what
    the owner sleeps on, released by whoever finds it sleeping. Bundles wake the owner only when
    there are ``enough`` in the ``tally`` of those of the ``tag`` that it waits for (`ANY`: of all),
    anything else (``urgent``) at once. ``floor``: parcels of the owner with tags below it are void,
    also where they lie in the boxes of others: their bytes are its own again.
    """

    __slots__ = (
        "bell", "closed", "enough", "floor", "items", "memory", "sleeping", "tag", "tally",
        "urgent",
    )  # fmt: skip

    def __init__(self) -> None:
        self.items: deque[_Parcel | Bundle | None] = deque()
        self.memory = ThreadMemory()
        self.sleeping = self.closed = self.urgent = False
        self.tag, self.enough, self.floor = ANY, 1, 0
        self.tally: list[Bundle] = []
        self.bell = Lock()
        self.bell.acquire()

    def put(self, item: _Parcel | None) -> None:
        self.items.append(item)
        self.urgent = True
        if self.sleeping:
            self.ring()

    def ring(self) -> None:
        self.sleeping = False
        try:
            self.bell.release()
        except RuntimeError:  # somebody else has rung
            return

    def wait(self, timeout: float, tag: int, enough: int) -> None:
        """Return when there is enough, somebody has rung, or the time is over."""
        self.tally, self.tag = [], tag
        # What is there already may be of that tag; some of it is in the tally, too: a wake-up that
        # comes early does no harm, one that does not come would.
        self.enough = enough - len(self.items)
        self.sleeping = True  # first this and then the look, or a put between them is missed
        if not self.urgent and len(self.tally) < self.enough:
            self.bell.acquire(timeout=timeout)
        self.sleeping = False


class Inproc:
    """A `fabric.transports.base.Transport` of one rank; ``boxes``: the mailboxes of all of them.

    ``memory``: lives as long as any rank does.
    """

    counted: Counted | None = None

    def __init__(self, rank: int, boxes: Sequence[_Mailbox]) -> None:
        self.rank, self.size = rank, len(boxes)
        self._boxes, self._box = boxes, boxes[rank]
        self.memory: PeerMemory | None = self._box.memory
        self._matching: Matching[_Parcel] = Matching()
        self._collections: dict[int, Collection] = {}
        # Bundles that nobody waits for yet, by tag, in the order in which they have come. Of one
        # tag and peer, what the matching has is always older.
        self._early: dict[int, list[Bundle]] = {}
        self._at_home = here()
        own(self)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        refused: Any = Disowned(error)
        self._boxes = self._box = refused

    @property
    def many(self) -> Many:
        """The transport itself: it can send and receive many messages in one call."""
        return self

    @property
    def resumable(self) -> Resumable:
        """The transport itself: a thread that ends takes nothing from others."""
        return self

    def survive(self) -> None:
        """Do nothing: a rank that is gone never ends more than the requests that need it."""

    def lose(self, peer: int) -> None:
        """Do nothing: its mailbox is closed."""

    def forget(self, floor: int) -> None:
        """Drop everything with tags below ``floor``; see `Resumable.forget`."""
        self._box.floor = floor
        for parcel in self._matching.forget(floor):
            self._release(parcel)
        for kept in (self._collections, self._early):
            for tag in [tag for tag in kept if tag < floor]:
                del kept[tag]

    def suspects(self) -> list[tuple[int, str]]:
        """None: no message is lost between threads."""
        return []

    def send(self, peer: int, tag: int, mark: int, data: Bytes) -> Request:
        """Put the message into the peer's mailbox: a small one copied, a large one by reference."""
        check_peer(self.rank, self.size, peer)
        self._check_open()
        request = Request(peer)
        box = self._boxes[peer]
        if data.size > SMALL:
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
        """Begin to receive; the message is taken now if it has arrived. See `Transport.receive`."""
        self._check_open()
        if tag in self._early:
            self._unpack(tag)
        receive = new_receive(self.rank, self.size, peer, tag, mark, size, take)
        parcel = self._matching.post(receive)
        if parcel is not None:
            self._deliver(receive, parcel)
        return receive

    def send_many(
        self, peers: Sequence[int], tag: int, mark: int, pieces: Sequence[bytes]
    ) -> Request:
        """Put one bundle into the mailboxes of all peers.

        Done at once, unless a peer has closed.
        """
        self._check_open()
        for peer in (min(peers), max(peers)):
            check_peer(self.rank, self.size, peer)
        bundle = Bundle(self.rank, tag, mark, dict(zip(peers, pieces, strict=True)))
        boxes = list(map(self._boxes.__getitem__, peers))
        _put_bundle(boxes, bundle)
        request = Request(peers[0])
        request.done = True
        for peer, box in zip(peers, boxes, strict=True):
            if box.closed and peer in bundle.pieces:  # see `send`
                _lost(request, peer)
        return request

    def receive_many(
        self, peers: Sequence[int], sizes: Sequence[int], tag: int, mark: int,
        take: Callable[[list[bytes]], None],
    ) -> Request:  # fmt: skip
        """Begin to receive from many; arrived messages are taken now. See `Many.receive_many`."""
        self._check_open()
        for peer in (min(peers), max(peers)):
            check_peer(self.rank, self.size, peer)
        collection = Collection(peers, sizes, tag, mark, take)
        for parcel in self._matching.earliest(tag, peers):
            self._collect(collection, parcel)
        later = collection.put_all(self.rank, self._early.pop(tag, ()))
        if later:
            self._early[tag] = later
        if collection.lacks:
            self._collections[tag] = collection
        return collection

    def progress(self, timeout: float) -> bool:
        """Deliver arrived messages; see `Transport.progress`."""
        box = self._box
        items = box.items
        if timeout > 0:
            tag, enough = self._enough()
            if not box.urgent and len(items) < enough:
                box.wait(timeout, tag, enough)
        box.urgent = False  # before the look: what comes from now on says so again
        # What comes meanwhile is for the next time, or this might never end.
        come = [items.popleft() for _ in range(len(items))]
        for of, alike in itertools.groupby(come, _tag_of_bundle):
            if of is not None:
                self._open(of, alike)
                continue
            for item in alike:
                if isinstance(item, _Parcel) and item.tag < box.floor:
                    self._discard(item)
                elif isinstance(item, _Parcel):
                    self._arrive(item)
        return bool(come)

    def abandon(self) -> None:
        """What others have not read yet is void, as its bytes may change; see `Transport`."""
        self._box.floor = _ALL_TAGS

    def unclaimed(self) -> list[tuple[int, int]]:
        """Peer and tag of each message that has arrived without a receive, earliest first."""
        for tag in list(self._early):
            self._unpack(tag)
        return self._matching.unclaimed()

    def wake(self) -> None:
        """End the present or the next wait in `progress`."""
        self._box.ring()

    def close(self) -> None:
        """Close the mailbox; senders of messages that were not taken get a `RankLost`.

        Idempotent.
        """
        if not self._at_home():
            return
        self._box.closed = True
        while self._box.items:
            item = self._box.items.popleft()
            if isinstance(item, _Parcel):
                self._matching.arrive(item)
        for parcel in self._matching.messages():
            if parcel.request is not None:
                _lost(parcel.request, self.rank)
                self._boxes[parcel.peer].put(None)
        self._matching = Matching()
        self._collections.clear()
        self._early.clear()

    def _enough(self) -> tuple[int, int]:
        """How many bundles of a tag, or of `ANY`, may complete something that is waited for."""
        if not self._collections or self._matching.awaits():
            return ANY, 1
        lacks = {tag: len(collection.lacks) for tag, collection in self._collections.items()}
        return next(iter(lacks)) if len(lacks) == 1 else ANY, min(lacks.values())

    def _arrive(self, parcel: _Parcel) -> None:
        tag = parcel.tag
        collection = self._collections.get(tag)
        if collection is not None and parcel.peer in collection.lacks:
            self._collect(collection, parcel)
            return
        if tag in self._early:
            self._unpack(tag)
        receive = self._matching.arrive(parcel)
        if receive is not None:
            self._deliver(receive, parcel)

    def _open(self, tag: int, bundles: Iterable[Any]) -> None:
        """Open bundles of a tag that have come one after the other."""
        collection = None if tag < self._box.floor else self._collections.get(tag)
        if collection is not None:
            bundles = collection.put_all(self.rank, bundles)
            if not collection.lacks:
                del self._collections[tag]
        for bundle in bundles:
            if tag < self._box.floor:
                self._discard(bundle)
            elif self._matching.awaits(tag, bundle.peer):
                self._unwrap(bundle)
            else:
                self._early.setdefault(tag, []).append(bundle)

    def _collect(self, collection: Collection, parcel: _Parcel) -> None:
        parcel.taken = True
        if self._is_void(parcel):
            self._release(parcel)
            return
        if collection.put(self.rank, parcel.peer, parcel.mark, parcel.data.tobytes()):
            self._collections.pop(collection.tag, None)
        self._release(parcel)

    def _unpack(self, tag: int) -> None:
        """Have the early bundles of a tag matched one by one."""
        for bundle in self._early.pop(tag):
            self._unwrap(bundle)

    def _unwrap(self, bundle: Bundle) -> None:
        data = np.frombuffer(bundle.pieces.pop(self.rank), np.uint8)
        parcel = _Parcel(bundle.peer, bundle.tag, bundle.mark, data, None)
        receive = self._matching.arrive(parcel)
        if receive is not None:
            self._deliver(receive, parcel)

    def _check_open(self) -> None:
        if self._box.closed:
            raise TransportError(f"the transport of rank {self.rank} is closed", self.rank)

    def _deliver(self, receive: Receive, parcel: _Parcel) -> None:
        receive.peer = parcel.peer
        receive.error = refusal(self.rank, receive, parcel)
        parcel.taken = True
        if receive.error is None and parcel.size:
            receive.take(0, parcel.data)
        receive.done = not self._is_void(parcel)
        self._release(parcel)

    def _is_void(self, parcel: _Parcel) -> bool:
        """Whether the sender has its bytes back, and may have changed them while they were read."""
        return parcel.request is not None and parcel.tag < self._boxes[parcel.peer].floor

    def _discard(self, item: _Parcel | Bundle) -> None:
        """Take nothing of what belongs to a call that has failed."""
        if isinstance(item, Bundle):
            item.pieces.pop(self.rank)
        else:
            item.taken = True
            self._release(item)

    def _release(self, parcel: _Parcel) -> None:
        """The sender may do what it likes with its bytes again."""
        if parcel.request is not None:
            parcel.request.done = True
            self._boxes[parcel.peer].put(None)


def _put_bundle(boxes: Sequence[_Mailbox], bundle: Bundle) -> None:
    """Put a bundle into mailboxes: hundreds, often, so it is done in one function."""
    tag = bundle.tag
    for box in boxes:
        box.items.append(bundle)
        if box.tag == tag or box.tag == ANY:
            tally = box.tally
            tally.append(bundle)
            if box.sleeping and len(tally) >= box.enough:
                box.ring()


def _tag_of_bundle(item: _Parcel | Bundle | None) -> int | None:
    """The tag of a bundle; None for anything else."""
    return item.tag if type(item) is Bundle else None


def _lost(request: Request, peer: int) -> None:
    request.error = RankLost(f"rank {peer} has closed its transport: it takes no more", peer)
    request.done = True


@run_as("threads")
def connect(rank: int, size: int, exchange: Rendezvous) -> Inproc:
    """The transport of a rank that is a thread; ``exchange`` passes the mailboxes themselves."""
    return Inproc(rank, exchange(_Mailbox()))
