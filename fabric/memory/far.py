"""Registered memory on other hosts: asked for over sockets, answered by a thread of its owner.

The owner's thread reads and writes the memory in place and answers when that is done, whatever the
owner does meanwhile. Who may ask is decided as for the sockets of a world: on an address that other
hosts can reach whoever has the world's keys, else whoever has the token.
"""

import secrets
import struct
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zmq

from fabric.failure import TransportError
from fabric.host.curve import Keys, gate, join, private, serve
from fabric.host.liveness import kernel
from fabric.transports.base import Bytes
from fabric.transports.zmq.sockets import BIND, endpoint

PATIENCE = 5.0
"""Seconds in which the owner of memory has to answer a question for a piece of it."""

PIECE = 1 << 20
"""Bytes that are asked for, or sent, at once."""

_LOOK = 100
"""Milliseconds after which a thread that answers looks whether it is to end."""

_ASKED = struct.Struct("<BQQQ")
"""Whether bytes are written; number of the memory, first byte and bytes."""

_MARGIN = 1024

_Socket = zmq.Socket[bytes]


class MemoryAddress(NamedTuple):
    """Where a process answers for its memory: endpoint, token, and kernel of its host."""

    endpoint: str
    token: str
    kernel: str

    @staticmethod
    def of(text: str, rank: int) -> "MemoryAddress":
        """The address in ``text``; raises `TransportError` if rank ``rank`` has given none."""
        parts = text.split(" ", 2)
        if len(parts) != 3:
            raise TransportError(f"the memory of rank {rank} is on another host", rank)
        return MemoryAddress(*parts)


class MemoryDoor:
    """Answers for memory of this process, which is rank ``rank``, to other hosts.

    It listens at any free port of the address at which the rank listens by ``environment``
    (``TRIPLANE_BIND``); without one, of the loopback. Raises `TransportError` if it cannot.
    """

    def __init__(self, rank: int, environment: Mapping[str, str]) -> None:
        keys, token = Keys.from_environment(environment), secrets.token_hex(16)
        wish = "tcp://127.0.0.1:*"
        if environment.get(BIND, "ipc") != "ipc":
            wish = endpoint(rank, Path(), environment).rpartition(":")[0] + ":*"
        self._memory: dict[int, Bytes] = {}
        self._context: zmq.Context[_Socket] = zmq.Context()
        self._gate = gate(self._context, wish, keys, token)
        self._socket = self._context.socket(zmq.REP)
        self._socket.linger, self._socket.maxmsgsize = 0, PIECE + _MARGIN
        serve(self._socket, wish, keys)
        self._is_closed = False
        try:
            self._socket.bind(wish)
        except zmq.ZMQError as error:
            self._context.destroy(0)
            raise TransportError(f"rank {rank} cannot listen at {wish}: {error}", rank) from error
        bound = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.address = " ".join(MemoryAddress(bound, token, kernel()))
        self._thread = threading.Thread(target=self._serve, name="triplane memory", daemon=True)
        self._thread.start()

    def expose(self, number: int, memory: Bytes) -> None:
        """Answer for ``memory``, uint8, under ``number``."""
        self._memory[number] = memory

    def close(self) -> None:
        """Answer no more. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._thread.join()
            self._context.destroy(0)

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        if self._gate is not None:
            poller.register(self._gate.socket, zmq.POLLIN)
        while not self._is_closed:
            for socket, _ in poller.poll(_LOOK):
                if self._gate is not None and socket is self._gate.socket:
                    self._gate.answer()
                else:
                    self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _answer(self, asked: list[bytes]) -> list[bytes | memoryview]:
        """Why not, "" where all is well, and the bytes that are read."""
        if len(asked) != 2 or len(asked[0]) != _ASKED.size:
            return [b"that is no question", b""]
        writes, number, at, size = _ASKED.unpack(asked[0])
        memory = self._memory.get(number)
        if memory is None or at + size > memory.size or size > PIECE:
            return [b"there is no such memory", b""]
        part = memory[at : at + size]
        if not writes:
            return [b"", part.tobytes()]
        if len(asked[1]) != size:
            return [b"bytes are missing", b""]
        part[:] = np.frombuffer(asked[1], np.uint8)
        return [b"", b""]


class FarMemory:
    """Memory ``number`` of rank ``rank``, which answers for it at ``address``.

    ``keys``: of the world. Threads take turns. Raises `TransportError` for an address that cannot
    be reached from here.
    """

    def __init__(self, address: str, number: int, rank: int, keys: Keys | None) -> None:
        self._at, self._number, self._rank = MemoryAddress.of(address, rank), number, rank
        self._keys, self._lock = keys, threading.Lock()
        if self._at.kernel != kernel() and private(self._at.endpoint):
            raise TransportError(
                f"the memory of rank {rank} is on another host, where only its own host can reach"
                f" it: give it {BIND}=tcp://ADDRESS",
                rank,
            )
        self._context: zmq.Context[_Socket] | None = None
        self._socket: _Socket | None = None

    def read(self, at: int, into: Bytes) -> None:
        """Fill ``into`` with the bytes from ``at`` on; raises `TransportError`."""
        for first in range(0, into.size, PIECE):
            part = into[first : first + PIECE]
            found = self._ask(False, at + first, part.size, b"")
            if len(found.buffer) != part.size:
                raise self._error(f"{len(found.buffer)} bytes instead of {part.size}")
            part[:] = np.frombuffer(found.buffer, np.uint8)

    def write(self, at: int, data: Bytes) -> None:
        """Copy ``data`` to ``at``; raises `TransportError`."""
        for first in range(0, data.size, PIECE):
            part = data[first : first + PIECE]
            self._ask(True, at + first, part.size, np.ascontiguousarray(part).data)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            if self._context is not None:
                self._context.destroy(0)
                self._context = self._socket = None

    def _ask(self, writes: bool, at: int, size: int, data: bytes | memoryview) -> zmq.Frame:
        with self._lock:
            socket = self._socket or self._connected()
            wait = int(PATIENCE * 1000)
            asks = socket.poll(wait, zmq.POLLOUT)  # not where the other end is gone
            if asks:
                socket.send_multipart([_ASKED.pack(writes, self._number, at, size), data])
            if not asks or not socket.poll(wait):
                self._hang_up()
                raise self._error(f"no answer within {PATIENCE:g} s")
            told = socket.recv_multipart(copy=False)
        if len(told) != 2 or told[0].bytes:
            raise self._error(bytes(told[0].bytes).decode(errors="replace"))
        return told[1]

    def _connected(self) -> _Socket:
        self._context = self._context or zmq.Context()
        self._socket = self._context.socket(zmq.REQ)
        self._socket.linger, self._socket.maxmsgsize = 0, PIECE + _MARGIN
        join(self._socket, self._at.endpoint, self._keys, self._at.token)
        self._socket.connect(self._at.endpoint)
        return self._socket

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close(0)
            self._socket = None

    def _error(self, why: str) -> TransportError:
        return TransportError(f"the memory of rank {self._rank} on another host: {why}", self._rank)
