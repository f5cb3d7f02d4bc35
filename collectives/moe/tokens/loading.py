"""Loads the compiled loops over tokens, before the first tokens move."""

from importlib import import_module

from topology.background import in_background


def load_kernels() -> None:
    """Import `collectives.moe.tokens.kernels`, at the first call: with numba that takes a second.

    A rank learns meanwhile that the world has ended, and raises what ended it.
    """
    in_background(import_module, "collectives.moe.tokens.kernels")
