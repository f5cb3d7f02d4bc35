"""The interface of transports, which move bytes from one rank to another: six methods.

A transport belongs to one rank and is used by one of its threads at a time; only `wake` may be
called while another thread is in `progress`. Between two ranks, messages of one tag arrive in the
order in which they were sent; messages of different tags are independent: a message without a
receive never holds up another.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fabric.failure import TransportError, WorldError

Bytes = NDArray[np.uint8]

ANY = -1
"""As the peer of a receive: whoever sends first."""

ALIGNMENT = 64
"""A message arrives in pieces; each but its last is a multiple of so many bytes long."""

Take = Callable[[int, Bytes], None]
"""``take(at, piece)``: the bytes from ``at`` of a message have come. Pieces come in order, whole
messages one after the other; ``piece`` must not be kept, it is the transport's own memory."""

Rendezvous = Callable[[Any], Sequence[Any]]
"""Gives every rank what each of them brought, in order of ranks; all ranks call it equally often.
What is exchanged is JSON (in one process: any object)."""

Connect = Callable[[int, int, Rendezvous], "Transport"]
"""``connect(rank, size, exchange)``: what an entry point of the group `ENTRY_POINTS` must be."""

ENTRY_POINTS = "triplane.transports"

SMALL = 8192
"""Bytes of a message up to which one copy more costs less than to make its sender wait."""


class PeerMemory(Protocol):
    """Means to read the memory of all ranks of the world, at addresses that they have sent.

    It belongs to the world: a rank that fails removes nothing that others are reading.
    ``in_place``: True if an address of another rank can be used in this process as it is.
    """

    in_place: bool

    def expose(self, what: Any) -> None:
        """Keep ``what`` alive, for others to read, until `withdraw` or the end of the world."""

    def withdraw(self, what: Any) -> None:
        """Release ``what``: nobody reads it any more."""

    def read(self, rank: int, there: ArrayLike, here: ArrayLike, sizes: ArrayLike) -> None:
        """Copy stretches of the memory of another rank from addresses ``there`` to ``here``.

        The arguments are addresses and sizes in bytes, int [stretches]. Raises `RankLost` if the
        rank is gone, `TransportError` if its memory cannot be read.
        """


def address_of(array: NDArray[Any]) -> int:
    """The address at which ``array`` begins in the memory of this process, for `PeerMemory`."""
    address: int = array.__array_interface__["data"][0]
    return address


class ExposedMemory:
    """What a rank keeps alive for others to read: the half of a `PeerMemory` that all share."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}

    def expose(self, what: Any) -> None:
        """Keep ``what`` alive, for other ranks to read; see `PeerMemory.expose`."""
        self._held[id(what)] = what

    def withdraw(self, what: Any) -> None:
        """Release ``what``; see `PeerMemory.withdraw`."""
        self._held.pop(id(what), None)


class Request:
    """A send or a receive in progress.

    ``peer``: the other rank (of a receive from `ANY`: the sender, once ``done``). ``error``: why it
    has failed, set together with ``done``.
    """

    __slots__ = ("done", "error", "peer")

    def __init__(self, peer: int) -> None:
        self.peer, self.done = peer, False
        self.error: WorldError | None = None

    def missing(self) -> Iterable[int]:
        """The ranks that the request still waits for; empty when it is done."""
        return () if self.done else (self.peer,)


class Transport(Protocol):
    """The interface of a transport; `fabric.transports.conformance` tests one.

    ``memory``: the means to read the memory of all ranks, if all of them can; else None.
    """

    rank: int
    size: int
    memory: PeerMemory | None

    @property
    def many(self) -> "Many | None":
        """Means to send and receive many messages in one call; None: there are none."""

    @property
    def counted(self) -> "Counted | None":
        """The count of frames, where connections may be cut; None: they are not counted."""

    # It may also have ``resumable: Resumable | None``, without which a world whose ranks use it
    # ends with the loss of one, ``brief: Brief``, without which small messages take longer,
    # ``shared: Shared | None``, without which large ones do, and ``abandon()``, which is called
    # where a call has failed and the rank can make no more: whoever still reads what it has sent,
    # where it lies, then has an error, as that may change from now on.

    def send(self, peer: int, tag: int, mark: int, data: Bytes) -> Request:
        """Begin to send ``data`` to ``peer``.

        Returns the request, until whose end ``data`` must not change.

        ``tag``: which stream of messages, 0 to 2**64 - 1. ``mark``: 0 to 2**32 - 1, a hash of the
        call as the sender knows it; it is compared with the receiver's. Never blocks, and is done
        (perhaps at once) without the receiver having asked for it where there is room.
        """

    def receive(self, peer: int, tag: int, mark: int, size: int, take: Take | Bytes) -> Request:
        """Begin to receive a message of ``size`` bytes from ``peer`` (or `ANY`).

        Returns its request.

        ``take`` is called from `progress`, or at once. It may be an array of ``size`` bytes, which
        is then filled; some transports do that with a copy less. A message of another mark or size
        ends the request with a `CallMismatch` that names both, and nothing is taken. Never blocks.
        """

    def unclaimed(self) -> Sequence[tuple[int, int]]:
        """Peer and tag of each message that has arrived, or begun to, without a receive.

        Earliest first.
        """

    def progress(self, timeout: float) -> bool:
        """Move what can be moved; returns True if anything was.

        If there is nothing to move, it waits up to ``timeout`` seconds for something. Raises
        `RankLost` for a peer that is found gone.
        """

    def wake(self) -> None:
        """Make a `progress` that waits in another thread return soon."""

    def close(self) -> None:
        """Release sockets, files and memory; unfinished requests are dropped. Idempotent."""


class Resumable(Protocol):
    """Means to go on after the loss of a rank: see `Transport.resumable`.

    The numbers of calls, which are the tags of their messages, rise from one loss to the next, so
    all that belongs to calls which have failed is below some tag.
    """

    def survive(self) -> None:
        """From now on a rank that is found gone ends the requests that need it, and nothing else.

        They may also stay as they are until `forget`.
        """

    def lose(self, peer: int) -> None:
        """Send nothing to ``peer`` any more, which is lost; what has come from it stays."""

    def forget(self, floor: int) -> None:
        """Drop all requests and messages with tags below ``floor``, also those that come later.

        When this returns nobody reads or writes what was given to them, or what is read of it is
        not taken.
        """

    def suspects(self) -> Sequence[tuple[int, str]]:
        """Ranks of which messages were lost on the way, and how, since the last call."""


MOMENT = 200e-6
"""Seconds in which a call that its rank waits for looks for the messages of a step alone, before it
moves whatever else there is."""


class BriefMove(NamedTuple):
    """Bytes of a call that are sent, taken or copied: ``size`` of them.

    ``peer``: to or from whom; None: they stay at this rank. ``source``, ``into``: where they are
    read and written, as number of a buffer (send, recv, work) and place in it; None where that is
    the peer's affair. ``combines``: whether they are combined with the items where they go, or with
    those from ``base`` of the send buffer on.
    """

    peer: int | None
    source: tuple[int, int] | None
    into: tuple[int, int] | None
    size: int
    combines: bool = False
    base: int | None = None


class MayChange(NamedTuple):
    """From here on, in a list of moves, the bytes that move number ``move`` sends may change."""

    move: int


class MadeAtOnce(Protocol):
    """Makes a list of `BriefMove` and `MayChange` in one go, as far as that can be done at once."""

    def __call__(self, tag: int, mark: int, send: Bytes, recv: Bytes, work: Bytes) -> int:
        """Make them in order; returns how many of the list are, before the first that cannot be."""


class Brief(Protocol):
    """Means to move small messages without requests, as far as they can be moved at once.

    They are messages like others: what was put may be received, and what was sent may be taken.
    ``most``: bytes of the largest ones that can be put; of what others share, more can be taken.
    """

    most: int

    def put(self, peer: int, tag: int, mark: int, data: Bytes) -> bool:
        """Send ``data`` whole, at once.

        False, with nothing sent, where there is no room, it is not small or others wait before it.
        """

    def take(self, peer: int, tag: int, mark: int, size: int, until: float) -> Bytes | None:
        """The next message of ``tag`` from ``peer``, where it is of this mark and size.

        It must be `taken` before anything else is done with the transport, and is read until then.
        None, with nothing received, where it has not come by ``until`` (of `time.perf_counter`),
        is not small, something else has come first, receives wait for it, or the rank is woken.
        """

    def taken(self, peer: int) -> None:
        """Nobody reads what `take` has returned any more."""

    def at_once(
        self, moves: Sequence[BriefMove | MayChange], combine: np.ufunc | None,
        dtype: np.dtype[Any] | None,
    ) -> MadeAtOnce | None:  # fmt: skip
        """What makes ``moves`` in one go, by compiled code; None where nothing can.

        ``combine``, ``dtype``: of what is combined. Messages that are not small are made only where
        they lie in buffers that ranks share, and each is to have its `MayChange`.
        """

    def under_way(self, peer: int, data: Bytes) -> Request | None:
        """Of the next message to ``peer`` that was made in one go: what says when it has left.

        ``data``: the message. None if it has. Asked of each, in order, where not all of a list was
        made.
        """


class SharedPlace(NamedTuple):
    """Where something lies in a buffer: its ``number``, its ``file`` in the owner, the byte."""

    number: int
    file: int
    at: int


class Shared(Protocol):
    """Means to allocate memory from which messages are read without being copied first."""

    def allocate(self, size: int, *, lasts: bool = False) -> Bytes:
        """A new buffer of ``size`` bytes, uint8, zeros; freed with the last array that shares it.

        ``lasts``: its bytes stay after that for ranks that have it open. Any thread may call it.
        Raises `TransportError` if there is no room.
        """

    def find(self, data: Bytes) -> SharedPlace | None:
        """Where ``data`` lies, if it lies in one buffer as a whole; else None."""

    def open(self, rank: int, place: SharedPlace, size: int) -> Bytes:
        """The ``size`` bytes at a place in a buffer of another ``rank``, not to be written.

        It is asked by the thread that makes progress. Raises `RankLost` if they are there no more.
        """

    def fence(self) -> None:
        """No load or store of this thread is moved across this call."""


class Many(Protocol):
    """Means to send or receive many small messages in one call: see `Transport.many`.

    They are messages like others: what is sent in one call may be received one by one, and the
    other way round.
    """

    def send_many(
        self, peers: Sequence[int], tag: int, mark: int, pieces: Sequence[bytes]
    ) -> Request:
        """Begin to send ``pieces[k]`` to each rank ``peers[k]``; no rank is named twice."""

    def receive_many(
        self, peers: Sequence[int], sizes: Sequence[int], tag: int, mark: int,
        take: Callable[[list[bytes]], None],
    ) -> Request:  # fmt: skip
        """Begin to receive ``sizes[k]`` bytes from each rank ``peers[k]``; no rank is named twice.

        ``take`` gets all the messages in that order, once they have arrived. The ranks' earlier
        receives of this tag must be done; there is one such request for a tag at a time.
        """


AskSent = Callable[[int, int], "tuple[int | None, bool] | None"]
"""``ask(peer, question)``: how many frames a peer has sent to this rank (None: it has left without
saying so), and whether it has left; None while that is not known. A question has one answer."""


class Counted(Protocol):
    """The count of the frames of a transport whose connections may be cut, so that some are lost.

    See `Transport.counted`.
    """

    def sent(self, peer: int) -> int:
        """The number of frames that were sent to ``peer``. Thread-safe."""

    def ask(self, ask: AskSent) -> None:
        """Have ``ask`` called after a connection was cut, for how many frames its peer has sent.

        `progress` then raises `RankLost` if some of them have not arrived.
        """


RANKS = ("threads", "processes", "mpi")
"""How the ranks of a world can run: as threads of one process, as processes, or under mpiexec."""

OURS = ("inproc", "zmq", "mpi")
"""The transports of this package; each stands for one of `RANKS`, in their order."""

Declared = TypeVar("Declared", bound=Connect)


def run_as(ranks: str) -> Callable[[Declared], Declared]:
    """A decorator for a `Connect`: it declares how ranks run that use it, as one of `RANKS`."""

    def declare(connect: Declared) -> Declared:
        connect.__dict__["ranks"] = ranks
        return connect

    return declare


def ranks_of(name: str) -> str:
    """The way in which ranks that use the transport ``name`` run, one of `RANKS`.

    "processes" unless it declares something else by `run_as`: what is exchanged is then JSON.
    Raises `TransportError` as `connector` does, or if it declares none of `RANKS`.
    """
    ranks = getattr(connector(name), "ranks", "processes")
    if ranks not in RANKS:
        raise TransportError(f"transport {name!r} runs as {ranks!r}; there are {', '.join(RANKS)}")
    return str(ranks)


def every_transport() -> tuple[str, ...]:
    """The names of all installed transports: `OURS`, then others."""
    return (*OURS, *(name for name in transports() if name not in OURS))


def transports() -> tuple[str, ...]:
    """The names of all transports that are installed, sorted."""
    from importlib.metadata import entry_points  # 15 ms, and ranks of a program need none of it

    return tuple(sorted(entry_points(group=ENTRY_POINTS).names))


@functools.cache  # a look for entry points reads the metadata of everything installed: 5 ms
def located(name: str) -> str:
    """Where the transport called ``name`` is: "module:function", which `connector` takes, too.

    Raises `TransportError` with the choices.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS, name=name):
        return f"{entry.module}:{entry.attr}"
    raise TransportError(f"no transport {name!r}; there are {', '.join(transports())}")


@functools.cache
def connector(name: str) -> Connect:
    """The function that connects a transport called ``name``, or where `located` says.

    Raises `TransportError` with the choices.
    """
    module, _, attributes = (name if ":" in name else located(name)).partition(":")
    found: Any = import_module(module)
    for attribute in attributes.split("."):
        found = getattr(found, attribute)
    connect: Connect = found
    return connect
