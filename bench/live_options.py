"""``--live`` of a simulation: the option, and what it does not go with.

Nothing heavy is imported before a command runs, so that ``--help`` stays quick.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from bench.options import gathered

if TYPE_CHECKING:
    from bench.view.live.simulated import SimulationPage
    from fabric.fabric import Fabric


@dataclass(frozen=True)
class LiveOptions:
    """Whether a page shows a simulation while it goes on, and whether that waits for a browser."""

    live: bool = False
    live_wait: bool = False

    def check(self, transport: str = "sim") -> None:
        """Raise `click.UsageError` where real ranks run, or for a wait without a page."""
        if self.live_wait and not self.live:
            raise click.UsageError("--live-wait goes with --live")
        if self.live and transport != "sim":
            raise click.UsageError(
                f"--live shows a simulation, and does not go with --transport {transport};"
                " TRIPLANE_LIVE=1 shows real ranks"
            )

    def page(self, fabric: "Fabric", ranks: int) -> "AbstractContextManager[SimulationPage | None]":
        """A context manager during which the page is there; None where none is asked for.

        Raises `click.UsageError` for faults in time, which begin anew with each row.
        """
        if not self.live:
            return nullcontext()
        if fabric.changes:
            raise click.UsageError(
                "--live shows rows one after the other, and faults in time begin with each; it does"
                " not go with --faults"
            )
        from bench.view.live.simulated import simulation_page

        return simulation_page(fabric, ranks, wait=self.live_wait)


live_options: Callable[[Any], Any] = gathered(
    "live",
    LiveOptions,
    click.option("--live", is_flag=True, default=None,
                 help="Serve a page on this host that shows the simulation while it goes on."),
    click.option("--live-wait", is_flag=True, default=None,
                 help="With --live: begin when a browser shows the page."),
)  # fmt: skip
"""Adds --live and --live-wait, which the command gets as ``live``, a `LiveOptions`."""
