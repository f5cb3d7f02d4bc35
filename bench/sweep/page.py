"""The page of a sweep: one HTML file with its picture, its table, what failed, and its question."""

import html
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.records import Record
from bench.sweep.identity import code, version
from bench.sweep.options import SweepError
from bench.sweep.picture import draw
from bench.sweep.study import Study
from bench.sweep.table import DIGITS, in_order
from topology.files.html import facts, table, text

MOST_ROWS = 2000
"""Rows of the table that a page shows; the file has them all."""

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;"
    "color:#1f2933}svg{max-width:100%;height:auto}pre{background:#f4f5f7;padding:1rem;"
    "overflow:auto}.wide{overflow:auto}table{font-size:13px}"
)


def page(rows: Sequence[Record], study: Study) -> str:
    """A sweep's table as a complete HTML document, which loads nothing and runs no script."""
    failed = [row for row in rows if row["error"] is not None]
    about = facts(
        [("points", len(study.points)), ("rows", len(rows)),
         ("failed", len({row["point"] for row in failed})), ("triplane", version()),
         ("code", code()[:DIGITS])]
    )  # fmt: skip
    hidden = ("machine", "version", "code", *(() if failed else ("error",)))
    shown = [{k: v for k, v in row.items() if k not in hidden} for row in in_order(rows)]
    more = f"<p>and {len(shown) - MOST_ROWS} more rows</p>" if len(shown) > MOST_ROWS else ""
    parts = [
        f"<h1>{text(study.title)}</h1>", about, _drawing(rows, study),
        f'<h2>Table</h2><div class="wide">{table(shown[:MOST_ROWS])}</div>{more}',
        f"<h2>What was asked</h2><pre>{html.escape(study.text)}</pre>",
    ]  # fmt: skip
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src'
        " 'unsafe-inline'; img-src data:\">"
        '<meta name="viewport" content="width=device-width"><title>'
        f"{text(study.title)}</title><style>{_STYLE}</style></head>\n<body>\n"
    )
    return head + "\n".join(parts) + "\n</body></html>\n"


def _drawing(rows: Sequence[Record], study: Study) -> str:
    """The picture as SVG, or why there is none."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "sweep.svg")
        try:
            draw(rows, study, path)
        except SweepError as error:
            return f"<p>{html.escape(str(error))}</p>"
        drawn = path.read_text("utf-8")
    return drawn[drawn.index("<svg") :]
