"""Loads the compiled loops over tokens, before the first tokens move."""

from functools import cache
from importlib import import_module
from typing import Any

from topology.background import in_background


def load_kernels() -> None:
    """Import the kernels, at the first call: with numba that takes a second.

    A rank learns meanwhile that the world has ended, and raises what ended it.
    """
    in_background(import_module, "collectives.moe.tokens.kernels")  # which imports the others


@cache
def row_kernels() -> Any:
    """The module `collectives.moe.tokens.row_kernels`, imported at the first call."""
    return import_module("collectives.moe.tokens.row_kernels")
