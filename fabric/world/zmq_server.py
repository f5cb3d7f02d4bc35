"""The authority over ZeroMQ: a thread that hosts a `World` for ranks in other processes.

One ROUTER socket. A peer says hello first, with the world's token, and is a rank from then on (or
the launcher of a node); whatever else comes in from strangers is dropped, counted and logged. What
cannot be read of a rank ends the world, as that rank would wait for an answer for ever.
"""

import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import zmq

from fabric.failure import TimedOut, TransportError, WorldError, as_parts, in_words, report
from fabric.host.curve import Keys, check_address, gate, serve
from fabric.settings import Settings
from fabric.world.codec import WireError, tag
from fabric.world.counts import Counts
from fabric.world.messages import (
    Acknowledged,
    AskFrames,
    Beat,
    BeatReply,
    Begin,
    End,
    Expose,
    Fail,
    FrameCount,
    FrameMessage,
    FramesSent,
    Hello,
    Leave,
    Left,
    Lost,
    NodeRanks,
    Over,
    Refused,
    ToAuthority,
    ToRank,
    Welcome,
)
from fabric.world.wire import pack_replies, unpack_hello
from fabric.world.world import AFTERWORDS, World
from fabric.world.zmq_admission import has_left, knows, refusal
from fabric.world.zmq_peers import JoinedPeers, Peer
from fabric.world.zmq_watch import PeerWatch

RANKS_LOOK = 0.05
"""Seconds between two looks at the ranks' processes and at the time."""

UNNOTED = frozenset((Beat, Over, AskFrames, FrameCount))
"""What a rank's line sends by itself."""

BUSY = 1.0
"""Seconds that the authority has to note that ranks are late: it may be compiling an engine."""

PARTING = 5.0
"""Seconds that it has to end what it computes when it is closed."""

UNTOLD = 1 << 12
"""Calls of a rank after which it is told that they were handled; so many less than
`fabric.world.zmq_client.BACKLOG` that it never waits for that."""

AT_ONCE = 64
"""Messages that are taken before answers are sent: who floods the authority delays nobody."""

QUEUE = 64
"""Messages of a peer that wait at most; the rest waits where the peer has it."""

STRANGERS = 1000
"""Connections without the token that are remembered, whose messages are not even looked at."""

FRAME_MESSAGES = (AskFrames, FrameCount, FramesSent)
"""About lost frames. (A tuple, as `isinstance` takes several times as long for a union.)"""

OF_OTHERS = (NodeRanks, Lost, Left, Hello)
"""What no rank sends that is here already."""

MAX_MESSAGE = 1 << 28
"""Bytes of a message at most."""

HELLO = 4096
"""Bytes of a hello at most."""

_LOG = logging.getLogger("triplane")


class Server:
    """Hosts ``world`` at ``address``, from now until `close`.

    ``bind``: a ZeroMQ endpoint; ``tcp://ADDRESS:*`` takes any port that is free. ``token``: what
    a hello must bring. ``watch``: whether it looks itself whether ranks of this host live; a
    launcher knows better. Raises `TransportError` for an address that is in use, or that needs
    keys.
    """

    def __init__(
        self, world: World, settings: Settings, bind: str, *,
        token: str = "", keys: Keys | None = None, watch: bool = False,
    ) -> None:  # fmt: skip
        check_address(bind, keys)
        self.world, self.dropped = world, 0
        self._counts = Counts(world.size)
        self._settings, self._token = settings, token
        self.peers = JoinedPeers(settings.copies(world.size))
        self._watch = PeerWatch(
            self.peers, settings, watch, self._miss, lambda identity: self._send(identity, [])
        )
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._strangers: set[bytes] = set()
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._looked = 0.0
        self._closing = self._ended = self._crowded = False
        self._overdue = math.inf, 0.0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        world.reach_far(keys)
        self._gate = gate(self._context, bind, keys, token)
        self._socket = self._context.socket(zmq.ROUTER)
        self.address = self._bind(bind, keys)
        self._ear, self._bell = os.pipe()
        self._thread = threading.Thread(target=self._run, name="triplane authority", daemon=True)
        self._thread.start()

    def order(self, do: Callable[[], None], delay: float = 0.0) -> None:
        """Have the server's thread call ``do``, ``delay`` seconds after handling what is in."""
        self._orders.put(lambda: self._due.append((time.monotonic() + delay, do)))
        os.write(self._bell, b"!")

    def expect(self, nodes: Mapping[int, range], patience: float) -> None:
        """End the world with `TimedOut` if one of these has not come in ``patience`` seconds.

        ``nodes``: by number, the ranks that each node's launcher has.
        """

        def look() -> None:
            come = {peer.ranks for _, peer in self.peers.everybody() if peer.rank is None}
            missing = [f"node {node}" for node, ranks in nodes.items() if ranks not in come]
            if missing:
                has = "have" if missing[1:] else "has"
                why = f"{', '.join(missing)} {has} not come within {patience:g} s"
                self.world.stop(TimedOut(why))

        self.order(look, patience)

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None:
        """Report, in ``delay`` seconds, that ``rank`` is gone.

        ``cause``: ``"was killed by SIGKILL"``.
        """
        self.order(lambda: self.world.lost(rank, cause, time.monotonic()), delay)

    def failed(self, rank: int, error: BaseException) -> None:
        """Report that the program of ``rank`` has raised ``error``.

        No news if the rank said so itself.
        """
        message = Fail(*report(error, self.world.size))
        self.order(lambda: self.world.handle(rank, message, time.monotonic()))

    def left(self, rank: int) -> None:
        """Report that the process of ``rank`` has ended well."""
        self.order(lambda: self.world.handle(rank, Leave(), time.monotonic()), AFTERWORDS)

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """Report that these ranks have not ended in ``timeout`` seconds, which ends the world."""
        late = list(ranks)
        self._overdue = time.monotonic() + BUSY, timeout
        self.order(lambda: self.world.late(late, timeout))

    def ended(self) -> bool:
        """Whether something has ended the world before its time."""
        return self.error is not None

    @property
    def error(self) -> WorldError | None:
        """What has ended the world before its time, if anything has.

        A world whose emulator computes for long has ended, too, if its ranks are late.
        """
        if self.world.error is None and time.monotonic() > self._overdue[0]:
            limit = f"the ranks have not ended within {self._overdue[1]:g} s"
            return TimedOut(f"{limit}, in which the authority still computes what calls take")
        return self.world.error

    def rest(self) -> None:
        """Wait until other nodes have ended, too, or something has ended the world."""
        while self.error is None and (
            len(self.world.gone) < self.world.size
            or any(peer.rank is None for _, peer in self.peers.present())
        ):
            time.sleep(RANKS_LOOK)

    def late_news(self) -> bool:
        """True if the world has ended with an error that ranks may still have to be told."""
        return self.world.error is not None and (self._crowded or len(self.peers) < self.world.size)

    def close(self) -> None:
        """Stop the thread and close the sockets; ranks still there get no more answers.

        Idempotent.
        """
        if not self._closing:
            self._closing = True
            os.write(self._bell, b"!")
            self._thread.join(PARTING)
            if not self._thread.is_alive():  # else it computes, and ends when it has
                self.world.release_memory()
                os.close(self._bell)
                os.close(self._ear)

    def _bind(self, bind: str, keys: Keys | None) -> str:
        socket = self._socket
        socket.linger, socket.sndhwm, socket.rcvhwm = 500, 0, QUEUE
        socket.maxmsgsize, socket.ipv6 = MAX_MESSAGE, "[" in bind
        socket.router_mandatory = 1  # an error for whom there is no connection to any more
        serve(socket, bind, keys)
        try:
            socket.bind(bind)
        except zmq.ZMQError as error:
            if self._gate:
                self._gate.close()
            self._context.destroy(linger=0)
            raise TransportError(f"cannot listen at {bind}: {error.strerror}") from None
        return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    # The thread.

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._ear, zmq.POLLIN)
        if self._gate:
            poller.register(self._gate.socket, zmq.POLLIN)
        while not self._closing:
            began = time.monotonic()
            ready = dict(poller.poll(int(RANKS_LOOK * 1000)))
            if self._ear in ready:
                os.read(self._ear, 4096)
            if self._gate:
                self._gate.answer()
            self._guarded_turn()
            if time.monotonic() - began > RANKS_LOOK + self._settings.heartbeat / 2:
                self._excuse()
        self._guarded_turn()
        if self._gate:
            self._gate.close()
        self._context.destroy()

    def _guarded_turn(self) -> None:
        """A thread that died of a mistake here would leave every rank waiting."""
        try:
            self._turn()
        except Exception as error:
            _LOG.exception("the authority over the ranks has failed")
            self.world.stop(WorldError(f"internal error, {in_words(error)}"))

    def _turn(self) -> None:
        for _ in range(AT_ONCE):
            if not self._socket.poll(0):
                break
            self._receive(self._socket.recv_multipart())
        while not self._orders.empty():
            self._orders.get()()
        now = time.monotonic()
        due = [do for at, do in self._due if at <= now]
        self._due = [(at, do) for at, do in self._due if at > now]
        for do in due:
            do()
        if now - self._looked > RANKS_LOOK:
            self._looked = now
            self._watch.look(now)
        self.world.tick(now)
        self._deliver()

    def _excuse(self) -> None:
        """The authority itself was busy: nobody is to blame for not having been heard."""
        for _, peer in self.peers.everybody():
            peer.last_message = time.monotonic()

    def _receive(self, frames: list[bytes]) -> None:
        identity, *frames = frames
        peer = self.peers.get(identity)
        if identity in self._strangers:
            self._drop(len(frames), "of a stranger")
            return
        try:
            if peer is None:
                self._hello(identity, frames)
            else:
                peer.last_message = time.monotonic()
                self._take(identity, peer, frames)
        except (WireError, IndexError) as error:
            if peer is None:
                if len(self._strangers) < STRANGERS:
                    self._strangers.add(identity)
                self._drop(len(frames), error)
            else:
                self._unreadable(peer, error)

    def _drop(self, frames: int, error: object) -> None:
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, ...: a flood must not fill a disk
            _LOG.warning("dropped %d messages, the last of %d frames: %s",
                         self.dropped, frames, error)  # fmt: skip

    def _unreadable(self, peer: Peer, error: Exception) -> None:
        who = f"rank {peer.rank}" if peer.rank is not None else f"the launcher of {peer.ranks}"
        told = f"{who} has sent to the authority what it cannot read: {error}"
        self.world.stop(WorldError(told, peer.rank))

    def _take(self, identity: bytes, peer: Peer, frames: list[bytes]) -> None:
        messages = peer.unpacker.unpack(frames)
        now, rank = time.monotonic(), peer.rank
        for message in messages:
            if rank is not None and type(message) is Begin:  # most are, and cost a call its time
                self.world.handle(rank, message, now)
            elif isinstance(message, Beat):
                self._send(identity, [BeatReply(now)])
            elif rank is None:
                self._of_node(peer, message)
            elif isinstance(message, FRAME_MESSAGES):
                self._count(rank, message)
            elif isinstance(message, OF_OTHERS):
                raise WireError(f"rank {rank} sends {tag(type(message))}")
            elif isinstance(message, Expose) and not message.place.is_of(peer.pid):
                raise WireError(f"rank {rank} registers memory that is not its own")
            else:
                peer.left = peer.left or isinstance(message, Leave)
                self.world.handle(rank, message, now)
        if rank is not None:
            noted = [each for each in messages if type(each) not in UNNOTED]
            begun = [each.times for each in noted if type(each) is Begin]
            peer.handled += len(noted) - len(begun) + sum(begun)
            if peer.handled >= UNTOLD or len(begun) < len(noted):
                self._send(identity, [Acknowledged(peer.handled)])
                peer.handled = 0

    def _count(self, rank: int, message: FrameMessage) -> None:
        """What a rank's line says of lost frames: what the rank does is the same as before."""
        if self.world.error is None and rank not in self.world.gone:
            for other, reply in self._counts.handle(rank, message, self.world.gone):
                self._send_to_rank(other, [reply])

    def _of_node(self, peer: Peer, message: ToAuthority) -> None:
        """What the launcher of another node says of its ranks."""
        size = self.world.size
        match message:
            case Leave():
                peer.left = True
            case NodeRanks(first, end) if max(first, end) <= size:
                peer.ranks = range(first, end)
            case Lost(rank, cause) if rank < size:
                self.lost(rank, cause, AFTERWORDS)
            case Left(rank) if rank < size:
                self.left(rank)
            case _:
                raise WireError(f"the launcher of a node sends {message!r:.80}")

    def _hello(self, identity: bytes, frames: list[bytes]) -> None:
        if len(frames) != 1 or len(frames[0]) > HELLO:  # looked at before it costs anything
            raise WireError(f"a stranger says {sum(map(len, frames))} bytes")
        hello = unpack_hello(frames[0])
        why = refusal(hello, self.world, self.peers, self._token)
        if why:
            self._refuse(identity, hello, why)
            raise WireError(f"refused: {why}")
        world, settings = self.world, self._settings.as_json()
        self.peers.add(identity, hello, world.size, time.monotonic())
        here = os.getpid(), self.peers.host
        self._send(identity, [Welcome(settings, world.start, world.scale, *here)])
        if world.error is not None:
            self._send(identity, [End(*as_parts(world.error))])

    def _refuse(self, identity: bytes, hello: Hello, why: str) -> None:
        """Say why; if it is another job that has come here, this one ends, too."""
        self._send(identity, [Refused(why)])
        another = knows(hello, self._token) and not has_left(self.peers, hello.rank)
        if another and not self.peers.started(hello.pid, hello.host):
            self._crowded = True
            self.world.stop(WorldError(f"another job has come here: {why}"))

    def _miss(self, peer: Peer, what: str, delay: float) -> None:
        peer.gone = True
        if peer.rank is not None:
            self.lost(peer.rank, what, delay)
        for rank in peer.ranks:
            self.lost(rank, f"cannot be reached: its node's launcher {what}", delay)

    def _deliver(self) -> None:
        batches: dict[int, list[ToRank]] = {}
        for rank, reply in self.world.replies():
            batches.setdefault(rank, []).append(reply)
        for rank, replies in batches.items():
            self._send_to_rank(rank, replies)
        if self.world.error is not None and not self._ended:
            self._ended = True
            for identity, peer in self.peers.everybody():
                if peer.rank is None:
                    self._send(identity, [End(*as_parts(self.world.error))])

    def _send_to_rank(self, rank: int, replies: Sequence[ToRank]) -> None:
        identity = self.peers.connection(rank)
        if identity is not None:
            self._send(identity, replies)

    def _send(self, identity: bytes, replies: Sequence[ToRank]) -> None:
        try:
            self._socket.send_multipart([identity, pack_replies(replies)])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            peer = self.peers.get(identity)
            if peer is not None and peer.cut is None:
                peer.cut = time.monotonic()
