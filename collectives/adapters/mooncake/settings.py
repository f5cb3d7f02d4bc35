"""What Mooncake's programs say about a store and about an object, with Mooncake's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum
from types import MappingProxyType
from typing import Any

OK = 0
BUFFER_OVERFLOW, NO_AVAILABLE_HANDLE, INVALID_PARAMS, OBJECT_NOT_FOUND = -10, -200, -600, -704
"""Mooncake's codes (``ErrorCode`` in mooncake-store/include/types.h)."""

SEGMENT = 1 << 24
"""Bytes of a segment and of a local buffer, where a configuration says nothing."""

_SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([KMGT]?)i?B?\s*", re.IGNORECASE)
_SCALE = MappingProxyType({"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40})

_UINT64 = 1 << 64


class ObjectDataType(IntEnum):
    """What an object is, for Mooncake's statistics."""

    UNKNOWN = 0
    KVCACHE = 1
    TENSOR = 2
    WEIGHT = 3
    SAMPLE = 4
    ACTIVATION = 5
    GRADIENT = 6
    OPTIMIZER_STATE = 7
    METADATA = 8
    GENERAL = 9


class SoftPinAction(IntEnum):
    """What becomes of an object's soft pin."""

    PRESERVE = 0
    ENABLE = 1
    DISABLE = 2


@dataclass
class ReplicateConfig:
    """How an object is to be kept; ``with_hard_pin`` alone has an effect here.

    How many replicas there are is a property of the pool (`serving`, ``replicas``), and what is
    evicted first one of its policy. The other fields are taken and checked as Mooncake does.
    """

    replica_num: int = 1
    nof_replica_num: int = 0
    dfs_replica_num: int = 0
    soft_pin_action: SoftPinAction = SoftPinAction.PRESERVE
    soft_pin_ttl_ms: int | None = None
    with_hard_pin: bool = False
    preferred_segments: list[str] = field(default_factory=list)
    preferred_nof_segments: list[str] = field(default_factory=list)
    preferred_segment: str = ""
    prefer_alloc_in_same_node: bool = False
    data_type: ObjectDataType = ObjectDataType.UNKNOWN
    group_ids: list[str] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {one.name for one in fields(self)}:
            raise AttributeError(f"ReplicateConfig has no attribute {name!r}")
        is_ttl = name == "soft_pin_ttl_ms" and value is not None
        if is_ttl and (type(value) is not int or not 0 <= value < _UINT64):
            raise TypeError(f"soft_pin_ttl_ms is {value!r}; it has to be None or a uint64")
        object.__setattr__(self, name, value)

    def refused(self) -> bool:
        """Whether Mooncake takes these for wrong: a time to live without a soft pin."""
        return self.soft_pin_ttl_ms is not None and self.soft_pin_action != SoftPinAction.ENABLE


@dataclass(frozen=True)
class StoreSettings:
    """The arguments of ``setup`` that have a meaning here; sizes in bytes."""

    local_hostname: str
    master_server_addr: str
    global_segment_size: int
    local_buffer_size: int


def settings_of(config: Mapping[str, Any]) -> StoreSettings | None:
    """The settings in a configuration of ``setup``; None if one of them is wrong."""
    sizes = []
    for name in ("global_segment_size", "local_buffer_size"):
        size = size_of(config.get(name, SEGMENT))
        if size is None:
            return None
        sizes.append(size)
    host = str(config.get("local_hostname", ""))
    if not host or not config.get("metadata_server"):
        return None
    return StoreSettings(
        host, str(config.get("master_server_addr", "127.0.0.1:50051")), sizes[0], sizes[1]
    )


def size_of(given: object) -> int | None:
    """The bytes of a number, or of a text such as ``"16MB"`` (1024s); None for anything else."""
    if type(given) is int:
        return given if given >= 0 else None
    match = _SIZE.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        return None
    return int(float(match[1]) * _SCALE[match[2].upper()])
