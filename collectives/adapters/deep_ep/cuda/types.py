"""The types of torch.cuda that are made in C: streams, events, graphs, memory pools."""

from types import FunctionType
from typing import Any

import torch

from collectives.adapters.deep_ep.cuda.device import CUDA, NO_GRAPHS, Device, refused, untraced


def types_on(device: Device) -> dict[str, type]:
    """The stand-in's types of torch.cuda by name, bound to ``device``."""
    any_event = _any_event(device)
    event = _event(any_event)
    made = {"AnyEvent": any_event, "Event": event, "Stream": _stream(device, event)}
    for method in (each for kind in made.values() for each in vars(kind).values()):
        if isinstance(method, FunctionType):
            untraced(method)
    return {**made, **_refused_types()}


def _any_event(device: Device) -> type[Any]:
    class AnyEvent(torch.Event):
        """As ``torch.Event``, with times of the emulated clock; all work before it is over."""

        def __new__(cls, *given: Any, **options: Any) -> "AnyEvent":
            made: AnyEvent = super().__new__(cls)
            return made

        def __init__(
            self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
            interprocess: bool = False, external: bool = False,
        ) -> None:  # fmt: skip
            if interprocess or external:
                refused("torch.cuda.Event(interprocess=True or external=True)")
            self._timing, self._time = bool(enable_timing), -1.0

        def record(self, stream: Any = None) -> None:
            device.synchronize()
            self._time = device.now()

        def elapsed_time(self, end_event: Any) -> float:
            times = [self._time, end_event._time]
            if min(times) < 0 or not (self._timing and end_event._timing):
                raise ValueError(
                    "both events have to be recorded, and made with enable_timing=True"
                )
            return float(times[1] - times[0]) * 1e3

        def wait(self, stream: Any = None) -> None:
            """Nothing: what comes before it is over."""

        def synchronize(self) -> None:
            device.synchronize()

        def query(self) -> bool:
            return True

        def ipc_handle(self) -> bytes:
            refused("torch.cuda.Event.ipc_handle")

        @classmethod
        def from_ipc_handle(cls, *given: Any) -> "AnyEvent":
            refused("torch.cuda.Event.from_ipc_handle")

        def __repr__(self) -> str:
            return "<torch.cuda.Event of Triplane's stand-in>"

    return AnyEvent


def _event(any_event: type[Any]) -> type[Any]:
    class Event(any_event):  # type: ignore[misc]
        """As ``torch.cuda.Event``, which takes no device argument."""

        def __init__(
            self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False,
            external: bool = False,
        ) -> None:  # fmt: skip
            super().__init__(enable_timing=enable_timing, interprocess=interprocess,
                             external=external)  # fmt: skip

    return Event


def _stream(device: Device, event_type: type[Any]) -> type[Any]:
    new_stream = device.new_stream

    class Stream(torch.Stream):
        """As ``torch.cuda.Stream``; work queued on it is over at once."""

        def __new__(
            cls, device: Any = None, priority: int = 0, *, stream_id: int | None = None,
            device_index: int | None = None, device_type: int = CUDA, **options: Any,
        ) -> "Stream":  # fmt: skip
            number = new_stream() if stream_id is None else stream_id
            index = device_index
            if index is None:
                index = torch.cuda._utils._get_device_index(device, optional=True)
            made: Stream = super().__new__(
                cls, stream_id=number, device_index=index, device_type=device_type
            )
            return made

        def __init__(self, *given: Any, **options: Any) -> None:
            self._before: list[Any] = []

        @property
        def cuda_stream(self) -> int:
            return int(self.stream_id)

        @property
        def priority(self) -> int:
            return 0

        @staticmethod
        def priority_range() -> tuple[int, int]:
            return 0, -5

        def wait_stream(self, stream: Any) -> None:
            """Nothing: what another stream does is over."""

        def wait_event(self, event: Any) -> None:
            """Nothing: what comes before it is over."""

        def record_event(self, event: Any = None) -> Any:
            made = event_type() if event is None else event
            made.record(self)
            return made

        def synchronize(self) -> None:
            device.synchronize()

        def query(self) -> bool:
            return True

        def is_capturing(self) -> bool:
            return False

        def __enter__(self) -> "Stream":
            self._before.append(torch.cuda.current_stream())
            torch.cuda.set_stream(self)  # type: ignore[arg-type]
            return self

        def __exit__(self, *error: object) -> None:
            torch.cuda.set_stream(self._before.pop())

        def __repr__(self) -> str:
            return f"<torch.cuda.Stream {self.stream_id} of Triplane's stand-in>"

    return Stream


def _refused_types() -> dict[str, type]:
    """Types that are there for annotations, and cannot be made."""
    why = {"CUDAGraph": NO_GRAPHS, "graph": NO_GRAPHS}
    names = ("CUDAGraph", "graph", "MemPool", "ExternalStream", "CUDAPluggableAllocator",
             "GreenContext")  # fmt: skip
    return {name: _refused_type(name, why.get(name)) for name in names}


def _refused_type(name: str, why: str | None) -> type:
    def new(cls: type, *given: Any, **options: Any) -> Any:
        told = f"torch.cuda.{name}"
        return refused(told) if why is None else refused(told, why)

    return type(name, (), {"__new__": new, "__doc__": "For annotations: it cannot be made."})
