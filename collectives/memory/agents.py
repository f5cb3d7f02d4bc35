"""Processes of one host that reach each other's memory by name, without a world of ranks.

What transfer engines of the field do: a process registers memory, tells others where it is, and
they read and write it with the kernel's help while it does something else. A thread of each answers
what others must know, and takes their notifications; bytes never go through it. Nothing is timed.
"""

import base64
import json
import os
import socket
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import zmq

from fabric.failure import RankLost, TransportError
from fabric.host.liveness import birth, where
from fabric.transports.peer_memory import ProcessMemory
from topology.errors import TriplaneError

PATIENCE = 5.0
"""Seconds that an agent waits for another one's answer."""

_LARGEST = 1 << 26  # bytes of a message between agents
_LOOK = 100  # milliseconds between two looks whether an agent was closed
_NOBODY = -1  # as the rank of a process: agents have names

Stretches = Sequence[int]


class AgentError(TriplaneError):
    """Another agent cannot be reached, or its memory cannot be accessed as was asked."""


@dataclass(frozen=True)
class AgentCard:
    """What others must know of an agent.

    ``host``: `fabric.host.liveness.where` of its ``process``, which began at ``born``;
    ``port``: where it answers; ``memory``: address and size of what it has registered.
    """

    name: str
    host: str
    process: int
    born: str
    port: int
    memory: tuple[tuple[int, int], ...]

    def has(self, address: int, size: int) -> bool:
        """Whether the bytes are all in one stretch that it has registered."""
        return size >= 0 and any(
            first <= address and address + size <= first + length for first, length in self.memory
        )

    def as_json(self) -> dict[str, Any]:
        """The card as JSON values, which `card_of` takes."""
        return asdict(self)


def card_of(values: Any) -> AgentCard:
    """The card in JSON values; raises `AgentError` if it is none."""
    try:
        stretches = tuple((int(first), int(length)) for first, length in values["memory"])
        return AgentCard(
            str(values["name"]), str(values["host"]), int(values["process"]), str(values["born"]),
            int(values["port"]), stretches,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise AgentError(f"that is no description of an agent: {error}") from None


class ProcessAgent:
    """The process under a ``name``; it answers at ``port`` of the loopback, 0: any that is free.

    Raises `AgentError` for a port that is in use.
    """

    def __init__(self, name: str, port: int = 0) -> None:
        self.name = name
        self._memory: dict[int, int] = {}
        self._known: dict[str, AgentCard] = {}
        self._notes: deque[tuple[str, bytes]] = deque()
        self._lock, self._closed = threading.Lock(), False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            self._socket.bind(f"tcp://127.0.0.1:{port or '*'}")
        except zmq.ZMQError as error:
            self._context.destroy(0)
            raise AgentError(f"agent {name!r} cannot answer at port {port}: {error}") from None
        address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self.port = int(address.rpartition(":")[2])
        self._thread = threading.Thread(
            target=self._serve, name=f"triplane agent {name}", daemon=True
        )
        self._thread.start()

    def expose(self, address: int, size: int) -> None:
        """Let others read and write ``size`` bytes at ``address``, which must stay there."""
        if address <= 0 or size <= 0:
            raise AgentError(f"there is no memory of {size} bytes at address {address}")
        with self._lock:
            self._memory[address] = size

    def withdraw(self, address: int) -> bool:
        """Register what begins at ``address`` no more; returns whether it was."""
        with self._lock:
            return self._memory.pop(address, None) is not None

    @property
    def card(self) -> AgentCard:
        """What others must know of it now."""
        with self._lock:
            memory = tuple(self._memory.items())
        pid = os.getpid()
        return AgentCard(self.name, where(), pid, birth(pid), self.port, memory)

    def known(self, name: str) -> AgentCard | None:
        """The card of another agent, as far as it is known here; its own by its own name."""
        return self.card if name == self.name else self._known.get(name)

    def learn(self, card: AgentCard) -> None:
        """Keep the card of another agent. Raises `AgentError` if its memory is out of reach."""
        if card.host != where():
            raise AgentError(
                f"agent {card.name!r} is on another host, whose memory is out of reach"
            )
        if card.born and birth(card.process) != card.born:
            raise AgentError(f"the process of agent {card.name!r} is gone")
        self._known[card.name] = card

    def add(self, card: AgentCard) -> None:
        """Keep the card of another agent, and what was known of its memory before."""
        before = self._known.get(card.name)
        if before is not None and before.process == card.process:
            memory = tuple(dict.fromkeys([*before.memory, *card.memory]))
            card = replace(card, memory=memory)
        self.learn(card)

    def alias(self, name: str, card: AgentCard) -> None:
        """Keep the card of another agent under one more name."""
        self._known[name] = card

    def forget(self, name: str) -> bool:
        """Forget another agent; returns whether it was known."""
        return self._known.pop(name, None) is not None

    def ask(self, port: int, patience: float = PATIENCE) -> AgentCard:
        """The card of the agent at ``port``, which is then known. Raises `AgentError`."""
        card = card_of(self._request(port, ["describe"], patience))
        self.learn(card)
        return card

    def tell(self, port: int, memory: Sequence[tuple[int, int]] | None = None) -> None:
        """Give the own card to the agent at ``port``, which adds it to what it knows.

        ``memory``: what of the memory the other shall know of, None: all. Raises `AgentError`.
        """
        card = self.card if memory is None else replace(self.card, memory=tuple(memory))
        self._request(port, ["add", card.as_json()], PATIENCE)

    def leave(self, port: int) -> None:
        """Have the agent at ``port`` forget this one. Raises `AgentError`."""
        self._request(port, ["forget", self.name], PATIENCE)

    def notify(self, name: str, message: bytes) -> None:
        """Send ``message`` to an agent that is known. Raises `AgentError`."""
        card = self.known(name)
        if card is None:
            raise AgentError(f"agent {name!r} is not known to {self.name!r}")
        coded = base64.b64encode(message).decode()
        self._request(card.port, ["note", self.name, coded], PATIENCE)

    def notes(self) -> list[tuple[str, bytes]]:
        """The messages that have come since the last call, each with its sender."""
        found = []
        while self._notes:
            found.append(self._notes.popleft())
        return found

    def move(
        self, name: str, writes: bool, here: Stretches, there: Stretches, sizes: Stretches
    ) -> None:
        """Copy stretches between this process, at ``here``, and a known agent, at ``there``.

        ``writes``: to the other one. The arguments are addresses and sizes in bytes. Raises
        `AgentError` for memory that the other has not registered, or that cannot be reached.
        """
        card = self._holding(name, there, sizes)
        memory = ProcessMemory(_NOBODY, card.process)
        try:
            (memory.scatter if writes else memory.gather)(there, here, sizes)
        except RankLost:
            raise AgentError(f"the process of agent {name!r} has died") from None
        except TransportError as error:
            raise AgentError(f"memory of agent {name!r}: {error}") from None

    def _holding(self, name: str, there: Stretches, sizes: Stretches) -> AgentCard:
        """The card of an agent, asked again where it did not have the memory."""
        card = self.known(name)
        if card is None:
            raise AgentError(f"agent {name!r} is not known to {self.name!r}")
        lacking = _lacking(card, there, sizes)
        if lacking is not None and name != self.name:
            card = self._known[name] = self.ask(card.port)
            lacking = _lacking(card, there, sizes)
        if lacking is not None:
            raise AgentError(
                f"agent {name!r} has not registered {lacking[1]} bytes at address {lacking[0]}"
            )
        return card

    def close(self) -> None:
        """Answer no more. Idempotent."""
        if not self._closed:
            self._closed = True
            self._thread.join()
            self._context.destroy(0)

    def _request(self, port: int, request: list[Any], patience: float) -> Any:
        try:  # ZeroMQ would try again and again where nobody listens
            with socket.create_connection(("127.0.0.1", port), patience):
                pass
        except (OSError, OverflowError) as error:
            raise AgentError(f"no agent answers at port {port}: {error}") from None
        reply = self._reply(port, json.dumps(request), patience)
        if not isinstance(reply, list) or len(reply) != 2:
            raise AgentError(f"what answers at port {port} is no agent")
        if reply[0]:
            raise AgentError(str(reply[0]))
        return reply[1]

    def _reply(self, port: int, request: str, patience: float) -> Any:
        line = self._context.socket(zmq.REQ)
        line.setsockopt(zmq.LINGER, 0)
        try:
            line.connect(f"tcp://127.0.0.1:{port}")
            line.send_string(request)
            if line.poll(int(patience * 1000)):
                return json.loads(line.recv())
        except (zmq.ZMQError, ValueError) as error:
            raise AgentError(f"the agent at port {port} cannot be asked: {error}") from None
        finally:
            line.close()
        raise AgentError(f"no agent has answered at port {port} within {patience:g} s")

    def _serve(self) -> None:
        while not self._closed:
            if not self._socket.poll(_LOOK):
                continue
            try:
                reply = ["", self._answer(json.loads(self._socket.recv()))]
            except (AgentError, ValueError, TypeError, IndexError) as error:
                reply = [f"{type(error).__name__}: {error}", None]
            self._socket.send_string(json.dumps(reply))

    def _answer(self, request: Any) -> Any:
        match request:
            case ["describe"]:
                return self.card.as_json()
            case ["add", values]:
                return self.add(card_of(values))
            case ["forget", str(name)]:
                return self.forget(name)
            case ["note", str(sender), str(coded)]:
                return self._notes.append((sender, base64.b64decode(coded)))
        raise AgentError(f"{request!r:.80} is no request")


def _lacking(card: AgentCard, there: Stretches, sizes: Stretches) -> tuple[int, int] | None:
    """The first stretch that is not all in what an agent has registered."""
    pairs = zip(there, sizes, strict=True)
    return next(((at, size) for at, size in pairs if not card.has(at, size)), None)
