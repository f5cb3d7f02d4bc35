"""Checks: what torch's own backends check of a call at the rank that makes it.

All raise `ValueError`, before anything is sent, and name what is wrong and what would be right.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.distributed import ReduceOp

_NAMES = {
    ReduceOp.SUM: "sum", ReduceOp.PRODUCT: "prod", ReduceOp.MIN: "min", ReduceOp.MAX: "max",
    ReduceOp.AVG: "avg", ReduceOp.BAND: "band", ReduceOp.BOR: "bor", ReduceOp.BXOR: "bxor",
    ReduceOp.PREMUL_SUM: "sum",
}  # fmt: skip


def reduction(op: Any, tensor: Tensor) -> str:
    """What a communicator calls a reduction of this tensor."""
    kind = getattr(op, "op", op)
    if kind not in _NAMES:
        raise ValueError(f"unknown reduction {op}; there are {', '.join(map(str, _NAMES))}")
    if kind == ReduceOp.PREMUL_SUM and not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"PREMUL_SUM of {tensor.dtype}: only of floating point and complex types")
    return _NAMES[kind]


def scaled(op: Any, tensor: Tensor) -> Tensor:
    """The tensor, or what PREMUL_SUM makes of it before it is added up."""
    if getattr(op, "op", op) != ReduceOp.PREMUL_SUM:
        return tensor
    factor = op.factor
    if isinstance(factor, Tensor) and factor.numel() != 1:
        raise ValueError(f"PREMUL_SUM by a tensor of {factor.numel()} items; it has to be one")
    number = factor.item() if isinstance(factor, Tensor) else factor
    try:
        return tensor.detach() * number
    except NotImplementedError:
        raise ValueError(f"PREMUL_SUM of {tensor.dtype}: torch cannot multiply it") from None


def check_list(what: str, given: Sequence[Any], length: int) -> None:
    """There has to be one for each rank, or each tensor of another list."""
    if len(given) != length:
        raise ValueError(f"there are {len(given)} {what}; there have to be {length}")


def check_same(what: str, tensors: Sequence[Tensor], like: Tensor) -> None:
    """All have to be of one type: as one call they are one buffer."""
    for number, each in enumerate(tensors):
        if each.dtype != like.dtype:
            raise ValueError(f"{what}[{number}] is {each.dtype}; it has to be {like.dtype}")


def check_pairs(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
    """What is filled has to be of the type of what fills it."""
    for number, (output, tensor) in enumerate(zip(outputs, inputs, strict=True)):
        if output.dtype != tensor.dtype:
            raise ValueError(
                f"output tensor {number} is {output.dtype}; it has to be {tensor.dtype}"
            )


def check_length(what: str, tensor: Tensor, like: Tensor) -> None:
    """What goes into a tensor, or comes out of it, has to be as long."""
    if tensor.numel() != like.numel():
        raise ValueError(
            f"{what} has the shape {list(tensor.shape)}; it has to have as many items as"
            f" {list(like.shape)}"
        )


def divided(what: str, tensor: Tensor, ranks: int) -> None:
    """Without splits, the first dimension goes to the ranks in equal parts."""
    length = tensor.size(0) if tensor.dim() else 1
    if length % ranks:
        raise ValueError(
            f"the {what} has the shape {list(tensor.shape)}, whose first dimension cannot be"
            f" divided equally among {ranks} ranks: give splits"
        )


def items(what: str, tensor: Tensor, splits: Sequence[int], ranks: int) -> list[int]:
    """How many items of a tensor go to, or come from, each rank: splits are of its first dimension.

    None: equal ones.
    """
    length = tensor.size(0) if tensor.dim() else 1
    if not splits:
        divided(what, tensor, ranks)
        splits = [length // ranks] * ranks
    if len(splits) != ranks or sum(splits) != length or min(splits) < 0:
        raise ValueError(
            f"the {what} splits {list(splits)} must be {ranks} numbers from 0 on that sum up to"
            f" {length}, the first dimension of a tensor of shape {list(tensor.shape)}"
        )
    row = tensor.numel() // length if length else 0
    return [split * row for split in splits]
