"""NIXL's lists of descriptors: stretches of memory, to register and to transfer."""

import json
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class MemoryKind(IntEnum):
    """Where memory is, by NIXL's numbers; only ``DRAM_SEG`` can be registered here."""

    DRAM_SEG = 0
    VRAM_SEG = 1
    BLK_SEG = 2
    OBJ_SEG = 3
    FILE_SEG = 4


KINDS = {
    "DRAM": MemoryKind.DRAM_SEG, "cpu": MemoryKind.DRAM_SEG, "VRAM": MemoryKind.VRAM_SEG,
    "cuda": MemoryKind.VRAM_SEG, "BLOCK": MemoryKind.BLK_SEG, "OBJ": MemoryKind.OBJ_SEG,
    "FILE": MemoryKind.FILE_SEG,
}  # fmt: skip
"""By the names that programs use."""

Stretch = tuple[int, int, int]
"""Address, length in bytes, and number of the device."""


class DescriptorList:
    """Stretches of one kind of memory; NIXL's names, as of its lists.

    ``stretches``: rows of address, length and device; an array ``[n, 3]`` or tuples.
    """

    def __init__(
        self, type: MemoryKind | int, stretches: "Iterable[Sequence[Any]] | NDArray[Any]" = (),
    ) -> None:  # fmt: skip
        self._kind = MemoryKind(type)
        self._rows = [(int(row[0]), int(row[1]), int(row[2])) for row in stretches]

    def getType(self) -> MemoryKind:  # noqa: N802  (NIXL's name)
        """The kind of memory."""
        return self._kind

    def descCount(self) -> int:  # noqa: N802
        """How many there are."""
        return len(self._rows)

    def isEmpty(self) -> bool:  # noqa: N802
        """Whether there are none."""
        return not self._rows

    def __getitem__(self, at: int) -> Stretch:
        return self._rows[at]

    def __setitem__(self, at: int, stretch: Sequence[int]) -> None:
        self._rows[at] = (int(stretch[0]), int(stretch[1]), int(stretch[2]))

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self) and isinstance(other, DescriptorList)
            and (self._kind, self._rows) == (other._kind, other._rows)
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]  # a list

    def append(self, stretch: Sequence[Any]) -> None:
        """Add one at the end."""
        self._rows.append((int(stretch[0]), int(stretch[1]), int(stretch[2])))

    addDesc = append  # noqa: N815

    def index(self, stretch: Sequence[Any]) -> int:
        """The place of a stretch; -1 if it is not among them."""
        row = (int(stretch[0]), int(stretch[1]), int(stretch[2]))
        return self._rows.index(row) if row in self._rows else -1

    def remDesc(self, at: int) -> None:  # noqa: N802
        """Remove the one at a place."""
        del self._rows[at]

    def clear(self) -> None:
        """Remove all."""
        self._rows.clear()

    @property
    def rows(self) -> Sequence[Stretch]:
        """All of them, in order."""
        return self._rows

    def pick(self, which: Iterable[int]) -> Self:
        """Those at these places."""
        return type(self)(self._kind, [self._rows[int(at)] for at in which])


class TransferList(DescriptorList):
    """NIXL's ``nixlXferDList``: what a transfer moves."""


class RegistrationList(DescriptorList):
    """NIXL's ``nixlRegDList``: what is registered; a fourth value of each is left out."""

    def trim(self) -> TransferList:
        """The same as a list for transfers."""
        return TransferList(self._kind, self._rows)


def serialized(descriptors: DescriptorList) -> bytes:
    """A list as bytes, which `deserialized` takes."""
    kind = "reg" if isinstance(descriptors, RegistrationList) else "xfer"
    return json.dumps([kind, int(descriptors.getType()), list(descriptors.rows)]).encode()


def deserialized(given: bytes) -> DescriptorList:
    """The list in bytes from `serialized`; raises `ValueError` for others."""
    kind, memory, rows = json.loads(given)
    made: type[DescriptorList] = {"reg": RegistrationList, "xfer": TransferList}[kind]
    return made(memory, rows)


def stretches_of(given: Any, kind: str | None) -> tuple[MemoryKind, list[Stretch]] | None:
    """Kind and stretches of what programs pass; None for what is none of these.

    Tuples that begin with address, length and device, or an array ``[n, 3]``, with the name of
    their ``kind``; or a contiguous tensor of torch, or several.
    """
    if isinstance(given, np.ndarray):
        fits = kind is not None and given.ndim == 2 and given.shape[1] == 3
        return (KINDS[kind or ""], [_plain(row) for row in given]) if fits else None
    if hasattr(given, "data_ptr"):
        return _of_tensors([given])
    rows = list(given)
    if rows and all(hasattr(one, "data_ptr") for one in rows):
        return _of_tensors(rows)
    fits = kind is not None and all(isinstance(one, tuple) and len(one) >= 3 for one in rows)
    return (KINDS[kind or ""], [_plain(row) for row in rows]) if fits else None


def _plain(row: Sequence[Any]) -> Stretch:
    return int(row[0]), int(row[1]), int(row[2])


def _of_tensors(tensors: Sequence[Any]) -> tuple[MemoryKind, list[Stretch]] | None:
    devices = {str(tensor.device) for tensor in tensors}
    if len(devices) > 1 or not all(tensor.is_contiguous() for tensor in tensors):
        return None
    kind = MemoryKind.DRAM_SEG if devices == {"cpu"} else MemoryKind.VRAM_SEG
    return kind, [
        (tensor.data_ptr(), tensor.numel() * tensor.element_size(), 0) for tensor in tensors
    ]
