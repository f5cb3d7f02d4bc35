"""vLLM's KV connector, over Triplane's ranks.

A prefill instance keeps the KV blocks of prompts that another instance is to decode, and says in
the output's ``kv_transfer_params`` where they are. Given to a decode instance, these parameters let
it fetch the blocks, layer by layer, before it computes the last token of the prompt.
"""

from typing import Any

from torch import Tensor
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorBase_V1, KVConnectorRole
from vllm.logger import init_logger

from collectives.adapters.step_log import StepLog
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.orders import LoadOrder, Orders
from collectives.adapters.vllm.scheduling import Scheduling
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.transfer import IncomingBlocks, Peers


class TriplaneConnector(KVConnectorBase_V1):  # type: ignore[misc]
    """The KV connector; vLLM makes one beside the scheduler and one in the worker.

    Each of the two uses its half of the methods. ``record``: in the worker, the log of the
    transfers to it with their emulated times.
    """

    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self._given, config = Instance.of(vllm_config), vllm_config.kv_transfer_config
        groups = kv_cache_config.kv_cache_groups
        if len(groups) != 1:
            raise KVError(f"the model has {len(groups)} groups of KV caches; it has to be 1")
        self.record = StepLog()
        self._peers: Peers | None = None
        self._caches: dict[str, Tensor] = {}
        self._coming: list[tuple[LoadOrder, dict[str, IncomingBlocks]]] = []
        self._missing: set[int] = set()
        block = vllm_config.cache_config.block_size
        self._scheduling = Scheduling(
            self._given, block, config.is_kv_producer, config.is_kv_consumer
        )

    # In the worker.

    def register_kv_caches(self, kv_caches: dict[str, Tensor]) -> None:
        """Register the caches by layer, and wait for the other instances; raises `KVError`."""
        blocks = self._kv_cache_config.num_blocks
        for name, cache in kv_caches.items():
            if cache.shape[0] != blocks:
                raise KVError(f"the cache of {name} is {list(cache.shape)}; {blocks} blocks first")
        self._caches = kv_caches
        shapes = {name: (tuple(c.shape[1:]), c.dtype) for name, c in kv_caches.items()}
        self._peers = Peers(self._given, shapes)

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Begin to fetch the blocks that this step needs."""
        for load in self._orders().loads:
            count = len(load.blocks)
            coming = self._met().pull(load.request, load.source, load.first, count)
            if coming is None:
                init_logger(__name__).warning(
                    "rank %d has not kept the KV of request %s; kv_load_failure_policy says what"
                    " becomes of it", load.source, load.request,
                )  # fmt: skip
                self._missing.update(load.blocks)
            else:
                self._coming.append((load, coming))

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Return when a layer's fetched blocks are in its cache; raises `TimedOut`."""
        for load, coming in self._coming:
            arrived = coming.pop(layer_name, None)
            if arrived is not None:
                arrived.work.wait(self._given.timeout)
                self._caches[layer_name][load.blocks] = arrived.into
                self.record.add(
                    layer_name, "kv transfer", load.tokens, arrived.work, arrived.machine
                )

    def save_kv_layer(
        self, layer_name: str, kv_layer: Tensor, attn_metadata: Any, **kwargs: Any
    ) -> None:
        """Do nothing: `wait_for_save` saves all layers."""

    def wait_for_save(self) -> None:
        """Keep the KV of computed prompts for other instances, and complete all fetches."""
        for name in self._caches:
            self.wait_for_layer_load(name)
        self._coming.clear()
        if self._peers is not None:
            self._peers.check()
        for save in self._orders().saves:
            kept = {name: cache[save.blocks] for name, cache in self._caches.items()}
            self._met().kept.put(save.request, kept)

    def get_block_ids_with_load_errors(self) -> set[int]:
        """The blocks that could not be fetched since the last call."""
        missing, self._missing = self._missing, set()
        return missing

    def shutdown(self) -> None:
        """Leave the world of instances; raises what went wrong between them."""
        peers, self._peers = self._peers, None
        if peers is not None:
            peers.close()

    def _met(self) -> Peers:
        if self._peers is None:
            raise KVError("the engine has not registered its KV caches, or has shut down")
        return self._peers

    def _orders(self) -> Orders:
        orders = self._get_connector_metadata()
        if not isinstance(orders, Orders):
            raise KVError(f"the scheduler's orders are a {type(orders).__name__}, not ours")
        return orders

    # Beside the scheduler.

    def on_new_request(self, request: Any) -> None:
        """Begin a request; see `Scheduling.begin`."""
        self._scheduling.begin(request)

    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """The number of tokens that can be fetched; see `Scheduling.matched`.

        The step waits for them.
        """
        return self._scheduling.matched(request, num_computed_tokens), False

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        """Note the blocks of a request; see `Scheduling.allocated`."""
        self._scheduling.allocated(request, blocks.get_block_ids()[0], num_external_tokens)

    def build_connector_meta(self, scheduler_output: Any) -> Orders:
        """The transfers of the next step; see `Scheduling.orders`."""
        return self._scheduling.orders(scheduler_output)

    def request_finished(
        self, request: Any, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """False, and what the output tells the decode instance, or None; see `Scheduling.finished`.

        False means that the engine may reuse the blocks at once.
        """
        return False, self._scheduling.finished(request)
