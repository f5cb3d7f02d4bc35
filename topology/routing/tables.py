"""Static routing tables: which next hops each switch and endpoint has for which destinations.

TOML by hand::

    plane = "ub"          # whose tables these are; other planes are sprayed over
    otherwise = "spray"   # where no row fits: shortest ways. Left out: every way needs rows

    [[routes]]
    at = "node0.l1.3"     # a vertex, a group, a node or a pattern
    to = "node1"          # destinations, likewise; left out: all
    next = { "l2.3.0" = 1, "l2.3.1" = 3 }   # or ["l2.3.*"], evenly

JSON is the same: an object with ``routes``, a list of objects. Of several rows that fit the last
one counts. A link to an endpoint counts only for traffic to that endpoint.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.compiled import compiled, lean, lean_inlined
from topology.errors import RouteError, TopologyError, TriplaneError
from topology.files.reading import json_of, read_text, shown
from topology.formats.toml_tables import check_keys, tables, toml_of
from topology.graph import Floats, Ints, Longs, Topology
from topology.names import groups, near, vertices_called
from topology.routing.hops import FAR, hops_to
from topology.routing.walk import FoldedPlane, nearest

SPRAYED = -1
"""The choice of a vertex and destination for which no row fits."""

MOST_ENTRIES = 1 << 28
"""Vertices times destinations at most: 1 GiB."""

_FILE_KEYS = {"plane": False, "otherwise": False, "routes": True}
_ROW_KEYS = {"at": True, "to": False, "next": True}


class TableRow(NamedTuple):
    """A row: ``where`` it stands in its file; ``at`` and ``to`` as written; weights by next hop."""

    where: str
    at: str
    to: str
    next: Mapping[str, float]


class TableFile(NamedTuple):
    """A file of tables: ``plane``, None where it names none; ``strict``: rows for every way."""

    path: str
    plane: str | None
    strict: bool
    rows: tuple[TableRow, ...]


class Choices(NamedTuple):
    """Next hops: ``of[v, d]`` is the choice of vertex v for destination d, or `SPRAYED`.

    Choice k is bundles ``bundle[begin[k]:begin[k + 1]]`` with ``weight``. ``depth``: int16
    [vertices, destinations], links on the longest way; traffic goes from deeper to less deep.
    """

    of: Ints
    begin: Longs
    bundle: Longs
    weight: Floats
    depth: NDArray[np.int16]


def load_tables(path: str | Path) -> TableFile:
    """The tables in the TOML or JSON file at ``path``; raises `TopologyError` naming the fault."""
    text = read_text(path, TopologyError)
    try:
        return _file(str(path), text)
    except TriplaneError as error:
        raise TopologyError(f"{path}: {error}") from None


def _file(path: str, text: str) -> TableFile:
    is_json = text.lstrip().startswith("{")
    file = json_of(text, "JSON", TopologyError) if is_json else toml_of(text, TopologyError)
    check_keys(file, _FILE_KEYS, "the file", TopologyError)
    plane, otherwise = file.get("plane"), file.get("otherwise")
    if plane is not None and not isinstance(plane, str):
        raise TopologyError(f"plane is {shown(plane)}; it has to be a name")
    if otherwise not in (None, "spray"):
        raise TopologyError(f"otherwise is {shown(otherwise)}; it has to be 'spray', or left out")
    found = tables(file, "routes", _ROW_KEYS, text, TopologyError)
    rows = tuple(_row(where, table) for where, table in found)
    if not rows:
        raise TopologyError("there are no rows; write [[routes]]")
    return TableFile(path, plane, otherwise is None, rows)


def _row(where: str, table: Mapping[str, Any]) -> TableRow:
    at, to, hops = table["at"], table.get("to", "*"), table["next"]
    for key, value in (("at", at), ("to", to)):
        if not isinstance(value, str):
            raise TopologyError(f"{where}: {key} is {shown(value)}; it has to be a name")
    if isinstance(hops, list) and all(isinstance(name, str) for name in hops):
        hops = dict.fromkeys(hops, 1)
    if not isinstance(hops, dict) or not hops:
        raise TopologyError(f"{where}: next is {shown(hops)}; names with weights are needed")
    for name, weight in hops.items():
        if type(weight) not in (int, float) or not 0 < weight <= 1e12:
            raise TopologyError(
                f"{where}: weight of {name} is {shown(weight)}; a number above 0 is needed"
            )
    return TableRow(where, at, to, {name: float(weight) for name, weight in hops.items()})


def choices(graph: Topology, plane: FoldedPlane, file: TableFile) -> Choices:
    """The tables of ``file`` for a plane of ``graph`` in which nothing is folded.

    Raises `TopologyError` for a name that there is not, and a next hop that is no neighbour;
    `RouteError` where a destination is never reached, or not from everywhere.
    """
    n = graph.n_endpoints
    if graph.n_vertices * n > MOST_ENTRIES:
        raise TopologyError(f"{file.path}: {graph.name} is too large for static tables")
    of = np.full((graph.n_vertices, n), SPRAYED, np.int32)
    begin, bundles, weights = [0], [np.zeros(0, np.int64)], [np.zeros(0)]
    for row in file.rows:
        try:
            ends = _called(graph, row.to, "to")
            for vertex, bundle, weight in _links(graph, plane, row):
                of[vertex, ends[ends < n]] = len(begin) - 1
                bundles.append(bundle)
                weights.append(weight)
                begin.append(begin[-1] + len(bundle))
        except TriplaneError as error:
            raise type(error)(f"{file.path}: {row.where}: {error}") from None
    depth = np.full((graph.n_vertices, n), -1, np.int16)
    made = Choices(
        of, np.array(begin), np.concatenate(bundles), np.concatenate(weights), depth
    )  # fmt: skip
    stack, at, opened = (np.zeros(graph.n_vertices, kind) for kind in (np.int64, np.int64, bool))
    fault, vertex, end = _measure(plane, made, n, file.strict, stack, at, opened)
    if fault:
        raise _unusable(graph, file, fault, vertex, end)
    return made


_LOOP, _DEAD_END, _NO_ROW = 1, 2, 3


def _unusable(graph: Topology, file: TableFile, fault: int, vertex: int, end: int) -> TriplaneError:
    at, to = graph.vertex_names[vertex], graph.vertex_names[end]
    if fault == _NO_ROW:
        return RouteError(f"{file.path}: no row says how {at} sends to {to}; otherwise = 'spray'"
                          " would let it take shortest ways")  # fmt: skip
    fitting = [row for row in file.rows if vertex in vertices_called(graph, row.at)
               and end in vertices_called(graph, row.to)]  # fmt: skip
    where = f"{fitting[-1].where}: " if fitting else ""
    words = "comes round to it again: a loop" if fault == _LOOP else "ends there: no way leads on"
    return RouteError(f"{file.path}: {where}what {at} sends to {to} {words}")


def _called(graph: Topology, name: str, key: str) -> Ints:
    found = vertices_called(graph, name)
    if not len(found) and not graph.removed:
        raise TopologyError(
            f"{key}: {graph.name} has nothing called {name!r}{near(name, groups(graph))}"
        )
    return found


def _links(
    graph: Topology, plane: FoldedPlane, row: TableRow
) -> Iterator[tuple[int, Longs, Floats]]:  # fmt: skip
    """Each vertex that ``row`` is for, its bundles to the next hops, and their weights."""
    wanted = {name: _called(graph, name, "next") for name in row.next}
    for vertex in _called(graph, row.at, "at").tolist():
        mine = np.arange(plane.begin[vertex], plane.begin[vertex + 1])
        weight = np.zeros(len(mine))
        for name, vertices in wanted.items():
            fits = np.isin(plane.target[mine], vertices)
            if not fits.any() and not graph.removed:
                raise TopologyError(
                    f"next: {name} is no neighbour of {graph.vertex_names[vertex]}"
                    f"{_neighbours(graph, plane, vertex)}"
                )
            weight[fits] = row.next[name]
        yield vertex, mine[weight > 0], weight[weight > 0]


def _neighbours(graph: Topology, plane: FoldedPlane, vertex: int) -> str:
    ends = np.unique(plane.target[plane.begin[vertex] : plane.begin[vertex + 1]]).tolist()
    names = [graph.vertex_names[end] for end in ends[:4]]
    more = ", ..." if len(ends) > 4 else ""
    return f"; its are {', '.join(names)}{more}" if names else "; it has none on this plane"


@lean
def _measure(
    plane: FoldedPlane, choices: Choices, n: int, strict: bool, stack: Longs, at: Longs,
    opened: NDArray[np.bool_],
) -> tuple[int, int, int]:  # fmt: skip
    """Fill in ``choices.depth``; returns a fault, and for which vertex and destination.

    Depth first from every endpoint: what is met again while it is open is a loop. ``stack``,
    ``at``, ``opened``: working memory, a place a vertex; the last one all False.
    """
    for end in range(n):
        choices.depth[end, end] = 0
        for start in range(n):
            if choices.depth[start, end] >= 0 or _away(start, end, plane, n) == int(FAR):
                continue
            top = 0
            stack[0], at[0], opened[start] = start, 0, True
            while top >= 0:
                c = stack[top]
                if at[top] == 0:
                    if strict and choices.of[c, end] == SPRAYED:
                        return _NO_ROW, c, end
                    if _count(c, end, plane, choices, n) == 0:
                        return _DEAD_END, c, end
                if at[top] < _span(c, end, plane, choices):
                    to = _target(c, end, at[top], plane, choices, n)
                    at[top] += 1
                    if to < 0 or choices.depth[to, end] >= 0:
                        continue
                    if opened[to]:
                        return _LOOP, c, end
                    top += 1
                    stack[top], at[top], opened[to] = to, 0, True
                    continue
                deepest = 0
                for k in range(_span(c, end, plane, choices)):
                    to = _target(c, end, k, plane, choices, n)
                    if to >= 0:
                        deepest = max(deepest, int(choices.depth[to, end]))
                choices.depth[c, end] = deepest + 1
                opened[c] = False
                top -= 1
    return 0, 0, 0


@lean_inlined
def _away(c: int, end: int, plane: FoldedPlane, n: int) -> int:
    """Hops to ``end`` from the nearest vertex that ``c`` is joined to; `FAR`: from none."""
    if c < n:
        return int(nearest(c, end, plane.begin, plane.target, plane.distance, n))
    here = hops_to(c, end, plane.distance, n)
    return here - 1 if here < int(FAR) else int(FAR)


@lean_inlined
def _span(c: int, end: int, plane: FoldedPlane, choices: Choices) -> int:
    """How many bundles vertex ``c`` chooses from for ``end``, those that lead nowhere included."""
    k = choices.of[c, end]
    if k == SPRAYED:
        return int(plane.begin[c + 1] - plane.begin[c])
    return int(choices.begin[k + 1] - choices.begin[k])


@lean_inlined
def _bundle(c: int, end: int, at: int, plane: FoldedPlane, choices: Choices) -> int:
    """Number ``at`` of the bundles of `_span`."""
    k = choices.of[c, end]
    return int(plane.begin[c] + at if k == SPRAYED else choices.bundle[choices.begin[k] + at])


@lean_inlined
def _target(c: int, end: int, at: int, plane: FoldedPlane, choices: Choices, n: int) -> int:
    """Where bundle ``at`` leads, -1 if traffic to ``end`` does not take it."""
    to = int(plane.target[_bundle(c, end, at, plane, choices)])
    if to < n and to != end:
        return -1
    if choices.of[c, end] == SPRAYED:
        hops = hops_to(to, end, plane.distance, n)
        return to if hops == _away(c, end, plane, n) and hops < int(FAR) else -1
    return to


@lean_inlined
def _count(c: int, end: int, plane: FoldedPlane, choices: Choices, n: int) -> int:
    count = 0
    for k in range(_span(c, end, plane, choices)):
        if _target(c, end, k, plane, choices, n) >= 0:
            count += 1
    return count


@compiled
def walk_tables(
    src: Ints, dst: Ints, plane: FoldedPlane, choices: Choices, n: int
) -> tuple[Longs, Ints, Floats, Floats]:
    """Ways of each pair as `topology.routing.walk.walk` returns them, as the tables say."""
    classes = len(plane.begin) - 1
    size, delay = np.zeros(len(src), np.int64), np.zeros(len(src))
    out_resource, out_weight = np.empty(8 * len(src) + 64, np.int32), np.empty(8 * len(src) + 64)
    filled = 0
    here, held, late = np.empty(classes, np.int64), np.zeros(classes), np.zeros(classes)
    for row in range(len(src)):
        end, started = dst[row], filled
        here[0], held[src[row]], late[src[row]] = src[row], 1.0, 0.0
        count = 1 if choices.depth[src[row], end] > 0 else 0
        while count:
            deepest = 0
            for h in range(1, count):
                if choices.depth[here[h], end] > choices.depth[here[deepest], end]:
                    deepest = h
            c = here[deepest]
            count -= 1
            here[deepest] = here[count]
            amount, soon = held[c], late[c]
            held[c], late[c] = 0.0, 0.0
            k, total = choices.of[c, end], 0.0
            for at in range(_span(c, end, plane, choices)):
                if _target(c, end, at, plane, choices, n) >= 0:
                    total += 1.0 if k == SPRAYED else choices.weight[choices.begin[k] + at]
            for at in range(_span(c, end, plane, choices)):
                to = _target(c, end, at, plane, choices, n)
                if to < 0:
                    continue
                weight = 1.0 if k == SPRAYED else choices.weight[choices.begin[k] + at]
                e = _bundle(c, end, at, plane, choices)
                if filled == len(out_resource):
                    out_resource = np.append(out_resource, np.empty_like(out_resource))
                    out_weight = np.append(out_weight, np.empty_like(out_weight))
                part = amount * weight / total
                out_resource[filled], out_weight[filled] = plane.resource[e], part
                filled += 1
                late[to] = max(late[to], soon + plane.latency[e])
                if to == end:
                    delay[row] = max(delay[row], late[to])
                elif held[to] == 0.0:
                    here[count] = to
                    count += 1
                held[to] += part
        held[src[row]] = 0.0
        held[end], late[end] = 0.0, 0.0
        size[row] = filled - started
    return size, out_resource[:filled].copy(), out_weight[:filled].copy(), delay
