"""Rows that measured something else than their columns ask, and what."""

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from types import MappingProxyType

APART = Path(__file__).with_name("apart.toml")
"""Written by hand: rows, by patterns of their ids, and what they measured instead."""


def apart(row: str) -> str:
    """What the row with this id measured instead of what its columns ask; "" if it did that."""
    return matching(entries(APART, "apart"), row)


@cache
def entries(path: Path, kind: str) -> Mapping[str, str]:
    """The entries ``[[kind]]`` of a file: what is said of rows, by pattern of their ids."""
    with path.open("rb") as file:
        found = tomllib.load(file)[kind]
    return MappingProxyType({rows: one["why"] for one in found for rows in one["rows"]})


def matching(found: Mapping[str, str], row: str) -> str:
    """What is said of the row with this id; patterns are those of `fnmatch`."""
    return next((why for rows, why in found.items() if fnmatchcase(row, rows)), "")
