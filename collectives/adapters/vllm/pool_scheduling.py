"""The half of the pool that lives beside an instance's scheduler: what is there, what is new."""

from dataclasses import dataclass
from typing import Any

from collectives.adapters.vllm.orders import NOT_WANTED, PoolRead, PoolWrite, StepOrders
from collectives.adapters.vllm.pool_keys import PoolKeys, layer_keys
from collectives.memory.pool.core.hashing import prefix_length
from collectives.memory.pool.pool import Pool


@dataclass(slots=True)
class PooledRequest:
    """A request; ``stored``: how many of its first blocks are in the pool, as far as is known.

    ``whole``: how many of its tokens were found there, in blocks of the engine.
    """

    request: Any
    stored: int = 0
    whole: int = 0


class PoolScheduling:
    """Which blocks of requests are in a ``pool``, and which are to be stored there.

    ``block``: tokens of the engine's block. ``keys``: as the worker says when it has its caches.
    """

    def __init__(self, pool: Pool, block: int) -> None:
        self._pool, self._block = pool, block
        self.keys: PoolKeys | None = None
        self._requests: dict[str, PooledRequest] = {}
        self._reads: list[PoolRead] = []

    def begin(self, request: Any) -> None:
        """Begin a request, whose blocks are those of its tokens and nothing else."""
        other = request.lora_request, request.prompt_embeds, request.mm_features or None
        if all(one is None for one in other):
            self._requests[request.request_id] = PooledRequest(request)

    def matched(self, request: Any, computed: int) -> int:
        """Number of tokens after the first ``computed`` that are in the pool.

        In whole blocks of the engine. The last token is always computed here.
        """
        known = self._requests.get(request.request_id)
        if known is None or self.keys is None:
            return 0
        keys = self.keys.of(request, request.num_tokens)
        names = [layer_keys(key, self.keys.layers) for key in keys]
        there = iter(self._pool.batch_exists([name for block in names for name in block]))
        known.stored = prefix_length([all([next(there) for _ in block]) for block in names])
        most = min(known.stored * self.keys.block, request.num_tokens - 1)
        known.whole = most // self._block * self._block
        return max(known.whole - computed, 0)

    def allocated(self, request: Any, blocks: list[int], tokens: int) -> None:
        """Note the blocks of a request into which ``tokens`` tokens are to be read."""
        known = self._requests.get(request.request_id)
        if not tokens or known is None or self.keys is None:
            return
        first, until = (known.whole - tokens) // self._block, known.whole // self._block
        each = self.keys.block // self._block
        begin, end = first // each, -(-until // each)
        wanted = [
            blocks[at] if first <= at < until else NOT_WANTED
            for at in range(begin * each, end * each)
        ]
        keys = self.keys.of(request, request.num_tokens)[begin:end]
        self._reads.append(PoolRead(request.request_id, keys, wanted))

    def give(self, orders: StepOrders, step: Any) -> None:
        """Add what has to be done to the orders of the step that is about to run."""
        orders.reads, self._reads = self._reads, []
        running = step.scheduled_cached_reqs
        computed = {new.req_id: new.num_computed_tokens for new in step.scheduled_new_reqs}
        computed |= dict(zip(running.req_ids, running.num_computed_tokens, strict=True))
        for name, before in computed.items():
            known = self._requests.get(name)
            if known is not None and self.keys is not None:
                self._add(orders, known, before, step)

    def _add(self, orders: StepOrders, known: PooledRequest, before: int, step: Any) -> None:
        """Have the blocks stored that are whole after the step and of which all tokens are known.

        Where steps are scheduled ahead, the last tokens are not known yet.
        """
        assert self.keys is not None
        request, block = known.request, self.keys.block
        after = before + step.num_scheduled_tokens[request.request_id]
        known.stored = min(known.stored, before // block)  # what was lost is computed again
        until = min(after, request.num_tokens) // block
        if until > known.stored:
            keys = self.keys.of(request, until * block)[known.stored :]
            table = step.kv_connector_block_state.resolve_block_ids(request.request_id)[0]
            orders.writes.append(
                PoolWrite(request.request_id, keys, list(table[: until * block // self._block]))
            )
            known.stored = until

    def finished(self, request: Any) -> None:
        """Forget a request."""
        self._requests.pop(request.request_id, None)

    def close(self) -> None:
        """Leave the pool."""
        self._pool.close()
