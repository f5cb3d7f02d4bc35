"""`Packet`, the engine in which transfers are packets on physical links."""

from collections.abc import Iterable
from contextlib import suppress

from fabric.engines import in_switch
from fabric.engines.account import Account
from fabric.engines.base import (
    CHANGES,
    CLASSES,
    CONTENTION,
    GUARANTEES,
    PACKET_HASH,
    Machine,
    Told,
)
from fabric.engines.columns import windows
from fabric.engines.packet.changing_run import ChangingPacketSimulation
from fabric.engines.packet.options import APART, WHOLE, PacketOptions
from fabric.engines.packet.roce_options import RoceOptions
from fabric.engines.packet.session import PacketSession
from fabric.engines.packet.simulation import PacketSimulation
from fabric.engines.packet.watcher import Watcher
from fabric.schedule.step import Step
from fabric.timeline.value import Timeline
from topology.errors import RouteError

CREDITS = 6553
"""Cells of the buffer at each link's end, for each class: the default of ns-3-UB 1.2.0 for a
virtual lane (SpriteL1207/ns3-ub, commit f462cd0). UB 1.0's own are not published."""

CELL = 160
"""Bytes of a cell: 8 flits of 20 bytes, the default of ns-3-UB and of the UB Base Specification."""

MTU = 4096
"""Bytes of payload of a packet at most, as in ns-3-UB."""

MODELS = frozenset({CONTENTION, CLASSES, CHANGES, GUARANTEES, PACKET_HASH})
"""What it models on every plane, see `fabric.engines.base.Engine.models`."""


class Packet:
    """The `Engine` that sends packets over physical links, with queues and credits.

    ``mtu``: bytes of payload of a packet at most; ``header``: bytes that each has beside it on the
    wire; ``credits``: cells of the buffer at each link's end, for each class, None: no limit;
    ``cell``: bytes of a cell; ``seed``: where taking turns begins; ``buffers``: one of `BUFFERS`,
    "shared" for a buffer at each link's end that all classes have together; ``statistics``: True
    for timelines that say how packets waited, see `fabric.timeline.packets`; ``switching``: one of
    `SWITCHING`: when a switch passes a packet on. The others: see `RoceOptions`. Raises
    `EngineError` for buffers that hold no packet and options that contradict each other,
    `ArgumentError` for values out of range.

    Switches combine and copy data in one switch between all ranks; with RoCE they do not.
    """

    def __init__(
        self, mtu: int = MTU, header: int = 0, credits: int | None = CREDITS, cell: int = CELL,
        seed: int = 0, buffers: str = APART, statistics: bool = False,
        switching: str = WHOLE, roce: str = RoceOptions.roce,
        recovery: str = RoceOptions.recovery, window: int = RoceOptions.window,
        timeout_us: float = RoceOptions.timeout_us,
        reordering: int | None = RoceOptions.reordering, buffer: int = RoceOptions.buffer,
        pfc: bool = RoceOptions.pfc, pfc_xoff: int | None = RoceOptions.pfc_xoff,
        pfc_headroom: int | None = RoceOptions.pfc_headroom, dcqcn: bool = RoceOptions.dcqcn,
        ecn_low: int | None = RoceOptions.ecn_low, ecn_high: int | None = RoceOptions.ecn_high,
        ecn_most: float = RoceOptions.ecn_most, cnp_us: float = RoceOptions.cnp_us,
        alpha_us: float = RoceOptions.alpha_us, rate_us: float = RoceOptions.rate_us,
        rate_bytes: int = RoceOptions.rate_bytes, rounds: int = RoceOptions.rounds,
        gain: float = RoceOptions.gain, increase: float = RoceOptions.increase,
        hyper: float = RoceOptions.hyper, least: float = RoceOptions.least,
    ) -> None:  # fmt: skip
        self.options = PacketOptions(
            mtu, header, credits, cell, seed, buffers, statistics, switching,
            RoceOptions(
                roce, recovery, window, timeout_us, reordering, buffer, pfc, pfc_xoff,
                pfc_headroom, dcqcn, ecn_low, ecn_high, ecn_most, cnp_us, alpha_us, rate_us,
                rate_bytes, rounds, gain, increase, hyper, least,
            ),
        )  # fmt: skip
        switches = frozenset() if self.options.roce.planes else in_switch.MODELS
        self.models = MODELS | switches

    def simulate(
        self, machine: Machine, steps: Iterable[Step], *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """Simulate a schedule; returns a `Timeline`. See `fabric.engines.base.Engine.simulate`."""
        return self._simulate(machine, steps, operation, ranks)

    def watch(
        self, machine: Machine, steps: Iterable[Step], told: Told, *, operation: str = "",
        ranks: int | None = None,
    ) -> Timeline:  # fmt: skip
        """The same, telling what has ended, see `fabric.engines.base.Watchable`.

        It does so some ten times a second of the host. Of a machine that changes on the way, it
        tells once a window.
        """
        return self._simulate(machine, steps, operation, ranks, told)

    def _simulate(
        self, machine: Machine, steps: Iterable[Step], operation: str, ranks: int | None,
        told: Told | None = None,
    ) -> Timeline:  # fmt: skip
        run = (
            ChangingPacketSimulation(machine, operation, ranks, self.options) if machine.changes
            else PacketSimulation(Account(machine, operation, ranks), self.options)
        )  # fmt: skip
        if told is not None:
            run.watcher = Watcher(told)
        for batch, more in windows(steps, len(machine.places), empty=bool(ranks)):
            run.batch(batch, more=more)
        return run.timeline()

    def compile(self, machine: Machine) -> None:
        """Compile all kernels now, or load them; see `fabric.engines.base.Compiles`."""
        with suppress(RouteError):  # of a machine that is cut in two; ranks are told when they ask
            self.simulate(machine, [Step([0, 1], [1, 0], 1)])
        self.session(machine, 2).compile()

    def session(self, machine: Machine, size: int) -> PacketSession:
        """A new session of the first ``size`` ranks; see `fabric.engines.base.Engine.session`."""
        return PacketSession(machine, size, self.options)
