"""Streams beside an operation: what they cost it, what they get, and what a class changes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cases.moe import Experts
from bench.cli import main
from collectives.algorithms.alltoall import pairwise
from collectives.workloads.background.beside import Beside, beside
from collectives.workloads.background.streams import (
    BLOCKS,
    Background,
    BackgroundError,
    background,
    lanes,
)
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.machine import MachineSpec
from topology import star
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
    found = CliRunner().invoke(main, ["bench", *MOE, *more])
    assert found.exit_code == 2
    assert why in found.output
