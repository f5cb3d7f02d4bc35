"""The types of a device that torch makes in C: streams, events, graphs, memory pools."""

from types import FunctionType
from typing import Any

import torch

from collectives.adapters.deep_ep.cuda.device import NO_GRAPHS, Device, refused, untraced


def types_on(device: Device) -> dict[str, type]:
    """The stand-in's types of torch.cuda or torch.npu by name, bound to ``device``."""
    any_event = _any_event(device)
    event = _event(any_event)
    made = {"AnyEvent": any_event, "Event": event, "Stream": _stream(device, event)}
    for method in (each for kind in made.values() for each in vars(kind).values()):
        if isinstance(method, FunctionType):
            untraced(method)
    return {**made, **_refused_types(device.kind)}


def _any_event(device: Device) -> type[Any]:
    here = device

    class AnyEvent(torch.Event):
        """As ``torch.Event``, with times of the emulated clock; all work before it is over."""

        def __new__(cls, *given: Any, **options: Any) -> "AnyEvent":
            made: AnyEvent = super().__new__(cls, device="cpu")  # torch has no other
            return made

        def __init__(
            self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
            interprocess: bool = False, external: bool = False,
        ) -> None:  # fmt: skip
            if interprocess or external:
                refused(f"torch.{here.kind}.Event(interprocess=True or external=True)")
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
            refused(f"torch.{here.kind}.Event.ipc_handle")

        @classmethod
        def from_ipc_handle(cls, *given: Any) -> "AnyEvent":
            refused(f"torch.{here.kind}.Event.from_ipc_handle")

        def __repr__(self) -> str:
            return f"<torch.{here.kind}.Event of Triplane's stand-in>"

    return AnyEvent


def _event(any_event: type[Any]) -> type[Any]:
    class Event(any_event):  # type: ignore[misc]
        """As ``torch.cuda.Event`` and torch.npu's, which take no device argument."""

        def __init__(
            self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False,
            external: bool = False,
        ) -> None:  # fmt: skip
            super().__init__(enable_timing=enable_timing, interprocess=interprocess,
                             external=external)  # fmt: skip

    return Event


def _stream(device: Device, event_type: type[Any]) -> type[Any]:
    here = device

    class Stream(torch.Stream):
        """As ``torch.cuda.Stream`` and torch.npu's; work queued on it is over at once."""

        def __new__(
            cls, device: Any = None, priority: int = 0, *, stream_id: int | None = None,
            device_index: int | None = None, device_type: int = here.number, **options: Any,
        ) -> "Stream":  # fmt: skip
            number = here.new_stream() if stream_id is None else stream_id
            index = device_index
            if index is None:
                index = here.index_of(device)
            made: Stream = super().__new__(
                cls, stream_id=number, device_index=index, device_type=device_type
            )
            return made

        def __init__(self, *given: Any, **options: Any) -> None:
            self._before: list[Any] = []

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
            here.synchronize()

        def query(self) -> bool:
            return True

        def is_capturing(self) -> bool:
            return False

        def __enter__(self) -> "Stream":
            self._before.append(here.module.current_stream())
            here.module.set_stream(self)
            return self

        def __exit__(self, *error: object) -> None:
            here.module.set_stream(self._before.pop())

        def __repr__(self) -> str:
            return f"<torch.{here.kind}.Stream {self.stream_id} of Triplane's stand-in>"

    # cuda_stream, or npu_stream
    setattr(Stream, f"{here.kind}_stream", property(lambda self: int(self.stream_id)))
    return Stream


TENSORS = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
"""Types of which a device has a kind of tensor of its own, such as ``torch.cuda.FloatTensor``."""

_REFUSED = {
    "cuda": ("CUDAGraph", "graph", "MemPool", "ExternalStream", "CUDAPluggableAllocator",
             "GreenContext"),
    "npu": ("NPUGraph", "graph", "MemPool", "ExternalStream", "ExternalEvent",
            "NPUPluggableAllocator"),
}  # fmt: skip


def _refused_types(kind: str) -> dict[str, type]:
    """Types that are there for annotations, and cannot be made."""
    why = dict.fromkeys(("CUDAGraph", "NPUGraph", "graph"), NO_GRAPHS)
    return {name: _refused_type(kind, name, why.get(name)) for name in _REFUSED[kind]}


def _refused_type(kind: str, name: str, why: str | None) -> type:
    def new(cls: type, *given: Any, **options: Any) -> Any:
        told = f"torch.{kind}.{name}"
        return refused(told) if why is None else refused(told, why)

    return type(name, (), {"__new__": new, "__doc__": "For annotations: it cannot be made."})
