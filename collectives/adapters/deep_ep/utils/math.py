"""As deep_ep.utils.math: FP8 casts, differences, sizes."""

from typing import Any

import torch
from torch.nn.functional import pad

BLOCK = 128
"""Channels that share a scale."""

_MOST, _LEAST = 448.0, 1e-4


def ceil_div(x: int, y: int) -> int:
    """``x / y``, rounded up."""
    return -(-x // y)


def align(x: int, y: int) -> int:
    """``x`` rounded up to a multiple of ``y``."""
    return ceil_div(x, y) * y


def calc_diff(x: torch.Tensor, y: torch.Tensor) -> float:
    """The distance between two tensors: 0 if they are equal, 1 if they have nothing in common."""
    a, b = x.double() + 1, y.double() + 1
    return float(1 - 2 * (a * b).sum() / (a * a + b * b).sum())


def per_token_cast_to_fp8(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``x`` ``[tokens, hidden]`` as float8 e4m3, with a scale for each 128 channels.

    Scales are float32 ``[tokens, hidden / 128]``, rounded up.
    """
    tokens, hidden = x.shape
    blocks = pad(x, (0, -hidden % BLOCK)).view(tokens, -1, BLOCK)
    most = blocks.abs().float().amax(dim=2).clamp(_LEAST)
    numbers = (blocks * (_MOST / most.unsqueeze(2))).to(torch.float8_e4m3fn)
    return numbers.view(tokens, -1)[:, :hidden].contiguous(), most / _MOST


def per_token_cast_back(x_fp8: torch.Tensor, x_scales: torch.Tensor) -> torch.Tensor:
    """The bfloat16 tokens of which `per_token_cast_to_fp8` made these, up to rounding.

    ``x_scales``: float32, or int32 of four exponents each.
    """
    tokens, hidden = x_fp8.shape
    if not x_fp8.numel():
        return x_fp8.to(torch.bfloat16)
    scales = x_scales
    if scales.dtype == torch.int32:
        exponents = scales.contiguous().view(torch.uint8).to(torch.int32)
        scales = (exponents << 23).view(torch.float32)
    blocks = pad(x_fp8.float(), (0, -hidden % BLOCK)).view(tokens, -1, BLOCK)
    whole = blocks * scales.reshape(tokens, -1, 1)
    return whole.view(tokens, -1)[:, :hidden].to(torch.bfloat16).contiguous()


def count_bytes(*tensors: Any) -> int:
    """The bytes of all tensors, also in tuples and lists; None counts 0."""
    total = 0
    for each in tensors:
        if isinstance(each, tuple | list):
            total += count_bytes(*each)
        elif each is not None:
            total += each.numel() * each.element_size()
    return total
