"""Events: a trace as JSON in the Trace Event Format, one event a line.

The format is Google's "Trace Event Format"; what Perfetto makes of it is in its
``src/trace_processor/importers/json``: time in nanoseconds, slices of one track must nest, an end
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
    """Times on the grid of a trace."""
    return np.rint(np.asarray(seconds, np.float64) / NS).astype(np.int64)


def stamp(time: int) -> float:
    """Nanoseconds as a trace has them: microseconds, of which Perfetto cuts off the fraction.

    So the number must not be a hair below the nanosecond that is meant.
    """
    value = time / 1000.0
    while int(value * 1000.0) < time:
        value = float(np.nextafter(value, np.inf))
    return value


def process(pid: int, name: str, place: int) -> Iterator[Event]:
    """Name a process, and say at which place it is shown."""
    yield {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
    yield {"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": place}}


def track(pid: int, tid: int, name: str) -> Iterator[Event]:
    """Name a track of a process; tracks are shown in the order of their numbers."""
    yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}
    yield {
        "ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid,
        "args": {"sort_index": tid},
    }  # fmt: skip


def slice_of(where: tuple[int, int], name: str, begin: int, end: int, **args: object) -> Event:
    """Something that takes time, on track ``where``: (process, track)."""
    return {
        "ph": "X", "pid": where[0], "tid": where[1], "name": name, "ts": stamp(begin),
        "dur": stamp(max(end - begin, 0)), "args": args,
    }  # fmt: skip


def arrival(where: tuple[int, int], time: int) -> Event:
    """The slice in which an arrow ends: so that it began last, and after the arrow's start."""
    return slice_of(where, ARRIVAL, time, time + 1)


def arrow(
    number: int, name: str, start: tuple[int, int], begin: int, target: tuple[int, int], end: int
) -> Iterator[Event]:
    """An arrow from the slice that begins at ``begin`` on one track to the `arrival` at ``end``."""
    both = {"cat": "message", "name": name, "id": number}
    yield {"ph": "s", "pid": start[0], "tid": start[1], "ts": stamp(begin), **both}
    yield {"ph": "f", "bp": "e", "pid": target[0], "tid": target[1], "ts": stamp(end), **both}


def counter(pid: int, name: str, unit: str, time: int, value: float) -> Event:
    """From ``time`` on, a quantity has a value."""
    return {"ph": "C", "pid": pid, "name": name, "ts": stamp(time), "args": {unit: value}}


def write(events: Iterable[Event], path: str | Path, about: Mapping[str, str]) -> None:
    """Write events to the file at ``path``, as `topology.files.output` writes all files.

    ``about``: what the trace is of, which viewers show beside it. Raises `TraceError` where it
    cannot be written.
    """
    try:
        with text_file(path) as file:
            other = json.dumps(about)
            file.write(f'{{"displayTimeUnit": "ns", "otherData": {other}, "traceEvents": [\n')
            file.writelines(_lines(events))
            file.write("\n]}\n")
    except OSError as error:
        raise TraceError(f"{path} cannot be written: {error.strerror or error}") from error


def _lines(events: Iterable[Event]) -> Iterator[str]:
    encode, between = json.JSONEncoder(separators=(",", ":")).encode, ""
    for event in events:
        yield between + encode(event)
        between = ",\n"
