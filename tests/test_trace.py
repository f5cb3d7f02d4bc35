"""Traces: what another reader makes of them equals what the timeline and the clocks say."""

import itertools
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fabric.timeline.perfetto.simulated as simulated
from collectives import Communicator, init
from collectives.algorithms import allreduce, alltoall
from fabric import Fabric, Step, Timeline, launch
from fabric.clock.perfetto import _laid, _Slice
from fabric.clock.record import RecordedShare
from fabric.failure import WorldError
from fabric.timeline.perfetto.events import TraceError, nanoseconds, stamp
from fabric.timeline.perfetto.tracks import assigned
from topology import Topology, star, supernode
from topology.units import NS, US


class Reader:
    """A trace as Perfetto's importer takes it: time in whole nanoseconds, slices that nest."""

    def __init__(self, path: Path) -> None:
        events = json.loads(path.read_text())["traceEvents"]
        self.names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events
                      if e["name"] == "thread_name"}  # fmt: skip
        self.processes = {
            e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"
        }
        self.slices = [e for e in events if e["ph"] == "X"]
        self.counters: dict[tuple[str, str], list[tuple[int, float]]] = defaultdict(list)
        for e in events:
            if e["ph"] == "C":
                (value,) = e["args"].values()
                self.counters[self.processes[e["pid"]], e["name"]].append((self.ns(e["ts"]), value))
        self.starts = {e["id"]: e for e in events if e["ph"] == "s"}
        self.ends = {e["id"]: e for e in events if e["ph"] == "f"}
        for e in self.slices:
            e["begin"], e["end"] = self.ns(e["ts"]), self.ns(e["ts"]) + self.ns(e["dur"])

    @staticmethod
    def ns(micros: float) -> int:
        """Both what cuts off and what rounds must find the same nanosecond."""
        assert int(micros * 1000) == round(micros * 1000)
        return int(micros * 1000)

    def track(self, name: str) -> list[dict[str, Any]]:
        return [e for e in self.slices if self.names[e["pid"], e["tid"]] == name]

    def check_nesting(self) -> None:
        """No two slices of a track overlap, unless one holds the other and comes first."""
        by_track = defaultdict(list)
        for e in self.slices:
            by_track[e["pid"], e["tid"]].append(e)
        assert by_track.keys() <= self.names.keys()
        for slices in by_track.values():
            around: list[int] = []
            for e in sorted(slices, key=lambda e: e["begin"]):  # stable, as the importer's sort
                while around and around[-1] <= e["begin"]:
                    around.pop()
                assert not around or e["end"] <= around[-1]
                around.append(e["end"])

    def ends_of_arrows(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """For each arrow its two slices, of which the first has to begin first."""
        by_track = defaultdict(list)
        for e in sorted(self.slices, key=lambda e: (e["begin"], -e["end"])):
            by_track[e["pid"], e["tid"]].append(e)

        def bound(at: dict[str, Any]) -> dict[str, Any]:
            time = self.ns(at["ts"])
            last: dict[str, Any] = [
                e for e in by_track[at["pid"], at["tid"]] if e["begin"] <= time
            ][-1]
            assert time < last["end"]
            return last

        assert self.starts.keys() == self.ends.keys()
        for number, start in self.starts.items():
            out, into = bound(start), bound(self.ends[number])
            assert out["begin"] <= into["begin"]
            yield out, into

    def around(self, one: dict[str, Any]) -> dict[str, Any]:
        """The slice that another is directly in."""
        found = [
            e for e in self.slices
            if (e["pid"], e["tid"]) == (one["pid"], one["tid"]) and e is not one
            and e["begin"] <= one["begin"] and one["end"] <= e["end"]
        ]  # fmt: skip
        return min(found, key=lambda e: e["end"] - e["begin"])

    def integral(self, process: str, name: str) -> float:
        values = self.counters[process, name]
        return sum(
            value * (later - since) for (since, value), (later, _) in itertools.pairwise(values)
        )


def traced(timeline: Timeline, tmp_path: Path) -> Reader:
    timeline.to_perfetto(tmp_path / "trace.json")
    return Reader(tmp_path / "trace.json")


def timeline_of(topology: Topology, steps: list[Step], **more: object) -> Timeline:
    return Fabric(topology, **more).simulate(steps)  # type: ignore[arg-type]


def mixed(ranks: int) -> list[Step]:
    rng = np.random.default_rng(7)
    src, dst = rng.integers(0, ranks, (2, 60))
    return [
        *allreduce.ring(ranks, 1 << 16), Step(src, dst, rng.integers(0, 1 << 20, 60)),
        *alltoall.pairwise(ranks, 5000), Step(0, 0, 77), Step(1, 2, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("software", ["raw", "cann-ep"])
def test_sums_in_a_trace_are_the_timelines(tmp_path: Path, software: str) -> None:
    timeline = timeline_of(supernode(16), mixed(20), endpoint=software)
    trace = traced(timeline, tmp_path)
    trace.check_nesting()
    router = timeline.router
    for resource in np.flatnonzero(timeline.resource_bytes):
        used = trace.integral("links: utilisation", router.name(int(resource)))
        carried = used / 100 * NS * router.capacity[resource]
        assert carried == pytest.approx(timeline.resource_bytes[resource], rel=1e-6)
    for rank in range(timeline.ranks):
        own = trace.track(f"rank {rank}")
        ours, theirs = timeline.src == rank, timeline.dst == rank
        steps = [e for e in own if "step" in e["args"]]
        for name, rows in (("sent_bytes", ours & ~theirs), ("received_bytes", theirs & ~ours)):
            assert sum(e["args"][name] for e in steps) == timeline.size[rows].sum()
        assert sum(e["args"]["transfers"] for e in steps) == (ours | theirs).sum()
        last = max(e["end"] for e in own)
        assert last == nanoseconds(timeline.rank_finish[rank])
        busy = sum(
            timeline.finish[(ours | theirs) & (timeline.step == step)].max()
            - timeline.start[(ours | theirs) & (timeline.step == step)].min()
            for step in np.unique(timeline.step[ours | theirs])
        )
        assert sum(e["end"] - e["begin"] for e in steps) * NS == pytest.approx(
            busy, abs=2 * NS * len(steps)
        )


def test_every_transfer_has_a_slice_and_an_arrow_to_its_receiver(tmp_path: Path) -> None:
    timeline = timeline_of(star(6), mixed(6))
    trace = traced(timeline, tmp_path)
    away = np.flatnonzero(timeline.src != timeline.dst)
    sends = [e for e in trace.slices if e["name"].startswith("to rank")]
    told = sorted((e["name"], e["begin"], e["end"], e["args"]["bytes"]) for e in sends)
    assert told == sorted(
        (f"to rank {timeline.dst[i]}", int(nanoseconds(timeline.start[i])),
         int(nanoseconds(timeline.finish[i])), int(timeline.size[i]))
        for i in away
    )  # fmt: skip
    assert len(trace.starts) == len(away)
    for out, into in trace.ends_of_arrows():
        assert trace.names[into["pid"], into["tid"]] == out["name"].removeprefix("to ")
        assert trace.around(into)["args"]["step"] == out["args"]["step"]


def test_a_process_is_a_node(tmp_path: Path) -> None:
    trace = traced(timeline_of(supernode(16), [Step(0, 31, 100)]), tmp_path)
    of = {trace.names[e["pid"], e["tid"]]: trace.processes[e["pid"]] for e in trace.slices}
    assert of["rank 0"] == "node 0"
    assert of["rank 31"] == "node 1"


def test_a_backlog_falls_to_nothing(tmp_path: Path) -> None:
    timeline = timeline_of(star(4), [Step([0, 1, 2], 3, 10_000_000)])
    trace = traced(timeline, tmp_path)
    name = "switch->host3 (net)"
    backlog = [value for _, value in trace.counters["links: backlog", name]]
    assert backlog[0] == pytest.approx(30_000_000 / 196e9 / US)
    assert backlog == sorted(backlog, reverse=True)
    assert backlog[-1] == 0
    assert max(v for _, v in trace.counters["links: utilisation", name]) <= 100 + 1e-9


def test_what_is_too_much_to_draw_is_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeline = timeline_of(star(16), list(alltoall.direct(16, 4096)))
    monkeypatch.setattr(simulated, "SENDS", 32)
    trace = traced(timeline, tmp_path)
    sends = [e for e in trace.slices if e["name"].startswith("to rank")]
    assert len(sends) == 32
    away = timeline.src != timeline.dst
    assert sum(e["args"].get("sent_bytes", 0) for e in trace.slices) == timeline.size[away].sum()
    monkeypatch.setattr(simulated, "STEPS", 8)
    with pytest.raises(TraceError, match="16 steps of ranks would be too long"):
        timeline.to_perfetto(tmp_path / "more.json")
    assert not (tmp_path / "more.json").exists()


def test_nothing_at_all_is_a_trace(tmp_path: Path) -> None:
    trace = traced(timeline_of(star(2), []), tmp_path)
    assert trace.slices == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"none/x\.json cannot be written: No such file"):
        timeline_of(star(2), []).to_perfetto(tmp_path / "none" / "x.json")


@given(st.integers(0, 1 << 52))
def test_no_nanosecond_is_lost(time: int) -> None:
    value = json.loads(json.dumps(stamp(time)))
    assert int(value * 1000.0) == time == round(value * 1000.0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 9)), max_size=40))
@settings(derandomize=True, deadline=None)
def test_lanes_hold_what_does_not_overlap(rows: list[tuple[int, int, int]]) -> None:
    owner, begin, length = np.array(rows, np.int64).reshape(-1, 3).T
    lane = assigned(owner, begin, begin + length)
    for i in range(len(rows)):
        for j in range(i):
            if owner[i] == owner[j] and lane[i] == lane[j]:
                assert begin[i] + length[i] <= begin[j] or begin[j] + length[j] <= begin[i]
    for who in set(owner.tolist()):
        mine = np.flatnonzero(owner == who)
        most = max(
            sum(begin[j] <= begin[i] < begin[j] + max(length[j], 1) for j in mine) for i in mine
        )
        assert lane[mine].max() < most


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from("sc")), max_size=12),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), max_size=12),
)
@settings(derandomize=True, deadline=None)
def test_every_slice_is_laid_once_and_nests(
    done: list[tuple[int, int, str]], calls: list[tuple[int, int]]
) -> None:
    names = {"s": "span", "c": "compute"}
    own = [_Slice(0, names[kind], at, at + length) for at, length, kind in done]
    parts = [RecordedShare(0, i, "call", (0,), 0, 0.0, 0.0, "") for i in range(len(calls))]
    made = [
        _Slice(0, "call", at, at + length, True, part)
        for (at, length), part in zip(calls, parts, strict=True)
    ]
    lanes = _laid(own, made)
    assert sorted(map(id, own + made)) == sorted(id(one) for lane in lanes for one in lane)
    for lane in lanes:
        around: list[int] = []
        for one in lane:
            while around and around[-1] <= one.begin:
                around.pop()
            assert not around or one.end <= around[-1]
            around.append(one.end)


# Running ranks.


def program() -> tuple[tuple[float, float], ...]:
    """Spans in spans, computing, calls beside computing, a message: each with its times."""
    comm: Communicator = init()
    x = np.full(1 << 16, comm.rank, np.float32)
    with comm.span("layer"), comm.span("attention"):
        comm.compute(2e-6 * (1 + comm.rank))
    work = comm.all_reduce(x, async_op=True)
    comm.compute(1e-6)
    before = comm.now()
    late = work.times()
    assert comm.now() == max(late[1], before)
    whole = comm.barrier().times()
    assert comm.now() == whole[1]
    message = whole
    if comm.rank < 2:
        message = (comm.recv(x, 0) if comm.rank else comm.send(x, 1)).times()
    return late, whole, message


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_what_ranks_did_is_in_their_trace(tmp_path: Path, transport: str) -> None:
    path = tmp_path / "trace.json"
    times = launch(program, 3, supernode(16), transport, trace=path)
    trace = Reader(path)
    trace.check_nesting()
    for rank, of_rank in enumerate(times):
        own = {e["name"]: e for e in trace.track(f"rank {rank}")}
        asked = {"barrier()": of_rank[1]}
        assert own["layer"]["end"] == own["attention"]["end"] == 2000 * (1 + rank)
        assert own["compute"]["end"] - own["compute"]["begin"] == 1000
        if rank < 2:
            asked["send_recv(float32[65536], rank 0 to rank 1, tag 0)"] = of_rank[2]
        (beside,) = trace.track(f"rank {rank} meanwhile")
        assert beside["name"] == "all_reduce(sum, float32[65536])"
        for event, (begin, end) in [(beside, of_rank[0]), *((own[n], t) for n, t in asked.items())]:
            assert (event["begin"], event["end"]) == tuple(nanoseconds([begin, end]))
    (start,) = trace.starts.values()
    (end,) = trace.ends.values()
    assert trace.names[start["pid"], start["tid"]] == "rank 0"
    assert trace.names[end["pid"], end["tid"]] == "rank 1"
    ((out, into),) = trace.ends_of_arrows()
    assert out["name"] == trace.around(into)["name"]
    assert into["end"] == trace.around(into)["end"]


def waits() -> None:
    comm = init()
    x = np.zeros(8, np.float32)
    if comm.rank:
        comm.recv(x, 0)
    else:
        comm.compute(5e-6)
        comm.send(x, 1)


def test_an_arrow_leads_to_a_receive_that_began_before_the_send(tmp_path: Path) -> None:
    launch(waits, 2, "star:2", trace=tmp_path / "t")
    trace = Reader(tmp_path / "t")
    ((out, into),) = trace.ends_of_arrows()
    assert trace.names[out["pid"], out["tid"]] == "rank 0"
    assert trace.names[into["pid"], into["tid"]] == "rank 1"
    assert trace.around(into)["begin"] < out["begin"]


def test_a_trace_is_the_same_on_every_run_and_transport(tmp_path: Path) -> None:
    runs = [("a", "inproc"), ("b", "inproc"), ("c", "zmq")]
    for name, transport in runs:
        launch(program, 3, "star:4", transport, trace=tmp_path / name)
    texts = {(tmp_path / name).read_text() for name, _ in runs}
    assert len(texts) == 1


@pytest.mark.parametrize("how", [{"sync": "eager"}, {"clock": "paced", "scale": 100.0}])
def test_times_and_traces_on_other_clocks(tmp_path: Path, how: dict[str, Any]) -> None:
    times = launch(paced_program, 2, "star:2", trace=tmp_path / "t", **how)
    trace = Reader(tmp_path / "t")
    trace.check_nesting()
    for rank, (begin, end) in enumerate(times):
        calls = [e for e in trace.track(f"rank {rank}") if e["name"].startswith("all_reduce")]
        assert [(e["begin"], e["end"]) for e in calls] == [tuple(nanoseconds([begin, end]))]
        assert 0 < begin < end
        (span,) = (e for e in trace.track(f"rank {rank}") if e["name"] == "work")
        (computed,) = (e for e in trace.track(f"rank {rank}") if e["name"] == "compute")
        assert span["begin"] <= computed["begin"] < computed["end"] <= span["end"]
        assert computed["end"] - computed["begin"] >= 5000


def paced_program() -> tuple[float, float]:
    comm = init()
    with comm.span("work"):
        comm.compute(5e-6)
    return comm.all_reduce(np.ones(1000, np.float32)).times()


def failing() -> None:
    comm = init()
    comm.barrier()
    with comm.span("never over"):
        if comm.rank:
            comm.recv(np.empty(1), 0)
            comm.now()  # known once the sender's span is
            raise KeyError("gone")
        comm.send(np.ones(1), 1)
        comm.barrier()


def test_a_world_that_fails_leaves_its_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        launch(failing, 2, "star:2", trace=tmp_path / "t")
    trace = Reader(tmp_path / "t")
    trace.check_nesting()
    unfinished = [e for e in trace.slices if e["args"].get("unfinished")]
    assert {"never over", "barrier()"} >= {e["name"] for e in unfinished} >= {"never over"}


def asks_without_a_machine() -> str:
    comm = init()
    with comm.span("free"):
        work = comm.barrier()
    with pytest.raises(WorldError) as error:
        work.times()
    return str(error.value)


def test_without_a_machine_there_are_no_times() -> None:
    for said in launch(asks_without_a_machine, 2, None):
        assert said.endswith("is not known: no machine is emulated")


def forgets() -> str:
    comm = init()
    first = comm.barrier()
    for _ in range(5):
        comm.barrier()
    comm.now()
    with pytest.raises(WorldError) as error:
        first.times()
    comm.barrier()
    return str(error.value)


def test_calls_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabric.clock.emulator._PAST", -26)  # of 2 ranks: three calls
    for said in launch(forgets, 2, "star:2"):
        assert said.endswith("is not known: the call was too long ago")


def test_a_trace_that_cannot_be_is_refused_before_the_ranks_run(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="there is no folder"):
        launch(failing, 2, "star:2", trace=tmp_path / "none" / "t")
    with pytest.raises(WorldError, match="no machine is emulated"):
        launch(failing, 2, None, trace=tmp_path / "t")


# Perfetto's own reader.


FIND = """
from perfetto.trace_processor.platform import PlatformDelegate
print(PlatformDelegate().get_shell_path(None))
"""


def shell() -> str:
    """Perfetto's trace processor: on the path, or as its package downloads it; else a skip."""
    found = shutil.which("trace_processor_shell")
    if found is not None:
        return found
    try:
        done = subprocess.run(
            [sys.executable, "-c", FIND], capture_output=True, text=True, timeout=60, check=True
        )
    except subprocess.SubprocessError:
        pytest.skip("there is no trace_processor_shell on the path, and it cannot be downloaded")
    return done.stdout.splitlines()[-1]


def test_perfettos_trace_processor_finds_the_same_sums(tmp_path: Path) -> None:
    reason = "PyPI's perfetto is not installed"
    api = pytest.importorskip("perfetto.trace_processor", reason=reason)
    timeline = timeline_of(supernode(16), mixed(20))
    timeline.to_perfetto(tmp_path / "trace.json")
    config = api.TraceProcessorConfig(bin_path=shell())
    with api.TraceProcessor(trace=str(tmp_path / "trace.json"), config=config) as reader:
        _check_with(reader, timeline)


def _check_with(reader: Any, timeline: Timeline) -> None:
    lost = "select name, value from stats where severity = 'error' and value > 0"
    assert [(row.name, row.value) for row in reader.query(lost)] == []
    sums = """
        select thread.name as name, max(ts + dur) as last,
               sum(extract_arg(slice.arg_set_id, 'args.sent_bytes')) as sent
        from slice join thread_track on track_id = thread_track.id join thread using (utid)
        where thread.name glob 'rank [0-9]*' and not thread.name glob '*sends'
        group by thread.name"""
    found = {row.name: (row.last, row.sent) for row in reader.query(sums)}
    for rank in range(timeline.ranks):
        sent = timeline.size[(timeline.src == rank) & (timeline.dst != rank)].sum()
        assert found[f"rank {rank}"] == (nanoseconds(timeline.rank_finish[rank]), sent)
    away = timeline.src != timeline.dst
    drawn = "select count() as n, sum(extract_arg(arg_set_id, 'args.bytes')) as bytes from slice"
    (row,) = reader.query(drawn + " where name glob 'to rank *'")
    assert (row.n, row.bytes) == (away.sum(), timeline.size[away].sum())
    arrows = """
        select sent.name as name, thread.name as rank, count() as n from flow
        join slice as sent on slice_out = sent.id join slice as got on slice_in = got.id
        join thread_track on got.track_id = thread_track.id join thread using (utid)
        group by 1, 2"""
    led = {(row.name, row.rank): row.n for row in reader.query(arrows)}
    into = np.bincount(timeline.dst[away], minlength=timeline.ranks)
    assert led == {(f"to rank {rank}", f"rank {rank}"): n for rank, n in enumerate(into) if n}
    integrals = """
        select name, sum(value * (later - ts)) as area from (
          select process_counter_track.name as name, value, ts,
                 lead(ts) over (partition by track_id order by ts) as later
          from counter join process_counter_track on track_id = process_counter_track.id
        ) where later is not null and name glob '* percent' group by name"""
    areas = {row.name: row.area for row in reader.query(integrals)}
    router = timeline.router
    for resource in np.flatnonzero(timeline.resource_bytes):
        carried = areas[f"{router.name(int(resource))} percent"] / 100 * NS
        assert carried * router.capacity[resource] == pytest.approx(
            timeline.resource_bytes[resource], rel=1e-6
        )
