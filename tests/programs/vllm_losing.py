"""vLLM's connector with a worker that loses blocks on the way; see vllm_pool_losses.py."""

from typing import Any

from vllm.distributed.kv_transfer import get_kv_transfer_group

from collectives.adapters.vllm.connector import TriplaneConnector
from collectives.adapters.vllm.pool_keys import layer_key
from collectives.adapters.vllm.worker import Times


class Losing(TriplaneConnector):  # type: ignore[misc]
    """Removes a block of one layer from the pool right before it is read, ``loses`` times."""

    loses = 0

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        pool = self._met().peers.pool
        assert pool is not None
        for order in self._orders().reads[: self.loses]:
            self.loses -= 1
            assert pool.pool.remove(layer_key(order.keys[-1], 1))
        super().start_load_kv(forward_context, **kwargs)


class Loses(Times):
    """A worker that can be told to."""

    def lose(self, many: int) -> None:
        get_kv_transfer_group().loses = many
