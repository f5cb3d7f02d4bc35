"""A call that touches memory of an earlier call still under way begins after it.

torch's users know that from NCCL, where the calls of a group are work of one stream: two
asynchronous all-reduces of one tensor give the sum of sums. Calls of a `Communicator` run side by
side, and would read what the other one is about to write.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from collectives.adapters.torch.work import GroupWork

Span = tuple[int, int]
"""The addresses at which memory begins and ends."""

_ENOUGH = 64
"""Calls that are kept before it is asked which of them are over: their users may never wait."""


class Touched(NamedTuple):
    """The memory that a call fills, and what it only reads."""

    written: list[Span]
    read: list[Span]

    def before(self, later: "Touched") -> bool:
        """True if ``later`` must begin after this call: one of them writes shared memory."""
        all_of_it = later.written + later.read
        return _meet(self.written, all_of_it) or _meet(self.read, later.written)


def _meet(some: Sequence[Span], others: Sequence[Span]) -> bool:
    return any(begin < last and first < end for begin, end in some for first, last in others)


def touched(args: Sequence[Any]) -> Touched:
    """The memory that a call with these arguments uses.

    It fills its first tensors, and reads the rest.
    """
    spans = [list(_spans(each)) for each in args if isinstance(each, Tensor | list | tuple)]
    given = [each for each in spans if each]
    return Touched(given[0] if given else [], [span for each in given[1:] for span in each])


def _spans(given: Any) -> Iterator[Span]:
    if isinstance(given, list | tuple):
        for each in given:
            yield from _spans(each)
    elif (
        isinstance(given, Tensor) and given.layout is torch.strided
        and given.device.type == "cpu" and given.numel()
    ):  # fmt: skip
        steps = zip(given.shape, given.stride(), strict=True)
        reach = sum([(length - 1) * step for length, step in steps]) + 1
        begin = given.data_ptr()
        yield begin, begin + reach * given.element_size()


class _OrderedCall:
    """A call that was begun.

    The memory that it touches is computed when first asked for, rarely.
    """

    def __init__(self, work: GroupWork, args: Sequence[Any]) -> None:
        self.work, self._args = work, args

    @cached_property
    def touched(self) -> Touched:
        return touched(self._args)


class CallOrder:
    """The asynchronous collectives of a group that may be under way."""

    def __init__(self) -> None:
        self._open: list[_OrderedCall] = []
        self._room = _ENOUGH

    def await_earlier(self, args: Sequence[Any]) -> None:
        """Wait for earlier calls whose memory a call with these arguments would read or write.

        Raises ``dist.DistBackendError`` if one of them fails.
        """
        if not self._open:
            return
        self._open = [call for call in self._open if not call.work.over]
        if self._open:
            mine = touched(args)
            for call in self._open:
                if call.touched.before(mine):
                    call.work.wait()

    def add(self, work: GroupWork, args: Sequence[Any]) -> None:
        """Add a call that was begun with these arguments."""
        if work.over:
            return
        if len(self._open) >= self._room:
            self._open = [call for call in self._open if not call.work.is_completed()]
            self._room = 2 * len(self._open) + _ENOUGH
        self._open.append(_OrderedCall(work, args))
