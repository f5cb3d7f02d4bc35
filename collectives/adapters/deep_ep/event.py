"""The event objects that DeepEP's calls return, and the pending call behind each of them."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import torch

from collectives.calls.work import Work
from collectives.moe.tensors import TokenError


class Arrival:
    """A call under way; until `wait` has returned nobody may read what the call fills.

    ``finish``: called once when its bytes are in, for what is left to do then.
    """

    def __init__(self, work: Work | None = None, finish: Callable[[], None] | None = None) -> None:
        self._work, self._finish = work, finish

    def wait(self) -> None:
        """Return when the call's results have been filled in; raises `WorldError`."""
        if self._work is not None:
            self._work.wait()
        finish, self._finish = self._finish, None
        if finish is not None:
            finish()

    def times(self) -> tuple[float, float]:
        """Begin and end of the call at this rank, in emulated seconds; waits for its end.

        Raises `WorldError` if no machine is emulated.
        """
        self.wait()
        if self._work is None:
            return 0.0, 0.0
        return self._work.times()


class EventHandle:
    """An event on the current stream.

    ``arrival``: the call that it stands for; None if nothing is under way.
    """

    def __init__(self, arrival: Arrival | None = None) -> None:
        self.arrival = arrival

    def current_stream_wait(self) -> None:
        """Return when the event's call is over."""
        if self.arrival is not None:
            self.arrival.wait()


class EventOverlap:
    """What a call returns to be waited for; ``event`` is None if the call is already over.

    ``extra_tensors``: kept alive as long as this object. ``arrival``: the call, for `times`.
    """

    def __init__(
        self, event: EventHandle | None = None,
        extra_tensors: tuple[torch.Tensor | None, ...] | None = None,
        arrival: Arrival | None = None,
    ) -> None:  # fmt: skip
        self.event, self.extra_tensors = event, extra_tensors
        self.arrival = event.arrival if arrival is None and event is not None else arrival
        self.hook_after_wait: Callable[[], Any] | None = None
        self._release = False

    def current_stream_wait(self, release_handle: bool = False) -> None:
        """Return when the call is over; raises `ValueError` if the event stands for no call.

        ``release_handle``: forget the event afterwards.
        """
        if self.event is None:
            raise ValueError("the event is of a call that was waited for already, or of none")
        self.event.current_stream_wait()
        hook, self.hook_after_wait = self.hook_after_wait, None
        if hook is not None:
            hook()
        if release_handle:
            self.event = None

    def register_hook_after_wait(self, hook_after_wait: Callable[[], Any]) -> None:
        """Have ``hook_after_wait`` called after the next wait.

        Raises `ValueError` if there is one already.
        """
        if self.hook_after_wait is not None:
            raise ValueError("a hook is registered already")
        self.hook_after_wait = hook_after_wait

    def times(self) -> tuple[float, float]:
        """Begin and end of the call at this rank, in emulated seconds.

        Not in DeepEP. Raises `ValueError` for the event of no call, and `WorldError` if no machine
        is emulated.
        """
        if self.arrival is None:
            raise ValueError("the event is of no dispatch or combine: it has no times")
        return self.arrival.times()

    def __call__(self, release_handle: bool = False) -> "EventOverlap":
        """Itself, for a ``with`` block; ``release_handle``: as in `current_stream_wait`."""
        self._release = release_handle
        return self

    def __enter__(self) -> "EventOverlap":
        """Itself: what the block does overlaps with the call."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Wait."""
        if self.event is not None:
            self.current_stream_wait(self._release)
        self._release = False


def waited(event: Any, what: str = "previous_event") -> None:
    """Wait for the event that a call was given, called ``what`` in errors.

    ``event``: any type of this module, an event of torch, or None. Raises `TokenError` for others.
    """
    handle = event.event if isinstance(event, EventOverlap) else event
    if isinstance(handle, EventHandle):
        handle.current_stream_wait()
    elif isinstance(handle, torch.Event):
        handle.synchronize()
    elif handle is not None:
        kind = type(handle).__name__
        raise TokenError(
            f"{what} is a {kind}; it has to be an EventOverlap, an EventHandle or None"
        )
