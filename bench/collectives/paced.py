"""``bench paced``: whether transfers on paced time arrive when they should, never early."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from bench.machine import stack
from bench.machine_options import machine_options
from bench.new_files import NewFile
from bench.numbers import Positive
from bench.options import FORMATS, parse_bytes
from bench.records import Value, as_text, opened
from collectives import init
from fabric.endpoint.costs import MESSAGE
from fabric.fabric import Fabric
from fabric.launching.current import member
from fabric.launching.launch import launch
from fabric.machine import MachineSpec
from fabric.schedule.step import Step
from topology.units import US

Moments = NDArray[np.float64]
"""[transfers, 2]: the wall clock before a rank's call and after it, in seconds."""

PATIENCE = 60.0
"""Wall seconds over those that all transfers need, after which it is given up."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How late transfers were, in seconds of the wall clock: float64 [transfers].

    Counted from the time at which they should have ended (the later of the two ranks' calls, plus
    the transfer's time on the fabric) to when the call of the later rank returned. So it includes
    what the calls themselves cost on this host. ``early``: how many ends, of both ranks, were
    before that time.
    """

    late: NDArray[np.float64]
    early: int

    def record(self) -> dict[str, Value]:
        """The result as a record, with times in microseconds."""
        median, most = np.percentile(self.late, [50, 99]) / US
        return {
            "early": self.early, "late_median_us": float(median), "late_p99_us": float(most),
            "late_max_us": float(self.late.max()) / US,
        }  # fmt: skip


def main(transfers: int, size: int) -> Moments:
    """The program of a rank: rank 0 sends to rank 1 many times.

    Returns begin and end of each transfer.

    In wall seconds, float64 [transfers, 2].
    """
    with init() as comm:
        data, moments = np.ones(size, np.uint8), np.zeros((transfers, 2))
        call: Callable[..., object] = comm.send if comm.rank == 0 else comm.recv
        call(data, 1 - comm.rank)  # the first one also finds its way
        for row in moments:
            member().control.exchange(None)
            row[0] = time.monotonic()
            call(data, 1 - comm.rank)
            row[1] = time.monotonic()
        return moments


def measure(fabric: Fabric, transport: str, transfers: int, size: int, scale: float) -> Measured:
    """Run the transfers on paced time; ``scale``: wall seconds for each emulated second."""
    needed = lasts(fabric, size) * scale
    sent, received = launch(
        main, 2, fabric, transport, clock="paced", scale=scale, args=(transfers, size),
        timeout=transfers * needed + PATIENCE,
    )  # fmt: skip
    return compared(sent, received, needed)


def compared(sent: Moments, received: Moments, needed: float) -> Measured:
    """How early or late transfers were, from the clocks of both ranks.

    ``sent``, ``received``: begin and end of each, wall seconds [transfers, 2]; ``needed``: the
    seconds that each must take at least.
    """
    due = np.maximum(sent[:, 0], received[:, 0]) + needed
    early = (sent[:, 1] < due).sum() + (received[:, 1] < due).sum()
    return Measured(np.maximum(sent[:, 1], received[:, 1]) - due, int(early))


def lasts(fabric: Fabric, size: int) -> float:
    """Emulated seconds of a transfer of ``size`` bytes between the first two ranks."""
    return fabric.simulate((Step(0, 1, size),), operation=MESSAGE, size=size, ranks=2).duration


def _size(_context: click.Context, _option: click.Parameter, text: str) -> int:
    return parse_bytes(text)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--transfers", type=click.IntRange(1), default=1000, show_default=True, metavar="N")
@click.option("--size", callback=_size, default="1M", show_default=True, help="Of a transfer.")
@click.option("--scale", type=Positive(), default=1000.0,
              show_default=True, help="Wall seconds that an emulated second takes.")  # fmt: skip
@click.option("--transport", type=click.Choice(("inproc", "zmq")), default="zmq",
              show_default=True, help="Ranks are threads, or processes.")  # fmt: skip
@machine_options
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--output", type=NewFile(), metavar="FILE")
def command(
    transfers: int, size: int, scale: float, transport: str, machine: MachineSpec, form: str,
    output: Path | None,
) -> int:  # fmt: skip
    """Transfers on paced time: never early, and how late; 1 where one is early."""
    fabric = machine.build()
    software = stack(fabric, machine, MESSAGE)
    found = measure(fabric, transport, transfers, size, scale)
    emulated = lasts(fabric, size)
    record: dict[str, Value] = {
        "op": MESSAGE, "system": machine.system, "software": software,
        "transport": transport, "transfers": transfers, "size_bytes": size, "scale": scale,
        "time_us": emulated / US, "wall_us": emulated * scale / US, **found.record(),
    }  # fmt: skip
    with opened(output) as file:
        file.write(as_text([record], form, machine))
    return int(found.early > 0)
