"""How a world goes on after the loss of ranks: what its authority tells the others, and its clock.

`fabric.world.survival` decides which calls fail; here the register of calls, the emulator and the
ranks learn of it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fabric.endpoint.costs import FREE
from fabric.failure import RankLost
from fabric.schedule.plan import Plan
from fabric.world.messages import Agree, Agreed, Committed, Doomed, End, FromWorld, Gone, TakenIn
from fabric.world.register import CallRegister
from fabric.world.survival import GENERATION, Survival, after

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator

SHRINK = "shrink()"
"""What an agreement is called in errors and traces."""

GROW = "grow()"
"""What the moment is called in traces at which spares join."""


class GoingOn:
    """Keeps a world of ``size`` ranks going, the last of them ``spares``.

    ``register``: its calls; ``emulator``: its time, None if no machine is emulated. ``reply``:
    called with each rank and message that is to be sent.
    """

    def __init__(
        self, size: int, register: CallRegister, emulator: "Emulator | None",
        reply: Callable[[int, FromWorld], None], spares: int = 0,
    ) -> None:  # fmt: skip
        self.size = size
        self._survival = Survival(size, spares)
        self._tokens: dict[int, int] = {}  # of spares that wait: their questions
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
        self._survival.idle.discard(rank)
        if self._emulator is not None:
            if self._tokens.pop(rank, None) is not None:
                self._emulator.release(rank)
            self._emulator.lose(rank)
        asked = self._asking.pop(rank, None)
        if asked is not None and self._emulator is not None:
            self._emulator.excuse(asked, rank)
        for call in self._register.open_calls().values():
            if call.words == SHRINK and rank in call.group:
                call.group = tuple(one for one in call.group if one != rank)
        self._out(rank, self._survival.lose(rank, error))
        for other in range(self.size):
            if other not in self._survival.lost:
                self._reply(other, Gone(rank, str(error)))
        self._reply(rank, End(RankLost.__name__, str(error), rank))
        self._decide()
        self._dismiss()

    def idle(self, rank: int, token: int) -> None:
        """``rank``, a spare, waits until a group takes it in."""
        self._tokens[rank] = token
        self._survival.idle.add(rank)
        if self._emulator is not None:
            self._emulator.set_aside(rank)
        self._decide()
        self._dismiss()

    def _dismiss(self) -> None:
        """Tell the spares that nobody needs them, if all others are lost or have ended."""
        idle = self._survival.idle
        if idle and len(idle) + len(self._survival.lost) == self.size:
            for rank in sorted(idle):
                self._reply(rank, TakenIn(self._tokens[rank], (), 0))
            idle.clear()

    def agree(self, rank: int, ask: Agree) -> None:
        """``rank`` wants to know who of a group is left, and waits for that."""
        if self._emulator is not None:
            self._emulator.stop(rank, None, after(ask.op))
        self._out(rank, self._survival.ask(rank, ask.op, ask.group, ask.places))
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
            self._register.open_calls().pop(agreed.op, None)
            if self._emulator is not None:
                self._emulator.settle(agreed.op, decision.absent)
                self._meet(agreed, self._emulator)
            for rank in agreed.members:
                self._register.blocked.pop(rank, None)
                self._asking.pop(rank, None)
                if rank in agreed.joined:
                    token = self._tokens.pop(rank)
                    self._reply(rank, TakenIn(token, agreed.members, agreed.generation))
                else:
                    self._reply(rank, agreed)

    def _meet(self, agreed: Agreed, emulator: "Emulator") -> None:
        """Those who join do so when the agreement is over: a call of all in which nothing moves."""
        if not agreed.joined:
            return
        members, op = agreed.members, (agreed.generation + 1) * GENERATION - 1
        for place, rank in enumerate(members):
            if rank in agreed.joined:
                emulator.release(rank)
            emulator.called(op, GROW)
            emulator.begin(rank, op, members, Plan(place, len(members), ()).rows, FREE)
            emulator.wait(rank, op)

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
        self._register.open_calls().pop(op, None)
        error, told = self._survival.doom(op, culprit, rank)
        for each in told:
            self._reply(each, Doomed(op, str(error), error.rank or 0))
