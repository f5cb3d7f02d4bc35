"""Which way packets take, and how they may wait for one another for ever: with independent oracles.

Random arrivals of single packets at a switch with several links on: what the engine makes of them
is compared with a queue that is written down in a few lines, and with theory.
"""

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from bench.cli import main
from collectives import init
from fabric import Fabric, Step, launch
from fabric.classes.table import TrafficClass
from fabric.endpoint.costs import Costs
from fabric.engines.account import Account
from fabric.engines.base import EngineError
from fabric.engines.columns import batches, rank_streams
from fabric.engines.packet import steps as kernels
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import Entries, network
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.rows import rows
from fabric.engines.packet.state import NONE
from fabric.engines.packet.statistics import statistics
from fabric.schedule.plan import plans
from topology import cloudmatrix384, ring, star, ubmesh
from topology.draft import Draft
from topology.errors import TriplaneError
from topology.graph import Topology

MTU = 1000
BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
WIRE = 1_000_000
"""Picoseconds of a packet on a link."""
LATENCY = 1_000_000
"""Picoseconds into each switch."""

Ints, Longs = NDArray[np.int32], NDArray[np.int64]


def bundle(sources: int, links: int) -> Topology:
    """Many hosts on a switch, several links to a second one, and from there one wide link."""
    draft = Draft(("net",))
    hosts = draft.endpoints([f"host{i}" for i in range(sources + 1)], "host",
                            node=np.arange(sources + 1))  # fmt: skip
    a, b = draft.switches(["a", "b"], "switch")
    draft.connect(hosts[1:], [a], "net", BANDWIDTH, LATENCY * 1e-12, 0.0)
    draft.connect([a] * links, [b] * links, "net", BANDWIDTH, LATENCY * 1e-12, 0.0)
    draft.connect([b], hosts[:1], "net", 1000 * BANDWIDTH, 0.0, 0.0)
    return draft.freeze("bundle")


def through(
    made: Fabric, at: Longs, src: Longs, size: Longs | None = None
) -> tuple[Longs, PacketState]:
    """When packets for rank 0 arrive that ranks ``src`` send at ``at`` (ps), a transfer each.

    ``size``: bytes of each, None: `MTU`.
    """
    ranks, n = len(made.places), len(at)
    (batch,) = batches([Step(np.arange(1, ranks), 0, MTU)], ranks)
    account = Account(made, "", None)
    account.open(batch)
    loaded, which = account.load(batch.streams), kinds(made.traffic_classes)
    net = network(made.router)
    each = rows(made, net, which, batch.streams, loaded.path, loaded.loads, Costs()).pick(src - 1)
    options = PacketOptions(MTU, 0, None, 1, 0, statistics=True)
    live = PacketState(net, which, options, ranks)
    live.add_lanes(np.zeros(ranks, np.int64))
    live.answer(n)
    zeros = np.zeros(n, np.int32)
    sizes = np.full(n, MTU) if size is None else size
    timed = each._replace(delay=at, order=np.arange(n), to_send=sizes)
    slots = live.add(timed, src.astype(np.int32), zeros, np.arange(n))
    kernels.list_rows(live.state, slots)
    kernels.begin_steps(live.state, np.arange(ranks, dtype=np.int32))
    live.run()
    return live.state.finish[:n], live


def random_arrivals(
    load: float, n: int, sources: int, links: int, seed: int
) -> tuple[Longs, Longs]:
    """When packets are sent that load each of the links so much, ps, and by which source."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.exponential(WIRE / (load * links), n))
    return at.astype(np.int64), rng.integers(1, sources + 1, n)


def mean_wait(found: Longs, at: Longs) -> float:
    """How long packets waited on average, in times of a packet."""
    alone = 2 * WIRE + 2 * LATENCY + WIRE // 1000
    return float((found - at - alone).mean() / WIRE)


def test_hashed_packets_wait_as_at_links_of_their_own() -> None:
    """A random link for each packet splits random arrivals into such: M/D/1 at each."""
    load, links, sources = 0.6, 4, 2000
    made = Fabric(bundle(sources, links), engine="packet", routing="packet-hash:seed=5")
    at, src = random_arrivals(load, 300_000, sources, links, 3)
    found, _ = through(made, at, src)
    own = load * links / sources  # the load of a source's own link
    expected = sum(one / (2 * (1 - one)) for one in (load, own))
    assert mean_wait(found, at) == pytest.approx(expected, rel=0.02)


def test_the_seed_of_a_hash_is_in_its_answer_and_nothing_else_is() -> None:
    steps = [Step(np.arange(8), np.arange(100, 108), 1 << 20)]
    found = [
        Fabric(cloudmatrix384(), engine="packet", routing=text).simulate(steps).finish.tolist()
        for text in ("packet-hash", "packet-hash", "packet-hash:seed=1", "spray")
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[0] != found[3]
    one_way = [
        Fabric(star(4), engine="packet", routing=text).simulate([Step([0, 1], 2, 99_999)])
        for text in ("packet-hash:seed=1", "adaptive", "spray")
    ]
    assert len({one.duration for one in one_way}) == 1


def slow_adaptive(arrive: Longs, links: int, first: int, margin: int) -> Longs:
    """When each packet has been sent, by a slow and obvious switch that adapts.

    It takes the links in turn, and each round begins with the next one; but the least loaded link,
    the next in turn of such, if that has less by ``margin`` packets than the one whose turn it is.
    """
    through: list[list[int]] = [[] for _ in range(links)]
    free, sent = [0] * links, np.zeros(len(arrive), np.int64)
    turn, left = first, links * links
    for i, now in enumerate(arrive.tolist()):
        load = [sum(end > now for end in one[-200:]) for one in through]
        order = [(turn + x) % links for x in range(links)]
        least = min(order, key=lambda k: load[k])
        k = least if load[least] <= load[turn] - margin else turn
        free[k] = max(free[k], now) + WIRE
        through[k].append(free[k])
        sent[i] = free[k]
        left -= 1
        assert left, "further packets begin at a random link"
        turn = (turn + (2 if left % links == 0 else 1)) % links
    return sent


def one_by_one(sent: Longs) -> Longs:
    """When packets that were sent to the second switch then have come to the host, in order."""
    free, through = 0, np.sort(sent) + LATENCY
    for i, now in enumerate(through.tolist()):
        free = through[i] = max(free, now) + WIRE // 1000
    return through


@pytest.mark.parametrize("load", [0.7, 0.95])
def test_adaptive_takes_the_least_loaded_link_at_the_hop_to_the_picosecond(load: float) -> None:
    links, sources = 30, 400
    made = Fabric(bundle(sources, links), engine="packet", routing="adaptive")
    rng = np.random.default_rng(8)
    n = 890  # fewer than rounds are alike
    at = np.cumsum(rng.exponential(WIRE / (load * links), n)).astype(np.int64)
    src = np.arange(n) % sources + 1  # so slowly that no source's own link has two
    found, live = through(made, at, src)
    assert live.state.choice == 2
    arrive = np.sort(at) + WIRE + LATENCY
    # Which link is the first is the engine's affair: one of them gives these times.
    candidates = [slow_adaptive(arrive, links, k, 3) for k in range(links)]
    assert any(np.array_equal(np.sort(found), one_by_one(each)) for each in candidates)


def test_adaptive_goes_around_what_spray_waits_for() -> None:
    """Packets of very different sizes: taken in turn, large ones meet on one link by chance."""
    links, sources = 4, 2000
    at, src = random_arrivals(1.6, 60_000, sources, links, 3)
    size = np.where(np.random.default_rng(4).random(len(at)) < 0.5, 10, MTU)
    waits = []
    for routing in ("adaptive", "spray", "packet-hash"):
        made = Fabric(bundle(sources, links), engine="packet", routing=routing)
        _, live = through(made, at, src, size)
        waits.append(statistics(live.state, kinds(made.traffic_classes)).waited[0])
    assert waits[0] < 0.8 * waits[1]
    assert waits[1] < 0.8 * waits[2]


@pytest.mark.parametrize(("routing", "factor"), [("spray", 16 / 15), ("adaptive", 112 / 111)])
def test_a_dead_chip_costs_what_its_policy_makes_of_the_links_that_are_left(
    routing: str, factor: float
) -> None:
    """One of the 16 uplinks of one of 7 L1 chips of each node; all that one node sends goes up."""
    steps = [Step(np.arange(16), np.arange(16, 32), 16 << 20)]
    whole, hurt = (
        Fabric(machine, engine="packet", routing=routing).simulate(steps).duration
        for machine in (cloudmatrix384(), cloudmatrix384().without("l2.0.0"))
    )
    assert hurt / whole == pytest.approx(factor, rel=0.01)


# Packets that wait for one another for ever.

AROUND = [Step(np.arange(5), (np.arange(5) + 2) % 5, 200 * MTU)]
"""Each host of a ring to the one after the next: every link waits for the next one."""

LINKS = ", ".join(f"router{k}->router{(k + 1) % 5} \\(net\\)" for k in range(5))


@pytest.mark.parametrize(
    "options",
    [
        {"credits": 1, "cell": MTU}, {"credits": 3, "cell": MTU, "buffers": "shared"},
        {"credits": 20, "cell": 100, "switching": "cut-through"},
        {"roce": "net", "dcqcn": False, "pfc_xoff": 2 * MTU},
    ],
)  # fmt: skip
def test_a_circle_of_full_buffers_is_found_and_named(options: dict[str, Any]) -> None:
    made = Fabric(ring(5, bandwidth=BANDWIDTH), engine="packet",
                  engine_options={"mtu": MTU, **options})  # fmt: skip
    words = f"deadlock: .* 5 links .* in a circle: {LINKS}. Ranks that wait: 0 for 2, 1 for 3"
    with pytest.raises(EngineError, match=words):
        made.simulate(AROUND)
    session = made.session(5)
    for rank, plan in enumerate(plans(AROUND, 5)):
        session.enter(1, 0.0, rank_streams(plan.rows, tuple(range(5)), rank, ""))
    with pytest.raises(EngineError, match=words):
        session.advance()


def around() -> None:
    """One rank of a ring sends to the one after the next."""
    comm = init()
    counts = np.zeros((2, comm.size), int)
    counts[0, (comm.rank + 2) % comm.size] = counts[1, (comm.rank - 2) % comm.size] = 200 * MTU
    received = np.zeros(200 * MTU, np.uint8)
    comm.all_to_all_v(received, np.zeros_like(received), *counts)
    comm.now()


def test_running_ranks_are_told_who_waits() -> None:
    made = Fabric(ring(5, bandwidth=BANDWIDTH), engine="packet",
                  engine_options={"mtu": MTU, "credits": 1, "cell": MTU})  # fmt: skip
    with pytest.raises(TriplaneError, match=f"deadlock: .* in a circle: {LINKS}"):
        launch(around, ranks=5, system=made)


def test_only_the_classes_of_the_circle_wait() -> None:
    table = (TrafficClass("first", 1, priority=1), TrafficClass("last", 2, priority=-1))
    made = Fabric(ring(5, bandwidth=BANDWIDTH), engine="packet", classes=table,
                  engine_options={"mtu": MTU, "credits": 1, "cell": MTU})  # fmt: skip
    step = Step([*range(5), 0], [*((np.arange(5) + 2) % 5), 1], 200 * MTU,
                traffic_class=[2] * 5 + [1])  # fmt: skip
    with pytest.raises(EngineError, match=r"for ever in traffic class last\. The buffers at"):
        made.simulate([step])


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"credits": 3000}, AROUND),  # room for all of it
        ({"credits": 10}, [Step(np.arange(4), np.arange(1, 5), 200 * MTU)]),
        ({"roce": "net", "pfc": False, "dcqcn": False, "buffer": 3 * MTU, "timeout_us": 50.0},
         AROUND),
    ],
)  # fmt: skip
def test_there_is_none_where_there_is_room_or_no_circle_or_where_packets_are_dropped(
    options: dict[str, Any], steps: list[Step]
) -> None:
    made = Fabric(ring(5, bandwidth=BANDWIDTH), engine="packet",
                  engine_options={"mtu": MTU, **options})  # fmt: skip
    found = made.simulate(steps)
    assert found.duration >= found.bound * (1 - 1e-9)


def test_a_command_says_it_in_a_line() -> None:
    found = CliRunner().invoke(main, [
        "bench", "all_to_all", "--system", "ring:5", "--ranks", "5", "--software", "raw", "-b",
        "64M", "-e", "64M", "--engine", "packet", "--engine-option", "credits=26",
    ])  # fmt: skip
    assert found.exit_code != 0
    (line,) = found.stderr.strip().splitlines()
    assert "deadlock: " in line
    assert "router1->router" in line


MACHINES: dict[str, tuple[Topology, str]] = {
    "supernode": (cloudmatrix384(), "spray"), "full meshes": (ubmesh(), "all-path"),
    "star": (star(5), "spray"),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
def test_entries_that_packets_are_told_lead_where_those_of_their_own_way_do(name: str) -> None:
    machine, routing = MACHINES[name]
    made = Fabric(machine, routing=routing)
    ranks = min(len(made.places), 40)
    src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
    made.simulate([Step(src, dst, 100)])
    net = network(made.router)
    entries, told = net.entries, net.entries.same
    own = [_ways_from(entries, at, entries.then) for at in entries.begin[:-1].tolist()]
    then = np.where(entries.then == NONE, NONE, told[entries.then])
    there = np.flatnonzero(entries.begin[1:] > entries.begin[:-1])
    assert [_ways_from(entries, int(net.path[way]), then) for way in there] == [
        own[way] for way in there
    ]
    assert len({net.path[way] for way in there}) == len({own[way] for way in there})


def _ways_from(entries: Entries, at: int, then: Ints) -> tuple[Any, ...]:
    """All that a packet may do from an entry on."""
    if at == NONE:
        return ()
    state = range(at, at + int(entries.more[at]))
    return tuple(
        (int(entries.resource[k]), float(entries.share[k]), _ways_from(entries, int(then[k]), then))
        for k in state
    )
