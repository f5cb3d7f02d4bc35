"""What switches do with the bytes of a transfer: combine them with others', or copy them.

NVSwitch chips and InfiniBand's (SHARP) can add up what comes in at several ports, and send one
stream out at several. A schedule says so by two traits of its rows (`fabric.schedule.traits`):
``in_switch``, one of the kinds below, and ``in_switch_ranks``, how many ranks take part, P. The
bytes move, and are combined, as if there were no such trait: by the rank at the end of the row,
which stands in for the switch. Only what links carry and what ranks' software costs is different.
"""

from typing import TypedDict

COMBINED = 1
"""The row is one of P - 1 of its step to one destination, which its switch combines: the link into
the destination carries them once."""

COPIED = 2
"""The row is one of P - 1 of its step from one source, which its switch copies: the link out of the
source carries them once."""

REDUCED = 3
"""The switch combines the row's bytes with those of the other ranks and sends the result to all: a
step of such rows, one from each of P ranks to each other one, which stands in for the switch for a
P-th of all bytes. Each rank's links carry all bytes once out, and the result once in."""

RETURNED = 4
"""The row's bytes came to its destination with an earlier step of rows that are `REDUCED`: nothing
is carried, and nothing waited for but that step."""


class Marks(TypedDict):
    """The two traits of rows that switches do something with, as keywords of `Step`."""

    in_switch: int
    in_switch_ranks: int


def marks(kind: int, ranks: int) -> Marks:
    """The traits of rows of a ``kind`` in which so many ``ranks`` take part."""
    return Marks(in_switch=kind, in_switch_ranks=ranks)
