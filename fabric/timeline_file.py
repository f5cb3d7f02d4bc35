"""A Timeline as one file: numpy's ``.npz`` with the topology in it, in and out, without loss.

Arrays, all readable with ``numpy.load(path)`` alone:

- ``src``, ``dst``, ``size``, ``step``: int64 [rows]; ``start``, ``finish``: float64 [rows],
  seconds; ``rank_finish``: float64 [ranks]; ``places``: int32, the endpoint of each rank.
- ``link_bytes``, ``link_busy``: float64 [links], bytes and seconds; ``resource_bytes``: float64.
- ``topology``: uint8, the TOML text of `topology.spec`; ``about``: uint8, a JSON text: ``format``,
  ``routing``, ``planes``, ``labels`` (of each step), ``bound`` (seconds), ``bottleneck``,
  ``software``, ``operation``, ``title``.

Nothing in it is code: it is read without pickle, and checked.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.timeline import Bottleneck, Timeline
from topology.errors import TriplaneError
from topology.routes import Router
from topology.spec import from_toml, to_toml

FORMAT = 1
"""The version of what is in a file."""

_ROWS = {"src": "i8", "dst": "i8", "size": "i8", "step": "i8", "start": "f8", "finish": "f8"}
_OTHERS = {"rank_finish": "f8", "places": "i4", "resource_bytes": "f8"}
_TEXTS = {"topology": "u1", "about": "u1"}
_FOR_OTHERS = ("link_bytes", "link_busy")  # which follow from the rest


class TimelineError(TriplaneError):
    """A file holds no timeline that can be read."""


def save(timeline: Timeline, path: str | Path) -> None:
    """Write ``timeline`` to the file at ``path``, whatever its name ends in."""
    cause, router = timeline.bottleneck, timeline.router
    about = {
        "format": FORMAT, "routing": router.policy, "planes": router.planes,
        "labels": timeline.labels, "bound": timeline.bound,
        "bottleneck": [cause.kind, cause.name, cause.time, cause.share],
        "software": timeline.software, "operation": timeline.operation, "title": timeline.title,
    }  # fmt: skip
    columns = {name: getattr(timeline, name) for name in (*_ROWS, *_OTHERS, *_FOR_OTHERS)}
    texts = {"topology": _bytes(to_toml(timeline.topology)), "about": _bytes(json.dumps(about))}
    with Path(path).open("wb") as file:  # numpy would add .npz to a bare path
        np.savez_compressed(file, allow_pickle=False, **columns, **texts)


def load(path: str | Path) -> Timeline:
    """The timeline in the file at ``path``; raises `TimelineError` naming file and fault."""
    try:
        return _load(path)
    except OSError as error:
        raise TimelineError(f"{path} cannot be read: {error.strerror or error}") from error
    except TriplaneError as error:
        raise TimelineError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise TimelineError(f"{path} is no timeline file: {error}") from error


def _load(path: str | Path) -> Timeline:
    wanted = _ROWS | _OTHERS | _TEXTS
    with Path(path).open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise TimelineError("it is a numpy array, not a timeline file")
        columns = {name: _column(file, name, kind) for name, kind in wanted.items()}
    about = json.loads(columns.pop("about").tobytes().decode())
    if about["format"] != FORMAT:
        raise TimelineError(f"its format is {about['format']!r}; known is {FORMAT}")
    topology = from_toml(columns.pop("topology").tobytes().decode())
    router = Router(topology, str(about["routing"]), tuple(map(str, about["planes"])))
    labels = tuple(map(str, about["labels"]))
    _check(columns, len(labels), topology.n_endpoints, len(router.capacity))
    kind, name, time, share = about["bottleneck"]
    return Timeline(
        **columns, router=router, labels=labels, bound=float(about["bound"]),
        bottleneck=Bottleneck(str(kind), str(name), float(time), float(share)),
        software=str(about["software"]), operation=str(about["operation"]),
        title=str(about["title"]),
    )  # fmt: skip


def _bytes(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def _column(file: Mapping[str, NDArray[Any]], name: str, kind: str) -> NDArray[Any]:
    if name not in file:
        raise TimelineError(f"it has no array {name!r}")
    column = file[name]
    if column.ndim != 1 or column.dtype.newbyteorder("=") != np.dtype(kind):
        raise TimelineError(
            f"{name} is {column.dtype}{list(column.shape)}, not {np.dtype(kind)} in one dimension"
        )
    return column


def _check(columns: Mapping[str, NDArray[Any]], steps: int, endpoints: int, resources: int) -> None:
    rows = len(columns["src"])
    for name in _ROWS:
        if len(columns[name]) != rows:
            raise TimelineError(f"{name} has {len(columns[name])} rows, src has {rows}")
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
        column = columns[name]
        if not (np.isfinite(column).all() and (column >= 0).all()):
            raise TimelineError(f"{name} has a value that is negative or no number")
