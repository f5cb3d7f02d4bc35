"""The bytes of any buffer that a user passes, where they lie, and the errors if there are none.

A buffer is a numpy array, a CPU tensor of torch, or anything else that offers its memory: through
the buffer protocol (bytearray, memoryview, array) or DLPack. One whose items do not lie side by
side, such as a column of a matrix, is packed into memory of its own and unpacked when the call is
over. bfloat16 and the small floats are those of ml_dtypes. The types that can be combined are in
`collectives.calls.dtypes.NUMBERS`; all others can only be moved.
"""

import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.calls.dtypes import name_of, plain_name, type_of
from fabric.transports.base import Bytes, Shared, address_of
from topology.arguments import shown
from topology.errors import ArgumentError

__all__ = [
    "NOTHING", "ArgumentError", "UserBuffer", "in_place", "meet", "name_of", "shared_array",
    "shift", "span", "view",
]  # fmt: skip

NO_ADDRESS = 64
"""Where tensors without items are said to lie: numpy before 2.4 takes an interface at 0 for none,
and the tensor for a number."""

WORK = 10_000
"""Places of memory that numpy may try to find out whether two arrays with gaps share any."""


class UserBuffer(NamedTuple):
    """Memory of a user as ``bytes``, uint8 without gaps: ``items`` items of ``dtype``.

    ``home``: if ``bytes`` is a packed copy, the array that it is copied back to after the call.
    """

    bytes: Bytes
    dtype: np.dtype[Any]
    items: int
    home: NDArray[Any] | None = None

    def unpack(self) -> None:
        """Copy packed bytes back to the user's memory, if that has gaps."""
        if self.home is not None:
            self.home[...] = self.bytes.view(self.dtype).reshape(self.home.shape)


NOTHING = UserBuffer(np.zeros(0, np.uint8), np.dtype(np.uint8), 0)
"""The buffer of a rank that neither gives nor gets anything."""


def view(given: Any, name: str, writable: bool = False) -> UserBuffer:
    """The memory of the argument called ``name`` as a buffer; ``writable`` if the call fills it.

    Raises `ArgumentError` for what has no memory of its own, is not on this host, or cannot be
    filled: it is read-only, or several of its items share one place in memory.
    """
    array = given if type(given) is np.ndarray else _array(given, name, writable)
    flags = array.flags
    if writable and not flags.writeable:
        raise ArgumentError(f"{name} is read-only, and the call writes it")
    if array.dtype.hasobject or not array.dtype.itemsize:
        raise ArgumentError(f"{name} holds {array.dtype}: no numbers, and no bytes")
    if flags.c_contiguous:
        flat = array if array.ndim == 1 else array.reshape(-1)
        return UserBuffer(flat.view(np.uint8), array.dtype, array.size)
    if writable and _meets_itself(array):
        raise ArgumentError(
            f"{name} of shape {list(array.shape)} has several items at one place in memory, and"
            " the call writes it: pass a copy"
        )
    return UserBuffer(_packed(array, name).view(np.uint8), array.dtype, array.size, array)


def _packed(array: NDArray[Any], name: str) -> NDArray[Any]:
    try:
        return np.ascontiguousarray(array).reshape(-1)
    except MemoryError:
        raise ArgumentError(
            f"{name} is not contiguous, and there is no memory for a copy of {array.nbytes} bytes"
        ) from None


def _meets_itself(array: NDArray[Any]) -> bool:
    """Whether items may share memory: no stride may be shorter than all that lies within it."""
    reach = array.itemsize
    for stride, length in sorted(zip(map(abs, array.strides), array.shape, strict=True)):
        if length > 1 and stride < reach:
            return True
        reach += stride * (length - 1)
    return False


def _array(given: Any, name: str, writable: bool) -> NDArray[Any]:
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)  # not there while another thread imports torch
    if tensor is not None and isinstance(given, tensor):
        return _tensor(torch, given, name, writable)
    if isinstance(given, np.ma.MaskedArray):
        raise ArgumentError(f"{name} is a masked array: pass its data, or fill it")
    if isinstance(given, np.ndarray):
        return np.asarray(given)
    try:
        return np.asarray(memoryview(given))
    except TypeError:
        pass  # no buffer protocol; there are others
    except (BufferError, NotImplementedError, ValueError) as error:
        raise ArgumentError(f"the memory of {name} is in no format of numpy: {error}") from None
    if hasattr(given, "__dlpack__"):
        return _from_dlpack(given, name)
    kind = type(given).__name__
    raise ArgumentError(f"{name} is a {kind}, which has no memory of its own: pass a numpy array")


def _tensor(torch: Any, tensor: Any, name: str, writable: bool) -> NDArray[Any]:
    """The memory of a tensor.

    Not by ``numpy()``, ``np.asarray`` or DLPack: torch takes a storage that numpy has seen for one
    that cannot be resized any more, and FSDP, for one, resizes its storages.
    """
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided or tensor.is_nested:
        raise ArgumentError(
            f"{name} is a tensor on {tensor.device} with layout {tensor.layout}; it must be on the"
            " CPU and strided"
        )
    if tensor.is_conj() or tensor.is_neg():
        if writable:
            raise ArgumentError(
                f"{name} is a lazy conjugate or negative, and the call writes it: call its resolve_"
                " methods"
            )
        tensor = tensor.resolve_conj().resolve_neg()
    if tensor.is_quantized:
        raise ArgumentError(
            f"{name} is a tensor of {plain_name(tensor.dtype)}, whose scale would stay behind:"
            " pass its int_repr()"
        )
    memory = _TensorMemory(tensor, name)
    array: NDArray[Any] = np.asarray(memory)
    return array if memory.dtype is None else array.view(memory.dtype)


class _TensorMemory:
    """A tensor's memory for numpy's array interface; an array made of it keeps the tensor alive.

    ``dtype``: the type of its items, if it is one that the interface has no word for.
    """

    __slots__ = ("__array_interface__", "_tensor", "dtype")

    def __init__(self, tensor: Any, name: str) -> None:
        size = tensor.element_size()
        code, self.dtype = type_of(tensor.dtype, size)
        shape, strides = tuple(tensor.shape), tuple([step * size for step in tensor.stride()])
        reach = size + sum([step * (n - 1) for step, n in zip(strides, shape, strict=True)])
        self._tensor = tensor
        self.__array_interface__ = {
            "version": 3, "typestr": code, "shape": shape, "strides": strides,
            "data": (_begin_of(tensor, name, reach), False),
        }  # fmt: skip


def _begin_of(tensor: Any, name: str, reach: int) -> int:
    """Where a tensor's items begin, which lie in ``reach`` bytes.

    Refuses those that have no storage, or a shorter one.
    """
    try:
        address = int(tensor.data_ptr())
        room = tensor.untyped_storage().nbytes() - tensor.storage_offset() * tensor.element_size()
    except (NotImplementedError, RuntimeError) as error:
        raise ArgumentError(f"{name} is a tensor without memory: {shown(str(error))}") from None
    if tensor.numel() and (not address or reach > room):
        raise ArgumentError(f"{name} is a tensor without memory: its storage is too short for it")
    return address or NO_ADDRESS


def _from_dlpack(given: Any, name: str) -> NDArray[Any]:
    try:
        return np.from_dlpack(given)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ArgumentError(f"the memory of {name} cannot be reached: {error}") from None


def shared_array(shared: Shared | None, shape: Any, dtype: Any) -> NDArray[Any]:
    """A new array of zeros in ``shared`` memory, or memory of its own if that is None.

    Raises `ArgumentError` for a shape or type that there is not, `TransportError` without room.
    """
    try:  # numpy also knows what the host cannot give: shared memory would end when it is written
        array = np.zeros(shape, dtype)
    except (TypeError, ValueError, MemoryError) as error:
        what = f"array of shape {shown(shape)} and type {shown(dtype)}"
        raise ArgumentError(f"there is no {what}: {error}") from None
    if array.dtype.hasobject:
        raise ArgumentError(f"an array of {array.dtype} holds no numbers, and no bytes")
    if shared is None or not array.nbytes:
        return array
    whole: NDArray[Any] = shared.allocate(array.nbytes).view(array.dtype)
    return whole.reshape(array.shape)


def shift(send: UserBuffer, recv: UserBuffer) -> int | None:
    """The byte of ``send`` at which ``recv`` begins, if they share memory; else None."""
    if send is recv:
        return 0
    if not np.may_share_memory(send.bytes, recv.bytes):  # which compares where they begin and end
        return None
    begin, end = (address_of(buffer.bytes) for buffer in (send, recv))
    if end < begin + send.bytes.size and begin < end + recv.bytes.size:
        return end - begin
    return None


def span(buffer: UserBuffer) -> tuple[int, int]:
    """The addresses at which the user's memory begins and ends, gaps included."""
    memory = buffer.bytes if buffer.home is None else buffer.home
    begin = end = address_of(memory)
    for stride, length in zip(memory.strides, memory.shape, strict=True):
        reach = stride * (length - 1)
        begin, end = begin + min(reach, 0), end + max(reach, 0)
    return begin, end + memory.itemsize


def meet(one: UserBuffer, other: UserBuffer) -> bool:
    """True if two buffers whose spans overlap share memory.

    Also if that is too hard to find out.
    """
    if one.home is None and other.home is None:
        return True
    first, second = (each.bytes if each.home is None else each.home for each in (one, other))
    try:
        return bool(np.shares_memory(first, second, max_work=WORK))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def in_place(send: UserBuffer, recv: UserBuffer) -> bool:
    """True if the two buffers are the same memory, from its beginning to its end."""
    return send.bytes.size == recv.bytes.size and shift(send, recv) == 0
