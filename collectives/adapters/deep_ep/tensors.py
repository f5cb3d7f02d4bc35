"""Tensors as rows of bytes and back, and what a dispatch takes: tokens, or numbers with scales."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.token_arguments import name, on_cpu
from collectives.moe.tensors import TokenError, array_of
from fabric.transports.base import Bytes

topk_idx_t = torch.int64
"""The type of the experts that tokens choose."""

_NUMBERS = (torch.float8_e4m3fn, torch.int8)
_SCALES = (torch.float32, torch.int32)
_VECTOR = 16
"""Bytes that a token has to be a multiple of, as in DeepEP (``int4``)."""


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
