"""What was counted of packets, as a part of a timeline's file.

Small things stand in the file's JSON text under ``packets``: ``classes``, ``window`` (seconds),
``windows``, ``links``, and each field of `PacketStatistics` and of its ``roce`` as a list, null for
what is no number. Arrays, in one dimension: ``packet_link``: int64 [links]; ``packet_queue``: int64
[links, windows]; ``packet_course``: float64 [fields of `PacketCourse`, classes, windows].
"""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.timeline.packets import PERCENTILES, PacketCourse, PacketStatistics, RoceStatistics
from topology.errors import TriplaneError
from topology.files.reading import shown

ARRAYS: Mapping[str, str] = {"packet_link": "i8", "packet_queue": "i8", "packet_course": "f8"}
"""The arrays and their types."""

_COUNTS = ("packets", "overtaken", "farthest")
_TIMES = ("waited", "longest", "behind")
_ROCE_TIMES = ("paused", "link_paused")
_ROCE_LINKS = ("link", "link_paused", "link_dropped")
_COURSE_TIMES = ("waited", "longest", "paused")
_MOST_CLASSES, _MOST_WINDOWS = 64, 1 << 16


class PacketsError(TriplaneError):
    """What a file says of packets cannot be."""


def packets_json(found: PacketStatistics) -> dict[str, Any]:
    """The part of the file's JSON text."""
    roce = found.roce
    return {
        "classes": list(found.classes), "window": found.window, "windows": found.queue.shape[1],
        **{name: _listed(getattr(found, name)) for name in (*_COUNTS, *_TIMES, "latency")},
        "roce": None if roce is None else {
            field.name: _listed(getattr(roce, field.name)) for field in fields(roce)
        },
    }  # fmt: skip


def packets_arrays(found: PacketStatistics) -> dict[str, NDArray[Any]]:
    """The arrays of the file, see `ARRAYS`."""
    course = [getattr(found.course, one.name).astype(np.float64) for one in fields(PacketCourse)]
    return {
        "packet_link": found.link.astype(np.int64), "packet_queue": found.queue.ravel(),
        "packet_course": np.stack(course).ravel(),
    }  # fmt: skip


def packets_of(
    given: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], links: int
) -> PacketStatistics:
    """What `packets_json` and `packets_arrays` were made from; raises `PacketsError`.

    ``links``: how many the topology has.
    """
    for name in ARRAYS:
        if name not in arrays:
            raise PacketsError(f"it says what became of packets, but has no array {name!r}")
    names, windows = given.get("classes"), given.get("windows")
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise PacketsError(f"classes of packets are {shown(names)}, not a list of texts")
    if type(windows) is not int or not 0 <= windows <= _MOST_WINDOWS:
        raise PacketsError(f"windows is {shown(windows)}; 0 to {_MOST_WINDOWS} are possible")
    n = len(names)
    link, queue = arrays["packet_link"], arrays["packet_queue"]
    course = arrays["packet_course"]
    if not 1 <= n <= _MOST_CLASSES:
        raise PacketsError(f"there are {n} classes of packets; 1 to {_MOST_CLASSES} are possible")
    if len(queue) != len(link) * windows or (queue < 0).any():
        raise PacketsError("packet_queue does not hold a number for each link and window")
    if len(course) != len(fields(PacketCourse)) * n * windows or (course < 0).any():
        raise PacketsError("packet_course does not hold its numbers for each class and window")
    _check_links(link, links)
    columns = {name: _column(given, name, n) for name in (*_COUNTS, *_TIMES)}
    latency = given.get("latency")
    if not isinstance(latency, list) or len(latency) != n:
        raise PacketsError(f"latency is {shown(latency)}, not a list for each of {n} classes")
    return PacketStatistics(
        classes=tuple(names), window=float(_number(given.get("window"), "window")),
        latency=np.array([_column({"latency": one}, "latency", len(PERCENTILES), float)
                          for one in latency]),
        link=link, queue=queue.reshape(len(link), windows),
        course=_course(course.reshape(len(fields(PacketCourse)), n, windows)),
        roce=_roce(given.get("roce"), n, links),
        **columns,
    )  # fmt: skip


def _course(numbers: NDArray[np.float64]) -> PacketCourse:
    return PacketCourse(**{
        one.name: values if one.name in _COURSE_TIMES else values.astype(np.int64)
        for one, values in zip(fields(PacketCourse), numbers, strict=True)
    })  # fmt: skip


def _roce(given: object, classes: int, links: int) -> RoceStatistics | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("link"), list):
        raise PacketsError(f"roce is {shown(given)}, not what became of packets")
    those = len(given["link"])
    made = {
        one.name: _column(given, one.name, those if one.name in _ROCE_LINKS else classes)
        for one in fields(RoceStatistics)
    }
    _check_links(made["link"], links)
    return RoceStatistics(**made)


def _check_links(link: NDArray[np.int64], links: int) -> None:
    if len(link) and not 0 <= link.min() <= link.max() < links:
        raise PacketsError(f"a queue is of link {link.max()}; the topology has {links} links")


def _column(
    given: Mapping[str, Any], name: str, n: int, kind: type[float] | None = None
) -> NDArray[Any]:
    values = given.get(name)
    if not isinstance(values, list) or len(values) != n:
        raise PacketsError(f"{name} is {shown(values)}, not {n} numbers")
    times = kind is float or name in (*_TIMES, *_ROCE_TIMES)
    numbers = [math.nan if one is None and times else _number(one, name) for one in values]
    return np.array(numbers, np.float64 if times else np.int64)


def _number(value: object, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e18:  # type: ignore[operator]
        raise PacketsError(f"{name} has {shown(value)}, which is no number from 0 to 1e18")
    return value  # type: ignore[return-value]


def _listed(values: NDArray[Any]) -> list[Any]:
    """An array as lists, None for what is no number."""
    objects = values.astype(object)
    objects[np.isnan(values)] = None
    listed: list[Any] = objects.tolist()
    return listed
