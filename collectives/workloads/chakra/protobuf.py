"""The wire format of protocol buffers, as far as Chakra's traces use it.

A message is a run of fields: a number, a wire type, a value (protobuf.dev, "Encoding"). Values here
are as they stand: whole numbers without a sign, and bytes.
"""

import struct
from collections.abc import Iterator

from topology.errors import TriplaneError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

_LONGEST = 10  # bytes of a varint


class ProtobufError(TriplaneError):
    """Bytes are no protocol buffer."""


def varint(value: int) -> bytes:
    """``value``, an int from 0 to 2**64 - 1, as a varint: 7 bits a byte, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The varint that begins at byte ``at``, and the place after it; raises `ProtobufError`."""
    value = 0
    for place in range(_LONGEST):
        if at + place >= len(data):
            raise ProtobufError(f"a number is cut off at byte {len(data)}")
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & (1 << 64) - 1, at + place + 1
    raise ProtobufError(f"a number at byte {at} has more than {_LONGEST} bytes")


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Iterate over number, wire type and value of each field of a message.

    Raises `ProtobufError`.
    """
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value: int | bytes
            value, at = read_varint(data, at)
        elif kind in (FIXED64, FIXED32):
            wide = 8 if kind == FIXED64 else 4
            value = int.from_bytes(_cut(data, at, wide), "little")
            at += wide
        elif kind == BYTES:
            size, at = read_varint(data, at)
            value = _cut(data, at, size)
            at += size
        else:
            raise ProtobufError(f"field {number} has wire type {kind}, which no message has")
        if not number:
            raise ProtobufError("a field has the number 0")
        yield number, kind, value


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ProtobufError(f"{size} bytes are said to follow byte {at}, {len(data) - at} do")
    return data[at : at + size]


def field(number: int, value: int | float | bytes | str) -> bytes:
    """A field as bytes: an int as a varint, a float as a double, bytes and text with their length.

    An int below 0 is written in two's complement of 64 bits.
    """
    if isinstance(value, float):
        return varint(number << 3 | FIXED64) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value & (1 << 64) - 1)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def messages(data: bytes) -> Iterator[bytes]:
    """Iterate over messages that follow each other, each after its length.

    Raises `ProtobufError`.
    """
    at = 0
    while at < len(data):
        size, at = read_varint(data, at)
        yield _cut(data, at, size)
        at += size


def signed(value: int, bits: int = 64) -> int:
    """``value`` as a two's complement number of ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
