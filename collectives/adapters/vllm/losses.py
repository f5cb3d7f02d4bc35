"""An engine of vLLM goes on when another one of its data-parallel ranks is lost.

vLLM has a place for it: with ``--enable-fault-tolerance`` an engine whose step has failed asks its
`EngineCoreSentinel`. Stock vLLM's aborts all requests, and waits for an operator. `Sentinel` has
the workers agree on who is left, and lets the engine go on with what it had to do.
"""

from typing import Any

from torch._C._distributed_c10d import PrefixStore, TCPStore
from torch.distributed.constants import default_pg_timeout
from vllm.distributed import stateless_destroy_torch_distributed_process_group
from vllm.distributed.utils import init_gloo_process_group
from vllm.logger import init_logger
from vllm.v1.engine import core
from vllm.v1.fault_tolerance import EngineCoreSentinel

from collectives.adapters.vllm.remaining import RanksLeft

_LOG = init_logger(__name__)


def take_sentinel() -> None:
    """Have the engines of this process go on after a loss. Idempotent."""
    core.EngineCoreSentinel = Sentinel


class Sentinel(EngineCoreSentinel):  # type: ignore[misc]
    """Goes on after a loss; after any other fault it does what vLLM's own does."""

    def on_fault(self, exc: Exception) -> None:
        """What to do about an error that has ended a step; raises it if a worker has died.

        Then this rank is the one that is lost: its server ends, and refuses what it was asked for.
        """
        if getattr(self.engine.model_executor, "is_failed", False):
            raise exc
        fault: Exception = exc
        for _ in range(getattr(self.engine, "dp_size", 0)):
            if not self._is_loss(fault):
                break
            try:
                self._go_on()
            except Exception as error:  # perhaps that another rank is lost meanwhile
                fault = error
            else:
                return
        super().on_fault(fault)

    def _is_loss(self, fault: Exception) -> bool:
        """True if the workers miss a rank, or an engine has gone, which all meet by gloo."""
        return "gloo" in str(fault) or any(
            self.engine.model_executor.collective_rpc("misses_ranks")
        )

    def _go_on(self) -> None:
        engine = self.engine
        told = engine.model_executor.collective_rpc("go_on", args=(engine.current_wave,))
        left = RanksLeft(*told[0])
        _LOG.warning(
            "A rank is lost: engine %d goes on as data-parallel rank %d of %d",
            self.engine_index, left.rank, left.size,
        )  # fmt: skip
        self._regroup(left)
        again(engine)
        engine.current_wave, engine.step_counter, engine.engines_running = left.wave, 0, True
        if 0 not in left.replicas and left.size > 1:
            # The coordinator, which wakes all when one has a request, is lost with rank 0.
            engine._has_global_unfinished_reqs = _never_idle

    def _regroup(self, left: RanksLeft) -> None:
        """The engines' own group, by which they agree whether anybody has work."""
        engine, parallel = self.engine, self.engine.vllm_config.parallel_config
        parallel.data_parallel_size, parallel.data_parallel_rank = left.size, left.rank
        engine.dp_size, engine.dp_rank = left.size, left.rank
        stateless_destroy_torch_distributed_process_group(engine.dp_group)
        store = PrefixStore("engines", TCPStore(left.address, left.port, is_master=False))
        engine.dp_store = store
        engine.dp_group = init_gloo_process_group(
            store, left.rank, left.size, parallel.cpu_distributed_timeout or default_pg_timeout
        )


def again(engine: Any) -> None:
    """Have an engine compute anew, from their tokens so far, the requests that it was at."""
    if engine.batch_queue is not None:
        engine.batch_queue.clear()
    scheduler = engine.scheduler
    scheduler.reset_prefix_cache(reset_running_requests=True)
    for request in scheduler.requests.values():  # nothing of theirs is under way any more
        request.num_in_flight_tokens = request.num_stale_output_tokens = 0


def _never_idle(local_unfinished: bool) -> bool:
    """Engines that nobody wakes go on step by step, together."""
    return True
