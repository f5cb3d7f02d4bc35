"""Plans of faults: what they are, the file, what they mean for links, and where they are given."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from fabric import Fabric, Step, Timeline
from fabric.faults.changes import LinkChange, LinkHistory, LinkStates, TimedChange, marks_of
from fabric.faults.expand import changes_of
from fabric.faults.file import faults_of_toml, load_faults
from fabric.faults.table import HARDWARE, SOFTWARE, Fault, FaultError, FaultPlan
from fabric.faults.things import links_of, things_of
from fabric.machine import MachineSpec
from topology import TopologyError, TriplaneError, cloudmatrix384, star, supernode
from topology.units import US

FULL = cloudmatrix384()
STAR = star(3)
ALL = """
detection = "2 ms"
seed = 7

[[faults]]
what = ["l2.3.4", "node0.l1.*"]
from = "40 us"
until = "90 us"

[[faults]]
what = "node0.die3 (rdma)"
kind = "degraded"
share = 0.25

[[faults]]
what = "l2.*"
kind = "flapping"
period = "1 ms"
duty = 0.5
mtbf = "1 s"
mttr = "20 ms"
until = "10 s"
"""
PLAN = FaultPlan(
    (
        Fault(("l2.3.4", "node0.l1.*"), "dead", 40 * US, 90 * US),
        Fault(("node0.die3 (rdma)",), "degraded", share=0.25),
        Fault(("l2.*",), "flapping", 0.0, 10.0, period=1e-3, duty=0.5, mtbf=1.0, mttr=20e-3),
    ),
    2e-3, 7,
)  # fmt: skip


def test_a_file_says_what_a_plan_is() -> None:
    assert faults_of_toml(ALL) == PLAN


def test_a_plan_goes_through_json_and_back() -> None:
    spec = MachineSpec(faults=PLAN)
    line = spec.to_text()
    assert MachineSpec.from_text(line) == spec
    assert MachineSpec.from_text(line).faults == PLAN
    assert MachineSpec().to_json()["faults"] == []
    by_hand = {"faults": [{"what": "l2.3.4", "from": "40 us"}]}
    assert MachineSpec.from_json(by_hand).faults == FaultPlan((Fault(("l2.3.4",), start=40 * US),))


ONE = '[[faults]]\nwhat = "host0"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "key 'faults' is missing"),
        ("[faults]", r"faults is no array of tables; write \[\[faults\]\]"),
        ("detect = 3\n" + ONE, "unknown key 'detect'; known are faults, detection, seed; near it"),
        ('detection = "hard"\n' + ONE, "detection is 'hard'; there are hardware, soft"),
        ("detection = 3\n" + ONE, "detection is 3; there are hardware, software, or a time"),
        ('detection = "3 GB"\n' + ONE, "'3 GB' is no time"),
        ("seed = -1\n" + ONE, "seed of faults is -1; it has to be an integer from 0"),
        ('[[faults]]\nkind = "dead"\n', "line 1, .*key 'what' is missing"),
        ("[[faults]]\nwhat = []\n", r"what is \[\] .*; it has to be a name or a list of names"),
        (ONE + 'kind = "ded"\n', "kind of the fault of host0 is 'ded'; there are dead, degr"),
        (ONE + 'form = "1 us"\n', "line 1, .*unknown key 'form'; known are what, .*near it: from"),
        (ONE + "from = 3\n", "3 is no time: a number and a unit is needed, one of ns, us, ms, s"),
        (ONE + 'from = "2 us"\nuntil = "2 us"\n', "until .* is 2e-06 s, and from 2e-06 s: not"),
        (ONE + 'kind = "degraded"\n', "a degraded fault needs share, which that of .* host0 lacks"),
        (ONE + 'kind = "degraded"\nshare = 1.0\n', "share .* is 1.0; it has to be between 0 and 1"),
        (ONE + 'kind = "lossy"\nloss = 0\n', "loss .* is 0; it has to be between 0 and 1"),
        (ONE + "share = 0.5\n", "share of the fault of host0, which is dead, means nothing"),
        (ONE + 'kind = "flapping"\nduty = 0.5\nperiod = "1 us"\n', "a flapping fault needs until"),
        (ONE + 'mtbf = "1 s"\n', "mtbf and mttr of the fault of host0 go together"),
        (ONE + 'mtbf = "1 s"\nmttr = "1 s"\n', "a drawn fault needs until, which that of .* lacks"),
        (ONE + 'mtbf = "0 s"\nmttr = "1 s"\nuntil = "1 s"\n', "mtbf .* is 0 s; it has to be more"),
        ("x", "not TOML: end of document"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "f.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(FaultError, match=why) as caught:
        load_faults(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


# What names mean.


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("l2.3.4", 96), ("node0.die3", 18), ("node0.die3 (ub)", 14), ("node0.die3 (rdma)", 2),
        ("node3", 16 * 14 + 16 + 16 * 2 + 4 * 16 + 7 * 32 + 2), ("rack2 (rdma)", 4 * 32),
        ("l2.3", 16 * 96), ("node*.l1.3<->l2.3.4", 96), ("node0.l1.3->l2.3.4", 1),
        ("ub", int((FULL.link_plane == FULL.plane("ub")).sum())),
        ("supernode0 (ub)", int((FULL.link_plane == FULL.plane("ub")).sum())),
    ],
)  # fmt: skip
def test_names_are_those_of_the_topology(name: str, links: int) -> None:
    assert links_of(FULL, name).sum() == links


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("l2.9.9", "nothing called 'l2.9.9'; near it: l2.6.9"),
        ("rack99", r"nothing called 'rack99'; there are rack0, rack1, rack2, ..., supernode0"),
        ("rak2", "nothing called 'rak2'.*near it: rack2"),
        ("node0.die3 (wan)", "no plane 'wan'; it has package, ub, rdma, vpc"),
        ("node0.die3 (vpc)", r"node0.die3 \(vpc\) has no links on cloudmatrix384"),
        ("node0.die0->l2.0.0", "no link node0.die0->l2.0.0; there are node0.die0->"),
    ],
)
def test_unknown_names_are_refused_with_the_choices(name: str, why: str) -> None:
    with pytest.raises(TriplaneError, match=why):
        Fabric(FULL, faults=[Fault((name,))])


def test_what_is_drawn_breaks_thing_by_thing() -> None:
    times = {"until": 1.0, "mtbf": 1.0, "mttr": 1.0}
    drawn = [*things_of(FULL, Fault(("l2.3.*", "node0", "node0.l1.3<->l2.3.*"), **times))]
    assert [len(links) for _, links in drawn] == [96] * 16 + [links_of(FULL, "node0").sum()] + [
        2
    ] * 16
    assert [name for name, _ in drawn][::8] == ["l2.3.0", "l2.3.8", "node0",
                                                "node0.l1.3<->l2.3.7 (ub)",
                                                "node0.l1.3<->l2.3.15 (ub)"]  # fmt: skip
    together = [*things_of(FULL, Fault(("l2.3.*", "node0")))]
    assert len(together) == 1


# What faults mean for links, in time: against a definition that looks at one link at one instant.


TICKS = 80
"""Instants that are looked at, each 1/64 s after the one before."""


def carried(plan: FaultPlan, link: int, *, seen: bool) -> list[float]:
    """The share of a link at each instant; ``seen``: without what is lost, which nobody sees."""
    mine = [fault for fault in plan.faults if any(MEANT[name][link] for name in fault.what)]
    return [math.prod(left(fault, tick / 64, seen) for fault in mine) for tick in range(TICKS)]


def left(fault: Fault, time: float, seen: bool) -> float:
    if not fault.start <= time < fault.until:
        return 1.0
    if fault.kind == "degraded":
        return fault.share or 0.0
    if fault.kind == "lossy":
        return 1.0 if seen else 1 - (fault.loss or 0.0)
    dead = fault.period is None or (time - fault.start) % fault.period < (
        fault.period * (fault.duty or 0.0)
    )
    return 0.0 if dead else 1.0


def routed(plan: FaultPlan, link: int) -> list[float]:
    """What held last for as long as it takes to be known."""
    known, since, last, found = 1.0, 0, 1.0, []
    for tick, now in enumerate(carried(plan, link, seen=True)):
        since, last = (tick if now != last else since), now
        known = now if (tick - since) / 64 >= plan.delay else known
        found.append(known)
    return found


NAMES = ("host0", "host1->switch", "switch", "host1<->switch", "net")
MEANT = {name: links_of(STAR, name) for name in NAMES}


@st.composite
def plans(draw: st.DrawFn) -> FaultPlan:
    faults = []
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, 32)) / 64
        until = start + draw(st.integers(1, 32)) / 64
        more: dict[str, Any] = draw(st.sampled_from([
            {"kind": "dead"}, {"kind": "degraded", "share": 0.5}, {"kind": "lossy", "loss": 0.25},
            {"kind": "flapping", "period": 8 / 64, "duty": 0.25},
        ]))  # fmt: skip
        what = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2)))
        faults.append(Fault(what, start=start, until=until, **more))
    return FaultPlan(tuple(faults), draw(st.sampled_from([0.0, 1 / 64, 3 / 64, 12 / 64])))


@given(plan=plans())
@settings(max_examples=60, deadline=None)
def test_changes_are_what_faults_mean_at_every_instant(plan: FaultPlan) -> None:
    changes = changes_of(plan, STAR)
    assert [one.at for one in changes] == sorted(one.at for one in changes)
    history, marks = LinkHistory(STAR.n_links, changes), marks_of(changes, STAR.n_links)
    every = range(STAR.n_links)
    expected = [(carried(plan, link, seen=False), routed(plan, link)) for link in every]
    for tick in range(TICKS):
        history.go(tick / 64)
        assert history.states.share.tolist() == [share[tick] for share, _ in expected]
        assert history.states.routed.tolist() == [known[tick] for _, known in expected]
    for a in every:
        assert all(marks[a] != marks[b] or expected[a] == expected[b] for b in every)
        assert (expected[a] != ([1.0] * TICKS, [1.0] * TICKS)) == (marks[a] > 0)
    again = LinkStates.as_built(STAR.n_links).then(history.states.as_changes())
    assert again.key == history.states.key


def test_draws_are_the_same_on_every_host() -> None:
    """Golden times, and that they are exponential: by the mean, and by how many exceed it."""
    fault = Fault(("host0",), until=1.0, mtbf=0.1, mttr=0.05)
    found = changes_of(FaultPlan((fault,), 0.0, seed=5), STAR)
    assert [one.at.hex() for one in found][:4] == GOLDEN
    assert changes_of(FaultPlan((fault,), 0.0, seed=5), STAR)[0].at == found[0].at
    assert changes_of(FaultPlan((fault,), 0.0, seed=6), STAR)[0].at != found[0].at
    many = Fault(("host0",), until=900.0, mtbf=0.1, mttr=0.05)
    times = np.array([one.at for one in changes_of(FaultPlan((many,), 0.0), STAR)])
    up, down = np.diff(times)[1::2], np.diff(times)[::2]
    assert up.mean() == pytest.approx(0.1, rel=0.05)
    assert down.mean() == pytest.approx(0.05, rel=0.05)
    assert (up > 0.1).mean() == pytest.approx(math.exp(-1), abs=0.02)
    assert up.std() == pytest.approx(0.1, rel=0.05)


GOLDEN = [
    "0x1.49baacb112c17p-4",
    "0x1.b344934a3f939p-4",
    "0x1.3988589fd2553p-2",
    "0x1.add4b7770097bp-2",
]


def test_too_many_changes_are_refused() -> None:
    fault = Fault(("host0",), "flapping", until=1.0, period=1e-5, duty=0.5)
    with pytest.raises(
        FaultError, match=r"faults\[0\] of host0: .* more than 20000 changes of link"
    ):
        changes_of(FaultPlan((fault,)), STAR)


def test_delays_have_names() -> None:
    assert [FaultPlan((), name).delay for name in ("hardware", "software", 3e-3)] == [
        HARDWARE, SOFTWARE, 3e-3
    ]  # fmt: skip


# Where they are given, and what is told of them.


def test_a_command_takes_the_file_and_its_answer_has_the_faults(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(
        'detection = "software"\n[[faults]]\nwhat = "l2.0.0"\nfrom = "20 us"\n', "utf-8"
    )
    common = ["bench", "all_to_all", "--ranks", "32", "--system", "supernode:16", "-b", "64M"]
    common += ["-e", "64M", "--software", "raw"]
    faulty = [*common, "--faults", str(tmp_path / "f.toml")]
    trace = tmp_path / "t.json"
    plain = CliRunner().invoke(main, [*common, "--format", "json"])
    found = CliRunner().invoke(main, [*faulty, "--format", "json", "--trace", str(trace)])
    assert found.exit_code == 0, found.output
    (slow,), (fast,) = json.loads(found.output), json.loads(plain.output)
    assert slow["time_us"] > fast["time_us"] + 1000
    assert slow["stalled_us"] == pytest.approx(1000)
    assert (slow["link_changes"], slow["stalled_transfers"]) == (2, 512)
    assert not {"link_changes", "stalled_us"} & fast.keys()
    (tmp_path / "m.json").write_text(found.output, "utf-8")
    again = CliRunner().invoke(
        main, [*common[:4], *common[6:], "--format", "json", "--machine", str(tmp_path / "m.json")]
    )
    assert json.loads(again.output)[0]["time_us"] == slow["time_us"]
    marks = [event for event in json.loads(trace.read_text())["traceEvents"] if event["ph"] == "i"]
    assert [(mark["name"], mark["ts"]) for mark in marks] == [
        ("l2.0.0 dead, not yet detected", 20.0), ("l2.0.0 dead", 1020.0)
    ]  # fmt: skip
    text = CliRunner().invoke(main, faulty).output
    assert "# 67108864 B faults: 2 changes of links; 512 transfers stood still, for 1000 us" in text


def test_a_wrong_file_is_an_error_in_a_line_with_either_engine(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text('[[faults]]\nwhat = "l2.0.99"\n', "utf-8")
    common = [
        "bench",
        "all_to_all",
        "--ranks",
        "4",
        "--system",
        "supernode:16",
        "-b",
        "1M",
        "-e",
        "1M",
    ]
    common += ["--faults", str(tmp_path / "f.toml")]
    for more in ([], ["--engine", "packet"]):
        found = CliRunner().invoke(main, [*common, *more])
        assert found.exit_code != 0
        assert "nothing called 'l2.0.99'; near it: l2.0.1" in found.stderr
        assert found.stderr.count("\n") == 1


def test_moe_says_what_faults_did_and_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_text(
        'detection = "30 us"\n[[faults]]\nwhat = "node0.l1.*->node0.die0"\nfrom = "8 us"\n'
        'until = "28 us"\n', "utf-8"
    )  # fmt: skip
    common = ["bench", "moe", "--ep", "32", "--tokens", "128", "--faults", str(tmp_path / "f.toml")]
    rows = json.loads(CliRunner().invoke(main, [*common, "--format", "json"]).output)
    assert [row["published_us"] for row in rows] == [None, None]
    assert [row["link_changes"] for row in rows] == [2, 2]
    assert 10 < rows[1]["stalled_us"] < 20  # a combine sets out at some 16 us


def test_a_timeline_keeps_what_faults_did(tmp_path: Path) -> None:
    plan = FaultPlan((Fault(("l2.0.0",), start=5 * US, until=30 * US),), 10 * US)
    fabric = Fabric(supernode(16), faults=plan)
    found = fabric.simulate([Step(np.arange(16), np.arange(16, 32), 1 << 24)])
    found.save(tmp_path / "t.npz")
    again = Timeline.load(tmp_path / "t.npz")
    assert found.faulted is not None
    assert again.faulted is not None
    assert again.faulted.marks == found.faulted.marks
    assert [str(mark) for mark in again.faulted.marks] == [
        "l2.0.0 dead, not yet detected", "l2.0.0 dead", "repaired, not yet in use", "repaired",
    ]  # fmt: skip
    assert again.faulted.stalled.tolist() == found.faulted.stalled.tolist()
    assert again.faulted.longest == pytest.approx(10 * US)
    assert again.link_bytes.tolist() == found.link_bytes.tolist()


def test_what_is_no_fault_is_refused() -> None:
    with pytest.raises(
        FaultError, match=r"faults\[0\] is 3; it has to be a table of what, kind, fr"
    ):
        Fabric(STAR, faults=(3,))  # type: ignore[arg-type]
    with pytest.raises(FaultError, match="has to be a Fault"):
        FaultPlan(("l2",))  # type: ignore[arg-type]
    with pytest.raises(TriplaneError, match="from of the fault of host0 is 'x'"):
        Fault(("host0",), start="x")  # type: ignore[arg-type]


def test_a_history_takes_changes_in_the_order_in_which_they_are_given() -> None:
    link = np.array([1])
    history = LinkHistory(3, [TimedChange(2.0, LinkChange(link, 0.5))])
    history.add(TimedChange(2.0, LinkChange(link, 0.25)))
    history.add(TimedChange(1.0, LinkChange(link, 0.0, 1.0, "x")))
    assert (history.next, history.go(1.5), history.next) == (1.0, True, 2.0)
    assert history.states.causes[0][0] == "x"
    assert (history.go(2.0), history.go(9.0), history.next) == (True, False, math.inf)
    assert history.states.share.tolist() == [1.0, 0.25, 1.0]


def test_a_link_of_nothing_is_unknown() -> None:
    with pytest.raises(TopologyError, match="nothing called 'host9'"):
        links_of(STAR, "host9")
