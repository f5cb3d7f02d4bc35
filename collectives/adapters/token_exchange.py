"""An engine's tokens to the ranks of their experts and back, as tensors of torch.

The adapters of engines share this. An engine has a layer's tokens, the experts that each has chosen
and their weights; it wants rows for the experts of its own rank, and gives back their results.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from collectives.adapters.step_log import StepLog
from collectives.calls.communicator import Communicator
from collectives.moe import LowLatency, Normal, TokenError, Wire, decode
from collectives.moe.tensors import array_of

MODES = ("normal", "low-latency")
MAX_TOKENS = 128
"""Tokens a rank brings at most in low-latency mode, as DeepEP's and the paper's decoding do."""


@dataclass(frozen=True, slots=True, eq=False)
class ExpertRows:
    """The rows that the experts of a rank are to work on.

    ``x``: ``[rows, hidden]`` in the type of the tokens. ``experts``: int64 ``[rows, choices]``, by
    their place on this rank, -1 for choices on other ranks. ``weights``: float32 of that shape. The
    result of a row is the sum over its experts, each times its weight. ``handle``: for
    `TokenExchange.combine`.
    """

    x: Tensor
    experts: Tensor
    weights: Tensor
    handle: Any


class TokenExchange(Protocol):
    """The exchange of one layer, or of several alike. All ranks make the same calls."""

    def dispatch(self, x: Tensor, topk_idx: Tensor, topk_weights: Tensor, layer: str) -> ExpertRows:
        """Send tokens ``x`` ``[tokens, hidden]`` to their experts ``topk_idx`` ``[tokens, top_k]``.

        Returns the rows for this rank's experts. ``layer``: its name in `Record`. Raises
        `TokenError`, `WorldError`.
        """

    def combine(self, y: Tensor, rows: ExpertRows, layer: str) -> Tensor:
        """Bring the results ``y`` of the rows back and add them up: ``[tokens, hidden]``.

        Raises `TokenError`, `WorldError`.
        """


def exchange(
    comm: Communicator, mode: str, *, experts: int, hidden: int, wire: str | Wire = "as-is",
    max_tokens: int = MAX_TOKENS, record: StepLog | None = None,
) -> TokenExchange:  # fmt: skip
    """An exchange of tokens over ``comm``; ``mode``: one of `MODES`.

    ``experts``: number over all ranks. ``wire``: format of tokens on their way. ``max_tokens``: the
    most that a rank brings to a call, in low-latency mode. ``record``: gets an entry for each call.
    Raises `TokenError` with the choices.
    """
    kind = wire if isinstance(wire, Wire) else Wire(wire)
    kept = StepLog() if record is None else record
    if mode == "normal":
        return ExactSizes(Normal(comm, experts=experts, hidden=hidden, wire=kind), kept)
    if mode == "low-latency":
        buffers = LowLatency(comm, experts=experts, hidden=hidden, wire=kind, max_tokens=max_tokens)
        return FixedBuffers(buffers, kept)
    raise TokenError(f"mode is {mode!r}; there are {', '.join(MODES)}")


@dataclass(frozen=True, slots=True, eq=False)
class ExactSizes:
    """The normal mode: a token travels once to each rank.

    Has gradients unless tokens are quantised.
    """

    normal: Normal
    record: StepLog

    def dispatch(self, x: Tensor, topk_idx: Tensor, topk_weights: Tensor, layer: str) -> ExpertRows:
        """Send tokens to the ranks of their experts; see `TokenExchange.dispatch`.

        Has gradients unless tokens are quantised.
        """
        weights = topk_weights.float()
        if not (torch.is_grad_enabled() and (x.requires_grad or weights.requires_grad)):
            return self.sent(x, topk_idx, weights, layer)
        if self.normal.wire.kind != "as-is":
            raise TokenError(
                f"the wire is {self.normal.wire.words!r}, through which there are no gradients;"
                " it has to be 'as-is', or without gradients (torch.no_grad)"
            )
        kept: list[ExpertRows] = []
        came = _Dispatch.apply(x, weights, topk_idx, self, layer, kept)  # type: ignore[no-untyped-call]
        return ExpertRows(came[0], kept[0].experts, came[1], kept[0].handle)

    def combine(self, y: Tensor, rows: ExpertRows, layer: str) -> Tensor:
        """Bring results back to their tokens and add them up, with gradients.

        See `TokenExchange.combine`.
        """
        if torch.is_grad_enabled() and y.requires_grad:
            summed: Tensor = _Combine.apply(y, rows.handle, self, layer)  # type: ignore[no-untyped-call]
            return summed
        return self.returned(y, rows.handle, layer)

    def sent(self, x: Tensor, topk_idx: Tensor, weights: Tensor, layer: str) -> ExpertRows:
        """Dispatch without gradients: the received rows."""
        args = (x.detach().contiguous(), topk_idx.contiguous(), weights.detach().contiguous())
        arrived, handle, work = self.normal.dispatch(*args)
        self._learn(layer, "dispatch", len(x), work)
        came = _plain(arrived.x, arrived.scales, x.dtype)
        return ExpertRows(came, arrived.topk_idx, arrived.topk_weights, handle)

    def sent_again(self, x: Tensor, handle: Any, layer: str) -> Tensor:
        """Dispatch ``x`` along the routes of an earlier dispatch; returns the received rows."""
        arrived, _, work = self.normal.dispatch(x.detach().contiguous(), handle=handle)
        self._learn(layer, "dispatch (backward)", len(x), work)
        return _plain(arrived.x, arrived.scales, x.dtype)

    def returned(self, y: Tensor, handle: Any, layer: str) -> Tensor:
        """Combine without gradients: the sums, ``[tokens, hidden]``."""
        summed, _, work = self.normal.combine(y.detach().contiguous(), handle)
        self._learn(layer, "combine", len(summed), work)
        result: Tensor = summed
        return result

    def returned_with_weights(
        self, y: Tensor, weights: Tensor, handle: Any, layer: str
    ) -> tuple[Tensor, Tensor]:
        """Combine without gradients: sums of rows and of weights, for each token."""
        args = (y.detach().contiguous(), handle, weights.detach().contiguous())
        summed, told, work = self.normal.combine(*args)
        self._learn(layer, "combine (backward)", len(summed), work)
        return summed, told

    def _learn(self, layer: str, operation: str, tokens: int, work: Any) -> None:
        machine = self.normal.comm.machine(f"{operation.split()[0]}:normal")
        self.record.add(layer, operation, tokens, work, machine)


class _Dispatch(torch.autograd.Function):
    """Dispatch with its gradient: dispatch copies tokens, so the gradient adds up, by a combine."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weights: Tensor, topk_idx: Tensor, exchange: ExactSizes, layer: str,
        kept: list[ExpertRows],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        rows = exchange.sent(x, topk_idx, weights, layer)
        kept.append(rows)
        ctx.exchange, ctx.layer, ctx.handle = exchange, layer, rows.handle
        return rows.x, rows.weights

    @staticmethod
    def backward(ctx: Any, grad_x: Tensor, grad_weights: Tensor) -> tuple[Any, ...]:
        exchange: ExactSizes = ctx.exchange
        summed = exchange.returned_with_weights(grad_x, grad_weights, ctx.handle, ctx.layer)
        return (*summed, None, None, None, None)


class _Combine(torch.autograd.Function):
    """Combine with its gradient: combine adds up, so the gradient is copied, by a dispatch."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, handle: Any, exchange: ExactSizes, layer: str) -> Tensor:
        ctx.exchange, ctx.layer, ctx.handle = exchange, layer, handle
        return exchange.returned(y, handle, layer)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        exchange: ExactSizes = ctx.exchange
        return exchange.sent_again(grad, ctx.handle, ctx.layer), None, None, None


@dataclass(frozen=True, slots=True, eq=False)
class FixedBuffers:
    """The low-latency mode: a row for every choice, whose weight is applied when it comes back."""

    low: LowLatency
    record: StepLog

    def dispatch(self, x: Tensor, topk_idx: Tensor, topk_weights: Tensor, layer: str) -> ExpertRows:
        """Send tokens to the ranks of their experts; see `TokenExchange.dispatch`. No gradients."""
        if torch.is_grad_enabled() and (x.requires_grad or topk_weights.requires_grad):
            raise TokenError(
                "the low-latency mode has no gradients; use the normal mode, or torch.no_grad"
            )
        received, handle, work = self.low.dispatch(x.contiguous(), topk_idx.contiguous())
        self.record.add(layer, "dispatch", len(x), work, self.low.comm.machine("dispatch"))
        counts = torch.from_numpy(received.counts)
        used = torch.arange(self.low.rows) < counts[:, None]
        scales = None if received.scales is None else received.scales[used]
        experts = torch.repeat_interleave(counts)[:, None]
        rows = _plain(received.x[used], scales, x.dtype)
        ones = torch.ones(experts.shape)
        return ExpertRows(rows, experts, ones, (handle, used, topk_weights.float().contiguous()))

    def combine(self, y: Tensor, rows: ExpertRows, layer: str) -> Tensor:
        """Bring results back to their tokens and add them up; see `TokenExchange.combine`.

        No gradients.
        """
        handle, used, weights = rows.handle
        room = y.new_empty((self.low.local_experts, self.low.rows, self.low.hidden))
        room[used] = y.detach()
        summed, work = self.low.combine(room, handle, weights)
        self.record.add(layer, "combine", len(summed), work, self.low.comm.machine("combine"))
        result: Tensor = summed
        return result


def _plain(x: Tensor, scales: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Rows as they came, in the type of the tokens."""
    if scales is None:
        return x
    return torch.from_numpy(decode(array_of(x), array_of(scales))).to(dtype)
