"""Frames: messages between processes as bytes on a socket; a header, and after it a piece.

Anything may arrive at a socket, so `decode` checks all of it: a header must have the token that its
receiver has given to the ranks of its world, be whole, and fit its piece.
"""

import struct
import zlib
from dataclasses import dataclass

from fabric.schedule.step import MAX_SIZE
from fabric.transports.base import ALIGNMENT
from topology.errors import TriplaneError

PIECE = 1 << 18
"""Bytes of a piece at most: what a kernel takes at once from a socket is less."""

VERSION = 1
_MAGIC = b"3PLN"
_FIELDS = struct.Struct("<4sBxxx16sIIQQQQI")
_CHECK = struct.Struct("<I")
HEADER = _FIELDS.size + _CHECK.size
"""Bytes of a header; the last four are the CRC-32 of the others."""


class FrameError(TriplaneError):
    """The bytes that have arrived are no frame of this world."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a message: the ``length`` bytes from ``at`` of ``size``.

    ``token``: 16 bytes that only ranks know; ``sequence``: 0, 1, ... among all frames from
    ``source`` to the receiver; ``tag`` and ``mark``: of the message.
    """

    token: bytes
    source: int
    sequence: int
    tag: int
    mark: int
    size: int
    at: int
    length: int


def encode(frame: Frame) -> bytes:
    """The header of ``frame``, `HEADER` bytes with a check sum."""
    fields = _FIELDS.pack(
        _MAGIC, VERSION, frame.token, frame.source, frame.mark, frame.sequence,
        frame.tag, frame.size, frame.at, frame.length,
    )  # fmt: skip
    return fields + _CHECK.pack(zlib.crc32(fields))


def decode(header: bytes, length: int, token: bytes, ranks: int) -> Frame:
    """The frame whose header came before ``length`` bytes of data.

    ``token``: that of the world, 16 bytes; ``ranks``: its size. Raises `FrameError` for a header
    that is malformed, of another world, or inconsistent.
    """
    if len(header) != HEADER:
        raise FrameError(f"a header of {len(header)} bytes; a header has {HEADER}")
    magic, version, given, source, mark, sequence, tag, size, at, long = _FIELDS.unpack_from(header)
    if magic != _MAGIC or version != VERSION:
        raise FrameError(f"magic {magic!r}, version {version}; a frame has {_MAGIC!r}, {VERSION}")
    if given != token:
        raise FrameError("the token is not the one of this world")
    if _CHECK.unpack_from(header, _FIELDS.size)[0] != zlib.crc32(header[: _FIELDS.size]):
        raise FrameError("the header's check sum is wrong")
    frame = Frame(given, source, sequence, tag, mark, size, at, long)
    _check(frame, length, ranks)
    return frame


def _check(frame: Frame, length: int, ranks: int) -> None:
    end = frame.at + frame.length
    if frame.source >= ranks:
        raise FrameError(f"source {frame.source}; there are ranks 0 to {ranks - 1}")
    if frame.length != length or length > PIECE:
        raise FrameError(f"a piece of {length} bytes with a header for {frame.length}")
    if frame.size > MAX_SIZE or end > frame.size:
        raise FrameError(f"bytes {frame.at} to {end} of a message of {frame.size}")
    if frame.at % ALIGNMENT or (end < frame.size and (length == 0 or length % ALIGNMENT)):
        raise FrameError(f"a piece from byte {frame.at} to {end} is not aligned to {ALIGNMENT}")
