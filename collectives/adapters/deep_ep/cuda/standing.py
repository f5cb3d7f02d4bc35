"""Putting the stand-in in the place of torch.cuda, and removing it again."""

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch._library.custom_ops import CustomOpDef

from collectives.adapters.deep_ep.cuda.boundary import Ranges, distinct, functions, refusing
from collectives.adapters.deep_ep.cuda.device import MEMORY, NO_GRAPHS, Device, refused, untraced
from collectives.adapters.deep_ep.cuda.kernels import library_impl, register_kernel
from collectives.adapters.deep_ep.cuda.naming import Naming, is_cuda, on_cpu
from collectives.adapters.deep_ep.cuda.types import types_on

_GROUPS = ("init_process_group", "new_group")
_GROUP_MODULES = ("torch.distributed", "torch.distributed.distributed_c10d",
                  "torch.distributed.device_mesh")  # fmt: skip

_REFUSED = (
    "use_mem_pool", "memory_usage", "utilization",
    "temperature", "power_draw", "clock_rate", "device_memory_used", "list_gpu_processes",
)  # fmt: skip
"""Functions of torch.cuda that a CPU cannot stand for, besides those of C."""

_PAST_NAMES = ("torch._inductor", "torch.autograd.profiler")
"""Modules that use a GPU wherever ``torch.cuda.is_available()``: for these it is False."""

_TENSORS = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


class InstalledStandIn:
    """The installed stand-in; `remove` takes it away."""

    def __init__(self) -> None:
        self.device = Device()
        self._before: list[tuple[Any, str, Any]] = []
        self._naming = Naming(self.device)
        for name, function in functions(self.device).items():
            self._set(torch._C, name, function)
        for name, value in _names(self.device).items():
            self._set_all(name, value)
        self._set(torch.cuda.graphs, "_cuda_isCurrentStreamCapturing", lambda: False)
        self._set(torch.cuda.nvtx, "_nvtx", Ranges())
        self._types()
        self._devices()
        self._process_groups()
        self._threads()
        self._gradients()
        self._set(torch.library.Library, "impl", library_impl(torch.library.Library.impl))
        kernel = register_kernel(CustomOpDef.register_kernel)
        self._set(CustomOpDef, "register_kernel", kernel)
        self._naming.__enter__()  # type: ignore[no-untyped-call]

    def _set(self, where: Any, name: str, value: Any) -> None:
        self._before.append((where, name, vars(where).get(name, self)))
        setattr(where, name, value)

    def _set_all(self, name: str, value: Any) -> None:
        """In torch.cuda, and in its modules and dynamo's interface, which have names of it."""
        self._set(torch.cuda, name, value)
        modules = ("memory", "random", "streams", "graphs", "green_contexts")
        for module in (getattr(torch.cuda, each) for each in modules):
            if name in vars(module):
                self._set(module, name, value)
        interface = sys.modules.get("torch._dynamo.device_interface")
        inside = {"_exchange_device": "exchange_device",
                  "_maybe_exchange_device": "maybe_exchange_device"}.get(name, name)  # fmt: skip
        if interface is not None and inside in vars(interface.CudaInterface):
            kept = value if isinstance(value, type) else staticmethod(value)
            self._set(interface.CudaInterface, inside, kept)

    def _types(self) -> None:
        kinds = types_on(self.device)
        self._set(torch, "Event", kinds.pop("AnyEvent"))
        self._set(torch, "Stream", kinds["Stream"])
        for name, kind in kinds.items():
            self._set_all(name, kind)
        for name in _TENSORS:
            self._set(torch.cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))

    def _devices(self) -> None:
        """Where torch takes a device and no mode sees it."""
        from torch.utils import _device

        context, load, default = _device.DeviceContext, torch.load, torch.set_default_device
        begin, autocast = context.__init__, torch.amp.autocast_mode.autocast
        self._set(context, "__init__", lambda self, device: begin(self, on_cpu(device)))

        @functools.wraps(default)
        def set_default_device(device: Any) -> None:
            default(on_cpu(device))

        @functools.wraps(load)
        def loaded(f: Any, map_location: Any = None, *given: Any, **options: Any) -> Any:
            return load(f, _location(map_location), *given, **options)

        self._set(torch, "set_default_device", set_default_device)
        for module in (torch, torch.serialization):
            self._set(module, "load", loaded)
        self._set(autocast, "__init__", _autocast_on_cpu(autocast.__init__))
        for name in ("is_autocast_enabled", "get_autocast_dtype"):
            self._set(torch, name, _asked_of_cpu(getattr(torch, name)))
        self._set(torch, "get_autocast_gpu_dtype", lambda: torch.get_autocast_dtype("cpu"))
        self._set(torch, "Generator", _generator())
        storage = torch.UntypedStorage
        self._set(storage, "cuda", lambda self, *given, **options: self.clone())

    def _process_groups(self) -> None:
        for name in _GROUPS:
            made = _over_triplane(getattr(dist, name), default=name == "init_process_group")
            for module in (sys.modules.get(each) for each in _GROUP_MODULES):
                if module is not None and name in vars(module):
                    self._set(module, name, made)

    def _threads(self) -> None:
        """Modes are of one thread: have those that begin from now on know names, too."""
        start, naming = threading.Thread.start, self._naming

        @functools.wraps(start)
        def started(thread: threading.Thread) -> None:
            run = thread.run

            def named() -> None:
                if installed() is None:
                    return run()
                with naming:
                    return run()

            thread.run = named  # type: ignore[method-assign]
            start(thread)

        self._set(threading.Thread, "start", started)

    def _gradients(self) -> None:
        """Modes are off while gradients are computed: programs' own functions know names, too."""
        run, naming = vars(torch.autograd)["_engine_run_backward"], self._naming

        @functools.wraps(run)
        def named(*given: Any, **options: Any) -> Any:
            with naming:
                return run(*given, **options)

        self._set(torch.autograd, "_engine_run_backward", named)

    def remove(self) -> None:
        """Remove the stand-in, and restore torch as it was."""
        self._naming.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        for where, name, value in reversed(self._before):
            if value is self:
                delattr(where, name)
            else:
                setattr(where, name, value)
        self._before.clear()


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
        "default_generators": _Generators((torch.default_generator,) * device.count),
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


class _Generators(tuple[Any, ...]):
    """The random generators of all devices, which are one: the CPU's."""

    def __getitem__(self, place: Any) -> Any:
        """The only one there is, for any index."""
        return self[:][0] if not isinstance(place, slice) else tuple(self)[place]


def _location(given: Any) -> Any:
    """Where ``torch.load`` is to put things: as it was given, and the CPU for CUDA devices."""
    if given is None or is_cuda(given):
        return "cpu"
    if isinstance(given, dict):
        return {key: "cpu" if is_cuda(value) else value for key, value in given.items()}
    return given


def _autocast_on_cpu(begin: Callable[..., None]) -> Callable[..., None]:
    """``torch.autocast`` of "cuda" is the CPU's, with CUDA's type where none is given."""

    @functools.wraps(begin)
    def begun(self: Any, device_type: str, dtype: Any = None, *given: Any, **options: Any) -> None:
        if device_type == "cuda":
            begin(self, "cpu", torch.float16 if dtype is None else dtype, *given, **options)
        else:
            begin(self, device_type, dtype, *given, **options)

    return begun


def _asked_of_cpu(ask: Callable[..., Any]) -> Callable[..., Any]:
    """What torch tells of autocast for CUDA, which is what no device means."""

    @functools.wraps(ask)
    def asked(device_type: str = "cuda") -> Any:
        return ask("cpu" if device_type == "cuda" else device_type)

    return asked


def _generator() -> type:
    """``torch.Generator``, for which "cuda" is the CPU."""
    original = torch.Generator

    class Meta(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, thing: Any) -> bool:
            return isinstance(thing, original)

    class Generator(original, metaclass=Meta):  # type: ignore[misc,valid-type]
        """A generator of random numbers, on the CPU wherever it is asked for."""

        def __new__(cls, device: Any = "cpu") -> Any:
            return super().__new__(cls, device=on_cpu(device))

    return Generator


def _over_triplane(make: Callable[..., Any], *, default: bool) -> Callable[..., Any]:
    """``init_process_group`` or ``new_group``, for which "nccl" is "triplane".

    ``default``: whether no backend means it, too: on a machine with GPUs it is that of the devices.
    """

    @functools.wraps(make)
    def made(*given: Any, **options: Any) -> Any:
        from collectives.adapters import torch as backend

        def named(backend_name: Any) -> Any:
            nccl = isinstance(backend_name, str) and "nccl" in backend_name.lower()
            return backend.NAME if nccl else backend_name

        options.pop("device_id", None)
        if "backend" in options:
            options["backend"] = named(options["backend"])
        if default and not given and options.get("backend") is None:
            options["backend"] = backend.NAME
        return make(*map(named, given), **options)

    return made
