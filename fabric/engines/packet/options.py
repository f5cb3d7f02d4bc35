"""The options of the packet engine, checked."""

from dataclasses import dataclass, field

from fabric.engines.base import EngineError
from fabric.engines.packet.roce_options import RoceOptions
from topology.arguments import flag, integer, shown

WHOLE, CUT_THROUGH = "store-and-forward", "cut-through"

SWITCHING = (WHOLE, CUT_THROUGH)
"""When a switch passes a packet on: when it is there whole, or when its first cell is."""

APART, SHARED = "class", "shared"

BUFFERS = (APART, SHARED)
"""What the buffer at a link's end may be: one for each traffic class, or one for all of them."""


@dataclass(frozen=True)
class PacketOptions:
    """What a user may choose of the packet engine; see `fabric.engines.packet.engine.Packet`."""

    mtu: int
    header: int
    credits: int | None
    cell: int
    seed: int
    buffers: str = APART
    statistics: bool = False
    switching: str = WHOLE
    roce: RoceOptions = field(default_factory=RoceOptions)

    def __post_init__(self) -> None:
        integer(self.mtu, "mtu", 1, 1 << 24)
        integer(self.header, "header", 0, 1 << 16)
        integer(self.cell, "cell", 1, 1 << 24)
        integer(self.seed, "seed", 0)
        flag(self.statistics, "statistics")
        for name, choices in (("buffers", BUFFERS), ("switching", SWITCHING)):
            given = getattr(self, name)
            if given not in choices:
                raise EngineError(f"{name} is {shown(given)}; there are {', '.join(choices)}")
        if self.credits is None:
            return
        integer(self.credits, "credits", 1, 1 << 40)
        if self.credits < self.cells:
            raise EngineError(
                f"credits is {self.credits}, but a packet of {self.mtu} bytes with a header of"
                f" {self.header} fills {self.cells} cells of {self.cell}: {self.cells} or more are"
                " possible, or None for no limit"
            )

    @property
    def cells(self) -> int:
        """The cells of the largest packet."""
        return -(-(self.mtu + self.header) // self.cell)

    @property
    def head(self) -> int:
        """Bytes of a packet that a switch needs to pass it on; 0: all of them."""
        return self.cell if self.switching == CUT_THROUGH else 0
