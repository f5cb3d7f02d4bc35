"""Control for a rank in a process of its own: a thread talks to the authority over ZeroMQ.

What the rank notes is a tuple in a deque, and nothing else: the thread makes messages of it, when
there are many, when something waits for an answer, or after `FLUSH` seconds.
"""

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from fabric.clock.pace import Pace
from fabric.failure import TransportError, WorldError, report
from fabric.host.curve import Keys, private
from fabric.host.forked import here, own
from fabric.host.liveness import GONE, birth, host, state
from fabric.host.waiting import Latch
from fabric.schedule.plan import Plan
from fabric.settings import Settings
from fabric.transports.base import Transport, counted
from fabric.world.control import Advice
from fabric.world.inbox import LEFT, Inbox, known
from fabric.world.wire import VERSION, Packer, parsed
from fabric.world.world import Record

BATCH = 64
"""Records after which a message is made of them."""

FLUSH = 0.02
"""Seconds that a record is held back at most."""

BACKLOG = 1 << 14
"""Records that the authority may be behind; then the rank waits for it."""

LOOK = 0.25
"""Seconds between two looks at the authority's process."""

PARTING = 5.0
"""Seconds that the thread is given to send the last of it. It has not even begun to run where an
exception out of a signal handler has come between its start and its first step."""

PATIENCE = 60.0
"""Seconds that a rank waits for the authority to be there."""


class Line:
    """A connection to the authority: of a rank, or for ``rank`` None of the launcher of a node.

    ``users``: the threads that have made it, or begun calls. ``sent``: how many frames the rank has
    sent to another; called from the thread here.

    Raises `TransportError` where nobody answers within ``patience`` seconds, or refuses.
    """

    def __init__(
        self, address: str, rank: int | None, size: int, *,
        token: str = "", keys: Keys | None = None, patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        self.address, self.inbox = address, Inbox()
        self._log: deque[Record] = deque()
        self._packer, self._noted, self._looked = Packer(), 0, 0.0
        self.users = {threading.get_ident()}
        self._welcome: dict[str, Any] = {}
        self._trouble, self._closing = "", False
        self._known, self._at_home = Latch(), here()
        self.sent: Callable[[int], int] = lambda peer: 0
        self._frames: dict[tuple[int, int], tuple[int | None, bool] | None] = {}
        self.rank = -1 if rank is None else rank
        self._host = host()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._connect(keys)
        self._ear, self._bell = os.pipe()
        me = ("hello", VERSION, token, rank, size, os.getpid(), birth(os.getpid()), self._host)
        self._log.append(me)
        self._thread = threading.Thread(target=self._run, name="triplane control", daemon=True)
        self._thread.start()
        own(self)
        self._meet(patience, keys)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use with ``error``; see `fabric.host.forked`."""
        self.inbox.disown(error)

    def note(self, record: Record, now: bool = False) -> None:
        """Add a record to the log; ``now``: and send it.

        Raises what has ended the world where the log was full, and `WorldError` after `close`.
        """
        if self._closing:
            raise WorldError(LEFT)
        self.inbox.check()
        self.add(record)
        if now or self._noted % BATCH == 0:
            os.write(self._bell, b"!")
            if self._noted - self.inbox.acknowledged > BACKLOG:
                self.inbox.wait(lambda: self._noted - self.inbox.acknowledged <= BACKLOG // 2)

    def add(self, record: Record) -> None:
        """Add a record to the log, however full it is."""
        self._log.append(record)
        self._noted += 1

    def flush(self) -> None:
        """Send what was noted soon."""
        os.write(self._bell, b"!")

    def frames_of(self, peer: int, question: int) -> tuple[int | None, bool] | None:
        """How many frames a peer has sent to this rank, once it is known: an `AskSent`."""
        if (peer, question) not in self._frames:
            self._frames[peer, question] = None
            self._log.append(("count", peer, question))
            self.flush()
        return self._frames[peer, question]

    def drain(self, patience: float) -> None:
        """Wait until all that was noted has been taken, but not longer than so many seconds."""
        due = time.monotonic() + patience
        os.write(self._bell, b"!")
        while self.inbox.acknowledged < self._noted and time.monotonic() < due:
            if not self._thread.is_alive() or self._trouble:
                return
            time.sleep(0.001)

    def close(self) -> None:
        """Send what was noted, and let go. Idempotent, and for the process that made it only."""
        if not self.closed:
            self._closing = True
            os.write(self._bell, b"!")
            if self._thread.is_alive():
                self._thread.join(PARTING)
            if not self._thread.is_alive():
                os.close(self._bell)
                os.close(self._ear)

    @property
    def closed(self) -> bool:
        """Whether it was closed, or belongs to the process that this one was forked from."""
        return self._closing or not self._at_home()

    @property
    def settings(self) -> Settings:
        """Those of the world."""
        return Settings.from_json(self._welcome["settings"])

    def pace(self) -> Pace | None:
        """On paced time, the wall clock as the authority reads it."""
        scale = self._welcome["paced"]
        if scale is None:
            return None
        return Pace(self._welcome["start"] - self._ahead(), scale, self.inbox.check)

    def _ahead(self) -> float:
        """Seconds that the authority's monotonic clock is ahead of this host's."""
        if self._welcome["host"] == self._host:
            return 0.0
        best, ahead = float("inf"), 0.0
        for _ in range(8):
            self._beaten.clear()
            sent = time.monotonic()
            self._log.append(("beat",))
            os.write(self._bell, b"!")
            self._beaten.wait(1.0)
            way = time.monotonic() - sent
            if way < best:
                best, ahead = way, self._beat - sent - way / 2
        return ahead

    def _connect(self, keys: Keys | None) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.DEALER)
        socket.linger, socket.sndhwm, socket.rcvhwm = 1000, 0, 0
        socket.ipv6 = "[" in self.address
        if not private(self.address):  # libzmq's own thread answers, however busy the other is
            socket.heartbeat_ivl, socket.heartbeat_timeout = 500, 2000
        if keys:
            keys.join(socket)
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
            | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        )  # fmt: skip
        self._beaten, self._beat = Latch(), 0.0
        socket.connect(self.address)
        return socket

    def _meet(self, patience: float, keys: Keys | None) -> None:
        come = self._known.wait(patience)
        if come and not self._trouble:
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
        while self._monitor.poll(0):
            self._hear(recv_monitor_message(self._monitor)["event"])
        self._flush()
        while self._socket.poll(0):
            for reply in parsed(self._socket.recv()):
                self._told(reply)
        now = time.monotonic()
        if self._welcome and now - self._looked > LOOK:
            self._looked = now
            self._look()

    def _flush(self) -> None:
        log = self._log
        # Where the other end has refused the keys there is no way out, and a send would wait.
        while log and self._socket.poll(0, zmq.POLLOUT):
            batch = [log.popleft() for _ in range(min(len(log), 16 * BATCH))]
            try:
                frames = self._packer.pack(batch)
            except (TypeError, ValueError, RecursionError) as error:
                frames = self._packer.pack([self._unsent(error)])
            self._socket.send_multipart(frames)

    def _unsent(self, error: Exception) -> Record:
        """Something among what was noted is no record: the rank ends, and the others learn why."""
        told = f"rank {self.rank} cannot tell the authority what it does: {error}"
        self._give_up(told)
        return "fail", "WorldError", told, None if self.rank < 0 else self.rank

    def _told(self, reply: list[Any]) -> None:
        if reply[0] == "welcome":
            self._welcome = reply[1]
            self._known.set()
        elif reply[0] == "refused":
            self._give_up(reply[1])
        elif reply[0] == "beat":
            self._beat = reply[1]
            self._beaten.set()
        elif reply[0] == "count":
            self._log.append(("counted", *reply[1:], self.sent(reply[1])))
        elif reply[0] == "counted":
            self._frames[reply[1], reply[2]] = reply[3], reply[4]
        else:
            self.inbox.told(reply)

    def _hear(self, event: int) -> None:
        """End with the connection, as what was under way in a broken one is lost."""
        if event == zmq.EVENT_DISCONNECTED:
            if self._welcome:
                self._give_up(f"the connection to the authority at {self.address} is broken")
        elif not self._welcome:
            self._give_up(f"{self.address} refuses the keys of this rank")

    def _look(self) -> None:
        """Find that the authority is gone, or that the rank's own program is over."""
        if self.rank >= 0 and self._over():
            self._log.append(("over",))
        if self._welcome["host"] != self._host:
            self._log.append(("beat",))
        elif state(self._welcome["pid"]) == GONE:
            pid = self._welcome["pid"]
            self._give_up(f"the authority over the ranks (process {pid}) has ended")

    def _over(self) -> bool:
        """Whether the program is over, and its process only waits for threads or exit handlers.

        A thread that has joined or made calls, and that the process waits for, is the program too.
        """
        if threading.main_thread().is_alive():
            return False
        others = (t for t in threading.enumerate() if t.is_alive() and not t.daemon)
        return self.users.isdisjoint(other.ident for other in others)

    def _give_up(self, why: str) -> None:
        self._trouble = self._trouble or why
        self.inbox.stop(WorldError(why))
        self._known.set()


class ZControl:
    """A `fabric.world.control.Control` over a `Line`."""

    def __init__(self, line: Line, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self._line, self._inbox = line, line.inbox
        self._pace = line.inbox.pace = line.pace()

    def count_frames(self, transport: Transport) -> None:
        """Have the frames of the rank's transport counted, where that can be cut off."""
        counts = counted(transport)
        if counts is not None:
            self._line.sent = counts.sent
            counts.ask(self._line.frames_of)

    def exchange(self, mine: Any) -> Sequence[Any]:
        """Wait until all have brought theirs."""
        try:
            json.dumps(mine)
        except (TypeError, ValueError, RecursionError) as error:
            told = f"rank {self.rank} cannot bring {mine!r:.80}, which is not JSON: {error}"
            raise WorldError(told, self.rank) from error
        self._line.note(("exchange", mine), now=True)
        return self._inbox.exchanged()

    def begin(self, op: int, group: tuple[int, ...], plan: Plan, call: str, operation: str) -> None:
        """Note it; on paced time with the time that the wall clock shows, and at once."""
        at = None if self._pace is None else self._pace.now()
        self._line.users.add(threading.get_ident())
        self._line.note(("begin", op, group, plan, call, operation, at), self._pace is not None)

    def wait(self, op: int) -> None:
        """Note it; on paced time wait for it."""
        self._line.note(("wait", op))
        if self._pace is not None:
            self._pace.wait(op)

    def compute(self, seconds: float) -> None:
        """Note it; on paced time sleep as long."""
        if self._pace is None:
            self._line.note(("compute", float(seconds)))
        else:
            self._pace.compute(seconds)

    def now(self) -> float:
        """Ask the authority, and wait for what it answers."""
        if self._pace is not None:
            return self._pace.now()
        return float(self._ask("now"))

    def times(self, op: int) -> tuple[float, float]:
        """Ask the authority, and wait for what it answers."""
        return known(self._ask("times", op), op)

    def mark(self, span: int, name: str | None) -> None:
        """Note it."""
        self._line.note(("mark", span, name, None if self._pace is None else self._pace.now()))

    def advise(
        self, op: str, group: tuple[int, ...], size: int, itemsize: int, root: int,
        algorithm: str | None,
    ) -> Advice | None:  # fmt: skip
        """Ask the authority, and wait for what it answers."""
        told = self._ask("advise", op, group, size, itemsize, root, algorithm)
        return None if told is None else Advice(*told)

    def blocked(self, op: int | None) -> None:
        """Send what was noted."""
        self._line.note(("blocked", op), now=True)
        self.check()

    def settle(self) -> None:
        """Ask the authority, and wait until it is so."""
        if not self._line.closed:
            self._ask("settle")

    def check(self) -> None:
        """Raise what has ended the world."""
        self._inbox.check()

    def fail(self, error: BaseException) -> None:
        """Tell the others, and wait a moment until it is told."""
        if self._line.closed:
            return
        self._line.add(("fail", *report(error, self.size)))
        self._line.drain(1.0)

    def leave(self) -> None:
        """Tell the others, and hang up."""
        if not self._line.closed:
            sent = [self._line.sent(peer) for peer in range(self.size)]
            if any(sent):
                self._line.add(("sent", sent))
            self._line.add(("leave",))
            self._line.close()

    def _ask(self, question: str, *about: Any) -> Any:
        return self._inbox.answer(
            lambda token: self._line.note((question, token, *about), now=True)
        )
