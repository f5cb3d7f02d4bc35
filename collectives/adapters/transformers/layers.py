"""Layers: the MoE layers of a model, numbered, and what carries their tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from collectives.adapters.step_log import StepLog
from collectives.adapters.token_exchange import MAX_TOKENS, MODES, TokenExchange, exchange
from collectives.calls.communicator import Communicator
from collectives.moe import TokenError, Wire

Experts = Callable[[Tensor, Tensor, Tensor], Tensor]
"""The experts' own forward: of rows, the places of their experts, and weights."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How tokens travel, see `adapters.token_exchange.exchange`; raises `TokenError`."""

    mode: str = "normal"
    wire: str | Wire = "as-is"
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise TokenError(f"mode is {self.mode!r}; there are {', '.join(MODES)}")
        if isinstance(self.wire, str):
            Wire(self.wire)


class Layers:
    """The layers that one name stands for. Layers that are alike share their exchange."""

    def __init__(self, choice: Choice, record: StepLog) -> None:
        self.choice, self.record = choice, record
        self._names: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self._exchanges: WeakKeyDictionary[Communicator, dict[tuple[int, int], TokenExchange]] = (
            WeakKeyDictionary()
        )
        self._count = 0

    def name(self, experts: nn.Module) -> str:
        """The layer's name: MoE layers are numbered as they come."""
        if experts not in self._names:
            self._names[experts] = f"moe {self._count}"
            self._count += 1
        return self._names[experts]

    def exchange(self, comm: Communicator, experts: int, hidden: int) -> TokenExchange:
        """What carries the tokens of a layer of so many experts in all."""
        kinds = self._exchanges.setdefault(comm, {})
        if (experts, hidden) not in kinds:
            kinds[experts, hidden] = exchange(
                comm, self.choice.mode, experts=experts, hidden=hidden, wire=self.choice.wire,
                max_tokens=self.choice.max_tokens, record=self.record,
            )  # fmt: skip
        return kinds[experts, hidden]


def mixture(
    carried: TokenExchange, run: Experts, nobody: int, layer: str,
    x: Tensor, topk_idx: Tensor, topk_weights: Tensor,
) -> Tensor:  # fmt: skip
    """What the experts of all ranks make of the tokens ``x`` of this one: ``[tokens, hidden]``.

    ``run``: works on rows with this rank's experts. ``nobody``: what it takes as the expert of a
    choice that is none of this rank's. ``topk_idx``: experts of all ranks.
    """
    rows = carried.dispatch(x, topk_idx, topk_weights, layer)
    if len(rows.x):
        mine = torch.where(rows.experts < 0, nobody, rows.experts)
        y = run(rows.x, mine, rows.weights.to(topk_weights.dtype))
    else:  # whoever differentiates needs a way from here to the experts, if an empty one
        alone = rows.x.sum(dim=0, keepdim=True)
        y = run(alone, rows.experts.new_zeros((1, 1)), topk_weights.new_ones((1, 1)))[:0]
    return carried.combine(y.to(x.dtype), rows, layer)
