"""Have programs that import deep_ep get this adapter; never done without being asked for."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from collectives.adapters.deep_ep import cuda
from collectives.adapters.shadowed import PROJECT, leading

UPSTREAM = "TRIPLANE_DEEP_EP_UPSTREAM"
"""The environment variable for a checkout of DeepEP, whose ``deep_ep/utils`` are then taken."""

_HERE = "collectives.adapters.deep_ep"

_SHADOW = Path(__file__).parent / "shadow"
"""What Python's path has to begin with: a package ``deep_ep`` that is this adapter."""

_ALIASES = {
    "deep_ep": "", "deep_ep._C": ".native", "deep_ep.buffer": ".buffer",
    "deep_ep.buffers": "", "deep_ep.buffers.legacy": ".buffer",
    "deep_ep.buffers.elastic": ".elastic",
}  # fmt: skip

_UTILS = ("envs", "event", "math", "testing")


def stand_in(upstream: str | Path | None = None) -> cuda.InstalledStandIn | None:
    """Make ``import deep_ep`` give this adapter, and replace torch.cuda, in this process.

    ``upstream``: a checkout of DeepEP, whose ``deep_ep/utils`` are used unchanged except for what
    measures kernels on a GPU; None: this adapter's own. Returns the object that removes
    torch.cuda's stand-in again, None if it was there already. Raises `FileNotFoundError`.

    Processes that this one starts are not affected: for those see `environment`.
    """
    for alias, name in _ALIASES.items():
        _alias(alias, importlib.import_module(_HERE + name))
    own = importlib.import_module(_HERE + ".utils")
    if upstream is None:
        _alias("deep_ep.utils", own)
        for part in _UTILS:
            _alias(f"deep_ep.utils.{part}", importlib.import_module(f"{_HERE}.utils.{part}"))
    else:
        _take(Path(upstream) / "deep_ep" / "utils")
    return cuda.install()


def environment(given: Mapping[str, str], upstream: str | Path | None = None) -> dict[str, str]:
    """``given`` with variables by which ``import deep_ep`` gives this adapter in any program.

    torch.cuda is replaced by the stand-in as soon as such a program has imported torch.
    ``upstream``: as in `stand_in`. Raises `FileNotFoundError`.
    """
    made = leading(given, _SHADOW, PROJECT)
    if upstream is not None:
        made[UPSTREAM] = str(_checked(Path(upstream).absolute() / "deep_ep" / "utils").parents[1])
    return made


def _take(folder: Path) -> None:
    """Make DeepEP's own utils importable; times are emulated."""
    utils = ModuleType("deep_ep.utils")
    utils.__path__ = [str(_checked(folder))]
    _alias("deep_ep.utils", utils)
    measuring = importlib.import_module("deep_ep.utils.testing")
    own = importlib.import_module(_HERE + ".utils.testing")
    for name in ("bench", "bench_kineto"):
        setattr(measuring, name, getattr(own, name))


def _alias(name: str, module: ModuleType) -> None:
    """Have a module imported by another name, too."""
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, module)


def _checked(folder: Path) -> Path:
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder.parents[1]} is no checkout of DeepEP: it has no {folder}")
    return folder
