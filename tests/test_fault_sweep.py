"""What single failures cost, against closed forms; which are alike; what a year comes to."""

import json
import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bench.faults.sweep import CUT, FULL, Failure, Sweep, Sweeper, pairs
from bench.faults.workload import SweptOperation
from bench.faults.year import HOUR, PUBLISHED, YEAR, Rates, Year, rates_of, together, year_of
from fabric import Endpoint, Fabric, Step, Timeline
from fabric.machine import MachineSpec
from tests.support.commands import refused, run
from topology import Topology, TopologyError, cloudmatrix384, supernode, system
from topology.analysis.elements import Element, elements, kinds
from topology.units import GB

UB = ("package", "ub")
MASK = (1 << 64) - 1

# One dead L2 chip of 112.


def time_of(machine: Topology, policy: str, step: Step) -> float:
    """Seconds without the latency of the way."""
    return timeline_of(machine, policy, step).duration - 3 * 187.5e-9


def timeline_of(machine: Topology, policy: str, step: Step) -> Timeline:
    fabric = Fabric(machine, routing=policy, planes=("ub",), endpoint=Endpoint("test"))
    return fabric.simulate([step])


@pytest.mark.parametrize(("policy", "cost"), [("spray", 16 / 15), ("adaptive", 112 / 111)])
def test_one_dead_l2_chip_costs_what_its_closed_form_says(policy: str, cost: float) -> None:
    """All dies send to the next node at full rate: a sub-plane has 15 of 16 uplinks a node left.

    Even spray still gives it a seventh of the bytes; adaptive gives each uplink as much as any.
    """
    whole, size = cloudmatrix384(), 196 << 20
    die = np.arange(768)
    step = Step(die, (die + 16) % 768, size)
    usual = time_of(whole, policy, step)
    assert usual == pytest.approx(size / (196 * GB), rel=1e-9)
    hurt = whole.without("l2.3.12")
    assert time_of(hurt, policy, step) / usual == pytest.approx(cost, rel=1e-9)


def test_one_dead_l2_chip_costs_what_the_fullest_link_has_by_hash() -> None:
    """Each pair takes one way: the time is that of the link with most pairs, found pair by pair.

    Equal transfers that begin together share links max-min fairly, so those on the link with most
    of them get the least, and end last.
    """
    whole, size, nodes = cloudmatrix384(), 1 << 20, 6
    src, dst = np.nonzero(np.ones((16 * nodes, 16 * nodes)))
    apart = src // 16 != dst // 16
    step = Step(src[apart], dst[apart], size)
    found = {}
    for machine in (whole, whole.without("l2.3.12")):
        busy = Counter[tuple[int, int]]()
        uplinks = Counter[int]()
        for a, b in zip(step.src.tolist(), step.dst.tolist(), strict=True):
            way = hashed_way(machine, a, b)
            busy.update(pairwise(way))
            uplinks[int(machine.vertex_names[way[1]].rpartition(".")[2])] += 1
        expected = max(busy.values()) * size / (28 * GB)
        timeline = timeline_of(machine, "hash", step)
        assert timeline.duration - 3 * 187.5e-9 == pytest.approx(expected, rel=1e-6)
        if machine is whole:
            assert timeline.link_imbalance == pytest.approx(imbalance(machine, busy))
        found[machine.n_vertices] = expected
        chip = [n for (a, _), n in busy.items() if machine.vertex_names[a].startswith("l2.3.")]
        ways = 16 * nodes if machine is whole else 15 * nodes
        assert len(chip) == ways  # the mean of the sub-plane's chips is 16/15 of what it was
        assert np.mean(chip) == pytest.approx(uplinks[3] / ways)
    assert min(found.values()) > 1.2 * len(step) / (16 * nodes * 7) * size / (28 * GB)


def imbalance(machine: Topology, busy: Counter[tuple[int, int]]) -> float:
    """The fullest link's pairs over the mean of the 7 links of its die, or 112 of its node."""
    names = machine.vertex_names

    def beside(a: int, b: int) -> tuple[str, str]:
        ends = names[a].startswith("node"), names[b].startswith("node")
        if all(ends):  # a die's own links
            return ("out", names[a]) if ".die" in names[a] else ("in", names[b])
        return ("up", names[a].split(".")[0]) if ends[0] else ("down", names[b].split(".")[0])

    (fullest, most), *_ = busy.most_common()
    together = sum(n for link, n in busy.items() if beside(*link) == beside(*fullest))
    return most / (together / (7 if beside(*fullest)[0] in ("out", "in") else 112))


def hashed_way(machine: Topology, src: int, dst: int) -> list[int]:
    """The vertices from a die to one of another node: at each switch the hash picks a link."""
    names, index = machine.vertex_names, machine.index
    home, away = names[src].partition(".")[0], names[dst].partition(".")[0]
    planes = [index[f"{home}.l1.{s}"] for s in range(7)]
    lower = _pick(src, dst, src, planes)
    plane = names[lower].rpartition(".")[2]
    chips = [index[f"l2.{plane}.{c}"] for c in range(16) if f"l2.{plane}.{c}" in index]
    upper = _pick(src, dst, lower, chips)
    return [src, lower, upper, index[f"{away}.l1.{plane}"], dst]


def _pick(src: int, dst: int, at: int, choices: list[int]) -> int:
    x = src * 0x9E3779B97F4A7C15 & MASK
    x ^= dst * 0xC2B2AE3D27D4EB4F & MASK
    x = x + at * 0x165667B19E3779F9 & MASK
    x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 32
    return choices[x % len(choices)]


def test_a_sweep_finds_the_closed_form_once_for_all_112() -> None:
    """All-to-all between 320 dies on 20 nodes: 304 of 318 blocks on UB leave the node."""
    names = {}
    for policy in ("spray", "adaptive"):
        machine = MachineSpec("supernode:160", "raw", routing=policy, planes=UB,
                              system_options={"l2_chips": 16})  # fmt: skip
        sweeper = Sweeper(
            machine, SweptOperation("all_to_all", 320, size=320 << 20, algorithm="direct")
        )
        cases = elements(sweeper.topology, "l2", UB)
        (group,) = sweeper.groups(cases)
        assert len(group) == len(cases) == 112
        names[policy] = sweeper.failure(group)
    usual = 318 / 7
    spray, adaptive = 304 * 16 / 15 / 7, 2 + 304 * 16 / 111
    assert names["spray"].slowdown == pytest.approx(spray / usual, rel=1e-3)
    assert names["adaptive"].slowdown == pytest.approx(adaptive / usual, rel=1e-3)
    assert "->l2.0.* (ub, 15 links)" in names["spray"].bottleneck


# Which failures are alike.


EVERY_KIND = ("l1", "l2", "module", "die", "node", "sub-plane", "link")


@pytest.mark.parametrize(
    ("policy", "kind"), [*(("spray", kind) for kind in EVERY_KIND), ("adaptive", "link")]
)
def test_failures_that_are_alike_cost_alike(policy: str, kind: str) -> None:
    """Every one is simulated, too."""
    machine = MachineSpec("supernode:32", "raw", routing=policy, planes=UB, tolerance=0.0)
    sweeper = Sweeper(machine, SweptOperation("all_to_all", 20, size=20 << 18, algorithm="direct"))
    cases = elements(sweeper.topology, kind, UB)
    cases = cases[:: max(1, len(cases) // 30)]
    groups = sweeper.groups(cases)
    assert sum(map(len, groups)) == len(cases)
    assert len(groups) <= len(cases)
    for alike in groups:
        costs = [sweeper.failure([case]).slowdown for case in alike[:4]]
        assert costs == pytest.approx([sweeper.failure(alike).slowdown] * len(costs), rel=1e-9)


def test_how_many_groups_there_are() -> None:
    """32 ranks on 2 of 4 nodes: those with ranks are told apart, the others are not."""
    sweeper = Sweeper(MachineSpec("supernode:32", planes=UB), SweptOperation("barrier", 32))
    found = {
        kind: len(sweeper.groups(elements(sweeper.topology, kind, UB)))
        for kind in ("l2", "l1", "node", "sub-plane", "package")
    }
    # Whichever package of a node fails, the ranks behind it move on by two.
    assert found == {"l2": 1, "l1": 3, "node": 1, "sub-plane": 1, "package": 3}
    hashed = MachineSpec("supernode:32", planes=UB, routing="hash")
    by_hash = Sweeper(hashed, SweptOperation("barrier", 32))
    assert len(by_hash.groups(elements(by_hash.topology, "l2", UB))) == 14


# What can fail.


@pytest.mark.parametrize(
    "name", ["cloudmatrix384", "h800:4", "gb200:8", "atlas950:128", "mi300x-cx7:2", "fat_tree:4"]
)
def test_whatever_can_fail_can_be_taken_out(name: str) -> None:
    machine = system(name)
    for kind in kinds(machine, machine.planes):
        found = elements(machine, kind, machine.planes)
        assert len({one.name for one in found}) == len(found)
        for one in found[:: max(1, len(found) // 4)]:
            if kind in ("node", "rack") and len(found) == 1:
                continue
            left = machine.without(*one.without)
            assert left.n_links < machine.n_links or left.n_vertices < machine.n_vertices


def test_a_link_that_fails_is_one_cable() -> None:
    machine = supernode(16)  # with eight links from an L1 chip to each L2 chip
    links = elements(machine, "link", ("ub",))
    assert len(links) == (machine.link_plane == machine.plane("ub")).sum() / 2
    for one in links[::37]:
        assert machine.without(*one.without).n_links == machine.n_links - 2


def test_modules_have_two_links_and_each_link_two_modules() -> None:
    for machine in (cloudmatrix384(), supernode(16)):
        modules = elements(machine, "module", UB)
        links = Counter(name for one in modules for name in one.without)
        assert {len(one.without) for one in modules} == {2}
        ends = Counter(frozenset(name.replace(" (ub)", "").split("<->")) for name in links)
        assert len(modules) == {960: 5376, 40: 224}[machine.n_endpoints]
        for one in modules[:: len(modules) // 5]:
            assert machine.without(*one.without).n_links == machine.n_links - 4
        if machine.n_endpoints == 960:
            assert set(ends.values()) == {2}


def test_a_parallel_link_is_named_by_its_number() -> None:
    machine = supernode(16)
    left = machine.without("node0.l1.0<->l2.0.1 #3 (ub)")
    gone = set(machine.link_id.tolist()) - set(left.link_id.tolist())
    up = [k for k in range(machine.n_links) if machine.link_name(k) == "node0.l1.0->l2.0.1 (ub)"]
    down = [k for k in range(machine.n_links) if machine.link_name(k) == "l2.0.1->node0.l1.0 (ub)"]
    assert gone == {up[3], down[3]}
    with pytest.raises(TopologyError, match=r"no link node0.l1.0->l2.0.1 #8: there are 8 of them"):
        machine.without("node0.l1.0->l2.0.1 #8")


def test_kinds_that_are_not_there_are_refused_with_the_choices() -> None:
    with pytest.raises(TopologyError, match=r"no 'module' .*; it has link, nic, die, node, sub-"):
        elements(system("h800:2"), "module", ("nvlink", "rdma"))


# Pairs.


def test_pairs_are_drawn_by_a_seed() -> None:
    cases = [Element(f"x{k}", (f"x{k}", "shared")) for k in range(20)]
    drawn = pairs(cases, 30, seed=1)
    assert len({one.name for one in drawn}) == 30
    assert drawn == pairs(cases, 30, seed=1) != pairs(cases, 30, seed=2)
    assert len(pairs(cases, 1000, seed=1)) == 190
    assert pairs(cases[:2], 5, seed=0) == [Element("x0 + x1", ("x0", "shared", "x1"))]


# A year.


def made(slowdowns: list[float | None]) -> Sweep:
    failures = [Failure((f"x{k}",), slow, why="" if slow else CUT)
                for k, slow in enumerate(slowdowns)]  # fmt: skip
    return Sweep("x", 1.0, "", tuple(failures))


def test_a_year_is_that_of_elements_that_fail_independently() -> None:
    """Added up over all states of five elements."""
    slowdowns: list[float | None] = [1.0, 1.5, 2.0, None, 1.1]
    rates = Rates(100 * HOUR, 25 * HOUR)
    up, work = 0.0, 0.0
    for state in range(1 << len(slowdowns)):
        broken = [slow for k, slow in enumerate(slowdowns) if state >> k & 1]
        chance = 0.2 ** len(broken) * 0.8 ** (len(slowdowns) - len(broken))
        if None not in broken:
            up += chance
            work += chance / math.prod(slow for slow in broken if slow)
    found = year_of(made(slowdowns), rates)
    assert (found.up, found.goodput) == pytest.approx((up, work))
    assert found.failures == pytest.approx(5 * 8760 / 125)
    assert found.stops == pytest.approx(8760 / 125)
    assert found.mtbf == 20 * HOUR
    assert found.up_if_all_stop == pytest.approx(20 / 45)


def test_kinds_together() -> None:
    one, other = (year_of(made([1.25, None]), Rates(hours * HOUR, HOUR)) for hours in (100, 50))
    both = together({"one": one, "other": other})
    assert both.mtbf == pytest.approx(1 / (2 / 100 + 2 / 50) * HOUR)
    assert both.up == pytest.approx(one.up * other.up)
    assert both.goodput == pytest.approx(one.goodput * other.goodput)
    assert both.mttr == pytest.approx(HOUR)


def test_published_availability_is_that_of_the_published_times() -> None:
    for one in PUBLISHED:
        year = Year(0, 0, 1, 1, one.mtbf_hours * HOUR, one.mttr_minutes * 60)
        if one.availability_percent is not None:
            assert 100 * year.up_if_all_stop == pytest.approx(one.availability_percent, abs=0.1)
    assert YEAR == 365 * 24 * HOUR


def test_times_of_one_kind_and_of_all() -> None:
    found = rates_of(("l1", "l2"), (("", 10.0), ("l2", 20.0)), (("", 1.0),))
    assert found == {"l1": Rates(10, 1), "l2": Rates(20, 1)}
    assert rates_of(("l1",), (), ()) == {}


# The command.

SMALL = ("bench", "faults", "--system", "supernode:16", "--software", "raw", "--planes", "ub",
         "--workload", "all_to_all", "--size", "1M", "--algorithm", "direct")  # fmt: skip


def test_the_command_reports_distribution_worst_and_cuts() -> None:
    (row,) = json.loads(run(*SMALL, "--ranks", "32", "--kind", "link", "--format", "json"))
    assert (row["failures"], row["cut"]) == (14 * 16 + 14 * 16 + 14 * 4, 0)
    assert row["simulated"] < 50
    assert 1 <= row["slowdown_min"] <= row["slowdown_p50"] <= row["slowdown_p99"]
    assert row["slowdown_max"] == pytest.approx(7 / 6, rel=5e-3)  # a die has lost one of its links
    assert row["worst"].startswith("node0.die0<->node0.l1.")
    assert "node0.die0" in row["worst_bottleneck"]
    assert row["machine"]["system"] == "supernode:16"
    table = run(*SMALL, "--ranks", "32", "--kind", "die,plane").splitlines()
    assert table[0].startswith("# supernode:16, spray, op all_to_all, ranks 32, size 1048576")
    assert table[1].split()[:4] == ["kind", "failures", "simulated", "cut"]
    assert table[2].split() == ["die", "32", "1", "32", *"-----", "-"]
    assert table[4].startswith(f"# die: less places than ranks after {'node0.die0, '}node0.die1")
    assert table[4].endswith("and 27 more")
    assert table[5] == "# plane: ranks without a path after ub"
    unnamed = [word for word in SMALL if word not in ("--algorithm", "direct")]
    chosen = run(*unnamed, "--ranks", "32", "--kind", "plane").splitlines()
    assert re.match("# [a-z]+ is the library's choice on the whole machine, and is kept", chosen[3])


def test_the_command_adds_a_year_up(tmp_path: Path) -> None:
    plot = tmp_path / "faults.svg"
    text = run(*SMALL, "--ranks", "16", "--kind", "l2,node", "--pairs", "3", "--mtbf",
               "l2=1000h,node=0.5y", "--mttr", "2h", "--plot", str(plot))  # fmt: skip
    rows = [line.split() for line in text.splitlines() if line]
    kinds_of = [row[0] for row in rows]
    assert kinds_of == ["#", "kind", "l2", "node", "pairs", *kinds_of[5:-7], "kind", "l2", "node",
                        "all", "#", "#", "#"]  # fmt: skip
    assert rows[-7][:3] == ["kind", "MTBF", "h"]
    assert float(rows[-6][1]) == pytest.approx(1000 / 14, rel=1e-3)
    assert "98.8% said, 98.75%" in text
    assert plot.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--kind", "l3"), "no 'l3' that could fail on ub; it has link, module, die.*l2"),
        (("--kind", "l2,"), "'l2,' has an empty name"), ((), "--kind"),
        (("--kind", "l2", "--ranks", "33"), "33 ranks do not fit"),
        (("--kind", "l2", "--mtbf", "l1=3h"), "--mtbf is of 'l1', and --kind asks for l2"),
        (("--kind", "l2", "--mtbf", "l2=3h"), "--mttr is missing for l2"),
        (("--kind", "l2", "--mtbf", "l2=3"), "'l2=3' is no KIND=TIME.*units are s, min, h"),
        (("--kind", "l2", "--mtbf", "l2=0h"), "'l2=0h' is no KIND=TIME"),
        (("--kind", "l2", "--plot", "x.bmp"), "x.bmp: the name must end in .png"),
        (("--kind", "l2", "--workload", "gossip"), "gossip.*dispatch.*all_to_all"),
        (("--kind", "l2", "--algorithm", "magic"), "no algorithm 'magic'"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_is_refused(arguments: tuple[str, ...], said: str) -> None:
    assert re.search(said, refused(*SMALL, "--ranks", "16", *arguments))


def test_a_placement_that_loses_a_rank_cannot_run() -> None:
    machine = MachineSpec("supernode:16", "raw", planes=UB, placement=(0, 5, 20, 31))
    sweeper = Sweeper(machine, SweptOperation("barrier", 4))
    groups = sweeper.groups(elements(sweeper.topology, "die", UB))
    found = [sweeper.failure(group) for group in groups]
    lost = [name for one in found if one.why == FULL for name in one.names]
    assert lost == ["node0.die0", "node0.die5", "node1.die4", "node1.die15"]
