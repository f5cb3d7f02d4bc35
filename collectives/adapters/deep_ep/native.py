"""The names that programs import from DeepEP's compiled module."""

from collectives.adapters.deep_ep.config import Config
from collectives.adapters.deep_ep.config import low_latency_size as get_low_latency_rdma_size_hint
from collectives.adapters.deep_ep.event import EventHandle
from collectives.adapters.deep_ep.tensors import topk_idx_t

__all__ = [
    "Config",
    "EventHandle",
    "get_low_latency_rdma_size_hint",
    "is_sm90_compiled",
    "topk_idx_t",
]


def is_sm90_compiled() -> bool:
    """True: FP8 tensors are available."""
    return True
