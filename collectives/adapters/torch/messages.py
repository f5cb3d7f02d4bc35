"""Messages between two ranks, to oneself and from any rank, and a barrier made of them."""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from collectives.adapters.torch.checks import check_list
from collectives.adapters.torch.work import GroupWork, Pending
from collectives.calls.communicator import Communicator
from collectives.calls.messages import Recv, Send
from collectives.calls.work import Work
from fabric.failure import TimedOut, WorldError

_COME, _GO = -1, -2
"""Tags that nobody else uses: torch's are 0 and above."""

_GRACE = 5.0
"""Seconds that other ranks wait longer than rank 0, to learn from it who is missing."""


_SLICE = 0.1
"""Seconds between two looks whether the world still is, while another thread has to call."""


class Half:
    """One end of a message to oneself, until the other was posted, too.

    ``check``: raises what has ended the world, while it is waited for.
    """

    def __init__(self, words: str, check: Callable[[], None]) -> None:
        self._words, self._check = words, check
        self._met = threading.Event()
        self._work: Work | None = None
        self._watch: Callable[[], None] | None = None

    def meet(self, work: Work) -> None:
        """Set the work that completes this end, once the matching end has been called."""
        self._work = work
        self._met.set()
        if self._watch is not None:
            work.watch(self._watch)

    def wait(self, timeout: float | None = None) -> None:
        """Return when the message has been sent and received.

        ``timeout``: wall seconds, None: no limit. Raises `TimedOut` if the other end is not called
        in that time.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        while not self._met.wait(min(_SLICE, max(end - time.monotonic(), 0.0))):
            self._check()
            if time.monotonic() >= end:
                late = f"the other end was not called within {timeout:.3g} s"
                raise TimedOut(f"{self._words}: {late}")
        if self._work is not None:
            self._work.wait(None if timeout is None else max(end - time.monotonic(), 0.0))

    def done(self) -> bool:
        """True if the message has been sent and received; see `Work.done`."""
        return self._work is not None and self._work.done()

    def times(self) -> tuple[float, float]:
        """Begin and end of the message in emulated seconds.

        Raises `ValueError` without its other end.
        """
        self.wait()
        if self._work is None:
            raise ValueError(f"{self._words}: the other end was not called")
        return self._work.times()

    def watch(self, call: Callable[[], None]) -> None:
        """Have ``call`` called when the message may be over; see `Work.watch`."""
        self._watch = call
        if self._work is not None:
            self._work.watch(call)


def _checked(tensors: list[Tensor], tag: int) -> Tensor:
    check_list("tensors of this rank", tensors, 1)
    tensor = tensors[0]
    if tag < 0:
        raise ValueError(f"tag is {tag}; it has to be an integer from 0 on")
    return tensor


class Messages:
    """The point-to-point calls of a group.

    ``work`` makes a `GroupWork` of what is pending and of the tensors it fills. ``send``, ``recv_``
    and ``recv_any_source_`` have the signatures that torch's dispatcher calls.
    """

    def __init__(
        self, communicator: Communicator, work: Callable[[list[Pending], list[Tensor]], GroupWork]
    ) -> None:
        self._communicator, self._work = communicator, work
        self._own: dict[tuple[bool, int], deque[tuple[Send | Recv, Half]]] = defaultdict(deque)

    def send(self, tensors: list[Tensor], _group: Any, dst: int, tag: int) -> GroupWork:
        """Begin to send a tensor to rank ``dst``."""
        tensor = _checked(tensors, tag)
        if dst == self._communicator.rank:
            return self._to_oneself(tensor, Send(tensor, dst, tag))
        return self._work([self._communicator.isend(tensor, dst, tag)], [tensor])

    def recv_(self, tensors: list[Tensor], _group: Any, src: int, tag: int) -> GroupWork:
        """Begin to receive a tensor from rank ``src``."""
        tensor = _checked(tensors, tag)
        if src == self._communicator.rank:
            return self._to_oneself(tensor, Recv(tensor, src, tag))
        return self._work([self._communicator.irecv(tensor, src, tag)], [tensor])

    def recv_any_source_(self, tensors: list[Tensor], _group: Any, tag: int) -> GroupWork:
        """Begin to receive a tensor from the rank whose message arrives first."""
        tensor = _checked(tensors, tag)
        begun = self._communicator.irecv_any(tensor, tag)
        work = self._work([begun], [tensor])
        work.sender = begun
        return work

    def _to_oneself(self, tensor: Tensor, end: Send | Recv) -> GroupWork:
        """An end of a message to oneself: it begins when the other one is there."""
        sends, rank = isinstance(end, Send), self._communicator.rank
        others = self._own[not sends, end.tag]
        mine = Half(f"rank {rank}: a message to itself, tag {end.tag}", self._communicator.check)
        if others:
            other, half = others.popleft()
            begun = self._communicator.batch([end, other], async_op=True)
            mine.meet(begun)
            half.meet(begun)
        else:
            self._own[sends, end.tag].append((end, mine))
        return self._work([mine], [tensor])

    def monitored_barrier(self, limit: float, everybody: bool) -> None:
        """A barrier that raises, at every rank that arrives, what rank 0 has found.

        In torch's own words.

        ``limit``: seconds; ``everybody``: whether rank 0 waits for all late ranks before it raises.
        """
        communicator, token = self._communicator, torch.zeros(1, dtype=torch.uint8)
        if communicator.rank == 0:
            self._monitor(time.monotonic() + limit, limit, everybody)
            go = [Send(token, rank, _GO) for rank in range(1, communicator.size)]
            communicator.batch(go, timeout=limit)
            return
        try:
            there, back = Send(token, 0, _COME), Recv(torch.zeros_like(token), 0, _GO)
            communicator.batch((there, back), timeout=limit + _GRACE)
        except WorldError as error:
            raise type(error)(
                f"Rank {communicator.rank} successfully reached monitoredBarrier, but received"
                f" errors while waiting for send/recv from rank 0: {error}",
                error.rank,
            ) from error

    def _monitor(self, end: float, limit: float, everybody: bool) -> None:
        communicator = self._communicator
        if limit <= 0:
            communicator.refuse(TimedOut("Rank 0 timed out in monitoredBarrier after 0 ms", 0))
        others, late = range(1, communicator.size), list[int]()
        tokens = torch.zeros(communicator.size, dtype=torch.uint8)
        come = {rank: communicator.irecv(tokens[rank : rank + 1], rank, _COME) for rank in others}
        for rank, work in come.items():
            try:
                work.wait(max(end - time.monotonic(), 0.0))
            except TimedOut:
                late.append(rank)
                if not everybody:
                    break
        if late:
            who = f"Rank{'s' if len(late) > 1 else ''} {', '.join(map(str, late))}"
            what = f"{who} failed to pass monitoredBarrier in {limit * 1000:.0f} ms"
            communicator.refuse(TimedOut(what, late[0]))
