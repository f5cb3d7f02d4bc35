"""Transport over MPI, for ranks that mpiexec started; with MPICH or Open MPI, through mpi4py.

A small message is one MPI message, header and payload, on the MPI tag `HEADERS`. Of a large one
only the header goes there; its pieces follow on an MPI tag of their own, its channel, and stay
where they are until the receiver has matched the message and posts receives for that channel. So a
message without a receive neither holds up another, nor takes memory at the receiver.
"""

import os
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from fabric.failure import RankLost, TransportError, WorldError
from fabric.host.forked import again, here, own
from fabric.transports.base import (
    Bytes,
    Counted,
    Many,
    PeerMemory,
    Rendezvous,
    Request,
    Take,
    run_as,
)
from fabric.transports.matching import Matching, Receive, check_peer, new_receive, refusal
from fabric.transports.mpi import mpiexec
from fabric.transports.mpi.pieces import HEADERS, Announcement, LargeMessages
from fabric.transports.peer_memory import memory_of_all

if TYPE_CHECKING:
    from mpi4py import MPI

HEADER = struct.Struct("<QQII8x")
"""Tag, size, mark, channel (0: the payload follows at once); padded, so that payloads are
aligned."""

EAGER = 8192
"""Bytes up to which a message is copied when it is sent."""

BACKLOG = 1024
"""Copies that MPI has not taken yet, up to which a small send is done at once."""

SPINS = 200
"""How often an idle `progress` looks again before it begins to sleep: some 0.2 ms."""

NAPS = 50e-6, 1e-3
"""How long it then sleeps between two looks at first, and at most, in seconds."""

LINGER = 0.5
"""Seconds that `close` gives to small messages which MPI has not taken yet."""


class Mpi:
    """A `fabric.transports.base.Transport` of one rank over a communicator of its own.

    ``memory``: the means to read that of all ranks, if they are of one host.
    """

    many: Many | None = None
    counted: Counted | None = None

    def __init__(self, comm: "MPI.Comm", memory: PeerMemory | None = None) -> None:
        from mpi4py import MPI

        self._mpi, self._comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.memory = memory
        self._channels = LargeMessages(comm)
        self._status = MPI.Status()
        self._matching: Matching[Announcement] = Matching()
        self._copies: deque[tuple[MPI.Request, Request]] = deque()
        self._coming: list[tuple[int, Bytes, MPI.Request]] = []
        self._kept = mpiexec.kept_to_the_end()
        self._bell = threading.Lock()
        self._bell.acquire()
        self._closed, self._at_home = False, here()
        self._disowned: WorldError | None = None
        own(self)

    def disown(self, error: WorldError) -> None:
        """Refuse every further use: MPI must not be called in a forked child.

        See `fabric.host.forked`.
        """
        self._closed, self._disowned = True, error
        mpiexec.end_without_mpi()

    def send(self, peer: int, tag: int, mark: int, data: Bytes) -> Request:
        """Begin to send.

        A small message goes to MPI at once, of a large one the header and first pieces.
        """
        check_peer(self.rank, self.size, peer)
        self._check_open()
        self._channels.asked, request = peer, Request(peer)
        try:
            self._send(request, tag, mark, data)
        except self._mpi.Exception as error:
            raise self._failure(error) from error
        return request

    def receive(self, peer: int, tag: int, mark: int, size: int, take: Take | Bytes) -> Request:
        """Begin to receive; a small message that has arrived is taken now.

        See `Transport.receive`.
        """
        self._check_open()
        receive = new_receive(self.rank, self.size, peer, tag, mark, size, take)
        arrival = self._matching.post(receive)
        if arrival is not None:
            self._deliver(receive, arrival)
        return receive

    def progress(self, timeout: float) -> bool:
        """Move what can be moved; see `Transport.progress`.

        It polls often at first, then ever more rarely.
        """
        self._check_open()
        try:
            return self._poll() or (timeout > 0 and self._wait(timeout))
        except self._mpi.Exception as error:
            raise self._failure(error) from error

    def unclaimed(self) -> list[tuple[int, int]]:
        """Peer and tag of each message that has arrived without a receive, earliest first."""
        return self._matching.unclaimed()

    def wake(self) -> None:
        """End the present or the next sleep in `progress`."""
        try:
            self._bell.release()
        except RuntimeError:  # somebody else has rung
            return

    def close(self) -> None:
        """Wait up to `LINGER` seconds for small messages to leave, and drop everything else.

        Idempotent.

        The communicator is not freed, as that would need all ranks, dead ones too.
        """
        if self._closed or not self._at_home():
            return
        self._closed = True
        flushed = self._flush()
        if not flushed or self._coming or self._channels.busy():
            self._kept.append((self._copies, self._coming, self._channels))
        self._matching = Matching()

    def _check_open(self) -> None:
        if self._closed:
            if self._disowned is not None:
                raise again(self._disowned)
            raise TransportError(f"the transport of rank {self.rank} is closed", self.rank)

    def _failure(self, error: "MPI.Exception") -> WorldError:
        """What an error of MPI means: most often that somebody is no more."""
        self._kept.append(error)
        peer, why = self._channels.asked, error.Get_error_string().splitlines()[-1]
        if peer is None and error.Get_error_class() == self._mpi.ERR_PROC_FAILED:
            failed, everybody = self._comm.Get_failed(), self._comm.Get_group()
            peer = next(iter(failed.Translate_ranks(None, everybody)), None)
        if peer is None:
            return TransportError(f"MPI failed at rank {self.rank}: {why}")
        return RankLost(f"rank {self.rank} cannot reach rank {peer}, MPI says: {why}", peer)

    def _send(self, request: Request, tag: int, mark: int, data: Bytes) -> None:
        if data.size <= EAGER:
            request.done = len(self._copies) < BACKLOG
            self._copy(HEADER.pack(tag, data.size, mark, 0) + data.tobytes(), request)
        else:
            channel = self._channels.free(request.peer)
            self._copy(HEADER.pack(tag, data.size, mark, channel), Request(request.peer))
            self._channels.send(request, data, channel)

    def _copy(self, packed: bytes, request: Request) -> None:
        sent = self._comm.Isend((packed, self._mpi.BYTE), request.peer, HEADERS)
        if sent.Test():
            request.done = True
        else:
            self._copies.append((sent, request))

    def _poll(self) -> bool:
        moved = self._arrivals()
        moved |= self._channels.move()
        return moved | (bool(self._copies) and self._settle())

    def _wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        looks, nap = 0, NAPS[0]
        while (left := deadline - time.monotonic()) > 0:
            if looks < SPINS:
                _yield()
                looks += 1
            elif self._bell.acquire(timeout=min(nap, left)):
                return False
            else:
                nap = min(2 * nap, NAPS[1])
            if self._poll():
                return True
        return False

    def _arrivals(self) -> bool:
        """Take in what has come on the tag of headers; not for ever where it comes all the time."""
        self._channels.asked, status, byte = None, self._status, self._mpi.BYTE
        for _ in range(BACKLOG):
            message = self._comm.Improbe(self._mpi.ANY_SOURCE, HEADERS, status)
            if message is None:
                break
            packed = np.empty(status.Get_count(byte), np.uint8)
            # not Recv: of a message that is not so small, MPI has only the beginning here, and the
            # rest comes when its sender cares to send it
            self._coming.append((status.Get_source(), packed, message.Irecv((packed, byte))))
        return bool(self._coming) and self._unpack()

    def _unpack(self) -> bool:
        """Deliver what has come as a whole, in the order in which each peer has sent it."""
        coming, self._coming = self._coming, []
        behind = set()
        for peer, packed, part in coming:
            self._channels.asked = peer
            if peer in behind or not part.Test():
                behind.add(peer)
                self._coming.append((peer, packed, part))
                continue
            tag, size, mark, channel = HEADER.unpack_from(packed.data)
            arrival = Announcement(peer, tag, mark, packed[HEADER.size :], size, channel)
            receive = self._matching.arrive(arrival)
            if receive is not None:
                self._deliver(receive, arrival)
        return len(self._coming) < len(coming)

    def _deliver(self, receive: Receive, arrival: Announcement) -> None:
        receive.peer = arrival.peer
        receive.error = refusal(self.rank, receive, arrival)
        receive.done = receive.error is not None or not arrival.channel
        if arrival.channel:
            self._channels.receive(receive, arrival)
        elif receive.error is None and arrival.size:
            receive.take(0, arrival.data)

    def _settle(self) -> bool:
        """Forget copies that MPI has taken; one that it has not goes to the end of the queue."""
        copies, moved = self._copies, False
        for _ in range(len(copies)):
            sent, request = copies.popleft()
            self._channels.asked = request.peer
            if not sent.Test():
                copies.append((sent, request))
                break
            moved |= not request.done
            request.done = True
        return moved

    def _flush(self) -> bool:
        """Wait until all copies have left; what comes meanwhile makes room at the others."""
        deadline = time.monotonic() + LINGER
        try:
            while self._copies and time.monotonic() < deadline:
                self._arrivals()
                self._settle()
                _yield()
        except self._mpi.Exception:  # a peer is gone; it needs nothing any more
            return False
        return not self._copies


def _yield() -> None:
    """Let another process run, if there is one that waits for this core."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


@run_as("mpi")
def connect(rank: int, size: int, exchange: Rendezvous) -> Mpi:
    """The transport of a process that mpiexec started; all ranks of MPI_COMM_WORLD must call it.

    Raises `TransportError` if MPI has another number of ranks than the world.
    """
    mpiexec.library()
    from mpi4py import MPI

    found = MPI.COMM_WORLD.Get_size()
    if any(other != size for other in exchange(found)):
        raise TransportError(
            f"the world has {size} ranks, and MPI at rank {rank} has {found}; were they started "
            f"with the mpiexec of {MPI.Get_library_version().split(',')[0].splitlines()[0]}?"
        )
    mpiexec.outlive_others()
    comm = MPI.COMM_WORLD.Split(0, rank)  # a private copy, in the order of our ranks
    comm.Set_errhandler(MPI.ERRORS_RETURN)
    mpiexec.unlink_segments(comm)
    return Mpi(comm, memory_of_all(rank, size, comm.allgather))
