"""Streams beside an operation: what they cost it, what they get, and what a class changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cases.moe import Experts
from bench.cli import main
from bench.faults.sweep import Sweeper
from bench.faults.workload import SweptOperation
from bench.memory.measure import sweep as accesses
from bench.memory.request import AccessFlags, prepare
from collectives.algorithms.alltoall import pairwise
from collectives.workloads.background.beside import Beside, beside
from collectives.workloads.background.session import StreamSession
from collectives.workloads.background.streams import (
    BLOCKS,
    Background,
    BackgroundError,
    background,
    lanes,
)
from collectives.workloads.replay import replay
from collectives.workloads.workload import of_steps
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.faults.table import Fault
from fabric.machine import MachineSpec
from topology import star
from topology.analysis.elements import elements
from topology.units import GB, US, MiB

BUSY = "kv:inf GB/s"
FIRST = TrafficClass("first", 1, priority=1, operations=("dispatch",))
LAST = TrafficClass("last", 2, priority=-1, operations=("kv", "checkpoint", "all_reduce"))


def dispatch(*streams: str, classes: tuple[TrafficClass, ...] = (), ep: int = 8) -> Beside:
    """An MoE dispatch over the RDMA plane of CloudMatrix384, beside streams."""
    fabric = MachineSpec("cloudmatrix384", "cann-ep", planes=("rdma",), classes=classes).build()
    work = Experts("dispatch", "low-latency", ep)
    steps = work.steps(fabric.software.stack("dispatch"), None)
    found = [background(text) for text in streams]
    return beside(fabric, steps, found, ranks=ep, operation="dispatch")


def test_a_stream_is_what_its_text_says() -> None:
    assert background("kv:25GB/s@rdma") == Background("kv", 25 * GB, "rdma")
    assert background("all_reduce:400 Gbit/s") == Background("all_reduce", 50 * GB)
    assert background("kv:1GB/s<50 us") == Background("kv", 1 * GB, None, 50 * US)
    for text in ("kv:25GB/s@rdma", "checkpoint:2.5GB/s", "kv:infGB/s", "kv:1GB/s@ub<100us"):
        assert str(background(text)) == text
        assert background(str(background(text))) == background(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("chkpoint:1GB/s", "no stream 'chkpoint'; there are kv, .*; near it: checkpoint"),
        ("kv", "it has to be KIND:RATE, KIND:RATE@PLANE or either with"),
        ("kv:1GB/s@", "it has to be KIND:RATE, KIND:RATE@PLANE or"),
        ("kv:1GB/s<", "'' is no time: a number and a unit"),
        ("kv:1GB/s<5", "'5' is no time: a number and a unit"),
        ("kv:25", "'25' is no bandwidth: a number and a unit"),
        ("kv:0GB/s", "at 0GB/s nothing is ever sent"),
    ],
)
def test_a_wrong_stream_is_refused(text: str, why: str) -> None:
    with pytest.raises(BackgroundError, match=why):
        background(text)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("ranks", [2, 3, 8, 9])
def test_every_kind_sends_blocks_between_two_ranks_or_more(kind: str, ranks: int) -> None:
    for lane in lanes(kind, ranks):
        assert len(set(lane.group)) == len(lane.group) == len(lane.rows) >= 2
        assert max(lane.group) < ranks
        moved = sum(int(rows.size[rows.src == at].sum()) for at, rows in enumerate(lane.rows))
        assert moved >= BLOCKS[kind]


def test_a_stream_alone_gets_what_it_offers() -> None:
    """It is on another plane than the operation; half of a port, so each block is on time."""
    found = dispatch("kv:10GB/s@ub")
    (stream,) = found.streams
    assert found.time == found.alone
    assert stream.goodput == pytest.approx(8 * 10 * GB, rel=1e-6)
    assert stream.fairness == pytest.approx(1)
    assert stream.took.max() == pytest.approx(stream.took.min())
    assert stream.percentile(50) == pytest.approx(stream.percentile(99))


def test_a_closed_form_of_a_transfer_beside_one_stream() -> None:
    """Rank 0's bytes share its port with its two blocks under way: a third is its own."""
    fabric = Fabric(star(2), tolerance=0.0)
    size = 20 * MiB
    found = beside(fabric, [Step(0, 1, size)], [background(BUSY)], ranks=2)
    latency = fabric.simulate([Step(0, 1, 0)]).duration
    # Between two blocks of a lane passes a latency, in which the others have the port.
    port = size / (found.alone - latency)
    assert 2.7 * size / port < found.time < 3 * size / port + latency
    assert found.leakage == pytest.approx(found.time / found.alone - 1)


def test_strict_priority_isolates_a_dispatch_from_a_stream_that_fills_its_links() -> None:
    plain, first = dispatch(BUSY), dispatch(BUSY, classes=(FIRST,))
    last = dispatch(BUSY, classes=(LAST,))
    assert plain.alone == pytest.approx(first.alone) == pytest.approx(last.alone)
    assert plain.leakage > 0.2
    for one in (first, last):
        assert abs(one.leakage) < 1e-3  # asked: 0.03
        assert one.streams[0].goodput > 0.3 * plain.streams[0].goodput


def test_a_rate_limit_protects_as_far_as_it_goes() -> None:
    limited = TrafficClass("kv", 1, rate_limit=1 * GB, operations=("kv",))
    found = dispatch(BUSY, classes=(limited,))
    assert 0 < found.leakage < 0.1
    assert found.streams[0].goodput <= 8 * GB * (1 + 1e-9)


def test_an_objective_is_attained_by_the_blocks_within_it() -> None:
    (all_,), (some,), (none,), (unasked,) = (
        dispatch(f"kv:25GB/s{within}").streams for within in ("<1s", "<100us", "<1us", "")
    )
    assert (all_.attained, none.attained, unasked.attained) == (100, 0, None)
    assert some.attained == pytest.approx(100 * float((unasked.took <= 100 * US).mean()))
    assert 0 < some.attained < 100


def test_streams_of_several_kinds_are_beside_it_together() -> None:
    both = dispatch("kv:5GB/s", "checkpoint:5GB/s", "all_reduce:1GB/s@ub")
    alone = dispatch("kv:5GB/s")
    assert [str(one.stream) for one in both.streams][::2] == ["kv:5GB/s", "all_reduce:1GB/s@ub"]
    assert both.leakage > alone.leakage > 0


def test_it_is_the_same_each_time() -> None:
    one, two = dispatch("kv:25GB/s"), dispatch("kv:25GB/s")
    assert one.time == two.time
    assert one.streams[0].took.tolist() == two.streams[0].took.tolist()


def test_streams_that_cannot_be_are_refused() -> None:
    with pytest.raises(BackgroundError, match=r"no plane 'x'; there are package, ub, rdma, vpc"):
        dispatch("kv:1GB/s@x")
    with pytest.raises(BackgroundError, match="beside 1 rank: they have nobody to send to"):
        beside(Fabric(star(2)), [], [background(BUSY)], ranks=1)
    fabric = Fabric(star(4))
    answer = beside(fabric, pairwise(4, MiB), [background("kv:1GB/s@net")], ranks=4)
    assert answer.time > answer.alone


# What is not one operation: in a session of which they are a part.


SIZE = 20 * MiB
ABOVE = TrafficClass("above", 1, priority=1, operations=("send_recv", "write", "read"))


def message(classes: tuple[TrafficClass, ...] = ()) -> tuple[float, float]:
    """Seconds of a workload of one message, alone and beside a stream that fills its port."""
    fabric = Fabric(star(2), tolerance=0.0, classes=classes)
    workload = of_steps([Step(0, 1, SIZE)], 2)
    alone = replay(workload, fabric).duration
    session = StreamSession(fabric, [background(BUSY)], 2, alone=alone)
    return alone, replay(workload, fabric, session=session).duration


def put(classes: tuple[TrafficClass, ...] = ()) -> tuple[float, float]:
    """Seconds of a put on a star, alone and beside such a stream."""
    machine = MachineSpec("star:2", tolerance=0.0, classes=classes)
    flags = AccessFlags(minbytes=SIZE, maxbytes=SIZE)
    (row,) = accesses(prepare("put", flags, machine, (background(BUSY),)))
    values = row.record()
    assert values["time_us"] == pytest.approx(row.times.time / US)
    return float(values["alone_us"] or 0) * US, row.times.time


@pytest.mark.parametrize("timed", [message, put])
def test_a_third_of_a_port_is_left_beside_two_blocks_and_all_of_it_to_a_class_above(
    timed: Callable[[tuple[TrafficClass, ...]], tuple[float, float]],
) -> None:
    alone, among = timed(())
    # Between two blocks of a lane passes a latency, in which the others have the port.
    assert 2.6 * alone < among < 3 * alone
    assert timed((ABOVE,)) == pytest.approx((alone, alone), rel=1e-3)


def test_faults_are_timed_from_the_begin_of_what_the_streams_are_beside() -> None:
    """Half of a port from the middle of a message on, which is in a class above the stream."""
    alone, _ = message()
    half = Fault("host0", "degraded", start=alone / 2, share=0.5)
    fabric = Fabric(star(2), tolerance=0.0, classes=(ABOVE,), faults=[half])
    steps = [Step(0, 1, SIZE)]
    found = beside(fabric, steps, [background(BUSY)], ranks=2, operation="send_recv")
    assert found.time == pytest.approx(1.5 * alone, rel=5e-3)
    assert found.alone == pytest.approx(found.time, rel=5e-3)


def test_what_streams_leave_nothing_is_told_so_and_so_are_too_many_blocks() -> None:
    stream = [background("checkpoint:inf GB/s")]
    above = TrafficClass("above", 1, priority=1, operations=("checkpoint",))
    fabric = Fabric(star(8), classes=(above,))
    with pytest.raises(BackgroundError, match=r"checkpoint:infGB/s: what takes .* next to nothing"):
        beside(fabric, [Step(0, 7, 1 << 10)], stream, ranks=8)
    with pytest.raises(BackgroundError, match=r"in 1e\+04 s, .* would send .* blocks; 2097152 are"):
        StreamSession(fabric, stream, 8, alone=1e4)


def test_a_failure_beside_streams_costs_what_it_does_to_both() -> None:
    """Over a die's port go its 31 blocks and two of the stream, by 7 sub-planes or by 6."""
    machine = MachineSpec("supernode:32", "raw", planes=("ub",), tolerance=0.0)
    work = SweptOperation("all_to_all", 32, size=32 << 20, algorithm="direct")
    sweeper = Sweeper(machine, work, [background(BUSY)])
    assert sweeper.beside
    assert sweeper.time == pytest.approx(33 / 31 * sweeper.beside.alone, rel=1e-2)
    found = sweeper.failure(elements(sweeper.topology, "sub-plane", ("ub",))[:1])
    assert found.slowdown == pytest.approx(7 / 6, rel=1e-2)
    assert found.bottleneck is None
    slower = Sweeper(machine, work, [background(BUSY)], at_half_the_bandwidth)
    assert slower.time == pytest.approx(2 * sweeper.time, rel=1e-2)
    found = slower.failure(elements(slower.topology, "sub-plane", ("ub",))[:1])
    assert found.slowdown == pytest.approx(7 / 6, rel=1e-2)


def at_half_the_bandwidth(fabric: Fabric) -> Fabric:
    topology = replace(fabric.topology, link_bandwidth=fabric.topology.link_bandwidth / 2)
    return replace(fabric, topology=topology)


# The command.


def run(*args: str) -> Any:
    found = CliRunner().invoke(main, ["bench", *args])
    assert found.exit_code == 0, found.output
    return found.output


MOE = ("moe", "--ep", "8", "--planes", "rdma", "--background", "kv:25GB/s")


def test_the_records_of_a_bench_have_what_streams_do() -> None:
    rows = json.loads(run(*MOE, "--format", "json"))
    plain = json.loads(run(*MOE[:5], "--format", "json"))
    for row, alone in zip(rows, plain, strict=True):
        assert row["alone_us"] == pytest.approx(alone["time_us"])
        assert row["time_us"] > row["alone_us"]
        assert row["leakage_percent"] == pytest.approx(100 * (row["time_us"] / row["alone_us"] - 1))
        assert row["background"] == "kv:25GB/s"
        assert 0 < row["kv_goodput_GBps"] <= 8 * 25
        assert 0 < row["kv_p50_us"] <= row["kv_p99_us"] <= row["kv_p999_us"]
        assert 0 < row["kv_fairness"] <= 1
        assert "background" not in alone


POOL = ("pool", "--requests", "8", "--nodes", "2", "--clients", "2", "--rate", "500",
        "--pause", "0.01", "--turns", "2", "--policy", "lru", "--planes", "ub")  # fmt: skip


def test_a_pool_beside_streams_hits_as_often_and_takes_longer() -> None:
    (alone,) = json.loads(run(*POOL, "--format", "json"))
    (among,) = json.loads(run(*POOL, "--background", BUSY, "--format", "json"))
    assert among["hits_dram"] == alone["hits_dram"] > 0
    assert among["get_p50_us"] > 1.1 * alone["get_p50_us"]
    assert among["time_us"] == pytest.approx(
        among["alone_us"] * (1 + among["leakage_percent"] / 100)
    )
    assert among["kv_goodput_GBps"] > 0
    assert f"# ub lru beside {BUSY.replace(' ', '')}: +" in run(*POOL, "--background", BUSY)


def test_faults_say_it_in_a_line_and_show_no_published_figures_beside_it() -> None:
    asked = ("faults", "--kind", "sub-plane", "--system", "supernode:16", "--ranks", "16",
             "--workload", "barrier", "--mtbf", "1y", "--mttr", "1h")  # fmt: skip
    text = run(*asked, "--background", "kv:1GB/s")
    assert "# beside kv:1GB/s: +" in text
    assert "UB-Mesh" not in text


def test_text_says_it_in_a_line() -> None:
    assert "# EP8 dispatch beside kv:25GB/s: +" in run(*MOE)
    text = run("all_to_all", "--planes", "rdma", "-b", "1M", "-e", "1M", "--background", BUSY)
    assert "# 1048576 B beside kv:infGB/s: +" in text


def test_a_plot_has_the_operation_alone_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "p.svg"
    run(*MOE, "--plot", str(path))
    drawn = path.read_text("utf-8")
    assert "cann-ep alone" in drawn
    assert "cann-ep beside kv:25GB/s" in drawn
    assert "published:" not in drawn


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--transport", "inproc"), "does not go with --transport inproc"),
        (("--trace", "t.json"), "does not go with --trace"),
        (("--sensitivity",), "does not go with --sensitivity"),
        (("--background", "kv:1GB/s"), "2 streams kv"),
        (("--background", "checkpoint:1"), "'1' is no bandwidth"),
    ],
)
def test_what_does_not_go_with_streams_is_refused(more: tuple[str, ...], why: str) -> None:
    check_refused((*MOE, *more), why)


@pytest.mark.parametrize(
    ("bench", "why"),
    [
        (("put", "--transport", "inproc"), "does not go with --transport inproc"),
        (("get", "--sensitivity"), "does not go with --sensitivity: that is of it alone"),
        (("trace", "none.goal", "--sensitivity"), "does not go with --sensitivity"),
        (("pool", "--published"), "does not go with --published"),
        (("pool", "--sensitivity"), "does not go with --sensitivity: that is of it alone"),
        (("faults", "--kind", "l1", "--sensitivity"), "does not go with --sensitivity"),
        ((*POOL, "--background", "checkpoint:1GB/s@vpc"), "no path from node0.die0 to"),
    ],
)
def test_so_is_what_does_not_go_with_them_beside_other_things(
    bench: tuple[str, ...], why: str
) -> None:
    check_refused((*bench, "--background", "kv:1GB/s"), why)


def check_refused(asked: tuple[str, ...], why: str) -> None:
    """Check that a command is refused in a line that says why."""
    found = CliRunner().invoke(main, ["bench", *asked])
    assert found.exit_code == 2
    assert why in found.output
