"""Chakra execution traces, in and out: what ASTRA-sim and other simulators of training run.

A trace is a file a rank, ``PREFIX.RANK.et``: messages of MLCommons' schema (mlcommons/chakra,
``schema/protobuf/et_def.proto``), each behind its length, perhaps gzipped; first
``GlobalMetadata``, then the nodes. Attributes are those of Chakra's feeder
(``et_feeder_node.cpp``).

What a node is here: COMP, MEM_LOAD and MEM_STORE compute for their ``duration_micros``, or where
`Processor` says how fast one is, for what their ``num_ops`` and ``tensor_size`` take; SEND, RECV
and COLL are messages and collectives (who takes part: `collectives.workloads.chakra.groups`);
METADATA and INVALID take no time. What could begin at the same time begins in the order of ids, as
in ASTRA-sim. Sizes are ASTRA-sim's (``Ring.cc``): of an all-gather a rank's part, of the others a
rank's whole.

Every attribute is heeded, known as `DECORATION`, or refused: what is not known may decide
something. ``comm_priority`` is refused where it differs, since nothing here has priorities.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collectives.workloads.chakra import protobuf
from collectives.workloads.chakra.files import MOST, files, in_order, stem, unpacked
from collectives.workloads.chakra.groups import GroupTable, groups_in, read_groups
from collectives.workloads.chakra.nodes import (
    COMM_COLL,
    COMM_RECV,
    COMM_SEND,
    COMP,
    INVALID,
    LOAD,
    METADATA,
    STORE,
    ChakraNode,
    check_metadata,
    node_of,
)
from collectives.workloads.chakra.write import SECONDS, TYPES, VERSION, save
from collectives.workloads.workload import (
    CALC,
    COLLECTIVE,
    COLLECTIVES,
    RECV,
    SEND,
    Workload,
    WorkloadError,
    Writer,
)
from topology.files.reading import read_bytes
from topology.units import US

__all__ = [
    "COMM_COLL", "COMM_RECV", "COMM_SEND", "COMP", "DECORATION", "INVALID", "LOAD", "METADATA",
    "STORE", "TYPES", "VERSION", "Processor", "files", "load", "read_groups", "save", "sizes",
]  # fmt: skip

DECORATION = (
    "rf_id", "fw_parent", "seq_id", "scope", "tid", "fw_tid", "op_schema", "stream",  # PyTorch's
    "op_type", "schema", "inputs", "outputs",  # of the symbolic tensor graph
)  # fmt: skip
"""Attributes that decide nothing, in ASTRA-sim neither: where a node comes from, what it is."""

_COMMON = ("is_cpu_op", "num_ops", "tensor_size", SECONDS)
# ASTRA-sim's converter of algorithms writes the type of the node as comm_type of a message.
_MESSAGE = ("comm_size", "comm_src", "comm_dst", "comm_tag", "comm_priority", "pg_name",
            "comm_type")  # fmt: skip
_CALL = ("comm_type", "comm_size", "comm_tag", "comm_priority", "pg_name", "comm_group",
         "involved_dim", "root_rank")  # fmt: skip
_KNOWN = {
    LOAD: _COMMON, STORE: _COMMON, COMP: _COMMON, COMM_SEND: (*_COMMON, *_MESSAGE),
    COMM_RECV: (*_COMMON, *_MESSAGE), COMM_COLL: (*_COMMON, *_CALL),
}  # fmt: skip
"""Attributes that a node of each type may have beside `DECORATION`."""

_SHARED = ("all_to_all", "reduce_scatter", "gather", "scatter")  # sizes that are of all parts


@dataclass(frozen=True, slots=True)
class Processor:
    """How fast a rank computes, for nodes that say what they compute and not how long.

    ``peak``: operations a second; ``memory``, ``remote``: bytes a second of its own memory and of
    that behind the network. ASTRA-sim's roofline: operations and bytes overlap, the slower counts.
    """

    peak: float = math.inf
    memory: float = math.inf
    remote: float | None = None

    def seconds(self, operations: int, size: int) -> float:
        """Seconds that ``operations`` operations on ``size`` bytes take, by the roofline model."""
        return max(operations / self.peak, size / self.memory)


MOST_NODES = 1 << 22
"""Nodes of a rank that are read at most; each takes about a kilobyte."""


def load(
    paths: Sequence[str | Path], groups: Mapping[str, Sequence[int]] | None = None, *,
    dimensions: Sequence[int] = (), processor: Processor | None = None,
    ignored: Collection[str] = (),
) -> Workload:  # fmt: skip
    """The workload in these Chakra files, one for each rank: in rank order, or as their names say.

    ``groups``: the ranks of each ``pg_name``, beside those that the trace lists. ``dimensions``:
    ranks along each dimension of ``involved_dim``. ``processor``: for nodes that do not say how
    long they take. ``ignored``: attributes to be passed over. Raises `WorkloadError` naming file
    and fault.
    """
    ordered = in_order([Path(path) for path in paths])
    given = {name: tuple(ranks) for name, ranks in (groups or {}).items()}
    reader = _NodeReader(
        GroupTable(len(ordered), tuple(dimensions)), processor, {*DECORATION, *ignored}
    )
    traces = []
    for path in ordered:
        data = read_bytes(path, WorkloadError, MOST)
        with _naming(path):
            traces.append(reader.nodes(unpacked(data), given))
    for rank, (path, (nodes, named)) in enumerate(zip(ordered, traces, strict=True)):
        with _naming(path):
            reader.add(rank, nodes, named)
    with _naming(ordered[0].parent / stem(ordered[0])):
        return reader.done()


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors inside it begin with the name of the file."""
    try:
        yield
    except (protobuf.ProtobufError, WorkloadError) as error:
        raise WorkloadError(f"{path}: {error}") from None


class _NodeReader:
    """Puts a workload together from nodes."""

    def __init__(self, groups: GroupTable, processor: Processor | None, passed: set[str]) -> None:
        self.groups, self.processor, self.passed = groups, processor, passed
        self.writer = Writer("node")
        self.priority: tuple[int, ChakraNode] | None = None

    def done(self) -> Workload:
        """All of it."""
        return self.writer.done(self.groups.ranks, self.groups.listed)

    def nodes(
        self, data: bytes, given: Mapping[str, tuple[int, ...]]
    ) -> tuple[list[ChakraNode], dict[str, tuple[int, ...]]]:
        """A rank's nodes in the order of their ids, and the groups that it knows."""
        nodes, named = _nodes(data), dict(given)
        for node in nodes:
            listed = groups_in(node, self.groups.ranks) if node.type == METADATA else {}
            for name, ranks in listed.items():
                if named.setdefault(name, ranks) != ranks:
                    raise WorkloadError(
                        f"group {name!r:.40} is {list(ranks)!s:.80} in {node}, and elsewhere"
                        f" {list(named[name])!s:.80}"
                    )
        for name, ranks in named.items():
            self.groups.place(name, ranks)
        nodes.sort(key=lambda node: node.id)
        return nodes, named

    def add(
        self, rank: int, nodes: Sequence[ChakraNode], named: Mapping[str, tuple[int, ...]]
    ) -> None:
        """The operations of a rank."""
        number: dict[int, int] = {}
        for node in nodes:
            number[node.id] = self._operation(rank, node, named)
        for node in nodes:
            for need in dict.fromkeys(node.needs):
                if need not in number:
                    raise WorkloadError(f"node {node.id} needs node {need}, which there is not")
                self.writer.need(number[node.id], number[need])

    def _operation(self, rank: int, node: ChakraNode, named: Mapping[str, tuple[int, ...]]) -> int:
        self._check_attributes(node)
        if node.type in (COMM_SEND, COMM_RECV):
            return self._message(rank, node, named)
        if node.type == COMM_COLL:
            return self._collective(rank, node, named)
        # A host and a device compute side by side.
        timed = node.type in (COMP, LOAD, STORE)
        return self.writer.add(
            rank, CALC, node.name, duration=self._seconds(node) if timed else 0.0,
            unit=int(node.flag("is_cpu_op")) if timed else 0, number=node.id,
        )  # fmt: skip

    def _check_attributes(self, node: ChakraNode) -> None:
        known = _KNOWN.get(node.type, node.attributes)
        for name in node.attributes:
            if name not in known and name not in self.passed:
                raise WorkloadError(
                    f"{node} has the attribute {name!r:.40}, which is not known here and may decide"
                    f" something; --ignore {name:.40} passes over it"
                )
        if node.type not in (COMM_SEND, COMM_RECV, COMM_COLL):
            return
        if node.flag("is_cpu_op"):
            raise WorkloadError(f"{node} communicates and is_cpu_op; devices communicate")
        priority = 0 if "comm_priority" in self.passed else node.number("comm_priority")
        before, first = self.priority or (priority, node)
        if priority != before:
            raise WorkloadError(
                f"comm_priority of {node} is {priority}, and {before} of {first}; nothing here has"
                " priorities: --ignore comm_priority passes over it"
            )
        self.priority = before, first

    def _seconds(self, node: ChakraNode) -> float:
        if node.micros < 0:
            raise WorkloadError(f"duration_micros of {node} is {node.micros}")
        if SECONDS in node.attributes:
            seconds = node.attributes[SECONDS]
            if not isinstance(seconds, float):
                raise WorkloadError(f"{SECONDS} of {node} is {seconds!s:.40}, no double")
            return seconds
        operations, size = node.number("num_ops"), node.number("tensor_size")
        if operations < 0 or size < 0:
            raise WorkloadError(f"num_ops of {node} is {operations}, and tensor_size {size}")
        if {"num_ops", "tensor_size"} & self.passed or not (operations or size):
            return node.micros * US
        if node.type == COMP and self.processor and not node.flag("is_cpu_op"):
            return self.processor.seconds(operations, size)
        if node.type != COMP and self.processor and self.processor.remote:
            return size / self.processor.remote
        if node.micros:
            return node.micros * US
        option, key = ("--peak-perf", "num_ops") if node.type == COMP else (
            "--remote-mem-bw", "tensor_size")  # fmt: skip
        raise WorkloadError(
            f"{node} has num_ops {operations}, tensor_size {size} and no duration_micros: give"
            f" {option}, which says how long it takes, or --ignore {key} for no time"
        )

    def _message(self, rank: int, node: ChakraNode, named: Mapping[str, tuple[int, ...]]) -> int:
        sends = node.type == COMM_SEND
        peer = node.needed("comm_dst" if sends else "comm_src")
        if peer < 0 or node.number("comm_tag") < 0:
            raise WorkloadError(f"{node} has a comm_src, comm_dst or comm_tag below 0")
        own = "comm_src" if sends else "comm_dst"
        if node.number(own, rank) != rank:
            raise WorkloadError(f"{own} of {node} is {node.number(own)}, in the trace of {rank}")
        members = named.get(node.text("pg_name"), (rank, peer))
        if not {rank, peer} <= {*members}:
            raise WorkloadError(
                f"{node} is between ranks {rank} and {peer}, and its group has {members!s:.80}"
            )
        return self.writer.add(
            rank, SEND if sends else RECV, node.name, size=node.needed("comm_size"), peer=peer,
            tag=node.number("comm_tag"), number=node.id,
        )  # fmt: skip

    def _collective(self, rank: int, node: ChakraNode, named: Mapping[str, tuple[int, ...]]) -> int:
        kind = TYPES.get(node.number("comm_type"))
        if kind is None:
            raise WorkloadError(
                f"comm_type of node {node.id} is {node.number('comm_type')}; there are"
                f" {', '.join(f'{n} ({name})' for n, name in TYPES.items())}"
            )
        size = node.number("comm_size")
        for name in ("comm_type",) if kind == "barrier" else ("comm_type", "comm_size"):
            node.needed(name)
        return self.writer.add(
            rank, COLLECTIVE, node.name, size=size, collective=COLLECTIVES.index(kind),
            group=self.groups.of(node, rank, named), root=node.number("root_rank"), number=node.id,
        )  # fmt: skip


def _nodes(data: bytes) -> list[ChakraNode]:
    found = protobuf.messages(data)
    first = next(found, None)
    if first is None:
        raise WorkloadError("it is empty: a trace begins with its metadata")
    check_metadata(first)
    nodes: dict[int, ChakraNode] = {}
    for message in found:
        node = node_of(message)
        if node.id in nodes:  # said now: a small file can unpack to many millions of empty ones
            raise WorkloadError(f"two nodes have the id {node.id}")
        if len(nodes) == MOST_NODES:
            raise WorkloadError(f"it has more than {MOST_NODES} nodes")
        nodes[node.id] = node
    return list(nodes.values())


def sizes(collective: str, size: int, ranks: int) -> int:
    """The ``size`` in bytes that `collectives.schedule` takes for a node's ``comm_size``.

    Where ``comm_size`` is of all blocks together it is divided by ``ranks``, rounded down.
    """
    return size // ranks if collective in _SHARED else size
