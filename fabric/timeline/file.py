"""A Timeline as one file: numpy's ``.npz`` with the topology in it, written and read without loss.

Arrays, all readable with ``numpy.load(path)`` alone:

- ``src``, ``dst``, ``size``, ``step``: int64 [rows]; ``start``, ``finish``: float64 [rows],
  seconds; ``rank_finish``: float64 [ranks]; ``places``: int32, the endpoint of each rank.
- ``link_bytes``, ``link_busy``: float64 [links], bytes and seconds; ``link_id``: int64 [links],
  which no fault changes; ``resource_bytes``: float64.
- ``topology``: uint8, the TOML text of `topology.formats.toml`; ``about``: uint8, a JSON text:
  ``format``, ``routing``, ``planes``, ``labels`` (of each step), ``bound`` (seconds),
  ``bottleneck``, ``software``, ``operation``, ``title``, and ``machine``, if it is known from what
  `fabric.machine.MachineSpec` the fabric was built.
- Where the machine had faults in time: ``stalled``: float64 [rows], ``link_marks``: int64 [links],
  the same for links that changed alike, and in ``about`` ``faults``: ``late`` (bytes) and
  ``marks``, each ``[at, cause, share, routed]``; see `fabric.timeline.faults`.
- Where packets were counted: what `fabric.timeline.packets_file` says.

Nothing in it is code: it is read without pickle, and checked.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.faults import Faulted, FaultMark
from fabric.timeline.packets_file import ARRAYS, packets_arrays, packets_json, packets_of
from topology.errors import TriplaneError
from topology.files.arrays import Header, check_column, read_npz
from topology.files.output import byte_file
from topology.files.reading import json_of, shown
from topology.formats.toml import from_toml
from topology.formats.toml_text import to_toml
from topology.graph import Topology
from topology.routing.router import Router

if TYPE_CHECKING:
    from fabric.timeline.value import Timeline

FORMAT = 1
"""The version of what is in a file."""

MOST = 1e30
"""Seconds or bytes of anything at most: sums and squares of them are still numbers."""

_ROWS = {"src": "i8", "dst": "i8", "size": "i8", "step": "i8", "start": "f8", "finish": "f8"}
_OTHERS = {"rank_finish": "f8", "places": "i4", "resource_bytes": "f8"}
_TEXTS = {"topology": "u1", "about": "u1"}
_WITH_FAULTS = {"stalled": "f8", "link_marks": "i8"}
_FOR_OTHERS = ("link_id", "link_bytes", "link_busy")  # which follow from the rest


class TimelineError(TriplaneError):
    """A file holds no timeline that can be read."""


def save(timeline: "Timeline", path: str | Path) -> None:
    """Write ``timeline`` to the file at ``path``, whatever its suffix; raises `OSError`."""
    cause, router = timeline.bottleneck, timeline.router
    about = {
        "format": FORMAT, "routing": router.policy, "planes": router.planes,
        "labels": timeline.labels, "bound": timeline.bound,
        "bottleneck": [cause.kind, cause.name, cause.time, cause.share],
        "software": timeline.software, "operation": timeline.operation, "title": timeline.title,
        **({} if timeline.machine is None else {"machine": dict(timeline.machine)}),
        **_faults_json(timeline.faulted),
        **({} if timeline.packets is None else {"packets": packets_json(timeline.packets)}),
    }  # fmt: skip
    columns = {name: getattr(timeline, name) for name in (*_ROWS, *_OTHERS, *_FOR_OTHERS)}
    if timeline.faulted is not None:
        marks = router.marks if router.marks is not None else np.zeros(0, np.int64)
        columns |= {"stalled": timeline.faulted.stalled, "link_marks": marks}
    if timeline.packets is not None:
        columns |= packets_arrays(timeline.packets)
    texts = {"topology": _bytes(to_toml(timeline.topology)), "about": _bytes(json.dumps(about))}
    with byte_file(path) as file:  # numpy would add .npz to a bare path
        np.savez_compressed(file, allow_pickle=False, **columns, **texts)


def read(path: str | Path) -> dict[str, Any]:
    """The columns and values of a `Timeline` in the file at ``path``, by name.

    Its bottleneck and its fault marks are tuples. Raises `TimelineError` naming file and fault.
    """
    arrays = read_npz(
        path, TimelineError, "timeline file", lambda headers: _check_headers(path, headers)
    )
    try:
        about = _about(arrays["about"])
    except TimelineError as error:
        raise TimelineError(f"{path} is no timeline file: {error}") from None
    with_faults = _WITH_FAULTS if about.faults is not None else {}
    of_packets = ARRAYS if about.packets is not None else {}
    columns = {name: arrays[name] for name in (*_ROWS, *_OTHERS, *with_faults)}
    columns |= {name: arrays[name] for name in of_packets if name in arrays}
    try:
        return _fields(about, from_toml(_text(arrays["topology"], "topology")), columns)
    except TriplaneError as error:
        raise TimelineError(f"{path}: {error}") from None


def _check_headers(path: str | Path, headers: Mapping[str, Header]) -> None:
    try:
        for name, kind in (_ROWS | _OTHERS | _TEXTS).items():
            check_column(headers, name, kind, TimelineError)
        rows = headers["src"].shape[0]
        there = [name for name in _WITH_FAULTS if name in headers]
        for name in _WITH_FAULTS if there else ():
            check_column(headers, name, _WITH_FAULTS[name], TimelineError)
        for name in ARRAYS if any(name in headers for name in ARRAYS) else ():
            check_column(headers, name, ARRAYS[name], TimelineError)
        for name in (*_ROWS, *(one for one in there if one == "stalled")):
            if headers[name].shape[0] != rows:
                raise TimelineError(f"{name} has {headers[name].shape[0]} rows, src has {rows}")
    except TimelineError as error:
        raise TimelineError(f"{path}: {error}") from None


class _About(NamedTuple):
    """The JSON part of a file, checked."""

    routing: str
    planes: tuple[str, ...]
    labels: tuple[str, ...]
    bound: float
    bottleneck: tuple[str, str, float, float]
    software: str
    operation: str
    title: str
    machine: dict[str, Any] | None
    faults: tuple[float, tuple[FaultMark, ...]] | None
    packets: dict[str, Any] | None


def _about(column: NDArray[Any]) -> _About:
    about = json_of(_text(column, "about"), "about", TimelineError)
    if not isinstance(about, dict):
        raise TimelineError(f"about is {shown(about)}, not an object")
    if _of(about, "format", int) != FORMAT:
        raise TimelineError(f"its format is {shown(about['format'])}; known is {FORMAT}")
    cause = _of(about, "bottleneck", list)
    if len(cause) != 4 or not all(isinstance(text, str) for text in cause[:2]):
        raise TimelineError(f"bottleneck is {shown(cause)}; kind, name, time and share are needed")
    time, share = (_number(value, "bottleneck") for value in cause[2:])
    texts = {key: _of(about, key, str) for key in ("routing", "software", "operation", "title")}
    return _About(
        planes=_names(about, "planes"), labels=_names(about, "labels"),
        bound=_number(about.get("bound"), "bound"), bottleneck=(cause[0], cause[1], time, share),
        machine=_machine(about), faults=_faults(about),
        packets=_of(about, "packets", dict) if "packets" in about else None, **texts,
    )  # fmt: skip


def _fields(about: _About, topology: Topology, columns: dict[str, NDArray[Any]]) -> dict[str, Any]:
    stalled, marks = columns.pop("stalled", None), columns.pop("link_marks", None)
    if marks is not None and len(marks) != topology.n_links:
        raise TimelineError(f"link_marks has {len(marks)} rows of {topology.n_links} links")
    counted = {name: columns.pop(name) for name in ARRAYS if name in columns}
    router = Router(topology, about.routing, about.planes, marks)
    _check(columns, len(about.labels), topology.n_endpoints, len(router.capacity))
    faulted = None
    if about.faults is not None and stalled is not None:
        _check_values("stalled", stalled)
        faulted = Faulted(about.faults[1], stalled, about.faults[0])
    return {
        **columns, "faulted": faulted,
        "packets": None if about.packets is None
        else packets_of(about.packets, counted, topology.n_links),
        "router": router, "labels": about.labels, "bound": about.bound,
        "bottleneck": about.bottleneck, "software": about.software,
        "operation": about.operation, "title": about.title, "machine": about.machine,
    }  # fmt: skip


def _machine(about: Mapping[str, Any]) -> dict[str, Any] | None:
    """The machine that a file describes; files of before there were descriptions have none."""
    return _of(about, "machine", dict) if "machine" in about else None


def _faults_json(faulted: Faulted | None) -> dict[str, Any]:
    if faulted is None:
        return {}
    return {"faults": {"late": faulted.late, "marks": [list(mark) for mark in faulted.marks]}}


def _faults(about: Mapping[str, Any]) -> tuple[float, tuple[FaultMark, ...]] | None:
    if "faults" not in about:
        return None
    faults = _of(about, "faults", dict)
    return _number(faults.get("late"), "late"), tuple(map(_mark, _of(faults, "marks", list)))


def _mark(mark: Any) -> FaultMark:
    if not isinstance(mark, list) or len(mark) != 4 or not isinstance(mark[1], str):
        raise TimelineError(f"a mark is {shown(mark)}; time, cause and two shares are needed")
    at, share, routed = (_number(value, "marks") for value in (mark[0], *mark[2:]))
    return FaultMark(at, mark[1], share, routed)


def _of(about: Mapping[str, Any], key: str, kind: type[Any]) -> Any:
    if key not in about:
        raise TimelineError(f"{key!r} is missing")
    if type(about[key]) is not kind:
        raise TimelineError(f"{key} is {shown(about[key])}, not of the type {kind.__name__}")
    return about[key]


def _names(about: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = _of(about, key, list)
    if not all(isinstance(name, str) for name in names):
        raise TimelineError(f"{key} is {shown(names)}, not a list of texts")
    return tuple(names)


def _number(value: object, key: str) -> float:
    small = type(value) is int and value.bit_length() < 1000
    if not (small or type(value) is float) or not math.isfinite(value) or value < 0:  # type: ignore[arg-type, operator]
        raise TimelineError(f"{key} has {shown(value)}, which is no finite number of 0 or more")
    return float(value)  # type: ignore[arg-type]


def _text(column: NDArray[Any], name: str) -> str:
    try:
        return column.tobytes().decode()
    except UnicodeDecodeError as error:
        raise TimelineError(f"{name} is no text in UTF-8, at its byte {error.start}") from None


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _check(columns: Mapping[str, NDArray[Any]], steps: int, endpoints: int, resources: int) -> None:
    ranks, places = len(columns["rank_finish"]), len(columns["places"])
    if ranks > places:
        raise TimelineError(f"it has {ranks} ranks on {places} places")
    if len(columns["resource_bytes"]) != resources:
        raise TimelineError(
            f"resource_bytes has {len(columns['resource_bytes'])} rows; the topology's routes have"
            f" {resources} resources"
        )
    limits = {"src": ranks, "dst": ranks, "step": steps, "places": endpoints}
    for name, limit in limits.items():
        column = columns[name]
        if len(column) and not 0 <= column.min() <= column.max() < limit:
            raise TimelineError(f"{name} has a value outside 0..{limit - 1}")
    for name in ("size", "start", "finish", "rank_finish", "resource_bytes"):
        _check_values(name, columns[name])


def _check_values(name: str, column: NDArray[Any]) -> None:
    if not ((column >= 0) & (column <= MOST)).all():
        raise TimelineError(f"{name} has a value that is negative or no number, or above {MOST:g}")
