"""Transport between processes: shared memory on one host, ZeroMQ sockets between hosts."""

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fabric.failure import TransportError, WorldError
from fabric.host.cores import cores
from fabric.host.forked import again, here, own
from fabric.transports.base import (
    AskSent,
    Brief,
    BriefMove,
    Bytes,
    Counted,
    MadeAtOnce,
    Many,
    MayChange,
    PeerMemory,
    Rendezvous,
    Request,
    Resumable,
    Shared,
    Take,
    run_as,
)
from fabric.transports.matching import Matching, check_peer, new_receive
from fabric.transports.zmq.byte_ring import BORROWED, BRIEF, SHARED, Inlet, Outlet, fence
from fabric.transports.zmq.compiled_moves import RingEnds, made_at_once
from fabric.transports.zmq.doorbell import nameless
from fabric.transports.zmq.partial import IncomingMessage, Outgoing, begin
from fabric.transports.zmq.reach import Reach, find
from fabric.transports.zmq.shared_buffers import SharedBuffers
from fabric.transports.zmq.shm import ASLEEP
from fabric.transports.zmq.sockets import PeerSocket

SPIN = 200e-6
"""Seconds that an idle `progress` looks again and again before it sleeps. To fall asleep and be
woken takes some 50 us, so a rank that would be woken sooner is better off awake."""


class _Self:
    """The connection of a rank to itself."""

    closed = False

    def __init__(self, begin: Callable[[IncomingMessage], None]) -> None:
        self._begin = begin

    def push(self, out: Outgoing) -> bool:
        message = IncomingMessage(out.request.peer, out.tag, out.mark, out.data.size)
        self._begin(message)
        if out.data.size:
            message.feed(out.data)
        out.at = out.data.size
        out.request.done = True
        return True


class Zmq:
    """A `fabric.transports.base.Transport` of one rank; made by `connect`."""

    many: Many | None = None
    most = BRIEF

    def __init__(self, ways: Reach) -> None:
        self.rank, self.size = ways.rank, ways.size
        self.memory: PeerMemory | None = ways.memory
        self._ways, self._sockets = ways, ways.sockets
        self._matching: Matching[IncomingMessage] = Matching()
        self._paths: dict[int, Outlet | PeerSocket | _Self] = {}
        self._paths[self.rank] = _Self(self._begin)
        self._outlets: list[Outlet] = []
        self._inlets: dict[int, Inlet] = {}
        self._amid: set[int] = set()
        self._shared: SharedBuffers | None = None
        if ways.home is not None:
            self._shared = SharedBuffers(self.rank, ways.home.token, fence())
            for neighbour in ways.neighbours:
                lends = neighbour.rank in ways.readers
                outlet = Outlet(ways.home, neighbour, lends, self._shared)
                self._paths[neighbour.rank] = outlet
                self._outlets.append(outlet)
                inlet = Inlet(ways.home, neighbour, self._begin, len(ways.neighbours), self._amid)
                self._inlets[neighbour.rank] = inlet
                self._shared.opened[neighbour.rank] = inlet.buffers
        self._queues: dict[int, deque[Outgoing]] = {}
        self._woken = self._closed = False
        self._floor = 0
        self._fence = fence()
        self._at_home = here()
        self._disowned: WorldError | None = None
        own(self)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`.

        Rings and sockets stay as they are, since they belong to the rank.
        """
        self._closed, self._disowned = True, error
        self._let_go()

    @property
    def dropped(self) -> int:
        """The number of malformed frames that have arrived."""
        return self._sockets.dropped if self._sockets else 0

    def send(self, peer: int, tag: int, mark: int, data: Bytes) -> Request:
        """Begin to send.

        As much as there is room for is written at once, if no earlier message waits.
        """
        path = self._paths.get(peer) or self._connected(peer)
        request = Request(peer)
        out = Outgoing(request, tag, mark, data)
        queue = self._queues.get(peer)
        if path.closed:
            out.lost()
        elif queue is not None:
            queue.append(out)
        elif not path.push(out) or out.at < data.size:
            self._queues[peer] = deque((out,))
        return request

    def receive(self, peer: int, tag: int, mark: int, size: int, take: Take | Bytes) -> Request:
        """Begin to receive; what has arrived is taken at once. See `Transport.receive`."""
        if self._closed:
            self._check_open()
        receive = new_receive(self.rank, self.size, peer, tag, mark, size, take)
        message = self._matching.post(receive)
        if message is not None:
            message.meet(self.rank, receive)
        return receive

    @property
    def shared(self) -> Shared | None:
        """Buffers that the ranks of this host share, where files without a name can be opened."""
        return self._shared if nameless() else None

    @property
    def brief(self) -> Brief:
        """The transport itself, between ranks that share memory."""
        return self

    def put(self, peer: int, tag: int, mark: int, data: Bytes) -> bool:
        """Send a small message whole, at once, if that can be; see `Brief.put`."""
        path = self._paths.get(peer)
        if type(path) is not Outlet or data.size > BRIEF or peer in self._queues or path.closed:
            return False
        return path.put(tag, mark, data)

    def take(self, peer: int, tag: int, mark: int, size: int, until: float) -> Bytes | None:
        """The next message of ``tag`` from ``peer``, if it comes soon; see `Brief.take`."""
        inlet = self._inlets.get(peer)
        if inlet is None or BRIEF < size < SHARED or size > BORROWED:
            return None
        if inlet.wanted or self._matching.pending(tag, peer):
            return None
        while not inlet.come():
            if self._woken or time.perf_counter() >= until:
                return None
            os.sched_yield()
        return inlet.take(tag, mark, size)

    def taken(self, peer: int) -> None:
        """Nobody reads what `take` has returned any more; see `Brief.taken`."""
        self._inlets[peer].taken()

    def at_once(
        self, moves: Sequence[BriefMove | MayChange], combine: np.ufunc | None,
        dtype: np.dtype[Any] | None,
    ) -> MadeAtOnce | None:  # fmt: skip
        """What makes ``moves`` in one go, where that was compiled; see `Brief.at_once`."""
        outlets = {outlet.neighbour.rank: outlet for outlet in self._outlets}
        if self._shared is None:
            return None
        # Copies: what compiled code reads has to stay while another thread closes the transport.
        crowded = len(self._inlets) >= cores()  # with this rank there are more
        ends = RingEnds(outlets, dict(self._inlets), self._shared, self._idle, crowded)
        return made_at_once(moves, combine, dtype, ends)

    def under_way(self, peer: int, data: Bytes) -> Request | None:
        """What says when a message has left that was made in one go; see `Brief.under_way`."""
        path = self._paths.get(peer)
        if type(path) is not Outlet or not path.unsettled or data.size < SHARED:
            return None
        out = Outgoing(Request(peer), 0, 0, data)
        path.resume(out)
        return out.request

    def _idle(self) -> bool:
        """Whether nothing is under way or has come without being taken, and no thread waits."""
        return not (self._queues or self._amid or self._woken) and self._matching.empty

    def progress(self, timeout: float) -> bool:
        """Move what can be moved; see `Transport.progress`.

        It polls for a short while before it sleeps.
        """
        if self._closed:
            self._check_inherited()
            return False
        moved = self._pump() or (timeout > 0 and (self._spin(timeout) or self._sleep(timeout)))
        self._woken = False
        return moved

    def unclaimed(self) -> list[tuple[int, int]]:
        """Peer and tag of each message that has arrived without a receive, earliest first."""
        return self._matching.unclaimed()

    @property
    def counted(self) -> Counted:
        """The transport itself, which counts the frames that it sends over sockets."""
        return self

    def sent(self, peer: int) -> int:
        """The number of frames sent to ``peer`` over a socket; shared memory loses none."""
        return self._sockets.sent(peer) if self._sockets else 0

    def ask(self, ask: AskSent) -> None:
        """From now on, ask for the frames of a peer after a cut; does nothing without sockets."""
        if self._sockets is not None:
            self._sockets.connections.watch(ask, self._awaited)

    @property
    def resumable(self) -> Resumable:
        """The transport itself: what a rank that is gone has written stays readable."""
        return self

    def survive(self) -> None:
        """From now on a rank that is found gone ends only the requests that need it."""
        for neighbour in self._ways.neighbours:
            neighbour.survives = True
        if self._sockets is not None:
            self._sockets.connections.survives = True

    def lose(self, peer: int) -> None:
        """Send nothing to ``peer`` any more, which is lost; what has come from it stays."""
        for neighbour in self._ways.neighbours:
            if neighbour.rank == peer:
                neighbour.lost = True
        if self._sockets is not None:
            self._sockets.lose(peer)
        for out in self._queues.pop(peer, ()):
            out.lost()

    def forget(self, floor: int) -> None:
        """Drop everything with tags below ``floor``; see `Resumable.forget`."""
        self._floor = floor
        if self._ways.home is not None:
            self._ways.home.recall(floor)
            self._fence()
        for peer, queue in list(self._queues.items()):
            kept = deque(out for out in queue if out.begun or out.tag >= floor)
            for out in kept:
                if out.tag < floor:  # its frame has to be completed, from memory that stays
                    out.data = out.data.copy()
            if kept:
                self._queues[peer] = kept
            else:
                del self._queues[peer]
        for inlet in self._inlets.values():
            inlet.forget(floor)
        if self._sockets is not None:
            self._sockets.forget(floor)
        for message in self._matching.forget(floor):
            message.discard()

    def suspects(self) -> Sequence[tuple[int, str]]:
        """Ranks whose frames were lost where a connection was cut, since the last call."""
        if self._sockets is None:
            return ()
        found, self._sockets.connections.suspects = self._sockets.connections.suspects, []
        return found

    def _awaited(self) -> Iterable[int]:
        waiting = (receive.peer for receive in self._matching.receives())
        return {*waiting, *(self._sockets.coming() if self._sockets else ())}

    def wake(self) -> None:
        """End the present or the next wait in `progress`."""
        if not self._closed:
            self._woken = True
            ways = self._ways  # once: another thread may close the transport
            ways.bell.ring()
            if ways.home is not None:
                ways.home.arena.rouse()

    def abandon(self) -> None:
        """Whoever reads what this rank has lent has an error from now on; see `Transport`."""
        if not self._closed and self._ways.home is not None:
            self._ways.home.shut()
            self._fence()

    def close(self) -> None:
        """Close the transport; what was sent can still be received.

        In a forked child it does nothing.
        """
        if self._closed or not self._at_home():
            return
        self._closed = True
        if self._ways.home is not None:  # before anything that others may be reading is let go
            self._ways.home.shut()
            self._fence()
        ways = self._let_go()
        if ways.home is not None:
            for neighbour in ways.neighbours:
                neighbour.nudge()
        ways.leave()

    def _let_go(self) -> Reach:
        """Nothing of this object keeps memory mapped any longer; what it had."""
        for kept in (self._paths, self._outlets, self._inlets, self._queues):
            kept.clear()
        self._matching = Matching()
        ways, self._sockets = self._ways, None
        self._ways = replace(ways, home=None, neighbours=(), sockets=None)
        return ways

    def _begin(self, message: IncomingMessage) -> None:
        if message.tag < self._floor:
            message.discard()
            return
        begin(self.rank, self._matching, message)

    def _check_open(self) -> None:
        if self._closed:
            self._check_inherited()
            raise TransportError(f"the transport of rank {self.rank} is closed", self.rank)

    def _check_inherited(self) -> None:
        if self._disowned is not None:
            raise again(self._disowned)

    def _connected(self, peer: int) -> PeerSocket:
        self._check_open()
        check_peer(self.rank, self.size, peer)
        if self._sockets is None:
            raise TransportError(f"rank {self.rank} has no way to rank {peer}", peer)
        wire = self._sockets.connect(peer, *self._ways.peers[peer])
        self._paths[peer] = wire
        return wire

    def _pump(self) -> bool:
        moved = False
        for inlet in self._inlets.values():
            if inlet.pull():
                moved = True
            if inlet.wanted:
                inlet.fetch()
                moved = True
        for outlet in self._outlets:
            if outlet.lent and outlet.settle():
                moved = True
        if self._sockets is not None and self._sockets.pull(self._begin):
            moved = True
        if self._queues and self._push():
            moved = True
        return moved

    def _push(self) -> bool:
        """Go on with the first message that waits for each peer."""
        moved = False
        for peer, queue in list(self._queues.items()):
            out, path = queue[0], self._paths[peer]
            if path.push(out):
                moved = True
            if out.at == out.data.size:
                queue.popleft()
            elif path.closed:
                moved = True
                while queue:
                    queue.popleft().lost()
            if not queue:
                del self._queues[peer]
        return moved

    def _spin(self, timeout: float) -> bool:
        end = time.perf_counter() + min(timeout, SPIN)
        while not self._woken and time.perf_counter() < end:
            os.sched_yield()
            if self._pump():
                return True
        return False

    def _sleep(self, timeout: float) -> bool:
        home = self._ways.home
        if home is not None:
            home.arena.words[ASLEEP] = 1
            self._fence()
        # Whoever has written before the note was there will not ring: so look once more.
        moved = self._pump()
        if not moved and not self._woken:
            self._poll().poll(timeout * 1000)
        if home is not None:
            home.arena.words[ASLEEP] = 0
        self._ways.bell.listen()
        return moved or self._pump()

    def _poll(self) -> select.poll:
        poll = select.poll()
        poll.register(self._ways.bell.ear, select.POLLIN)
        if self._sockets is not None:
            self._sockets.watch(poll, self._queues)
        return poll


@run_as("processes")
def connect(rank: int, size: int, exchange: Rendezvous) -> Zmq:
    """The transport of a rank that is a process, over shared memory and ZeroMQ.

    All ranks call it; ``exchange`` passes addresses. Raises `TransportError`.
    """
    return Zmq(find(rank, size, exchange))
