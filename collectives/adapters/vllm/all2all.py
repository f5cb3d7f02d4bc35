"""vLLM's dispatch and combine of experts, made by Triplane's."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from vllm.distributed.device_communicators.base_device_communicator import All2AllManagerBase
from vllm.forward_context import get_forward_context

from collectives.adapters.step_log import StepLog
from collectives.adapters.token_exchange import MAX_TOKENS, ExpertRows, TokenExchange, exchange
from collectives.calls.communicator import Communicator
from collectives.moe import TokenError
from topology.names import near

KEYS = ("mode", "wire", "max_tokens")


@dataclass(frozen=True, slots=True)
class Options:
    """The adapter's options: ``experts`` of a layer over all ranks; the others as in `exchange`.

    They come from ``additional_config={"triplane": {"mode": "low-latency", ...}}`` of the engine.
    """

    experts: int
    mode: str = "normal"
    wire: str = "as-is"
    max_tokens: int = MAX_TOKENS

    @staticmethod
    def of(config: Any) -> "Options":
        """The options in a ``VllmConfig``; raises `TokenError` with the choices."""
        given = dict((config.additional_config or {}).get("triplane", {}))
        for key in given:
            if key not in KEYS:
                raise TokenError(
                    f"additional_config['triplane'] has {key!r}; there are"
                    f" {', '.join(KEYS)}{near(key, KEYS)}"
                )
        if config.parallel_config.enable_eplb:
            raise TokenError("enable_eplb is True; experts cannot move between ranks here")
        return Options(config.model_config.get_num_experts(), **given)


class TriplaneAll2All(All2AllManagerBase):  # type: ignore[misc]
    """Each token travels to the ranks of its experts, and the sum of their results back.

    ``record``: what the layers of each step took on the machine.
    """

    def __init__(self, cpu_group: Any, comm: Communicator, options: Options) -> None:
        super().__init__(cpu_group)
        self.comm, self.options, self.record = comm, options, StepLog()
        self._exchanges: dict[int, TokenExchange] = {}
        self._layer, self._pass = 0, None
        self._under_way: tuple[TokenExchange, ExpertRows, str] | None = None
        self._span = ExitStack()

    def dispatch(
        self, hidden_states: Tensor, topk_weights: Tensor, topk_ids: Tensor,
        is_sequence_parallel: bool = False, extra_tensors: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Send tokens to their experts; returns rows, weights and the experts' places on this rank.

        Raises `TokenError` for ``extra_tensors``: scales of a quantised model.
        """
        if extra_tensors is not None:
            raise TokenError(
                f"{len(extra_tensors)} extra tensors are to be dispatched; Triplane quantises by"
                " itself: take a model without quantised activations, and the option wire"
            )
        layer = self._named()
        self._span.enter_context(self.comm.span(layer))
        carried = self._exchange(hidden_states.shape[-1])
        rows = carried.dispatch(hidden_states, topk_ids.long(), topk_weights, layer)
        self._under_way = carried, rows, layer
        # vLLM's kernel for CPUs asks for local experts, and takes no -1: those have the weight 0.
        experts = torch.clamp(rows.experts, min=0).to(topk_ids.dtype)
        return rows.x, rows.weights.to(topk_weights.dtype), experts

    def combine(self, hidden_states: Tensor, is_sequence_parallel: bool = False) -> Tensor:
        """Bring results back to their tokens and add them up: ``[tokens, hidden]``.

        Raises `TokenError` without a dispatch before it.
        """
        if self._under_way is None:
            raise TokenError("combine comes without a dispatch before it")
        carried, rows, layer = self._under_way
        self._under_way = None
        with self._span.pop_all():
            return carried.combine(hidden_states, rows, layer)

    def dispatch_router_logits(self, *given: Any, **options: Any) -> Any:
        """Raise `TokenError`: kernels that choose experts need all tokens on every rank."""
        raise TokenError(
            "this model's kernel chooses experts itself (a monolithic one), and asks for every"
            " token on every rank; Triplane sends tokens to the experts that were chosen before"
        )

    def destroy(self) -> None:
        """Do nothing: the process group closes everything."""

    def _exchange(self, hidden: int) -> TokenExchange:
        if hidden not in self._exchanges:
            given = self.options
            self._exchanges[hidden] = exchange(
                self.comm, given.mode, experts=given.experts, hidden=hidden, wire=given.wire,
                max_tokens=given.max_tokens, record=self.record,
            )  # fmt: skip
        return self._exchanges[hidden]

    def _named(self) -> str:
        """The layer's name. vLLM does not say it: they are counted in each pass of the model."""
        this = get_forward_context()
        self._layer = self._layer + 1 if this is self._pass else 0
        self._pass = this
        return f"moe {self._layer}"
