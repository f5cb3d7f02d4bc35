"""vLLM's worker on CPUs, which knows its steps and has what its parallel ranks lack."""

import os
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

from vllm.config import CompilationMode
from vllm.distributed import get_dp_group, get_ep_group, get_pp_group, get_tp_group, get_world_group
from vllm.v1.worker.cpu_worker import CPUWorker

from collectives.adapters.torch import communicator
from collectives.adapters.vllm.experts import take_local_experts, take_opaque_experts
from collectives.adapters.vllm.metrics import StepMetrics
from collectives.adapters.vllm.passes import DUMMY, WARM_UP, Passes, held
from collectives.adapters.vllm.remaining import Survivor, goes_on, without_sentinel
from collectives.adapters.vllm.settings import files_apart
from collectives.adapters.vllm.worker import Times


class TriplaneWorker(CPUWorker, Times):  # type: ignore[misc]
    """vLLM's worker, whose steps are spans, and whose groups write into the same ``passes``."""

    def __init__(self, vllm_config: Any, *given: Any, **options: Any) -> None:
        with without_sentinel(vllm_config.parallel_config) if goes_on() else nullcontext():
            super().__init__(vllm_config, *given, **options)
        self.passes, self._survivor = Passes(), Survivor(self)
        self._replica = _replica(vllm_config.parallel_config)
        if self._replica:
            os.environ.update(files_apart(f"dp{self._replica}"))

    def init_device(self) -> None:
        """Meet the other ranks."""
        take_local_experts()
        take_opaque_experts()
        super().init_device()
        # not the default group, which a launcher of ranks may have made over another backend
        self._all = communicator(get_world_group().device_group)
        if self.passes.metrics is None:
            before = self._replica * self._all.size
            self.passes.metrics = StepMetrics.shown(before + self._all.rank)
        groups = [get_tp_group(), get_pp_group(), get_dp_group()]
        if self.model_config.is_moe:
            groups.append(get_ep_group())
        found = [getattr(group, "device_communicator", None) for group in groups]
        held([each for each in found if each is not None], self.passes)

    def load_model(self, **given: Any) -> None:
        """Load this rank's part of the model."""
        super().load_model(**given)
        model, runner = self.model_runner.get_model(), self.model_runner
        if self.compilation_config.mode == CompilationMode.NONE:
            self.passes.watch(model)
        if not get_pp_group().is_first_rank and runner.intermediate_tensors is None:
            # Stock vLLM makes them as it warms up, which it does not where nothing is compiled.
            runner.intermediate_tensors = model.make_empty_intermediate_tensors(
                batch_size=runner.max_num_tokens, dtype=self.model_config.dtype, device=self.device
            )

    def initialize_from_config(self, kv_cache_config: Any) -> None:
        """Make the KV cache."""
        self.kv_cache_layout = deepcopy(kv_cache_config)  # vLLM's runner changes its own
        super().initialize_from_config(kv_cache_config)

    def misses_ranks(self) -> bool:
        """True if this rank knows of others that are lost."""
        return bool(self._all.lost)

    def go_on(self, wave: int) -> tuple[Any, ...]:
        """Go on with the ranks that are left of a world; what `RanksLeft` is made of."""
        return tuple(self._survivor.go_on(wave))

    def determine_available_memory(self) -> int:
        """See how much memory there is, with a first step where vLLM makes one."""
        with self.passes.step(self._all, WARM_UP):
            return int(super().determine_available_memory())

    def compile_or_warm_up_model(self) -> Any:
        """Compile what is left."""
        with self.passes.step(self._all, WARM_UP):
            return super().compile_or_warm_up_model()

    def execute_dummy_batch(self) -> None:
        """Take part in the others' step without a request of one's own."""
        with self.passes.step(self._all, DUMMY):
            super().execute_dummy_batch()

    def execute_model(self, scheduler_output: Any) -> Any:
        """Make a step."""
        if scheduler_output.total_num_scheduled_tokens == 0:
            return super().execute_model(scheduler_output)
        with self.passes.step(self._all):
            return super().execute_model(scheduler_output)


def _replica(parallel: Any) -> int:
    """Which of the engines this is that know nothing of each other; 0 where there is one.

    vLLM has such ones where a server has data-parallel ranks of a model without experts. Each is a
    world by itself, in the same environment.
    """
    return int(parallel.data_parallel_index) if parallel.data_parallel_size == 1 else 0
