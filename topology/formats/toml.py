"""A topology as a TOML file, in and out, without loss.

By hand, a star of three hosts::

    name = "my star"
    planes = ["net"]                      # in the order in which traffic prefers them

    [[endpoints]]
    kind = "host"
    names = ["a", "b", "c"]
    node = [0, 1, 2]                      # optional, as is `package`; one number holds for all

    [[switches]]
    kind = "switch"
    names = "hub"                         # one name needs no list

    [[links]]
    plane = "net"
    from = ["a", "b", "c"]                # a list and one name: each of the list with that one
    to = "hub"
    bandwidth = "400 Gbit/s"
    latency = "1.2 us"
    both = true                           # and the links back,
    back_latency = "0 ns"                 # which have `latency` where this is left out
    count = 2                             # parallel links, 1 where left out

``removed`` may list what was taken out, and a table say where the topology is from::

    [provenance]
    family = "cloudmatrix"                # the kind of machine: what software it usually runs
    preset = "supernode"                  # what made it, with
    arguments = { npus = 8 }

Tables may come as often as needed; their order is that of
vertices and links. Numbers with a unit are texts, as `topology.units.parse` reads them.
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.draft import Draft
from topology.errors import TopologyError, TriplaneError
from topology.files.output import text_file
from topology.files.reading import place, read_text, shown
from topology.graph import NOWHERE, Ints, Topology
from topology.names import near
from topology.provenance import UNKNOWN, Provenance, provenance_of
from topology.text import visible
from topology.units import parse, show

Table = Mapping[str, Any]

MOST = 1 << 26
"""Bytes of a file at most: forty times those of CloudMatrix384's."""

MAX_PLANES = 100
"""Planes of a file at most."""

MAX_LINKS = 1 << 22
"""Links of a file at most: 150 times those of CloudMatrix384."""

_FILE = {"name": True, "planes": True, "removed": False, "endpoints": True, "switches": False,
         "links": False, "provenance": False}  # fmt: skip
_VERTICES = {"kind": True, "names": True, "node": False, "package": False}
_LINKS = {"plane": True, "from": True, "to": True, "bandwidth": True, "latency": True,
          "both": False, "back_latency": False, "count": False}  # fmt: skip


def load(path: str | Path) -> Topology:
    """The topology in the TOML file at ``path``; raises `TopologyError` naming file and fault.

    Where the file states no provenance, its path is the provenance.
    """
    text = read_text(path, TopologyError, MOST)
    try:
        topology = from_toml(text)
        stated = topology.provenance != UNKNOWN
        return topology if stated else topology.made_by(Provenance(file=str(path)))
    except TriplaneError as error:
        raise TopologyError(f"{path}: {error}") from error


def save(topology: Topology, path: str | Path) -> None:
    """Write ``topology`` as TOML to the file at ``path``, for `load`; raises `OSError`."""
    with text_file(path) as file:
        file.write(to_toml(topology))


def from_toml(text: str) -> Topology:
    """The topology that the TOML ``text`` describes; raises `TopologyError` naming the fault."""
    file = _parsed(text)
    _keys(file, _FILE, "the file")
    planes = tuple(_texts(file, "planes", "the file"))
    twice, times = Counter(planes).most_common(1)[0] if planes else ("", 1)
    if times > 1 or len(planes) > MAX_PLANES:
        what = f"{shown(twice)} twice" if times > 1 else f"{len(planes)}; {MAX_PLANES} are possible"
        raise TopologyError(f"the file: planes names {what}")
    draft = Draft(planes)
    for add, key in ((draft.endpoints, "endpoints"), (draft.switches, "switches")):
        for where, table in _tables(file, key, _VERTICES, text):
            names = _texts(table, "names", where)
            places = (_places(table, key, len(names), where) for key in ("node", "package"))
            add(names, _text(table, "kind", where), *places)
    index = {name: vertex for vertex, name in enumerate(draft.names)}
    links = 0
    for where, table in _tables(file, "links", _LINKS, text):
        links += _read_links(draft, index, table, where, MAX_LINKS - links)
    name, removed = _text(file, "name", "the file"), _texts(file, "removed", "the file")
    provenance = provenance_of(file.get("provenance", {}), "the file")
    return draft.freeze(name, tuple(removed), provenance)


def _parsed(text: str) -> Table:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, where = str(error).removesuffix(")").rpartition(" (at ")
        raise TopologyError(f"not TOML: {where}: {what}") from None
    except RecursionError:
        raise TopologyError("not TOML that is read here: its lists are nested too deeply") from None
    except ValueError:  # int() of thousands of digits, or a date that there is not
        digits = re.search(r"[0-9_]{1000,}", text)
        where = f"{place(text, digits.start())}: " if digits else ""
        raise TopologyError(
            f"not TOML that is read here: {where}a number or date that is none"
        ) from None


def _read_links(draft: Draft, index: dict[str, int], table: Table, where: str, most: int) -> int:
    """Add the links of a table, ``most`` at most; returns how many there were."""
    plane = _text(table, "plane", where)
    if plane not in draft.planes:
        raise TopologyError(
            f"{where}: no plane {shown(plane)}; planes are {', '.join(draft.planes):.200}"
        )
    src, dst = (_ends(table, key, index, where) for key in ("from", "to"))
    if len(src) != len(dst) and 1 not in (len(src), len(dst)):
        raise TopologyError(f"{where}: {len(src)} names in 'from' and {len(dst)} in 'to'")
    count, both = _times(table, where)
    links = max(len(src), len(dst)) * min(len(src), len(dst), 1) * count * (1 + both)
    if links > most:
        raise TopologyError(
            f"{where}: count is {shown(count)}, which makes more than {MAX_LINKS} links of the file"
        )
    src, dst = (np.repeat(end, count) for end in np.broadcast_arrays(src, dst))
    bandwidth = _number(table, "bandwidth", "bandwidth", where)
    latency = _number(table, "latency", "time", where)
    draft.link(src, dst, plane, bandwidth, latency)
    if both:
        back = _number({"back_latency": table["latency"], **table}, "back_latency", "time", where)
        draft.link(dst, src, plane, bandwidth, back)
    return links


def _times(table: Table, where: str) -> tuple[int, bool]:
    count, both = table.get("count", 1), table.get("both", False)
    if type(count) is not int or count < 1:
        raise TopologyError(f"{where}: count is {shown(count)}, not a whole number of 1 or more")
    if type(both) is not bool:
        raise TopologyError(f"{where}: both is {shown(both)}, not true or false")
    if "back_latency" in table and not both:
        raise TopologyError(f"{where}: 'back_latency' needs both = true")
    return count, both


def _keys(table: Table, known: dict[str, bool], where: str) -> None:
    for key in table:
        if key not in known:
            raise TopologyError(
                f"{where}: unknown key {shown(key)}; known are {', '.join(known)}{near(key, known)}"
            )
    missing = [key for key, needed in known.items() if needed and key not in table]
    if missing:
        raise TopologyError(f"{where}: key {missing[0]!r} is missing")


def _tables(
    file: Table, key: str, known: dict[str, bool], text: str
) -> Iterator[tuple[str, Table]]:
    """Each table of the array ``key``, and where it is; ``text``: of the file."""
    tables = file.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TopologyError(f"{key} is no array of tables; write [[{key}]]")
    heads = re.finditer(rf"^[ \t]*\[\[[ \t]*{key}[ \t]*\]\]", text, re.MULTILINE)
    starts = np.array([head.start() for head in heads])
    breaks = np.flatnonzero(np.frombuffer(text.encode("utf-32-le"), np.uint32) == ord("\n"))
    lines = (np.searchsorted(breaks, starts) + 1).tolist()
    for number, table in enumerate(tables, start=1):
        # A file may also write its tables inline, and then no line is known.
        where = f"line {lines[number - 1]}, " if len(lines) == len(tables) else ""
        where += f"[[{key}]] number {number}"
        _keys(table, known, where)
        yield where, table


def _text(table: Table, key: str, where: str) -> str:
    value = table[key]
    if not isinstance(value, str):
        raise TopologyError(f"{where}: {key} is {shown(value)}, not a text")
    return value


def _texts(table: Table, key: str, where: str) -> list[str]:
    value = table.get(key, [])
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TopologyError(f"{where}: {key} is {shown(value)}, not a list of texts")
    return texts


def _places(table: Table, key: str, count: int, where: str) -> Ints:
    value = table.get(key, NOWHERE)
    values = value if isinstance(value, list) else [value] * count
    if not all(type(number) is int and abs(number) < 2**31 for number in values):
        raise TopologyError(
            f"{where}: {key} is {shown(value)}, not a whole number or a list of them"
        )
    if key in table and min(values, default=0) < 0:
        raise TopologyError(f"{where}: {key} is {shown(value)}; leave it out where there is none")
    if len(values) != count:
        raise TopologyError(f"{where}: {len(values)} numbers in {key!r} for {count} names")
    return np.array(values, dtype=np.int32)


def _ends(table: Table, key: str, index: dict[str, int], where: str) -> Ints:
    names = _texts(table, key, where)
    for name in names:
        if name not in index:
            raise TopologyError(
                f"{where}: {key!r} names no vertex: {shown(name)}{near(name, index)}"
            )
    return np.array([index[name] for name in names], dtype=np.int32)


def _number(table: Table, key: str, quantity: str, where: str) -> float:
    try:
        return parse(table[key], quantity)
    except TriplaneError as error:
        raise TopologyError(f"{where}: {key}: {error}") from error


def to_toml(topology: Topology) -> str:
    """``topology`` as TOML text, from which `from_toml` makes the same columns, bit for bit."""
    lines = [f"name = {_quoted(topology.name)}", f"planes = {_listed(topology.planes)}"]
    if topology.removed:
        lines.append(f"removed = {_listed(topology.removed)}")
    if stated := topology.provenance.as_dict():
        lines += ["\n[provenance]", *(f"{key} = {_value(one)}" for key, one in stated.items())]
    split = np.arange(topology.n_vertices) >= topology.n_endpoints
    number = {kind: i for i, kind in enumerate(topology.vertex_kinds)}
    kinds = np.array([number[kind] for kind in topology.vertex_kinds])
    nowhere = (topology.node == NOWHERE, topology.package == NOWHERE)
    for rows in _runs(split, kinds, *nowhere):
        lines += _vertex_table(topology, rows)
    return "\n".join(lines + _link_tables(topology)) + "\n"


def _vertex_table(topology: Topology, rows: slice) -> Iterator[str]:
    yield f"\n[[{'endpoints' if rows.start < topology.n_endpoints else 'switches'}]]"
    yield f"kind = {_quoted(topology.vertex_kinds[rows.start])}"
    yield f"names = {_names(topology.vertex_names[rows])}"
    for key, column in (("node", topology.node[rows]), ("package", topology.package[rows])):
        if column[0] != NOWHERE:
            one = (column == column[0]).all()
            yield f"{key} = {column[0] if one else _wrapped([str(x) for x in column.tolist()])}"


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
