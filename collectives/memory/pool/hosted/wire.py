"""Frames between a client and a server: a JSON list, and bytes after it."""

import json
import struct
from collections.abc import Iterator
from typing import Any

from fabric.world.codec import WireError, parsed

_ENCODER = json.JSONEncoder(separators=(",", ":"))
_LENGTHS = struct.Struct("<II")

MOST_HEAD, MOST_BODY = 1 << 22, 1 << 24
"""Bytes of a frame's list, and of what follows it, at most."""


def frame(message: list[Any], body: bytes = b"") -> bytes:
    """The bytes of a frame."""
    head = _ENCODER.encode(message).encode()
    return _LENGTHS.pack(len(head), len(body)) + head + body


class Frames:
    """What has arrived on a connection, cut into frames."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[list[Any], bytes]]:
        """Add ``piece``; iterates over list and body of each frame that is whole by now.

        Raises `WireError` for what is no frame; the connection is of no use any more.
        """
        self._bytes += piece
        while len(self._bytes) >= _LENGTHS.size:
            head, body = _LENGTHS.unpack_from(self._bytes)
            if head > MOST_HEAD or body > MOST_BODY:
                raise WireError(f"a frame of {head} and {body} bytes")
            first, end = _LENGTHS.size + head, _LENGTHS.size + head + body
            if len(self._bytes) < end:
                return
            message = parsed(bytes(self._bytes[_LENGTHS.size : first]))
            rest = bytes(self._bytes[first:end])
            del self._bytes[:end]
            yield message, rest


def pieces_of(sizes: list[int], body: bytes) -> list[bytes]:
    """``body`` cut into pieces of these sizes; raises `WireError` if they do not fill it."""
    if sum(sizes) != len(body):
        raise WireError(f"{len(body)} bytes for pieces of {sum(sizes)}")
    found, at = [], 0
    for size in sizes:
        found.append(body[at : at + size])
        at += size
    return found
