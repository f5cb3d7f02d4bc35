"""vLLM's KV connector, over Triplane's one-sided memory and its pool of blocks.

A prefill instance holds the KV blocks of prompts that another instance is to decode, and says in
the output's ``kv_transfer_params`` where they are. Given to a decode instance, these parameters let
it read the blocks, layer by layer, before it computes the last token of the prompt. With a pool,
every instance stores the blocks that it computes there, and reads those that any has stored.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorHandshakeMetadata,
    KVConnectorMetadata,
    KVConnectorRole,
)

from collectives.adapters.step_log import StepLog
from collectives.adapters.vllm.errors import KVError
from collectives.adapters.vllm.orders import StepOrders
from collectives.adapters.vllm.pool_keys import PoolKeys, identity_of
from collectives.adapters.vllm.pool_scheduling import PoolScheduling
from collectives.adapters.vllm.scheduling import Scheduling
from collectives.adapters.vllm.settings import Instance
from collectives.adapters.vllm.worker_side import WorkerSide
from collectives.memory.pool.pool import Pool


@dataclass
class Orders(StepOrders, KVConnectorMetadata):  # type: ignore[misc]
    """The orders of one step, as vLLM passes them to the worker."""


@dataclass
class Greeting(KVConnectorHandshakeMetadata):  # type: ignore[misc]
    """What the worker tells the scheduler when it has its caches and has met the others.

    ``world``: see `Peers`; ``keys``: of its blocks in the pool, None without a pool.
    """

    world: str
    keys: PoolKeys | None


class TriplaneConnector(KVConnectorBase_V1):  # type: ignore[misc]
    """The KV connector; vLLM makes one beside the scheduler and one in the worker.

    Each of the two uses its half of the methods. ``record``: in the worker, the log of the
    transfers to and from it with their emulated times.
    """

    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self._given, config = Instance.of(vllm_config), vllm_config.kv_transfer_config
        groups = kv_cache_config.kv_cache_groups
        if len(groups) != 1:
            raise KVError(f"the model has {len(groups)} groups of KV caches; it has to be 1")
        self.record = StepLog()
        self._block: int = vllm_config.cache_config.block_size
        self._worker: WorkerSide | None = None
        self._scheduling = Scheduling(
            self._given, self._block, config.is_kv_producer, config.is_kv_consumer
        )
        self._pooling: PoolScheduling | None = None
        if self._given.pool is not None:
            self._given.block_in_pool(self._block)
            if role == KVConnectorRole.SCHEDULER:
                pool = Pool.connect(self._given.pool).within(self._given.namespace)
                self._pooling = PoolScheduling(pool, self._block)

    @classmethod
    def requires_piecewise_for_cudagraph(cls, extra_config: dict[str, Any]) -> bool:
        """True: layers wait for their blocks one by one."""
        return True

    # In the worker.

    def register_kv_caches(self, kv_caches: dict[str, Tensor]) -> None:
        """Register the caches by layer, and wait for the other instances; raises `KVError`."""
        layers = self._vllm_config.compilation_config.static_forward_context
        kernels = {name: _kernel(layers.get(name)) for name in kv_caches}
        self._worker = WorkerSide(
            self._given, kv_caches, kernels, self._kv_cache_config.num_blocks, self._block,
            self.record,
        )  # fmt: skip

    def get_handshake_metadata(self) -> Greeting:
        """What the scheduler has to know of the worker."""
        worker, keys = self._met(), None
        if self._given.pool is not None:
            layouts = list(worker.layouts.items())
            identity = identity_of(self._vllm_config, self._given.model, layouts)
            keys = PoolKeys(identity, self._given.block_in_pool(self._block), len(layouts))
        return Greeting(worker.peers.world, keys)

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Begin to read the blocks that this step needs."""
        self._met().begin(self._orders())

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Return when a layer's blocks that are read are in its cache; raises `TimedOut`."""
        self._met().wait(layer_name)

    def save_kv_layer(
        self, layer_name: str, kv_layer: Tensor, attn_metadata: Any, **kwargs: Any
    ) -> None:
        """Begin to store the blocks of a layer that this step completes."""
        self._met().write(layer_name, self._orders())

    def wait_for_save(self) -> None:
        """Complete all reads and writes of this step."""
        self._met().end(self._orders())

    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, None]:
        """The requests whose blocks other instances have read, or not asked for in time."""
        return self._met().released(finished_req_ids) or None, None

    def get_block_ids_with_load_errors(self) -> set[int]:
        """The blocks that could not be read since the last call."""
        return self._met().missing()

    def shutdown(self) -> None:
        """Leave the world of instances, and the pool; raises what went wrong between them."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()
        pooling, self._pooling = self._pooling, None
        if pooling is not None:
            pooling.close()

    def _met(self) -> WorkerSide:
        if self._worker is None:
            raise KVError("the engine has not registered its KV caches, or has shut down")
        return self._worker

    def _orders(self) -> Orders:
        orders = self._get_connector_metadata()
        if not isinstance(orders, Orders):
            raise KVError(f"the scheduler's orders are a {type(orders).__name__}, not ours")
        return orders

    # Beside the scheduler.

    def set_xfer_handshake_metadata(self, metadata: dict[int, Any]) -> None:
        """Take what the worker says of itself; see `Greeting`."""
        (greeting,) = metadata.values()
        self._scheduling.world = greeting.world
        if self._pooling is not None:
            self._pooling.keys = greeting.keys

    def on_new_request(self, request: Any) -> None:
        """Begin a request; see `Scheduling.begin`."""
        self._scheduling.begin(request)
        if self._pooling is not None:
            self._pooling.begin(request)

    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """The number of tokens that another instance or the pool has; see ``matched`` of both.

        The step waits for them, layer by layer.
        """
        source = self._source(request)
        return (0 if source is None else source.matched(request, num_computed_tokens)), False

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        """Note the blocks of a request; see `Scheduling.allocated`, `PoolScheduling.allocated`."""
        source = self._source(request)
        if source is not None:
            source.allocated(request, blocks.get_block_ids()[0], num_external_tokens)

    def build_connector_meta(self, scheduler_output: Any) -> Orders:
        """The reads and writes of the next step."""
        orders = Orders()
        self._scheduling.give(orders)
        if self._pooling is not None:
            self._pooling.give(orders, scheduler_output)
        return orders

    def update_connector_output(self, connector_output: Any) -> None:
        """Take note of blocks that are held no longer."""
        self._scheduling.given_back(connector_output.finished_sending or ())

    def request_finished(
        self, request: Any, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """Whether the blocks are held, and what the output tells; see `Scheduling.finished`."""
        if self._pooling is not None:
            self._pooling.finished(request)
        return self._scheduling.finished(request, block_ids)

    def _source(self, request: Any) -> Scheduling | PoolScheduling | None:
        """Where a request's blocks come from: the instance that it names, else the pool."""
        if (request.kv_transfer_params or {}).get("do_remote_prefill"):
            return self._scheduling
        return self._pooling


def _kernel(layer: Any) -> str:
    """What lays out the cache of an attention layer: its implementation, and on CPUs its kind."""
    if layer is None:
        return ""
    return f"{type(getattr(layer, 'impl', layer)).__name__} {getattr(layer, 'isa', '')}".rstrip()
