"""Imported by Python before any program if this folder leads its path: see `environment`.

As soon as torch has been imported, torch.cuda is replaced: programs look at it before they import
deep_ep.
"""

import importlib.util
from pathlib import Path

_HERE = Path(__file__).parent


def _install() -> None:
    from collectives.adapters.deep_ep import cuda

    cuda.install()


_SPEC = importlib.util.spec_from_file_location("_starting", _HERE.parents[1] / "starting.py")
if _SPEC is not None and _SPEC.loader is not None:
    _STARTING = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(_STARTING)
    _STARTING.begin(_HERE, _install)
