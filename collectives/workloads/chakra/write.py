"""Workloads as Chakra execution traces: a file a rank, by MLCommons' schema."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from collectives.workloads.chakra import protobuf
from collectives.workloads.chakra.nodes import COMM_COLL, COMM_RECV, COMM_SEND, COMP, METADATA
from collectives.workloads.workload import (
    CALC,
    COLLECTIVE,
    COLLECTIVES,
    RECV,
    SEND,
    Workload,
    WorkloadError,
    check_own_needs,
)
from topology.files.output import byte_file
from topology.units import US

TYPES = {
    0: "all_reduce", 1: "reduce", 2: "all_gather", 3: "gather", 4: "scatter", 5: "broadcast",
    6: "all_to_all", 7: "reduce_scatter", 8: "reduce_scatter", 9: "barrier",
}  # fmt: skip
"""``CollectiveCommType`` of the schema."""

VERSION = "0.0.4"
"""Of the schema, as Chakra's own converters write it."""

SECONDS = "triplane_seconds"
"""An attribute of our own: a computing that is no whole number of microseconds."""


def save(workload: Workload, prefix: str | Path) -> list[Path]:
    """Write ``workload`` to ``PREFIX.0.et``, ``PREFIX.1.et`` ...; returns these paths.

    Groups other than that of all ranks go into a metadata node of each rank. Raises `WorkloadError`
    for what a trace cannot express: a dependency on a begin or on another rank, or a receive from
    any.
    """
    _check(workload)
    check_own_needs(workload, "Chakra")
    target, written = Path(prefix), []
    if not target.name:
        raise WorkloadError(f"{str(prefix)!r} is no prefix of names of traces, such as run/ring")
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
        with byte_file(path) as file:
            file.writelines(protobuf.varint(len(one)) + one for one in out)
        written.append(path)
    return written


def _check(w: Workload) -> None:
    if w.started.any():
        raise WorkloadError("a Chakra trace cannot say that an operation needs only a begin")
    long = np.flatnonzero(w.tag >= 1 << 31)
    if len(long):
        raise WorkloadError(f"a Chakra trace cannot say a tag of {w.tag[long[0]]}: it has 31 bits")
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
