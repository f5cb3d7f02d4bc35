"""vLLM's communicator between ranks, over Triplane."""

from typing import Any

import torch.distributed as dist
from vllm.config import get_current_vllm_config
from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator

from collectives.adapters.torch import communicator
from collectives.adapters.vllm.all2all import Options, TriplaneAll2All


class TriplaneCommunicator(CpuCommunicator):  # type: ignore[misc]
    """vLLM's communicator for CPUs, of a group of the backend "triplane".

    It adds the dispatch and combine of experts, which stock vLLM lacks on CPUs: see
    `TriplaneAll2All`.
    """

    def __init__(
        self, cpu_group: Any, device: Any = None, device_group: Any = None, unique_name: str = "",
        use_all2all: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(cpu_group, device, device_group, unique_name, use_all2all)
        # vLLM's own shared memory between ranks of a host would pass the emulated machine by.
        self.dist_module, self.supports_tensor_dict = dist, False
        if self.use_all2all:
            config = get_current_vllm_config()
            self.all2all_manager = TriplaneAll2All(
                self.cpu_group, communicator(self.device_group), Options.of(config)
            )
