"""What of a topology a figure shows, and what it highlights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from topology.graph import Topology

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What of a topology is drawn, and how.

    ``planes``: the numbers of those that are drawn. Over its vertices and links: ``lit`` is what is
    highlighted, ``lost`` what has been taken out. ``title``: the text above the figure.
    """

    topology: Topology
    planes: tuple[int, ...]
    lit: tuple[Mask, Mask]
    lost: tuple[Mask, Mask]
    title: str

    @property
    def highlights(self) -> bool:
        """True if anything is highlighted; then everything else is drawn faintly."""
        return bool(self.lit[0].any() or self.lit[1].any())

    def links(self, plane: int) -> Mask:
        """The links of a plane, as a mask: bool [links]."""
        return np.asarray(self.topology.link_plane == plane)
