"""What the packet engine counts of packets: closed forms, queues in theory, where it is shown."""

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.cli import main
from bench.view.page import Exhibit, page
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines.account import Account
from fabric.engines.columns import batches
from fabric.engines.packet import steps as kernels
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import network
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.rows import rows
from fabric.engines.packet.statistics import statistics
from fabric.engines.packet.watching import BINS, FIRST_WIDTH, bin_of, longest_in
from fabric.timeline.file import TimelineError
from fabric.timeline.film import film_of
from fabric.timeline.packets import PacketStatistics
from fabric.timeline.value import Timeline
from topology import cloudmatrix384, fat_tree, ring, star
from topology.errors import ArgumentError
from topology.graph import Topology

BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
MTU = 1000
WIRE = MTU / BANDWIDTH
"""Seconds of a packet on a link."""
LATENCY = 1e-6
"""Seconds from host to switch in a star; from there on it is 0."""
CLOSE = 1 / 128
"""How far off a percentile may be, as a fraction of it."""


def watched(
    topology: Topology | None = None, classes: tuple[TrafficClass, ...] = (), **options: Any
) -> Fabric:
    made = star(6, bandwidth=BANDWIDTH) if topology is None else topology
    given = {"mtu": MTU, "statistics": True, **options}
    return Fabric(made, engine="packet", engine_options=given, classes=classes)


def of(timeline: Timeline) -> PacketStatistics:
    assert timeline.packets is not None
    return timeline.packets


def alike(one: Any, other: Any) -> bool:
    """Whether two dataclasses of arrays, and of such, hold the same."""
    if not is_dataclass(one):
        same = np.array_equal(one, other, equal_nan=isinstance(one, np.ndarray))
        return same and getattr(one, "dtype", None) == getattr(other, "dtype", None)
    return all(alike(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def test_packets_that_meet_nobody_take_their_time_and_wait_for_nothing() -> None:
    found = of(watched().simulate([Step([0, 1, 2], [3, 4, 5], [MTU, 40 * MTU, 0])]))
    assert found.classes == ("",)
    assert found.packets.tolist() == [41]
    assert found.waited.tolist() == [0.0]
    np.testing.assert_allclose(found.latency[0], LATENCY + 2 * WIRE, rtol=1e-9)
    assert found.longest[0] == pytest.approx(LATENCY + 2 * WIRE)
    assert found.overtaken.tolist() == [0]
    assert np.isnan(found.behind[0])
    assert found.deepest is None


def test_incast_waits_as_a_queue_that_grows_by_all_packets_but_one_at_a_time() -> None:
    senders, packets = 5, 40
    made = star(senders + 1, bandwidth=BANDWIDTH)
    timeline = watched(made).simulate([Step(np.arange(1, senders + 1), 0, packets * MTU)])
    found = of(timeline)
    # Round r of arrivals, a packet of each sender, is sent behind r rounds that took 5 times as
    # long to send as they took to arrive.
    waits = [r * (senders - 1) + k for r in range(packets) for k in range(senders)]
    assert found.waited[0] == pytest.approx(np.mean(waits) * WIRE)
    took = LATENCY + (2 + np.sort(waits)) * WIRE
    for share, value in zip((0.5, 0.99, 0.999), found.latency[0], strict=True):
        exact = took[int(np.ceil(share * len(took))) - 1]
        assert exact * (1 - 1e-9) <= value <= exact * (1 + CLOSE)
    assert found.longest[0] == pytest.approx(took[-1])
    deepest = found.deepest
    assert deepest is not None
    assert timeline.topology.link_name(deepest[0]).endswith("host0 (net)")
    # When the last round has arrived, all but what the port has sent since the first wait.
    assert deepest[1] == (senders * packets - packets) * MTU


def test_the_queue_in_time_rises_and_falls_as_bytes_come_and_go() -> None:
    """Two senders to one port: a byte more waits for every two that come, then they drain."""
    packets = 2000
    found = of(watched(credits=None).simulate([Step([1, 2], 0, packets * MTU)]))
    (queue,) = found.queue
    time = (np.arange(len(queue)) + 0.5) * found.window - LATENCY - WIRE
    full = packets * WIRE
    expected = np.clip(np.minimum(time, 2 * full - time), 0, None) * BANDWIDTH
    inside = (time > 0) & (time < 2 * full)
    assert inside.sum() > 20
    assert np.abs(queue - expected)[inside].max() <= found.window * BANDWIDTH / 2 + 2 * MTU
    assert queue[time > 2 * full + found.window].sum() == 0


def test_waiting_is_by_class() -> None:
    """The class above waits for a packet under way at most; that below for all the others."""
    table = (TrafficClass("low", 1, -1), TrafficClass("high", 2, 1), TrafficClass("none", 3))
    step = Step([1, 2, 3], 0, 100 * MTU, traffic_class=[1, 2, 2])
    found = of(watched(classes=table).simulate([step]))
    assert found.classes == ("default", "low", "high", "none")
    assert found.packets.tolist() == [0, 100, 200, 0]
    assert np.isnan(found.latency[[0, 3]]).all()
    assert np.isnan(found.waited[[0, 3]]).all()
    # Of the two of the class above, one packet each arrives in each packet's time; the first of all
    # that is sent is of the class below, whose next ones are sent after all those above.
    waits = np.arange(200) // 2 + np.arange(200) % 2 + 1
    assert found.waited[2] == pytest.approx(waits.mean() * WIRE)
    assert found.waited[1] == pytest.approx(0.99 * 200 * WIRE)


def test_statistics_change_no_time() -> None:
    rng = np.random.default_rng(1)
    steps = [Step(rng.integers(0, 16, 40), rng.integers(0, 16, 40), rng.integers(0, 9000, 40))] * 3
    options = {"credits": 7, "cell": MTU}
    plain, counted = (
        watched(fat_tree(4), statistics=on, **options).simulate(steps) for on in (False, True)
    )
    assert plain.packets is None
    assert counted.finish.tolist() == plain.finish.tolist()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.integers(0, 99), st.sampled_from(["star", "ring", "one way"]),
    st.sampled_from([None, 1, 3]), st.sampled_from(["class", "shared"]),
)  # fmt: skip
def test_no_packet_overtakes_another_of_its_transfer_where_there_is_one_way(
    seed: int, shape: str, packets: int | None, buffers: str
) -> None:
    rng = np.random.default_rng(seed)
    topology = {"star": star(8), "ring": ring(3), "one way": fat_tree(2)}[shape]
    table = (TrafficClass("a", 1, 1), TrafficClass("b", 2, 0, 2.0), TrafficClass("c", 3, -1))
    n, count = min(topology.n_endpoints, 8), int(rng.integers(1, 12))
    steps = [
        Step(rng.integers(0, n, count), rng.integers(0, n, count), rng.integers(0, 9000, count),
             traffic_class=rng.integers(0, 4, count))
        for _ in range(3)
    ]  # fmt: skip
    made = watched(topology, table, mtu=500, cell=500, credits=packets, buffers=buffers)
    timeline = made.simulate(steps)
    found, away = of(timeline), timeline.src != timeline.dst
    # Rows of one step, pair and class are one stream.
    streams = [batch.streams for batch in batches(steps, n)]
    sent = sum(int((-(-one.size // 500))[one.src != one.dst].sum()) for one in streams)
    assert found.packets.sum() == sent
    assert (found.overtaken == 0).all()
    assert away.any() or sent == 0


def test_packets_that_are_sprayed_overtake_one_another() -> None:
    found = of(Fabric(
        cloudmatrix384(), engine="packet", engine_options={"statistics": True}
    ).simulate([Step(np.arange(8), (np.arange(8) + 8) % 16 + 100, 1 << 20)] * 2))  # fmt: skip
    assert 0 < found.overtaken[0] < found.packets[0]
    assert 1 <= found.behind[0] <= found.farthest[0] < 257


@given(st.integers(0, 1 << 60))
def test_a_bin_holds_times_that_differ_by_less_than_a_part(time: int) -> None:
    number = bin_of(time)
    (last,) = longest_in(np.array([number])).tolist()
    assert 0 <= number < BINS
    assert time <= last < time + max(time * CLOSE, 1)
    assert bin_of(last) == number
    assert bin_of(last + 1) == number + 1


# Queues in theory: many sources whose packets come at random to one link.


def arrivals(load: float, n: int, sources: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """When each of ``n`` packets is sent, ps, in order, and by which of the sources."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(WIRE / load, n)) * 1e12
    return at.astype(np.int64), rng.integers(1, sources + 1, n)


def engine_of(
    load: float, n: int, sources: int, seed: int
) -> tuple[NDArray[np.int64], PacketState]:
    """When each of the packets has arrived at rank 0, ps: each is a transfer of its own."""
    made = Fabric(star(sources + 1, bandwidth=BANDWIDTH), engine="packet")
    at, src = arrivals(load, n, sources, seed)
    (batch,) = batches([Step(np.arange(1, sources + 1), 0, MTU)], sources + 1)
    account = Account(made, "", None)
    account.open(batch)
    loaded, which = account.load(batch.streams), kinds(made.traffic_classes)
    net = network(made.router)
    each = rows(made, net, which, batch.streams, loaded.path, loaded.loads, Costs()).pick(src - 1)
    live = PacketState(net, which, PacketOptions(MTU, 0, None, 1, 0, statistics=True), sources + 1)
    live.add_lanes(np.zeros(sources + 1, np.int64))
    live.answer(n)
    delayed = each._replace(delay=at, order=np.arange(n))
    zeros = np.zeros(n, np.int32)
    slots = live.add(delayed, src.astype(np.int32), zeros, np.arange(n))
    kernels.list_rows(live.state, slots)
    kernels.begin_steps(live.state, np.arange(sources + 1, dtype=np.int32))
    live.run()
    return live.state.finish[:n], live


def lindley(at: NDArray[np.int64], server: NDArray[np.int64], takes: int) -> NDArray[np.int64]:
    """When packets are through their servers, each of which takes them in order: the slow way."""
    free = np.zeros(server.max() + 1, np.int64)
    through = np.empty(len(at), np.int64)
    for i in np.argsort(at, kind="stable").tolist():
        free[server[i]] = through[i] = max(at[i], free[server[i]]) + takes
    return through


def test_random_arrivals_are_served_one_by_one_to_the_picosecond() -> None:
    at, src = arrivals(0.7, 3000, 50, 1)
    wire = round(WIRE * 1e12)
    first = lindley(at, src, wire) + round(LATENCY * 1e12)
    expected = lindley(first, np.zeros(len(at), np.int64), wire)
    found, _ = engine_of(0.7, 3000, 50, 1)
    # Two that arrive at one picosecond may change places: it is the times that are theirs.
    assert np.sort(found).tolist() == np.sort(expected).tolist()


@pytest.mark.parametrize(("load", "n"), [(0.3, 200_000), (0.6, 300_000)])
def test_mean_waiting_of_random_arrivals_is_that_of_theory(load: float, n: int) -> None:
    """M/D/1: the load, half over what is left of the link, in times of service."""
    _, live = engine_of(load, n, 1000, 7)
    mean = statistics(live.state, kinds(watched().traffic_classes)).waited[0] / WIRE
    # The sources' own links are not quite idle either: a queue each of a thousandth of the load.
    own = load / 1000 / (2 * (1 - load / 1000))
    assert mean - own == pytest.approx(load / (2 * (1 - load)), rel=0.02)


# Where it is shown.

BENCH = [
    "bench", "gather", "--system", "star:4", "--ranks", "4", "--software", "raw", "-b", "1M", "-e",
    "1M", "--algorithm", "direct", "--engine", "packet", "--engine-option", "statistics=true",
]  # fmt: skip


def test_a_bench_says_how_packets_waited(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[classes]]\nname = "bulk"\nnumber = 1\n'
                                     'operations = ["gather"]\n')  # fmt: skip
    run = CliRunner().invoke
    (plain,) = json.loads(run(main, [*BENCH, "--format", "json"]).stdout)
    assert plain["packets"] == 3 * 64
    assert 0 < plain["packet_p50_us"] <= plain["packet_p99_us"] <= plain["packet_p999_us"]
    assert plain["packet_p999_us"] <= plain["packet_longest_us"]
    assert plain["packet_wait_us"] > 0
    assert plain["overtaken_percent"] == 0
    assert plain["queue_most_bytes"] > 0
    assert plain["machine"]["engine_options"] == {"statistics": True}
    text = run(main, BENCH).stdout
    assert "192 packets: p50 " in text
    assert "longest queue: " in text
    classed = [*BENCH, "--classes", str(tmp_path / "c.toml")]
    (found,) = json.loads(run(main, [*classed, "--format", "json"]).stdout)
    assert found["bulk_packets"] == plain["packets"]
    assert found["default_packet_p50_us"] is None
    assert "192 packets of bulk: p50 " in run(main, classed).stdout


def test_so_does_that_of_experts() -> None:
    args = ["bench", "moe", "--ep", "8", *BENCH[-4:]]
    found = CliRunner().invoke(main, [*args, "--format", "json"])
    assert all(row["packets"] > 0 for row in json.loads(found.stdout))
    text = CliRunner().invoke(main, args).stdout
    assert "# EP8 dispatch " in text
    assert " packets: p50 " in text


def test_without_being_asked_nothing_is_said() -> None:
    (row,) = json.loads(CliRunner().invoke(main, [*BENCH[:-2], "--format", "json"]).stdout)
    assert not [key for key in row if "packet" in key and key != "engine"]


def test_a_trace_has_the_queues(tmp_path: Path) -> None:
    timeline = watched().simulate([Step([1, 2], 0, 100 * MTU)])
    timeline.to_perfetto(tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    counted = [e["args"]["bytes"] for e in events if e["ph"] == "C" and "bytes" in e["args"]]
    assert max(counted) == 100 * MTU
    assert counted[-1] == 0
    arrived = [e["args"]["packets"] for e in events if e["name"] == "packets that arrived"]
    assert max(arrived) > 0  # a counter may stay as it is from one stretch to the next


def test_what_becomes_of_packets_in_time_adds_up_to_what_became_of_them_in_all(
    tmp_path: Path,
) -> None:
    """An incast over RoCE, so long that stretches of time are joined, in two classes."""
    two = (TrafficClass("a", 1), TrafficClass("b", 2, priority=1))
    fabric = watched(
        star(6, bandwidth=BANDWIDTH),
        two,
        roce="net",
        buffer=200_000,
        pfc_xoff=20_000,
        pfc_headroom=1_000,
        window=64,
        timeout_us=400.0,
    )
    step = Step(np.arange(1, 6), 0, 4000 * MTU, traffic_class=np.array([1, 2, 1, 2, 1]))
    timeline = fabric.simulate([step])
    found, course = of(timeline), of(timeline).course
    assert found.roce is not None
    assert found.window > (1 << FIRST_WIDTH) / 1e12
    assert course.packets.shape == (3, found.queue.shape[1])
    for name in ("packets", "overtaken"):
        assert getattr(course, name).sum(axis=1).tolist() == getattr(found, name).tolist()
    for name in ("dropped", "resent", "marked", "pauses"):
        assert getattr(course, name).sum(axis=1).tolist() == getattr(found.roce, name).tolist()
        assert getattr(found.roce, name).any()
    np.testing.assert_allclose(course.paused.sum(axis=1), found.roce.paused, rtol=1e-9)
    assert np.nanmax(course.longest) == found.longest[1:].max()
    # Five links are stopped for no longer than there is time in each stretch.
    assert course.paused.max() <= 5 * found.window * (1 + 1e-9)
    # Until senders are slowed down the port is never idle: it brings a packet in a packet's time.
    full = course.packets.sum(axis=0)[1:30]
    assert np.abs(full * WIRE - found.window).max() <= WIRE

    timeline.save(tmp_path / "t.npz")
    again = of(Timeline.load(tmp_path / "t.npz"))
    assert alike(again, found)

    timeline.to_perfetto(tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    begun = {e["name"] for e in events if e["ph"] == "i"}
    assert begun == {"packets are dropped", "packets are sent again", "links are stopped"}
    of_b = [e["pid"] for e in events if e.get("args", {}).get("name") == "packets of b"]
    levels = [e for e in events if e["name"] == "marked (ECN)" and e["pid"] in of_b]
    assert max(e["args"]["packets"] for e in levels) == course.marked[2].max()


@pytest.mark.parametrize("options", [{}, {"roce": "net"}])
def test_a_file_may_say_that_there_were_no_packets(options: dict[str, Any], tmp_path: Path) -> None:
    timeline = watched(**options).simulate([Step([0, 1], [0, 2], [100, 0])])
    timeline.save(tmp_path / "t.npz")
    found = Timeline.load(tmp_path / "t.npz")
    assert alike(of(found), of(timeline))
    assert "star(6)" in page(Exhibit(found.topology, film_of(found)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packet_queue": np.zeros(3, np.int64)}, "packet_queue does not hold a number for each"),
        ({"packet_course": np.full(190, -1.0)}, "packet_course does not hold its numbers"),
        ({"packet_course": np.zeros(2, np.int64)}, "packet_course is int64"),
        ({"packet_link": np.array([99])}, "a queue is of link 99; the topology has 12 links"),
        ({"packet_link": None}, "has no array 'packet_link'"),
        ({"classes": [1]}, r"classes of packets are \[1\], not a list of texts"),
        ({"classes": []}, "there are 0 classes of packets"),
        ({"windows": -1}, "windows is -1"),
        ({"waited": ["long"]}, "waited has 'long', which is no number"),
        ({"latency": [[1.0]]}, r"latency is \[1.0\], not 3 numbers"),
        ({"roce": 5}, "roce is 5"),
    ],
)
def test_what_a_file_says_of_packets_is_checked(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.npz"
    watched().simulate([Step([1, 2], 0, 5 * MTU)]).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(arrays["about"].tobytes())
    for name, value in change.items():
        if not name.startswith("packet_"):
            about["packets"][name] = value
        elif value is None:
            del arrays[name]
        else:
            arrays[name] = value
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(TimelineError, match=words):
        Timeline.load(path)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("credits", "--engine-option is 'credits'; it has to be NAME=VALUE"),
        ("statistics=maybe", "statistics is 'maybe'"),
        ("drops=true", "no option 'drops'; it has mtu"),
    ],
)
def test_wrong_options_are_refused_in_a_line(given: str, words: str) -> None:
    found = CliRunner().invoke(main, [*BENCH[:-1], given])
    assert found.exit_code != 0
    assert words in found.stderr


def test_statistics_are_asked_for_or_not() -> None:
    with pytest.raises(ArgumentError, match="statistics is 3"):
        watched(statistics=3)
    session = Fabric(
        star(2), engine="packet", endpoint=Endpoint("t", {"": Costs()}),
        engine_options={"statistics": True},
    ).session(2)  # fmt: skip
    assert not session.advance()
