"""Checks of the arguments that adapters of MoE libraries take, and their errors for all ranks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.calls.communicator import Communicator
from collectives.moe.routing.routing import RoutingError
from collectives.moe.schedules.formats import FormatError
from collectives.moe.tensors import TokenError, array_of
from topology.errors import ArgumentError

MOST = 1 << 31
"""More than any number of tokens, experts or channels: libraries have them as int32."""

MOST_BYTES = 1 << 62
"""More than the bytes of any buffer."""


@contextmanager
def told(comm: Communicator) -> Iterator[None]:
    """A context manager that reports a wrong argument to every rank, with this rank's number.

    Errors of arguments, routings and formats are raised as `TokenError`.
    """
    try:
        yield
    except (ArgumentError, TokenError, RoutingError, FormatError) as error:
        comm.refuse(TokenError(f"rank {comm.rank}: {error}"))


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


def in_range(topk_idx: NDArray[np.int64], experts: int) -> None:
    """Raise `TokenError` if a choice is not an expert from 0 to ``experts - 1``, or -1."""
    wrong = (topk_idx < -1) | (topk_idx >= experts)
    if wrong.any():
        token, slot = np.argwhere(wrong)[0]
        raise TokenError(
            f"topk_idx[{token}, {slot}] is expert {topk_idx[token, slot]}; experts are 0 to"
            f" {experts - 1}, and -1 is a masked choice"
        )


def ints(values: Any) -> torch.Tensor:
    """``values`` as a new tensor of int32; a copy, as torch would not resize numpy's memory."""
    return torch.from_numpy(np.ascontiguousarray(values, np.int32)).clone()


def name(dtype: torch.dtype) -> str:
    """The name of a torch type without the prefix ``torch.``."""
    return str(dtype).removeprefix("torch.")
