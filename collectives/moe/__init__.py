"""Mixture of experts: a routing table, its dispatch and combine as schedules, and with real tokens.

`low_latency` and `normal` are the two modes as schedules, of every rank's choices: to be timed, and
looked at. `LowLatency` and `Normal` are what a rank calls with its own tokens; they take the same
time.
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
from collectives.moe.quantise import Wire, decode, encode
from collectives.moe.routing import MASKED, Routing, RoutingError
from collectives.moe.routing_file import from_file
from collectives.moe.skew import node_limited, parse_skew, uniform, zipf
from collectives.moe.spec import weighted_sum
from collectives.moe.tensors import TokenError
from collectives.moe.tokens_low_latency import Handle, LowLatency, Received
from collectives.moe.tokens_normal import Arrived, Normal, Routed

__all__ = [
    "BF16",
    "BLOCK_FP8",
    "CANN_INT8",
    "DEEPEP_BF16",
    "DEEPEP_FP8",
    "MASKED",
    "Arrived",
    "Buffers",
    "Format",
    "FormatError",
    "Handle",
    "Layout",
    "LowLatency",
    "Normal",
    "Received",
    "Routed",
    "Routing",
    "RoutingError",
    "TokenError",
    "Wire",
    "combine_size",
    "decode",
    "dispatch_format",
    "dispatch_size",
    "encode",
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
