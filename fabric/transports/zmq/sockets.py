"""Sockets between processes: one that each rank binds, and one to each peer that it sends to.

Memory stays bounded: a socket takes `QUEUE` pieces at each end, and what has no room stays with the
sender. What arrives is dropped, counted and logged unless it is the next frame of a rank of this
world.
"""

import logging
import re
import secrets
import select
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import zmq

from fabric.failure import TransportError
from fabric.host.curve import Keys, check_address, gate, join, serve
from fabric.host.folder import endpoint as in_folder
from fabric.transports.base import Bytes
from fabric.transports.zmq.connections import CONNECTIONS_LOOK, Connections
from fabric.transports.zmq.frames import PIECE, Frame, FrameError, decode, encode
from fabric.transports.zmq.partial import IncomingMessage, Outgoing

BIND = "TRIPLANE_BIND"
"""The environment variable that says where to listen: ``ipc`` (a private folder; the default; where
its path is too long for a socket, any free port of the loopback),
``tcp://ADDRESS`` (any free port), ``tcp://ADDRESS:PORT`` (that port plus the rank)."""

QUEUE = 8
"""Pieces that wait at each end of a connection at most."""

MARGIN = 256
"""Bytes by which encryption makes a piece longer, at most."""

LINGER = 1000
"""Milliseconds that closing waits for what was sent to leave, where the peer is still there."""

Begin = Callable[[IncomingMessage], None]
"""Told of each message that begins; after that, the message is fed its bytes."""

_Socket = zmq.Socket[bytes]
_LOG = logging.getLogger("triplane")


class Sockets:
    """The sockets of one rank. ``token``: what senders must present; ``address``: where it listens.

    ``dropped``: number of malformed frames. Raises `TransportError` for an address that is not
    available.
    """

    def __init__(self, rank: int, ranks: int, folder: Path, environment: Mapping[str, str]) -> None:
        self.rank, self._ranks = rank, ranks
        self.token = secrets.token_bytes(16)
        self.address = ""
        self.dropped = 0
        self._keys = Keys.from_environment(environment)
        self._expected = [0] * ranks
        self._coming: dict[int, IncomingMessage] = {}
        self._wires: dict[int, PeerSocket] = {}
        self._context: zmq.Context[_Socket] = zmq.Context()
        wish = endpoint(rank, folder, environment)
        self._gate = gate(self._context, wish, self._keys, self.token.hex())
        self._pull = self._context.socket(zmq.PULL)
        self.connections = Connections(rank, self._context, self._pull, self._expected)
        self._looked = 0.0
        try:
            self.address = self._bind(wish)
        except BaseException:
            self.close()
            raise

    def _bind(self, address: str) -> str:
        self._pull.linger = 0
        self._pull.rcvhwm = QUEUE
        self._pull.maxmsgsize = PIECE + MARGIN
        # A network that is no more tells nobody that its connections are.
        self._pull.tcp_keepalive, self._pull.tcp_keepalive_cnt = 1, 2
        self._pull.tcp_keepalive_idle = self._pull.tcp_keepalive_intvl = 1
        serve(self._pull, address, self._keys)
        try:
            self._pull.bind(address)
        except zmq.ZMQError as error:
            raise TransportError(
                f"rank {self.rank} cannot listen at {address}: {error}", self.rank
            ) from error
        bound = self._pull.get(zmq.LAST_ENDPOINT)
        return bound.rstrip(b"\0").decode() if isinstance(bound, bytes) else address

    def connect(self, peer: int, address: str, token: bytes) -> "PeerSocket":
        """Connect to a peer that listens at ``address``; returns the connection."""
        socket = self._context.socket(zmq.PUSH)
        socket.linger = LINGER
        socket.sndhwm = QUEUE
        join(socket, address, self._keys, token.hex())
        socket.connect(address)
        self._wires[peer] = PeerSocket(self.rank, socket, token)
        return self._wires[peer]

    def pull(self, begin: Begin) -> bool:
        """Read what has come; returns False if nothing has.

        Raises `RankLost` if frames were lost.
        """
        if self._gate is not None:
            self._gate.answer()
        come = 0
        while come < QUEUE and _can(self._pull, zmq.POLLIN):
            come += 1
            try:
                self._accept(self._pull.recv_multipart(zmq.NOBLOCK, copy=False), begin)
            except FrameError as error:
                self._drop(error)
            except zmq.Again:  # its sender was cut off in the middle of it
                break
        now = time.monotonic()
        if now - self._looked > CONNECTIONS_LOOK:
            self._looked = now
            self.connections.look()
        return come > 0

    def coming(self) -> Iterable[int]:
        """The ranks from which a part of a message has come."""
        return self._coming

    def lose(self, peer: int) -> None:
        """Send nothing more to ``peer``, whatever waits, as it is lost."""
        self.connections.forget(peer)
        wire = self._wires.get(peer)
        if wire is not None:
            wire.closed = True
            wire.socket.close(linger=0)

    def forget(self, floor: int) -> None:
        """Drop what has arrived, in part, with tags below ``floor``."""
        for message in self._coming.values():
            if message.tag < floor:
                message.discard()

    def sent(self, peer: int) -> int:
        """The number of frames that were sent to ``peer``."""
        wire = self._wires.get(peer)
        return 0 if wire is None else wire.sequence

    def _accept(self, parts: list[zmq.Frame], begin: Begin) -> None:
        if len(parts) != 2:
            raise FrameError(f"{len(parts)} parts; a frame has a header and a piece")
        piece: Bytes = np.frombuffer(parts[1].buffer, np.uint8)
        frame = decode(parts[0].bytes, piece.size, self.token, self._ranks)
        self.connections.heard(frame.source, parts[0])
        self._in_turn(frame)
        message = self._coming.pop(frame.source, None)
        if message is None:
            message = IncomingMessage(frame.source, frame.tag, frame.mark, frame.size)
            begin(message)
        if piece.size:
            message.feed(piece)
        if message.at < message.size:
            self._coming[frame.source] = message

    def _in_turn(self, frame: Frame) -> None:
        """Check that it is the next frame of its source, and of the message that comes."""
        source, expected = frame.source, self._expected[frame.source]
        if frame.sequence < expected:
            raise FrameError(f"frame {frame.sequence} of rank {source} has come before")
        message = self._coming.get(source)
        belongs = (0,) if message is None else (message.at, message.tag, message.mark, message.size)
        if belongs != (frame.at, frame.tag, frame.mark, frame.size)[: len(belongs)]:
            raise FrameError(f"frame {frame.sequence} of rank {source} is not of its message")
        if frame.sequence > expected:  # whoever has the token is no stranger: what is lost is ours
            error = self.connections.lost(source, f"{frame.sequence - expected} frames")
            if not self.connections.survives:
                raise error
            self.connections.suspects.append((source, str(error)))
            raise FrameError(str(error))
        self._expected[source] += 1

    def _drop(self, error: FrameError) -> None:
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, ...: a flood must not fill a disk
            _LOG.warning("rank %d has dropped %d malformed frames, the last: %s",
                         self.rank, self.dropped, error)  # fmt: skip

    def watch(self, poll: select.poll, waiting: Iterable[int]) -> None:
        """Register with ``poll`` what signals arrivals, or room to the peers in ``waiting``.

        Call it only after `pull` has found nothing and there was no room: a socket's descriptor
        signals changes only.
        """
        gate = [] if self._gate is None else [self._gate.socket]
        wires = [self._wires[peer].socket for peer in waiting if peer in self._wires]
        for socket in (self._pull, *gate, *wires):
            poll.register(int(socket.get(zmq.FD)), select.POLLIN)

    def close(self) -> None:
        """Close all sockets, after what was sent has left."""
        for wire in self._wires.values():
            wire.socket.close()
        self.connections.close()
        self._pull.close()
        if self._gate is not None:
            self._gate.close()
        self._context.term()
        if self.address.startswith("ipc://"):  # libzmq leaves it
            Path(self.address.removeprefix("ipc://")).unlink(missing_ok=True)


class PeerSocket:
    """The way to one peer over a socket. ``sequence``: how many frames were sent.

    ``closed``: whether no more can be.
    """

    def __init__(self, rank: int, socket: _Socket, token: bytes) -> None:
        self.socket, self.closed = socket, False
        self._rank, self._token, self.sequence = rank, token, 0

    def push(self, out: Outgoing) -> bool:
        """Send as many pieces of the message as there is room for.

        Returns False if there is none.
        """
        moved = False
        while out.at < out.data.size and self._piece(out):
            moved = True
        return moved

    def _piece(self, out: Outgoing) -> bool:
        if not _can(self.socket, zmq.POLLOUT):
            return False
        at = max(out.at, 0)
        piece = out.data[at : at + PIECE]
        size = out.data.size
        header = encode(
            Frame(self._token, self._rank, self.sequence, out.tag, out.mark, size, at, piece.size)
        )
        self.socket.send_multipart([header, piece.data])
        self.sequence += 1
        out.at = at + piece.size
        out.request.done = out.at == size
        return True


def _can(socket: _Socket, event: int) -> bool:
    return bool(int(socket.get(zmq.EVENTS)) & event)


def endpoint(rank: int, folder: Path, environment: Mapping[str, str]) -> str:
    """The endpoint at which a rank listens, from ``TRIPLANE_BIND``: a socket file, or TCP.

    Raises `TransportError` for a value that is malformed, or an address that needs keys.
    """
    wish = environment.get(BIND, "ipc")
    if wish == "ipc":
        return in_folder(folder, f"{rank}.socket")
    match = re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[^:/\[\]]+)(?::(\d+))?", wish)
    if match is None or match[1] in ("*", "0.0.0.0", "[::]"):
        raise TransportError(
            f"{BIND} is {wish!r}; it must be ipc, tcp://ADDRESS or tcp://ADDRESS:PORT, with an"
            " address by which others reach this host"
        )
    port = int(match[2]) + rank if match[2] else 0
    if port > 65535:
        raise TransportError(f"{BIND} is {wish!r}: rank {rank} would have port {port}")
    check_address(f"tcp://{match[1]}:{port}", Keys.from_environment(environment))
    return f"tcp://{match[1]}:{port or '*'}"
