"""The C functions of CUDA that torch's Python code calls, provided by a `Device` or refused."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from collectives.adapters.deep_ep.cuda.device import (
    MEMORY,
    NOTHING_LIKE_IT,
    Device,
    refused,
    untraced,
)

_STATISTICS = (
    "allocation", "segment", "active", "inactive_split", "allocated_bytes", "reserved_bytes",
    "active_bytes", "inactive_split_bytes", "requested_bytes",
)  # fmt: skip
_COUNTS = (
    "num_alloc_retries", "num_ooms", "num_sync_all_streams", "num_device_alloc", "num_device_free",
    "max_split_size",
)  # fmt: skip

_REFUSED = (
    "CUDAAllocator", "allocationTraceback", "changeCurrentAllocator", "customAllocator",
    "cudaCachingAllocator_raw_alloc", "cudaCachingAllocator_raw_delete", "cudaHostAllocator",
    "getAllocator", "getCurrentBlasHandle", "getCurrentSolverHandle", "getMemoryMetadata",
    "getStreamFromExternal", "jiterator_compile_and_launch_kernel", "memorySnapshot",
    "record_memory_history", "record_memory_history_legacy", "setMemoryMetadata",
    "beginAllocateToPool", "beginAllocateCurrentThreadToPool", "endAllocateToPool", "releasePool",
    "attach_out_of_memory_observer",
)  # fmt: skip


_NCCL = ("version", "unique_id", "init_rank", "reduce", "all_reduce", "broadcast", "all_gather",
         "reduce_scatter")  # fmt: skip


def functions(device: Device) -> dict[str, Callable[..., Any]]:
    """The stand-in's functions of ``torch._C`` by name."""
    stood = {f"_cuda_{name}": call for name, call in _cuda(device).items()}
    stood |= accelerator(device)
    names = [f"_cuda_{name}" for name in _REFUSED] + [f"_nccl_{name}" for name in _NCCL]
    for name in names:
        stood[name] = refusing(f"torch._C.{name}")
    return {name: distinct(name, call) for name, call in stood.items()}


def refusing(name: str, why: str = NOTHING_LIKE_IT) -> Callable[..., Any]:
    """A function that raises a `StandInError` for ``name``, with the reason ``why``."""

    def refuse(*given: Any, **options: Any) -> Any:
        return refused(name, why)

    return refuse


def distinct(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """``call`` as a function of its own called ``name``; torch identifies what it traces."""

    def called(*given: Any, **options: Any) -> Any:
        return call(*given, **options)

    called.__name__ = called.__qualname__ = name
    return untraced(called)  # type: ignore[arg-type]


def _cuda(device: Device) -> dict[str, Callable[..., Any]]:
    return {
        "init": _nothing, "isInBadFork": lambda: False,
        "getDevice": lambda: device.index, "setDevice": device.take,
        "exchangeDevice": device.take, "maybeExchangeDevice": device.take,
        "getDeviceCount": lambda: device.count, "synchronize": device.synchronize,
        "getArchFlags": lambda: "sm_90", "canDeviceAccessPeer": lambda one, other: True,
        "getCurrentStream": lambda index: device.stream, "setStream": device.set_stream,
        "getDefaultStream": lambda index: (0, device.index, 1),
        "getCurrentRawStream": lambda index: device.stream[0],
        "isCurrentStreamCapturing": lambda: False, "isHistoryEnabled": lambda: False,
        "memoryStats": lambda index: statistics(), "hostMemoryStats": lambda *_: {},
        "resetPeakMemoryStats": _nothing, "resetAccumulatedMemoryStats": _nothing,
        "resetPeakHostMemoryStats": _nothing, "resetAccumulatedHostMemoryStats": _nothing,
        "emptyCache": _nothing, "ipc_collect": _nothing, "sleep": _nothing,
        "setMemoryFraction": _nothing, "getMemoryFraction": lambda index: 1.0,
        "getAllocatorBackend": lambda: "native", "cudaCachingAllocator_is_enabled": lambda: True,
        "cudaCachingAllocator_enable": _nothing,
        "get_sync_debug_mode": lambda: 0, "set_sync_debug_mode": _nothing,
    }  # fmt: skip


def accelerator(device: Device) -> dict[str, Callable[..., Any]]:
    """The stand-in's functions of ``torch._C`` that torch.accelerator calls, by name."""

    def stream(index: int | None = None) -> Any:
        return device.module.current_stream(index)

    found: dict[str, Callable[..., Any]] = {
        "getAccelerator": lambda: torch.device(device.kind),
        "getDeviceIndex": lambda: device.index, "setDeviceIndex": device.take,
        "exchangeDevice": device.take, "maybeExchangeDevice": device.take,
        "getStream": stream, "setStream": lambda to: device.module.set_stream(to),
        "synchronizeDevice": device.synchronize, "isAllocatorInitialized": lambda: True,
        "getDeviceCapability": lambda index: {"supported_dtypes": _dtypes()},
        "getDeviceStats": lambda index: statistics(), "getMemoryInfo": lambda *_: (MEMORY, MEMORY),
        "resetPeakStats": _nothing, "resetAccumulatedStats": _nothing,
        "emptyCache": _nothing, "emptyHostCache": _nothing, "setAllocatorSettings": _nothing,
    }  # fmt: skip
    return {f"_accelerator_{name}": call for name, call in found.items()}


def statistics() -> dict[str, Any]:
    """Memory statistics in the form of torch's allocator, all 0."""
    metrics = dict.fromkeys(("current", "peak", "allocated", "freed"), 0)
    pools = ("all", "small_pool", "large_pool")
    found: dict[str, Any] = {n: {pool: dict(metrics) for pool in pools} for n in _STATISTICS}
    found |= {name: dict(metrics) for name in ("oversize_allocations", "oversize_segments")}
    return found | dict.fromkeys(_COUNTS, 0)


def _dtypes() -> set[torch.dtype]:
    values: Iterable[Any] = vars(torch).values()
    return {value for value in values if isinstance(value, torch.dtype)}


def _nothing(*given: Any, **options: Any) -> None:
    """What has no effect here."""


class Ranges:
    """The ranges of ``torch.cuda.nvtx``: their depth is counted and nothing is recorded."""

    def __init__(self) -> None:
        self._depth = self._last = 0

    def rangePushA(self, message: str) -> int:  # noqa: N802
        """Begin a nested range; returns its depth, from 0."""
        self._depth += 1
        return self._depth - 1

    def rangePop(self) -> int:  # noqa: N802
        """End the innermost range; returns its depth, from 0."""
        self._depth = max(self._depth - 1, 0)
        return self._depth

    def rangeStartA(self, message: str) -> int:  # noqa: N802
        """The number of a new range, for ``rangeEnd``."""
        self._last += 1
        return self._last

    rangeEnd = markA = deviceRangeEnd = staticmethod(_nothing)  # noqa: N815

    def deviceRangeStart(self, *given: Any) -> int:  # noqa: N802
        """The number of a new range, as `rangeStartA`."""
        return self.rangeStartA("")
