"""Kernels that a program registers for CUDA, made to serve the CPU where it has none of its own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._library.custom_ops import CustomOpDef


def library_impl(impl: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of ``torch.library.Library.impl`` that registers CUDA kernels for the CPU.

    ``torch.library.impl`` ends up there, too. ``impl``: the original.
    """

    @functools.wraps(impl)
    def implemented(
        self: Any, op_name: Any, fn: Any, dispatch_key: str = "", **options: Any
    ) -> Any:
        key = dispatch_key or self.dispatch_key
        if not key.endswith("CUDA"):
            return impl(self, op_name, fn, dispatch_key, **options)
        key = key.removesuffix("CUDA") + "CPU"
        name = op_name if isinstance(op_name, str) else op_name._schema.name
        if f"{self.ns}/{name.split('::')[-1]}/{key}" in torch.library._impls:
            return None  # the program has one for the CPU
        return impl(self, op_name, fn, key, **options)

    return implemented


def register_kernel(register: Callable[..., Any]) -> Callable[..., Any]:
    """A replacement of ``register_kernel`` of custom ops that registers CUDA kernels for the CPU.

    ``register``: the original.
    """

    @functools.wraps(register)
    def registered(
        self: CustomOpDef, device_types: str | Sequence[str] | None, fn: Any = None, /
    ) -> Any:
        wanted = [device_types] if isinstance(device_types, str) else device_types
        if wanted is None or "cuda" not in wanted:
            return register(self, device_types, fn)
        others = [each for each in wanted if each != "cuda"]
        if "cpu" not in (*others, *self._backend_fns):
            others.append("cpu")
        return register(self, others, fn)

    return registered
