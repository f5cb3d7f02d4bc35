"""DeepEP's names, signatures and layouts on ranks of Triplane, for programs written for deep_ep.

    from collectives.adapters import deep_ep

replaces ``import deep_ep``. To run a program without changing a line, call `stand_in` first, or
start it with ``python -m collectives.adapters.deep_ep program.py``, which also covers the processes
that the program starts. See docs/deep_ep.md.
"""

from collectives.adapters.deep_ep.buffer import Buffer
from collectives.adapters.deep_ep.config import Config
from collectives.adapters.deep_ep.domains import get_logical_domain_size, get_physical_domain_size
from collectives.adapters.deep_ep.elastic import ElasticBuffer
from collectives.adapters.deep_ep.event import EventHandle, EventOverlap
from collectives.adapters.deep_ep.handle import EPHandle
from collectives.adapters.deep_ep.standin import environment, stand_in
from collectives.adapters.deep_ep.tensors import topk_idx_t

__all__ = [
    "Buffer",
    "Config",
    "EPHandle",
    "ElasticBuffer",
    "EventHandle",
    "EventOverlap",
    "environment",
    "get_logical_domain_size",
    "get_physical_domain_size",
    "stand_in",
    "topk_idx_t",
]

__version__ = "2.1.0"
"""The version of DeepEP whose interface this is (deepseek-ai/DeepEP, commit dd758ca)."""
