"""Imported by Python before any program if this folder leads its path: see `environment`.

As soon as torch has been imported, torch.cuda is replaced: programs look at it before they import
deep_ep. A ``sitecustomize`` that this one hides is run, too.
"""

import importlib.util
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class _AfterTorch:
    """An import finder that finds torch as usual, and replaces torch.cuda once torch is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The specification of torch; None for everything else."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = _then_stand_in(spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _then_stand_in(execute: Any) -> Any:
    def executed(module: ModuleType) -> None:
        execute(module)
        from collectives.adapters.deep_ep import cuda

        cuda.install()

    return executed


def _hidden() -> None:
    """Run the ``sitecustomize`` that would have been imported without this folder."""
    here = Path(__file__).parent
    path = [each for each in sys.path if Path(each or ".").absolute() != here]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


sys.meta_path.insert(0, _AfterTorch())
_hidden()
