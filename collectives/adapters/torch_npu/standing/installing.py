"""The stand-in for torch.npu: putting it there, and removing it again."""

import sys
from typing import Any

import torch
import torch.distributed as dist
from torch.utils import backend_registration

from collectives.adapters.deep_ep.cuda.boundary import accelerator
from collectives.adapters.deep_ep.cuda.device import Device, StandInError
from collectives.adapters.deep_ep.cuda.replacing import StandIn
from collectives.adapters.torch.group import ProcessGroup
from collectives.adapters.torch_npu.standing.surface import surface

KIND = "npu"

_UNNAMED = "privateuseone"
"""What torch calls devices of another package that has not named them."""


class NpuStandIn(StandIn):
    """The installed stand-in; `remove` takes it away, but for the name "npu", which torch keeps."""

    def __init__(self) -> None:
        named = torch._C._get_privateuse1_backend_name()
        if named not in (_UNNAMED, KIND):
            raise StandInError(
                f"torch.npu cannot be stood in for: {named!r} is this torch's device"
            )
        if named != KIND:
            backend_registration.rename_privateuse1_backend(KIND)
        super().__init__(Device(KIND))
        made = surface(self.device)
        self.put(torch, KIND, made)
        for name, module in {"torch.npu": made, "torch.npu.amp": made.amp}.items():
            sys.modules[name] = module
        self.put(torch, "Stream", made.Stream)
        self._tensors()
        for name, function in accelerator(self.device).items():
            self.put(torch._C, name, function)
        self.put(torch._C, "_get_accelerator", lambda check=None: torch.device(KIND))
        self.put(dist, "is_hccl_available", lambda: True)
        self.put(ProcessGroup, "get_hccl_comm_name", _name_of)
        self.everywhere()

    def _tensors(self) -> None:
        """The methods that torch_npu adds; tensors say that they are on the CPU."""
        self.put(torch.Tensor, KIND, _to_npu)
        self.put(torch.Tensor, "is_npu", False)
        self.put(torch.nn.Module, KIND, _module_to_npu)
        self.put(torch.UntypedStorage, "is_npu", False)

    def remove(self) -> None:
        """Remove the stand-in, and restore torch as it was."""
        super().remove()
        for name in ("torch.npu", "torch.npu.amp"):
            sys.modules.pop(name, None)


def _to_npu(
    tensor: torch.Tensor, device: Any = None, non_blocking: bool = False, **options: Any
) -> torch.Tensor:
    return tensor.to(KIND, non_blocking=non_blocking, **options)


def _module_to_npu(module: torch.nn.Module, device: Any = None) -> torch.nn.Module:
    return module.to(KIND)


def _name_of(group: ProcessGroup, rank: int = 0, init_comm: bool = True) -> str:
    """What torch_npu's own calls, such as a dispatch, take for the group."""
    return str(group.group_name)


def installed() -> Device | None:
    """The stand-in's device; None if torch.npu is not replaced."""
    found: Device | None = getattr(getattr(torch, KIND, None), "triplane", None)
    return found


def install() -> NpuStandIn | None:
    """Install the stand-in for torch.npu in this process; None if it is installed already."""
    return NpuStandIn() if installed() is None else None
