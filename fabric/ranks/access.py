"""An access to registered memory, as a call in progress that its target makes no part of."""

from collections.abc import Callable, Generator

from fabric.ranks.execution import Execution, PreparedCall
from fabric.ranks.ready import ReadyPlan
from fabric.schedule.plan import Plan
from fabric.transports.base import Transport
from fabric.world.messages import Access
from fabric.world.rank_control import RankControl

_NO_PLAN = Plan(0, 1, ())
_NOTHING_READY = ReadyPlan((), (0, 0, 0))


class AccessExecution(Execution):
    """The execution of an ``access``: it moves its own bytes, and sends no messages.

    ``store``: puts the bytes that it writes where they belong, before the authority learns of it:
    who is told of what follows finds them there.
    """

    __slots__ = ("_access", "_store")

    def __init__(
        self, access: Access, transport: Transport, store: Callable[[], None] | None
    ) -> None:
        call = PreparedCall(access.words, _NO_PLAN, _NOTHING_READY)
        super().__init__(call, transport, (), access.op, _over)
        self._access, self._store = access, store

    def begin(self, control: RankControl, waits: bool = False) -> None:
        """Move the bytes that it writes, and tell the authority that it begins, but of no wait."""
        if self._store is not None:
            self._store()
        control.access(self._access)


def _over(_on: Execution) -> Generator[None, None, None]:
    yield from ()
