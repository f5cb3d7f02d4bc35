"""Finds the peers of an authority that are gone, cut off, stopped, or silent for too long."""

from collections.abc import Callable

from fabric.host.liveness import GONE, STOPPED, state
from fabric.settings import Settings
from fabric.world.world import AFTERWORDS
from fabric.world.zmq_peers import JoinedPeers, Peer

PROBE = 0.4
"""Seconds between two looks whether a connection is still there."""

CUT = 0.4
"""Seconds after the end of a connection in which somebody may know better what has happened."""


class PeerWatch:
    """Looks at ``peers``, and calls ``miss(peer, what, delay)`` for each that has to be given up.

    ``processes``: whether it looks itself whether ranks of this host live; a launcher knows better.
    ``probe(identity)``: sends something over a connection, to see whether that is still there.
    """

    def __init__(
        self, peers: JoinedPeers, settings: Settings, processes: bool,
        miss: Callable[[Peer, str, float], None], probe: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        self._peers, self._settings, self._processes = peers, settings, processes
        self._miss, self._probe = miss, probe

    def look(self, now: float) -> None:
        """Look at all that are there; ``now``: the wall clock, in seconds."""
        limit = self._settings.heartbeat
        there = self._peers.present()
        for identity, peer in there:
            if peer.host != self._peers.host and now - peer.last_message > limit:
                self._miss(peer, f"has not been heard of for {limit:g} s", 0.0)
            elif self._watched(peer):
                self._look_at(peer, now)
            self._connected(identity, peer, now)
        self._stopped([peer for _, peer in there if self._watched(peer)], now)

    def _look_at(self, peer: Peer, now: float) -> None:
        found = state(peer.pid, peer.born)
        if found == GONE:
            self._miss(peer, f"has ended (process {peer.pid})", AFTERWORDS)
        elif found != STOPPED or peer.rank is None:
            peer.stopped = None
        elif peer.stopped is None:
            peer.stopped = now

    def _stopped(self, watched: list[Peer], now: float) -> None:
        """Give up ranks that are stopped for too long while others run, who may wait for them.

        Where all are stopped, somebody has stopped the job as a whole.
        """
        # Those who have left may wait for those who have not, as MPI does at its end.
        if any(peer.stopped is None for peer in watched) or (watched and self._peers.run()):
            limit = self._settings.stop_timeout
            for peer in watched:
                if peer.stopped is not None and now - peer.stopped > limit and not peer.gone:
                    self._miss(peer, f"has been stopped for more than {limit:g} s", 0.0)
        else:
            for peer in watched:
                peer.stopped = now

    def _connected(self, identity: bytes, peer: Peer, now: float) -> None:
        """Find that a connection has ended, as when a process has become another program."""
        if peer.cut is None and now - peer.probed > PROBE:
            peer.probed = now
            self._probe(identity)
        if peer.cut is not None and now - peer.cut > CUT and not peer.gone:
            has = "is cut off from the authority, though it lives"
            if peer.host == self._peers.host and state(peer.pid, peer.born) == GONE:
                has = "has ended"
            elif peer.host == self._peers.host:
                has = "has become another program, or has closed its connection to the authority"
            self._miss(peer, f"{has} (process {peer.pid})", 0.0)

    def _watched(self, peer: Peer) -> bool:
        """Whether nobody but the authority would notice the end of a process."""
        return peer.host == self._peers.host and (self._processes or peer.rank is None)
