"""Answers as HTML for notebooks: tables whose every word is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from topology.labels import label

Value = object

_CELL = "padding:2px 10px;text-align:{};border-bottom:1px solid rgba(128,128,128,.3)"
_BAR = (
    "display:inline-block;width:{:.1f}px;height:.7em;background:{};border-radius:2px;"
    "vertical-align:middle"
)
WIDTH = 120.0
"""Pixels of a whole bar."""

BLUE = "#0072B2"
"""Of Okabe and Ito's colours."""


def table(records: Sequence[Mapping[str, Value]], title: str = "") -> str:
    """An HTML table of records, one column for each key.

    Floats to five digits, numbers on the right.
    """
    names = list(dict.fromkeys(key for record in records for key in record))
    texts = {n for n in names if any(isinstance(record.get(n), str) for record in records)}
    sides = {name: "left" if name in texts else "right" for name in names}
    head = _row("th", [(text(name.replace("_", " ")), sides[name]) for name in names])
    rows = [_row("td", [(cell(r.get(name)), sides[name]) for name in names]) for r in records]
    return _whole(title, [head, *rows])


def facts(pairs: Iterable[tuple[str, Value]], title: str = "") -> str:
    """An HTML table of names and values, one pair a line."""
    return _whole(title, [_row("td", [(text(n), "left"), (cell(v), "left")]) for n, v in pairs])


def bars(shares: Iterable[tuple[str, float]], title: str = "") -> str:
    """An HTML table of names, each with a bar whose length is its share (0 to 1)."""
    return _whole(title, [
        _row("td", [(text(name), "left"), (_bar(share), "left"), (f"{share:.1%}", "right")])
        for name, share in shares
    ])  # fmt: skip


def text(words: str) -> str:
    """``words`` escaped for HTML: shortened, with invisible characters written out."""
    return escape(label(words), quote=True)


def cell(value: Value) -> str:
    """``value`` as HTML text: floats to five digits, None as ``-``."""
    if value is None:
        return "-"
    return f"{value:,.5g}" if isinstance(value, float) else text(str(value))


def _bar(share: float) -> str:
    width = WIDTH * min(max(share, 0.0), 1.0)
    return f'<span style="{_BAR.format(width, BLUE)}"></span>'


def _row(kind: str, cells: Iterable[tuple[str, str]]) -> str:
    inside = "".join(
        f'<{kind} style="{_CELL.format(side)}">{said}</{kind}>' for said, side in cells
    )
    return f"<tr>{inside}</tr>"


def _whole(title: str, rows: Iterable[str]) -> str:
    caption = f"<div><strong>{text(title)}</strong></div>" if title else ""
    return f'{caption}<table style="border-collapse:collapse">{"".join(rows)}</table>'
