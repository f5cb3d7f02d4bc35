"""A `RunLog` as one file: numpy's ``.npz``, written and read without loss.

Arrays, all readable with ``numpy.load(path)`` alone (n parts, m entries, c calls, r routings):

- ``about``: uint8, a JSON text: ``format``, ``ranks``, ``machine``, ``as_part_of``, ``sync``;
  ``kinds``, of calls: ``[group, words, operation]`` each; ``facts``: objects; ``spans``: names;
  ``layers`` and ``experts``: of each routing. See `fabric.run_log.value.RunLog`.
- ``clock``: float64 [ranks], emulated seconds at the end, nan where they are not known.
- ``kind``: int64 [c], the kind of each call.
- ``part_call``, ``part_rank``, ``part_rows``, ``part_facts``, ``part_routing``: int64 [n];
  ``part_begin``, ``part_end``: float64 [n], emulated seconds, nan where they are not known.
- ``entry_rank``, ``entry_what``, ``entry_number``: int64 [m]; ``entry_value``: float64 [m].
- ``rows_edge``: int64, where each set of rows begins, and the end of the last one; ``rows_step``,
  ``rows_src``, ``rows_dst``, ``rows_size``, ``rows_messages``, ``rows_reduces``, and one array
  ``rows_`` with the name of each trait that any has: int64, all sets one after the other.
- ``routing_shape``: int64 [r, 3], tokens, top_k and whether weights are known; ``topk_idx``: int32;
  ``topk_weights``: float32, those of all routings one after the other.

Nothing in it is code: it is read without pickle, and checked.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fabric.run_log.value import (
    COMPUTE,
    KEYS,
    SPAN,
    SPAN_END,
    CallKind,
    EntryColumns,
    PartColumns,
    RunLog,
    TokenRouting,
)
from fabric.schedule.plan import TimedRows
from fabric.schedule.traits import HIGHEST, TRAITS, traits_of
from topology.errors import TriplaneError
from topology.files.arrays import Header, check_column, read_npz
from topology.files.output import byte_file
from topology.files.reading import json_of, shown, whole

FORMAT = 1
"""The version of what is in a file."""

MOST_RANKS = 1 << 20
"""Ranks of a run at most."""

_BASE = ("step", "src", "dst", "size", "messages", "reduces")
_FLOATS = ("clock", "part_begin", "part_end", "entry_value")
_NEEDED: Mapping[str, str] = {
    "about": "u1", "kind": "i8", "rows_edge": "i8", "topk_idx": "i4", "topk_weights": "f4",
    **{f"part_{name}": "i8" for name in PartColumns._fields},
    **{f"entry_{name}": "i8" for name in EntryColumns._fields},
    **{f"rows_{name}": "i8" for name in _BASE},
    **dict.fromkeys(_FLOATS, "f8"),
}  # fmt: skip


class RunLogError(TriplaneError):
    """A file holds no log of a run that can be read."""


def save(log: RunLog, path: str | Path) -> None:
    """Write ``log`` to the file at ``path``, whatever its suffix; raises `OSError`."""
    about = {
        "format": FORMAT, "ranks": log.ranks, "machine": log.machine,
        "as_part_of": log.as_part_of, "sync": log.sync, "kinds": [list(kind) for kind in log.kinds],
        "facts": list(log.facts), "spans": list(log.spans),
        "layers": [one.layer for one in log.routings],
        "experts": [one.experts for one in log.routings],
    }  # fmt: skip
    columns = {
        **{f"part_{name}": column for name, column in log.parts._asdict().items()},
        **{f"entry_{name}": column for name, column in log.entries._asdict().items()},
        **_rows_columns(log.rows), **_routing_columns(log.routings),
    }  # fmt: skip
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with byte_file(path) as file:
        np.savez_compressed(
            file, allow_pickle=False, about=text, kind=log.kind, clock=log.clock, **columns
        )


def load(path: str | Path) -> RunLog:
    """The log in the file at ``path``; raises `RunLogError` naming file and fault."""
    arrays = read_npz(path, RunLogError, "record of a run", lambda found: _check(path, found))
    try:
        return _log(arrays)
    except RunLogError as error:
        raise RunLogError(f"{path}: {error}") from None


def _rows_columns(rows: Sequence[TimedRows]) -> dict[str, NDArray[Any]]:
    none = np.zeros(0, np.int64)
    names = [name for name in TRAITS if any(name in one.traits.columns for one in rows)]
    columns = {
        f"rows_{name}": np.concatenate([none, *(getattr(one, name) for one in rows)])
        for name in _BASE
    } | {
        f"rows_{name}": np.concatenate([none, *(one.traits.column(name, len(one)) for one in rows)])
        for name in names
    }  # fmt: skip
    return {**columns, "rows_edge": np.cumsum([0, *map(len, rows)])}


def _routing_columns(routings: Sequence[TokenRouting]) -> dict[str, NDArray[Any]]:
    shapes = [(*one.topk_idx.shape, one.weights is not None) for one in routings]
    chosen = [one.topk_idx.reshape(-1) for one in routings]
    weights = [one.weights.reshape(-1) for one in routings if one.weights is not None]
    return {
        "routing_shape": np.array(shapes, np.int64).reshape(-1, 3),
        "topk_idx": np.concatenate([np.zeros(0, np.int64), *chosen]).astype(np.int32),
        "topk_weights": np.concatenate([np.zeros(0, np.float32), *weights]),
    }


def _check(path: str | Path, headers: Mapping[str, Header]) -> None:
    for name, kind in _NEEDED.items():
        if name not in headers:
            raise RunLogError(f"{path} is no record of a run: it has no array {name!r}")
        check_column(headers, name, kind, RunLogError, f"{path}: ")
    for group in ("part_", "entry_"):
        sizes = {headers[name].shape[0] for name in _NEEDED if name.startswith(group)}
        if len(sizes) > 1:
            raise RunLogError(f"{path}: its arrays {group}* have {sorted(sizes)} rows")


def _log(arrays: Mapping[str, NDArray[Any]]) -> RunLog:
    about = _about(arrays["about"])
    ranks = about["ranks"]
    log = RunLog(
        ranks, about["machine"], about["as_part_of"], about["sync"], arrays["clock"],
        tuple(_kind(one, ranks) for one in about["kinds"]), arrays["kind"].astype(np.int64),
        PartColumns(*(arrays[f"part_{name}"] for name in PartColumns._fields)),
        EntryColumns(*(arrays[f"entry_{name}"] for name in EntryColumns._fields)),
        _rows(arrays), tuple(map(_facts, about["facts"])), _routings(arrays, about),
        tuple(about["spans"]),
    )  # fmt: skip
    _check_numbers(log)
    return log


def _about(column: NDArray[Any]) -> dict[str, Any]:
    try:
        text = column.tobytes().decode()
    except UnicodeDecodeError:
        raise RunLogError("about is no text in UTF-8") from None
    about = json_of(text, "about", RunLogError)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise RunLogError(f"about is {shown(about)}; an object of format {FORMAT} is expected")
    for key, kinds in _ABOUT.items():
        if key not in about or not isinstance(about[key], kinds):
            raise RunLogError(f"about has {key} {shown(about.get(key))}")
    for key in ("layers", "spans"):
        if not all(isinstance(name, str) for name in about[key]):
            raise RunLogError(f"about has {key} {shown(about[key])}")
    for key in ("ranks", "as_part_of"):
        if about[key] is not None and whole(about[key], 1, MOST_RANKS) is None:
            raise RunLogError(f"about has {key} {shown(about[key])}")
    return about


_ABOUT: Mapping[str, Any] = {
    "ranks": int, "machine": dict | None, "as_part_of": int | None, "sync": str, "kinds": list,
    "facts": list, "spans": list, "layers": list, "experts": list,
}  # fmt: skip


def _kind(given: Any, ranks: int) -> CallKind:
    if not isinstance(given, list) or len(given) != 3 or not isinstance(given[0], list):
        raise RunLogError(f"a kind of calls is {shown(given)}")
    group, words, operation = given
    known = all(whole(rank, 0, ranks - 1) is not None for rank in group)
    if not group or not known or len(set(group)) < len(group):
        raise RunLogError(f"a group of ranks is {shown(group)}; the run is of {ranks} ranks")
    if not isinstance(words, str) or not isinstance(operation, str):
        raise RunLogError(f"a kind of calls is {shown(given)}")
    return CallKind(tuple(group), words, operation)


def _facts(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict) or sum(key in given for key in KEYS) != 1:
        raise RunLogError(f"facts are {shown(given)}; one of {', '.join(KEYS)} is expected")
    return given


def _rows(arrays: Mapping[str, NDArray[Any]]) -> tuple[TimedRows, ...]:
    edge = arrays["rows_edge"]
    traits = [name for name in TRAITS if f"rows_{name}" in arrays]
    columns = [arrays[f"rows_{name}"] for name in (*_BASE, *traits)]
    total = len(columns[0])
    _check_edges("rows_edge", edge, total)
    if any(column.ndim != 1 or len(column) != total for column in columns):
        raise RunLogError("its arrays rows_* have unlike sizes")
    base, special = columns[: len(_BASE)], columns[len(_BASE) :]
    lowest = min((int(column.min()) for column in columns if total), default=0)
    if lowest < 0 or any(int(column.max()) > HIGHEST for column in special if total):
        raise RunLogError("its arrays rows_* have a number that is too low or too high")
    return tuple(
        _row_set(base, dict(zip(traits, special, strict=True)), slice(*ends))
        for ends in pairwise(edge.tolist())
    )


def _row_set(
    base: Sequence[NDArray[Any]], traits: Mapping[str, NDArray[Any]], which: slice
) -> TimedRows:
    step, src, dst, size, messages, reduces = (column[which].astype(np.int64) for column in base)
    named = traits_of({name: column[which].astype(np.int64) for name, column in traits.items()})
    return TimedRows(step, src, dst, size, messages, reduces, named)


def _routings(
    arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]
) -> tuple[TokenRouting, ...]:
    shapes, layers, experts = arrays.get("routing_shape"), about["layers"], about["experts"]
    if shapes is None or shapes.ndim != 2 or shapes.shape[1:] != (3,) or shapes.dtype.kind != "i":
        raise RunLogError("routing_shape is no int64 [routings, 3]")
    if not len(shapes) == len(layers) == len(experts) or (len(shapes) and shapes.min() < 0):
        raise RunLogError(f"{len(layers)} layers and {len(experts)} experts of {len(shapes)}")
    sizes = shapes[:, 0] * shapes[:, 1]
    chosen = np.concatenate([[0], np.cumsum(sizes)])
    weighted = np.concatenate([[0], np.cumsum(sizes * (shapes[:, 2] > 0))])
    _check_edges("routing_shape", chosen, len(arrays["topk_idx"]))
    _check_edges("routing_shape", weighted, len(arrays["topk_weights"]))
    return tuple(
        TokenRouting(
            arrays["topk_idx"][chosen[at] : chosen[at + 1]].astype(np.int64).reshape(tokens, top_k),
            arrays["topk_weights"][weighted[at] : weighted[at + 1]].reshape(tokens, top_k)
            if has else None,
            layers[at], _experts(experts[at]),
        )
        for at, (tokens, top_k, has) in enumerate(shapes.tolist())
    )  # fmt: skip


def _experts(given: Any) -> int:
    found = whole(given, 1, MOST_RANKS)
    if found is None:
        raise RunLogError(f"a routing is of {shown(given)} experts")
    return found


def _check_edges(name: str, edge: NDArray[Any], total: int) -> None:
    if not len(edge) or edge[0] != 0 or edge[-1] != total or (np.diff(edge) < 0).any():
        raise RunLogError(f"{name} does not divide {total} rows")


def _check_numbers(log: RunLog) -> None:
    """Raise `RunLogError` for a number of something that there is not."""
    parts, entries = log.parts, log.entries
    if len(log.clock) != log.ranks:
        raise RunLogError(f"clock has {len(log.clock)} rows; the run is of {log.ranks} ranks")
    what = entries.what
    of_spans = entries.value[what == SPAN]
    calls = len(log.kind)
    for name, column, low, end in (
        ("kind", log.kind, 0, len(log.kinds)), ("part_call", parts.call, 0, calls),
        ("part_rank", parts.rank, 0, log.ranks), ("part_rows", parts.rows, 0, len(log.rows)),
        ("part_facts", parts.facts, -1, len(log.facts)),
        ("part_routing", parts.routing, -1, len(log.routings)),
        ("entry_rank", entries.rank, 0, log.ranks), ("entry_what", what, 0, SPAN_END + 1),
        ("entry_number", entries.number[what == 0], 0, len(parts.call)),
        ("entry_number", entries.number[what == 1], 0, calls),
        ("entry_value", of_spans, 0, len(log.spans)),
    ):  # fmt: skip
        if len(column) and not (low <= column.min() and column.max() < end):
            raise RunLogError(f"{name} has a number outside {low}..{end - 1}")
    seconds = entries.value[what == COMPUTE]
    if not (np.isfinite(seconds) & (seconds >= 0)).all():
        raise RunLogError("entry_value has a time of computing that is no number of 0 or more")
