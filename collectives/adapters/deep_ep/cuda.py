"""A stand-in for torch.cuda on the CPU: streams, events, devices. Only where it is asked for.

Everything that a stream would do is over when a call returns, but for the calls of a buffer, which
`Device.synchronize` sees through. Events take the emulated clock, so what a program measures with
them is what the emulated machine would take. Tensors for "cuda" are made on the CPU, the process
groups of "nccl" are those of "triplane".
"""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from torch.overrides import TorchFunctionMode

from collectives.adapters.deep_ep.event import Arrival

SMS = 132
"""What the device says that it has; an H800's, which DeepEP's configs are for."""

MEMORY = 64 << 30
"""Bytes of the device: a die of the Ascend 910C has 64 GB."""


class Device:
    """The device; ``calls``: dispatches and combines since `forget`, by name, in order."""

    def __init__(self) -> None:
        self.index = 0
        self.calls: list[tuple[str, Arrival]] = []
        self._pending: list[Arrival] = []
        self._logging = False

    def expect(self, arrival: Arrival) -> None:
        """See a call through at the next `synchronize`."""
        self._pending.append(arrival)

    def note(self, name: str, arrival: Arrival) -> None:
        """A call has begun."""
        if self._logging:
            self.calls.append((name, arrival))

    @contextmanager
    def logged(self) -> Iterator[list[tuple[str, Arrival]]]:
        """The calls that are made in a ``with`` block."""
        self.calls, self._logging = [], True
        try:
            yield self.calls
        finally:
            self._logging = False

    def synchronize(self, device: Any = None) -> None:
        """Return when nothing is under way."""
        pending, self._pending = self._pending, []
        for arrival in pending:
            arrival.wait()

    def now(self) -> float:
        """The emulated clock of the rank, in seconds; the wall clock where there is no rank."""
        if dist.is_initialized():
            from collectives.adapters import torch as backend

            world = dist.group.WORLD
            if isinstance(world, backend.ProcessGroup):
                return backend.communicator(world).now()
        return time.perf_counter()


class Event:
    """An event on the one stream; its time is the emulated clock's."""

    def __init__(self, device: Device, **options: Any) -> None:
        self._device, self._time = device, 0.0

    def record(self, stream: Any = None) -> None:
        """Take the time."""
        self._device.synchronize()
        self._time = self._device.now()

    def elapsed_time(self, end: "Event") -> float:
        """Emulated milliseconds until another event."""
        return (end._time - self._time) * 1e3

    def wait(self, stream: Any = None) -> None:
        """Nothing: what comes before it is over."""

    def synchronize(self) -> None:
        """Return when nothing is under way."""
        self._device.synchronize()

    def query(self) -> bool:
        """Whether it is over: yes."""
        return True


class Stream:
    """The one stream."""

    def __init__(self, device: Device, *given: Any, **options: Any) -> None:
        self._device = device
        self.stream_id = self.cuda_stream = self.device_index = 0

    def wait_stream(self, stream: Any) -> None:
        """Nothing: there is one stream."""

    def wait_event(self, event: Any) -> None:
        """Nothing: what comes before it is over."""

    def record_event(self, event: Any = None) -> Any:
        """An event, recorded."""
        made = Event(self._device) if event is None else event
        made.record(self)
        return made

    def synchronize(self) -> None:
        """Return when nothing is under way."""
        self._device.synchronize()

    def query(self) -> bool:
        """Whether all is over: yes."""
        return True

    def __enter__(self) -> "Stream":
        """Itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing."""


class _OnCpu(TorchFunctionMode):
    """Where "cuda" is asked for, gives the CPU."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        name = getattr(func, "__name__", "")
        if name == "cuda" and args:
            return args[0]
        options = {key: _on_cpu(value) for key, value in (kwargs or {}).items()}
        options.pop("pin_memory", None)
        return func(*map(_on_cpu, args), **options)


def _on_cpu(given: Any) -> Any:
    if isinstance(given, str) and (given == "cuda" or given.startswith("cuda:")):
        return "cpu"
    if isinstance(given, torch.device) and given.type == "cuda":
        return torch.device("cpu")
    return given


class Standing:
    """The stand-in, until `remove`; in the thread that made it, as far as devices of tensors go."""

    def __init__(self) -> None:
        self.device = Device()
        self._before: list[tuple[Any, str, Any]] = []
        for name, value in _names(self.device).items():
            self._set(torch.cuda, name, value)
        self._set(torch, "set_default_device", lambda device: None)
        self._set(torch.Tensor, "record_stream", lambda tensor, stream: None)
        for name in ("init_process_group", "new_group"):
            self._set(dist, name, _over_triplane(getattr(dist, name)))
        self._mode: Any = _OnCpu()
        self._mode.__enter__()  # type: ignore[no-untyped-call]

    def _set(self, where: Any, name: str, value: Any) -> None:
        self._before.append((where, name, vars(where).get(name, self)))
        setattr(where, name, value)

    def remove(self) -> None:
        """Have everything as it was."""
        self._mode.__exit__(None, None, None)
        for where, name, value in reversed(self._before):
            if value is self:
                delattr(where, name)
            else:
                setattr(where, name, value)
        self._before.clear()


def installed() -> Device | None:
    """The device, where torch.cuda is stood in for."""
    found: Device | None = getattr(torch.cuda, "triplane", None)
    return found


def install() -> Standing | None:
    """Stand in for torch.cuda in this process; None where that is so already."""
    return Standing() if installed() is None else None


def _names(device: Device) -> dict[str, Any]:
    stream = Stream(device)
    properties = SimpleNamespace(
        name="Triplane", multi_processor_count=SMS, total_memory=MEMORY, major=9, minor=0
    )

    def set_device(to: Any) -> None:
        device.index = to if isinstance(to, int) else torch.device(to).index or 0

    return {
        "triplane": device, "synchronize": device.synchronize, "set_device": set_device,
        "current_device": lambda: device.index, "device_count": lambda: max(8, device.index + 1),
        "is_available": lambda: True, "is_initialized": lambda: True, "init": lambda: None,
        "get_device_name": lambda which=None: properties.name,
        "get_device_properties": lambda which=None: properties,
        "get_device_capability": lambda which=None: (9, 0),
        "Event": functools.partial(Event, device), "Stream": functools.partial(Stream, device),
        "current_stream": lambda which=None: stream, "default_stream": lambda which=None: stream,
        "stream": lambda to: nullcontext(to), "device": lambda which: nullcontext(which),
        "empty_cache": lambda: None, "ipc_collect": lambda: None, "_sleep": lambda cycles: None,
        "mem_get_info": lambda which=None: (MEMORY, MEMORY),
        "memory_allocated": lambda which=None: 0, "memory_reserved": lambda which=None: 0,
        "max_memory_allocated": lambda which=None: 0, "max_memory_reserved": lambda which=None: 0,
        "reset_peak_memory_stats": lambda which=None: None,
        "manual_seed": torch.manual_seed, "manual_seed_all": lambda seed: None,
    }  # fmt: skip


def _over_triplane(make: Callable[..., Any]) -> Callable[..., Any]:
    """``init_process_group`` or ``new_group``, for which "nccl" is "triplane"."""

    @functools.wraps(make)
    def made(*given: Any, **options: Any) -> Any:
        from collectives.adapters import torch as backend

        def named(backend_name: Any) -> Any:
            nccl = isinstance(backend_name, str) and "nccl" in backend_name
            return backend.NAME if nccl else backend_name

        options.pop("device_id", None)
        if "backend" in options:
            options["backend"] = named(options["backend"])
        return make(*map(named, given), **options)

    return made
