"""Numpy columns and plain values in one compressed block, for a page that has no server to ask.

The block is gzip, in base64, of: the length of the header (uint32, little endian), the header
(JSON in UTF-8), then every column at a multiple of eight bytes. In the header a column is
``{"$": [type, offset, length]}``; ``web/src/payload.js`` reads it back. Base64 holds no character
that means anything to HTML, so whatever a name contains cannot end the element that it sits in.
"""

import base64
import gzip
import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ALIGNED = 8
_TYPES = ("u1", "u2", "u4", "i4", "f4", "f8")


def pack(document: Any, level: int = 9) -> str:
    """``document`` as one line of base64: gzipped JSON with its numpy columns as binary.

    ``level``: how much gzip tries, from 1. The document may hold dicts, lists, texts, numbers and
    arrays of uint8, uint16, uint32, int32, float32 or float64; other types raise `TypeError`. An
    array of more than one dimension is flattened.
    """
    columns: list[bytes] = []
    header = json.dumps(_lifted(document, columns, [0]), allow_nan=False).encode()
    head = struct.pack("<I", len(header)) + header
    body = head + bytes(-len(head) % _ALIGNED) + b"".join(columns)
    return base64.b64encode(gzip.compress(body, level, mtime=0)).decode("ascii")


def _lifted(value: Any, columns: list[bytes], at: list[int]) -> Any:
    """``value`` with every column moved to ``columns``; ``at[0]`` is where the next one goes."""
    if isinstance(value, np.ndarray):
        data = _bytes(value)
        place = at[0]
        columns.append(data + bytes(-len(data) % _ALIGNED))
        at[0] += len(columns[-1])
        return {"$": [value.dtype.str[1:], place, value.size]}
    if isinstance(value, dict):
        return {key: _lifted(part, columns, at) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_lifted(part, columns, at) for part in value]
    return value


def _bytes(column: NDArray[Any]) -> bytes:
    kind = column.dtype.str[1:]
    if kind not in _TYPES:
        raise TypeError(f"a column of {column.dtype} cannot be packed; {', '.join(_TYPES)} can")
    return column.astype(f"<{kind}", copy=False).tobytes()


def narrow(column: NDArray[np.integer]) -> NDArray[np.integer]:
    """``column`` in the smallest unsigned type that holds it, or int32 if it has negatives."""
    if len(column) and column.min() < 0:
        return column.astype(np.int32)
    most = int(column.max(initial=0))
    return column.astype(np.uint8 if most < 1 << 8 else np.uint16 if most < 1 << 16 else np.uint32)
