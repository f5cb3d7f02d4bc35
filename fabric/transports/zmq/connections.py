"""Which of the connections that other ranks have made to a socket were cut, and what was lost.

libzmq makes a connection that was cut anew, and says nothing of what was under way on it. So a cut
ends the world, unless its sender has left and all of its frames have come. The receiver asks the
authority, which knows who has left, and asks the others, who answer even while they compute.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import zmq

from fabric.failure import RankLost
from fabric.host.monitored import event_of
from fabric.transports.base import ANY, AskSent

CONNECTIONS_LOOK = 0.05
"""Seconds between two looks at the connections."""

FRAME_LOOKS = 12
"""Looks without a frame after which what was sent and has not come is lost: libzmq connects again
after 0.1 s, and sends what it still has. Looks, not seconds: a process may be stopped meanwhile."""

UNHEARD = 10
"""Looks between two questions to ranks of which no frame has ever come, where they are awaited."""


@dataclass
class _Doubt:
    """Frames of a rank may be lost.

    ``question``: the number of the question how many there are; ``at``: how many had come at the
    last look; ``looks``: looks since that number changed; ``cut``: True if a connection of the rank
    has certainly ended.
    """

    question: int
    at: int
    cut: bool
    looks: int = 0


class Connections:
    """The connections of other ranks to the PULL ``socket`` of ``rank``, which is not bound yet.

    ``come``: by rank, how many of its frames have come; the caller keeps it up to date.
    ``survives``: whether lost frames are an error of their sender only, kept in ``suspects``.
    """

    def __init__(
        self, rank: int, context: "zmq.Context[zmq.Socket[bytes]]", socket: "zmq.Socket[bytes]",
        come: Sequence[int],
    ) -> None:  # fmt: skip
        self._rank, self._socket, self._come = rank, socket, come
        self.survives = False
        self.suspects: list[tuple[int, str]] = []
        self._ask: AskSent | None = None
        self._awaited: Callable[[], Iterable[int]] = tuple
        self._ranks: dict[int, int] = {}
        self._doubts: dict[int, _Doubt] = {}
        self._questions = self._looks = 0
        self._strange = False
        self._events = context.socket(zmq.PAIR)
        self._events.linger = self._events.rcvhwm = 0  # no room would stop libzmq's own thread
        address = f"inproc://connections-{id(self)}"
        socket.monitor(address, zmq.EVENT_DISCONNECTED)
        self._events.connect(address)

    def watch(self, ask: AskSent, awaited: Callable[[], Iterable[int]]) -> None:
        """From now on, look for lost frames, and ``ask`` how many there are.

        ``awaited``: returns the ranks from which messages are awaited, `fabric.transports.base.ANY`
        for messages from any rank.
        """
        self._ask, self._awaited = ask, awaited

    def heard(self, source: int, part: zmq.Frame) -> None:
        """Record that a frame has come from rank ``source``; ``part``: a part of its message."""
        descriptor = part.get(zmq.SRCFD)
        if self._ranks.get(descriptor) != source:
            self._ranks[descriptor] = source

    def look(self) -> None:
        """Note which connections were cut since the last look.

        Raises `RankLost` if frames were lost.
        """
        while int(self._events.get(zmq.EVENTS)) & zmq.POLLIN:
            self._ended(event_of(self._events)[1])
        if self._ask is None:
            return
        self._looks += 1
        if self._strange and self._looks % UNHEARD == 0:
            self._doubt_unheard()
        for source, doubt in list(self._doubts.items()):
            self._settle(source, doubt, self._ask)

    def close(self) -> None:
        """Stop watching the connections."""
        self._socket.disable_monitor()
        self._events.close()

    def _ended(self, descriptor: int) -> None:
        """A connection has ended: a rank's, or a stranger's, or of a rank not yet heard."""
        source = self._ranks.pop(descriptor, None)
        if source is None:
            self._strange = True
        else:
            self._doubt(source, cut=True)

    def _doubt(self, source: int, cut: bool) -> None:
        self._questions += 1
        self._doubts[source] = _Doubt(self._questions, self._come[source], cut)

    def _doubt_unheard(self) -> None:
        awaited = set(self._awaited())
        sources = range(len(self._come)) if ANY in awaited else awaited
        for source in sources:
            if source not in (self._rank, *self._doubts) and not self._come[source]:
                self._doubt(source, cut=False)

    def _settle(self, source: int, doubt: _Doubt, ask: AskSent) -> None:
        come = self._come[source]
        doubt.looks = doubt.looks + 1 if doubt.at == come else 0
        doubt.at = come
        answer = ask(source, doubt.question)
        late = doubt.looks > FRAME_LOOKS
        if answer is None:  # it may be stopped, or gone, which the authority watches
            if late:  # or it was asked when it had just left
                self._doubt(source, doubt.cut)
            return
        sent, left = answer
        if sent is None:
            if late and source in self._awaited():
                self._lose(source, "frames")
        elif doubt.cut and not left:
            self._lose(source, f"{sent - come} frames" if sent > come else "")
        elif sent <= come:
            del self._doubts[source]
        elif late:
            self._lose(source, f"{sent - come} frames")

    def _lose(self, source: int, what: str) -> None:
        error = self.lost(source, what)
        if not self.survives:
            raise error
        self._doubts.pop(source, None)
        self.suspects.append((source, str(error)))

    def forget(self, source: int) -> None:
        """Look no more for what may be lost of a rank that is lost itself."""
        self._doubts.pop(source, None)

    def lost(self, source: int, what: str) -> RankLost:
        """The error for a cut connection from ``source``.

        ``what``: the messages lost, ``""`` if none.
        """
        ways = f"from rank {source} to rank {self._rank}"
        lost = f": {what} {ways} were lost on the way" if what else ""
        error = RankLost(f"the connection {ways} was cut{lost}", source)
        error.settled = True
        return error
