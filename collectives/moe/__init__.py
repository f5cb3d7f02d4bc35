"""Mixture of experts: a routing table, its dispatch and combine as schedules, and with real tokens.

`low_latency` and `normal` are the two modes as schedules, made from every rank's choices: to be
timed and looked at. `LowLatency` and `Normal` are what a rank calls with its own tokens; they take
the same time.
"""

from collectives.moe import oracle
from collectives.moe.oracle import weighted_sum
from collectives.moe.routing.file import from_file
from collectives.moe.routing.routing import MASKED, Routing, RoutingError
from collectives.moe.routing.skew import node_limited, parse_skew, uniform, zipf
from collectives.moe.schedules import low_latency, normal
from collectives.moe.schedules.formats import (
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
from collectives.moe.schedules.normal import logical_bytes
from collectives.moe.tensors import TokenError
from collectives.moe.tokens.low_latency import Handle, LowLatency, Received
from collectives.moe.tokens.normal import Arrived, Normal, Routed
from collectives.moe.tokens.quantise import Wire, decode, encode

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
    "oracle",
    "parse_skew",
    "rank_layout",
    "uniform",
    "weighted_sum",
    "zipf",
]
