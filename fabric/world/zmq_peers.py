"""The peers of an authority: who is behind each connection, and how it is with them."""

import contextlib
import os
import signal
from dataclasses import dataclass

from fabric.host.liveness import GONE, STOPPED, ancestors, host, state
from fabric.world.messages import Hello
from fabric.world.wire import Unpacker


@dataclass
class Peer:
    """Who is behind a connection: a rank, or for ``rank`` None the launcher of a node.

    ``pid``, ``born``, ``host``: of its process; ``last_message``: when it was heard last; ``left``:
    it has said that it makes no more calls; ``gone``: it was given up; ``ranks``: of the launcher's
    node; ``handled``: how many of its messages since it was last told of some. ``probed``: when its
    connection was last looked at; ``cut``, ``stopped``: since when.
    """

    rank: int | None
    pid: int
    born: str
    host: str
    unpacker: Unpacker
    last_message: float
    left: bool = False
    gone: bool = False
    ranks: range = range(0)
    handled: int = 0
    probed: float = 0.0
    cut: float | None = None
    stopped: float | None = None


class JoinedPeers:
    """All that were let in, by the identity of their connection; ``host``: this host.

    One thread adds; others may ask meanwhile.
    """

    def __init__(self, copies: int = 1) -> None:
        self.host, self._copies = host(), copies
        self._all: dict[bytes, Peer] = {}
        self._by_rank: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, identity: bytes, hello: Hello, size: int, now: float) -> None:
        """Add who has said ``hello`` to a world of ``size`` ranks, at ``now``."""
        self._all[identity] = Peer(
            hello.rank,
            hello.pid,
            hello.born,
            hello.host,
            Unpacker(size, self._copies),
            now,
            probed=now,
        )
        if hello.rank is not None:
            self._by_rank[hello.rank] = identity

    def get(self, identity: bytes) -> Peer | None:
        """Who is behind a connection; None for a stranger."""
        return self._all.get(identity)

    def connection(self, rank: int) -> bytes | None:
        """The identity of a rank's connection; None if it has not come."""
        return self._by_rank.get(rank)

    def of_rank(self, rank: int | None) -> Peer | None:
        """The peer that is that rank; None if it has not come."""
        identity = None if rank is None else self._by_rank.get(rank)
        return None if identity is None else self._all[identity]

    def everybody(self) -> list[tuple[bytes, Peer]]:
        """Each connection and who is behind it, also those that have left or were given up."""
        return list(self._all.items())

    def present(self) -> list[tuple[bytes, Peer]]:
        """The same without those that have left or were given up."""
        return [(i, peer) for i, peer in self.everybody() if not (peer.left or peer.gone)]

    def started(self, pid: int, where: str) -> bool:
        """Whether a process is a rank's or was started by one, from which it has its environment.

        ``where``: its host.
        """
        mine = {
            peer.pid for _, peer in self.everybody()
            if peer.rank is not None and peer.host == self.host
        }  # fmt: skip
        return where == self.host and not mine.isdisjoint([pid, *ancestors(pid)])

    def deserted(self, size: int, starter: int, waited: bool) -> bool:
        """True if no rank is left of ``size``, or if none has ever come and none can be expected.

        None can be expected once ``waited`` is True, or the process ``starter``, whose rank would
        come, has died.
        """
        if self.present():
            return False
        return len(self) >= size or waited or state(starter) == GONE

    def run(self) -> bool:
        """True if a process of this host whose rank has left still runs."""
        left = [
            peer for _, peer in self.everybody()
            if peer.left and not peer.gone and peer.host == self.host
        ]  # fmt: skip
        return any(state(peer.pid, peer.born) not in (GONE, STOPPED) for peer in left)

    def end_stopped(self) -> None:
        """Kill the processes that were given up because they are stopped, and still are.

        For worlds whose launcher is not this project's: nobody else would end them.
        """
        for _, peer in self.everybody():
            stopped = peer.gone and peer.stopped is not None
            if stopped and state(peer.pid, peer.born) == STOPPED:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(peer.pid, signal.SIGKILL)

    def lost_processes(self) -> set[tuple[int, str]]:
        """Process id and birth of each process of this host that has been given up."""
        lost = (peer for _, peer in self.everybody() if peer.gone and peer.host == self.host)
        return {(peer.pid, peer.born) for peer in lost}
