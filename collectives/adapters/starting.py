"""What the ``sitecustomize`` of a stand-in does: it puts the stand-in there once torch is loaded.

Python imports ``sitecustomize`` before any program, so this imports nothing else of the project,
and is loaded by its path (`collectives/adapters/*/shadow`), not through its package.
"""

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class AfterTorch:
    """An import finder that finds torch as usual, and calls ``install`` once torch is loaded."""

    def __init__(self, install: Callable[[], Any]) -> None:
        self._install = install

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The specification of torch; None for everything else."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                self._install()

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def begin(here: Path, install: Callable[[], Any]) -> None:
    """Have ``install`` called after torch is loaded.

    The ``sitecustomize`` that the one in the folder ``here`` hides is run now.
    """
    sys.meta_path.insert(0, AfterTorch(install))
    path = [each for each in sys.path if Path(each or ".").absolute() != here]
    spec = PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
