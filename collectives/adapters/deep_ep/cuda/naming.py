"""Wherever torch takes a device: that which is stood for, and integers, mean the CPU."""

import operator
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from collectives.adapters.deep_ep.cuda.device import Device

CPU = torch.device("cpu")

_COMPARING = "torch.distributed.fsdp"
"""Code that wants parameters to say that they are where it has put them."""

_FROM_HOST = ("as_tensor", "asarray")
"""Functions that make a tensor of memory of the host, which for a GPU is a copy."""


class DeviceNames:
    """What means a device of the type ``kind``, such as "cuda"."""

    def __init__(self, kind: str) -> None:
        self.kind, self._text = kind, re.compile(kind + r"(:\d+)?")

    def mean(self, device: Any) -> bool:
        """True if ``device`` does: "cuda", "cuda:1", a torch.device, or an index."""
        if isinstance(device, str):
            return self._text.fullmatch(device) is not None
        if isinstance(device, torch.device):
            return device.type == self.kind
        return _index(device) is not None

    def on_cpu(self, device: Any) -> Any:
        """The CPU for such a device, else ``device`` itself."""
        return CPU if self.mean(device) else device


def _index(given: Any) -> int | None:
    if isinstance(given, bool | torch.Tensor) or given is None:
        return None
    try:
        return operator.index(given)
    except TypeError:
        return None


class Naming(TorchFunctionMode):
    """A mode under which a device of the stand-in's kind in torch's calls means the CPU.

    A call that would copy a tensor between device and host makes a copy here, too. Tensors that a
    program has brought to the device are remembered, so bringing one there again returns it.
    """

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device, self._names = device, DeviceNames(device.kind)
        self._there = WeakIdKeyDictionary()
        self._special: dict[str, Callable[..., Any]] = {
            "to": self._to, device.kind: self._brought_there, "cpu": self._cpu,
            "_parse_to": self._parse_to, "device": self._named, "pin_memory": self._pinned,
            "is_pinned": lambda *_, **__: False,
            "get_device": lambda *_: device.index, "record_stream": lambda *_: None,
            "type": self._type,
        }  # fmt: skip

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        special = self._special.get(getattr(func, "__name__", ""))
        options = dict(kwargs) if kwargs else {}
        if special is not None:
            return special(func, *args, **options)
        if not (options or args):
            return func()
        options.pop("pin_memory", None)
        if "device" not in options:
            return func(*map(self._plain, args), **options)
        there = self._names.mean(options["device"])
        options["device"] = self._names.on_cpu(options["device"])
        made = func(*map(self._plain, args), **options)
        return self._brought(func, args, made) if there else made

    def _brought(self, func: Callable[..., Any], args: tuple[Any, ...], made: Any) -> Any:
        """What was made on the device: not the memory of the host."""
        if not isinstance(made, torch.Tensor) or torch.compiler.is_compiling():
            return made
        if func.__name__ in _FROM_HOST:
            made = made.clone()
        self._there[made] = True
        return made

    def _copied(self, tensor: torch.Tensor, made: Any) -> Any:
        """What bringing a tensor to the device gives: itself only if it is there already."""
        if torch.compiler.is_compiling() or not isinstance(made, torch.Tensor):
            return made
        parameter = tensor.requires_grad and tensor.is_leaf  # whose copy would be no leaf
        if made is tensor and tensor not in self._there and not parameter:
            made = tensor.clone()
        self._there[made] = True
        return made

    def _brought_there(self, func: Any, tensor: Any, *rest: Any, **options: Any) -> Any:
        if not isinstance(tensor, torch.Tensor):
            return tensor
        form = options.get("memory_format")
        return self._copied(tensor, tensor if form is None else tensor.to(memory_format=form))

    def _cpu(self, func: Any, tensor: Any, *rest: Any, **options: Any) -> Any:
        made = func(tensor, *rest, **options)
        if made is not tensor or tensor.requires_grad or torch.compiler.is_compiling():
            return made
        return tensor.clone()

    def _to(self, func: Any, tensor: Any, *rest: Any, **options: Any) -> Any:
        device = options.get("device", rest[0] if rest else None)
        if "device" in options:
            options["device"] = self._names.on_cpu(device)
        elif self._names.mean(device):
            rest = (CPU, *rest[1:])
        made = func(tensor, *rest, **options)
        if self._names.mean(device):
            return self._copied(tensor, made)
        if device == "cpu" and made is tensor and not tensor.requires_grad:
            return made if torch.compiler.is_compiling() else tensor.clone()
        return made

    def _parse_to(self, func: Any, *rest: Any, **options: Any) -> Any:
        """What ``torch.nn.Module.to`` was given."""
        if "device" in options:
            options["device"] = self._names.on_cpu(options["device"])
        return func(*(self._names.on_cpu(each) for each in rest), **options)

    def _named(self, func: Any, *given: Any, **options: Any) -> torch.device:
        """``torch.device`` of an index; others stay what they are, but for who compares them."""
        asking = sys._getframe(2).f_globals.get("__name__", "")
        if asking.startswith(_COMPARING) and given and self._names.mean(given[0]):
            return CPU
        index = _index(given[0]) if len(given) == 1 else None
        made: torch.device = (
            func(*given, **options) if index is None else func(self._names.kind, index)
        )
        return made

    def _pinned(self, func: Any, tensor: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
        return tensor.clone()

    def _type(self, func: Any, tensor: Any, *rest: Any, **options: Any) -> Any:
        if rest and isinstance(rest[0], str):
            rest = (rest[0].replace(f"torch.{self._names.kind}.", "torch."), *rest[1:])
        return func(tensor, *rest, **options)

    def _plain(self, given: Any) -> Any:
        """An argument that is no device by its place: only what cannot be anything else is one."""
        if isinstance(given, str | torch.device) and self._names.mean(given):
            return CPU if isinstance(given, torch.device) else "cpu"
        return given
