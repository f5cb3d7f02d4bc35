"""Mixture of experts: a routing table, and its dispatch and combine as schedules.

`low_latency` and `normal` are the two modes; each has ``dispatch`` and ``combine``.
"""

from collectives.moe import low_latency, normal, spec
from collectives.moe.layout import (
    BF16,
    BLOCK_FP8,
    CANN_INT8,
    DEEPEP_BF16,
    DEEPEP_FP8,
    Buffers,
    Format,
    FormatError,
    Layout,
    combine_size,
    dispatch_format,
    dispatch_size,
    node_layout,
    rank_layout,
)
from collectives.moe.normal import logical_bytes
from collectives.moe.routing import MASKED, Routing, RoutingError
from collectives.moe.skew import from_file, node_limited, parse_skew, uniform, zipf
from collectives.moe.spec import weighted_sum

__all__ = [
    "BF16",
    "BLOCK_FP8",
    "CANN_INT8",
    "DEEPEP_BF16",
    "DEEPEP_FP8",
    "MASKED",
    "Buffers",
    "Format",
    "FormatError",
    "Layout",
    "Routing",
    "RoutingError",
    "combine_size",
    "dispatch_format",
    "dispatch_size",
    "from_file",
    "logical_bytes",
    "low_latency",
    "node_layout",
    "node_limited",
    "normal",
    "parse_skew",
    "rank_layout",
    "spec",
    "uniform",
    "weighted_sum",
    "zipf",
]
