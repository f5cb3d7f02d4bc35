"""Kernels that a program registers for the device, to serve the CPU where it has none there."""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch._library.custom_ops import CustomOpDef

KEYS = {"cuda": "CUDA", "npu": "PrivateUse1"}
"""What torch's dispatcher calls the kernels of types of devices."""


def library_impl(impl: Callable[..., Any], kind: str = "cuda") -> Callable[..., Any]:
    """A replacement of ``torch.library.Library.impl`` that registers kernels for the CPU.

    Those for devices of the type ``kind``. ``torch.library.impl`` ends up there, too. ``impl``:
    the original.
    """
    ours = KEYS[kind]

    stood: set[str] = set()

    @functools.wraps(impl)
    def implemented(
        self: Any, op_name: Any, fn: Any, dispatch_key: str = "", **options: Any
    ) -> Any:
        key = dispatch_key or self.dispatch_key
        name = op_name if isinstance(op_name, str) else op_name._schema.name
        place = f"{self.ns}/{name.split('::')[-1]}/" + key.removesuffix(ours)
        if not key.endswith(ours):
            if place not in stood:
                return impl(self, op_name, fn, dispatch_key, **options)
            with warnings.catch_warnings():  # the program's own for the CPU, after the device's
                warnings.simplefilter("ignore")
                return impl(self, op_name, fn, dispatch_key, **{**options, "allow_override": True})
        if f"{place}CPU" in torch.library._impls:
            return None  # the program has one for the CPU
        stood.add(f"{place}CPU")
        return impl(self, op_name, fn, key.removesuffix(ours) + "CPU", **options)

    return implemented


def register_kernel(register: Callable[..., Any], kind: str = "cuda") -> Callable[..., Any]:
    """A replacement of ``register_kernel`` of custom ops that registers kernels for the CPU.

    Those for devices of the type ``kind``. ``register``: the original.
    """

    @functools.wraps(register)
    def registered(
        self: CustomOpDef, device_types: str | Sequence[str] | None, fn: Any = None, /
    ) -> Any:
        wanted = [device_types] if isinstance(device_types, str) else device_types
        if wanted is None or kind not in wanted:
            return register(self, device_types, fn)
        others = [each for each in wanted if each != kind]
        if "cpu" not in (*others, *self._backend_fns):
            others.append("cpu")
        return register(self, others, fn)

    return registered
