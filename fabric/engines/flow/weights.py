"""Weighted sharing, as plain sharing of flows in other units.

A flow of weight w counts its bytes in w bytes: what it has to go and its limit are 1/w of what they
were, and what it loads resources with is w times that. Flows that share a level then get rates in
proportion to their weights, and every time stays the same.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fabric.engines.paths import FlowLoads

_Floats = NDArray[np.float64]


def weighted(loads: FlowLoads, weight: _Floats) -> FlowLoads:
    """The ``loads`` of flows of these weights, float64 [flows], in their units."""
    # With "no limit" among them: where there is one limit only, the solver takes it for none.
    given = np.append(loads.limits[loads.limit] / weight, np.inf)
    limits, limit = np.unique(given, return_inverse=True)
    return replace(
        loads, limit=limit[:-1].astype(np.int32), limits=limits,
        weight=loads.weight * np.repeat(weight, np.diff(loads.entries)),
    )  # fmt: skip
