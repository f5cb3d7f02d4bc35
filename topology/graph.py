"""What is connected to what: endpoints, switches and directed links as columns, checked when made.

A *vertex* is an endpoint (something that sends and receives: a die, a CPU socket, a GPU) or a
switch chip. Vertices are numbered endpoints first. A *link* is one physical link in one direction:
two vertices, a plane, a bandwidth, a latency. Parallel links are separate rows.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topology import faults
from topology.errors import TopologyError
from topology.files.reading import shown
from topology.names import near
from topology.provenance import UNKNOWN, Provenance

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

NOWHERE = -1
"""The node, package, rack or supernode of a vertex that belongs to none (a spine)."""

CONTAINERS = ("node", "package", "rack", "supernode")
"""The columns that say what a vertex sits in, in the order in which files write them."""

LEVELS = ("package", "node", "supernode", "beyond")
"""How far apart two vertices can be: what is the smallest that they share. See `Topology.level`."""

ABILITIES = ("multicast", "reduce")
"""What a switch can do with the data that it passes on: copy it to several ports, or combine what
comes in at several. Number i is bit i of `Topology.in_switch`."""

MULTICAST, REDUCE = 1, 2
"""The bits of `ABILITIES`."""

_ABSENT: Any = None  # the default of columns that `__post_init__` fills

SLOWEST = 1e-3
"""Bytes per second of a link at least: with less, times outgrow what a float64 tells apart."""

LATEST = 1e6
"""Seconds of a link's latency at most, eleven days; its sums still tell nanoseconds apart."""


@dataclass(frozen=True, eq=False)
class Topology:
    """An interconnect: immutable, checked when made, cheap to share.

    Columns over V vertices (the first ``n_endpoints`` are endpoints) and L directed links:

    - ``vertex_names``, ``vertex_kinds``: text, V each; names are unique.
    - ``node``, ``package``: int32 [V], the server and the chip package that a vertex sits in, or
      `NOWHERE`.
    - ``planes``: the planes' names, in the order in which traffic prefers them.
    - ``link_src``, ``link_dst``: int32 [L], vertices. ``link_plane``: int32 [L], index of planes.
    - ``link_bandwidth``: float64 [L], bytes per second. ``link_latency``: float64 [L], seconds.
    - ``removed``: what `without` has taken out of this topology, by name.
    - ``provenance``: the preset and arguments that made it, or the file it was read from.
    - ``rack``, ``supernode``: int32 [V], as ``node``; `NOWHERE` for all where they are not given.
    - ``in_switch``: int32 [V], what a switch can do with data on its planes, bits of `ABILITIES`; 0
      for endpoints, and where it is not given.
    - ``vertex_id``: int64 [V], ``link_id``: int64 [L]: what identifies a vertex or link for life.
      `without` keeps them, so answers about what is left can be laid over the whole. They go up
      from row to row; where they are not given they are the row numbers.

    Raises `TopologyError` for columns that do not fit together; the message names the fault.
    """

    name: str
    vertex_names: tuple[str, ...]
    vertex_kinds: tuple[str, ...]
    n_endpoints: int
    node: Ints
    package: Ints
    planes: tuple[str, ...]
    link_src: Ints
    link_dst: Ints
    link_plane: Ints
    link_bandwidth: Floats
    link_latency: Floats
    removed: tuple[str, ...] = field(default=())
    provenance: Provenance = field(default=UNKNOWN)
    rack: Ints = field(default=_ABSENT)
    supernode: Ints = field(default=_ABSENT)
    vertex_id: Longs = field(default=_ABSENT)
    link_id: Longs = field(default=_ABSENT)
    in_switch: Ints = field(default=_ABSENT)

    def __post_init__(self) -> None:
        for column, kind in _COLUMNS.items():
            given = getattr(self, column)
            if given is None:
                array = self._filled(column)
            elif _is_frozen(given, kind):
                continue
            else:  # a copy: freezing the caller's own array in place would surprise the caller
                array = np.array(given, dtype=kind, order="C")
            array.flags.writeable = False
            object.__setattr__(self, column, array)
        _check(self)

    def _filled(self, column: str) -> NDArray[Any]:
        """What stands in a column that is not given."""
        if column in CONTAINERS:
            return np.full(self.n_vertices, NOWHERE, np.int32)
        if column == "in_switch":
            return np.zeros(self.n_vertices, np.int32)
        return np.arange(self.n_vertices if column == "vertex_id" else self.n_links)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the place of a pickled topology, also of one from before there were all columns."""
        self.__dict__.update(state)
        if any(getattr(self, column) is None for column in _COLUMNS):
            self.__post_init__()

    @property
    def n_vertices(self) -> int:
        """Number of vertices: endpoints and switches."""
        return len(self.vertex_names)

    @property
    def n_links(self) -> int:
        """Number of directed links."""
        return len(self.link_src)

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each vertex by its name."""
        return {name: vertex for vertex, name in enumerate(self.vertex_names)}

    @cached_property
    def accelerators(self) -> Ints:
        """The endpoints that ranks run on, in order: every endpoint that is not a ``"cpu"``."""
        kinds = self.vertex_kinds[: self.n_endpoints]
        return np.array([v for v, kind in enumerate(kinds) if kind != "cpu"], dtype=np.int32)

    def level(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.int8]:
        """How far vertices ``a`` are from vertices ``b``, as numbers of `LEVELS`, int8.

        ``a``, ``b``: vertex numbers, broadcast. 0: in one package, 1: in one node, 2: in one
        supernode, 3: none of these.
        """
        far = np.full(np.broadcast(a, b).shape, len(LEVELS) - 1, np.int8)
        for number in reversed(range(len(LEVELS) - 1)):
            place: Ints = getattr(self, LEVELS[number])
            here = place[np.asarray(a)]
            far[(here == place[np.asarray(b)]) & (here != NOWHERE)] = number
        return far

    def node_width(self, vertices: ArrayLike) -> int:
        """How many of ``vertices`` (int [n]) sit in the node of the first one; 1 if it is in none.

        Of a machine of several supernodes, such as racks of GB200, that is the supernode: what two
        levels of an algorithm are to keep apart. Raises `IndexError` where there are no vertices.
        """
        places = self.supernode if self._has_supernodes else self.node
        near = places[np.asarray(vertices)]
        return int((near == near[0]).sum()) if near[0] != NOWHERE else 1

    @cached_property
    def _has_supernodes(self) -> bool:
        known = np.unique(self.supernode)
        return int((known != NOWHERE).sum()) > 1

    @cached_property
    def node_planes(self) -> tuple[str, ...]:
        """The planes that are a network inside nodes: no link leaves one, and some leave a package.

        An algorithm of two levels pays where ranks span nodes that have such a network.
        """
        src, dst, plane = self.link_src, self.link_dst, self.link_plane
        inside = (self.node[src] == self.node[dst]) & (self.node[src] != NOWHERE)
        packaged = (self.package[src] == self.package[dst]) & (self.package[src] != NOWHERE)
        leaves = np.bincount(plane[~inside], minlength=len(self.planes)) > 0
        joins = np.bincount(plane[~packaged], minlength=len(self.planes)) > 0
        return tuple(np.array(self.planes)[joins & ~leaves].tolist())

    def vertex(self, name: str) -> int:
        """The number of the vertex called ``name``; raises `TopologyError` with similar names."""
        if name not in self.index:
            hint = near(name, self.vertex_names) or f"; one is {self.vertex_names[0]!r}"
            raise TopologyError(f"{self.name} has no vertex {name!r}{hint}")
        return self.index[name]

    def of_kind(self, *kinds: str) -> Ints:
        """The vertices of the given kinds, in ascending order: int32 [found]."""
        found = [v for v, kind in enumerate(self.vertex_kinds) if kind in kinds]
        return np.array(found, dtype=np.int32)

    def plane(self, name: str) -> int:
        """The number of the plane called ``name``; raises `TopologyError` with the choices."""
        if name not in self.planes:
            raise TopologyError(
                f"{self.name} has no plane {name!r}; it has {', '.join(self.planes)}"
            )
        return self.planes.index(name)

    def link_name(self, link: int) -> str:
        """The name of a link in answers and errors: ``from->to (plane)``."""
        ends = self.vertex_names[self.link_src[link]], self.vertex_names[self.link_dst[link]]
        return f"{ends[0]}->{ends[1]} ({self.planes[self.link_plane[link]]})"

    def without(self, *names: str) -> "Topology":
        """A new topology without what ``names`` mean; they are appended to ``removed``.

        - a vertex (``"l2.3.12"``, ``"node3.die11"``), and with it its links;
        - a node (``"node3"``) or a group, everything whose name goes on after a dot (``"l2.3"``);
        - a pattern (``"l2.3.*"``);
        - links: ``"a->b"`` one way, ``"a<->b"`` both ways, all parallel ones or one of them,
          counted from 0 (``"a->b #1"``), of every plane or of one (``"a->b (ub)"``, as `link_name`
          writes it); ``a`` and ``b`` are any of the above.

        Vertices and links are renumbered in the old order; ``vertex_id``, ``link_id`` and what
        vertices sit in keep their numbers. Raises `TopologyError` for an unknown name, with similar
        ones, or if no endpoint would be left.
        """
        return faults.without(self, names)

    def made_by(self, provenance: Provenance) -> "Topology":
        """The same topology with this ``provenance``; columns are shared, not checked again."""
        made = copy.copy(self)
        object.__setattr__(made, "provenance", provenance)
        return made

    def _repr_html_(self) -> str:
        from topology.summary import as_html

        return as_html(self)

    def equals(self, other: "Topology") -> bool:
        """True if every column, name and number of ``other`` is the same.

        ``provenance`` is not compared: the same machine may be made by a preset or read from a
        file.
        """
        names = [f.name for f in fields(self) if f.name != "provenance"]
        pairs = [(getattr(self, name), getattr(other, name)) for name in names]
        return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


def _is_frozen(given: Any, kind: type) -> bool:
    """Whether it is a column that nobody can write to any more."""
    if type(given) is not np.ndarray or given.dtype != kind or given.ndim != 1:
        return False
    return given.flags.owndata and given.flags.c_contiguous and not given.flags.writeable


_COLUMNS = {
    "node": np.int32, "package": np.int32, "link_src": np.int32, "link_dst": np.int32,
    "link_plane": np.int32, "link_bandwidth": np.float64, "link_latency": np.float64,
    "rack": np.int32, "supernode": np.int32, "vertex_id": np.int64, "link_id": np.int64,
    "in_switch": np.int32,
}  # fmt: skip


def _check(topology: Topology) -> None:
    names, links = topology.vertex_names, topology.n_links
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise TopologyError(f"{topology.name}: two vertices are called {shown(twice)}")
    _no_link_names(topology)
    for column in ("vertex_kinds", "vertex_id", "in_switch", *CONTAINERS):
        _same_length(topology, column, len(names))
    able = topology.in_switch
    _no_vertex(topology, "in_switch", (able < 0) | (able >= 1 << len(ABILITIES)))
    _no_vertex(topology, "in_switch", (able != 0) & (np.arange(len(names)) < topology.n_endpoints))
    for column in CONTAINERS:
        _no_vertex(topology, column, getattr(topology, column) < NOWHERE)
    for column in ("link_src", "link_dst", "link_plane", "link_bandwidth", "link_latency",
                   "link_id"):  # fmt: skip
        _same_length(topology, column, links)
    for column in ("vertex_id", "link_id"):
        _ascending(topology, column)
    _in_range(topology, "link_src", len(names))
    _in_range(topology, "link_dst", len(names))
    if not topology.planes:
        raise TopologyError(f"{topology.name} has no planes: at least one is needed")
    _in_range(topology, "link_plane", len(topology.planes))
    if not 0 < topology.n_endpoints <= len(names):
        raise TopologyError(f"{topology.name}: {topology.n_endpoints} endpoints of {len(names)}")
    slow = ~(topology.link_bandwidth >= SLOWEST)
    _no_link(topology, slow, "bandwidth", topology.link_bandwidth, f"at least {SLOWEST:g} B/s")
    late = ~((topology.link_latency >= 0) & (topology.link_latency <= LATEST))
    _no_link(topology, late, "latency", topology.link_latency, f"0 to {LATEST:g} s")
    loops = topology.link_src == topology.link_dst
    _no_link(topology, loops, "end equal to its start:", topology.link_dst)
    _text_only(topology)


def _no_link_names(topology: Topology) -> None:
    """``a->b`` and ``a<->b`` mean links wherever names are read."""
    names = topology.vertex_names
    if "->" not in "\n".join(names) and all(names):  # one look at all of them: there are many
        return
    for name in names:
        if not name or "->" in name:
            raise TopologyError(f"{topology.name}: a vertex cannot be called {shown(name)}")


def _text_only(topology: Topology) -> None:
    """Names can be written anywhere: JSON can hold halves of surrogate pairs, UTF-8 cannot."""
    named = (topology.name, *topology.vertex_names, *topology.vertex_kinds, *topology.planes)
    if "".join(named).isascii():
        return
    for name in named:
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise TopologyError(f"{topology.name}: {name!r} has half of a surrogate pair: no text")


def _ascending(topology: Topology, column: str) -> None:
    """That ids go up from row to row makes them different, and quick to be found."""
    ids: Longs = getattr(topology, column)
    if len(ids) and (ids[0] < 0 or (ids[1:] <= ids[:-1]).any()):
        bad = np.flatnonzero(np.diff(ids, prepend=-1) <= 0)
        raise TopologyError(
            f"{topology.name}: {column} in row {bad[0]} is {ids[bad[0]]}; ids go up from row to row"
        )


def _same_length(topology: Topology, column: str, length: int) -> None:
    found = np.shape(getattr(topology, column))
    if found != (length,):
        raise TopologyError(
            f"{topology.name}: {column} has shape {found}, {length} rows are needed"
        )


def _no_vertex(topology: Topology, column: str, bad: NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(bad)
    if len(rows):
        value, name = getattr(topology, column)[rows[0]], topology.vertex_names[rows[0]]
        raise TopologyError(f"{topology.name}: {column} of {name} is {value}")


def _in_range(topology: Topology, column: str, limit: int) -> None:
    values = getattr(topology, column)
    bad = np.flatnonzero((values < 0) | (values >= limit))
    if len(bad):
        raise TopologyError(
            f"{topology.name}: {column} of link {bad[0]} is {values[bad[0]]}, "
            f"outside 0..{limit - 1}"
        )


def _no_link(
    topology: Topology, bad: NDArray[np.bool_], what: str, values: ArrayLike, range_: str = ""
) -> None:
    links = np.flatnonzero(bad)
    if len(links):
        value = np.asarray(values)[links[0]]
        choices = f"; {range_} is possible" if range_ else ""
        raise TopologyError(
            f"{topology.name}: link {topology.link_name(int(links[0]))} has {what} {value}{choices}"
        )


def abilities(bits: int) -> tuple[str, ...]:
    """The names of `ABILITIES` whose bits are set."""
    return tuple(name for i, name in enumerate(ABILITIES) if bits >> i & 1)


def joined(parts: Sequence[ArrayLike]) -> NDArray[Any]:
    """The parts, each flattened, as one array: presets build their columns with it."""
    return np.concatenate(parts, axis=None)
