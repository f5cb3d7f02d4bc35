"""Views: the bytes of whatever a user passes, where they are, and what to say if there are none.

A buffer is a numpy array, a CPU tensor of torch, or anything else that offers its memory: through
the buffer protocol (bytearray, memoryview, array) or DLPack. One whose items do not lie side by
side, such as a column of a matrix, is packed into memory of its own and unpacked when the call is
over. bfloat16 and the small floats are those of ml_dtypes.
"""

import sys
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collectives.spec import averaged, combiner
from fabric.transport import Bytes
from topology.errors import TriplaneError


class ArgumentError(TriplaneError):
    """What was passed to a call cannot be: nothing has been sent, and no other rank knows of it."""


class Buffer(NamedTuple):
    """Memory of a user. ``bytes``: uint8, one after the other. ``items``: how many of ``dtype``.

    ``home``: where the bytes belong after the call, if this is a packed copy.
    """

    bytes: Bytes
    dtype: np.dtype[Any]
    items: int
    home: NDArray[Any] | None = None

    def unpack(self) -> None:
        """Bring the bytes home."""
        if self.home is not None:
            self.home[...] = self.bytes.view(self.dtype).reshape(self.home.shape)


NOTHING = Buffer(np.zeros(0, np.uint8), np.dtype(np.uint8), 0)
"""The buffer of a rank that neither gives nor gets anything."""


def view(given: Any, name: str, writable: bool = False) -> Buffer:
    """The memory of what was passed as ``name``; ``writable`` where the call fills it.

    Raises `ArgumentError` for what has no memory of its own, is read-only, or is not on this host.
    """
    array = given if type(given) is np.ndarray else _array(given, name)
    flags = array.flags
    if writable and not flags.writeable:
        raise ArgumentError(f"{name} is read-only, and the call writes it")
    if array.dtype.hasobject or not array.dtype.itemsize:
        raise ArgumentError(f"{name} holds {array.dtype}: no numbers, and no bytes")
    if flags.c_contiguous:
        return Buffer(array.reshape(-1).view(np.uint8), array.dtype, array.size)
    packed = np.ascontiguousarray(array).reshape(-1)
    return Buffer(packed.view(np.uint8), array.dtype, array.size, array)


def _array(given: Any, name: str) -> NDArray[Any]:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.Tensor):
        return _tensor(torch, given, name)
    if isinstance(given, np.ma.MaskedArray):
        raise ArgumentError(f"{name} is a masked array: pass its data, or fill it")
    if isinstance(given, np.ndarray):
        return np.asarray(given)
    try:
        return np.asarray(memoryview(given))
    except TypeError:
        pass  # no buffer protocol; there are others
    except ValueError as error:
        raise ArgumentError(f"the memory of {name} is in no format of numpy: {error}") from None
    if hasattr(given, "__dlpack__"):
        return _from_dlpack(given, name)
    kind = type(given).__name__
    raise ArgumentError(f"{name} is a {kind}, which has no memory of its own: pass a numpy array")


def _tensor(torch: Any, tensor: Any, name: str) -> NDArray[Any]:
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        raise ArgumentError(
            f"{name} is a tensor on {tensor.device} with layout {tensor.layout}; it must be on the"
            " CPU and strided"
        )
    tensor = tensor.detach()
    if tensor.is_conj() or tensor.is_neg():
        raise ArgumentError(f"{name} is a lazy conjugate or negative: call its resolve_ methods")
    small = str(tensor.dtype).removeprefix("torch.")
    if small == "bfloat16" or small.startswith("float8_"):
        # numpy has no such types; the integers of their size only stand for their bytes.
        carrier = torch.int16 if tensor.element_size() == 2 else torch.uint8
        stand_in: NDArray[Any] = tensor.view(carrier).numpy()
        return stand_in.view(_small(small))
    array: NDArray[Any] = tensor.numpy()
    return array


def _small(name: str) -> np.dtype[Any]:
    import ml_dtypes

    dtype: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
    return dtype


def _from_dlpack(given: Any, name: str) -> NDArray[Any]:
    try:
        return np.from_dlpack(given)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise ArgumentError(f"the memory of {name} cannot be reached: {error}") from None


def shift(send: Buffer, recv: Buffer) -> int | None:
    """Where recv begins, in bytes from the beginning of send, if they share memory; else None."""
    if send is recv:
        return 0
    if not send.items or not recv.items:
        return None
    begin, end = (_address(buffer.bytes) for buffer in (send, recv))
    if end < begin + send.bytes.size and begin < end + recv.bytes.size:
        return end - begin
    return None


def _address(data: Bytes) -> int:
    address: int = data.__array_interface__["data"][0]
    return address


def name_of(dtype: np.dtype[Any]) -> str:
    """A type by a name that is the same at every rank whose bytes mean the same."""
    return dtype.name if dtype.isnative and dtype.names is None else str(dtype)


@lru_cache(maxsize=256)
def reduction(op: str, dtype: np.dtype[Any]) -> np.ufunc:
    """What combines two items of ``dtype`` under ``op``, each result rounded to the dtype.

    Integers wrap around; of booleans the sum is "or" and the product "and", as in numpy and torch;
    the minimum and maximum of anything and NaN is NaN. Raises `ScheduleError` for an unknown
    ``op``, `ArgumentError` for a type that it means nothing for: no order of complex numbers, no
    average of booleans.
    """
    combine = combiner(op)
    senseless = {"min": "cW", "max": "cW", "avg": "bW"}.get(op, "") + "mMSU"
    if dtype.kind not in senseless:
        nothing = np.zeros(0, dtype)
        try:
            if combine(nothing, nothing).dtype == dtype:
                return combine
        except TypeError:
            pass  # no loop of the ufunc for this type
    raise ArgumentError(f"{op} of {name_of(dtype)} has no meaning")


def average(buffer: Buffer, ranks: int) -> None:
    """Divide a sum over ``ranks`` ranks by their number, in place, as `spec.averaged` does."""
    items = buffer.bytes.view(buffer.dtype)
    if buffer.dtype.kind in "fc" and buffer.dtype.itemsize >= 4:
        np.divide(items, ranks, out=items)
    else:
        items[:] = averaged(items, ranks)
