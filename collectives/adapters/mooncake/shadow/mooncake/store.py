"""What ``import mooncake.store`` finds if this folder is on Python's path: Triplane's adapter."""

from collectives.adapters.mooncake.settings import ObjectDataType, ReplicateConfig, SoftPinAction
from collectives.adapters.mooncake.store import BufferHandle, MooncakeDistributedStore

__all__ = [
    "BufferHandle",
    "MooncakeDistributedStore",
    "ObjectDataType",
    "ReplicateConfig",
    "SoftPinAction",
]
