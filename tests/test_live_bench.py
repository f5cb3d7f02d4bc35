"""Benchmarks on real ranks: right data, the emulated time of a simulation, and this host's."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.collectives import measure, paced, real_ranks, test_data
from bench.collectives.test_data import DTYPES, RowJob, given, wanted, wrong
from bench.measurement import Measurement
from bench.options import DATATYPES, REDUCTIONS, SCALED, Flags
from collectives.algorithms import spec
from collectives.algorithms.offload import NAMES
from collectives.algorithms.table import ALGORITHMS
from fabric.launching.launch import launch
from fabric.launching.mpirun import mpiexec
from fabric.machine import MachineSpec

IDEAL = MachineSpec(system="star:8", software="raw")
FEW = Flags(ranks=3, minbytes=1 << 12, maxbytes=1 << 12, iters=2)
JOB = RowJob("all_reduce", "ring", "float", "sum", 0, 96, None, "all_reduce", 0, 1, True)


def rows(op: str, flags: Flags, algorithm: str | None = None, **more: object) -> list[Measurement]:
    """What a benchmark on threads finds."""
    chosen = replace(IDEAL, **more)
    bench = measure.prepare(op, flags, chosen, algorithm, environment={}, transport="inproc")
    return list(real_ranks.sweep(bench))


@pytest.mark.parametrize("op", ALGORITHMS)
def test_real_ranks_take_the_time_of_the_simulation_and_get_the_right_data(op: str) -> None:
    found = rows(op, FEW, "all")
    simulated = measure.sweep(measure.prepare(op, FEW, IDEAL, "all", environment={}))
    for row, sim in zip(found, simulated, strict=True):
        assert (row.algorithm, row.size, row.count) == (sim.algorithm, sim.size, sim.count)
        first = (op, row.algorithm) == ("all_to_all_v", "hierarchical")  # gathers the counts
        assert row.time > sim.time if first else row.time == pytest.approx(sim.time, rel=1e-3)
        assert (row.transport, row.wrong) == ("inproc", 0)
        assert row.wall is not None
        assert row.wall > 0


def test_where_ranks_sit_and_what_their_software_costs_count() -> None:
    flags = replace(FEW, ranks=5, minbytes=1 << 16, maxbytes=1 << 16)
    (row,) = rows("all_reduce", flags, system="cloudmatrix384", software="hccl")
    chosen = MachineSpec("cloudmatrix384", "hccl")
    (sim,) = measure.sweep(measure.prepare("all_reduce", flags, chosen, environment={}))
    assert (row.algorithm, row.wrong) == (sim.algorithm, 0)
    assert row.time == pytest.approx(sim.time, rel=1e-3)


@pytest.mark.parametrize("op", ["all_reduce", "gather", "all_to_all", "send_recv"])
def test_a_call_without_bytes_costs_its_software_here_and_there(op: str) -> None:
    flags = replace(FEW, minbytes=0, maxbytes=0, iters=1)
    (row,) = rows(op, flags, system="cloudmatrix384", software="hccl")
    chosen = MachineSpec("cloudmatrix384", "hccl")
    (sim,) = measure.sweep(measure.prepare(op, flags, chosen, environment={}))
    assert sim.time > 0
    assert row.time == pytest.approx(sim.time, rel=1e-3)
    assert sim.bound == sim.time


def test_every_type_and_reduction_is_right() -> None:
    flags = replace(FEW, datatype="all", op="all", minbytes=1 << 10, maxbytes=1 << 10, iters=1)
    found = rows("all_reduce", flags)
    assert {row.datatype for row in found} == set(DATATYPES) == set(DTYPES)
    assert {row.redop for row in found} == set(REDUCTIONS) - {SCALED}
    assert {row.wrong for row in found} == {0}


def test_what_is_not_checked_is_not_said_to_be_right() -> None:
    (row,) = rows("all_gather", replace(FEW, check=0))
    assert row.wrong is None


@pytest.mark.parametrize("op", test_data._PIECES)
def test_what_must_be_held_is_what_the_specification_says(op: str) -> None:
    ranks, size = 4, 48
    sizes = [[16 * (src + dst) for dst in range(ranks)] for src in range(ranks)]
    job = replace(JOB, op=op, datatype="uint8", root=1, size=size)
    job = replace(job, counts=sizes) if op == "all_to_all_v" else job
    inputs = [given(job, rank, ranks) for rank in range(ranks)]
    more = {"root": 1} if op in ("gather", "scatter", "broadcast") else {}
    if op == "all_to_all_v":
        more = {"counts": np.array(sizes)}  # type: ignore[dict-item]
    for rank, held in enumerate(getattr(spec, op)(inputs, **more)):
        expected = np.zeros(0, np.uint8) if held is None else held
        assert wanted(job, rank, ranks).tolist() == expected.tolist()


@pytest.mark.parametrize("redop", ["sum", "prod", "min", "max", "avg"])
@pytest.mark.parametrize("datatype", DTYPES)
def test_what_must_be_reduced_is_what_the_specification_says(redop: str, datatype: str) -> None:
    for op, ranks in itertools.product(("all_reduce", "reduce", "reduce_scatter"), (1, 3, 40)):
        job = replace(JOB, op=op, redop=redop, datatype=datatype, size=96)
        inputs = [given(job, rank, ranks) for rank in range(ranks)]
        found = getattr(spec, op)(inputs, op=redop)
        backwards = getattr(spec, op)(inputs[::-1], op=redop)
        for rank in range(ranks):
            if found[rank] is not None:
                expected = wanted(job, rank, ranks)
                assert wrong(found[rank], expected) == 0
                assert wrong(backwards[rank], expected) == 0  # in any order
        assert ranks == 1 or wrong(inputs[0], inputs[1]) > 0  # ranks differ, and so do items
        assert len(np.unique(inputs[0].astype(np.float64))) > 1


def test_wrong_elements_are_counted() -> None:
    expected = np.array([1.5, np.nan, 0.0, 2.0], np.float32)
    found = expected.copy()
    assert wrong(found, expected) == 0
    found[2], found[3] = -0.0, 2.5
    assert wrong(found, expected) == 2
    assert wrong(found[:0], expected[:0]) == 0


def bench(*arguments: str) -> Result:
    """``triplane bench`` with these arguments, on the ideal fabric."""
    line = ["bench", *arguments, "--system", "star:8", "--software", "raw"]
    return CliRunner().invoke(main, line, prog_name="triplane")


SMALL = ("--ranks", "2", "-b", "1K", "-e", "1K", "-n", "2")


def test_the_table_ends_in_this_hosts_time() -> None:
    text = bench("all_reduce", "--transport", "inproc", *SMALL, "-w", "2").stdout
    lines = text.splitlines()
    assert any(" validation: 1 " in line for line in lines)
    assert any(
        line.startswith("# Triplane: real ranks over inproc. system star:8") for line in lines
    )
    assert "No meaning" not in text
    (row,) = (line.split() for line in lines if not line.startswith("#") and line)
    assert row[:5] == ["1024", "256", "float", "sum", "-1"]
    assert (row[8], row[12]) == ("0", "0")
    titles, units = (next(x for x in lines if x.split()[1:2] == [t]) for t in ("size", "(B)"))
    assert titles.split()[-3:] == ["wall", "algbw", "busbw"]
    assert units.split()[-3:] == ["(us)", "(GB/s)", "(GB/s)"]
    assert float(row[13]) > 0
    assert len(row) == 16


def test_records_have_both_times() -> None:
    (record,) = json.loads(
        bench("all_gather", "--transport", "inproc", *SMALL, "--format", "json").stdout
    )
    assert record["transport"] == "inproc"
    assert record["wrong"] == 0
    assert record["wall_algbw_GBps"] == pytest.approx(1024 / record["wall_us"] / 1e3)
    assert record["wall_busbw_GBps"] == pytest.approx(record["wall_algbw_GBps"] / 2)
    assert record["time_us"] == pytest.approx(1 + 512 / 196e3, rel=1e-3)


def test_ranks_can_be_processes() -> None:
    (record,) = json.loads(
        bench("all_reduce", "--transport", "zmq", *SMALL, "--format", "json").stdout
    )
    assert (record["transport"], record["wrong"]) == ("zmq", 0)
    (same,) = rows("all_reduce", Flags(ranks=2, minbytes=1024, maxbytes=1024, iters=1))
    assert record["time_us"] == same.time / 1e-6


def has_mpi() -> bool:
    """Whether there is an mpiexec."""
    try:
        mpiexec(1)
    except ValueError:
        return False
    return True


@pytest.mark.skipif(not has_mpi(), reason="no mpiexec: pip install 'triplane[mpi]'")
def test_ranks_can_be_those_of_mpi() -> None:
    (record,) = json.loads(
        bench("all_reduce", "--transport", "mpi", *SMALL, "--format", "json").stdout
    )
    assert (record["transport"], record["wrong"]) == ("mpi", 0)
    (same,) = rows("all_reduce", Flags(ranks=2, minbytes=1024, maxbytes=1024, iters=1))
    assert record["time_us"] == same.time / 1e-6


def test_all_algorithms_are_timed_and_the_librarys_choice_is_marked() -> None:
    arguments = ("all_reduce", "-b", "8", "-e", "8M", "-f", "1048576", "--algorithms", "all")
    records = json.loads(bench(*arguments, "--format", "json").stdout)
    names = [name for name in ALGORITHMS["all_reduce"] if name not in NAMES]
    assert [record["algorithm"] for record in records] == names * 2
    for one_size in (records[: len(names)], records[len(names) :]):
        (chosen,) = (record for record in one_size if record["chosen"])
        least = min(record["time_us"] for record in one_size)
        assert chosen["time_us"] <= least * 1.001
    head, *lines = bench(*arguments).stdout.splitlines()
    marked = [line for line in lines if line.split()[10] == "*"]
    assert head.split()[9:11] == ["algorithm", "chosen"]
    assert len(marked) == 2


def test_without_a_name_the_librarys_choice_is_measured() -> None:
    for size, name in ((8, "direct"), (8 << 20, "two_shot")):
        flags = Flags(minbytes=size, maxbytes=size)
        (row,) = measure.sweep(measure.prepare("all_reduce", flags, IDEAL, environment={}))
        assert (row.algorithm, row.is_chosen) == (name, None)


# paced time


def test_lateness_is_counted_from_when_both_ranks_had_come() -> None:
    sent, received = np.array([[1.0, 3.0], [5.0, 7.5]]), np.array([[1.5, 3.1], [4.0, 6.9]])
    found = paced.compared(sent, received, 1.5)
    # Due at 3.0 and 6.5: the first is told at 3.0 and 3.1, the second at 7.5 and 6.9.
    assert found.late == pytest.approx([0.1, 1.0])
    assert found.early == 0
    assert paced.compared(sent, received, 1.7).early == 2
    assert found.record()["late_max_us"] == pytest.approx(1e6)


def slow_wire(transport: str) -> paced.Measured:
    """Three transfers of 1 MiB, 5 ms each."""
    chosen = MachineSpec(system="star:2", software="raw")
    return paced.measure(chosen.build(), transport, 3, 1 << 20, 1000.0)


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_nothing_is_early_on_paced_time(transport: str) -> None:
    found = slow_wire(transport)
    assert found.early == 0
    assert len(found.late) == 3
    assert (found.late >= 0).all()


def test_paced_prints_the_measured_error(tmp_path: Path) -> None:
    path = tmp_path / "paced.json"
    result = bench(
        "paced", "--transfers", "3", "--size", "64K", "--transport", "inproc", "--format", "json",
        "--output", str(path),
    )  # fmt: skip
    assert result.exit_code == 0
    (record,) = json.loads(path.read_text())
    assert record["early"] == 0
    assert record["wall_us"] == pytest.approx(1000 * record["time_us"])
    assert record["time_us"] == pytest.approx(1 + 65536 / 196e3, rel=1e-3)
    assert record["late_median_us"] <= record["late_p99_us"] <= record["late_max_us"]


def test_a_program_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_ranks, "main", broken)
    result = bench("all_reduce", "--transport", "inproc", *SMALL)
    assert result.exit_code != 0


def broken(jobs: list[RowJob]) -> None:
    """A rank that cannot go on."""
    raise real_ranks.BenchError(f"{len(jobs)} jobs are too many")


def test_a_fabric_reaches_other_processes_without_what_was_found_out_about_it() -> None:
    bench = measure.prepare("all_reduce", FEW, IDEAL, environment={})
    list(measure.sweep(bench))  # its choices hold a lock
    assert launch(name_of, 1, bench.fabric, "zmq", args=(bench.fabric,)) == ["star(8)"]


def name_of(fabric: measure.Fabric) -> str:
    """What a rank knows of a fabric."""
    return fabric.topology.name
