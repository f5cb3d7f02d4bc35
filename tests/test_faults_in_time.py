"""Faults in time: the flow engine held to a slow fluid whose links change, and closed forms."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fabric import Costs, Fabric, Step
from fabric.classes.table import TrafficClass, in_class
from fabric.clock.calls import TICK
from fabric.clock.emulator import Emulator
from fabric.faults.table import Fault, FaultPlan
from tests.support.slow_fluid import simulate
from tests.test_classes import classed, tables
from tests.test_emulator import everybody, merged, rows_of, run, together
from tests.test_flow import COSTS, Where, on, places
from topology import RouteError, Topology, fat_tree
from topology.units import US

SIZE = 10 << 20


@st.composite
def plans(draw: st.DrawFn, topology: Topology, within: float) -> FaultPlan:
    """Faults of what a topology has, in a time."""
    links = [topology.link_name(link) for link in range(topology.n_links)]
    joined = {*topology.link_src.tolist(), *topology.link_dst.tolist()}
    vertices = [name for v, name in enumerate(topology.vertex_names) if v in joined]
    names = st.sampled_from([*vertices, *links, *links])
    part = st.integers(0, 40).map(lambda number: number * within / 40)
    faults = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["dead", "dead", "degraded", "lossy", "flapping"]))
        start = draw(part)
        until = start + draw(part.filter(bool) | st.just(math.inf))
        more: dict[str, Any] = {
            "degraded": {"share": 0.25}, "lossy": {"loss": 0.125},
            "flapping": {"period": within / 7, "duty": 0.3},
        }.get(kind, {})  # fmt: skip
        if kind == "flapping":
            until = min(until, start + within)
        faults.append(Fault((draw(names),), kind, start, until, **more))
    detection = draw(st.sampled_from([0.0, within / 100, within / 3, "hardware"]))
    return FaultPlan(tuple(faults), detection)


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()), table=tables())
@settings(max_examples=400, deadline=None)
def test_the_engine_is_the_fluid_limit_of_a_machine_that_changes(
    data: st.DataObject, where: Where, costs: Costs, table: Any
) -> None:
    topology = where.topology()
    assume(topology.n_links)
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    table = data.draw(st.sampled_from([(), table]))
    steps = data.draw(classed(ranks, [0, *(one.number for one in table)]))
    plan = data.draw(plans(topology, data.draw(st.sampled_from([20 * US, 200 * US]))))
    fabric = Fabric(
        topology, endpoint=on(costs), planes=where.planes, tolerance=0.0, classes=table,
        faults=plan,
    )  # fmt: skip
    try:
        expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes,
                            classes=table, changes=fabric.changes)  # fmt: skip
    except RouteError:
        with pytest.raises(RouteError):
            fabric.simulate(steps, ranks=ranks)
        return
    timeline = fabric.simulate(steps, ranks=ranks)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)
    faulted = timeline.faulted
    assert faulted is not None
    np.testing.assert_allclose(faulted.stalled, expected.stalled, rtol=1e-6, atol=1e-13)


@st.composite
def overlapping(
    draw: st.DrawFn,
) -> tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...], FaultPlan]:
    """Calls of the same ranks, when each rank comes to each, classes and faults."""
    _, calls, comes, _ = draw(together())
    table = draw(st.just(()) | tables())
    numbers = st.sampled_from([0, *(one.number for one in table)])
    calls = [[step.with_traits(in_class(step.traits, draw(numbers), len(step))) for step in call]
             for call in calls]  # fmt: skip
    within = draw(st.sampled_from([5 * US, 50 * US]))
    return calls, comes, table, draw(plans(TREE, within))


TREE = fat_tree(4)


@settings(max_examples=300, deadline=None)
@given(overlapping())
def test_overlapping_calls_on_a_machine_that_changes_are_as_the_slow_oracle_says(
    given: tuple[list[list[Step]], list[list[float]], tuple[TrafficClass, ...], FaultPlan],
) -> None:
    calls, comes, table, plan = given
    fabric = Fabric(TREE, tolerance=0.0, classes=table, faults=plan)
    ranks, before = len(comes[0]), [0.0] * len(comes[0])
    programs: list[list[Any]] = [[] for _ in range(ranks)]
    for op, steps in enumerate(calls):
        for rank, rows in enumerate(rows_of(steps, ranks)):
            programs[rank] += [("compute", comes[op][rank] - before[rank])]
            programs[rank] += [("begin", op, everybody(ranks), rows, "")]
        before = comes[op]
    programs = [[*program, ("end",)] for program in programs]
    try:
        expected = merged(TREE, calls, comes, Costs(), table, fabric.changes)
    except RouteError:
        with pytest.raises(RouteError, match=r"no path from .* at .* us"):
            run(Emulator(fabric, ranks), programs)
        return
    emulator = Emulator(fabric, ranks, record=True)
    run(emulator, programs)
    found = {call.op: call for call in emulator.finished()}
    for op in range(len(calls)):
        assert list(found[op].finish) == pytest.approx(expected[op], rel=1e-6, abs=4 * TICK)
