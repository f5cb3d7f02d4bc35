"""The part of the page's data that describes one run: a film, narrowed to bytes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.view.packets_payload import packets_part
from bench.view.packing import narrow
from bench.view.topology_payload import Shown
from fabric.timeline.film import Film
from fabric.timeline.ranks import RankStretches
from topology.errors import TopologyError
from topology.labels import label

_Floats = NDArray[np.float64]


def film_part(film: Film, view: Shown) -> dict[str, Any]:
    """The page's data on one run, a dict for `bench.view.packing.pack`.

    Raises `TopologyError` if the columns are not those of the topology in ``view``.
    """
    if len(film.resource) != len(view.links):
        raise TopologyError(
            f"traffic over {len(film.resource)} links cannot be shown on {view.whole.name}, "
            f"of which {len(view.links)} links are there"
        )
    resource = np.zeros(view.whole.n_links, np.int64)  # 0: nothing; others count from 1
    resource[view.links] = film.resource + 1
    carried = np.zeros(view.whole.n_links)
    carried[view.links] = film.link_bytes
    most = float(film.backlog.max(initial=0.0))
    return {
        "title": label(film.title),
        "duration": film.duration,
        "facts": [[label(name), label(text)] for name, text in film.facts],
        "bins": film.utilisation.shape[1],
        "resource": narrow(resource),
        "utilisation": eighths(film.utilisation, 1.0),
        "backlog": eighths(film.backlog, most),
        "most_backlog": most,
        "main_label": film.main_label.astype(np.uint8),
        "labels": [label(text) for text in film.labels],
        "link_bytes": carried.astype(np.float32),
        "pairs": film.pairs.astype(np.float32),
        "pairs_of": film.pairs_of,
        "packets": None if film.packets is None else packets_part(film.packets, view),
        "lanes": None if film.ranks is None else _ranks_part(film.ranks),
    }


def eighths(values: _Floats, most: float) -> NDArray[np.uint8]:
    """Values of 0 to ``most`` on 0 to 255; what is above 0 never becomes 0."""
    scaled = np.clip(values / most if most > 0 else values, 0, 1) * 255
    return np.where(values > 0, np.maximum(np.round(scaled), 1), 0).astype(np.uint8)


def _ranks_part(ranks: RankStretches) -> dict[str, Any]:
    return {
        "ranks": ranks.ranks,
        "place": narrow(ranks.place),
        "rank": narrow(ranks.rank),
        "begin": ranks.begin.astype(np.float32),
        "end": ranks.end.astype(np.float32),
        "what": ranks.what.astype(np.uint8),
        "label": ranks.label.astype(np.uint8),
        "peer": ranks.peer.astype(np.int32),
        "critical": ranks.critical.astype(np.uint8),
    }
