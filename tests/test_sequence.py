"""Calls one after the other in one timeline: against what each takes, and one schedule of all."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from collectives.algorithms.table import schedule
from fabric import Fabric, Step
from fabric.faults.table import Fault, FaultPlan
from fabric.timeline.file import TimelineError
from fabric.timeline.film import film_of
from fabric.timeline.sequence import in_sequence
from fabric.timeline.value import Timeline
from topology import star, supernode


def test_calls_that_end_together_are_as_steps_of_one_schedule() -> None:
    fabric = Fabric(supernode(16))
    calls = [list(schedule("all_to_all", 16, 1 << size, "direct")) for size in (16, 20)]
    apart = [fabric.simulate(steps) for steps in calls]
    joined = in_sequence(apart)
    whole = fabric.simulate([step for steps in calls for step in steps])
    for name in ("src", "dst", "size", "step"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name
    for name in ("start", "finish", "rank_finish", "link_bytes"):
        assert getattr(joined, name) == pytest.approx(getattr(whole, name)), name
    assert joined.duration == apart[0].duration + apart[1].duration
    assert joined.bound == pytest.approx(sum(one.bound for one in apart))
    assert joined.bottleneck.share <= 1


def test_each_call_begins_when_the_one_before_has_ended_everywhere() -> None:
    fabric = Fabric(star(4))
    uneven = fabric.simulate([Step([0, 2], [1, 3], [1 << 20, 1 << 10])], operation="first")
    even = fabric.simulate([Step([0, 2], [1, 3], 1 << 10)], operation="second")
    joined = in_sequence([uneven, even, uneven])
    starts = [joined.start[joined.step == step].min() for step in range(3)]
    assert starts[1] >= uneven.duration
    assert starts[2] >= uneven.duration + even.duration
    assert joined.labels == ("first", "second", "first")
    assert joined.rank_finish == pytest.approx(uneven.duration + even.duration + uneven.rank_finish)
    assert (joined.operation, in_sequence([even])) == ("first, second", even)


def test_what_does_not_follow_is_refused() -> None:
    fabric = Fabric(star(4))
    small, large = (fabric.simulate([Step([0], [1], 8)], ranks=n) for n in (2, 4))
    other = Fabric(star(5)).simulate([Step([0], [1], 8)], ranks=2)
    plan = FaultPlan((Fault(("switch",), start=1.0),))
    hurt = Fabric(star(4), faults=plan).simulate([Step([0], [1], 8)], ranks=2)
    for bad, words in (
        ([], "no timeline"),
        ([small, large], "of 2 and of 4 ranks"),
        ([small, other], "two machines"),
        ([hurt, hurt], "faults in time"),
    ):
        with pytest.raises(TimelineError, match=words):
            in_sequence(bad)


def test_dispatch_and_combine_are_in_one_file(tmp_path: Path) -> None:
    line = f"bench moe --ep 4,8 --tokens 16 --format json --timeline {tmp_path}/both.npz"
    said = CliRunner().invoke(main, line.split())
    assert said.exit_code == 0, said.output
    rows = json.loads(said.stdout)
    timeline = Timeline.load(tmp_path / "both.npz")
    assert timeline.ranks == 8
    assert timeline.duration == pytest.approx(sum(row["time_us"] for row in rows[-2:]) / 1e6)
    film = film_of(timeline)
    assert {"dispatch", "combine"} <= set(film.labels)
    ends = [timeline.finish[timeline.step == k].max() for k in range(len(timeline.labels))]
    assert ends[timeline.labels.index("dispatch")] < ends[timeline.labels.index("combine")]
