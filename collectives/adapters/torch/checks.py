"""The checks that torch's own backends make of a call at the rank that makes it.

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
    """The name of torch's reduction ``op`` for a `Communicator`.

    Raises `ValueError` for an unknown one, and for PREMUL_SUM of integers.
    """
    kind = getattr(op, "op", op)
    if kind not in _NAMES:
        raise ValueError(f"unknown reduction {op}; there are {', '.join(map(str, _NAMES))}")
    if kind == ReduceOp.PREMUL_SUM and not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"PREMUL_SUM of {tensor.dtype}: only of floating point and complex types")
    return _NAMES[kind]


def scaled(op: Any, tensor: Tensor) -> Tensor:
    """The tensor itself; for PREMUL_SUM, the tensor times its factor. Raises `ValueError`."""
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
    """Raise `ValueError` unless ``given`` has ``length`` entries."""
    if len(given) != length:
        raise ValueError(f"there are {len(given)} {what}; there have to be {length}")


def check_same(what: str, tensors: Sequence[Tensor], like: Tensor) -> None:
    """Raise `ValueError` unless all tensors have the type of ``like``, as they share one buffer."""
    for number, each in enumerate(tensors):
        if each.dtype != like.dtype:
            raise ValueError(f"{what}[{number}] is {each.dtype}; it has to be {like.dtype}")


def check_pairs(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
    """Raise `ValueError` unless each output has the type of its input."""
    for number, (output, tensor) in enumerate(zip(outputs, inputs, strict=True)):
        if output.dtype != tensor.dtype:
            raise ValueError(
                f"output tensor {number} is {output.dtype}; it has to be {tensor.dtype}"
            )


def check_length(what: str, tensor: Tensor, like: Tensor) -> None:
    """Raise `ValueError` unless both tensors have equally many items."""
    if tensor.numel() != like.numel():
        raise ValueError(
            f"{what} has the shape {list(tensor.shape)}; it has to have as many items as"
            f" {list(like.shape)}"
        )


def divided(what: str, tensor: Tensor, ranks: int) -> None:
    """Raise `ValueError` unless the first dimension can be divided equally among the ranks."""
    length = tensor.size(0) if tensor.dim() else 1
    if length % ranks:
        raise ValueError(
            f"the {what} has the shape {list(tensor.shape)}, whose first dimension cannot be"
            f" divided equally among {ranks} ranks: give splits"
        )


def items(what: str, tensor: Tensor, splits: Sequence[int], ranks: int) -> list[int]:
    """The number of items for each rank, from ``splits`` of the tensor's first dimension.

    Empty splits mean equal ones. Raises `ValueError` for splits that do not fit.
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
