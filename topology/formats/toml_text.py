"""A topology as the text of a TOML file, as short as it can be without loss.

How such a file reads is in `topology.formats.toml`, which reads it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.graph import CONTAINERS, NOWHERE, Longs, Topology, abilities
from topology.text import visible
from topology.units import show


def to_toml(topology: Topology) -> str:
    """``topology`` as TOML text, from which `from_toml` makes the same columns, bit for bit."""
    lines = [f"name = {_quoted(topology.name)}", f"planes = {_listed(topology.planes)}"]
    if topology.removed:
        lines.append(f"removed = {_listed(topology.removed)}")
    lines += _id_lines("vertex_ids", topology.vertex_id) + _id_lines("link_ids", topology.link_id)
    if stated := topology.provenance.as_dict():
        lines += ["\n[provenance]", *(f"{key} = {_value(one)}" for key, one in stated.items())]
    split = np.arange(topology.n_vertices) >= topology.n_endpoints
    number = {kind: i for i, kind in enumerate(topology.vertex_kinds)}
    kinds = np.array([number[kind] for kind in topology.vertex_kinds])
    nowhere = [getattr(topology, key) == NOWHERE for key in CONTAINERS]
    for rows in _runs(split, kinds, topology.in_switch, *nowhere):
        lines += _vertex_table(topology, rows)
    return "\n".join(lines + _link_tables(topology)) + "\n"


def _id_lines(key: str, ids: Longs) -> list[str]:
    """Nothing where the ids are the row numbers."""
    if np.array_equal(ids, np.arange(len(ids))):
        return []
    starts = np.flatnonzero(np.diff(ids, prepend=ids[0] - 2) != 1)
    counts = np.diff(starts, append=len(ids))
    pairs = zip(ids[starts].tolist(), counts.tolist(), strict=True)
    return [f"{key} = {_wrapped([f'[{first}, {count}]' for first, count in pairs])}"]


def _vertex_table(topology: Topology, rows: slice) -> Iterator[str]:
    yield f"\n[[{'endpoints' if rows.start < topology.n_endpoints else 'switches'}]]"
    yield f"kind = {_quoted(topology.vertex_kinds[rows.start])}"
    yield f"names = {_names(topology.vertex_names[rows])}"
    for key in CONTAINERS:
        column = getattr(topology, key)[rows]
        if column[0] != NOWHERE:
            one = (column == column[0]).all()
            yield f"{key} = {column[0] if one else _wrapped([str(x) for x in column.tolist()])}"
    if able := abilities(int(topology.in_switch[rows.start])):
        yield f"in_switch = {_listed(able)}"


def _link_tables(topology: Topology) -> list[str]:
    columns = (topology.link_plane, topology.link_bandwidth, topology.link_latency)
    runs, lines = list(_runs(*columns)), list[str]()
    while runs:
        run = runs.pop(0)
        half = (run.start + run.stop) // 2
        halves = slice(run.start, half), slice(half, run.stop)
        if _mirrored(topology, *halves):
            lines += _link_table(topology, halves[0], halves[1])
        elif runs and _mirrored(topology, run, runs[0]):
            lines += _link_table(topology, run, runs.pop(0))
        else:
            lines += _link_table(topology, run, None)
    return lines


def _mirrored(topology: Topology, there: slice, back: slice) -> bool:
    src, dst = topology.link_src, topology.link_dst
    return (
        topology.link_plane[there.start] == topology.link_plane[back.start]
        and topology.link_bandwidth[there.start] == topology.link_bandwidth[back.start]
        and np.array_equal(src[there], dst[back])
        and np.array_equal(dst[there], src[back])
    )


def _link_table(topology: Topology, there: slice, back: slice | None) -> Iterator[str]:
    ends = np.stack([topology.link_src[there], topology.link_dst[there]])
    count = _parallel(ends)
    latency = topology.link_latency[there.start]
    yield "\n[[links]]"
    yield f"plane = {_quoted(topology.planes[topology.link_plane[there.start]])}"
    yield f"bandwidth = {_quoted(show(float(topology.link_bandwidth[there.start]), 'bandwidth'))}"
    yield f"latency = {_quoted(show(float(latency), 'time'))}"
    if back is not None:
        yield "both = true"
        if topology.link_latency[back.start] != latency:
            text = show(float(topology.link_latency[back.start]), "time")
            yield f"back_latency = {_quoted(text)}"
    if count > 1:
        yield f"count = {count}"
    for key, column in zip(("from", "to"), ends[:, ::count], strict=True):
        # Equal names shrink to one: the other end has the number of links, as `count` has taken
        # out what is equal at both.
        one = (column == column[0]).all()
        names = [topology.vertex_names[vertex] for vertex in column[: 1 if one else None].tolist()]
        yield f"{key} = {_names(names)}"


def _parallel(ends: NDArray[np.int32]) -> int:
    """How often each pair of ends is repeated on end, if all are repeated alike; else 1."""
    starts = np.flatnonzero(np.append(True, (ends[:, 1:] != ends[:, :-1]).any(axis=0)))
    return int(np.gcd.reduce(np.append(starts, ends.shape[1])))


def _runs(*columns: NDArray[Any]) -> Iterator[slice]:
    """The stretches of rows over which no column changes."""
    size = len(columns[0])
    changes = np.zeros(max(0, size - 1), dtype=np.bool_)
    for column in columns:
        changes |= column[1:] != column[:-1]
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), size] if size else []
    return (slice(a, b) for a, b in pairwise(bounds))


def _names(names: Sequence[str]) -> str:
    return _quoted(names[0]) if len(names) == 1 else _listed(names)


def _listed(names: Sequence[str]) -> str:
    return _wrapped([_quoted(name) for name in names])


def _wrapped(items: Sequence[str]) -> str:
    line = f"[{', '.join(items)}]"
    if len(line) <= 90:
        return line
    rows = (", ".join(items[at : at + 8]) for at in range(0, len(items), 8))
    return "[\n" + "".join(f"    {row},\n" for row in rows) + "]"


def _value(value: Any) -> str:
    """A plain value on one line."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        pairs = (f"{_quoted(key)} = {_value(one)}" for key, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _quoted(text: str) -> str:
    """A basic string of TOML: one of JSON, in which what cannot be seen is written out.

    TOML knows no pairs of surrogates, so that a character above U+FFFF has eight digits.
    """
    return visible(json.dumps(text, ensure_ascii=False))
