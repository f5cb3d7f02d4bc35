"""The messages and copies of one rank's part of a schedule, with real data.

`collectives.algorithms.reference` defines the result, bit for bit.
"""

from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fabric.ranks.execution import Execution, PreparedCall, ended
from fabric.ranks.ready import ReadyStep, Write
from fabric.ranks.wide import CombinedRun, Gather, Spread
from fabric.schedule.step import ScheduleError
from fabric.transports.base import Brief, Bytes, Many, Request, Take, Transport

Buffers = tuple[Bytes, Bytes, Bytes]
"""The bytes of a rank's send, recv and work buffer, at least as long as `ReadyPlan.rooms` says."""


def scheduled(
    call: PreparedCall, transport: Transport, members: tuple[int, ...], tag: int, buffers: Buffers,
    finish: Callable[[], None] | None = None, made: int = 0,
) -> Execution:  # fmt: skip
    """The execution of ``call``: its `PreparedCall.ready` over ``buffers``.

    ``finish``: called when all is over. ``made``: how many messages and copies of those that
    `fabric.ranks.at_once` lists are made already. The rest as in `Execution`.
    """
    return Execution(call, transport, members, tag, _ScheduleMoves(buffers, finish, made))


class _ScheduleMoves:
    """The `Moves` of an execution's `fabric.ranks.ready.ReadyPlan`, over ``buffers``."""

    __slots__ = (
        "_brief", "_buffers", "_call", "_finish", "_made", "_mark", "_members", "_on", "_receiving",
        "_sending", "_tag", "_transport",
    )  # fmt: skip

    def __init__(self, buffers: Buffers, finish: Callable[[], None] | None, made: int) -> None:
        self._buffers, self._finish, self._made = buffers, finish, made

    def __call__(self, on: Execution) -> Generator[None, None, None]:
        self._on, self._call, self._mark = on, on.call, on.mark
        self._transport, self._members, self._tag = on.transport, on.members, on.tag
        self._brief: Brief | None = getattr(on.transport, "brief", None)
        self._receiving, self._sending = receiving, sending = on.receiving, on.sending
        stages, posted, used = on.call.ready.stages, 0, 0
        for number, stage in enumerate(stages):
            source = self._aside(stage) if stage.staged else self._buffers[stage.reads]
            if stage.sends or stage.spread is not None:
                self._send(number, stage, source)
            while sending and not on.sent(stage.early):
                yield
            copies, used = stage.copies[used:], 0
            if copies and self._brief is not None and copies[0].size > self._brief.most:
                for write in copies:  # while others come to where they send
                    self._copy(stage, write, source)
                copies = ()
            if posted <= number:
                posted = number + 1
                if stage.direct and self._brief is not None and on.sent(stages[posted].early):
                    used = self._use(self._brief, stages[posted], stage)
                if used < len(stage.receives) or stage.gather is not None:
                    self._receive(number, stage, source, used)
            if (
                receiving and not stage.chains
            ):  # whose receives, too, come before later ones from one peer
                posted = self._ahead(number, posted)
            for write in copies:
                self._copy(stage, write, source)
            if stage.chains:
                yield from self._in_order(number, stage, source)
            while receiving and not on.arrived(number):
                yield
        while sending and not on.sent(len(stages)):
            yield
        if self._finish is not None:
            self._finish()

    def _is_made(self) -> bool:
        """Whether the next move is one of those that are made already, which it then no more is."""
        if not self._made:
            return False
        self._made -= 1
        return True

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
        send, members, tag, mark = self._transport.send, self._members, self._tag, self._mark
        brief = self._brief
        for peer, buffer, at, size in stage.sends:
            data = (source if buffer == stage.reads else self._buffers[buffer])[at : at + size]
            if brief is not None and self._is_made():
                under_way = brief.under_way(members[peer], data)
                if under_way is not None:
                    self._sending.append((number, under_way))
                continue
            if brief is not None and brief.put(members[peer], tag, mark, data):
                continue
            request = send(members[peer], tag, mark, data)
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
        wide, members = cast(Many, self._transport.many), self._members
        return wide.send_many(list(map(members.__getitem__, peers)), self._tag, self._mark, pieces)

    def _use(self, brief: Brief, after: ReadyStep, stage: ReadyStep) -> int:
        """Do with the messages of ``stage`` what ``after`` does: how many came soon enough."""
        until = self._on.until()
        for number, (write, use) in enumerate(zip(stage.receives, stage.direct, strict=True)):
            if self._is_made():
                continue
            if not self._take(brief, after, use, until, write.peer or 0):
                return number
        return len(stage.receives)

    def _receive(self, number: int, stage: ReadyStep, source: Bytes, used: int = 0) -> None:
        until, brief = self._on.until(), self._brief
        for write in stage.receives[used:]:
            if self._is_made():
                continue
            if brief is None or not self._take(brief, stage, write, until, write.peer or 0):
                self._post(number, stage, write)
        if stage.gather is not None:
            self._receive_many(number, stage, stage.gather, source)

    def _take(
        self, brief: Brief, stage: ReadyStep, write: Write, until: float, source: int
    ) -> bool:
        """Take the message of a write if it is there, or comes by ``until``; whether it was.

        ``source``: whose message it is.
        """
        peer = self._members[source]
        piece = brief.take(peer, self._tag, self._mark, write.size, until)
        if piece is None:
            return False
        self._put(stage, write, piece)
        brief.taken(peer)
        return True

    def _receive_many(self, number: int, stage: ReadyStep, gather: Gather, source: Bytes) -> None:
        def take(pieces: list[bytes]) -> None:
            into = self._buffers[stage.writes]
            for at, size, first, last in gather.runs:
                into[at : at + size] = np.frombuffer(b"".join(pieces[first:last]), np.uint8)
            rest = iter(pieces[gather.runs[-1].last :] if gather.runs else pieces)
            for fold in gather.folds:
                self._fold(stage, fold, source, rest)

        wide, members = cast(Many, self._transport.many), self._members
        peers = list(map(members.__getitem__, gather.peers))
        self._receiving.append(
            (number, wide.receive_many(peers, gather.sizes, self._tag, self._mark, take))
        )

    def _ahead(self, number: int, posted: int) -> int:
        """Post the receives of later stages that need not wait for this one: how many are now."""
        stages = self._call.ready.stages
        while posted < len(stages) and stages[posted].early <= number:
            stage = stages[posted]
            if stage.chains or stage.gather is not None or not self._on.sent(stage.early):
                break
            self._receive(posted, stage, self._buffers[stage.reads])
            posted += 1
        return posted

    def _post(self, number: int, stage: ReadyStep, write: Write) -> Request:
        into = self._buffers[stage.writes][write.at : write.at + write.size]
        take = self._combining(into, write) if stage.reduces else into
        peer = self._members[write.peer or 0]
        request = self._transport.receive(peer, self._tag, self._mark, write.size, take)
        if not request.done or request.error is not None:
            self._receiving.append((number, request))
        return request

    def _copy(self, stage: ReadyStep, write: Write, source: Bytes) -> None:
        if self._is_made():
            return
        self._put(stage, write, source[write.source : write.source + write.size])

    def _put(self, stage: ReadyStep, write: Write, piece: Bytes) -> None:
        """Put all the bytes of a write where they belong."""
        into = self._buffers[stage.writes][write.at : write.at + write.size]
        if stage.reduces:
            combine, dtype = self._combiner()
            items = into.view(dtype)
            base = items if write.base is None else self._base(write, dtype)
            with np.errstate(all="ignore"):  # as in `_combining`
                combine(base, piece.view(dtype), out=items)
        else:
            into[:] = piece

    def _base(self, write: Write, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The items of the send buffer that those of a write are combined with."""
        at = write.base or 0
        return self._buffers[0][at : at + write.size].view(dtype)

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
            while not ended(request):
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
        if self._call.combine is None or self._call.dtype is None:
            raise ScheduleError("a step reduces, but nobody has said how")
        return self._call.combine, self._call.dtype

    def _combining(self, into: Bytes, write: Write) -> Take:
        combine, dtype = self._combiner()
        items, itemsize = into.view(dtype), dtype.itemsize
        base = items if write.base is None else self._base(write, dtype)

        def take(at: int, piece: Bytes) -> None:
            part = slice(at // itemsize, (at + piece.size) // itemsize)
            # Sums of small types overflow, and say so by the value.
            with np.errstate(all="ignore"):
                combine(base[part], piece.view(dtype), out=items[part])

        return take
