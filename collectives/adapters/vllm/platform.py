"""vLLM's CPU platform, whose ranks communicate over Triplane."""

from vllm.platforms.cpu import CpuPlatform

import collectives.adapters.torch  # noqa: F401  # the backend that dist_backend names


class TriplanePlatform(CpuPlatform):  # type: ignore[misc]
    """The CPU platform over the backend "triplane" of torch.distributed."""

    dist_backend = "triplane"

    @classmethod
    def get_device_communicator_cls(cls) -> str:
        """The name of the class of which vLLM makes an instance for each group of ranks."""
        return "collectives.adapters.vllm.communicator.TriplaneCommunicator"
