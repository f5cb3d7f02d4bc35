"""NIXL's ``nixl._bindings`` as Triplane has it: lists, kinds of memory and exceptions."""

from collectives.adapters.nixl.descriptors import MemoryKind
from collectives.adapters.nixl.descriptors import RegistrationList as nixlRegDList
from collectives.adapters.nixl.descriptors import TransferList as nixlXferDList
from collectives.adapters.nixl.errors import (
    NixlInvalidParamError as nixlInvalidParamError,
)
from collectives.adapters.nixl.errors import NixlNotFoundError as nixlNotFoundError
from collectives.adapters.nixl.errors import (
    NixlNotSupportedError as nixlNotSupportedError,
)
from collectives.adapters.nixl.handles import Telemetry as nixlXferTelemetry

DRAM_SEG, VRAM_SEG = MemoryKind.DRAM_SEG, MemoryKind.VRAM_SEG

__all__ = [
    "DRAM_SEG", "VRAM_SEG", "nixlInvalidParamError", "nixlNotFoundError", "nixlNotSupportedError",
    "nixlRegDList", "nixlXferDList", "nixlXferTelemetry",
]  # fmt: skip
