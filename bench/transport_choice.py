"""The choice of a transport on a command line: ours, and any other that is installed."""

import click

TRANSPORTS = ("sim", "inproc", "zmq", "mpi")
"""What ``--transport`` of a benchmark takes: simulated, or a transport of real ranks."""


class TransportChoice(click.Choice[str]):
    """One of ``choices``, or the name of a transport of others that is installed.

    Those are looked for only where a name is none of the choices: it takes 15 ms.
    """

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name of a transport; click reports an unknown one, with all that there are."""
        if value in self.choices:
            return value
        from fabric.transports.base import OURS, transports

        others = (name for name in transports() if name not in OURS)
        return click.Choice((*self.choices, *others)).convert(value, param, ctx)
