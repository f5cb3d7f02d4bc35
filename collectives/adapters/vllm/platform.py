"""vLLM's CPU platform, whose ranks communicate over Triplane."""

from typing import Any

from vllm.platforms.cpu import CpuPlatform

import collectives.adapters.torch  # noqa: F401  # the backend that dist_backend names

WORKER = "collectives.adapters.vllm.steps.TriplaneWorker"


class TriplanePlatform(CpuPlatform):  # type: ignore[misc]
    """The CPU platform over the backend "triplane" of torch.distributed."""

    dist_backend = "triplane"

    @classmethod
    def check_and_update_config(cls, vllm_config: Any) -> None:
        """Have our worker made, which numbers the steps, unless the user names another."""
        if vllm_config.parallel_config.worker_cls == "auto":
            vllm_config.parallel_config.worker_cls = WORKER
        super().check_and_update_config(vllm_config)

    @classmethod
    def use_custom_op_collectives(cls) -> bool:
        """True: a compiled model calls what sends between ranks, and is not traced into it."""
        return True

    @classmethod
    def get_device_communicator_cls(cls) -> str:
        """The name of the class of which vLLM makes an instance for each group of ranks."""
        return "collectives.adapters.vllm.communicator.TriplaneCommunicator"
