"""Nodes: the hosts that share a world, where they meet, and a launcher's line to the first."""

import hashlib
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fabric.authority.zclient import Line
from fabric.curve import Keys
from fabric.failure import TransportError, WorldError
from fabric.launching.folder import endpoint


@dataclass(frozen=True)
class Nodes:
    """The hosts that share a world: ``count`` of them, ``rank`` is this one.

    ``meet``: ``HOST:PORT``, where node 0 listens. ``address``: where the ranks of this node listen
    for those of others; None: the address from which the way to ``meet`` leads. Raises
    `WorldError` for what cannot be.
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
        """The ranks of this node, of so many in all."""
        if ranks % self.count:
            raise WorldError(f"{ranks} ranks cannot be shared evenly among {self.count} nodes")
        each = ranks // self.count
        return range(self.rank * each, (self.rank + 1) * each)

    def meeting(self, folder: Path, keys: Keys | None) -> tuple[str, str]:
        """Where the authority listens, and the token to bring; of one node, in its ``folder``."""
        if self.count == 1:
            return endpoint(folder, "control"), secrets.token_hex(16)
        host, _, port = self.meet.rpartition(":")
        shared = keys.secret if keys else self.meet
        token = hashlib.blake2b(shared.encode(), digest_size=16).hexdigest()
        return f"tcp://{_resolved(host)}:{port}", token

    def environment(self) -> dict[str, str]:
        """What this node's ranks must know to reach those of others, and torch its own store."""
        if self.count == 1:
            return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        host, _, port = self.meet.rpartition(":")
        address = _resolved(self.address) if self.address else _way_to(_resolved(host), int(port))
        return {
            "MASTER_ADDR": host, "MASTER_PORT": str(int(port) + 1),
            "TRIPLANE_BIND": f"tcp://{address}",
        }  # fmt: skip


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
    """The launcher of a node that is not the first, which tells that one how its ranks are."""

    def __init__(
        self, address: str, ranks: range, size: int, token: str, keys: Keys | None
    ) -> None:
        self._line = Line(address, None, size, token=token, keys=keys)
        self._tell(("node", ranks.start, ranks.stop))

    @property
    def error(self) -> WorldError | None:
        """What has ended the world, if anything has."""
        try:
            self._line.inbox.check()
        except WorldError as error:
            return error
        return None

    def ended(self) -> bool:
        """Whether something has ended the world before its time."""
        return self.error is not None

    def lost(self, rank: int, cause: str, delay: float = 0.0) -> None:
        """A rank is gone; the first node waits a moment by itself."""
        self._tell(("lost", rank, cause))

    def left(self, rank: int) -> None:
        """A rank has ended well."""
        self._tell(("left", rank))

    def late(self, ranks: Iterable[int], timeout: float) -> None:
        """One of the world's ranks is late; the first node watches the time."""

    def rest(self) -> None:
        """Wait for nobody: the others may go on without this node."""

    def close(self) -> None:
        """Hang up. Idempotent."""
        if not self._line.closed:
            self._line.add(("leave",))
            self._line.close()

    def _tell(self, record: tuple[object, ...]) -> None:
        self._line.add(record)
        self._line.flush()
