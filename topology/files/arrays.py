"""numpy's ``.npy`` and ``.npz`` files from others: sizes are checked before memory is taken.

`numpy.load` makes an array as large as a header says, and passes on whatever zip, zlib, and the
parser of headers raise on damaged files. Here the header is read first, only arrays of plain
numbers are taken, and every fault is an error of the caller's type.
"""

import io
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.errors import TriplaneError
from topology.files.reading import Error, read_bytes

if TYPE_CHECKING:
    import zipfile  # what reads no archive has no use for it

MOST = 1 << 31
"""Bytes of all arrays of a file at most: a timeline of 40 million transfers."""

MEMBERS = 256
"""Arrays of a file at most."""

_MAGIC = b"\x93NUMPY"

_DESCRIPTION = re.compile(
    rb"\s*\{\s*'descr': *'(?P<kind>[<>|=][biuf][0-9])', *'fortran_order': *(?P<fortran>True|False),"
    rb" *'shape': *\((?P<shape>(?:[0-9]{1,18}, *){0,8}(?:[0-9]{1,18})?)\),? *\}\s*"
)

_HEADER = 1 << 12  # bytes in which every header of such arrays ends


class Header(NamedTuple):
    """The header of an array in a file: its shape and type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """The size of the array's data in bytes, without the header."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_column(
    headers: Mapping[str, Header], name: str, kind: str, error: Error, begin: str = ""
) -> None:
    """Raise ``error`` unless there is an array ``name`` of one dimension and the type ``kind``.

    ``kind``: as `numpy.dtype` takes it; in either byte order. ``begin``: of the error's message.
    """
    if name not in headers:
        raise error(f"{begin}it has no array {name!r}")
    shape, dtype = headers[name]
    if len(shape) != 1 or dtype.newbyteorder("=") != np.dtype(kind):
        raise error(f"{begin}{name} is {dtype}{list(shape)}, not {np.dtype(kind)} in one dimension")


Check = Callable[[Mapping[str, Header]], None]
"""Looks at the headers of a file, by name."""


def is_npz(path: str | Path) -> bool:
    """True if there is a file at ``path`` that is an archive, as every ``.npz`` file is."""
    import zipfile

    return Path(path).is_file() and zipfile.is_zipfile(path)


def read_npy(path: str | Path, error: Error, most: int = MOST) -> NDArray[Any]:
    """The array in the ``.npy`` file at ``path``, of any shape and numeric type.

    Raises ``error``, naming file and fault, if it cannot be read, is no such file, or has more than
    ``most`` bytes.
    """
    data = read_bytes(path, error, most)
    return _array(data, f"{path}", error)


def read_npz(
    path: str | Path, error: Error, what: str = ".npz file", check: Check | None = None,
    most: int = MOST,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """The arrays in the ``.npz`` file at ``path``, by name; raises ``error`` naming the fault.

    ``what``: the kind of file that was expected, for error messages. ``check``: called with every
    header before any array is read; it may raise. ``most``: the largest size in bytes.
    """
    import zipfile

    data = read_bytes(path, error, most)
    if data[:6] == _MAGIC:
        raise error(f"{path} is no {what}: it is a numpy array, not one of names (.npz)")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return _arrays(file, f"{path} is no {what}:", error, check, most)
    except TriplaneError:
        raise
    # zipfile and zlib raise at least eight types for damaged files (also NotImplementedError,
    # RuntimeError, zlib.error, OverflowError), and no list of them is promised.
    except Exception as fault:
        raise error(f"{path} is no {what}, or a damaged one: {_why(fault)}") from None


def _why(fault: Exception) -> str:
    if isinstance(fault, MemoryError):
        return "it asks for more memory than there is"
    import zipfile

    if isinstance(fault, zipfile.BadZipFile) and "CRC" in str(fault):
        return "its check sum is wrong"
    return "its parts do not fit together"


def _arrays(
    file: "zipfile.ZipFile", begin: str, error: Error, check: Check | None, most: int
) -> dict[str, NDArray[Any]]:
    members = {one.filename.removesuffix(".npy"): one for one in file.infolist()}
    if len(file.infolist()) > MEMBERS or len(members) < len(file.infolist()):
        raise error(f"{begin} it has more than {MEMBERS} arrays, or two of one name")
    sizes = sum(one.file_size for one in members.values())
    if sizes > most:
        raise error(f"{begin} it would fill {sizes} bytes; {most} are read at most")
    headers = {}
    for name, one in members.items():
        with file.open(one) as member:
            headers[name] = _header(member.read(_HEADER), f"{begin} {name!r:.40}", error)[0]
        if headers[name].size > one.file_size:
            raise error(f"{begin} {name!r:.40} says that it is larger than it is")
    if check:
        check(headers)
    found = {}
    for name, one in members.items():
        with file.open(one) as member:
            data = member.read(one.file_size + 1)
        found[name] = _array(data, f"{begin} {name!r:.40}", error)
    return found


def _array(data: bytes, name: str, error: Error) -> NDArray[Any]:
    header, begin, fortran = _header(data[:_HEADER], name, error)
    if len(data) - begin != header.size:
        raise error(
            f"{name} has {len(data) - begin} bytes of numbers, and its header says {header.size}"
        )
    flat = np.frombuffer(data, header.dtype, offset=begin)
    return flat.reshape(header.shape, order="F" if fortran else "C")


def _header(data: bytes, name: str, error: Error) -> tuple[Header, int, bool]:
    """What it says, where the numbers begin, and whether columns lie together.

    numpy's own reader takes any literal of Python there, and warns of some; arrays of plain
    numbers have one form, whoever writes them.
    """
    wide = {1: 2, 2: 4, 3: 4}.get(data[6] if data[:6] == _MAGIC and len(data) > 12 else 0, 0)
    begin = 8 + wide + int.from_bytes(data[8 : 8 + wide], "little")
    found = _DESCRIPTION.fullmatch(data[8 + wide : begin]) if wide and begin <= len(data) else None
    if found is None:
        raise error(f"{name} is no array of plain numbers, or a damaged one")
    shape = tuple(int(size) for size in found["shape"].replace(b" ", b"").split(b",") if size)
    try:
        dtype = np.dtype(found["kind"].decode())
    except TypeError:  # such as an integer of 3 bytes
        raise error(f"{name} is an array of {found['kind'].decode()}, which there is not") from None
    return Header(shape, dtype), begin, found["fortran"] == b"True"
