"""Events: a trace as JSON in the Trace Event Format, one event a line.

The format is Google's "Trace Event Format"; what Perfetto makes of it is in its
``src/trace_processor/importers/json``: time in nanoseconds, slices of one track must nest, the end
of an arrow is in the slice that began last on its track, and of the two slices the one that began
first is taken for the arrow's start. Numbers here are such nanoseconds, int.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topology.errors import TriplaneError
from topology.files.output import text_file
from topology.units import NS

Event = Mapping[str, Any]

ARRIVAL = "received"
"""The name of the slices in which arrows end."""


class TraceError(TriplaneError):
    """A trace cannot be written."""


def nanoseconds(seconds: ArrayLike) -> NDArray[np.int64]:
    """``seconds`` rounded to whole nanoseconds, int64, the time grid of a trace."""
    return np.rint(np.asarray(seconds, np.float64) / NS).astype(np.int64)


def stamp(time: int) -> float:
    """``time`` in nanoseconds as a trace stores it: in microseconds, a float.

    Perfetto cuts off fractions of a nanosecond, so the float is rounded up where it would be too
    low.
    """
    value = time / 1000.0
    while int(value * 1000.0) < time:
        value = float(np.nextafter(value, np.inf))
    return value


def process(pid: int, name: str, place: int) -> Iterator[Event]:
    """The events that name a process and give its place in the order of display."""
    yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": place}}


def track(pid: int, tid: int, name: str) -> Iterator[Event]:
    """The events that name a track of a process; tracks are shown in the order of their numbers."""
    yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
    yield {
        "ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid,
        "args": {"sort_index": tid},
    }  # fmt: skip


def slice_of(where: tuple[int, int], name: str, begin: int, end: int, **args: object) -> Event:
    """The event of something that takes time, from ``begin`` to ``end`` (ns).

    ``where``: (process, track). ``args``: details that viewers show.
    """
    return {
        "ph": "X", "pid": where[0], "tid": where[1], "name": name, "ts": stamp(begin),
        "dur": stamp(max(end - begin, 0)), "args": args,
    }  # fmt: skip


def arrival(where: tuple[int, int], time: int) -> Event:
    """The slice in which an arrow ends, at ``time`` (ns), on track ``where``.

    It lasts 1 ns, so that at its time it is the slice that began last, which Perfetto binds arrows
    to.
    """
    return slice_of(where, ARRIVAL, time, time + 1)


def arrow(
    number: int, name: str, start: tuple[int, int], begin: int, target: tuple[int, int], end: int
) -> Iterator[Event]:
    """An arrow from the slice that begins at ``begin`` to the `arrival` at ``end`` (ns).

    ``start``, ``target``: (process, track). ``number``: of the arrow, unique in a trace.
    """
    both = {"cat": "message", "name": name, "id": number}
    yield {"ph": "s", "pid": start[0], "tid": start[1], "ts": stamp(begin), **both}
    yield {"ph": "f", "bp": "e", "pid": target[0], "tid": target[1], "ts": stamp(end), **both}


def instant(where: tuple[int, int], name: str, time: int, **args: object) -> Event:
    """The event of something that happens at ``time`` (ns), drawn across all tracks."""
    return {
        "ph": "i", "s": "g", "pid": where[0], "tid": where[1], "name": name, "ts": stamp(time),
        "args": args,
    }  # fmt: skip


def counter(pid: int, name: str, unit: str, time: int, value: float) -> Event:
    """The event that a counter of process ``pid`` has ``value`` from ``time`` (ns) on."""
    return {"ph": "C", "pid": pid, "name": name, "ts": stamp(time), "args": {unit: value}}


def levels(
    pid: int, name: str, unit: str, edges: NDArray[np.int64], values: NDArray[Any]
) -> Iterator[Event]:
    """A counter with ``values`` from each of the ``edges`` (ns) on, said only where it changes."""
    changes = np.append(True, values[1:] != values[:-1])
    for time, value in zip(edges[changes].tolist(), values[changes].tolist(), strict=True):
        yield counter(pid, name, unit, time, value)


def write(events: Iterable[Event], path: str | Path, about: Mapping[str, str]) -> None:
    """Write events as a JSON trace to the file at ``path``; raises `TraceError` if that fails.

    ``about``: facts on the trace, which viewers show beside it.
    """
    try:
        with text_file(path) as file:
            other = json.dumps(about)
            file.write(f'{{"displayTimeUnit": "ns", "otherData": {other}, "traceEvents": [\n')
            file.writelines(_lines(events))
            file.write("\n]}\n")
    except OSError as error:
        raise TraceError(f"{path} cannot be written: {error.strerror or error}") from error


def entry_of(machine: Mapping[str, Any] | None) -> dict[str, str]:
    """The entry for `write`'s ``about`` that holds the machine as JSON text; empty if unknown."""
    return {} if machine is None else {"machine": json.dumps(dict(machine))}


def _lines(events: Iterable[Event]) -> Iterator[str]:
    encode, between = json.JSONEncoder(separators=(",", ":")).encode, ""
    for event in events:
        yield between + encode(event)
        between = ",\n"
