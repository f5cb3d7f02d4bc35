"""Who gets past the handshake of a world's sockets: whoever has its key pair, or its token.

CURVE: every rank has the one key pair of the world, as the server of its own sockets and as the
client of the others'; all is encrypted. Without keys, on a loopback address, PLAIN: a peer sends
the token first. Either way libzmq asks the `Gate` of its context, and of a peer that is refused no
message is ever read. A socket file in the user's private folder needs neither.
"""

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, SOCK_DGRAM
from socket import socket as system_socket

import zmq
from zmq.utils import z85

from fabric.failure import TransportError
from fabric.host.owned import read_secret, write_owned

PUBLIC, SECRET = "TRIPLANE_CURVE_PUBLIC", "TRIPLANE_CURVE_SECRET"
"""The environment variables that hold the pair, each 40 characters of Z85."""

AT_ONCE = 64
"""Requests that are answered at once: whoever floods with them delays nobody."""

ZAP = "inproc://zeromq.zap.01"
"""Where libzmq asks whom to let in (ZeroMQ RFC 27)."""

_LOG = logging.getLogger("triplane")


@dataclass(frozen=True)
class Keys:
    """A key pair in Z85. Raises `TransportError` for keys that are not valid."""

    public: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            fits = zmq.curve_public(self.secret.encode()).decode() == self.public
        except (ValueError, zmq.ZMQError):
            fits = False
        if not fits:
            raise TransportError(f"{PUBLIC} and {SECRET} are no key pair of CURVE")

    @staticmethod
    def make() -> "Keys":
        """A new random key pair."""
        public, secret = zmq.curve_keypair()
        return Keys(public.decode(), secret.decode())

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> "Keys | None":
        """The key pair in ``environment``; None if it has neither key.

        Raises `TransportError` for half a pair.
        """
        if PUBLIC not in environment and SECRET not in environment:
            return None
        return Keys(environment.get(PUBLIC, ""), environment.get(SECRET, ""))

    @staticmethod
    def from_file(path: Path, make: bool = False) -> "Keys":
        """The key pair in the file at ``path``.

        With ``make``, a new one is written if there is no file.

        Raises `TransportError` for a file that others can read, or that holds no key pair.
        """
        try:
            if make and not os.path.lexists(path):
                keys = Keys.make()
                write_owned(path, f"{keys.public} {keys.secret}\n".encode())
            words = read_secret(path).decode("ascii", errors="replace").split()
        except OSError as error:
            raise TransportError(f"no keys from {path}: {_why(error)}") from error
        try:
            return Keys(*words)
        except (TransportError, TypeError):
            raise TransportError(f"{path} holds no key pair of CURVE") from None

    def token(self, *public: str) -> str:
        """A token of 32 hexadecimal digits derived from the secret key and the ``public`` words.

        Processes with the same keys derive the same token for the same words.
        """
        words = json.dumps(public).encode()
        return hashlib.blake2b(words, key=self.secret.encode(), digest_size=16).hexdigest()

    def environment(self) -> dict[str, str]:
        """The environment variables that hand the key pair to a rank, by name."""
        return {PUBLIC: self.public, SECRET: self.secret}

    def serve(self, socket: "zmq.Socket[bytes]") -> None:
        """Set up ``socket``, before it is bound, to accept only peers with the key pair.

        There must be a `Gate`.
        """
        socket.curve_secretkey, socket.curve_publickey = self.secret.encode(), self.public.encode()
        socket.curve_server = True

    def join(self, socket: "zmq.Socket[bytes]") -> None:
        """Give the key pair to ``socket``, which will connect to one set up with `serve`."""
        socket.curve_secretkey, socket.curve_publickey = self.secret.encode(), self.public.encode()
        socket.curve_serverkey = self.public.encode()


def _why(error: OSError) -> str:
    why = error.strerror or str(error)
    forbidden = isinstance(error, PermissionError) and "mode" in why
    return f"it {why}: only its owner may (chmod 600)" if forbidden else why


class Gate:
    """Authenticates the peers of one ZeroMQ context: only those with the world's secret.

    That is its key pair, or without ``keys`` its ``token``. Poll its ``socket`` along with the
    others, and call `answer` when it is readable. ``refused``: how many peers were turned away.
    """

    def __init__(
        self, context: "zmq.Context[zmq.Socket[bytes]]", keys: Keys | None, token: str = ""
    ) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(ZAP)
        self.refused = 0
        self._key = z85.decode(keys.public) if keys else None
        self._token = _password(token)

    def answer(self) -> None:
        """Answer authentication requests that wait: allow peers that have the secret.

        At most `AT_ONCE`, and the rest at the next call.
        """
        for _ in range(AT_ONCE):
            if not self.socket.poll(0):
                break
            frames = self.socket.recv_multipart()
            known = self._knows(frames)
            if not known:
                self._refuse()
            code, text = (b"200", b"OK") if known else (b"400", b"no secret of this world")
            request = frames[1] if len(frames) > 1 else b""
            self.socket.send_multipart([b"1.0", request, code, text, b"rank", b""])

    def _refuse(self) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, ...: a flood must not fill a disk
            _LOG.warning("%d peers without the secret of this world were refused", self.refused)

    def _knows(self, frames: list[bytes]) -> bool:
        """Whether a request (ZeroMQ RFC 27) has the secret in it."""
        if self._key is not None:
            return len(frames) == 7 and frames[5] == b"CURVE" and frames[6] == self._key
        plain = len(frames) == 8 and frames[5] == b"PLAIN"
        return plain and secrets.compare_digest(frames[7], self._token)

    def close(self) -> None:
        """Close the gate's socket; no further peer is let in."""
        self.socket.close()


def _password(token: str) -> bytes:
    return b"token " + token.encode()  # libzmq refuses an empty one


def gate(
    context: "zmq.Context[zmq.Socket[bytes]]", address: str, keys: Keys | None, token: str
) -> Gate | None:
    """The gate that a socket needs which will listen at ``address``; None if it needs none."""
    return Gate(context, keys, token) if keys or address.startswith("tcp://") else None


def serve(socket: "zmq.Socket[bytes]", address: str, keys: Keys | None) -> None:
    """Set up ``socket``, before it is bound to ``address``, to ask the `gate` about its peers."""
    if keys is not None:
        keys.serve(socket)
    elif address.startswith("tcp://"):
        socket.plain_server = True


def join(socket: "zmq.Socket[bytes]", address: str, keys: Keys | None, token: str) -> None:
    """Give the secret to ``socket``, which will connect to one at ``address`` set up by `serve`."""
    if keys is not None:
        keys.join(socket)
    elif address.startswith("tcp://"):
        socket.plain_username, socket.plain_password = b"rank", _password(token)


def check_address(address: str, keys: Keys | None) -> None:
    """Raise `TransportError` if other hosts can reach ``address`` and there are no keys."""
    if keys is None and not private(address):
        raise TransportError(
            f"{address} can be reached from other hosts, so it needs keys: give {PUBLIC} and"
            f" {SECRET}, or `triplane run --keys FILE`"
        )


def private(address: str) -> bool:
    """True if only this host can reach ``address``, such as ``tcp://127.0.0.1:5000``."""
    if address.startswith(("ipc://", "inproc://")):
        return True
    name = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def on_this_host(address: str) -> bool:
    """True if ``address`` is one of this host's own, such as ``tcp://10.0.0.1:5000`` on 10.0.0.1.

    ``address``: with a number, not a name, unless `private`.
    """
    if private(address):
        return True
    name = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        family = AF_INET6 if ":" in name else AF_INET
        with system_socket(family, SOCK_DGRAM) as tried:
            tried.bind((name, 0))
    except OSError:
        return False
    return True
