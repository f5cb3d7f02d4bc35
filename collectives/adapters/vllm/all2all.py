"""vLLM's dispatch and combine of experts, made by Triplane's."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from vllm.distributed.device_communicators.base_device_communicator import All2AllManagerBase

from collectives.adapters.token_exchange import MAX_TOKENS, ExpertRows, TokenExchange, exchange
from collectives.adapters.vllm.passes import Passes
from collectives.calls.communicator import Communicator
from collectives.moe import TokenError
from collectives.moe.routing.expert_ranks import expert_ranks
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
        placed = config.parallel_config.expert_placement_strategy
        if placed != "linear":
            raise TokenError(
                f"expert_placement_strategy is {placed!r}; it has to be 'linear': here rank 0 has"
                " the first experts, and so on"
            )
        return Options(config.model_config.get_num_experts(), **given)


class TriplaneAll2All(All2AllManagerBase):  # type: ignore[misc]
    """Each token travels to the ranks of its experts, and the sum of their results back.

    ``passes``: where the calls of each layer and step are written.
    """

    def __init__(self, cpu_group: Any, comm: Communicator, options: Options) -> None:
        super().__init__(cpu_group)
        self.comm, self.options, self.passes = comm, options, Passes()
        self._exchanges: dict[int, TokenExchange] = {}
        self._first = int(expert_ranks(options.experts, comm.size).first[comm.rank])
        self._mine = slice(None)
        self._under_way: tuple[TokenExchange, ExpertRows, str] | None = None
        self._span = ExitStack()

    def dispatch(
        self, hidden_states: Tensor, topk_weights: Tensor, topk_ids: Tensor,
        is_sequence_parallel: bool = False, extra_tensors: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Send tokens to their experts; returns rows, weights and experts, of this rank all.

        Where the ranks of a tensor-parallel group bring the same tokens (no
        ``is_sequence_parallel``), each sends its share of them: vLLM adds up their sums afterwards.
        Raises `TokenError` for ``extra_tensors``: scales of a quantised model.
        """
        if extra_tensors is not None:
            raise TokenError(
                f"{len(extra_tensors)} extra tensors are to be dispatched; Triplane quantises by"
                " itself: take a model without quantised activations, and the option wire"
            )
        layer = self.passes.layer("moe")
        self._span.enter_context(self.comm.span(layer))
        self._tokens, self._mine = len(hidden_states), self._share(is_sequence_parallel)
        x, chosen, weights = (each[self._mine] for each in (hidden_states, topk_ids, topk_weights))
        carried = self._exchange(hidden_states.shape[-1])
        rows = carried.dispatch(x, chosen.long(), weights, layer)
        self._under_way = carried, rows, layer
        # vLLM's kernel for CPUs takes no -1: choices on other ranks have the weight 0.
        experts = (torch.clamp(rows.experts, min=0) + self._first).to(topk_ids.dtype)
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
            sums = carried.combine(hidden_states, rows, layer)
        if len(sums) == self._tokens:
            return sums
        whole = sums.new_zeros(self._tokens, sums.shape[1])
        whole[self._mine] = sums
        return whole

    def dispatch_router_logits(self, *given: Any, **options: Any) -> Any:
        """Raise `TokenError`: kernels that choose experts need all tokens on every rank."""
        raise TokenError(
            "this model's kernel chooses experts itself (a monolithic one), and asks for every"
            " token on every rank; Triplane sends tokens to the experts that were chosen before"
        )

    def destroy(self) -> None:
        """Close the span of a call that has failed; the process group closes the rest."""
        self._span.close()

    def _exchange(self, hidden: int) -> TokenExchange:
        if hidden not in self._exchanges:
            given = self.options
            self._exchanges[hidden] = exchange(
                self.comm, given.mode, experts=given.experts, hidden=hidden, wire=given.wire,
                max_tokens=given.max_tokens, record=self.passes.log,
            )  # fmt: skip
        return self._exchanges[hidden]

    def _share(self, is_sequence_parallel: bool) -> slice:
        """Which of its tokens this rank sends."""
        if is_sequence_parallel:
            return slice(None)
        return slice(self.tp_group.rank_in_group, None, self.tp_group.world_size)
