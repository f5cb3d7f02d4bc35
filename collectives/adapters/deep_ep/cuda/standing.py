"""The stand-in for torch.cuda: putting it there, and removing it again."""

import sys
from typing import Any

import torch

from collectives.adapters.deep_ep.cuda.boundary import Ranges, distinct, functions, refusing
from collectives.adapters.deep_ep.cuda.device import MEMORY, NO_GRAPHS, Device, refused, untraced
from collectives.adapters.deep_ep.cuda.replacing import Generators, StandIn
from collectives.adapters.deep_ep.cuda.types import TENSORS, types_on

_REFUSED = (
    "use_mem_pool", "memory_usage", "utilization",
    "temperature", "power_draw", "clock_rate", "device_memory_used", "list_gpu_processes",
)  # fmt: skip
"""Functions of torch.cuda that a CPU cannot stand for, besides those of C."""

_PAST_NAMES = ("torch._inductor", "torch.autograd.profiler")
"""Modules that use a GPU wherever ``torch.cuda.is_available()``: for these it is False."""


class InstalledStandIn(StandIn):
    """The installed stand-in; `remove` takes it away."""

    def __init__(self) -> None:
        super().__init__(Device())
        for name, function in functions(self.device).items():
            self.put(torch._C, name, function)
        for name, value in _names(self.device).items():
            self._set_all(name, value)
        self.put(torch.cuda.graphs, "_cuda_isCurrentStreamCapturing", lambda: False)
        self.put(torch.cuda.nvtx, "_nvtx", Ranges())
        self.put(torch, "get_autocast_gpu_dtype", lambda: torch.get_autocast_dtype("cpu"))
        self._types()
        self.everywhere()

    def _set_all(self, name: str, value: Any) -> None:
        """In torch.cuda, and in its modules and dynamo's interface, which have names of it."""
        self.put(torch.cuda, name, value)
        modules = ("memory", "random", "streams", "graphs", "green_contexts")
        for module in (getattr(torch.cuda, each) for each in modules):
            if name in vars(module):
                self.put(module, name, value)
        interface = sys.modules.get("torch._dynamo.device_interface")
        inside = {"_exchange_device": "exchange_device",
                  "_maybe_exchange_device": "maybe_exchange_device"}.get(name, name)  # fmt: skip
        if interface is not None and inside in vars(interface.CudaInterface):
            kept = value if isinstance(value, type) else staticmethod(value)
            self.put(interface.CudaInterface, inside, kept)

    def _types(self) -> None:
        kinds = types_on(self.device)
        self.put(torch, "Event", kinds.pop("AnyEvent"))
        self.put(torch, "Stream", kinds["Stream"])
        for name, kind in kinds.items():
            self._set_all(name, kind)
        for name in TENSORS:
            self.put(torch.cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))


def installed() -> Device | None:
    """The stand-in's device; None if torch.cuda is not replaced."""
    found: Device | None = getattr(torch.cuda, "triplane", None)
    return found


def install() -> InstalledStandIn | None:
    """Install the stand-in for torch.cuda in this process; None if it is installed already."""
    return InstalledStandIn() if installed() is None else None


def _names(device: Device) -> dict[str, Any]:
    """Names of torch.cuda that torch's own code does not make of functions of C."""

    def set_device(to: Any) -> None:
        index = torch.cuda._utils._get_device_index(to, optional=True)
        device.take(index)

    def is_available() -> bool:
        asking = sys._getframe(1).f_globals.get("__name__", "")
        return not asking.startswith(_PAST_NAMES)

    pools = iter(range(1, 1 << 62))
    return {
        "triplane": device,
        "_initialized": True,
        "_is_compiled": lambda: True,
        "_is_in_bad_fork": lambda: False,
        "_cudart": _Cudart(),
        "is_available": untraced(is_available),  # type: ignore[arg-type]
        "is_initialized": lambda: True,
        "device_count": lambda: device.count,
        "set_device": set_device,
        "_exchange_device": distinct("_exchange_device", device.take),
        "_maybe_exchange_device": distinct("_maybe_exchange_device", device.take),
        "_get_device_properties": lambda index: device.properties,
        "_sleep": lambda cycles: None,
        "default_generators": Generators((torch.default_generator,) * device.count),
        "mem_get_info": lambda device=None: (MEMORY, MEMORY),
        "is_bf16_supported": lambda including_emulation=True: True,
        "graph_pool_handle": lambda: (0, next(pools)),
        "make_graphed_callables": refusing("torch.cuda.make_graphed_callables", NO_GRAPHS),
        **{name: refusing(f"torch.cuda.{name}") for name in _REFUSED},
    }


class _Cudart:
    """What ``torch.cuda.cudart()`` returns: none of its functions is available."""

    def __getattr__(self, name: str) -> Any:
        """Raise the `StandInError` for a function's name."""
        return refused(f"torch.cuda.cudart().{name}")
