"""The benchmark's values: nccl-tests' sizes and bandwidths, and times with a closed form."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cases.operations import OPERATIONS
from bench.collectives import measure, nccl_notes, vector_counts
from bench.collectives.measure import Benchmark, prepare, sweep
from bench.machine import BenchError
from bench.measurement import Measurement
from bench.options import Flags
from fabric.machine import MachineSpec
from topology.errors import TriplaneError
from topology.units import GB, US

IDEAL = MachineSpec(system="star:8", software="raw")
"""8 hosts with ports of 196 GB/s, 1 us apart: one step takes 1 us and the most bytes of a port."""

ROOMY = Flags(minbytes=1 << 20, maxbytes=1 << 20)
"""One size, 1 MiB: divisible by every number of ranks used here that is a power of two."""


def one(op: str, flags: Flags = ROOMY, algorithm: str | None = None) -> Measurement:
    """The only row of a benchmark on the ideal fabric."""
    (row,) = sweep(prepare(op, flags, IDEAL, algorithm, environment={}))
    return row


@pytest.mark.parametrize(
    ("op", "size", "count"),
    [
        ("all_reduce", 1000, 250),
        ("broadcast", 1000, 250),
        ("reduce", 1000, 250),
        ("send_recv", 1000, 250),
        # 250 elements over 8 ranks are 31, down to a multiple of 4 (16 bytes): 28.
        ("all_gather", 28 * 8 * 4, 28),
        ("reduce_scatter", 28 * 8 * 4, 28),
        ("all_to_all", 28 * 8 * 4, 28),
        ("gather", 28 * 8 * 4, 28),
        ("scatter", 28 * 8 * 4, 28),
    ],
)
def test_size_and_count_are_nccl_tests(op: str, size: int, count: int) -> None:
    row = one(op, Flags(minbytes=1001, maxbytes=1001))
    assert (row.size, row.count) == (size, count)


@pytest.mark.parametrize(
    ("datatype", "count"), [("int8", 16), ("half", 16), ("float", 16), ("double", 16)]
)
def test_a_part_is_a_multiple_of_16_bytes_of_any_type(datatype: str, count: int) -> None:
    itemsize = {"int8": 1, "half": 2, "float": 4, "double": 8}[datatype]
    asked = 8 * 16 * itemsize + 15
    row = one("all_gather", Flags(minbytes=asked, maxbytes=asked, datatype=datatype))
    assert (row.count, row.size) == (count, count * 8 * itemsize)


def test_what_is_too_small_to_share_out_is_a_row_of_nothing() -> None:
    row = one("all_gather", Flags(minbytes=8, maxbytes=8))
    assert (row.size, row.count) == (0, 0)
    assert (row.time, row.algbw, row.busbw) == (0.0, None, None)


@pytest.mark.parametrize(
    ("op", "factor"),
    [
        ("all_reduce", 2 * 7 / 8), ("all_gather", 7 / 8), ("reduce_scatter", 7 / 8),
        ("all_to_all", 7 / 8), ("all_to_all_v", 7 / 8), ("gather", 7 / 8), ("scatter", 7 / 8),
        ("broadcast", 1.0), ("reduce", 1.0), ("send_recv", 1.0),
    ],
)  # fmt: skip
def test_bandwidths_follow_from_size_and_time(op: str, factor: float) -> None:
    row = one(op)
    assert row.algbw == row.size / row.time
    assert row.busbw == pytest.approx(row.algbw * factor, rel=1e-15)


@pytest.mark.parametrize(
    ("op", "algorithm", "port_bytes", "steps"),
    [
        ("send_recv", "shift", 1 << 20, 1),
        ("all_gather", "direct", 7 << 17, 1),
        ("all_to_all", "direct", 7 << 17, 1),
        ("all_to_all", "pairwise", 7 << 17, 7),
        ("all_gather", "ring", 7 << 17, 7),
        ("reduce_scatter", "ring", 7 << 17, 7),
        ("all_reduce", "ring", 14 << 17, 14),
        ("all_reduce", "two_shot", 14 << 17, 2),
        ("broadcast", "direct", 7 << 20, 1),
        ("scatter", "direct", 7 << 17, 1),
    ],
)
def test_times_on_the_ideal_fabric_are_the_closed_form(
    op: str, algorithm: str, port_bytes: int, steps: int
) -> None:
    row = one(op, algorithm=algorithm)
    assert row.time == pytest.approx(port_bytes / (196 * GB) + steps * US, rel=2e-3)
    assert row.algorithm == algorithm
    assert row.bound is not None
    assert row.bound <= row.time * (1 + 1e-9)
    assert row.bottleneck
    assert row.wrong is None


@pytest.mark.parametrize("op", OPERATIONS)
def test_every_collective_runs_by_every_algorithm(op: str) -> None:
    flags = Flags(ranks=6, minbytes=4096, maxbytes=4096)
    rows = list(sweep(prepare(op, flags, IDEAL, "all", environment={})))
    assert len({row.algorithm for row in rows}) == len(rows) >= 1
    assert all(row.time > 0 for row in rows)


def test_a_single_rank_needs_nobody() -> None:
    row = one("all_reduce", replace(ROOMY, ranks=1))
    assert row.ranks == 1
    assert (row.size, row.time) == (1 << 20, 0.0)
    assert (row.algbw, row.busbw) == (None, None)


def test_sizes_grow_by_factor_or_by_step() -> None:
    assert list(Flags(minbytes=8, maxbytes=64, stepfactor=2).sizes()) == [8, 16, 32, 64]
    assert list(Flags(minbytes=8, maxbytes=100, stepbytes=40).sizes()) == [8, 48, 88]
    assert list(Flags().sizes()) == [32 << 20]


def test_ranks_are_threads_times_gpus() -> None:
    assert Flags().world == 8
    assert Flags(nthreads=2, ngpus=4).world == 8
    assert Flags(ngpus=3).world == 3
    assert (Flags(ranks=6, nthreads=2, ngpus=3).gpus, Flags(ranks=6).gpus) == (3, 6)


def rows_of(op: str, flags: Flags) -> list[tuple[str, str, int]]:
    """Type, reduction and root of the rows to come."""
    tasks = measure.tasks(prepare(op, flags, IDEAL, environment={}))
    return [(task.datatype, task.redop, task.root) for task in tasks]


def test_all_goes_through_types_reductions_and_roots_in_nccl_tests_order() -> None:
    every = Flags(ranks=2, datatype="all", op="all", root=-1)
    rows = rows_of("reduce", every)
    assert rows[:3] == [("int8", "sum", 0), ("int8", "sum", 1), ("int8", "prod", 0)]
    assert len(rows) == 12 * 6 * 2
    assert rows_of("all_gather", every)[0] == ("int8", "none", -1)
    assert len(rows_of("all_gather", every)) == 12
    assert rows_of("broadcast", Flags(ranks=2, root=1)) == [("float", "none", 1)]
    assert rows_of("all_reduce", Flags(ranks=2, root=7)) == [("float", "sum", -1)]


def test_cycles_repeat_the_sweep() -> None:
    assert len(rows_of("all_reduce", replace(ROOMY, run_cycles=3))) == 3


def test_what_has_been_simulated_is_not_simulated_again() -> None:
    flags = replace(ROOMY, run_cycles=2, op="all")
    rows = list(sweep(prepare("all_reduce", flags, IDEAL, environment={})))
    assert len(rows) == 12
    assert len({row.host_time for row in rows}) == 1


def test_time_is_of_the_rank_that_average_names() -> None:
    times = [
        one("scatter", replace(ROOMY, average=average), "direct").time
        for average in (None, 0, 1, 2, 3)
    ]
    last, _rank0, mean, first, last_too = times
    assert first <= mean <= last == last_too


def test_a_stack_that_does_not_speak_the_operation_is_refused() -> None:
    words = (
        "--software cann-ep has no costs for all_reduce: it has combine, dispatch; on"
        " cloudmatrix384 hccl has"
    )
    with pytest.raises(BenchError, match=words):
        prepare("all_reduce", Flags(), MachineSpec(software="cann-ep"), environment={})


def test_ranks_of_a_node_are_grouped() -> None:
    chosen = MachineSpec(system="cloudmatrix384", software="raw")
    bench = prepare("all_reduce", Flags(ranks=20), chosen, environment={})
    assert bench.ranks_per_node == 16
    assert prepare("all_reduce", Flags(ranks=6), chosen, environment={}).ranks_per_node == 6


def test_devices_are_numbered_within_their_nodes() -> None:
    chosen = MachineSpec(system="cloudmatrix384", software="raw")
    bench = prepare("all_reduce", Flags(ranks=18), chosen, environment={})
    devices = nccl_notes.devices(bench)
    assert [(d.rank, d.hostname, d.device) for d in devices[15:]] == [
        (15, "node0", 15), (16, "node1", 0), (17, "node1", 1),
    ]  # fmt: skip


def test_without_takes_parts_of_the_machine_out() -> None:
    chosen = MachineSpec(system="star:8", software="raw", without=("host3",))
    assert len(chosen.build().topology.accelerators) == 7
    with pytest.raises(BenchError, match="8 ranks do not fit"):
        prepare("all_reduce", Flags(), chosen, environment={})


# all_to_all_v


def test_the_generated_pattern_is_nccl_tests() -> None:
    # By hand from AlltoAllvGetPeerBytesDistanceWeighted: distance * 6000 / 6, down to 16s.
    assert vector_counts.spread_counts(4, 6000, 1.0)[0].tolist() == [0, 992, 2000, 2992]
    assert vector_counts.spread_counts(4, 6000, 1.0)[1].tolist() == [2992, 0, 992, 2000]
    assert vector_counts.spread_counts(4, 6000, 0.0)[2].tolist() == [1488] * 4
    assert vector_counts.spread_counts(4, 6000, 0.5)[0].tolist() == [736, 1248, 1744, 2240]
    assert vector_counts.spread_counts(1, 100, 1.0).tolist() == [[96]]


def test_the_size_of_a_row_of_all_to_all_v_is_what_the_busiest_rank_moves() -> None:
    row = one("all_to_all_v", Flags(ranks=4, minbytes=6016, maxbytes=6016))
    # 6016 bytes are 376 floats a rank each of 4: total 6016; distances 1, 2, 3 of 6.
    assert row.count == 376
    assert row.size == sum(d * 6016 // 6 & ~15 for d in (1, 2, 3))


def matrix(tmp_path: Path, text: str) -> str:
    """The path of a matrix file with this text."""
    path = tmp_path / "m.txt"
    path.write_text(text)
    return str(path)


def with_matrix(path: str, flags: Flags | None = None, **environment: str) -> Benchmark:
    """A benchmark of three ranks with that matrix, given by our option."""
    return prepare("all_to_all_v", flags or Flags(ranks=3), IDEAL, None, path, environment)


def test_a_matrix_is_read_as_nccl_tests_reads_it(tmp_path: Path) -> None:
    path = matrix(tmp_path, "\n 100\t200 1.5e2 \n\n50 100 75\n300 150 200")
    found = with_matrix(path).traffic.matrix
    assert found is not None
    assert found.tolist() == [[96, 192, 144], [48, 96, 64], [288, 144, 192]]
    (row,) = sweep(with_matrix(path))
    assert (row.size, row.count) == (288 + 144 + 192, 0)


def test_only_the_first_ranks_of_a_matrix_count(tmp_path: Path) -> None:
    path = matrix(tmp_path, "16 32 999\n48 64 999\n999 999 999")
    found = with_matrix(path, Flags(ranks=2)).traffic
    assert found.matrix is not None
    assert found.matrix.tolist() == [[16, 32], [48, 64]]
    assert found.dimension == 3


def test_a_matrix_is_scaled(tmp_path: Path) -> None:
    path = matrix(tmp_path, "16 16\n16 16")
    scale = {"NCCL_TESTS_ALLTOALLV_MATRIX_SCALE": "2.6"}
    found = with_matrix(path, Flags(ranks=2), **scale).traffic.matrix
    assert found is not None
    assert np.unique(found).tolist() == [32]


def test_nccl_tests_variables_are_read(tmp_path: Path) -> None:
    path = matrix(tmp_path, "16 32\n48 64")
    given = {"NCCL_TESTS_ALLTOALLV_MATRIX_FILE": path}
    bench = prepare("all_to_all_v", Flags(ranks=2), IDEAL, environment=given)
    assert bench.traffic.matrix is not None
    spread = {"NCCL_TESTS_ALLTOALLV_SPREAD": "7"}
    assert prepare("all_to_all_v", Flags(), IDEAL, environment=spread).traffic.spread == 1.0
    with pytest.raises(BenchError, match="NCCL_TESTS_ALLTOALLV_SPREAD is 'x'"):
        prepare("all_to_all_v", Flags(), IDEAL, environment={"NCCL_TESTS_ALLTOALLV_SPREAD": "x"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("NCCL_TESTS_ALLTOALLV_SPREAD", "nan", "is 'nan', not a finite number"),
        ("NCCL_TESTS_ALLTOALLV_MATRIX_SCALE", "inf", "is 'inf', not a finite number"),
        ("NCCL_TESTS_MIN_BW", "NaN", "is 'NaN', not a finite number of GB/s"),
        ("NCCL_TESTS_MIN_BW", "1e999", "is '1e999', not a finite number of GB/s"),
        ("NCCL_TESTS_SPLIT", "MOD 2", "is set and splits the ranks into groups"),
        ("NCCL_TESTS_MIN_BV", "1", "is not known; .* near it: NCCL_TESTS_MIN_BW"),
    ],
)
def test_variables_that_would_not_be_heeded_are_refused(name: str, text: str, said: str) -> None:
    for op in ("all_reduce", "all_to_all_v"):
        with pytest.raises(BenchError, match=f"{name} {said}"):
            prepare(op, Flags(), IDEAL, environment={name: text})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("16 16", "must be square: it has 1 rows, and row 0 has 2 columns"),
        ("16 16 16\n16 16\n16 16 16", "row 1 has 2 columns"),
        ("16 -16\n16 16", "row 0, column 1: '-16' is not 0 or more"),
        ("16 nan\n16 16", "row 0, column 1: 'nan' is not 0 or more"),
        ("16 16\nx 16", "row 1, column 0: 'x' is not a number"),
        ("16 1e30\n16 16", "row 0, column 1: '1e30' times 1 is above"),
        ("16 16\n16 16", "is 2 wide; 3 ranks need as much"),
    ],
)
def test_a_bad_matrix_is_refused_by_file_and_place(tmp_path: Path, text: str, said: str) -> None:
    path = matrix(tmp_path, text)
    with pytest.raises(BenchError) as refused:
        with_matrix(path)
    assert said in str(refused.value)
    assert path in str(refused.value)


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_a_matrix_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BenchError, match="cannot be read"):
        with_matrix(str(tmp_path / name))


def test_a_matrix_wants_one_size_that_is_large_enough(tmp_path: Path) -> None:
    path = matrix(tmp_path, "\n".join(["1600 1600 1600"] * 3))
    with pytest.raises(BenchError, match="must be the same"):
        with_matrix(path, Flags(ranks=3, minbytes=8))
    with pytest.raises(BenchError, match=r"the matrix needs 4800: increase -e"):
        with_matrix(path, Flags(ranks=3, minbytes=4799, maxbytes=4799))
    assert with_matrix(path).flags.largest == 4800


def test_the_summary_of_ranks_is_nccl_tests(tmp_path: Path) -> None:
    bench = with_matrix(matrix(tmp_path, "0 32\n64 0"), Flags(ranks=2))
    (row,) = sweep(bench)
    lines = list(nccl_notes.rank_summary(bench, replace(row, time=1e-6)))
    head = "# NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY: mode=matrix nranks=2 matrix_dim=2"
    assert lines == [
        f"{head} scale=1.000 time_usec=1.00",
        "#   rank=0 send_bytes=32 recv_bytes=64 alg_bw=0.06 bus_bw=0.03",
        "#   rank=1 send_bytes=64 recv_bytes=32 alg_bw=0.06 bus_bw=0.03",
    ]


def test_a_rank_table_says_where_ranks_are(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    devices = [("b", [(3, 1)]), ("a", [(5, 0), (6, 2)])]
    path.write_text(json.dumps({"version": "1.0", "status": "completed", "server_list": [
        {"server_id": server, "device": [{"device_id": d, "rank_id": r} for d, r in listed]}
        for server, listed in devices
    ]}))  # fmt: skip
    chosen = MachineSpec(placement=str(path))
    bench = prepare("all_reduce", Flags(ranks=3), chosen, environment={})
    there = ["node1.die5", "node0.die3", "node1.die6"]
    assert [device.device_info.split()[1] for device in nccl_notes.devices(bench)] == there
    topology = bench.fabric.topology
    assert [topology.vertex_names[place] for place in bench.fabric.places] == there
    with pytest.raises(BenchError, match=r"4 ranks are asked for, and the rank table .* has 3"):
        prepare("all_reduce", Flags(ranks=4), chosen, environment={})
    less = prepare(
        "all_reduce", Flags(ranks=3), replace(chosen, without=("node1.die2",)), environment={}
    )
    names = less.fabric.topology.vertex_names
    assert [names[place] for place in less.fabric.places] == there
    with pytest.raises(TriplaneError, match=r"no vertex 'node0\.die3'"):
        prepare(
            "all_reduce", Flags(ranks=3), replace(chosen, without=("node0.die3",)), environment={}
        )
    with pytest.raises(TriplaneError, match="there is no part 'decode'"):
        prepare("all_reduce", Flags(), replace(chosen, placement=f"{path}:decode"), environment={})
