"""The hosts that share a world, where they meet, and a launcher's connection to the first one."""

import secrets
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fabric.failure import TransportError, WorldError
from fabric.host.curve import Keys, check_address
from fabric.host.folder import endpoint
from fabric.launching.meeting import claim, find, mine, name_of, publish, withdraw
from fabric.world.messages import FromNode, Leave, Left, Lost, NodeRanks
from fabric.world.zmq_client import ProcessLine

CAUSE_PATIENCE = 2.0
"""Seconds that a node waits for the cause, from the first one, when one of its ranks was lost."""

CAUSE_LOOK = 0.01
"""Seconds between two looks whether it is there."""


@dataclass(frozen=True)
class Meeting:
    """The address of a world's authority, and the token; call ``opened`` once it listens."""

    address: str
    token: str
    opened: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Nodes:
    """The hosts that share a world: ``count`` of them, ``rank`` is this one.

    ``meet``: ``HOST:PORT``, where node 0 listens. ``address``: where the ranks of this node listen
    for those of others; None: the address from which this host reaches ``meet``. Raises
    `WorldError` for values that are not allowed.
    """

    count: int = 1
    rank: int = 0
    meet: str = ""
    address: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.count:
            raise WorldError(f"node {self.rank} is none of 0 to {self.count - 1}")
        if self.count > 1:
            host, _, port = self.meet.rpartition(":")
            if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
                raise WorldError(
                    f"{self.count} nodes need HOST:PORT of node 0 to meet, not {self.meet!r}"
                )

    def share(self, ranks: int) -> range:
        """The ranks of this node, a range out of ``ranks``.

        Raises `WorldError` if nodes would be unequal.
        """
        if ranks % self.count:
            raise WorldError(f"{ranks} ranks cannot be shared evenly among {self.count} nodes")
        each = ranks // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def others(self, ranks: int) -> dict[int, range]:
        """The ranks of each other node, by its number, out of ``ranks``."""
        nodes = (replace(self, rank=rank) for rank in range(self.count) if rank != self.rank)
        return {node.rank: node.share(ranks) for node in nodes}

    @contextmanager
    def meeting(self, folder: Path, keys: Keys | None) -> Iterator[Meeting]:
        """A context manager for the authority's address, and the token to present there.

        With a single node the address is in ``folder``. Without keys, nodes of this host find the
        token in a file that only this user can read, from the first call of ``opened`` until this
        ends there. Raises `WorldError` if the token cannot be found, `TransportError` for an
        address that needs keys.
        """
        if self.count == 1:
            yield Meeting(endpoint(folder, "control"), secrets.token_hex(16))
            return
        host, _, port = self.meet.rpartition(":")
        address = f"tcp://{_resolved(host)}:{port}"
        check_address(address, keys)
        if keys is not None:
            yield Meeting(address, keys.token(self.meet))
            return
        with _by_file(name_of(["nodes", address]), address, self.rank) as found:
            yield found

    def environment(self) -> dict[str, str]:
        """The variables with which this node's ranks reach other nodes and torch's store."""
        if self.count == 1:
            return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        host, _, port = self.meet.rpartition(":")
        address = _resolved(self.address) if self.address else _way_to(_resolved(host), int(port))
        return {
            "MASTER_ADDR": host, "MASTER_PORT": str(int(port) + 1),
            "TRIPLANE_BIND": f"tcp://{address}",
        }  # fmt: skip


@contextmanager
def _by_file(name: str, address: str, node: int) -> Iterator[Meeting]:
    """Of several nodes on this host: node 0 makes the token, and tells the others."""
    if node:
        yield Meeting(address, find(name, "node 0").token)
        return
    record = claim(name)
    if not mine(record):
        raise TransportError(
            f"cannot listen at {address}: another launcher (process {record.process}) meets its"
            " nodes there"
        )
    try:
        # Not before it listens: who listens there until then would be told the token.
        yield Meeting(address, record.token, lambda: publish(name, record, address))
    finally:
        withdraw(name, record.token)


def _resolved(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise TransportError(f"no host {host!r}: {error}") from None


def _way_to(host: str, port: int) -> str:
    """The address of this host from which the way leads there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect((host, port))  # of a datagram socket this sends nothing
        except OSError as error:
            raise TransportError(f"there is no way to {host}: {error}") from None
        return str(way.getsockname()[0])


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Agent:
    """The launcher of a node that is not the first; it reports to the first how its ranks are."""

    def __init__(
        self, address: str, ranks: range, size: int, token: str, keys: Keys | None
    ) -> None:
        self._line = ProcessLine(address, None, size, token=token, keys=keys)
        self._lost = False
        self._tell(NodeRanks(ranks.start, ranks.stop))

    @property
    def error(self) -> WorldError | None:
        """The error that has ended the world; None if there is none."""
        try:
            self._line.inbox.check()
        except WorldError as error:
            return error
        return None

    def ended(self) -> bool:
        """True if an error has ended the world."""
        return self.error is not None

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None:
        """Report that a rank of this node is gone, with the cause.

        The first node adds any ``delay``.
        """
        self._lost = True
        self._tell(Lost(rank, cause))

    def left(self, rank: int) -> None:
        """Report that the process of ``rank`` has ended well."""
        self._tell(Left(rank))

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """Do nothing: the first node watches the time limit."""

    def rest(self) -> None:
        """Wait for the cause where a rank was lost; else for nobody, as others may go on."""
        due = time.monotonic() + CAUSE_PATIENCE
        while self._lost and not self.ended() and time.monotonic() < due:
            time.sleep(CAUSE_LOOK)

    def close(self) -> None:
        """Leave the authority of the first node, and close the connection. Idempotent."""
        if not self._line.closed:
            self._line.post(Leave())
            self._line.close()

    def _tell(self, message: FromNode) -> None:
        self._line.post(message)
        self._line.flush()
