"""Have programs that import torch_npu get this adapter; never done without being asked for."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path

from collectives.adapters.shadowed import PROJECT, leading
from collectives.adapters.torch_npu import standing

_HERE = "collectives.adapters.torch_npu"

_SHADOW = Path(__file__).parent / "shadow"
"""What Python's path has to begin with: a package ``torch_npu`` that is this adapter."""


def stand_in() -> standing.NpuStandIn | None:
    """Make ``import torch_npu`` give this adapter, and put torch.npu there, in this process.

    Returns the object that removes torch.npu again, None if it was there already. Processes that
    this one starts are not affected: for those see `environment`.
    """
    made = standing.install()
    torch = sys.modules["torch"]
    sys.modules["torch_npu"] = importlib.import_module(_HERE)
    sys.modules["torch_npu.npu"] = torch.npu
    sys.modules["torch_npu.npu.amp"] = torch.npu.amp
    return made


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """``given`` with variables by which ``import torch_npu`` gives this adapter in any program.

    torch.npu is there as soon as such a program has imported torch, as with torch_npu itself.
    """
    return leading(given, _SHADOW, PROJECT)
