"""What moved over a topology, as plain columns: what the page plays.

The columns come from a timeline (`fabric.replay`); this package knows nothing of engines.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.draw.labels import label
from topology.draw.packing import narrow
from topology.draw.page_payload import Shown
from topology.errors import TopologyError

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]

WAIT, MOVE, SOFTWARE = 0, 1, 2
"""What a rank does in a stretch of its lane: waits for another, moves bytes, spends time in its
own software."""


@dataclass(frozen=True, eq=False)
class Lanes:
    """What every rank did when, as rows.

    ``rank``: int64; ``begin``, ``end``: float64, seconds; ``what``: int64, `WAIT`, `MOVE` or
    `SOFTWARE`; ``label``: int64, of `Traffic.labels`; ``peer``: int64, the rank that it waited for
    or that set its end, -1 for none; ``critical``: bool, whether the row is on the critical path.
    ``ranks``: how many; ``place``: int64 [ranks], the vertex of each.
    """

    rank: _Ints
    begin: _Floats
    end: _Floats
    what: _Ints
    label: _Ints
    peer: _Ints
    critical: NDArray[np.bool_]
    ranks: int
    place: _Ints


@dataclass(frozen=True, eq=False)
class Traffic:
    """The traffic of one run.

    Links that every transfer loads alike share a *resource*. Over R resources and B bins of equal
    length:

    - ``duration``: seconds, ``title``, ``about``: texts; ``facts``: pairs of texts.
    - ``resource``: int64 [links of the topology], -1 where nothing may go.
    - ``utilisation``: float64 [R, B], the fraction of a link's bandwidth in use, mean of the bin.
    - ``backlog``: float64 [R, B], seconds that a link would take for all that has set out and is
      still to cross it, at the end of the bin.
    - ``main_label``: int64 [R, B], of ``labels``: what most of the bytes of the bin are.
    - ``link_bytes``: float64 [links].
    """

    title: str
    duration: float
    facts: tuple[tuple[str, str], ...]
    resource: _Ints
    utilisation: _Floats
    backlog: _Floats
    main_label: _Ints
    labels: tuple[str, ...]
    link_bytes: _Floats
    lanes: Lanes | None = None


def traffic_part(traffic: Traffic, view: Shown) -> dict[str, Any]:
    """The part of the page's data that describes one run, on the links of ``view.whole``.

    Raises `TopologyError` where the columns are not those of the topology in ``view``.
    """
    if len(traffic.resource) != len(view.links):
        raise TopologyError(
            f"traffic over {len(traffic.resource)} links cannot be shown on {view.whole.name}, "
            f"of which {len(view.links)} links are there"
        )
    resource = np.zeros(view.whole.n_links, np.int64)  # 0: nothing; others count from 1
    resource[view.links] = traffic.resource + 1
    carried = np.zeros(view.whole.n_links)
    carried[view.links] = traffic.link_bytes
    most = float(traffic.backlog.max(initial=0.0))
    return {
        "title": label(traffic.title),
        "duration": traffic.duration,
        "facts": [[label(name), label(text)] for name, text in traffic.facts],
        "bins": traffic.utilisation.shape[1],
        "resource": narrow(resource),
        "utilisation": _eighths(traffic.utilisation, 1.0),
        "backlog": _eighths(traffic.backlog, most),
        "most_backlog": most,
        "main_label": traffic.main_label.astype(np.uint8),
        "labels": [label(text) for text in traffic.labels],
        "link_bytes": carried.astype(np.float32),
        "lanes": None if traffic.lanes is None else _lanes_part(traffic.lanes),
    }


def _eighths(values: _Floats, most: float) -> NDArray[np.uint8]:
    """Values of 0 to ``most`` on 0 to 255; what is above 0 never becomes 0."""
    scaled = np.clip(values / most if most > 0 else values, 0, 1) * 255
    return np.where(values > 0, np.maximum(np.round(scaled), 1), 0).astype(np.uint8)


def _lanes_part(lanes: Lanes) -> dict[str, Any]:
    return {
        "ranks": lanes.ranks,
        "place": narrow(lanes.place),
        "rank": narrow(lanes.rank),
        "begin": lanes.begin.astype(np.float32),
        "end": lanes.end.astype(np.float32),
        "what": lanes.what.astype(np.uint8),
        "label": lanes.label.astype(np.uint8),
        "peer": lanes.peer.astype(np.int32),
        "critical": lanes.critical.astype(np.uint8),
    }
