"""vLLM's communicator between ranks, over Triplane."""

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from vllm.config import get_current_vllm_config
from vllm.distributed.device_communicators.all2all import AgRsAll2AllManager
from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator

from collectives.adapters.torch import communicator
from collectives.adapters.vllm.all2all import Options, TriplaneAll2All
from collectives.adapters.vllm.passes import Parts, Passes


class TriplaneCommunicator(CpuCommunicator):  # type: ignore[misc]
    """vLLM's communicator for CPUs, of a group of the backend "triplane".

    It adds what stock vLLM lacks on CPUs: the dispatch and combine of experts
    (`TriplaneAll2All`), and gathering and scattering of unlike sizes, which data parallelism
    without expert parallelism needs. Each call is written into ``passes``.
    """

    def __init__(
        self, cpu_group: Any, device: Any = None, device_group: Any = None, unique_name: str = "",
        use_all2all: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(cpu_group, device, device_group, unique_name, use_all2all)
        # vLLM's own shared memory between ranks of a host would pass the emulated machine by, and
        # so would gloo, by which vLLM sends tensors of CPUs from stage to stage without this.
        self.dist_module, self.supports_tensor_dict = dist, True
        self.passes, self._comm = Passes(), communicator(self.device_group)
        if self.use_all2all:
            config = get_current_vllm_config()
            self.all2all_manager = (
                TriplaneAll2All(self.cpu_group, self._comm, Options.of(config))
                if config.parallel_config.enable_expert_parallel
                else AgRsAll2AllManager(self.cpu_group)
            )

    @contextmanager
    def _timed(self, operation: str, tokens: int) -> Iterator[None]:
        layer = self.passes.layer(self.unique_name.split(":")[0])
        with self._comm.span(layer):
            yield
        machine = self._comm.machine(operation)
        if machine is not None:
            work = Parts(self.device_group.last)
            self.passes.log.add(layer, operation, tokens, work, machine)

    def all_reduce(self, input_: Tensor) -> Tensor:
        """The sum of ``input_`` of all ranks, in memory of its own, as a custom op has to."""
        total = input_.clone()
        with self._timed("all_reduce", len(input_)):
            dist.all_reduce(total, group=self.device_group)
        return total

    def gather(self, input_: Tensor, dst: int = 0, dim: int = -1) -> Tensor | None:
        """The tensors of all ranks one behind the other at rank ``dst`` of the group."""
        with self._timed("gather", len(input_)):
            found: Tensor | None = super().gather(input_, dst, dim)
        return found

    def all_gather(self, input_: Tensor, dim: int = -1) -> Tensor:
        """The tensors of all ranks one behind the other, along ``dim``."""
        with self._timed("all_gather", len(input_)):
            found: Tensor = super().all_gather(input_, dim)
        return found

    def reduce_scatter(self, input_: Tensor, dim: int = -1) -> Tensor:
        """The rank's equal part of the sum over all ranks, along ``dim``."""
        with self._timed("reduce_scatter", len(input_)):
            found: Tensor = super().reduce_scatter(input_, dim)
        return found

    def all_gatherv(
        self, input_: Tensor | list[Tensor], dim: int = 0, sizes: list[int] | None = None
    ) -> Tensor | list[Tensor]:
        """Tensors of all ranks one behind the other; rank r's have ``sizes[r]`` rows.

        ``sizes`` None: as many as this rank's. Raises `ValueError` for another ``dim`` than 0.
        """
        _rows(dim)
        if isinstance(input_, list):
            return [self._gathered(each, sizes) for each in input_]
        return self._gathered(input_, sizes)

    def _gathered(self, mine: Tensor, sizes: Sequence[int] | None) -> Tensor:
        counts = sizes or [len(mine)] * self.world_size
        out = mine.new_empty((sum(counts), *mine.shape[1:]))
        with self._timed("all_gather", len(mine)):
            parts = list(torch.split(out, list(counts)))
            dist.all_gather(parts, mine.contiguous(), group=self.device_group)
        return out

    def reduce_scatterv(
        self, input_: Tensor, dim: int = 0, sizes: list[int] | None = None
    ) -> Tensor:
        """The rank's ``sizes[rank]`` rows of the sum over all ranks.

        ``sizes`` None: equal parts. Raises `ValueError` for another ``dim`` than 0.
        """
        _rows(dim)
        counts = sizes or [len(input_) // self.world_size] * self.world_size
        out = input_.new_empty((counts[self.rank_in_group], *input_.shape[1:]))
        with self._timed("reduce_scatter", len(out)):
            parts = list(torch.split(input_.contiguous(), counts))
            dist.reduce_scatter(out, parts, group=self.device_group)
        return out

    def send_tensor_dict(self, tensor_dict: dict[str, Any], dst: int) -> None:
        """Send what a pipeline stage hands on to rank ``dst`` of the group."""
        tensors = {key: x for key, x in tensor_dict.items() if isinstance(x, Tensor)}
        shapes = {key: (tuple(x.shape), x.dtype) for key, x in tensors.items()}
        others = {key: x for key, x in tensor_dict.items() if key not in tensors}
        head = torch.from_numpy(np.frombuffer(bytearray(pickle.dumps((shapes, others))), np.uint8))
        self._send(torch.tensor([len(head)]), dst)
        self._send(head, dst)
        for tensor in tensors.values():
            with self._timed("send", len(tensor)):
                self._send(tensor.contiguous(), dst)

    def recv_tensor_dict(self, src: int) -> dict[str, Any]:
        """What rank ``src`` of the group hands on; the other end of `send_tensor_dict`."""
        length = self._received(torch.empty(1, dtype=torch.int64), src)
        head = self._received(torch.empty(int(length), dtype=torch.uint8), src)
        shapes, found = pickle.loads(head.numpy().tobytes())
        for key, (shape, dtype) in shapes.items():
            with self._timed("recv", shape[0]):
                found[key] = self._received(torch.empty(shape, dtype=dtype), src)
        return dict(found)

    def destroy(self) -> None:
        """End what is under way; the groups are vLLM's to destroy."""
        if self.all2all_manager is not None:
            self.all2all_manager.destroy()

    def _send(self, tensor: Tensor, dst: int) -> None:
        dist.send(tensor, self.ranks[dst], group=self.device_group)

    def _received(self, tensor: Tensor, src: int) -> Tensor:
        dist.recv(tensor, self.ranks[src], group=self.device_group)
        return tensor


def _rows(dim: int) -> None:
    if dim != 0:
        raise ValueError(f"dim is {dim}; tensors of unlike sizes are gathered along 0")
