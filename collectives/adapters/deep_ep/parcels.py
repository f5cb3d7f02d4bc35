"""The normal mode for tokens of any type, which travel as they are, with their scales."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from collectives.adapters.deep_ep.tensors import TokenLoad, rows_of, tensor_of
from collectives.calls.communicator import Communicator
from collectives.moe.schedules.formats import Format
from collectives.moe.tensors import Array
from collectives.moe.tokens.normal import Arrived, Normal
from collectives.moe.tokens.quantise import Wire

_CARRIERS: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint8), 2: np.dtype(np.uint16)}


@dataclass(frozen=True, slots=True)
class Carried(Wire):
    """The type of tokens that are carried as they are, without conversion.

    ``item``: bytes of a number; ``extra``: bytes of scales of a token; ``told``: the type in words.
    """

    item: int = 2
    extra: int = 0
    told: str = ""

    @property
    def words(self) -> str:
        """A description of the format; ranks compare it, so a difference is an error."""
        return self.told

    def check(self, hidden: int) -> None:
        """Do nothing: the tokens have been checked already."""

    def dtype(self, given: np.dtype[Any]) -> np.dtype[Any]:
        """The dtype that carries the numbers, of the same size."""
        return _CARRIERS[self.item]

    def scales(self, hidden: int) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
        """The shape and dtype of a token's scales; None if it has none."""
        return ((self.extra,), np.dtype(np.uint8)) if self.extra else None

    def format(self, mode: str, given: np.dtype[Any]) -> Format:
        """The size of the message that a token is timed as: its bytes and those of its scales."""
        return Format(width=self.item, header=self.extra)


class Parcels(Normal):
    """`Normal` for tokens of the type of ``like``; its dispatch takes a `TokenLoad`."""

    def __init__(
        self, comm: Communicator, like: TokenLoad, *, experts: int, expert_alignment: int,
        ranks_per_node: int | None, repeats: bool = False,
    ) -> None:  # fmt: skip
        self.like = like
        super().__init__(
            comm, experts=experts, hidden=like.hidden, wire=carried(like),
            expert_alignment=expert_alignment, ranks_per_node=ranks_per_node, repeats=repeats,
        )  # fmt: skip

    def _rows(self, x: TokenLoad) -> tuple[tuple[Array, Array], np.dtype[Any] | None]:
        scales = np.empty((x.tokens, 0), np.uint8) if x.scales is None else rows_of(x.scales)
        return (rows_of(x.numbers), scales), None

    def _arrived(self, x: Any, *rest: Any) -> Arrived:
        return super()._arrived((None,), *rest)  # as arrays

    def unpacked(self, arrived: Arrived) -> TokenLoad:
        """The received tokens in the shapes in which they were sent, as views."""
        numbers = tensor_of(arrived.x, self.like.numbers.dtype, self.hidden)
        given = self.like.scales
        if given is None:
            return TokenLoad(numbers, None)
        scales = np.empty((len(numbers), 0)) if arrived.scales is None else arrived.scales
        return TokenLoad(numbers, tensor_of(scales, given.dtype, *given.shape[1:]))


def carried(like: TokenLoad) -> Carried:
    """The wire format that carries tokens like these unchanged."""
    extra = 0
    if like.scales is not None:
        extra = like.scales.element_size() * int(np.prod(like.scales.shape[1:]))
    return Carried(item=like.numbers.element_size(), extra=extra, told=f"{like.words} as they are")


def empty(like: TokenLoad) -> TokenLoad:
    """A load like this one with no tokens, so that it holds no memory."""
    scales = like.scales
    return TokenLoad(
        torch.empty((0, like.hidden), dtype=like.numbers.dtype),
        None if scales is None else torch.empty((0, *scales.shape[1:]), dtype=scales.dtype),
    )
