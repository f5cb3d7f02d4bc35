"""The MoE layers of a model, numbered, and the exchanges that carry their tokens."""

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
    """How tokens travel: the options of `adapters.token_exchange.exchange`; raises `TokenError`."""

    mode: str = "normal"
    wire: str | Wire = "as-is"
    max_tokens: int = MAX_TOKENS

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise TokenError(f"mode is {self.mode!r}; there are {', '.join(MODES)}")
        if isinstance(self.wire, str):
            Wire(self.wire)


class Layers:
    """The MoE layers registered under one name. Layers with the same sizes share their exchange."""

    def __init__(self, choice: Choice, record: StepLog) -> None:
        self.choice, self.record = choice, record
        self._names: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
        self._exchanges: WeakKeyDictionary[Communicator, dict[tuple[int, int], TokenExchange]] = (
            WeakKeyDictionary()
        )
        self._count = 0

    def name(self, experts: nn.Module) -> str:
        """The layer's name, ``moe 0`` and so on, in the order of first calls."""
        if experts not in self._names:
            self._names[experts] = f"moe {self._count}"
            self._count += 1
        return self._names[experts]

    def exchange(self, comm: Communicator, experts: int, hidden: int) -> TokenExchange:
        """The exchange for layers of ``experts`` experts over all ranks and ``hidden`` channels."""
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
    """The outputs of the experts of all ranks for this rank's tokens ``x``: ``[tokens, hidden]``.

    ``run``: applies this rank's experts to rows. ``nobody``: the expert number that it takes for a
    choice of another rank's expert. ``topk_idx``: experts over all ranks.
    """
    rows = carried.dispatch(x, topk_idx, topk_weights, layer)
    if len(rows.x):
        mine = torch.where(rows.experts < 0, nobody, rows.experts)
        y = run(rows.x, mine, rows.weights.to(topk_weights.dtype))
    else:  # whoever differentiates needs a way from here to the experts, if an empty one
        alone = rows.x.sum(dim=0, keepdim=True)
        y = run(alone, rows.experts.new_zeros((1, 1)), topk_weights.new_ones((1, 1)))[:0]
    return carried.combine(y.to(x.dtype), rows, layer)
