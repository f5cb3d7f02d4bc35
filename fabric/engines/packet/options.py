"""The options of the packet engine, checked."""

from dataclasses import dataclass

from fabric.engines.base import EngineError
from topology.arguments import integer


@dataclass(frozen=True)
class PacketOptions:
    """What a user may choose of the packet engine; see `fabric.engines.packet.engine.Packet`."""

    mtu: int
    header: int
    credits: int | None
    cell: int
    seed: int

    def __post_init__(self) -> None:
        integer(self.mtu, "mtu", 1, 1 << 24)
        integer(self.header, "header", 0, 1 << 16)
        integer(self.cell, "cell", 1, 1 << 24)
        integer(self.seed, "seed", 0)
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
