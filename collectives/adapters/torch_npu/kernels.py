"""Kernels of torch_npu that layers of experts call between dispatch and combine, on CPU tensors.

Signatures are those of torch_npu 2.13.0, meanings those of CANN's operators.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from collectives.moe.tensors import TokenError

ND = 2
"""CANN's number for the layout of a tensor that is stored as it looks."""


def npu_swiglu(self: Tensor, dim: int = -1) -> Tensor:
    """Its first half along ``dim``, through SiLU, times its second half."""
    gate, up = self.chunk(2, dim)
    return functional.silu(gate) * up


def npu_rms_norm(self: Tensor, gamma: Tensor, epsilon: float = 1e-6) -> tuple[Tensor, Tensor]:
    """Divided by the root of the mean square, times ``gamma``; also the inverse of that root."""
    over = tuple(range(self.dim() - gamma.dim(), self.dim()))
    rstd = torch.rsqrt(self.float().square().mean(over, keepdim=True) + epsilon)
    return (self.float() * rstd * gamma.float()).to(self.dtype), rstd


def npu_moe_gating_top_k_softmax(
    x: Tensor, finished: Tensor | None = None, k: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and numbers of the ``k`` best experts of each token, and the places of its choices.

    ``x``: scores ``[..., experts]``. ``finished``: tokens that choose none, which is the number
    after the last expert. Places are counted choice by choice, and in each token by token.
    """
    weights, chosen = x.float().softmax(-1).topk(k, -1)
    if finished is not None:
        chosen = chosen.masked_fill(finished.unsqueeze(-1), x.shape[-1])
    places = torch.arange(chosen.numel(), dtype=torch.int32).view(k, -1).T.reshape(chosen.shape)
    return weights.to(x.dtype), chosen.to(torch.int32), places.contiguous()


def npu_dynamic_quant(
    input: Tensor,
    *, smooth_scales: Tensor | None = None, group_index: Tensor | None = None,
    dst_type: Any = None, quant_mode: str = "pertoken", dst_type_max: float = 0.0,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As INT8 with a float32 scale for each token; raises `TokenError` for other kinds."""
    _only("npu_dynamic_quant", group_index=(group_index, None), quant_mode=(quant_mode, "pertoken"),
          dst_type_max=(dst_type_max, 0.0))  # fmt: skip
    if dst_type not in (None, torch.int8, 1):
        raise TokenError(f"dst_type of npu_dynamic_quant is {dst_type}; here it can be torch.int8")
    x = input.float() if smooth_scales is None else input.float() * smooth_scales.float()
    scale = x.abs().amax(-1) / 127
    whole = torch.where(scale > 0, scale, torch.ones_like(scale)).unsqueeze(-1)
    return torch.round(x / whole).to(torch.int8), scale


def npu_grouped_matmul(
    x: Sequence[Tensor], weight: Sequence[Tensor], *, bias: Sequence[Tensor] | None = None,
    group_list: Tensor | Sequence[int] | None = None, split_item: int | None = 0,
    group_type: int | None = None, group_list_type: int | None = 0, act_type: int | None = 0,
    output_dtype: Any = None, **others: Any,
) -> list[Tensor]:  # fmt: skip
    """Each group of rows times its own weight.

    ``group_type`` 0: the rows of one ``x`` in groups, which ``group_list`` has, by their ends
    (``group_list_type`` 0) or counts (1); -1 or None: each of ``x`` is a group. ``weight``: one
    ``[groups, k, n]``, or a ``[k, n]`` for each group. Rows after the last group are 0. Raises
    `TokenError` for other kinds, as of quantised weights.
    """
    _only("npu_grouped_matmul", act_type=(act_type or 0, 0),
          **{name: (given, None) for name, given in others.items()})  # fmt: skip
    one = len(weight) == 1 and weight[0].dim() == 3
    weights: Sequence[Tensor] = tuple(weight[0]) if one else weight
    biases = _biases(bias, len(weights))
    if group_type == 0 or (group_type is None and group_list is not None):
        return _of_one(x, weights, biases, group_list, split_item, group_list_type, output_dtype)
    if group_type not in (None, -1) or len(x) != len(weights):
        raise TokenError(
            f"group_type of npu_grouped_matmul is {group_type}, with {len(x)} tensors and"
            f" {len(weights)} weights; here it can be 0, or -1 with as many of both"
        )
    return [_product(*each, output_dtype) for each in zip(x, weights, biases, strict=True)]


def _of_one(
    x: Sequence[Tensor], weights: Sequence[Tensor], biases: Sequence[Tensor | None],
    group_list: Any, split_item: int | None, group_list_type: int | None, dtype: Any,
) -> list[Tensor]:  # fmt: skip
    given = [] if group_list is None else [int(each) for each in group_list]
    ends = torch.tensor(given).cumsum(0).tolist() if group_list_type == 1 else given
    rows = len(x[0]) if len(x) == 1 else -1
    if group_list_type not in (0, 1) or split_item not in (2, 3) or rows < 0:
        raise TokenError(
            f"split_item of npu_grouped_matmul is {split_item}, group_list_type {group_list_type},"
            f" with {len(x)} tensors; here they can be 2 or 3, 0 or 1, and one"
        )
    if len(ends) != len(weights) or ends != sorted(ends) or (ends and not 0 <= ends[-1] <= rows):
        raise TokenError(
            f"group_list of npu_grouped_matmul is {given}; it has to divide the {rows} rows into"
            f" {len(weights)} groups"
        )
    out = x[0].new_zeros((rows, weights[0].shape[1]), dtype=dtype or x[0].dtype)
    for begin, end, weight, bias in zip([0, *ends], ends, weights, biases, strict=False):
        out[begin:end] = _product(x[0][begin:end], weight, bias, dtype)
    return [out]


def _product(x: Tensor, weight: Tensor, bias: Tensor | None, dtype: Any) -> Tensor:
    out = x @ weight if bias is None else x @ weight + bias
    return out.to(dtype or x.dtype)


def _biases(bias: Sequence[Tensor] | None, groups: int) -> Sequence[Tensor | None]:
    if not bias:
        return [None] * groups
    return tuple(bias[0]) if len(bias) == 1 and bias[0].dim() == 2 else bias


def npu_format_cast(self: Tensor, acl_format: Any, **options: Any) -> Tensor:
    """The tensor itself: here it is always stored as it looks."""
    return self


npu_format_cast_ = npu_format_cast


def get_npu_format(self: Tensor) -> int:
    """How a tensor is stored: as it looks (`ND`)."""
    return ND


def _only(call: str, **given: tuple[Any, Any]) -> None:
    for name, (value, only) in given.items():
        if value is not None and value != only:
            raise TokenError(f"{name} of {call} is {value}; Triplane has only {only}")
