from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import fabric.simulate
from collectives import allreduce, alltoall
from fabric import Costs, Endpoint, Fabric, ScheduleError, Step, Timeline
from tests.slow_fluid import Path, simulate, spray
from topology import (
    Node,
    RouteError,
    Topology,
    TopologyError,
    cloudmatrix384,
    fat_tree,
    ring,
    star,
    supernode,
)
from topology.units import GB, US

Ints = NDArray[np.int64]


def on(endpoint: Costs) -> Endpoint:
    return Endpoint("test", {"": endpoint})


# Against the oracle: every row's start and finish, on anything.

LITTLE = Node(npus=2, dies_per_npu=2, cpus=1, sub_planes=2)
SHAPES = {
    "star": lambda: star(6),
    "fat tree": lambda: fat_tree(4),
    "ring": lambda: ring(5),
    "supernode": lambda: supernode(6, node=LITTLE, rails=2),
    "lean supernode": lambda: supernode(
        4, node=replace(LITTLE, uplinks=3), l2_chips=2, rails=1, oversubscription=2.0
    ),
}
PLANES = [None, ("ub",), ("rdma",), ("ub", "package")]


@cache
def shape(name: str) -> Topology:
    return SHAPES[name]()


@dataclass(frozen=True)
class Where:
    shape: str
    lost: tuple[str, ...]
    speed: tuple[float, ...]
    planes: tuple[str, ...] | None

    def topology(self) -> Topology:
        less = shape(self.shape).without(*self.lost)
        factor = np.resize(self.speed, less.n_links)
        return replace(
            less,
            link_bandwidth=less.link_bandwidth * factor,
            link_latency=less.link_latency * factor[::-1],
        )


@st.composite
def places(draw: st.DrawFn) -> Where:
    name = draw(st.sampled_from(sorted(SHAPES)))
    topology = shape(name)
    switches = topology.vertex_names[topology.n_endpoints :]
    links = [topology.link_name(link) for link in range(topology.n_links)]
    lost = draw(st.lists(st.sampled_from(switches), max_size=2, unique=True))
    lost += draw(st.lists(st.sampled_from(links), max_size=3, unique=True))
    # Links that differ can be folded less.
    speed = draw(st.just([1.0]) | st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=1))
    planes = draw(st.sampled_from(PLANES)) if "supernode" in name else None
    return Where(name, tuple(lost[::-1]), tuple(speed), planes)


ROWS = st.integers(0, 14)
SIZES = st.sampled_from([0, 1, 512, 40_000, 65_536, 300_000, 1 << 20])


@st.composite
def schedules(draw: st.DrawFn, ranks: int) -> list[Step]:
    steps = []
    for number in range(draw(st.integers(1, 4))):
        rows = draw(ROWS)
        rank = st.lists(st.integers(0, ranks - 1), min_size=rows, max_size=rows)
        size = draw(st.lists(SIZES, min_size=rows, max_size=rows))
        messages = draw(st.none() | st.integers(1, 9))
        steps.append(Step(
            draw(rank), draw(rank), size, messages=messages, reduces=number % 2 == 1
        ))  # fmt: skip
    return steps


def constants(largest: float) -> st.SearchStrategy[float]:
    return st.integers(0, 20).map(lambda part: part * largest / 20)


COSTS = st.builds(
    Costs,
    launch=constants(5 * US), barrier=constants(1 * US), latency=constants(1 * US),
    crossings=st.sampled_from([1.0, 2.0]), per_message=constants(0.1 * US),
    message_gap=constants(0.5 * US), per_peer=constants(0.2 * US), per_byte=constants(1e-11),
    per_reduced_byte=constants(1e-11),
    pair_bandwidth=st.sampled_from([np.inf, 20 * GB, 150 * GB]),
    initiator_bandwidth=st.sampled_from([np.inf, 50 * GB, 180 * GB]),
)  # fmt: skip


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()))
@settings(max_examples=60, deadline=None)
def test_the_engine_is_the_fluid_limit(data: st.DataObject, where: Where, costs: Costs) -> None:
    topology = where.topology()
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    steps = data.draw(schedules(ranks))
    try:
        expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes)
    except RouteError:
        with pytest.raises(RouteError):
            Fabric(topology, endpoint=on(costs), planes=where.planes).simulate(steps)
        return
    fabric = Fabric(topology, endpoint=on(costs), planes=where.planes, tolerance=0.0)
    timeline = fabric.simulate(steps, ranks=ranks)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)
    if timeline.size.sum():  # the bound of what moves nothing: test_bound
        assert timeline.bound <= timeline.duration * (1 + 1e-9)
