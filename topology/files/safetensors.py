"""Files of ``safetensors``: arrays by name, read without the package and checked before memory.

The format is 8 bytes of length, a JSON header of that length with type, shape and place of each
array, and the data (huggingface/safetensors README).
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.files.reading import Error, json_of, read_bytes, shown

KINDS: Mapping[str, str] = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
"""Types of arrays that are read; others, such as BF16, are refused where they are asked for."""

METADATA = "__metadata__"
_LONGEST = 100 << 20  # bytes of a header at most, as of the package


class Tensors(NamedTuple):
    """The arrays of a file by name, and the texts that its writer added."""

    arrays: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, str]


def read_safetensors(path: str | Path, error: Error, most: int) -> Tensors:
    """The arrays in the file at ``path`` of up to ``most`` bytes; of types that are not read, none.

    Raises ``error`` naming file and fault.
    """
    data = read_bytes(path, error, most)
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 0 < length <= min(len(data) - 8, _LONGEST):
        raise error(f"{path} is no safetensors file: its header does not fit into it")
    try:
        text = data[8 : 8 + length].decode("utf-8")
    except UnicodeDecodeError:
        raise error(f"{path} is no safetensors file: its header is no text") from None
    header = json_of(text, f"{path}: header", error)
    if not isinstance(header, dict):
        raise error(f"{path} is no safetensors file: its header is {shown(header)}")
    metadata = header.pop(METADATA, {})
    body = memoryview(data)[8 + length :]
    found = {name: _array(body, one, f"{path}: {name}", error) for name, one in header.items()}
    return Tensors(
        {name: array for name, array in found.items() if array is not None},
        {str(k): str(v) for k, v in metadata.items()} if isinstance(metadata, dict) else {},
    )


def _array(body: memoryview, given: object, where: str, error: Error) -> NDArray[Any] | None:
    if not isinstance(given, dict) or given.keys() != {"dtype", "shape", "data_offsets"}:
        raise error(f"{where} is {shown(given)}; dtype, shape and data_offsets are expected")
    shape, place = given["shape"], given["data_offsets"]
    if not _whole(shape) or not _whole(place) or len(place) != 2:
        raise error(f"{where}: shape and data_offsets are {shown(shape)} and {shown(place)}")
    if given["dtype"] not in KINDS:
        return None
    kind = np.dtype(KINDS[given["dtype"]])
    begin, end = place
    if not begin <= end <= len(body) or end - begin != math.prod(shape) * kind.itemsize:
        raise error(f"{where}: bytes {begin} to {end} are not {given['dtype']}{shape} in the file")
    return np.frombuffer(body[begin:end], kind).reshape(shape)


def _whole(values: object) -> bool:
    return isinstance(values, list) and all(type(one) is int and one >= 0 for one in values)
