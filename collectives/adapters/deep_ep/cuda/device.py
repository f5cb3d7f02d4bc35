"""`Device`, which takes the place of a GPU in the stand-in for torch.cuda."""

import itertools
import operator
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any, NoReturn

import torch
import torch.distributed as dist

from collectives.adapters.deep_ep.event import Arrival
from topology.errors import TriplaneError

SMS = 132
"""What the device says that it has; an H800's, which DeepEP's configs are for."""

MEMORY = 64 << 30
"""Bytes of the device: a die of the Ascend 910C has 64 GB."""

DEVICES = 8
"""Devices of a node, unless a program takes one with a higher index."""

NO_GRAPHS = "calls of a buffer cannot be recorded and repeated; run eagerly (enforce_eager)"

NUMBERS = {"cuda": 1, "npu": 20}
"""torch's numbers for types of devices; 20 is for that of another package."""

StreamId = tuple[int, int, int]
"""Number of a stream, index and type of its device."""


class StandInError(TriplaneError, RuntimeError):
    """A program asks torch.cuda or torch.npu for something that a CPU cannot provide."""


NOTHING_LIKE_IT = "a CPU has nothing like it"


def refused(name: str, why: str = NOTHING_LIKE_IT) -> NoReturn:
    """Raise a `StandInError` for ``name`` of torch, with the reason ``why``."""
    raise StandInError(refusal(name, why))


def refusal(name: str, why: str = NOTHING_LIKE_IT) -> str:
    """The words of a `StandInError` for ``name`` of torch."""
    page = "docs/ascend.md" if "npu" in name else "docs/deep_ep.md"
    return f"{name} is not in Triplane's stand-in: {why}; see {page}"


def untraced(call: FunctionType) -> FunctionType:
    """``call`` itself, marked so that torch.compile traces neither it nor what it calls."""
    frames = torch._C._dynamo.eval_frame
    skip = frames._FrameAction.SKIP
    frames.set_code_exec_strategy(call.__code__, frames._FrameExecStrategy(skip, skip))
    call.__dict__.update(_torchdynamo_disable=True, _torchdynamo_disable_msg="Triplane's stand-in")
    return call


@dataclass(frozen=True, slots=True)
class Properties:
    """What ``torch.cuda.get_device_properties`` returns.

    All numbers but the memory are an H800's.
    """

    name: str = "Triplane"
    major: int = 9
    minor: int = 0
    total_memory: int = MEMORY
    multi_processor_count: int = SMS
    warp_size: int = 32
    max_threads_per_block: int = 1024
    max_threads_per_multi_processor: int = 2048
    regs_per_multiprocessor: int = 65536
    shared_memory_per_block: int = 49152
    shared_memory_per_block_optin: int = 232448
    shared_memory_per_multiprocessor: int = 233472
    L2_cache_size: int = 50 << 20
    clock_rate: int = 1_755_000
    memory_clock_rate: int = 2_619_000
    memory_bus_width: int = 5120
    pci_bus_id: int = 0
    pci_device_id: int = 0
    pci_domain_id: int = 0
    uuid: str = "00000000-0000-0000-0000-000000000000"
    is_integrated: int = 0
    is_multi_gpu_board: int = 0
    gcnArchName: str = "triplane"  # noqa: N815 (torch asks for it where there is no version of CUDA)


class Device:
    """The stand-in's device: current index, streams, and the calls that `synchronize` waits for.

    ``kind``: what torch calls it, "cuda" or "npu"; ``number``: that of its type. ``calls``: while
    `logged` is open, (name, arrival) of the dispatches and combines in order.
    """

    def __init__(self, kind: str = "cuda") -> None:
        self.kind, self.number = kind, NUMBERS[kind]
        self.index = 0
        self.properties = Properties()
        self.calls: list[tuple[str, Arrival]] = []
        self._pending: list[Arrival] = []
        self._logging = False
        self._numbers = itertools.count(1)
        self._streams = threading.local()

    @property
    def count(self) -> int:
        """The number of devices that the stand-in reports."""
        return max(DEVICES, self.index + 1)

    def take(self, index: int) -> int:
        """Set the device index (below 0: leave it); returns the index before."""
        before = self.index
        if index >= 0:
            self.index = index
        return before

    def index_of(self, device: Any) -> int:
        """The index of ``device``: a number, a torch.device or its name; None: the current one.

        Raises `ValueError` for a device of another kind.
        """
        if isinstance(device, str):
            device = torch.device(device)
        if isinstance(device, torch.device):
            if device.type != self.kind:
                raise ValueError(f"Expected a {self.kind} device, but got: {device}")
            device = device.index
        number = -1 if device is None else operator.index(device)
        return self.index if number < 0 else number

    @property
    def stream(self) -> StreamId:
        """The current stream of this thread; the default stream if none was set."""
        found: StreamId = getattr(self._streams, "current", (0, self.index, self.number))
        return found

    def set_stream(self, stream_id: int, device_index: int, device_type: int | None = None) -> None:
        """Set this thread's current stream."""
        number = self.number if device_type is None else device_type
        self._streams.current = stream_id, device_index, number

    @property
    def module(self) -> Any:
        """Where programs find the device: ``torch.cuda`` or ``torch.npu``."""
        return getattr(torch, self.kind)

    def new_stream(self) -> int:
        """The number of a new stream."""
        return next(self._numbers)

    def expect(self, arrival: Arrival) -> None:
        """Have the next `synchronize` wait for the call ``arrival``."""
        self._pending.append(arrival)

    def note(self, name: str, arrival: Arrival) -> None:
        """Record that a call has begun, for `logged`."""
        if self._logging:
            self.calls.append((name, arrival))

    @contextmanager
    def logged(self) -> Iterator[list[tuple[str, Arrival]]]:
        """A context manager that yields a list of the calls made in its block: name and arrival."""
        self.calls, self._logging = [], True
        try:
            yield self.calls
        finally:
            self._logging = False

    def synchronize(self, *_: Any) -> None:
        """Return when all expected calls are over; raises `WorldError`."""
        pending, self._pending = self._pending, []
        for arrival in pending:
            arrival.wait()

    def now(self) -> float:
        """The rank's emulated clock in seconds; the wall clock if there is no rank."""
        if dist.is_initialized():
            from collectives.adapters import torch as backend

            world = dist.group.WORLD
            if isinstance(world, backend.ProcessGroup):
                return backend.communicator(world).now()
        return time.perf_counter()
