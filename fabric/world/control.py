"""Control: a rank's line to the one authority of its world, over time, calls and failures.

No payload goes here. What a rank tells is a log that may run ahead of the authority: `begin`,
`wait` and `compute` return at once and are sent in batches, so emulated time costs a collective
almost nothing; only `now` waits for an answer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from fabric.schedule.plan import Plan


class Advice(NamedTuple):
    """How to make a collective on the emulated machine.

    ``algorithm``: the fastest, or the one that was asked for; ``ranks_per_node``: what hierarchical
    ones group by; ``operation``: whose endpoint constants count, as in `Fabric.simulate`;
    ``system``: the name of the machine; ``software``: the stack that speaks the operation there.
    """

    algorithm: str
    ranks_per_node: int
    operation: str
    system: str = ""
    software: str = ""


class Machine(NamedTuple):
    """What an operation is timed as: the emulated ``system`` and the ``software`` stack on it."""

    system: str
    software: str

    def __str__(self) -> str:
        return f"{self.system} with {self.software}"


class Control(Protocol):
    """What a communicator asks of the authority; used by one thread of a rank at a time.

    While one waits in `now` or, on paced time, in `wait` or `compute`, others may use the rest.
    """

    rank: int
    size: int

    def exchange(self, mine: Any) -> Sequence[Any]:
        """What every rank of the world brought, in order; all call it equally often. It waits.

        ``mine`` is JSON (in one process: any object). Raises `WorldError`.
        """

    def begin(self, op: int, group: tuple[int, ...], plan: Plan, call: str, operation: str) -> None:
        """The rank comes to its part of a call, at its present emulated time.

        ``op``: names the call, the same number at all its ranks and never used twice. ``group``:
        the world ranks of the plan's ranks, in their order. ``call``: what was called, in words,
        such as ``"all_reduce(sum, float32[1024])"``; calls of one ``op`` whose words differ do
        not fit together, and end the world with a `CallMismatch`. ``operation``: picks the
        endpoint's constants, as in `Fabric.simulate`.
        """

    def wait(self, op: int) -> None:
        """From here on the rank's clock is not before the end of its part of ``op``.

        On virtual time it is only noted. On paced time it returns when the wall clock is there.
        """

    def compute(self, seconds: float) -> None:
        """The rank's clock moves on by so many seconds (on paced time: and the wall clock too)."""

    def now(self) -> float:
        """The rank's clock, in emulated seconds; waits until it is known. Raises `WorldError`."""

    def times(self, op: int) -> tuple[float, float]:
        """When the rank's part of ``op``, for which it has waited, has begun and ended.

        Emulated seconds. It waits for the answer. Raises `WorldError`, also where nobody knows:
        no machine is emulated, or the call was too long ago.
        """

    def mark(self, span: int, name: str | None) -> None:
        """For traces: a span of the rank begins here, called ``name``; or ends, for None."""

    def advise(
        self, op: str, group: tuple[int, ...], size: int, itemsize: int, root: int,
        algorithm: str | None,
    ) -> Advice | None:  # fmt: skip
        """How to make a collective, see `collectives.algorithms.choose.advice`; None where no
        machine is emulated. It waits; the answer is the same at every rank. Raises `WorldError`.

        The authority has the machine and its engine in memory already; each rank would need
        seconds, and as much memory again, to ask them itself.
        """  # noqa: D205

    def blocked(self, op: int | None) -> None:
        """The rank really waits for ``op``: everything noted is sent, so that a deadlock shows.

        None: it waits no more.
        """

    def settle(self) -> None:
        """Return when all ranks have come to every call that this one waits for.

        A rank that is through with its own part may be the only one that thinks so. Raises
        `WorldError`.
        """

    def check(self) -> None:
        """Raise the `WorldError` that has ended the world, if one has; cheap."""

    def fail(self, error: BaseException) -> None:
        """The rank cannot go on: every other rank learns why. Never raises."""

    def leave(self) -> None:
        """The rank's program has ended well: it will make no more calls. Idempotent."""
