"""A topology under construction, which presets and files fill, whole columns at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topology.arguments import integer
from topology.errors import TopologyError
from topology.graph import CONTAINERS, NOWHERE, Ints, Longs, Topology, joined
from topology.provenance import UNKNOWN, Provenance

MOST_VERTICES = 1 << 21
"""Endpoints and switches that a preset is asked for at most: more would not fit in memory."""


def count(value: int, name: str) -> int:
    """``value`` as an int of at most `MOST_VERTICES`; ``name``: what the error calls it.

    Raises `ArgumentError` for no integer or too large a one; a lower limit is the caller's to
    check.
    """
    return integer(value, name, most=MOST_VERTICES)


@dataclass(frozen=True, eq=False)
class Repeated:
    """A column of as many copies of ``values`` as wanted; copy k is ``values + k * step``.

    ``step``: one number for each of the values, or for all.
    """

    values: NDArray[Any]
    copies: int
    step: ArrayLike = 0

    def __len__(self) -> int:
        return len(self.values) * self.copies

    def write(self, column: NDArray[Any]) -> None:
        """Write the copies to ``column``, which is as long: a large one is made only once."""
        for k, row in enumerate(column.reshape(self.copies, len(self.values))):
            np.add(self.values, np.multiply(self.step, k), out=row, casting="unsafe")


def _joined(parts: "list[ArrayLike | Repeated]", kind: type) -> NDArray[Any]:
    flat = [part if isinstance(part, Repeated) else np.ravel(np.asarray(part)) for part in parts]
    column: NDArray[Any] = np.empty(sum(len(part) for part in flat), kind)
    end = 0
    for part in flat:
        begin, end = end, end + len(part)
        if isinstance(part, Repeated):
            part.write(column[begin:end])
        else:
            column[begin:end] = part
    return column


@dataclass(slots=True)
class Draft:
    """Vertices and links so far; `freeze` checks them and makes the `Topology`.

    Endpoints come before switches, as they do in a `Topology`. ``planes`` are in the order in which
    traffic prefers them.
    """

    planes: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    n_endpoints: int = 0
    _places: list[tuple[Ints, ...]] = field(default_factory=list)
    _links: "list[tuple[ArrayLike | Repeated, ...]]" = field(default_factory=list)
    _able: list[Ints] = field(default_factory=list)

    def endpoints(
        self,
        names: Sequence[str],
        kind: str,
        node: ArrayLike = NOWHERE,
        package: ArrayLike = NOWHERE,
        rack: ArrayLike = NOWHERE,
        supernode: ArrayLike = NOWHERE,
    ) -> Ints:
        """Add endpoints named ``names``; returns their vertex numbers, int32 [names].

        ``node``, ``package``, ``rack``, ``supernode``: one number for all, or one for each;
        `NOWHERE` for none. Raises `TopologyError` if switches were added before.
        """
        if self.n_endpoints < len(self.names):
            raise TopologyError(f"endpoints of kind {kind!r} come after switches")
        self.n_endpoints += len(names)
        return self.switches(names, kind, node, package, rack, supernode)

    def switches(
        self,
        names: Sequence[str],
        kind: str,
        node: ArrayLike = NOWHERE,
        package: ArrayLike = NOWHERE,
        rack: ArrayLike = NOWHERE,
        supernode: ArrayLike = NOWHERE,
        in_switch: int = 0,
    ) -> Ints:
        """Add switch chips named ``names``; returns their vertex numbers, int32 [names].

        What they sit in: as in `endpoints`. ``in_switch``: what they can do with data, as in
        `Topology`.
        """
        first, count = len(self.names), len(names)
        self.names.extend(names)
        self.kinds.extend([kind] * count)
        self._places.append(
            tuple(_each(place, count) for place in (node, package, rack, supernode))
        )
        self._able.append(np.full(count, in_switch, np.int32))
        return np.arange(first, first + count, dtype=np.int32)

    def vertices(
        self, names: Sequence[str], kinds: Sequence[str], places: tuple[Ints, ...], in_switch: Ints,
        *, endpoints: bool,
    ) -> None:  # fmt: skip
        """Add vertices of several kinds, as columns; ``places``: one of each of `CONTAINERS`."""
        self.n_endpoints += len(names) if endpoints else 0
        self.names.extend(names)
        self.kinds.extend(kinds)
        self._places.append(places)
        self._able.append(in_switch)

    def connect(
        self, a: ArrayLike, b: ArrayLike, plane: str, bandwidth: float,
        latency: float, back_latency: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a link each way between each of ``a`` and each of ``b`` (arrays, broadcast).

        ``bandwidth`` in bytes per second each way. ``latency`` in seconds belongs to the links into
        ``b``, ``back_latency`` to those into ``a``: a link carries the traversal time of the chip
        that it leads into, and none where it leads into an endpoint.
        """
        self.link(a, b, plane, bandwidth, latency)
        self.link(b, a, plane, bandwidth, back_latency)

    def link(
        self, src: ArrayLike, dst: ArrayLike, plane: str, bandwidth: float, latency: float
    ) -> None:
        """Add a link one way from each of ``src`` to each of ``dst`` (vertex numbers, broadcast).

        ``bandwidth`` in bytes per second, ``latency`` in seconds. Raises `ValueError` for an
        unknown plane.
        """
        ends = [np.ravel(end) for end in np.broadcast_arrays(src, dst)]
        count = len(ends[0])
        number = np.full(count, self.planes.index(plane), np.int32)
        self._links.append((*ends, number, np.full(count, bandwidth), np.full(count, latency)))

    def links(self, *columns: Repeated) -> None:
        """Add links one way: source, target, number of the plane, bandwidth, latency."""
        self._links.append(columns)

    def freeze(
        self, name: str, removed: tuple[str, ...] = (), provenance: Provenance = UNKNOWN,
        vertex_id: Longs | None = None, link_id: Longs | None = None,
    ) -> Topology:  # fmt: skip
        """The checked topology; raises `TopologyError`. Ids: None for the row numbers."""
        none: ArrayLike = np.zeros(0, np.int32)  # of one type with the rest: nothing is converted
        places = [joined([none, *(row[i] for row in self._places)]) for i in range(len(CONTAINERS))]
        src, dst, plane, bandwidth, latency = (
            _joined([row[i] for row in self._links], np.int32 if i < 3 else np.float64)
            for i in range(5)
        )  # fmt: skip
        given = {"vertex_id": vertex_id, "link_id": link_id}
        columns: dict[str, Any] = dict(zip(CONTAINERS, places, strict=True))
        columns |= {key: ids for key, ids in given.items() if ids is not None}
        columns["in_switch"] = joined([none, *self._able])
        for column in (src, dst, plane, bandwidth, latency, *places, columns["in_switch"]):
            column.flags.writeable = False  # nobody else has it: a topology need not copy it
        return Topology(
            name=name,
            vertex_names=tuple(self.names),
            vertex_kinds=tuple(self.kinds),
            n_endpoints=self.n_endpoints,
            planes=self.planes,
            link_src=src,
            link_dst=dst,
            link_plane=plane,
            link_bandwidth=bandwidth,
            link_latency=latency,
            removed=removed,
            provenance=provenance,
            **columns,
        )


def _each(value: ArrayLike, count: int) -> Ints:
    return np.broadcast_to(np.asarray(value, dtype=np.int32), (count,))
