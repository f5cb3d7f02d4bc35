"""``bench compare``: two answers of a bench command side by side."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import click

from bench.cli import HELP
from bench.compare.answers import about, load, pairs
from bench.compare.changes import causes, changes, only, quantities, record
from bench.options import answer_options
from bench.records import Record, as_text, opened
from bench.streams import put

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

SHOWN = 5
"""Causes that are listed below the table at most."""


@click.command("compare", context_settings=HELP)
@click.argument("a", type=_FILE, metavar="A.json")
@click.argument("b", type=_FILE, metavar="B.json")
@click.option("--all", "every", is_flag=True,
              help="All that was found [times, bandwidths and the like].")  # fmt: skip
@answer_options
def command(a: Path, b: Path, every: bool, form: str, output: Path | None) -> None:
    """Two answers (JSON of any bench command, or of a sweep) side by side.

    Rows are matched by what they are about. A cause is what differs in machine, options or version
    of the two; where nothing of that does, code, constants or files have changed.
    """
    rows = compared(a, b, every)
    with opened(output) as file:
        file.write(as_text(rows, form))
        if form == "table":
            put(file, *(f"# {line}" for line in summary(rows)))


def compared(a: Path, b: Path, every: bool = False) -> list[Record]:
    """The records of all changes from the answer in ``a`` to that in ``b``.

    Raises `BenchError` for a file without an answer.
    """
    before, after = load(a), load(b)
    columns = about(before, after)
    names = quantities([*before, *after], columns, every)
    found: list[Record] = []
    for one, other in pairs(before, after, columns):
        if one is None or other is None:
            row = one or other
            assert row is not None
            found.append(only(row, columns, "A" if other is None else "B"))
            continue
        why = causes(one, other, columns)
        found += [record(one, columns, each, why) for each in changes(one, other, names)]
    told = [name for name in columns if _tells(found, name)]
    return [{name: row[name] for name in (*told, *_LAST)} for row in found]


_LAST = ("quantity", "a", "b", "change_percent", "cause")


def _tells(rows: Sequence[Record], name: str) -> bool:
    """Whether a column tells rows apart, or says what all are about."""
    values = {row[name] for row in rows}
    return len(values) > 1 or (name in ("bench", "op") and values != {None})


def summary(rows: Sequence[Record]) -> Iterator[str]:
    """Iterate over the lines that say how much has changed, and why."""
    of_both = [row for row in rows if row["quantity"] is not None]
    for name in dict.fromkeys(row["quantity"] for row in of_both):
        mine = [row for row in of_both if row["quantity"] == name]
        moved = [change for row in mine if isinstance(change := row["change_percent"], float)
                 and row["a"] != row["b"]]  # fmt: skip
        count = sum(row["a"] != row["b"] for row in mine)
        span = (f": from {min(moved):+.3g}% to {max(moved):+.3g}%, median {median(moved):+.3g}%"
                if moved else "")  # fmt: skip
        yield f"{name}: {count} of {len(mine)} changed{span}"
    why = Counter(str(row["cause"]) for row in rows if row["cause"] is not None)
    for cause, count in why.most_common(SHOWN):
        yield f"{count} by {cause}" if not cause.startswith("only in") else f"{count} rows {cause}"
