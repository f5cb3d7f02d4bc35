"""True expert parallelism, through the registry of transformers 5.23."""

from typing import Any

from torch import Tensor

from collectives.adapters.step_log import StepLog
from collectives.adapters.torch import communicator
from collectives.adapters.transformers.layers import Choice, Layers, mixture


def register_parallel(name: str, choice: Choice, record: StepLog) -> None:
    """Register ``name`` as an ``ep_implementation``, if this version of transformers has them."""
    try:
        from transformers.distributed.expert_parallel import EPImplementationInterface
    except ModuleNotFoundError as missing:
        if missing.name != "transformers.distributed.expert_parallel":
            raise
        return
    EPImplementationInterface.register(name, implementation(Layers(choice, record)))


def implementation(layers: Layers) -> type[Any]:
    """The class of which transformers makes an instance for each module of experts."""
    from transformers.distributed.expert_parallel import EPImplementation

    class TriplaneEP(EPImplementation):  # type: ignore[misc]
        """Expert parallelism in which each rank of the expert group has its own tokens.

        Where tensor parallelism has several ranks hold the same tokens, each takes a slice of them.
        """

        def __init__(self, experts: Any, ep_mesh: Any, tp_mesh: Any) -> None:
            super().__init__(experts, ep_mesh, tp_mesh)
            self.comm = communicator(ep_mesh.get_group())
            self.layer = layers.name(experts)
            self.experts = self.num_local_experts * ep_mesh.size()

        def __call__(self, hidden_states: Tensor, *choices: Tensor) -> Tensor:
            shape, sliced = hidden_states.shape, self.tp_mesh.size() > 1
            given = (hidden_states, *choices)
            own = [_slice(each, self.tp_mesh) for each in given] if sliced else given
            carried = layers.exchange(self.comm, self.experts, shape[-1])
            run, nobody = self.experts_forward, self.num_local_experts
            with self.comm.span(self.layer):
                made = mixture(carried, run, nobody, self.layer, *own)
            return _whole(made, self.tp_mesh, shape) if sliced else made

    return TriplaneEP


def _slice(whole: Tensor, mesh: Any) -> Tensor:
    """The rows that are this rank's, of what all ranks of a mesh hold alike."""
    from torch.distributed.tensor import DTensor, Replicate, Shard

    alike = DTensor.from_local(whole, mesh, [Replicate()], run_check=False)
    return alike.redistribute(mesh, [Shard(0)]).to_local()


def _whole(own: Tensor, mesh: Any, shape: Any) -> Tensor:
    """The rows of all ranks, at each of them."""
    from torch.distributed.tensor import DTensor, Shard

    stride = (shape[-1], 1)
    slices = DTensor.from_local(own.contiguous(), mesh, [Shard(0)], shape=shape, stride=stride)
    return slices.full_tensor()
