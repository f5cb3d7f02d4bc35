"""The module ``torch.npu``, bound to a `Device`."""

from collections.abc import Callable
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

from collectives.adapters.deep_ep.cuda.boundary import statistics
from collectives.adapters.deep_ep.cuda.device import MEMORY, Device, StandInError, refusal, refused
from collectives.adapters.deep_ep.cuda.replacing import Generators
from collectives.adapters.deep_ep.cuda.types import TENSORS, types_on

REFUSED = (
    "make_graphed_callables", "is_current_stream_capturing", "graph_task_group_begin",
    "graph_task_group_end", "graph_task_update_begin", "graph_task_update_end", "use_mem_pool",
    "change_current_allocator", "caching_allocator_alloc", "caching_allocator_delete",
    "memory_snapshot", "utilization", "init_dump", "set_dump", "finalize_dump", "set_aoe",
    "stress_detect", "stop_device", "restart_device", "check_uce_in_memory", "mstx", "npurt",
    "current_blas_handle", "obfuscation_initialize", "obfuscation_calculate",
    "obfuscation_finalize", "set_device_limit", "get_device_limit", "set_stream_limit",
    "get_stream_limit", "reset_stream_limit", "SyncLaunchStream", "npugraph_ex",
)  # fmt: skip
"""Names of torch.npu that a CPU cannot stand for; types of that kind are in `types_on`."""

_ZERO = (
    "memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved",
    "memory_cached", "max_memory_cached",
)  # fmt: skip

_NOTHING = (
    "init", "_lazy_init", "empty_cache", "empty_virt_addr_cache", "host_empty_cache", "ipc_collect",
    "reset_peak_memory_stats", "reset_accumulated_memory_stats", "reset_max_memory_allocated",
    "reset_max_memory_cached", "reset_peak_host_memory_stats",
    "reset_accumulated_host_memory_stats", "set_per_process_memory_fraction", "set_option",
    "set_compile_mode", "set_mm_bmm_format_nd", "set_sync_debug_mode", "set_op_timeout_ms",
    "set_deterministic_level", "enable_deterministic_with_backward",
    "disable_deterministic_with_backward", "clear_npu_overflow_flag",
)  # fmt: skip
"""Functions that only say how an NPU does its work, or count what is not counted here."""


class MissingError(StandInError, AttributeError):
    """A name that torch_npu has and this has not, for which ``hasattr`` is False."""


class Surface(ModuleType):
    """``torch.npu``: ``triplane`` is its device."""

    def __getattr__(self, name: str) -> Any:
        """Raise `MissingError` for what torch_npu has there, else `AttributeError`."""
        raise missing("torch.npu", name, name in REFUSED)


def missing(where: str, name: str, known: bool) -> AttributeError:
    """The error for a name that a module has not; ``known``: torch_npu's has it."""
    if not known:
        return AttributeError(f"module {where!r} has no attribute {name!r}")
    return MissingError(refusal(f"{where}.{name}"))


def surface(device: Device) -> Surface:
    """The module ``torch.npu`` whose only device is ``device``."""
    made = Surface("torch.npu", "Triplane's stand-in for torch_npu.npu.")
    kinds = types_on(device)
    kinds.pop("AnyEvent")
    for names in (
        _devices(device), _streams(device), _memory(), _random(device), _settings(), kinds,
    ):  # fmt: skip
        vars(made).update(names)
    vars(made).update(dict.fromkeys(_NOTHING, _nothing))
    vars(made).update({f"{name}Tensor": getattr(torch, f"{name}Tensor") for name in TENSORS})
    vars(made)["triplane"] = device
    vars(made)["amp"] = _amp()
    for part in ("memory", "random", "streams", "utils"):
        vars(made)[part] = made
    return made


def _nothing(*given: Any, **options: Any) -> None:
    """What has no effect here."""


def _devices(device: Device) -> dict[str, Any]:
    class Chosen:
        """As ``torch.npu.device``: the current device while the context lasts."""

        def __init__(self, to: Any) -> None:
            self._index, self._before = device.index_of(to), -1

        def __enter__(self) -> None:
            self._before = device.take(self._index)

        def __exit__(self, *error: object) -> None:
            device.take(self._before)

    def set_device(to: Any) -> None:
        device.take(device.index_of(to))

    return {
        "is_available": lambda: True, "is_initialized": lambda: True,
        "_is_in_bad_fork": lambda: False, "device_count": lambda: device.count,
        "current_device": lambda: device.index, "set_device": set_device, "device": Chosen,
        "device_of": lambda tensor: Chosen(None), "synchronize": device.synchronize,
        "can_device_access_peer": lambda one, other: True,
        "get_device_name": lambda device_name=None: device.properties.name,
        "get_device_properties": lambda device_name=None: device.properties,
        "get_device_capability": _nothing, "_get_device_index": device.index_of,
    }  # fmt: skip


def _streams(device: Device) -> dict[str, Any]:
    def stream_of(number: int, index: int) -> Any:
        return torch.npu.Stream(stream_id=number, device_index=index)  # type: ignore[attr-defined]

    def set_stream(to: Any) -> None:
        if to is not None:
            device.set_stream(to.stream_id, to.device_index)

    @contextmanager
    def stream(to: Any) -> Any:
        before = current_stream()
        set_stream(to)
        try:
            yield
        finally:
            set_stream(before)

    def current_stream(of: Any = None) -> Any:
        return stream_of(*device.stream[:2])

    def default_stream(of: Any = None) -> Any:
        return stream_of(0, device.index_of(of))

    return {
        "stream": stream, "StreamContext": stream, "set_stream": set_stream,
        "current_stream": current_stream, "default_stream": default_stream,
    }  # fmt: skip


def _memory() -> dict[str, Any]:
    zero: dict[str, Callable[..., int]] = {name: lambda *_, **__: 0 for name in _ZERO}

    def flat(at: str, values: Any) -> dict[str, Any]:
        if not isinstance(values, dict):
            return {at: values}
        return {key: value for name, inner in values.items()
                for key, value in flat(f"{at}.{name}" if at else name, inner).items()}  # fmt: skip

    return {
        **zero,
        "memory_stats": lambda device=None: flat("", statistics()),
        "memory_stats_as_nested_dict": lambda device=None: statistics(),
        "host_memory_stats": lambda: {}, "host_memory_stats_as_nested_dict": lambda: {},
        "memory_summary": lambda device=None, abbreviated=False: "nothing is counted",
        "mem_get_info": lambda device=None: (MEMORY, MEMORY),
        "get_per_process_memory_fraction": lambda device=None: 1.0,
        "get_allocator_backend": lambda: "native",
    }  # fmt: skip


def _random(device: Device) -> dict[str, Any]:
    generator = torch.default_generator

    def get_rng_state(of: Any = "npu") -> torch.Tensor:
        return generator.get_state()

    def set_rng_state(state: torch.Tensor, of: Any = "npu") -> None:
        generator.set_state(state)

    def set_rng_state_all(states: list[torch.Tensor]) -> None:
        generator.set_state(states[device.index])

    return {
        "default_generators": Generators((generator,) * device.count),
        "manual_seed": generator.manual_seed, "manual_seed_all": generator.manual_seed,
        "seed": generator.seed, "seed_all": generator.seed, "initial_seed": generator.initial_seed,
        "get_rng_state": get_rng_state, "set_rng_state": set_rng_state,
        "get_rng_state_all": lambda: [get_rng_state() for _ in range(device.count)],
        "set_rng_state_all": set_rng_state_all,
    }  # fmt: skip


def _settings() -> dict[str, Any]:
    """What says how an NPU is to compute; programs set it, and here it changes nothing."""
    return {
        "config": SimpleNamespace(allow_internal_format=False),
        "matmul": SimpleNamespace(allow_hf32=False, cube_math_type=None),
        "conv": SimpleNamespace(allow_hf32=True),
        "is_jit_compile_false": lambda: True, "get_mm_bmm_format_nd": lambda: True,
        "get_sync_debug_mode": lambda: 0, "get_npu_overflow_flag": lambda: False,
        "is_bf16_supported": lambda including_emulation=False: True,
        "get_amp_supported_dtype": lambda: [torch.float16, torch.bfloat16, torch.float32],
        "is_autocast_enabled": lambda: torch.is_autocast_enabled("cpu"),
        "set_autocast_enabled": lambda enable: torch.set_autocast_enabled("cpu", enable),
        "get_autocast_dtype": lambda: torch.get_autocast_dtype("cpu"),
        "set_autocast_dtype": lambda dtype: torch.set_autocast_dtype("cpu", dtype),
        "graph_pool_handle": lambda: refused("torch.npu.graph_pool_handle"),
    }  # fmt: skip


def _amp() -> ModuleType:
    class autocast(torch.autocast):  # noqa: N801
        """As ``torch.npu.amp.autocast``."""

        def __init__(
            self, enabled: bool = True, dtype: torch.dtype = torch.float16,
            cache_enabled: bool = True,
        ) -> None:  # fmt: skip
            super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)

    class GradScaler(torch.amp.GradScaler):
        """As ``torch.npu.amp.GradScaler``; its factor is on the CPU."""

        def __init__(self, *given: Any, dynamic: bool = True, **options: Any) -> None:
            super().__init__("cpu", *given, **options)

    made = ModuleType("torch.npu.amp")
    vars(made).update(autocast=autocast, GradScaler=GradScaler)
    return made
