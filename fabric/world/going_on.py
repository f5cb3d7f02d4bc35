"""How a world goes on after the loss of ranks: what its authority tells the others, and its clock.

`fabric.world.survival` decides which calls fail; here the register of calls, the emulator and the
ranks learn of it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fabric.endpoint.costs import FREE
from fabric.failure import RankLost
from fabric.schedule.plan import Plan
from fabric.world.messages import Agree, Committed, Doomed, End, FromWorld, Gone
from fabric.world.register import CallRegister
from fabric.world.survival import Survival, after

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator

SHRINK = "shrink()"
"""What an agreement is called in errors and traces."""


class GoingOn:
    """Keeps a world of ``size`` ranks going.

    ``register``: its calls; ``emulator``: its time, None if no machine is emulated. ``reply``:
    called with each rank and message that is to be sent.
    """

    def __init__(
        self, size: int, register: CallRegister, emulator: "Emulator | None",
        reply: Callable[[int, FromWorld], None],
    ) -> None:  # fmt: skip
        self.size = size
        self._survival = Survival(size)
        self._register, self._emulator, self._reply = register, emulator, reply
        self._asking: dict[int, int] = {}  # who waits in which agreement

    @property
    def nobody(self) -> bool:
        """Whether no rank is left."""
        return len(self._survival.lost) == self.size

    def begin(self, rank: int, op: int, group: tuple[int, ...]) -> None:
        """``rank`` begins a call, of which the emulator knows already."""
        for number, culprit in enumerate(self._survival.begin(rank, op, group)):
            self._doom(op, culprit, None if number else rank)

    def completed(self, rank: int, op: int) -> None:
        """All bytes of a rank's part of a call have moved."""
        for each in self._survival.complete(rank, op):
            self._reply(each, Committed(op))

    def stopped(self, rank: int, op: int, floor: int) -> None:
        """``rank`` has learned of a loss in ``op``: it takes no part in calls below ``floor``."""
        if self._emulator is not None:
            self._emulator.stop(rank, op, floor)
        self._out(rank, self._survival.stop(rank, floor))

    def lose(self, rank: int, error: RankLost) -> None:
        """``rank`` is lost; what others get to see of it is ``error``."""
        if self._emulator is not None:
            self._emulator.lose(rank)
        asked = self._asking.pop(rank, None)
        if asked is not None and self._emulator is not None:
            self._emulator.excuse(asked, rank)
        for call in self._register.open.values():
            if call.words == SHRINK and rank in call.group:
                call.group = tuple(one for one in call.group if one != rank)
        self._out(rank, self._survival.lose(rank, error))
        for other in range(self.size):
            if other not in self._survival.lost:
                self._reply(other, Gone(rank, str(error)))
        self._reply(rank, End(RankLost.__name__, str(error), rank))
        self._decide()

    def agree(self, rank: int, ask: Agree) -> None:
        """``rank`` wants to know who of a group is left, and waits for that."""
        if self._emulator is not None:
            self._emulator.stop(rank, None, after(ask.op))
        self._out(rank, self._survival.ask(rank, ask.op, ask.group))
        call, _ = self._register.register(rank, ask.op, ask.group, SHRINK)
        call.group = tuple(one for one in ask.group if one not in self._survival.lost)
        self._register.blocked[rank] = self._asking[rank] = ask.op
        call.waiting.add(rank)
        if self._emulator is not None:
            place = ask.group.index(rank)
            rows = Plan(place, len(ask.group), ()).rows
            self._emulator.begin(rank, ask.op, ask.group, rows, FREE, ask.at)
            self._emulator.wait(rank, ask.op)
        self._decide()

    def _decide(self) -> None:
        for decision in self._survival.decide():
            agreed = decision.agreed
            self._register.open.pop(agreed.op, None)
            if self._emulator is not None:
                self._emulator.settle(agreed.op, decision.absent)
            for rank in agreed.members:
                self._register.blocked.pop(rank, None)
                self._asking.pop(rank, None)
                self._reply(rank, agreed)

    def _out(self, rank: int, missed_in: list[int]) -> None:
        for op in missed_in:
            self._doom(op, rank)
        for op in self._survival.forget():
            if self._emulator is not None:
                self._emulator.forget(op)

    def _doom(self, op: int, culprit: int, rank: int | None = None) -> None:
        """A call fails because of ``culprit``; ``rank`` has begun it when it was doomed already."""
        if self._emulator is not None:
            self._emulator.doom(op, culprit)
        self._register.open.pop(op, None)
        error, told = self._survival.doom(op, culprit, rank)
        for each in told:
            self._reply(each, Doomed(op, str(error), error.rank or 0))
