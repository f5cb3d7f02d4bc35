"""The trace of running ranks: what each called and computed, and when, in emulated time.

There is a process for each node and a track for each rank: its spans
(`collectives.Communicator.span`), in them what it computed and the calls during which it did
nothing else. Calls that overlap with those, as ``async_op`` ones do, are on tracks below. An arrow
leads from a message's send to its receive. Where the machine has faults in time, marks say when
links broke and when they were back.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fabric.clock.record import COMPUTE, RecordedShare, Stretch
from fabric.endpoint.costs import FREE, Endpoint
from fabric.timeline.faults import marks_until
from fabric.timeline.perfetto.events import Event, arrival, arrow, entry_of, slice_of, track
from fabric.timeline.perfetto.events import write as write_events
from fabric.timeline.perfetto.marks import fault_events
from fabric.timeline.perfetto.tracks import Tracks, assigned, ranks_and_nodes
from topology.units import NS

if TYPE_CHECKING:
    from fabric.clock.emulator import Emulator

MESSAGE = "send_recv("
"""How the words of a message's call begin; its group is the sender and the receiver."""


class _Slice(NamedTuple):
    """A bar on a rank's track, in nanoseconds.

    ``part``: the rank's part of a call, if it shows one.
    """

    rank: int
    name: str
    begin: int
    end: int
    finished: bool = True
    part: RecordedShare | None = None


def write(emulator: "Emulator", path: str | Path) -> None:
    """Write the trace of what ``emulator`` has recorded to the file at ``path``.

    Raises `TraceError` if the file cannot be written.
    """
    about = {
        "system": emulator.fabric.topology.name, "software": emulator.fabric.software.name,
        "clock": emulator.mode, **entry_of(emulator.fabric.described),
    }  # fmt: skip
    write_events(_events(emulator), path, about)


def _events(emulator: "Emulator") -> Iterator[Event]:
    tracks = Tracks(emulator.fabric.topology.node, emulator.fabric.places[: emulator.size])
    yield from ranks_and_nodes(tracks, range(emulator.size))
    done, calls = _recorded(emulator)
    layer_of: dict[tuple[int, int], int] = {}
    for rank in range(emulator.size):
        layers = _laid(done[rank], calls[rank])
        for layer in range(1, len(layers)):
            yield from track(*tracks.of(rank, layer), f"rank {rank} meanwhile")
        for layer, slices in enumerate(layers):
            for one in slices:
                yield _event(one, tracks.of(rank, layer), emulator.software)
                if one.part is not None:
                    layer_of[rank, one.part.op] = layer
    yield from _arrows(calls, layer_of, tracks)
    over = max((one.end for of in (done, calls) for mine in of.values() for one in mine), default=0)
    marks = marks_until(emulator.fabric.changes, over * NS)
    yield from fault_events(marks, tracks.last_process + 1)


def _recorded(
    emulator: "Emulator",
) -> tuple[Mapping[int, Sequence[_Slice]], Mapping[int, Sequence[_Slice]]]:
    """By rank: spans and computing; and calls. What has not ended lasts until the latest time.

    Calls are numbered in the order in which they began: the ranks' own numbers are long.
    """
    parts, record = _numbered(emulator.recorded()), emulator.record
    done: dict[int, list[_Slice]] = defaultdict(list)
    calls: dict[int, list[_Slice]] = defaultdict(list)
    if record is None:
        return done, calls
    clocks = [emulator.clock(rank) for rank in range(emulator.size)]
    known = [part.begin if part.end is None else part.end for part in parts]
    known += [one.begin if one.end is None else one.end for one in record.stretches]
    over = max([0.0, *clocks, *known])

    def slice_(what: Stretch | RecordedShare, name: str, call: RecordedShare | None) -> _Slice:
        end = over if what.end is None else what.end
        return _Slice(what.rank, name, _grid(what.begin), _grid(end), what.end is not None, call)

    for one in list(record.stretches):
        done[one.rank].append(slice_(one, one.name, None))
    for part in parts:
        calls[part.rank].append(slice_(part, part.words, part))
    return done, calls


def _numbered(parts: Sequence[RecordedShare]) -> list[RecordedShare]:
    began: dict[int, float] = {}
    for part in parts:
        began[part.op] = min(part.begin, began.get(part.op, part.begin))
    order = sorted(began, key=lambda op: (began[op], op))
    number = {op: at for at, op in enumerate(order)}
    return sorted((part._replace(op=number[part.op]) for part in parts), key=lambda part: part.op)


def _grid(seconds: float) -> int:
    return round(seconds / NS)


def _laid(done: Sequence[_Slice], calls: Sequence[_Slice]) -> list[list[_Slice]]:
    """What goes onto the rank's own track, and onto each of those below it."""
    own, others = _nested(done)
    fitting, late = _between(own, calls)
    others += late
    owner = np.zeros(len(others), np.int64)
    columns = (np.array([getattr(s, end) for s in others], np.int64) for end in ("begin", "end"))
    layer = assigned(owner, *columns).tolist()
    layers: list[list[_Slice]] = [own + fitting, *([] for _ in range(max(layer, default=-1) + 1))]
    for at, one in zip(layer, others, strict=True):
        layers[at + 1].append(one)
    for slices in layers:  # of slices that begin together, the outer one has to come first
        slices.sort(key=_outer_first)
    return layers


def _outer_first(one: _Slice) -> tuple[int, int]:
    return one.begin, -one.end


def _nested(slices: Iterable[_Slice]) -> tuple[list[_Slice], list[_Slice]]:
    """Slices of which any two nest or lie apart, and the others: several threads may make some."""
    fits: list[_Slice] = []
    others: list[_Slice] = []
    around: list[int] = []
    for one in sorted(slices, key=_outer_first):
        while around and around[-1] <= one.begin:
            around.pop()
        if around and around[-1] < one.end:
            others.append(one)
        else:
            fits.append(one)
            around.append(one.end)
    return fits, others


def _between(own: Sequence[_Slice], calls: Iterable[_Slice]) -> tuple[list[_Slice], list[_Slice]]:
    """The calls in whose time nothing of ``own`` begins or ends, nor another call; the others."""
    edges = sorted(edge for one in own for edge in (one.begin, one.end))
    busy = sorted((one.begin, one.end) for one in own if one.name == COMPUTE)
    fits: list[_Slice] = []
    others: list[_Slice] = []
    free = 0
    for call in sorted(calls, key=_outer_first):
        at = bisect_left(busy, (call.end, 0)) - 1  # the last that begins before the call ends
        computes = at >= 0 and busy[at][1] > call.begin
        crossed = bisect_right(edges, call.begin) < bisect_left(edges, call.end)
        if computes or crossed or call.begin < free:
            others.append(call)
        else:
            fits.append(call)
            free = call.end
    return fits, others


def _event(one: _Slice, where: tuple[int, int], software: Endpoint) -> Event:
    about: dict[str, object] = {} if one.finished else {"unfinished": True}
    if one.part is not None:
        about |= {"call": one.part.op, "ranks": len(one.part.group)}
        if one.part.operation != FREE:
            about["software"] = software.stack(one.part.operation)
    return slice_of(where, one.name, one.begin, one.end, **about)


def _arrows(
    calls: Mapping[int, Sequence[_Slice]], layer_of: Mapping[tuple[int, int], int], tracks: Tracks
) -> Iterator[Event]:
    sent = {
        one.part.op: one
        for one in chain.from_iterable(calls.values())
        if one.part and one.part.position == 0 and len(one.part.group) == 2
        and one.name.startswith(MESSAGE)
    }  # fmt: skip
    number = 0
    for into in chain.from_iterable(calls.values()):
        part = into.part
        if part is None or part.position != 1 or part.op not in sent:
            continue
        out = sent[part.op]
        if into.finished and out.begin < out.end and into.begin < into.end:
            number += 1
            start = tracks.of(out.rank, layer_of[out.rank, part.op])
            target = tracks.of(into.rank, layer_of[into.rank, part.op])
            yield arrival(target, into.end - 1)
            yield from arrow(number, "message", start, out.begin, target, into.end - 1)
