"""One rank's part of a schedule with real data, over a transport.

`Execution` runs a `fabric.ranks.ready.ReadyPlan` as a state machine: `advance` does what can be
done and returns, so one thread runs many of them. `collectives.algorithms.reference` defines the
result, bit for bit.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any, NamedTuple, cast
from zlib import crc32

import numpy as np

from fabric.failure import WorldError
from fabric.ranks.ready import ReadyPlan, ReadyStep, Write
from fabric.ranks.wide import CombinedRun, Gather, Spread
from fabric.schedule.plan import Plan
from fabric.schedule.step import ScheduleError
from fabric.transports.base import Bytes, Many, Request, Take, Transport
from fabric.world.rank_control import RankControl


class PreparedCall(NamedTuple):
    """A call prepared for execution, the same whenever the call is made again.

    ``words``: what it is to all its ranks; ``plan``, ``operation``: see `RankControl.begin`;
    ``combine`` and ``dtype``: how items become one, for steps that reduce; ``average``: by how
    many ranks who made it divides the result, or 0.
    """

    words: str
    plan: Plan
    ready: ReadyPlan
    operation: str = ""
    combine: np.ufunc | None = None
    dtype: np.dtype[Any] | None = None
    average: int = 0


class Execution:
    """A call in progress. ``done`` once all is sent and received, or ``error`` says why not.

    ``members``: the world rank of each rank of the plan. ``tag``: of its messages; their mark is a
    hash of the words. ``buffers``: the bytes of the rank's send, recv and work buffer, at least as
    long as `ReadyPlan.rooms` says. ``finish``: called when all is over. ``noted``: whether the
    authority knows that the rank waits for it, see `fabric.ranks.driver`. ``watch``: called,
    perhaps more than once, when ``done`` or ``error`` is set, by the thread that makes progress; it
    must be quick, and must not make calls. ``timed``: whether the authority times it, as the call
    ``tag``.
    """

    timed = True

    __slots__ = (
        "_buffers", "_finish", "_mark", "_receiving", "_sending", "_steps", "_transport", "call",
        "done", "error", "members", "noted", "tag", "watch",
    )  # fmt: skip

    def __init__(
        self,
        call: PreparedCall,
        transport: Transport,
        members: tuple[int, ...],
        tag: int,
        buffers: tuple[Bytes, Bytes, Bytes],
        finish: Callable[[], None] | None = None,
    ) -> None:
        self.call, self.members, self.tag = call, members, tag
        self._transport, self._buffers, self._finish = transport, buffers, finish
        self._mark = crc32(call.words.encode())
        # With the number of the stage that each is of, in the order in which they were posted.
        self._receiving: deque[tuple[int, Request]] = deque()
        self._sending: deque[tuple[int, Request]] = deque()
        self.done = self.noted = False
        self.error: BaseException | None = None
        self.watch: Callable[[], None] | None = None
        self._steps = self._run()

    def begin(self, control: RankControl) -> None:
        """Tell the authority that the rank begins its part of the call."""
        call = self.call
        control.begin(self.tag, self.members, call.plan, call.words, call.operation)

    def advance(self) -> bool:
        """Do what can be done now; returns True when everything is over.

        Raises the error of the call.
        """
        if self.done:
            return True
        if self.error is not None:
            raise self.error
        try:
            for _ in self._steps:
                return False
        except BaseException as error:
            self.error = error
            self._ended()
            raise
        self.done = True
        self._ended()
        return True

    def stop(self, error: BaseException) -> None:
        """Stop the call with ``error``, and release its buffers."""
        if not self.done:
            self.error = self.error or error
            self._steps.close()
            self._ended()

    def refused(self) -> WorldError | None:
        """The error of any message in progress, None if there is none.

        Such a message may be queued behind others that never arrive.
        """
        requests = (request for _, request in (*self._receiving, *self._sending))
        return next((request.error for request in requests if request.error is not None), None)

    def missing(self) -> tuple[list[int], list[int]]:
        """Two lists: ranks whose messages are missing, ranks that lack this one's."""
        come, taken = (
            sorted({peer for _, request in requests for peer in request.missing()})
            for requests in (self._receiving, self._sending)
        )
        return come, taken

    def _ended(self) -> None:
        if self.watch is not None:
            self.watch()

    def _run(self) -> Generator[None, None, None]:
        stages, posted = self.call.ready.stages, 0
        receiving, sending = self._receiving, self._sending
        for number, stage in enumerate(stages):
            source = self._aside(stage) if stage.staged else self._buffers[stage.reads]
            self._send(number, stage, source)
            while sending and not self._taken(stage.early):
                yield
            if posted <= number:
                self._receive(number, stage, source)
                posted = number + 1
            if not stage.chains:  # whose receives, too, come before later ones from one peer
                posted = self._ahead(number, posted)
            for write in stage.copies:
                self._copy(stage, write, source)
            if stage.chains:
                yield from self._in_order(number, stage, source)
            while receiving and not self._come(number):
                yield
        while sending and not self._taken(len(stages)):
            yield
        if self._finish is not None:
            self._finish()

    def _aside(self, stage: ReadyStep) -> Bytes:
        """What the stage reads, where no write of it can reach."""
        buffer = self._buffers[stage.reads]
        aside = np.empty_like(buffer)
        local = (w for w in (*stage.copies, *chain(*stage.chains)) if w.peer is None)
        folds = stage.gather.folds if stage.gather is not None else ()
        for at, size in (
            *((s.at, s.size) for s in stage.sends if s.buffer == stage.reads),
            *((w.source, w.size) for w in local),
            *((own, fold.size) for fold in folds for own in fold.sources if own >= 0),
        ):
            aside[at : at + size] = buffer[at : at + size]
        return aside

    def _send(self, number: int, stage: ReadyStep, source: Bytes) -> None:
        send, members, tag, mark = self._transport.send, self.members, self.tag, self._mark
        for peer, buffer, at, size in stage.sends:
            data = source if buffer == stage.reads else self._buffers[buffer]
            request = send(members[peer], tag, mark, data[at : at + size])
            if not request.done or request.error is not None:
                self._sending.append((number, request))
        if stage.spread is not None:
            self._sending.append((number, self._send_many(stage.spread)))

    def _send_many(self, spread: Spread) -> Request:
        peers, buffer, begin, end, first, last = spread
        data = self._buffers[buffer][begin:end].tobytes()
        pieces = (
            [data[a:b] for a, b in zip(first, last, strict=True)] if first else [data] * len(peers)
        )
        wide, members = cast(Many, self._transport.many), self.members
        return wide.send_many(list(map(members.__getitem__, peers)), self.tag, self._mark, pieces)

    def _taken(self, number: int) -> bool:
        """Whether the sends of the stages before that one are done."""
        sending = self._sending
        while sending and sending[0][0] < number:
            if not _ended(sending[0][1]):
                return False
            sending.popleft()
        return True

    def _come(self, number: int) -> bool:
        """Whether the receives of the stages up to that one are done."""
        receiving = self._receiving
        while receiving and receiving[0][0] <= number:
            if not _ended(receiving[0][1]):
                return False
            receiving.popleft()
        return True

    def _receive(self, number: int, stage: ReadyStep, source: Bytes) -> None:
        for write in stage.receives:
            self._post(number, stage, write)
        if stage.gather is not None:
            self._receive_many(number, stage, stage.gather, source)

    def _receive_many(self, number: int, stage: ReadyStep, gather: Gather, source: Bytes) -> None:
        def take(pieces: list[bytes]) -> None:
            into = self._buffers[stage.writes]
            for at, size, first, last in gather.runs:
                into[at : at + size] = np.frombuffer(b"".join(pieces[first:last]), np.uint8)
            rest = iter(pieces[gather.runs[-1].last :] if gather.runs else pieces)
            for fold in gather.folds:
                self._fold(stage, fold, source, rest)

        wide, members = cast(Many, self._transport.many), self.members
        peers = list(map(members.__getitem__, gather.peers))
        self._receiving.append(
            (number, wide.receive_many(peers, gather.sizes, self.tag, self._mark, take))
        )

    def _ahead(self, number: int, posted: int) -> int:
        """Post the receives of later stages that need not wait for this one: how many are now."""
        stages = self.call.ready.stages
        while posted < len(stages) and stages[posted].early <= number:
            stage = stages[posted]
            if stage.chains or stage.gather is not None or not self._taken(stage.early):
                break
            self._receive(posted, stage, self._buffers[stage.reads])
            posted += 1
        return posted

    def _post(self, number: int, stage: ReadyStep, write: Write) -> Request:
        into = self._buffers[stage.writes][write.at : write.at + write.size]
        take = self._combining(into, write) if stage.reduces else into
        peer = self.members[write.peer or 0]
        request = self._transport.receive(peer, self.tag, self._mark, write.size, take)
        if not request.done or request.error is not None:
            self._receiving.append((number, request))
        return request

    def _copy(self, stage: ReadyStep, write: Write, source: Bytes) -> None:
        into = self._buffers[stage.writes][write.at : write.at + write.size]
        piece = source[write.source : write.source + write.size]
        if stage.reduces:
            self._combining(into, write)(0, piece)
        else:
            into[:] = piece

    def _in_order(self, number: int, stage: ReadyStep, source: Bytes) -> Iterator[None]:
        running = [self._chain(number, stage, chain, source) for chain in stage.chains]
        while running := [chain for chain in running if next(chain, True) is None]:
            yield

    def _chain(
        self, number: int, stage: ReadyStep, chain: tuple[Write, ...], source: Bytes
    ) -> Iterator[None]:
        """One write after the other; a message before its turn waits in the transport."""
        for write in chain:
            if write.peer is None:
                self._copy(stage, write, source)
                continue
            request = self._post(number, stage, write)
            while not _ended(request):
                yield

    def _fold(
        self, stage: ReadyStep, fold: CombinedRun, source: Bytes, pieces: Iterator[bytes]
    ) -> None:
        """One write after the other; those of other ranks are the next of ``pieces`` each."""
        at, size, base, sources = fold
        data = b"".join(
            next(pieces) if own < 0 else source[own : own + size].tobytes() for own in sources
        )
        into = self._buffers[stage.writes][at : at + size]
        if not stage.reduces:
            into[:] = np.frombuffer(data, np.uint8)[len(data) - size :]  # the last one stays
        elif size:
            combine, dtype = self._combiner()
            items = into.view(dtype)
            first = items if base is None else self._buffers[0][base : base + size].view(dtype)
            with np.errstate(all="ignore"):  # as in `_combining`
                for brought in np.frombuffer(data, dtype).reshape(-1, items.size):
                    combine(first, brought, out=items)

    def _combiner(self) -> tuple[np.ufunc, np.dtype[Any]]:
        if self.call.combine is None or self.call.dtype is None:
            raise ScheduleError("a step reduces, but nobody has said how")
        return self.call.combine, self.call.dtype

    def _combining(self, into: Bytes, write: Write) -> Take:
        combine, dtype = self._combiner()
        items, itemsize = into.view(dtype), dtype.itemsize
        base = items
        if write.base is not None:
            base = self._buffers[0][write.base : write.base + write.size].view(dtype)

        def take(at: int, piece: Bytes) -> None:
            part = slice(at // itemsize, (at + piece.size) // itemsize)
            # Sums of small types overflow, and say so by the value.
            with np.errstate(all="ignore"):
                combine(base[part], piece.view(dtype), out=items[part])

        return take


def _ended(request: Request) -> bool:
    if request.error is not None:
        raise request.error
    return request.done
