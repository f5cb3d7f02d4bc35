"""What it costs one rank to send to another, as a matrix: for placing experts by topology."""

import json

import numpy as np

from topology.analysis.pair_costs import pair_costs
from topology.errors import PlacementError
from topology.graph import Floats, Ints
from topology.routing.router import Router
from topology.units import US

MESSAGE = 7680
"""Bytes of a message: a token to an expert as CANN sends it, 7168 channels in INT8 and 512 bytes of
scale (arXiv 2506.12708v2, section 4.2.1)."""

MOST = 4096
"""Ranks of a matrix at most: 16.8 million numbers."""


def rank_costs(router: Router, places: Ints, size: int = MESSAGE) -> Floats:
    """The seconds that ``size`` bytes take from each rank to each other, alone on the wire.

    Float64 [ranks, ranks]; row: sender, 0 on the diagonal. ``places``: the endpoint of each rank.
    It is the latency of the path, and the bytes over the narrowest resource on it. No software's
    costs are in it. Raises `PlacementError` for too many ranks, `RouteError` for ranks without a
    path.
    """
    ranks = len(places)
    if not 1 <= ranks <= MOST:
        raise PlacementError(f"a matrix of the costs of {ranks} ranks; 1 to {MOST} are possible")
    ends = np.asarray(places, np.int32)
    src, dst = np.repeat(ends, ranks), np.tile(ends, ranks)
    latency, byte_time = pair_costs(router, src, dst)
    costs: Floats = (latency + size * byte_time).reshape(ranks, ranks)
    costs[np.diag_indices(ranks)] = 0.0
    return costs


def as_json(costs: Floats) -> str:
    """Costs (seconds) as the JSON that SGLang's ``--eplb-topology`` reads, in microseconds.

    Six digits a number; only their proportions count there.
    """
    rows = np.round(costs / US, 6).tolist()
    return json.dumps({"rank_cost_matrix": rows}, allow_nan=False) + "\n"
