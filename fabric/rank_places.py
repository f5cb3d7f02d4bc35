"""Where ranks are placed: a rank table's file, or a list, as endpoints of a topology."""

from pathlib import Path
from typing import TYPE_CHECKING

from topology.errors import TopologyError

if TYPE_CHECKING:
    from topology.graph import Ints, Topology


def places_of(
    placement: str | tuple[int, ...] | None, whole: "Topology", left: "Topology"
) -> "Ints | None":
    """The endpoint of each rank in ``left``, which is ``whole`` without what is taken out.

    Int32 [ranks], None for the accelerators in order. ``placement``: as in `MachineSpec`, in
    endpoints of ``whole``. Raises `TopologyError` if one of them does not exist or is taken out.
    """
    if placement is None:
        return None
    import numpy as np

    places = _of_table(placement, whole) if isinstance(placement, str) else placement
    for rank, at in enumerate(places):
        if not 0 <= at < whole.n_endpoints:
            raise TopologyError(
                f"rank {rank} is placed on endpoint {at}, outside 0..{whole.n_endpoints - 1} of"
                f" {whole.name}"
            )
    return np.array([left.vertex(whole.vertex_names[at]) for at in places], np.int32)


def _of_table(where: str, whole: "Topology") -> "Ints":
    """The endpoints that the rank table at ``where`` names, ``FILE`` or ``FILE:PART``."""
    from topology.formats.rank_table import rank_table

    path, part = where, None
    if not Path(path).exists() and ":" in path:
        path, _, part = path.rpartition(":")
    table = rank_table(path, part)
    try:
        return table.placement(whole)
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None
