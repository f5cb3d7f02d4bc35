"""The line of a rank in a process of its own: a thread talks to the authority over ZeroMQ.

What the rank notes is only put into a deque: the thread sends it when there are many messages, when
something waits for a reply, or after `FLUSH` seconds.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import zmq

from fabric.failure import AuthorityLost, TransportError, WorldError
from fabric.host.curve import Keys, join, on_this_host
from fabric.host.forked import here, own
from fabric.host.liveness import GONE, birth, host, state
from fabric.host.monitored import event_of
from fabric.host.waiting import Latch
from fabric.settings import Settings
from fabric.transports.base import Transport
from fabric.world.inbox import LEFT, Inbox
from fabric.world.line import Pacing
from fabric.world.messages import (
    AskFrames,
    Beat,
    BeatReply,
    Begin,
    CountFrames,
    Exchange,
    Fail,
    FrameCount,
    FramesReply,
    FramesSent,
    Hello,
    Leave,
    Over,
    Refused,
    ToAuthority,
    ToRank,
    Welcome,
)
from fabric.world.wire import REPEATED, VERSION, Packer, unpack_replies

BATCH = 64
"""Messages after which they are sent together."""

FLUSH = 0.02
"""Seconds that a message is held back at most."""

AGAIN = REPEATED // 2
"""Calls of one kind that are noted as one at most; a message has no more than two such."""

BACKLOG = 1 << 14
"""Messages that the authority may be behind; then the rank waits for it."""

AUTHORITY_LOOK = 0.25
"""Seconds between two looks at the authority's process."""

PARTING_PATIENCE = 5.0
"""Seconds that the thread is given to send the last of it. It has not even begun to run where an
exception out of a signal handler has come between its start and its first step."""

CONNECT_PATIENCE = 60.0
"""Seconds that a rank waits for the authority to be there."""


class _Calls:
    """So many ``times`` a call that its rank waits for, with ``begin`` as the first."""

    __slots__ = ("begin", "times")

    def __init__(self, begin: Begin) -> None:
        self.begin, self.times = begin, 1


class ProcessLine:
    """A connection to the authority: of a rank, or for ``rank`` None of the launcher of a node.

    To a rank it is a `fabric.world.line.Line`. ``users``: the threads that have made it, or begun
    calls. ``sent``: returns how many frames the rank has sent to another; called from the thread
    here.

    Raises `TransportError` if nobody answers within ``patience`` seconds, or the answer is no.
    """

    def __init__(
        self, address: str, rank: int | None, size: int, *,
        token: str = "", keys: Keys | None = None, patience: float = CONNECT_PATIENCE,
    ) -> None:  # fmt: skip
        self.address, self.inbox = address, Inbox()
        self._log: deque[ToAuthority | _Calls] = deque()
        self._packer, self._noted, self._looked = Packer(), 0, 0.0
        # Of what was noted last: the lock keeps the thread from sending it while it is counted.
        self._calls: _Calls | None = None
        self._counting = threading.RLock()
        self.users = {threading.get_ident()}
        self._welcome: Welcome | None = None
        self._trouble, self._closing = "", False
        self._known, self._at_home = Latch(), here()
        self.sent: Callable[[int], int] = lambda peer: 0
        self._frames: dict[tuple[int, int], tuple[int | None, bool] | None] = {}
        self.rank, self.size = -1 if rank is None else rank, size
        self._who = "the launcher of a node" if rank is None else f"rank {rank}"
        self._host, self._keyed = host(), keys is not None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._connect(keys, token)
        self._ear, self._bell = os.pipe()
        pid = os.getpid()
        self._log.append(Hello(VERSION, token, rank, size, pid, birth(pid), self._host))
        self._thread = threading.Thread(target=self._run, name="triplane control", daemon=True)
        self._thread.start()
        own(self)
        self._meet(patience, keys)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self.inbox.disown(error)

    def send(self, message: ToAuthority, now: bool = False) -> None:
        """Note ``message`` as `Line.send` does.

        Waits if the authority is `BACKLOG` messages behind.

        Raises `WorldError`.
        """
        if self._closing:
            raise WorldError(LEFT)
        self.inbox.check()
        if type(message) is Begin:  # for a class it takes a third of the time of isinstance
            self.users.add(threading.get_ident())
        elif type(message) is Exchange:
            self._check_json(message.mine)
        self.post(message)
        if now or len(self._log) % BATCH == 0:
            self.flush()
            self._keep_up()

    def again(self) -> bool:
        """Note the last call once more as `Line.again` does; it waits as `send`."""
        self.inbox.check()
        with self._counting:
            if self._calls is None or self._calls.times == AGAIN or self._closing:
                return False
            self._calls.times += 1
            self._noted += 1
        if self._noted % AGAIN == 0:
            self._keep_up()
        return True

    def awaited(self) -> AbstractContextManager[None]:
        """A context manager that does nothing: no message of another rank is held back here."""
        return nullcontext()

    def post(self, message: ToAuthority) -> None:
        """Note ``message`` even after the end of the world; see `Line.post`.

        Before a `Leave` it also notes how many frames the rank has sent.
        """
        if isinstance(message, Leave):
            sent = tuple(self.sent(peer) for peer in range(self.size))
            if any(sent):
                self.post(FramesSent(sent))
        with self._counting:
            self._calls = None
            if type(message) is Begin and message.waits:
                self._calls = _Calls(message)
            self._log.append(self._calls or message)
            self._noted += 1

    def _keep_up(self) -> None:
        """Wait if the authority is far behind."""
        if self._noted - self.inbox.acknowledged > BACKLOG:
            self.flush()
            self.inbox.wait(lambda: self._noted - self.inbox.acknowledged <= BACKLOG // 2)

    def flush(self) -> None:
        """Have the thread send what was noted."""
        os.write(self._bell, b"!")

    def count_frames(self, transport: Transport) -> None:
        """Let ranks ask each other how many frames ``transport`` has sent, if it counts."""
        counts = transport.counted
        if counts is not None:
            self.sent = counts.sent
            counts.ask(self.frames_of)

    def frames_of(self, peer: int, question: int) -> tuple[int | None, bool] | None:
        """The number of frames from ``peer`` to this rank, and whether it has left.

        None until known.

        It is an `AskSent`: the first call with a ``question`` asks the authority, later ones look.
        """
        if (peer, question) not in self._frames:
            self._frames[peer, question] = None
            self._log.append(AskFrames(peer, question))
            self.flush()
        return self._frames[peer, question]

    def drain(self, patience: float) -> None:
        """Wait until the authority has all that was noted, at most ``patience`` seconds."""
        due, noted = time.monotonic() + patience, self._noted
        self.flush()
        while self.inbox.acknowledged < noted and time.monotonic() < due:
            if not self._thread.is_alive() or self._trouble:
                return
            time.sleep(0.001)

    def close(self) -> None:
        """Send what was noted, then close. Idempotent; does nothing in a forked child."""
        if not self.closed:
            self._closing = True
            os.write(self._bell, b"!")
            if self._thread.is_alive():
                self._thread.join(PARTING_PATIENCE)
            if not self._thread.is_alive():
                os.close(self._bell)
                os.close(self._ear)

    @property
    def closed(self) -> bool:
        """True if it was closed, or belongs to the process that this one was forked from."""
        return self._closing or not self._at_home()

    @property
    def settings(self) -> Settings:
        """The settings of the world."""
        return Settings.from_json(self._welcomed.settings)

    def pacing(self) -> Pacing | None:
        """How paced time passes, None on virtual time; asks the authority's host for its clock."""
        welcome = self._welcomed
        if welcome.scale is None:
            return None
        return Pacing(welcome.start - self._ahead(welcome.host), welcome.scale)

    @property
    def _welcomed(self) -> Welcome:
        if self._welcome is None:
            raise WorldError(f"the authority at {self.address} has not answered yet")
        return self._welcome

    def _check_json(self, mine: object) -> None:
        try:
            json.dumps(mine)
        except (TypeError, ValueError, RecursionError) as error:
            told = f"rank {self.rank} cannot bring {mine!r:.80}, which is not JSON: {error}"
            raise WorldError(told, self.rank) from error

    def _ahead(self, host: str) -> float:
        """Seconds that the monotonic clock of the authority's host is ahead of this one's."""
        if host == self._host:
            return 0.0
        best, ahead = float("inf"), 0.0
        for _ in range(8):
            self._beaten.clear()
            sent = time.monotonic()
            self._log.append(Beat())
            self.flush()
            self._beaten.wait(1.0)
            way = time.monotonic() - sent
            if way < best:
                best, ahead = way, self._beat - sent - way / 2
        return ahead

    def _connect(self, keys: Keys | None, token: str) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.linger, socket.sndhwm, socket.rcvhwm = 1000, 0, 0
        socket.ipv6 = "[" in self.address
        if not on_this_host(self.address):  # libzmq's own thread answers, however busy the other is
            socket.heartbeat_ivl, socket.heartbeat_timeout = 500, 2000
        join(socket, self.address, keys, token)
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )  # fmt: skip
        self._beaten, self._beat = Latch(), 0.0
        socket.connect(self.address)
        return socket

    def _meet(self, patience: float, keys: Keys | None) -> None:
        answered = self._known.wait(patience)
        if answered and not self._trouble:
            return
        self.close()
        why = self._trouble or (
            f"nobody answers at {self.address} within {patience:g} s"
            + ("; does it have other keys?" if keys else "; does it ask for keys?")
        )
        raise TransportError(why)

    # The thread.

    def _run(self) -> None:
        poller = zmq.Poller()
        for waited in (self._socket, self._ear, self._monitor):
            poller.register(waited, zmq.POLLIN)
        try:
            while not self._closing:
                ready = dict(poller.poll(int(FLUSH * 1000)))
                if self._ear in ready:
                    os.read(self._ear, 4096)
                self._turn(ready)
            self._flush()
        except Exception as error:  # or the rank would wait for ever for a thread that is no more
            self._give_up(f"the line to the authority has failed: {error!r}")
        finally:
            self._socket.disable_monitor()
            self._monitor.close()
            self._socket.close()
            self._context.term()

    def _turn(self, ready: dict[Any, int]) -> None:
        events = []
        while self._monitor.poll(0):
            events.append(event_of(self._monitor)[0])
        self._flush()
        while self._socket.poll(0):
            for message in unpack_replies(self._socket.recv()):
                self._receive(message)
        for event in events:  # now, as what came in before a cut may say why
            self._hear(event)
        now = time.monotonic()
        if self._welcome is not None and now - self._looked > AUTHORITY_LOOK:
            self._looked = now
            self._look(self._welcome)

    def _flush(self) -> None:
        # Where the other end has refused the keys there is no way out, and a send would wait.
        while self._log and self._socket.poll(0, zmq.POLLOUT):
            batch = self._batch()
            try:
                frames = self._packer.pack(batch)
            except (TypeError, ValueError, RecursionError) as error:
                frames = self._packer.pack([self._unsent(error)])
            self._socket.send_multipart(frames)

    def _batch(self) -> list[ToAuthority]:
        """The messages to send next. A call that is among them is counted no further."""
        batch: list[ToAuthority] = []
        calls = 0
        with self._counting:
            while self._log and len(batch) < 16 * BATCH and calls < AGAIN:
                message = self._log.popleft()
                if message is self._calls:
                    self._calls = None
                if isinstance(message, _Calls):
                    calls += message.times
                    message = message.begin._replace(times=message.times)
                batch.append(message)
        return batch

    def _unsent(self, error: Exception) -> Fail:
        """Something that was noted cannot be sent: the rank ends, and the others learn why."""
        told = f"rank {self.rank} cannot tell the authority what it does: {error}"
        self._give_up(told)
        return Fail("WorldError", told, None if self.rank < 0 else self.rank)

    def _receive(self, message: ToRank) -> None:
        match message:
            case Welcome():
                self._welcome = message
                self._known.set()
            case Refused():
                self._give_up(message.why)
            case BeatReply():
                self._beat = message.wall
                self._beaten.set()
            case CountFrames(asker, question):
                self._log.append(FrameCount(asker, question, self.sent(asker)))
            case FramesReply(peer, question, frames, left):
                self._frames[peer, question] = frames, left
            case _:
                self.inbox.receive(message)

    def _hear(self, event: int) -> None:
        """End with the connection, as what was under way in a broken one is lost."""
        if event == zmq.EVENT_DISCONNECTED:
            if self._welcome:
                self._give_up(
                    f"{self._who} is cut off from the authority at {self.address}: the connection"
                    " is broken", AuthorityLost,
                )  # fmt: skip
        elif not self._welcome:
            mine, asks = ("keys", "has it none?") if self._keyed else ("token", "has it keys?")
            known = event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self._give_up(f"{self.address} refuses the {mine}" + ("" if known else f"; {asks}"))

    def _look(self, authority: Welcome) -> None:
        """Find that the authority is gone, or that the rank's own program is over."""
        if self.rank >= 0 and self._over():
            self._log.append(Over())
        if authority.host != self._host:
            self._log.append(Beat())
        elif state(authority.pid) == GONE:
            self._give_up(
                f"the authority over the ranks (process {authority.pid}) has ended", AuthorityLost
            )

    def _over(self) -> bool:
        """Whether the program is over, and its process only waits for threads or exit handlers.

        A thread that has joined or made calls, and that the process waits for, is the program too.
        """
        if threading.main_thread().is_alive():
            return False
        others = (t for t in threading.enumerate() if t.is_alive() and not t.daemon)
        return self.users.isdisjoint(other.ident for other in others)

    def _give_up(self, why: str, kind: type[WorldError] = WorldError) -> None:
        self._trouble = self._trouble or why
        self.inbox.stop(kind(why, None if self.rank < 0 else self.rank))
        self._known.set()
