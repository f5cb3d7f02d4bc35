"""Numbers with where they come from, and tables of them read from TOML files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from topology.errors import TriplaneError
from topology.files.reading import shown
from topology.formats.toml_tables import toml_of
from topology.names import near

PUBLISHED, DERIVED, ASSUMED = "published", "derived", "assumed"
MARKS = (PUBLISHED, DERIVED, ASSUMED)
"""What a number stands on: a source says it; it follows from what one says; nobody's word."""


class InferenceError(TriplaneError):
    """A model, an accelerator or a deployment is wrong, or does not fit another."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """A number in SI units with its mark (one of `MARKS`) and the source.

    Raises `InferenceError` for another mark, or a number below 0.
    """

    value: float
    mark: str
    source: str

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise InferenceError(f"mark {shown(self.mark)} is none of {', '.join(MARKS)}")
        if not self.value >= 0:
            raise InferenceError(f"{shown(self.value)} is below 0 ({self.source})")


def read_toml(path: Path) -> Mapping[str, Any]:
    """The tables of a TOML file; raises `InferenceError` naming it if it cannot be read."""
    try:
        return toml_of(path.read_text("utf-8"), InferenceError)
    except InferenceError as fault:
        raise InferenceError(f"{path}: {fault}") from None
    except OSError as fault:
        raise InferenceError(f"{path}: {fault.strerror or 'cannot be read'}") from None
    except UnicodeDecodeError:
        raise InferenceError(f"{path}: not UTF-8") from None


def sourced(table: Any, where: str) -> Sourced:
    """The number that a table of a TOML file describes; ``where``: its place, for errors."""
    if not isinstance(table, dict) or set(table) != {"value", "mark", "source"}:
        raise InferenceError(f"{where} is {shown(table)}; it has to have value, mark and source")
    value = table["value"]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InferenceError(f"{where}: value is {shown(value)}; it has to be a number")
    return Sourced(float(value), str(table["mark"]), str(table["source"]))


def check_known(keys: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise `InferenceError` for a key that is not ``known``."""
    known = list(known)
    for key in keys:
        if key not in known:
            raise InferenceError(
                f"{where}: unknown key {shown(key)}; known are {', '.join(known)}{near(key, known)}"
            )


def packaged(folder: str) -> dict[str, Path]:
    """The TOML files of a folder beside this file, by name without the ending."""
    return {path.stem: path for path in sorted(Path(__file__).with_name(folder).glob("*.toml"))}
