"""One HTML file that shows a topology and the traffic on it: no server, no network.

Everything is in the file: the drawing library (deck.gl, bundled beside this module by
``web/build.mjs``), the style, and the data as one compressed block. The page's own content security
policy lets exactly these two blocks of code and style act, and nothing be loaded.
"""

import base64
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from bench.view.film_payload import film_part
from bench.view.packing import pack
from bench.view.topology_payload import Shown, shown, topology_part
from fabric.timeline.film import Film
from topology.graph import Topology
from topology.labels import label


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One of the things on a page: a topology, what ran on it, and what it was taken out of.

    ``film``: None if nothing ran. ``whole``: the fault-free topology, None if that is not known;
    what is missing is then drawn as missing.
    """

    topology: Topology
    film: Film | None = None
    whole: Topology | None = None


def page(first: Exhibit | Topology, second: Exhibit | None = None) -> str:
    """The page of ``first`` as a complete HTML document; with ``second``, both runs side by side.

    Raises `TopologyError` if a ``whole`` or a ``film`` does not belong to its topology.
    """
    runs = [first if isinstance(first, Exhibit) else Exhibit(first), *([second] if second else [])]
    views = [shown(run.topology, run.whole) for run in runs]
    kept = _distinct(views)
    data = {
        "format": 1,
        "title": _title(runs),
        "topologies": [topology_part(view) for view in kept],
        "runs": [
            {"topology": _number(view, kept)}
            | ({} if run.film is None else {"traffic": film_part(run.film, view)})
            for view, run in zip(views, runs, strict=True)
        ],
    }
    return document(_title(runs), pack(data))


def _title(runs: Sequence[Exhibit]) -> str:
    return " and ".join(dict.fromkeys(label(run.topology.name) for run in runs))


def _distinct(views: Sequence[Shown]) -> list[Shown]:
    kept: list[Shown] = []
    for view in views:
        if not any(_same(view, other) for other in kept):
            kept.append(view)
    return kept


def _number(view: Shown, views: Sequence[Shown]) -> int:
    return next(i for i, other in enumerate(views) if _same(view, other))


def _same(a: Shown, b: Shown) -> bool:
    return (
        a.removed == b.removed
        and a.whole.equals(b.whole)
        and a.vertices.tolist() == b.vertices.tolist()
        and a.links.tolist() == b.links.tolist()
    )


def document(title: str, data: str, *, connects: bool = False) -> str:
    """The page of packed ``data`` as HTML; ``connects``: whether it may ask its own server."""
    style, script = _file("page.css"), _file("built/page.js")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
        + ("; connect-src 'self'" if connects else "")
    )
    parts = {
        "TITLE": html.escape(title), "POLICY": html.escape(policy, quote=True),
        "STYLE": style, "SCRIPT": script, "DATA": data,
        "LICENCES": _file("built/page.licences.txt"),
    }  # fmt: skip
    # Cut once, then joined: what is put in is never searched for marks again.
    pieces = _file("page.html").split("%%")
    return "".join(parts[piece] if i % 2 else piece for i, piece in enumerate(pieces))


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _file(name: str) -> str:
    return (resources.files("bench.view") / "web" / name).read_text(encoding="utf-8")
