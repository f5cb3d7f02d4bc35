"""The page of a world that runs: the usual one, with a run on which nothing has happened yet."""

import numpy as np

from bench.view.film_payload import film_part
from bench.view.live.film import LiveFilm
from bench.view.packing import pack
from bench.view.page import document
from bench.view.topology_payload import Shown, topology_part
from fabric.fabric import Fabric
from fabric.timeline.film import Film, pair_bytes, ranks_of_cell
from fabric.timeline.ranks import RankStretches
from topology.labels import label


def live_page(fabric: Fabric, ranks: int, view: Shown) -> str:
    """The page of ``ranks`` ranks that run on ``fabric``, which its server tells what happens.

    ``view``: the fabric's topology as it is drawn.
    """
    title = label(fabric.topology.name)
    traffic = film_part(_unplayed(fabric, ranks, f"{ranks} ranks on {title}"), view)
    data = {
        "format": 1, "live": True, "title": title, "topologies": [topology_part(view)],
        "runs": [{"topology": 0, "traffic": traffic}],
    }  # fmt: skip
    return document(title, pack(data), connects=True)


def _unplayed(fabric: Fabric, ranks: int, title: str) -> Film:
    """A film of a world that has not begun."""
    none, no_times = np.zeros(0, np.int64), np.zeros(0)
    lanes = RankStretches(
        none, no_times, no_times, none, none, none, np.zeros(0, np.bool_), ranks,
        fabric.places[:ranks].astype(np.int64),
    )  # fmt: skip
    film = LiveFilm(fabric.router.capacity)
    empty = np.zeros((len(film.capacity), film.bins))
    return Film(
        title, 0.0, (("ranks", f"{ranks}"), ("software", fabric.software.name)),
        fabric.router.link_resource.astype(np.int64), empty, empty, empty.astype(np.int64), (),
        np.zeros(fabric.topology.n_links), lanes, pair_bytes(none, none, none, ranks),
        ranks_of_cell(ranks),
    )  # fmt: skip
