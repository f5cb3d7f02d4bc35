"""TOML as other formats read it: parsed, keys that are known, tables with the lines they are on."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from topology.files.reading import Error, place, shown
from topology.names import near

Table = Mapping[str, Any]


def toml_of(text: str, error: Error) -> Table:
    """The tables of the TOML ``text``; raises ``error`` with line and column for what is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        what, _, where = str(fault).removesuffix(")").rpartition(" (at ")
        raise error(f"not TOML: {where}: {what}") from None
    except RecursionError:
        raise error("not TOML that is read here: its lists are nested too deeply") from None
    except ValueError:  # int() of thousands of digits, or a date that there is not
        digits = re.search(r"[0-9_]{1000,}", text)
        where = f"{place(text, digits.start())}: " if digits else ""
        raise error(f"not TOML that is read here: {where}a number or date that is none") from None


def check_keys(table: Table, known: Mapping[str, bool], where: str, error: Error) -> None:
    """Raise ``error`` for a key that is not ``known``, or one that is missing.

    ``known``: by key, True if it has to be there; ``where``: the place of the table in its file.
    """
    for key in table:
        if key not in known:
            raise error(
                f"{where}: unknown key {shown(key)}; known are {', '.join(known)}{near(key, known)}"
            )
    missing = [key for key, needed in known.items() if needed and key not in table]
    if missing:
        raise error(f"{where}: key {missing[0]!r} is missing")


def tables(
    file: Table, key: str, known: Mapping[str, bool], text: str, error: Error
) -> Iterator[tuple[str, Table]]:
    """Each table of the array ``key`` of a ``file``, and where it is; ``text``: of the file.

    Raises ``error`` for what is no array of tables, and as `check_keys`.
    """
    found = file.get(key, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise error(f"{key} is no array of tables; write [[{key}]]")
    heads = re.finditer(rf"^[ \t]*\[\[[ \t]*{key}[ \t]*\]\]", text, re.MULTILINE)
    starts = np.array([head.start() for head in heads])
    breaks = np.flatnonzero(np.frombuffer(text.encode("utf-32-le"), np.uint32) == ord("\n"))
    lines = (np.searchsorted(breaks, starts) + 1).tolist()
    for number, table in enumerate(found, start=1):
        # A file may also write its tables inline, and then no line is known.
        where = f"line {lines[number - 1]}, " if len(lines) == len(found) else ""
        where += f"[[{key}]] number {number}"
        check_keys(table, known, where, error)
        yield where, table
