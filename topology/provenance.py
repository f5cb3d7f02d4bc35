"""Where a topology comes from: the preset that made it with its arguments, or a file."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from topology.errors import TopologyError
from topology.files.reading import shown
from topology.names import near

DEEPEST = 4
"""Levels of nesting of an argument at most."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made a topology; every part is empty where it is not known.

    ``family``: the kind of machine, such as ``"cloudmatrix"``, which decides what software it
    usually runs and which sources its numbers have; a hand-written file may state it alone.
    ``preset``: the function of `topology.presets`, and its ``arguments`` that are not the defaults:
    numbers, texts, truth values, and lists and mappings of such. ``file``: the path that it was
    read from, where the file says nothing else.
    """

    family: str = ""
    preset: str = ""
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    file: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process is made anew: a read-only mapping cannot be pickled."""
        return _again, (self.family, self.preset, dict(self.arguments), self.file)

    def as_dict(self) -> dict[str, Any]:
        """The parts that are not empty, by name, for a file."""
        parts = {
            "family": self.family, "preset": self.preset, "arguments": dict(self.arguments),
            "file": self.file,
        }  # fmt: skip
        return {name: value for name, value in parts.items() if value}

    def as_json(self) -> str:
        """The parts that are not empty as a JSON object, for formats that only have texts."""
        return json.dumps(self.as_dict(), ensure_ascii=False)


def _again(family: str, preset: str, arguments: dict[str, Any], file: str) -> Provenance:
    return Provenance(family, preset, MappingProxyType(arguments), file)


UNKNOWN = Provenance()
"""Of a topology that was put together by hand."""


def provenance_of(given: object, where: str) -> Provenance:
    """The provenance that a file states, as `Provenance.as_dict` writes it.

    ``where``: the place in the file, for messages. Raises `TopologyError` for unknown keys and
    wrong values.
    """
    if not isinstance(given, Mapping):
        raise TopologyError(f"{where}: provenance is {shown(given)}, not a table")
    known = ("family", "preset", "arguments", "file")
    for key in given:
        if key not in known:
            raise TopologyError(
                f"{where}: unknown key {shown(key)} of provenance; known are {', '.join(known)}"
                f"{near(str(key), known)}"
            )
    texts = {key: given.get(key, "") for key in ("family", "preset", "file")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise TopologyError(f"{where}: {key} of provenance is {shown(value)}, not a text")
    arguments = given.get("arguments", {})
    if not isinstance(arguments, Mapping) or not _is_plain(arguments):
        raise TopologyError(
            f"{where}: arguments of provenance are {shown(arguments)}; a table of numbers, texts,"
            f" and lists of such is needed"
        )
    return Provenance(arguments=MappingProxyType(dict(arguments)), **texts)


def provenance_of_json(text: object, where: str) -> Provenance:
    """The provenance in a JSON text, as `Provenance.as_json` writes it; raises `TopologyError`."""
    try:
        given = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise TopologyError(f"{where}: provenance is {shown(text)}, not JSON") from None
    return provenance_of(given, where)


def _is_plain(value: object, depth: int = 0) -> bool:
    if depth > DEEPEST:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v, depth + 1) for k, v in value.items())
    if isinstance(value, list):
        return all(_is_plain(one, depth + 1) for one in value)
    return isinstance(value, str | bool | int) or (
        isinstance(value, float) and not math.isnan(value)
    )


def plain(value: object) -> Any:
    """``value`` as a file can hold it: dataclasses as mappings, numpy's numbers as Python's.

    Anything else is its `repr`, which no preset takes: such a machine cannot be made again.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(one) for name, one in asdict(value).items() if one is not None}
    if isinstance(value, np.generic):
        return value.item()
    return value if _is_plain(value) else repr(value)
