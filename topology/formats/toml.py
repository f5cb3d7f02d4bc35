"""A topology as a TOML file, in and out, without loss.

By hand, a star of three hosts::

    name = "my star"
    planes = ["net"]                      # in the order in which traffic prefers them

    [[endpoints]]
    kind = "host"
    names = ["a", "b", "c"]
    node = [0, 1, 2]                      # optional, as are `package`, `rack` and `supernode`;
                                          # one number holds for all

    [[switches]]
    kind = "switch"
    names = "hub"                         # one name needs no list
    in_switch = ["multicast", "reduce"]   # optional: what it can do with the data it passes on

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

``vertex_ids`` and ``link_ids``, where they are not the row numbers, list ``[first, how many]`` of
each stretch of ids that go up by one. Tables may come as often as needed; their order is that of
vertices and links. Numbers with a unit are texts, as `topology.units.parse` reads them.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from topology.draft import Draft
from topology.errors import TopologyError, TriplaneError
from topology.files.output import text_file
from topology.files.reading import read_text, shown
from topology.formats.toml_tables import Table, check_keys, tables, toml_of
from topology.formats.toml_text import to_toml
from topology.graph import ABILITIES, CONTAINERS, NOWHERE, Ints, Longs, Topology
from topology.names import near
from topology.provenance import UNKNOWN, Provenance, provenance_of
from topology.units import parse

MOST = 1 << 26
"""Bytes of a file at most: forty times those of CloudMatrix384's."""

MAX_PLANES = 100
"""Planes of a file at most."""

MAX_LINKS = 1 << 22
"""Links of a file at most: 150 times those of CloudMatrix384."""

_FILE = {"name": True, "planes": True, "removed": False, "endpoints": True, "switches": False,
         "links": False, "provenance": False, "vertex_ids": False, "link_ids": False}  # fmt: skip
_VERTICES = {"kind": True, "names": True, **dict.fromkeys(CONTAINERS, False)}
_SWITCHES = {**_VERTICES, "in_switch": False}
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
    file = toml_of(text, TopologyError)
    check_keys(file, _FILE, "the file", TopologyError)
    planes = tuple(_texts(file, "planes", "the file"))
    twice, times = Counter(planes).most_common(1)[0] if planes else ("", 1)
    if times > 1 or len(planes) > MAX_PLANES:
        what = f"{shown(twice)} twice" if times > 1 else f"{len(planes)}; {MAX_PLANES} are possible"
        raise TopologyError(f"the file: planes names {what}")
    draft = Draft(planes)
    for key, known in (("endpoints", _VERTICES), ("switches", _SWITCHES)):
        for where, table in tables(file, key, known, text, TopologyError):
            names, kind = _texts(table, "names", where), _text(table, "kind", where)
            places = {key: _places(table, key, len(names), where) for key in CONTAINERS}
            if key == "endpoints":
                draft.endpoints(names, kind, **places)
            else:
                draft.switches(names, kind, **places, in_switch=_able(table, where))
    index = {name: vertex for vertex, name in enumerate(draft.names)}
    links = 0
    for where, table in tables(file, "links", _LINKS, text, TopologyError):
        links += _read_links(draft, index, table, where, MAX_LINKS - links)
    name, removed = _text(file, "name", "the file"), _texts(file, "removed", "the file")
    provenance = provenance_of(file.get("provenance", {}), "the file")
    ids = _ids(file, "vertex_ids", len(draft.names)), _ids(file, "link_ids", links)
    return draft.freeze(name, tuple(removed), provenance, *ids)


def _ids(file: Table, key: str, rows: int) -> Longs | None:
    """The ids of so many rows, int64; None where the file says nothing of them."""
    if key not in file:
        return None
    runs = file[key]
    if not isinstance(runs, list) or not all(map(_is_run, runs)):
        raise TopologyError(
            f"the file: {key} is {shown(runs)}; a list of [first, how many] is needed"
        )
    counts = [count for _, count in runs]
    if sum(counts) != rows:
        raise TopologyError(f"the file: {key} are {sum(counts)} for {rows} rows")
    ids = [np.arange(first, first + count, dtype=np.int64) for first, count in runs]
    return np.concatenate([np.empty(0, np.int64), *ids])


def _is_run(run: object) -> bool:
    return (
        isinstance(run, list)
        and len(run) == 2
        and all(type(number) is int and 0 <= number < 1 << 62 for number in run)
    )


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


def _able(table: Table, where: str) -> int:
    """What switches can do with data, as bits of `ABILITIES`."""
    given = _texts(table, "in_switch", where)
    for name in given:
        if name not in ABILITIES:
            raise TopologyError(
                f"{where}: in_switch has {shown(name)}; there are {', '.join(ABILITIES)}"
                f"{near(name, ABILITIES)}"
            )
    return sum(1 << ABILITIES.index(name) for name in set(given))


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
