"""The systems that have a name: presets, shapes with a size, and files.

Every module of this folder that has ``SYSTEMS`` is found; see `topology.presets.entry`.
"""

import inspect
import math
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from topology import presets
from topology.errors import TopologyError, TriplaneError
from topology.formats.toml import load
from topology.graph import Topology
from topology.names import near
from topology.presets.entry import SystemEntry


def system(name: str | Path, **arguments: object) -> Topology:
    """The system called ``name``, of `systems`, or in the TOML file at the path ``name``.

    Some take a size: ``"star:8"``, ``"dgx_h800:16"``. A text with a separator of folders in it or
    that ends in ``.toml`` is a path. ``arguments``: further ones of the preset, see `parameters`.
    Raises `TopologyError` with the choices.
    """
    text = str(name)
    if isinstance(name, Path) or _is_path(text):
        return load(text)
    entry, sizes = _entry(text)
    return entry.preset(**{**entry.arguments, **sizes, **arguments})


def check_name(name: str) -> None:
    """Raise `TopologyError`, as `system` does, if there is no system of that name, or no file.

    Nothing is built, and a file is not read.
    """
    if not _is_path(name):
        _entry(name)
    elif not Path(name).is_file():
        raise TopologyError(f"no system {name!r}: there is no such file")


def _is_path(text: str) -> bool:
    return text.endswith(".toml") or "/" in text or "\\" in text


def _entry(text: str) -> tuple[SystemEntry, dict[str, int]]:
    """The preset that a name means, and the argument that is its size."""
    known = _known()
    stem, colon, size = text.partition(":")
    if stem not in known:
        raise TopologyError(
            f"no system {text!r}; there are {', '.join(systems())}, or a TOML file's path"
            f"{near(stem, known)}"
        )
    return known[stem], _size(stem, known[stem], size if colon else None)


def systems() -> dict[str, str]:
    """One line about each preset, by the name that `system` takes; sizes in names are examples."""
    return {
        name if entry.optional else f"{name}:{entry.size}": entry.about
        + (f" ({name}:{entry.sized})" if entry.sized else "")
        for name, entry in _known().items()
    }


def parameters(name: str) -> tuple[str, ...]:
    """The parameters that the preset of the system ``name`` takes.

    Empty for a file or no system.
    """
    entry = _known().get(name.partition(":")[0])
    return tuple(inspect.signature(entry.preset).parameters) if entry else ()


def short_name(name: str) -> str:
    """The name by which publications call the system ``name``: ``h800:4`` for ``dgx_h800:4``."""
    stem, colon, size = name.partition(":")
    entry = _known().get(stem)
    return f"{entry.alias_of}{colon}{size}" if entry and entry.alias_of else name


def large_enough(name: str, ranks: int) -> str:
    """The system ``name``, or as many times it as it takes to have ``ranks`` accelerators.

    ``"gb200"`` has 72: for 576 ranks it is ``"gb200:576"``. A name that has a size, or whose
    system takes none, stays as it is, and so does an unknown name.
    """
    entry = _known().get(name)
    if entry is None or not (entry.sized and entry.optional):
        return name
    times = math.ceil(ranks / _usual_accelerators(name))
    usual = inspect.signature(entry.preset).parameters[entry.argument].default
    return name if times <= 1 else f"{name}:{times * usual}"


@cache
def _usual_accelerators(name: str) -> int:
    return len(system(name).accelerators)


def whole_of(topology: Topology) -> Topology | None:
    """The fault-free topology that ``topology`` was taken out of, made again by its preset.

    None if nothing has been taken out, or `Topology.provenance` does not say what made it.
    """
    if not topology.removed:
        return None
    provenance = topology.provenance
    makers = {entry.preset.__name__: entry.preset for entry in _known().values()}
    if provenance.preset not in makers:
        return None
    try:
        made = makers[provenance.preset](**provenance.arguments)
        left = made.without(*topology.removed)
    except (TriplaneError, TypeError):  # of a file that was written by hand, or elsewhere
        return None
    return made if left.equals(topology) else None


def module_of(topology: Topology) -> ModuleType | None:
    """The module with the presets of this family of machines; None if there is none."""
    family = topology.provenance.family
    every = (module for module in _modules() if getattr(module, "FAMILY", "") == family)
    return next(every, None) if family else None


def _size(name: str, entry: SystemEntry, size: str | None) -> dict[str, int]:
    """The argument that is the size, by name; nothing where the preset's default counts."""
    if size is None and entry.optional:
        return {}
    if size is None:
        raise TopologyError(
            f"{name!r} needs a size: {name}:{entry.sized}, such as {name}:{entry.size}"
        )
    if not entry.sized:
        raise TopologyError(f"system {name!r} takes no size, {size!r} is given")
    if not (size.isascii() and size.isdigit()):
        raise TopologyError(f"system {name!r}: {entry.sized} is {size!r}, not a whole number")
    if len(size) > 18 or int(size) > entry.most:
        raise TopologyError(f"system {name!r}: {entry.sized} is {size:.20}; at most {entry.most}")
    return {entry.argument: int(size)}


@cache
def _known() -> Mapping[str, SystemEntry]:
    found: dict[str, Any] = {}
    for module in _modules():
        found |= getattr(module, "SYSTEMS", {})
    return MappingProxyType(found)


@cache
def _modules() -> tuple[ModuleType, ...]:
    """Every module of the folder but this one, by name."""
    names = sorted(one.name for one in pkgutil.iter_modules(presets.__path__))
    others = [f"{presets.__name__}.{name}" for name in names]
    return tuple(import_module(name) for name in others if name != __name__)
