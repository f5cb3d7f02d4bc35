"""What a preset's module says of itself, for the catalogue to find it.

A module of this folder may have these names:

- ``SYSTEMS``: `SystemEntry` by the name that users write (``--system``).
- ``FAMILY``: the kind of machine that its presets make, `topology.provenance.Provenance.family`.
- ``SOURCES``: `SourceRule` for numbers whose source is the text below a constant of the module.
- ``PLANE_NOTES``: a sentence about each plane, by name.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import MappingProxyType
from typing import Any, NamedTuple, ParamSpec

from topology.graph import Topology
from topology.provenance import Provenance, plain

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True, slots=True)
class SystemEntry:
    """How to make a system that has a name.

    ``preset``: the function that makes it, with ``arguments``. ``sized``: what its size counts,
    ``""`` if it takes none; ``argument``: the parameter of ``preset`` that is the size, ``size``:
    the default or, if the size is not ``optional``, an example; ``most``: the largest.
    ``alias_of``: the name by which publications call the same system.
    """

    preset: Callable[..., Topology]
    about: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    sized: str = ""
    argument: str = ""
    size: int = 0
    optional: bool = True
    most: int = 1 << 17
    alias_of: str = ""


class SourceRule(NamedTuple):
    """Which constant is the source of a number.

    ``kind``: of an end of the link, ``""`` for any; ``quantity``: ``"bandwidth"`` or ``"latency"``;
    ``constant``: a name in the preset's module; ``parts``: what the constant is divided by to give
    the link's value; ``preset``: the function whose topologies it is for, ``""`` for all of the
    module.
    """

    plane: str
    kind: str
    quantity: str
    constant: str
    parts: int = 1
    preset: str = ""


def preset(
    family: str = "",
) -> Callable[[Callable[Arguments, Topology]], Callable[Arguments, Topology]]:
    """A decorator of presets, whose topologies then say which preset and arguments made them.

    ``family``: the `Provenance.family` of what it makes.
    """

    def of(make: Callable[Arguments, Topology]) -> Callable[Arguments, Topology]:
        signature = inspect.signature(make)

        @wraps(make)
        def made(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Topology:
            topology = make(*args, **kwargs)
            given = signature.bind(*args, **kwargs).arguments
            plainly = {name: plain(value) for name, value in given.items() if value is not None}
            defaults = {name: one.default for name, one in signature.parameters.items()}
            arguments = {name: x for name, x in plainly.items() if x != defaults[name]}
            name = make.__name__
            kind = family or topology.provenance.family  # of copies: that of what is copied
            return topology.made_by(Provenance(kind, name, MappingProxyType(arguments)))

        return made

    return of
