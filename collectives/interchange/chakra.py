"""Chakra execution traces, in and out: what ASTRA-sim and other simulators of training run.

A trace is a file a rank, ``PREFIX.RANK.et``: messages of MLCommons' schema
(mlcommons/chakra, ``schema/protobuf/et_def.proto``), each behind its length, perhaps gzipped; first
`GlobalMetadata`, then the nodes. Attributes are those of Chakra's feeder (``et_feeder_node.cpp``).

What a node is here: COMP, MEM_LOAD and MEM_STORE compute for their ``duration_micros`` (``num_ops``
and ``tensor_size`` are not timed: that needs a model of the processor); SEND, RECV and COLL are
messages and collectives; METADATA and INVALID take no time. ``pg_name`` names a node's group, which
a metadata node of PyTorch's process groups lists, or `load` is told; without it all ranks are in.
Sizes are ASTRA-sim's (``Ring.cc``): of an all-gather a rank's part, of the others a rank's whole.
"""

import gzip
import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from collectives.interchange import protobuf
from collectives.interchange.graph import (
    CALC,
    COLLECTIVE,
    COLLECTIVES,
    RECV,
    SEND,
    Workload,
    WorkloadError,
    Writer,
)
from topology.units import US

INVALID, METADATA, LOAD, STORE, COMP, COMM_SEND, COMM_RECV, COMM_COLL = range(8)
"""``NodeType`` of the schema."""

TYPES = {
    0: "all_reduce", 1: "reduce", 2: "all_gather", 3: "gather", 4: "scatter", 5: "broadcast",
    6: "all_to_all", 7: "reduce_scatter", 8: "reduce_scatter", 9: "barrier",
}  # fmt: skip
"""``CollectiveCommType`` of the schema."""

VERSION = "0.0.4"
"""Of the schema, as Chakra's own converters write it."""

SECONDS = "triplane_seconds"
"""An attribute of our own: a computing that is no whole number of microseconds."""

_NAME = re.compile(r"(?P<prefix>.+)\.(?P<rank>[0-9]+)\.et(\.gz)?")
_SHARED = ("all_to_all", "reduce_scatter", "gather", "scatter")  # sizes that are of all parts


@dataclass
class _Node:
    """A node as far as it matters here."""

    id: int = 0
    name: str = ""
    type: int = INVALID
    needs: list[int] = field(default_factory=list)
    micros: int = 0
    inputs: str = ""
    attributes: dict[str, int | float | str] = field(default_factory=dict)

    def number(self, name: str, default: int = 0) -> int:
        """A whole number of the attributes; raises `WorkloadError` where it is none."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise WorkloadError(f"{name} of node {self.id} ({self.name!r:.60}) is {value!r:.40}")
        return value


def files(prefix: str | Path) -> list[Path]:
    """The files ``PREFIX.0.et``, ``PREFIX.1.et`` ... beside each other, in the order of ranks.

    ``prefix`` may be one of them. Raises `WorkloadError` where one is missing.
    """
    given = Path(prefix)
    match = _NAME.fullmatch(given.name)
    stem = match["prefix"] if match else given.name
    found: dict[int, Path] = {}
    for path in given.parent.glob("*.et*") if given.parent.is_dir() else ():
        one = _NAME.fullmatch(path.name)
        if one and one["prefix"] == stem:
            found[int(one["rank"])] = path
    missing = [rank for rank in range(max(found, default=0) + 1) if rank not in found]
    if missing:
        raise WorkloadError(f"there is no {given.with_name(f'{stem}.{missing[0]}.et')}")
    return [found[rank] for rank in sorted(found)]


def load(
    paths: Sequence[str | Path], groups: Mapping[str, Sequence[int]] | None = None
) -> Workload:
    """The trace in these files, one a rank in order.

    ``groups``: the ranks of each ``pg_name``, beside those that the trace lists. Raises
    `WorkloadError` naming file and fault.
    """
    named = {name: tuple(ranks) for name, ranks in (groups or {}).items()}
    traces = []
    for path in paths:
        try:
            nodes = _nodes(_bytes(Path(path)))
            for node in nodes:
                if node.type == METADATA:
                    named |= _groups_in(node, len(paths))
        except (protobuf.ProtobufError, WorkloadError) as error:
            raise WorkloadError(f"{path}: {error}") from error
        traces.append(nodes)
    everybody = tuple(range(len(paths)))
    numbered = {name: place for place, name in enumerate(named, start=1)}
    writer = Writer()
    for rank, (path, nodes) in enumerate(zip(paths, traces, strict=True)):
        try:
            _add(writer, rank, nodes, {name: (at, named[name]) for name, at in numbered.items()})
        except WorkloadError as error:
            raise WorkloadError(f"{path}: {error}") from error
    return writer.done(len(paths), (everybody, *named.values()))


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    except (OSError, EOFError, zlib.error) as error:
        raise WorkloadError(f"it cannot be read: {getattr(error, 'strerror', error)}") from error


def _nodes(data: bytes) -> list[_Node]:
    found = protobuf.messages(data)
    if next(found, None) is None:
        raise WorkloadError("it is empty: a trace begins with its metadata")
    return [_node(message) for message in found]


def _node(message: bytes) -> _Node:
    node = _Node()
    for number, kind, value in protobuf.fields(message):
        if isinstance(value, int):
            if number == 1:
                node.id = value
            elif number == 3:
                node.type = value
            elif number in (4, 5) and kind == protobuf.VARINT:
                node.needs.append(value)
            elif number == 7:
                node.micros = value
        elif number == 2:
            node.name = _text(value)
        elif number in (4, 5):
            node.needs += _packed(value)
        elif number == 8:
            node.inputs = next((_text(v) for n, _, v in protobuf.fields(value)
                                if n == 1 and isinstance(v, bytes)), "")  # fmt: skip
        elif number == 10:
            node.attributes |= _attribute(value)
    if node.type > COMM_COLL:
        raise WorkloadError(f"node {node.id} is of type {node.type}; there are 0 to {COMM_COLL}")
    return node


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _packed(value: bytes) -> list[int]:
    at, found = 0, []
    while at < len(value):
        one, at = protobuf.read_varint(value, at)
        found.append(one)
    return found


def _attribute(message: bytes) -> dict[str, int | float | str]:
    """Name and value, where the value is one number or one text."""
    name, found = "", None
    for number, kind, value in protobuf.fields(message):
        if number == 1 and isinstance(value, bytes):
            name = _text(value)
        elif number in _VALUES:
            wire, read = _VALUES[number]
            if wire == kind:
                found = read(value)
    return {} if found is None else {name: found}


def _double(value: Any) -> float:
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])


def _float(value: Any) -> float:
    return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])


def _zigzag(value: Any) -> int:
    return int(value >> 1) ^ -int(value & 1)


_VALUES: dict[int, tuple[int, Any]] = {
    3: (protobuf.FIXED64, _double), 5: (protobuf.FIXED32, _float),
    7: (protobuf.VARINT, protobuf.signed), 9: (protobuf.VARINT, protobuf.signed),
    11: (protobuf.VARINT, int), 13: (protobuf.VARINT, int), 15: (protobuf.VARINT, _zigzag),
    17: (protobuf.VARINT, _zigzag), 19: (protobuf.FIXED32, int), 21: (protobuf.FIXED64, int),
    23: (protobuf.FIXED32, lambda v: protobuf.signed(v, 32)),
    25: (protobuf.FIXED64, protobuf.signed), 27: (protobuf.VARINT, int),
    29: (protobuf.BYTES, _text),
}  # fmt: skip
"""The ``oneof value`` of an attribute by field number: wire type, and how its value is read."""


def _groups_in(node: _Node, ranks: int) -> dict[str, tuple[int, ...]]:
    """PyTorch's process groups: JSON in the node's inputs, a list in quotes."""
    begin, end = node.inputs.find("["), node.inputs.rfind("]")
    inner = node.inputs[node.inputs.find("[{") : node.inputs.rfind("}]") + 2]
    if begin < 0 or end < begin or "pg_name" not in inner:
        return {}
    try:
        listed = json.loads(inner)
        return {
            str(one["pg_name"]): tuple(map(int, one["ranks"])) or tuple(range(ranks))
            for one in listed
        }
    except (ValueError, KeyError, TypeError) as error:
        raise WorkloadError(f"node {node.id} lists process groups that are none: {error}") from None


def _add(
    writer: Writer, rank: int, nodes: Sequence[_Node],
    groups: Mapping[str, tuple[int, tuple[int, ...]]],
) -> None:  # fmt: skip
    number: dict[int, int] = {}
    for node in nodes:
        if node.id in number:
            raise WorkloadError(f"two nodes have the id {node.id}")
        number[node.id] = _operation(writer, rank, node, groups)
    for node in nodes:
        for need in dict.fromkeys(node.needs):
            if need not in number:
                raise WorkloadError(f"node {node.id} needs node {need}, which there is not")
            writer.need(number[node.id], number[need])


def _operation(
    writer: Writer, rank: int, node: _Node, groups: Mapping[str, tuple[int, tuple[int, ...]]]
) -> int:
    if node.type in (COMM_SEND, COMM_RECV):
        kind, end = (SEND, "comm_dst") if node.type == COMM_SEND else (RECV, "comm_src")
        if end not in node.attributes:
            raise WorkloadError(f"node {node.id} ({node.name!r:.60}) has no {end}")
        return writer.add(
            rank, kind, node.name, size=node.number("comm_size"), peer=node.number(end),
            tag=node.number("comm_tag"),
        )  # fmt: skip
    if node.type == COMM_COLL:
        return _collective(writer, rank, node, groups)
    timed = node.type in (COMP, LOAD, STORE)
    seconds = node.attributes.get(SECONDS, node.micros * US)
    duration = float(seconds) if timed and not isinstance(seconds, str) else 0.0
    # A host and a device compute side by side.
    unit = int(bool(node.number("is_cpu_op"))) if timed else 0
    return writer.add(rank, CALC, node.name, duration=duration, unit=unit)


def _collective(
    writer: Writer, rank: int, node: _Node, groups: Mapping[str, tuple[int, tuple[int, ...]]]
) -> int:
    kind = TYPES.get(node.number("comm_type"))
    if kind is None:
        raise WorkloadError(
            f"comm_type of node {node.id} is {node.number('comm_type')}; there are"
            f" {', '.join(f'{n} ({name})' for n, name in TYPES.items())}"
        )
    name, group = str(node.attributes.get("pg_name", "")), 0
    if name:
        if name not in groups:
            known = ", ".join(groups) or "none"
            raise WorkloadError(f"pg_name of node {node.id} is {name!r:.40}; known are {known}")
        group = groups[name][0]
    return writer.add(
        rank, COLLECTIVE, node.name, size=node.number("comm_size"),
        collective=COLLECTIVES.index(kind), group=group, root=node.number("root_rank"),
    )  # fmt: skip


# Out.


def save(workload: Workload, prefix: str | Path) -> list[Path]:
    """Write ``workload`` to ``PREFIX.0.et``, ``PREFIX.1.et`` ...; returns these paths.

    Groups other than that of all ranks go into a metadata node of each rank. Raises
    `WorkloadError` for what a trace cannot say: a need of a begin, or a receive from anybody.
    """
    _check(workload)
    target, written = Path(prefix), []
    order = np.argsort(workload.later, kind="stable")
    bounds = np.searchsorted(workload.later[order], np.arange(len(workload) + 1)).tolist()
    needs = workload.earlier[order].tolist()
    first = np.searchsorted(workload.rank, np.arange(workload.ranks + 1)).tolist()
    for rank in range(workload.ranks):
        path = target.with_name(f"{target.name}.{rank}.et")
        mine = range(first[rank], first[rank + 1])
        out = [protobuf.field(1, VERSION), *_listed(workload, len(mine))]
        for at in mine:
            earlier = [need - mine.start for need in needs[bounds[at] : bounds[at + 1]]]
            out.append(_written(workload, at, at - mine.start, earlier))
        path.write_bytes(b"".join(protobuf.varint(len(one)) + one for one in out))
        written.append(path)
    return written


def _check(w: Workload) -> None:
    if w.started.any():
        raise WorkloadError("a Chakra trace cannot say that an operation needs only a begin")
    anybody = np.flatnonzero((w.kind == RECV) & ((w.peer < 0) | (w.tag < 0)))
    if len(anybody):
        raise WorkloadError(
            f"a Chakra trace cannot say that rank {w.rank[anybody[0]]} receives from anybody"
        )


def _listed(w: Workload, number: int) -> list[bytes]:
    """The metadata node that lists the groups, where there are some."""
    if len(w.groups) == 1:
        return []
    groups = [
        {"pg_name": str(place), "ranks": list(group)}
        for place, group in enumerate(w.groups[1:], start=1)
    ]
    inputs = protobuf.field(1, f"['{json.dumps(groups)}']")
    return [
        protobuf.field(1, number) + protobuf.field(2, "## process_group:init ##")
        + protobuf.field(3, METADATA) + protobuf.field(8, inputs)
    ]  # fmt: skip


def _written(w: Workload, at: int, number: int, needs: Sequence[int]) -> bytes:
    kind = int(w.kind[at])
    types = {CALC: COMP, SEND: COMM_SEND, RECV: COMM_RECV, COLLECTIVE: COMM_COLL}
    out = [protobuf.field(1, number), protobuf.field(2, w.name[at])]
    out.append(protobuf.field(3, types[kind]))
    if needs:
        out.append(protobuf.field(5, b"".join(map(protobuf.varint, needs))))
    values: dict[str, int | float | str] = {"is_cpu_op": 0}
    if kind == CALC:
        seconds = float(w.duration[at])
        micros = round(seconds / US)
        out.append(protobuf.field(7, micros))
        values["is_cpu_op"] = int(w.unit[at] > 0)
        if micros * US != seconds:
            values[SECONDS] = seconds
    else:
        values["comm_size"] = int(w.size[at])
    if kind == SEND:
        values |= {"comm_src": int(w.rank[at]), "comm_dst": int(w.peer[at])}
    if kind == RECV:
        values |= {"comm_src": int(w.peer[at]), "comm_dst": int(w.rank[at])}
    if kind in (SEND, RECV):
        values["comm_tag"] = int(w.tag[at])
    if kind == COLLECTIVE:
        values |= _call(w, at)
    return b"".join(out + [protobuf.field(10, _value(name, v)) for name, v in values.items()])


def _call(w: Workload, at: int) -> dict[str, int | float | str]:
    name = COLLECTIVES[int(w.collective[at])]
    told: dict[str, int | float | str] = {
        "comm_type": next(number for number, known in TYPES.items() if known == name)
    }
    if w.group[at]:
        told["pg_name"] = str(w.group[at])
    if w.root[at]:
        told["root_rank"] = int(w.root[at])
    return told


_FIELDS = {"is_cpu_op": 27, "comm_src": 7, "comm_dst": 7, "comm_tag": 7}
"""Fields that Chakra's feeder reads an attribute from; others are ``int64_val``."""


def _value(name: str, value: int | float | str) -> bytes:
    number = _FIELDS.get(name, 9)
    if not isinstance(value, int):
        number = 3 if isinstance(value, float) else 29
    return protobuf.field(1, name) + protobuf.field(number, value)


def sizes(collective: str, size: int, ranks: int) -> int:
    """What `collectives.schedule` takes for a node's ``comm_size``.

    Shared out evenly where it is of all parts, rounded down.
    """
    return size // ranks if collective in _SHARED else size
