"""Tensors as rows of bytes and back, and what a dispatch takes: tokens, or numbers with scales."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.calls.communicator import Communicator
from collectives.moe.routing.routing import RoutingError
from collectives.moe.schedules.formats import FormatError
from collectives.moe.tensors import TokenError, array_of, flag
from fabric.transports.base import Bytes
from topology.errors import ArgumentError

__all__ = [
    "TokenLoad", "array_of", "checked", "choices", "expect", "flag", "ints", "load", "memory",
    "name", "on_cpu", "rows_of", "tensor_of", "told", "topk_idx_t",
]  # fmt: skip

topk_idx_t = torch.int64
"""The type of the experts that tokens choose."""

_NUMBERS = (torch.float8_e4m3fn, torch.int8)
_SCALES = (torch.float32, torch.int32)
_VECTOR = 16
"""Bytes that a token has to be a multiple of, as in DeepEP (``int4``)."""


@contextmanager
def told(comm: Communicator) -> Iterator[None]:
    """A context manager that reports a wrong argument to every rank, with this rank's number.

    Errors of arguments, routings and formats are raised as `TokenError`.
    """
    try:
        yield
    except (ArgumentError, TokenError, RoutingError, FormatError) as error:
        comm.refuse(TokenError(f"rank {comm.rank}: {error}"))


class TokenLoad(NamedTuple):
    """Tokens to dispatch. ``scales`` is None for plain tokens."""

    numbers: torch.Tensor
    scales: torch.Tensor | None

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.numbers.shape[0])

    @property
    def hidden(self) -> int:
        """Number of channels of a token."""
        return int(self.numbers.shape[1])

    @property
    def words(self) -> str:
        """A description of types and scales; ranks compare it, so a difference is an error."""
        scales = self.scales
        if scales is None:
            return name(self.numbers.dtype)
        shape = "x".join(map(str, scales.shape[1:])) or "1"
        return f"{name(self.numbers.dtype)} with {shape} {name(scales.dtype)} scales"


def load(x: Any) -> TokenLoad:
    """The argument ``x`` of a dispatch: bfloat16 ``[tokens, hidden]``, or ``(numbers, scales)``.

    Numbers: float8_e4m3fn or int8. Scales: float32 or int32 ``[tokens, ...]``, in any order of
    memory. Raises `TokenError` with the choices.
    """
    if isinstance(x, tuple):
        return _quantised(*x) if len(x) == 2 else _refused(x)
    if not isinstance(x, torch.Tensor) or x.dim() != 2:
        _refused(x)
    if x.dtype != torch.bfloat16:
        raise TokenError(
            f"x is {name(x.dtype)}; it has to be bfloat16, or a tuple of float8_e4m3fn or int8"
            " numbers and their scales"
        )
    return checked(TokenLoad(x, None))


def _quantised(numbers: Any, scales: Any) -> TokenLoad:
    if not isinstance(numbers, torch.Tensor) or numbers.dim() != 2:
        _refused(numbers)
    if numbers.dtype not in _NUMBERS:
        raise TokenError(
            f"x is a tuple whose numbers are {name(numbers.dtype)}; they have to be float8_e4m3fn"
            " or int8"
        )
    if not isinstance(scales, torch.Tensor) or scales.dtype not in _SCALES:
        kind = name(scales.dtype) if isinstance(scales, torch.Tensor) else type(scales).__name__
        raise TokenError(f"the scales of x are {kind}; they have to be float32 or int32")
    if not 1 <= scales.dim() <= 2 or len(scales) != len(numbers):
        raise TokenError(
            f"the scales of x have the shape {list(scales.shape)}; they have to be"
            f" [{len(numbers)}] or [{len(numbers)}, any]"
        )
    return checked(TokenLoad(numbers, scales))


def checked(found: TokenLoad) -> TokenLoad:
    """``found`` itself, if it is on the CPU and tokens are multiples of 16 bytes.

    Else `TokenError`.
    """
    on_cpu(found.numbers, "x")
    if found.scales is not None:
        on_cpu(found.scales, "the scales of x")
    size = found.hidden * found.numbers.element_size()
    if not size or size % _VECTOR:
        raise TokenError(
            f"a token of x has {found.hidden} channels, {size} bytes; it has to be a multiple of"
            f" {_VECTOR} bytes"
        )
    return found


def _refused(x: Any) -> Any:
    shape = list(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
    raise TokenError(
        f"x is {shape}; it has to be a tensor [tokens, hidden], or one with its scales"
    )


def choices(topk_idx: Any, tokens: int | None = None) -> NDArray[np.int64]:
    """The experts that tokens choose, int64 ``[tokens, top_k]``; raises `TokenError`."""
    if not isinstance(topk_idx, torch.Tensor) or topk_idx.dtype not in (torch.int64, torch.int32):
        kind = name(topk_idx.dtype) if isinstance(topk_idx, torch.Tensor) else type(topk_idx)
        raise TokenError(f"topk_idx is {kind}; it has to be a tensor of int64")
    on_cpu(topk_idx, "topk_idx")
    if topk_idx.dim() != 2 or tokens not in (None, len(topk_idx)):
        rows = "any" if tokens is None else tokens
        raise TokenError(
            f"topk_idx has the shape {list(topk_idx.shape)}; it has to be [{rows}, any]"
        )
    return array_of(topk_idx).astype(np.int64)


def on_cpu(tensor: torch.Tensor, what: str) -> torch.Tensor:
    """``tensor`` itself, if it is a strided tensor on the CPU; else `TokenError`."""
    if tensor.device.type != "cpu" or tensor.layout != torch.strided:
        raise TokenError(
            f"{what} is on {tensor.device} with layout {tensor.layout}; it has to be on the CPU,"
            " and strided"
        )
    return tensor


def expect(
    given: Any, what: str, dtype: torch.dtype, shape: tuple[int | None, ...]
) -> torch.Tensor:
    """``given`` itself, if it is a CPU tensor of this type and shape (None: any).

    Else `TokenError`.
    """
    if not isinstance(given, torch.Tensor):
        raise TokenError(f"{what} is a {type(given).__name__}; it has to be a tensor")
    on_cpu(given, what)
    if given.dtype != dtype:
        raise TokenError(f"{what} is {name(given.dtype)}; it has to be {name(dtype)}")
    fits = given.dim() == len(shape) and all(
        wanted in (None, has) for wanted, has in zip(shape, given.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise TokenError(f"{what} has the shape {list(given.shape)}; it has to be [{wanted}]")
    return given


def rows_of(tensor: torch.Tensor) -> Bytes:
    """The bytes of a tensor, uint8 ``[rows, bytes of a row]``; a copy if it is not contiguous."""
    width = tensor.element_size() * int(np.prod(tensor.shape[1:]))
    # Of a single row or column torch takes any stride for contiguous, but views only 1.
    if not tensor.numel():
        return np.empty((len(tensor), width), np.uint8)
    flat = tensor.detach().contiguous().reshape(-1)
    return array_of(flat.view(torch.uint8)).reshape(len(tensor), width)


def tensor_of(array: NDArray[Any], dtype: torch.dtype, *shape: int) -> torch.Tensor:
    """The memory of an array as a tensor of ``dtype``, ``[rows, *shape]``."""
    flat = torch.from_numpy(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return flat.view(dtype).view(len(array), *shape)


def memory(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor with undefined content; raises `TokenError` if the host has not enough memory."""
    try:
        return torch.empty(shape, dtype=dtype)
    except RuntimeError:
        dims = " x ".join(map(str, shape))
        raise TokenError(f"{dims} {name(dtype)} are more memory than this host gives") from None


def ints(values: Any) -> torch.Tensor:
    """``values`` as a new tensor of int32; a copy, as torch would not resize numpy's memory."""
    return torch.from_numpy(np.ascontiguousarray(values, np.int32)).clone()


def name(dtype: torch.dtype) -> str:
    """The name of a torch type without the prefix ``torch.``."""
    return str(dtype).removeprefix("torch.")
