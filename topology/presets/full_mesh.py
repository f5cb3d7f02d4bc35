"""Racks whose accelerators are a full mesh of two dimensions, and networks that join such racks.

The shape that UB-Mesh (arXiv 2503.20377) and Atlas 950 have in common. Accelerators pass on each
other's traffic there, and endpoints of a `Topology` do not: each has a switch vertex beside it on
the mesh, its UB controller.
"""

import numpy as np

from topology.draft import Draft, count
from topology.errors import TopologyError
from topology.graph import NOWHERE, Ints

PLANES = ("mesh", "racks")
"""In the order in which traffic prefers them: inside a rack, and from rack to rack."""


def racks_of(what: str, npus: int, rows: int, columns: int) -> int:
    """How many racks of ``rows * columns`` hold ``npus``.

    ``what``: the preset, for messages. Raises `ArgumentError` for no integer or too large a number,
    `TopologyError` where the racks are not full.
    """
    npus = count(npus, f"npus of {what}")
    racks, rest = divmod(npus, rows * columns)
    if racks < 1 or rest:
        raise TopologyError(
            f"{what}({npus}): not a multiple of the {rows * columns} NPUs of a rack"
        )
    return racks


def mesh_racks(
    draft: Draft, racks: int, rows: int, columns: int, link: float, hop: float
) -> Ints:  # fmt: skip
    """NPUs [racks, rows * columns], and a link between any two of a row and any two of a column.

    ``link``: bytes per second of each, one way; ``hop``: seconds to go to the next NPU. An NPU is
    ``rackR.npuI`` in row ``I // columns``; its controller ``rackR.npuI.ub``, through which all of
    its traffic on the plane ``mesh`` goes, has the bandwidth of all its links there together. A
    node is a rack.
    """
    size = rows * columns
    rack = np.repeat(np.arange(racks), size)
    names = [f"rack{r}.npu{i}" for r in range(racks) for i in range(size)]
    npus = draft.endpoints(names, "npu", rack, np.arange(racks * size), rack, 0)
    ports = draft.switches([f"{name}.ub" for name in names], "ub-port", rack, NOWHERE, rack, 0)
    draft.connect(npus, ports, "mesh", (rows + columns - 2) * link, 0.0)
    grid = ports.reshape(racks, rows, columns)
    full_mesh(draft, grid, "mesh", link, hop)
    full_mesh(draft, grid.swapaxes(1, 2), "mesh", link, hop)
    return npus.reshape(racks, size)


def full_mesh(
    draft: Draft, members: Ints, plane: str, link: float, hop: float, parallel: int = 1
) -> None:
    """Join any two of ``members`` [..., n] that differ only in the last axis.

    By ``parallel`` links of ``link`` bytes per second each way, ``hop`` seconds each.
    """
    a, b = np.triu_indices(members.shape[-1], 1)
    one, other = (np.repeat(members[..., end], parallel, axis=-1) for end in (a, b))
    draft.connect(one, other, plane, link, hop, hop)


def backplanes(draft: Draft, npus: Ints, planes: int, link: float, hop: float) -> Ints:
    """Backplane switches [racks, planes], and a link of every NPU [racks, size] to each of its own.

    ``rackR.lrsP`` is one logical switch of low radix. ``link``: bytes per second each way.
    """
    racks = np.arange(len(npus))
    names = [f"rack{r}.lrs{p}" for r in racks.tolist() for p in range(planes)]
    rack = np.repeat(racks, planes)
    switches = draft.switches(names, "lrs", rack, NOWHERE, rack, 0).reshape(len(npus), planes)
    draft.connect(npus[:, :, None], switches[:, None, :], "racks", link, hop)
    return switches


def second_layer(
    draft: Draft, below: Ints, uplinks: int, ports: int, link: float, hop: float
) -> None:
    """Switches over ``below`` [racks, planes], apart for each plane, with all of their uplinks.

    ``uplinks`` of each lower switch, of ``link`` bytes per second each way. A plane has the least
    number of switches of ``ports`` ports that divides the uplinks evenly: ``hrsP.C``. One rack has
    none. Raises `TopologyError` where racks are more than ports.
    """
    racks, planes = below.shape
    if racks == 1:
        return
    fitting = (n for n in range(1, uplinks + 1) if uplinks % n == 0)
    chips = next((n for n in fitting if racks * (uplinks // n) <= ports), None)
    if chips is None:
        raise TopologyError(
            f"{racks} racks need switches of {racks} ports or more in the second layer, not {ports}"
        )
    names = [f"hrs{p}.{c}" for p in range(planes) for c in range(chips)]
    above = draft.switches(names, "hrs", supernode=0).reshape(planes, chips)
    each = np.repeat(above, uplinks // chips, axis=-1)
    draft.connect(below[:, :, None], each, "racks", link, hop, hop)
