"""``bench isolation``, and the metrics of streams computed anew from what a session was asked."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.background import record
from bench.cases.moe import Experts
from bench.cli import main
from bench.isolation.measure import a_packet_each_hop
from collectives.workloads.background.beside import beside
from collectives.workloads.background.streams import BLOCKS, background
from fabric import Fabric
from fabric.engines.base import Ended, Session
from fabric.engines.columns import RankStreams
from fabric.machine import MachineSpec
from tests.support.slow_fluid import spray
from topology import cloudmatrix384, star
from topology.units import GB, US

COMMON = ("--ep", "8", "--planes", "rdma")


def run(*args: str, code: int = 0) -> str:
    found = CliRunner().invoke(main, ["bench", "isolation", *args])
    assert found.exit_code == code, found.output
    return found.output


@pytest.mark.parametrize("engine", ["flow", "packet"])
def test_strict_priority_keeps_an_operation_as_if_alone(engine: str) -> None:
    """Asked: within 3% of alone, with packets and a packet's time a hop."""
    given = ("--engine", engine, "--guarantee", "5GB/s", "--format", "json")
    rows = json.loads(run(*COMMON, *given))
    assert [row["op"] for row in rows] == ["dispatch"] * 3 + ["combine"] * 3
    for none, first, sure in (rows[:3], rows[3:]):
        assert [one["classes"] for one in (none, first, sure)] == [
            "none", "priority", "priority+guarantee",
        ]  # fmt: skip
        assert none["alone_us"] == pytest.approx(first["alone_us"])
        # Four links of 4 KiB at 25 GB/s, of which a die has one.
        a_packet = 4 * 4096 / 25e9 / US if engine == "packet" else 0.0
        assert first["packets_us"] == pytest.approx(a_packet, rel=0.51)
        assert first["time_us"] <= 1.03 * first["alone_us"] + first["packets_us"]
        assert first["isolated"]
        assert not none["isolated"]
        assert none["time_us"] > 1.1 * none["alone_us"]
        # What is promised to the stream the operation lacks, but no more of its wire than that.
        assert first["time_us"] < sure["time_us"] < first["time_us"] * 25 / (25 - 5) * 1.01
        for row in (none, first, sure):
            assert row["leakage_percent"] == pytest.approx(
                100 * (row["time_us"] / row["alone_us"] - 1)
            )


def test_a_packets_time_on_each_link() -> None:
    """As the slow oracle goes, link by link."""
    options = {"mtu": 1000, "header": 24}
    made = Fabric(star(4, bandwidth=GB), engine="packet", engine_options=options)
    assert a_packet_each_hop(made, 4) == pytest.approx(2 * 1024 / GB)
    topology = cloudmatrix384()
    made = Fabric(topology, engine="packet", planes=("rdma",))
    worst = 0.0
    for dst in range(1, 20):
        way = spray(topology, 0, dst, ("rdma",))
        takes = [share * 4096 / topology.link_bandwidth[link] for link, share in way.load.items()]
        worst = max(worst, sum(takes))
    assert a_packet_each_hop(made, 20) == pytest.approx(worst)
    assert a_packet_each_hop(Fabric(star(4)), 4) == 0.0


def test_text_and_picture_have_every_case(tmp_path: Path) -> None:
    path = tmp_path / "i.svg"
    text = run(*COMMON, "--background", "checkpoint:1GB/s", "--plot", str(path))
    assert [line.split()[1:3] for line in text.splitlines()[2:6]] == [
        [op, name] for op in ("dispatch", "combine") for name in ("none", "priority")
    ]
    drawn = path.read_text("utf-8")
    for words in ("no classes", "priority", "alone", "beside checkpoint:1GB/s"):
        assert words in drawn


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--guarantee", "26GB/s"), "carries 25 GB/s and would have to carry 26 GB/s"),
        (("--guarantee", "5"), "'5' is no bandwidth"),
        (("--background", "kw:1GB/s"), "no stream 'kw'"),
        (("--expert-placement", "eplb"), "--expert-placement does not go with bench isolation"),
        (("--plot", "x.txt"), "the name must end in"),
    ],
)
def test_what_cannot_be_is_refused(more: tuple[str, ...], why: str) -> None:
    found = CliRunner().invoke(main, ["bench", "isolation", *COMMON, *more])
    assert found.exit_code != 0
    assert why in found.output or why in str(found.exception)


def test_classes_of_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[classes]]\nname = "x"\nnumber = 1\n', "utf-8")
    assert "without --classes" in run("--classes", str(tmp_path / "c.toml"), code=2)


class LoggedSession:
    """A session that writes down when parts are ready, and when they end."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.ready: dict[int, dict[int, float]] = defaultdict(dict)
        self.end: dict[int, dict[int, float]] = defaultdict(dict)
        self.group: dict[int, tuple[int, ...]] = {}
        self.moved: dict[int, float] = defaultdict(float)

    def enter(self, call: int, ready: float, streams: RankStreams) -> None:
        self.ready[call][streams.position] = ready
        self.group[call] = tuple(streams.group)
        mine = streams.streams
        self.moved[call] += float(mine.size[mine.src == streams.position].sum())
        self.session.enter(call, ready, streams)

    def advance(self, until: float = float("inf")) -> Sequence[Ended]:
        ended = self.session.advance(until)
        for one in ended:
            self.end[one.call][one.position] = one.time
        return ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)


def linear(values: list[float], percent: float) -> float:
    """The percentile between two values, as its definition says."""
    at = percent / 100 * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return sorted(values)[low] + (at - low) * (sorted(values)[high] - sorted(values)[low])


@pytest.mark.parametrize("rate", [2.0, 8.0])
def test_the_metrics_are_what_the_log_of_a_session_says(
    monkeypatch: pytest.MonkeyPatch, rate: float
) -> None:
    """Streams of a rate that the port carries beside a dispatch, and of one that it does not."""
    logs: list[LoggedSession] = []
    plain = Fabric.session

    def logged(self: Fabric, size: int) -> Any:
        logs.append(LoggedSession(plain(self, size)))
        return logs[-1]

    monkeypatch.setattr(Fabric, "session", logged)
    fabric = MachineSpec("cloudmatrix384", "cann-ep", planes=("rdma",)).build()
    work = Experts("dispatch", "low-latency", 8, tokens=2048)
    stream, within = background(f"kv:{rate}GB/s<200us"), 200 * US
    steps = list(work.steps(fabric.software.stack("dispatch"), None))
    found = beside(fabric, steps, [stream], ranks=8, operation="dispatch")
    log = max(logs, key=lambda one: len(one.end) * (0 in one.ready))
    period, lanes = BLOCKS["kv"] / (rate * GB), defaultdict[tuple[int, ...], list[int]](list)
    for call in sorted(log.ready, key=abs):  # blocks have numbers below 0
        if call:
            lanes[log.group[call]].append(call)
    took, got = [], []
    for number, calls in enumerate(lanes.values()):
        through = [call for call in calls if len(log.end[call]) == len(log.group[call])]
        first = number / len(lanes) * period
        # The n-th block of a lane is due n periods after its first one.
        ends = [max(log.end[call].values()) for call in through]
        places = [calls.index(call) for call in through]
        took += [end - (first + n * period) for end, n in zip(ends, places, strict=True)]
        sent = sum(log.moved[call] for call in through)
        got.append(sent / max(max(ends) - first, len(through) * period))
        assert {log.moved[call] for call in through} == {BLOCKS["kv"]}
    values = record(found)
    assert len(lanes) == 8
    assert values["kv_goodput_GBps"] == pytest.approx(sum(got) / GB)
    assert values["kv_fairness"] == pytest.approx(sum(got) ** 2 / (8 * sum(x * x for x in got)))
    for name, percent in (("p50", 50), ("p99", 99), ("p999", 99.9)):
        assert values[f"kv_{name}_us"] == pytest.approx(linear(took, percent) / US)
    attained = sum(time <= within for time in took) / len(took)
    assert values["kv_slo_percent"] == pytest.approx(100 * attained)
    launch = fabric.software.costs("dispatch").start(8)  # before ranks are ready
    before = next(one for one in logs if set(one.ready) == {0})
    time, alone = (
        launch + max(one.end[0].values()) - min(one.ready[0].values()) for one in (log, before)
    )
    assert values["leakage_percent"] == pytest.approx(100 * (time / alone - 1))
