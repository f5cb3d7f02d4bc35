"""Chakra traces in and out, against google's own protobuf where it is installed, and replayed."""

import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives.algorithms import allgather, alltoall
from collectives.workloads import WorkloadError, of_steps, replay
from collectives.workloads.chakra import protobuf
from collectives.workloads.chakra import trace as chakra
from collectives.workloads.chakra.nodes import Unread, attribute_of, node_of
from collectives.workloads.workload import CALC, COLLECTIVE, COLLECTIVES, RECV, Workload, Writer
from fabric import Costs, Endpoint, Fabric
from tests.support.workloads import workloads
from topology import star
from topology.units import GB, US

MiB = 1 << 20


@given(workloads(collectives=True, unit=1e-7))
@settings(derandomize=True, deadline=None)
def test_a_trace_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, workload: Workload
) -> None:
    prefix = tmp_path_factory.mktemp("traces") / "x"
    paths = chakra.save(workload, prefix)
    assert paths == chakra.files(prefix) == chakra.files(paths[0])
    again = chakra.load(paths)
    if len(workload.groups) == 1:
        assert again.equals(workload, names=True)
    else:  # a node of metadata more for each rank
        assert len(again) == len(workload) + workload.ranks
        assert again.groups == workload.groups
    for path, other in zip(paths, chakra.save(again, prefix.with_name("y")), strict=True):
        if len(workload.groups) == 1:
            assert path.read_bytes() == other.read_bytes()


@given(st.integers(0, (1 << 64) - 1))
@settings(derandomize=True, deadline=None)
def test_numbers(value: int) -> None:
    data = protobuf.varint(value)
    assert protobuf.read_varint(data + b"rest", 0) == (value, len(data))
    assert list(protobuf.fields(protobuf.field(7, value))) == [(7, protobuf.VARINT, value)]
    assert protobuf.signed(value) & (1 << 64) - 1 == value


@given(st.binary(max_size=60))
@settings(derandomize=True, deadline=None, max_examples=300)
def test_whatever_the_bytes_are_there_is_an_answer_or_an_error_of_ours(data: bytes) -> None:
    try:
        for message in protobuf.messages(data):
            node_of(message)
    except (protobuf.ProtobufError, WorkloadError):
        pass


def message(*fields: bytes) -> bytes:
    data = b"".join(fields)
    return protobuf.varint(len(data)) + data


def attribute(name: str, number: int, value: int | float | str) -> bytes:
    """As Chakra's own Python writes an attribute."""
    return protobuf.field(10, protobuf.field(1, name) + protobuf.field(number, value))


def node(number: int, kind: int, *more: bytes, name: str = "n") -> bytes:
    return message(
        protobuf.field(1, number), protobuf.field(2, name), protobuf.field(3, kind), *more
    )


def trace(path: Path, *nodes: bytes) -> Path:
    path.write_bytes(message(protobuf.field(1, "1.0.0")) + b"".join(nodes))
    return path


def test_a_trace_as_other_tools_write_it(tmp_path: Path) -> None:
    cpu = attribute("is_cpu_op", 27, 1)
    needs = protobuf.field(5, protobuf.varint(7) + protobuf.varint(8))  # packed
    path = trace(
        tmp_path / "t.0.et",
        node(7, chakra.COMP, protobuf.field(7, 25), cpu, name="host"),
        node(8, chakra.COMP, protobuf.field(7, 5), attribute("num_ops", 9, 10**12)),
        node(9, chakra.COMM_COLL, needs, attribute("comm_type", 13, 0),
             attribute("comm_size", 13, 4 * MiB)),
        node(10, chakra.LOAD, protobuf.field(4, 9), protobuf.field(7, 3),
             attribute("tensor_size", 13, 77)),
        node(11, chakra.METADATA, protobuf.field(4, 10), attribute("x", 4, "a list")),
    )  # fmt: skip
    found = chakra.load([path])
    assert found.kind.tolist() == [CALC, CALC, COLLECTIVE, CALC, CALC]
    np.testing.assert_allclose(found.duration, [25 * US, 5 * US, 0, 3 * US, 0])
    assert found.unit.tolist() == [1, 0, 0, 0, 0]
    assert found.size.tolist() == [0, 0, 4 * MiB, 0, 0]
    needs_found = sorted(zip(found.later.tolist(), found.earlier.tolist(), strict=True))
    assert needs_found == [(2, 0), (2, 1), (3, 2), (4, 3)]
    assert found.name[0] == "host"
    zipped = tmp_path / "z.0.et"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert chakra.load([zipped]).equals(found, names=True)


@pytest.mark.parametrize(
    ("number", "value", "expected"),
    [(7, -5, -5), (9, -5, -5), (11, 5, 5), (13, 5, 5), (15, 9, -5), (17, 9, -5), (27, 1, 1)],
)
def test_whole_numbers_of_every_type(number: int, value: int, expected: int) -> None:
    raw = protobuf.field(1, "a") + protobuf.field(number, value)
    assert attribute_of(raw) == {"a": expected}


def test_other_values() -> None:
    assert attribute_of(protobuf.field(1, "a") + protobuf.field(3, 2.5)) == {"a": 2.5}
    assert attribute_of(protobuf.field(1, "a") + protobuf.field(29, "é")) == {"a": "é"}
    single = protobuf.varint(5 << 3 | 5) + np.float32(1.5).tobytes()
    assert attribute_of(protobuf.field(1, "a") + single) == {"a": 1.5}
    lists = protobuf.field(1, "a") + protobuf.field(10, b"xx")
    assert attribute_of(lists) == {"a": Unread("int64_list")}
    bools = protobuf.field(28, protobuf.field(1, b"\x01\x00") + protobuf.field(1, 1))
    assert attribute_of(protobuf.field(1, "a") + bools) == {"a": (True, False, True)}


def test_what_we_write_googles_own_reads(tmp_path: Path) -> None:
    descriptor = pytest.importorskip("google.protobuf.descriptor_pb2")
    pool = pytest.importorskip("google.protobuf.descriptor_pool").DescriptorPool()
    factory = pytest.importorskip("google.protobuf.message_factory")
    file = descriptor.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    kinds = {"uint64": 4, "int64": 3, "string": 9, "bool": 8, "int32": 5, "double": 1, "enum": 13}
    shapes = {
        "Attribute": [("name", 1, "string", 1), ("double_val", 3, "double", 1),
                      ("int32_val", 7, "int32", 1), ("int64_val", 9, "int64", 1),
                      ("bool_val", 27, "bool", 1), ("string_val", 29, "string", 1)],
        "Node": [("id", 1, "uint64", 1), ("name", 2, "string", 1), ("type", 3, "enum", 1),
                 ("data_deps", 5, "uint64", 3), ("duration_micros", 7, "uint64", 1)],
    }  # fmt: skip
    for name, fields in shapes.items():
        shape = file.message_type.add(name=name)
        for label, number, kind, many in fields:
            shape.field.add(name=label, number=number, type=kinds[kind], label=many)
    file.message_type[1].field.add(
        name="attr", number=10, type=11, label=3, type_name=".t.Attribute"
    )
    pool.Add(file)
    node_class = factory.GetMessageClass(pool.FindMessageTypeByName("t.Node"))
    (first, *_) = chakra.save(of_steps(alltoall.pairwise(3, 100), 3), tmp_path / "x")
    _, *written = protobuf.messages(first.read_bytes())
    read = [node_class.FromString(one) for one in written]
    assert [one.id for one in read] == list(range(len(read)))
    send = next(one for one in read if one.type == chakra.COMM_SEND)
    values = {one.name: (one.int64_val, one.int32_val) for one in send.attr}
    assert values["comm_size"] == (100, 0)
    assert values["comm_dst"] == (0, 1)
    assert list(read[-1].data_deps) == sorted(read[-1].data_deps) != []
    assert b"".join(protobuf.field(99, one.SerializeToString()) for one in read)


def calls(ranks: int, *operations: tuple[str, int]) -> Workload:
    writer = Writer()
    for rank in range(ranks):
        last = None
        for name, size in operations:
            at = writer.add(rank, COLLECTIVE, name, size=size, collective=COLLECTIVES.index(name))
            if last is not None:
                writer.need(at, last)
            last = at
    return writer.done(ranks)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_a_collective_takes_what_its_simulation_takes(tmp_path: Path, name: str) -> None:
    from collectives import schedule
    from collectives.algorithms.choose import choose, node_size

    fabric = Fabric(star(8, bandwidth=50 * GB))
    found = replay(chakra.load(chakra.save(calls(8, (name, MiB)), tmp_path / "x")), fabric)
    size = chakra.sizes(name, MiB, 8)
    node = node_size(fabric, 8)
    best = choose(fabric, name, 8, size, itemsize=1, root=0, ranks_per_node=node)
    steps = schedule(name, 8, size, best, ranks_per_node=node)
    expected = fabric.simulate(steps, operation=name, ranks=8)
    np.testing.assert_allclose(found.rank_finish, expected.rank_finish, rtol=1e-6)


def test_sizes_are_those_of_astra_sim() -> None:
    """A ring all-gather of parts of S bytes takes n - 1 steps of S, a reduce-scatter of S / n."""
    fabric = Fabric(star(4, bandwidth=50 * GB, latency=0.0))
    part = MiB / (50 * GB)
    for name, steps in (("all_gather", 3.0), ("reduce_scatter", 0.75), ("all_reduce", 1.5)):
        found = replay(calls(4, (name, MiB)), fabric, algorithm="ring")
        assert found.duration == pytest.approx(steps * part)


def test_collectives_follow_one_another_and_groups_are_apart() -> None:
    fabric = Fabric(star(4, bandwidth=1 * GB, latency=0.0))
    twice = replay(calls(4, ("all_gather", 1000), ("all_gather", 1000)), fabric)
    once = replay(calls(4, ("all_gather", 1000)), fabric)
    assert twice.duration == pytest.approx(2 * once.duration)
    writer = Writer()
    for rank in range(4):
        writer.add(rank, COLLECTIVE, "x", size=1000, collective=2, group=1 + rank // 2)
    pairs = writer.done(4, ((0, 1, 2, 3), (0, 1), (2, 3)))
    assert replay(pairs, fabric).duration == pytest.approx(1 * US)


def test_a_late_rank_holds_up_the_others() -> None:
    fabric = Fabric(star(4, bandwidth=1 * GB, latency=0.0))
    writer = Writer()
    for rank in range(4):
        computing = writer.add(rank, CALC, "c", duration=50 * US if rank == 3 else 0)
        call = writer.add(rank, COLLECTIVE, "x", size=1000, collective=2)
        writer.need(call, computing)
    found = replay(writer.done(4), fabric)
    assert found.duration == pytest.approx(53 * US)
    assert found.busy.tolist() == [0, 0, 0, 50 * US]


def test_what_software_costs() -> None:
    costs = Endpoint("slow", {"all_gather": Costs(launch=9 * US)})
    fast, slow = (Fabric(star(4), endpoint=one) for one in (Endpoint("fast"), costs))
    work = calls(4, ("all_gather", 1000))
    assert replay(work, slow).duration - replay(work, fast).duration == pytest.approx(9 * US)


def test_different_calls() -> None:
    writer = Writer()
    writer.add(0, COLLECTIVE, "a", size=8, collective=0)
    writer.add(1, COLLECTIVE, "b", size=9, collective=0)
    with pytest.raises(WorkloadError, match=r"ranks 0 and 1 make different calls: all_reduce\(8 b"):
        replay(writer.done(2), Fabric(star(2)))
    with pytest.raises(WorkloadError, match="2 operations never end: rank 0 waits in all_gather"):
        replay(calls(3, ("all_gather", 8)).__class__(**_without_last(calls(3, ("all_gather", 8)))),
               Fabric(star(3)))  # fmt: skip


def _without_last(w: Workload) -> dict[str, object]:
    keep = len(w) - 1
    names = ("rank", "kind", "name", "size", "duration", "peer", "tag", "unit", "nic",
             "collective", "group", "root")  # fmt: skip
    columns = {name: getattr(w, name)[:keep] for name in names}
    return {"ranks": w.ranks, **columns, "later": w.later, "earlier": w.earlier,
            "started": w.started, "groups": w.groups}  # fmt: skip


def test_groups_of_pytorch(tmp_path: Path) -> None:
    listed = json.dumps([{"pg_name": "3", "ranks": [1, 0]}, {"pg_name": "4", "ranks": []}])
    info = protobuf.field(8, protobuf.field(1, f"['{listed}']"))
    call = (attribute("comm_type", 9, 2), attribute("comm_size", 9, 8))
    paths = [
        trace(tmp_path / f"t.{rank}.et", node(0, chakra.METADATA, info),
              node(1, chakra.COMM_COLL, *call, attribute("pg_name", 29, "3")),
              node(2, chakra.COMM_COLL, *call, attribute("pg_name", 29, "4")))
        for rank in range(2)
    ]  # fmt: skip
    found = chakra.load(paths)
    assert found.groups == ((0, 1), (1, 0), (0, 1))
    assert found.group.tolist() == [0, 1, 2, 0, 1, 2]
    more = trace(tmp_path / "m.0.et", node(1, 7, *call, attribute("pg_name", 29, "mine")))
    assert chakra.load([more], {"mine": [0]}).groups == ((0,), (0,))
    with pytest.raises(WorkloadError, match=r"m\.0\.et: pg_name of node 1 is 'mine'; known"):
        chakra.load([more])


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ([node(1, 9)], "node 1 is of type 9; there are 0 to 7"),
        ([node(1, 4), node(1, 4)], "two nodes have the id 1"),
        ([node(1, 4, protobuf.field(5, 8))], "node 1 needs node 8, which there is not"),
        ([node(1, 5)], "node 1 .* has no comm_dst"),
        ([node(1, 7, attribute("comm_type", 9, 33))], "comm_type of node 1 is 33; there are 0 "),
        ([node(1, 7, attribute("comm_size", 29, "x"))], "comm_size of node 1 .* is 'x'"),
        ([b"\x05ab"], "5 bytes are said to follow"),
        ([message(b"\x0c")], "wire type 4"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, nodes: list[bytes], fault: str) -> None:
    with pytest.raises(WorkloadError, match=rf"t\.0\.et: .*{fault}"):
        chakra.load([trace(tmp_path / "t.0.et", *nodes)])


CALL = (attribute("comm_type", 9, 0), attribute("comm_size", 9, MiB))


def involved(*dimensions: bool) -> bytes:
    values = b"".join(protobuf.field(1, int(one)) for one in dimensions)
    return protobuf.field(10, protobuf.field(1, "involved_dim") + protobuf.field(28, values))


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ([node(1, 7, *CALL, involved(True, False))], r"involved_dim .* give --dimensions"),
        ([node(1, 7, *CALL, attribute("involved_dim", 29, "x"))], "'x', not a list of bools"),
        ([node(1, 7, *CALL, attribute("involved_dims", 9, 1))], "'involved_dims', which is not kn"),
        ([node(1, 7, *CALL, attribute("comm_size", 9, 4))], "the attribute 'comm_size' twice"),
        ([node(1, 7, CALL[0])], "node 1 .* has no comm_size"),
        ([node(1, 7, CALL[1])], "node 1 .* has no comm_type"),
        ([node(1, 7, *CALL, attribute("is_cpu_op", 27, 1))], "communicates and is_cpu_op"),
        ([node(1, 7, *CALL, attribute("is_cpu_op", 9, 7))], "is_cpu_op of .* is 7; 0 or 1"),
        ([node(1, 7, *CALL, attribute("pg_name", 9, 7))], "pg_name of .* is 7; a text is"),
        ([node(1, 7, *CALL, attribute("pg_name", 29, "7"), attribute("comm_group", 7, 8))],
         "pg_name '7' and comm_group 8"),
        ([node(1, 7, *CALL), node(2, 7, *CALL, attribute("comm_priority", 7, 1))],
         "comm_priority of node 2 .* is 1, and 0 of node 1"),
        ([node(1, 7, CALL[0], attribute("comm_size", 3, 1.0))], "comm_size of .* is 1.0; a whole"),
        ([node(1, 7, CALL[0], attribute("comm_size", 9, -4))], "size of node 1 .* is -4, outside"),
        ([node(1, 5, CALL[1], attribute("comm_dst", 7, 0), attribute("comm_src", 7, 1))],
         "comm_src of node 1 .* is 1, in the trace of 0"),
        ([node(1, 6, CALL[1], attribute("comm_src", 7, -1))], "comm_tag below 0"),
        ([node(1, 4, protobuf.field(7, -5))], "duration_micros of node 1 .* is -5"),
        ([node(1, 4, attribute("num_ops", 9, 5))], "num_ops 5, .* give --peak-perf"),
        ([node(1, 2, attribute("tensor_size", 9, 5))], "tensor_size 5 .* give --remote-mem-bw"),
        ([node(1, 4, attribute("triplane_seconds", 3, math.nan))], "computes for nan s"),
        ([node(1, 4, protobuf.field(11, 1))], "node 1 has a field 11 of wire type 0"),
        ([node(1, 4, protobuf.field(7, b"x"))], "node 1 has a field 7 of wire type 2"),
        ([node(1, 4, attribute("x", 33, 1))], r"\('x'\) has a field 33"),
    ],
)  # fmt: skip
def test_what_would_not_be_heeded_is_refused(
    tmp_path: Path, nodes: list[bytes], fault: str
) -> None:
    with pytest.raises(WorkloadError, match=rf"t(\.0\.et)?: .*{fault}"):
        chakra.load([trace(tmp_path / "t.0.et", *nodes)])


def test_dimensions_and_tags_say_who_meets(tmp_path: Path) -> None:
    def found(ranks: int, *more: bytes, **how: Any) -> Workload:
        paths = [trace(tmp_path / f"t.{r}.et", node(0, 7, *CALL, *more)) for r in range(ranks)]
        return chakra.load(paths, **how)

    first = found(4, involved(True, False), dimensions=(2, 2))
    assert first.groups[1:] == ((0, 1), (2, 3))
    assert replay(first, Fabric(star(4))).duration == pytest.approx(6.35 * US, rel=1e-3)
    second = found(4, involved(False, True), dimensions=(2, 2))
    assert [second.groups[g] for g in second.group] == [(0, 2), (1, 3), (0, 2), (1, 3)]
    assert found(4, involved(True, True)).group.tolist() == [0, 0, 0, 0]
    assert found(2, attribute("pg_name", 29, "0")).group.tolist() == [0, 0]
    assert found(2, attribute("comm_group", 7, 3), groups={"3": (1, 0)}).group.tolist() == [1, 1]
    with pytest.raises(WorkloadError, match="dimensions of 2 x 3 are not 4 ranks"):
        found(4, dimensions=(2, 3))
    tagged = [attribute("comm_tag", 7, tag) for tag in (5, 6)]
    paths = [  # the tags meet, though the ids are in another order
        trace(tmp_path / f"t.{r}.et", node(0, 7, CALL[0], attribute("comm_size", 9, 8 + r), one),
              node(1, 7, CALL[0], attribute("comm_size", 9, 9 - r), other))
        for r, (one, other) in enumerate((tagged, tagged[::-1]))
    ]  # fmt: skip
    found_tags = replay(chakra.load(paths), Fabric(star(2)))
    assert found_tags.workload.size.tolist() == [8, 9, 9, 8]


def test_order_is_that_of_ids_and_of_ranks_in_names(tmp_path: Path) -> None:
    a, b = (node(n, 7, CALL[0], attribute("comm_size", 9, 8 << n), name="ab"[n]) for n in range(2))
    paths = [trace(tmp_path / "t.0.et", a, b), trace(tmp_path / "t.1.et", b, a)]
    found = chakra.load(paths)
    assert found.name == ("a", "b", "a", "b")
    assert chakra.load(paths[::-1]).equals(found, names=True)
    with pytest.raises(WorkloadError, match=r"there is no .*t\.0\.et"):
        chakra.load(paths[1:])
    (tmp_path / "t.01.et.gz").write_bytes(b"")
    with pytest.raises(WorkloadError, match="are both of rank 1"):
        chakra.files(tmp_path / "t")


def test_a_processor_times_what_says_no_time(tmp_path: Path) -> None:
    work = attribute("num_ops", 9, 10**12), attribute("tensor_size", 13, 10**9)
    path = trace(
        tmp_path / "t.0.et", node(1, 4, *work), node(2, 4, work[1]), node(3, 2, work[1]),
        node(4, 4, *work, protobuf.field(7, 9), attribute("is_cpu_op", 27, 1)),
    )  # fmt: skip
    processor = chakra.Processor(peak=1e14, memory=1e12, remote=1e11)
    found = chakra.load([path], processor=processor)
    np.testing.assert_allclose(found.duration, [0.01, 0.001, 0.01, 9 * US])
    nothing = chakra.load([path], ignored={"num_ops", "tensor_size"})
    np.testing.assert_allclose(nothing.duration, [0, 0, 0, 9 * US])


def test_groups_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    path.write_text('\ufeff{"0": [0, 1], "1": [2, 3]}')
    assert chakra.read_groups(path) == {"0": (0, 1), "1": (2, 3)}
    for text, fault in [
        ("[]", "it has to be an object of lists"), ('{"1": 3}', "group '1' is 3; a list of ranks"),
        ('{"1": [true]}', "group '1' has true, which is no rank"),
        ('{"1": [0], "1": [1]}', "line 1, column 2: the key '1' comes twice"),
        ('{"1": [0,\n,]}', "line 2, column 1: a value is expected, not ',]}'"),
    ]:  # fmt: skip
        path.write_text(text)
        with pytest.raises(WorkloadError, match=rf"groups\.json.*{re.escape(fault)}"):
            chakra.read_groups(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"x\.0\.et cannot be read: No such file"):
        chakra.load([tmp_path / "x.0.et"])
    (tmp_path / "e.0.et").write_bytes(b"")
    with pytest.raises(WorkloadError, match="it is empty"):
        chakra.load([tmp_path / "e.0.et"])
    (tmp_path / "z.0.et").write_bytes(b"\x1f\x8bbroken")
    with pytest.raises(WorkloadError, match=r"z\.0\.et: it cannot be read"):
        chakra.load([tmp_path / "z.0.et"])
    (tmp_path / "c.0.et").write_bytes(gzip.compress(bytes(1000))[:20])
    with pytest.raises(WorkloadError, match="its gzip is cut off"):
        chakra.load([tmp_path / "c.0.et"])
    (tmp_path / "b.0.et").write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(WorkloadError, match="two nodes have the id 0"):
        chakra.load([tmp_path / "b.0.et"])
    (tmp_path / "j.0.et").write_bytes(message(protobuf.field(1, 5)))
    with pytest.raises(WorkloadError, match="does not begin with the metadata"):
        chakra.load([tmp_path / "j.0.et"])
    with pytest.raises(WorkloadError, match=r"there is no .*q\.0\.et"):
        chakra.files(tmp_path / "q")
    trace(tmp_path / "g.0.et")
    trace(tmp_path / "g.2.et")
    with pytest.raises(WorkloadError, match=r"there is no .*g\.1\.et"):
        chakra.files(tmp_path / "g")


def test_what_a_trace_cannot_say(tmp_path: Path) -> None:
    writer = Writer()
    writer.need(writer.add(0, CALC, "a"), writer.add(0, CALC, "b"), started=True)
    with pytest.raises(WorkloadError, match="needs only a begin"):
        chakra.save(writer.done(1), tmp_path / "x")
    writer = Writer()
    writer.add(0, RECV, "a", peer=-1)
    with pytest.raises(WorkloadError, match="rank 0 receives from anybody"):
        chakra.save(writer.done(1), tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments), prog_name="triplane")
        assert result.exit_code == 0, result.output
        return result.output

    run("bench", "all_gather", "--system", "star:4", "--ranks", "4", "-b", "4M", "-e", "4M",
        "--algorithm", "ring", "--chakra", str(tmp_path / "x"))  # fmt: skip
    files = [str(tmp_path / f"x.{rank}.et") for rank in range(4)]
    for paths in ([str(tmp_path / "x")], files[:1], files):
        (row,) = json.loads(run("bench", "trace", *paths, "--system", "star:4", "--format", "json",
                                "--goal", str(tmp_path / "x.goal")))  # fmt: skip
        expected = Fabric(star(4)).simulate(allgather.ring(4, MiB)).duration
        assert row["time_us"] == pytest.approx(expected / US, rel=1e-6)
        assert row["size_bytes"] == 12 * MiB
    assert (tmp_path / "x.goal").read_text().count("send") == 12

    for rank in range(4):
        trace(
            tmp_path / f"p.{rank}.et", node(0, 7, *CALL, attribute("pg_name", 29, str(rank // 2)))
        )
    (tmp_path / "p_comm_group.json").write_text('{"0": [0, 1], "1": [2, 3]}')
    command = ("bench", "trace", str(tmp_path / "p"), "--system", "star:4", "--software", "raw")
    assert "p_comm_group.json" in run(*command)
    (tmp_path / "p_comm_group.json").rename(tmp_path / "other.json")
    groups = ("--comm-groups", str(tmp_path / "other.json"))
    (row,) = json.loads(run(*command, *groups, "--format", "json"))
    assert row["time_us"] == pytest.approx(6.35, rel=1e-3)
    for more, fault in [
        ((), r"p.2.et: pg_name of node 0 is '1'; known are none; the groups' file (--comm-groups)"),
        (("--dimensions", "2,x"), "'2,x' is no list of ranks"),
        (("--peak-perf", "nan"), "'nan' is no number above 0"),
    ]:
        result = CliRunner().invoke(main, [*command, *more], prog_name="triplane")
        assert result.exit_code == 2
        assert fault in result.output
    goal_file = str(tmp_path / "x.goal")
    result = CliRunner().invoke(main, ["bench", "trace", goal_file, *groups], prog_name="triplane")
    assert "is a GOAL schedule; --comm-groups," in result.output


def test_names_that_are_no_prefix_and_files_beside_that_are_no_groups(tmp_path: Path) -> None:
    workload = of_steps([], 2)
    for call in (chakra.files, lambda name: chakra.save(workload, name)):
        with pytest.raises(WorkloadError, match="no prefix"):
            call(".")
    with pytest.raises(WorkloadError, match="cannot be read"):
        chakra.load(["."])
    chakra.save(workload, tmp_path / "x")
    (tmp_path / "x.json").write_text('{"displayTimeUnit": "ns"}')
    command = ["bench", "trace", str(tmp_path / "x"), "--system", "star:2"]
    found = CliRunner().invoke(main, command)
    assert found.exit_code == 2
    assert "x.json" in found.stderr
    assert "--comm-groups empty" in found.stderr
    assert CliRunner().invoke(main, [*command, "--comm-groups", "empty"]).exit_code == 0
