"""Putting a stand-in for a device in its place in torch, and removing it again."""

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch._library.custom_ops import CustomOpDef

from collectives.adapters.deep_ep.cuda.device import Device
from collectives.adapters.deep_ep.cuda.kernels import library_impl, register_kernel
from collectives.adapters.deep_ep.cuda.naming import DeviceNames, Naming
from collectives.adapters.torch.base import NamedGroup

_GROUPS = ("init_process_group", "new_group")
_GROUP_MODULES = ("torch.distributed", "torch.distributed.distributed_c10d",
                  "torch.distributed.device_mesh")  # fmt: skip

BACKENDS = {"cuda": "nccl", "npu": "hccl"}
"""The backend of process groups that devices of a type have."""


class StandIn:
    """What stands in for a device anywhere in torch; `remove` takes it away.

    What is only of one kind of device is put there by who is derived of it.
    """

    def __init__(self, device: Device) -> None:
        self.device, self.names = device, DeviceNames(device.kind)
        self._before: list[tuple[Any, str, Any]] = []
        self._naming = Naming(device)

    def put(self, where: Any, name: str, value: Any) -> None:
        """Replace a name of a module or class, until `remove`."""
        self._before.append((where, name, vars(where).get(name, self)))
        setattr(where, name, value)

    def everywhere(self) -> None:
        """Have all that torch does with devices done for this one, from now on."""
        kind = self.device.kind
        self._devices()
        self._process_groups()
        self._threads()
        self._gradients()
        self._models()
        self.put(torch.library.Library, "impl", library_impl(torch.library.Library.impl, kind))
        kernel = register_kernel(CustomOpDef.register_kernel, kind)
        self.put(CustomOpDef, "register_kernel", kernel)
        self._naming.__enter__()  # type: ignore[no-untyped-call]

    def _devices(self) -> None:
        """Where torch takes a device and no mode sees it."""
        from torch.utils import _device

        names, kind = self.names, self.device.kind
        context, load, default = _device.DeviceContext, torch.load, torch.set_default_device
        begin, autocast = context.__init__, torch.amp.autocast_mode.autocast
        self.put(context, "__init__", lambda self, device: begin(self, names.on_cpu(device)))

        @functools.wraps(default)
        def set_default_device(device: Any) -> None:
            default(self.names.on_cpu(device))

        @functools.wraps(load)
        def loaded(f: Any, map_location: Any = None, *given: Any, **options: Any) -> Any:
            return load(f, _location(map_location, names), *given, **options)

        self.put(torch, "set_default_device", set_default_device)
        for module in (torch, torch.serialization):
            self.put(module, "load", loaded)
        self.put(autocast, "__init__", _autocast_on_cpu(autocast.__init__, kind))
        for name in ("is_autocast_enabled", "get_autocast_dtype"):
            self.put(torch, name, _asked_of_cpu(getattr(torch, name), kind))
        self.put(torch, "Generator", _generator(names))
        storage = torch.UntypedStorage
        self.put(storage, kind, lambda self, *given, **options: self.clone())

    def _process_groups(self) -> None:
        for name in _GROUPS:
            made = _over_triplane(
                getattr(dist, name),
                BACKENDS[self.device.kind],
                default=name == "init_process_group",
            )
            for module in (sys.modules.get(each) for each in _GROUP_MODULES):
                if module is not None and name in vars(module):
                    self.put(module, name, made)

        find, names = NamedGroup._get_backend, self.names

        def found(self: Any, device: Any) -> Any:
            return find(self, names.on_cpu(device))

        self.put(NamedGroup, "_get_backend", found)

    def _threads(self) -> None:
        """Modes are of one thread: have those that begin from now on know names, too."""
        start, naming, before = threading.Thread.start, self._naming, self._before

        @functools.wraps(start)
        def started(thread: threading.Thread) -> None:
            run = thread.run

            def named() -> None:
                if not before:
                    return run()
                with naming:
                    return run()

            thread.run = named  # type: ignore[method-assign]
            start(thread)

        self.put(threading.Thread, "start", started)

    def _gradients(self) -> None:
        """Modes are off while gradients are computed: programs' own functions know names, too."""
        run, naming = vars(torch.autograd)["_engine_run_backward"], self._naming

        @functools.wraps(run)
        def named(*given: Any, **options: Any) -> Any:
            with naming:
                return run(*given, **options)

        self.put(torch.autograd, "_engine_run_backward", named)

    def _models(self) -> None:
        """A model on a device is told which one; here it is on the CPU, which has no number."""
        parallel = torch.nn.parallel.DistributedDataParallel
        begin, names = parallel.__init__, self.names

        @functools.wraps(begin)
        def begun(
            self: Any, module: Any, device_ids: Any = None, output_device: Any = None,
            *given: Any, **options: Any,
        ) -> None:  # fmt: skip
            if device_ids and all(map(names.mean, device_ids)):
                device_ids = None
            if names.mean(output_device):
                output_device = None
            begin(self, module, device_ids, output_device, *given, **options)

        self.put(parallel, "__init__", begun)

    def remove(self) -> None:
        """Remove the stand-in, and restore torch as it was."""
        self._naming.__exit__(None, None, None)  # type: ignore[no-untyped-call]
        for where, name, value in reversed(self._before):
            if value is self:
                delattr(where, name)
            else:
                setattr(where, name, value)
        self._before.clear()


class Generators(tuple[Any, ...]):
    """The random generators of all devices, which are one: the CPU's."""

    def __getitem__(self, place: Any) -> Any:
        """The only one there is, for any index."""
        return self[:][0] if not isinstance(place, slice) else tuple(self)[place]


def _location(given: Any, names: DeviceNames) -> Any:
    """Where ``torch.load`` is to put things: as it was given, and the CPU for the device."""
    if given is None or names.mean(given):
        return "cpu"
    if isinstance(given, dict):
        return {key: "cpu" if names.mean(value) else value for key, value in given.items()}
    return given


def _autocast_on_cpu(begin: Callable[..., None], kind: str) -> Callable[..., None]:
    """``torch.autocast`` of the device is the CPU's, with the device's type where none is given."""

    @functools.wraps(begin)
    def begun(self: Any, device_type: str, dtype: Any = None, *given: Any, **options: Any) -> None:
        if device_type == kind:
            begin(self, "cpu", torch.float16 if dtype is None else dtype, *given, **options)
        else:
            begin(self, device_type, dtype, *given, **options)

    return begun


def _asked_of_cpu(ask: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """What torch tells of autocast for the device, which is what no device means."""

    @functools.wraps(ask)
    def asked(device_type: str = kind) -> Any:
        return ask("cpu" if device_type == kind else device_type)

    return asked


def _generator(names: DeviceNames) -> type:
    """``torch.Generator``, for which the device is the CPU."""
    original = torch.Generator

    class Meta(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, thing: Any) -> bool:
            return isinstance(thing, original)

    class Generator(original, metaclass=Meta):  # type: ignore[misc,valid-type]
        """A generator of random numbers, on the CPU wherever it is asked for."""

        def __new__(cls, device: Any = "cpu") -> Any:
            return super().__new__(cls, device=names.on_cpu(device))

    return Generator


def _over_triplane(make: Callable[..., Any], own: str, *, default: bool) -> Callable[..., Any]:
    """``init_process_group`` or ``new_group``, for which the backend ``own`` is "triplane".

    ``default``: whether no backend means it, too: on a machine with GPUs it is that of the devices.
    """

    @functools.wraps(make)
    def made(*given: Any, **options: Any) -> Any:
        from collectives.adapters import torch as backend

        def named(backend_name: Any) -> Any:
            meant = isinstance(backend_name, str) and own in backend_name.lower()
            return backend.NAME if meant else backend_name

        options.pop("device_id", None)
        if "backend" in options:
            options["backend"] = named(options["backend"])
        if default and not given and options.get("backend") is None:
            options["backend"] = backend.NAME
        return make(*map(named, given), **options)

    return made
