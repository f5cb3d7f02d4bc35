"""``bench put`` and ``get``: published rows, the same times of real ranks, what is refused."""

import json
from functools import cache
from pathlib import Path

import pytest

from bench.memory.measure import simulated
from bench.memory.request import AccessFlags, prepare
from bench.published.case import BULK, _cpus, _distance, plain
from bench.published.predict import predict
from bench.published.rows import PublishedRow, read
from fabric.machine import MachineSpec
from tests.support.commands import refused, run

SIDE = {True: "cpu", False: "npu"}
DISTANCES = {"package": "package", "intra": "node"}


@cache
def rows() -> dict[str, PublishedRow]:
    return {row.id: row for row in read()}


def accesses(software: str) -> list[str]:
    return [
        name for name, row in rows().items()
        if row.software.startswith(software) and plain(row.op) in ("read", "write")
        and row.system == "cloudmatrix384" and row.value is not None and not row.problem
    ]  # fmt: skip


def measured(row: PublishedRow) -> float:
    """What the benchmark prints of what a row measured, in the row's unit."""
    near, far = _cpus(row)
    bulk = BULK if row.software != "raw" and row.metric != "latency" else None
    flags = AccessFlags(
        row.size or 0, row.size or 0, bulk=bulk, local=SIDE[near], remote=SIDE[far],
        distance=DISTANCES.get(_distance(row), "supernode"),
    )  # fmt: skip
    planes = ("rdma",) if row.plane == "rdma" else None
    machine = MachineSpec(row.system, row.software, planes=planes)
    bench = prepare("put" if plain(row.op) == "write" else "get", flags, machine)
    size = row.size or 0
    time, moved = simulated(bench, size).time, size * flags.blocks_of(size)
    return time * 1e6 if row.metric == "latency" else moved / time / 1e9


def test_there_are_the_sixteen_rows_of_table_1() -> None:
    assert len([name for name in accesses("raw") if name.startswith("t1_")]) == 16


@pytest.mark.parametrize("name", [name for name in accesses("raw") if name.startswith("t1_")])
def test_table_1_is_met(name: str) -> None:
    row = rows()[name]
    assert measured(row) == pytest.approx(row.value, rel=0.03)


@pytest.mark.parametrize("software", ["hixl-", "memfabric"])
def test_blocks_of_stacks_take_what_validate_says(software: str) -> None:
    """The same model by the other door: an access of a running rank, not a schedule of two."""
    found = [name for name in accesses(software) if predict(rows()[name]).value is not None]
    assert len(found) > 10
    for name in found[::3]:
        row = rows()[name]
        if "cpu" in row.placement and row.plane == "rdma":
            continue  # a CPU without a port: which accelerator stands for it is anybody's choice
        assert measured(row) == pytest.approx(predict(row).value, rel=1e-3), name


@pytest.mark.parametrize("command", ["put", "get"])
@pytest.mark.parametrize("pattern", ["pair", "one-to-many", "many-to-one"])
def test_real_ranks_take_what_a_simulation_says(command: str, pattern: str) -> None:
    asked = [
        "bench", command, "-b", "1K", "-e", "64K", "-f", "64", "--window", "3", "--blocks", "2",
        "--pattern", pattern, "--remote", "cpu", "--format", "json", "-n", "1",
    ]  # fmt: skip
    if pattern != "pair":
        asked += ["--ranks", "4"]
    simulated_rows, live = (
        json.loads(run(*asked, "--transport", transport)) for transport in ("sim", "inproc")
    )
    keys = ("time_us", "latency_us", "bandwidth_GBps", "message_rate_Mps", "moved_bytes")
    for one, other in zip(simulated_rows, live, strict=True):
        assert [other[key] for key in keys] == pytest.approx([one[key] for key in keys], rel=1e-6)
        assert other["wrong"] == 0
        assert other["wall_us"] > 0
        assert "wall_us" not in one


@pytest.mark.parametrize("transport", ["sim", "inproc"])
def test_pictures_have_every_access_of_the_last_row(transport: str, tmp_path: Path) -> None:
    trace, plot = tmp_path / "trace.json", tmp_path / "plot.svg"
    shown = run(
        "bench", "get", "-b", "64K", "-e", "128K", "--window", "3", "--pattern", "one-to-many",
        "--ranks", "4", "--transport", transport, "-n", "1", "--format", "json",
        "--trace", str(trace), "--plot", str(plot),
    )  # fmt: skip
    row = json.loads(shown)[-1]
    events = json.loads(trace.read_text("utf-8"))["traceEvents"]
    slices = [one for one in events if one["ph"] == "X"]
    assert len(slices) == 9
    assert {one["name"] for one in slices} == {f"get from rank {n}" for n in (1, 2, 3)}
    assert len({one["tid"] for one in slices}) == 9
    assert max(one["dur"] for one in slices) == pytest.approx(row["time_us"], abs=1e-3)
    assert sum(one["dur"] for one in slices) / 9 == pytest.approx(row["latency_us"], abs=1e-3)
    drawn = plot.read_text("utf-8")
    assert all(words in drawn for words in ("bytes of a block", "latency (us)", "emulated"))
    assert ("this host" in drawn) is (transport == "inproc")


def test_processes_check_every_byte() -> None:
    (row,) = json.loads(
        run("bench", "get", "-b", "4K", "-e", "4K", "--transport", "zmq", "--format", "json")
    )
    assert (row["wrong"], row["transport"], row["software"]) == (0, "zmq", "raw")


def test_many_initiators_share_what_one_has_alone() -> None:
    """Closed form: 15 writers fill the port of one die, 196 GB/s; each alone has 136."""
    (many,) = json.loads(
        run("bench", "put", "-b", "16M", "-e", "16M", "--pattern", "many-to-one", "--ranks", "16",
            "--format", "json")
    )  # fmt: skip
    assert many["bandwidth_GBps"] == pytest.approx(196, rel=0.01)
    (one,) = json.loads(run("bench", "put", "-b", "16M", "-e", "16M", "--format", "json"))
    assert one["bandwidth_GBps"] == pytest.approx(135, rel=0.02)
    (window,) = json.loads(
        run("bench", "put", "-b", "16M", "-e", "16M", "--window", "8", "--format", "json")
    )
    assert window["bandwidth_GBps"] == pytest.approx(136, rel=0.01)


def test_the_table_has_a_head_and_says_what_it_stands_on() -> None:
    text = run("bench", "get", "-b", "512", "-e", "512", "--remote", "cpu")
    head, columns, row, *notes = text.splitlines()
    assert head == (
        "# get on cloudmatrix384 with raw over package, ub: pair of 2 ranks, npu to cpu, distance"
        " supernode"
    )
    assert columns.split() == [
        "size_B", "blocks", "window", "time_us", "latency_us", "GB/s", "Mmsg/s",
    ]  # fmt: skip
    assert row.split()[:3] == ["512", "1", "1"]
    assert notes[0].startswith("# raw read:cpu: inside 512-1G bytes")


def test_what_matters_to_a_read_is_said() -> None:
    """Of 1 MiB it is the bandwidth of a pair, in proportion to its part of the time."""
    asked = ["bench", "get", "-b", "1M", "-e", "1M", "--sensitivity"]
    records = json.loads(run(*asked, "--format", "json"))
    by_name = {one["what"]: one for one in records}
    limit = by_name["read.pair_bandwidth.node"]
    assert limit == records[0]
    part = (1 << 20) / 165.5e9 / (limit["time_us"] * 1e-6)
    assert limit["percent_at_plus_10"] == pytest.approx(100 * part * (1 / 1.1 - 1), rel=1e-2)
    assert by_name["ub die-l1 bandwidth"]["percent_at_plus_10"] == 0
    assert {one["size_bytes"] for one in records} == {1 << 20}
    assert "# get, 2 ranks, 1M bytes, supernode: " in run(*asked)
    assert "does not go with --transport inproc" in refused(*asked, "--transport", "inproc")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--software", "hccl"], "--software hccl has no costs for reads of memory over package"),
        (
            ["--distance", "beyond"],
            "--distance beyond: cloudmatrix384 has package, node, supernode",
        ),
        (["--ranks", "3"], "--pattern pair is of 2 ranks, and --ranks asks for 3"),
        (["--blocks", "2", "--bulk", "1M"], "--blocks and --bulk both say how many blocks"),
        (["-b", "1M", "-e", "1K"], "-b 1048576 to -e 1024 has no size from 1 on"),
        (["--pattern", "one-to-many", "--ranks", "900"], "899 ranks do not fit at --distance"),
        (["--planes", "vpc"], "no path from"),
        (
            ["--window", "5000", "--trace", "no.json"],
            "--trace shows 4096 accesses at most; a row has 5000",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_line(asked: list[str], said: str) -> None:
    assert said in refused("bench", "get", *asked)
