"""CSV files as cells by line, each with its line number; the separator is found out.

Commas, semicolons (a spreadsheet's own where the comma is a decimal point) and tabs are told apart
by the first line that is no comment.
"""

import csv
from pathlib import Path
from typing import NamedTuple

from topology.files.reading import Error, read_text

SEPARATORS = ",;\t"

LONGEST = 1 << 16
"""Characters of a cell at most."""


class NumberedLine(NamedTuple):
    """A line of a table: its number in the file, from 1, and its cells without the space around."""

    number: int
    cells: list[str]


def read_table(path: str | Path, error: Error) -> list[NumberedLine]:
    """The lines of the CSV file at ``path``, without empty ones and comments (``#``).

    Raises ``error`` as `read_text` does, and for quotes that are never closed or too long a cell.
    """
    text = read_text(path, error)
    separator = separator_of(text)
    found: list[NumberedLine] = []
    reader = csv.reader(
        text.split("\n"), delimiter=separator, skipinitialspace=separator != "\t", strict=True
    )
    number = 1
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise error(
                f"{path}: line {number}: quotes are not closed, or followed by no separator"
            ) from None
        if cells is None:
            return found
        cells = [cell.strip() for cell in cells]
        if any(cells) and not cells[0].startswith("#"):
            longest = max(map(len, cells))
            if longest > LONGEST:
                raise error(f"{path}: line {number}: a cell has {longest} characters")
            found.append(NumberedLine(number, cells))


def separator_of(text: str) -> str:
    """The separator of the cells of ``text``: the most frequent of `SEPARATORS` in line 1."""
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith("#"))
    first = next(lines, "")
    return max(SEPARATORS, key=lambda mark: (first.count(mark), -SEPARATORS.index(mark)))
