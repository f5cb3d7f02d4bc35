"""When a switch passes a packet on: store-and-forward and cut-through, in closed form."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Fabric, Step
from fabric.engines.base import EngineError
from topology import cloudmatrix384, fat_tree, ring, star
from topology.draft import Draft
from topology.graph import Topology

PS = 1e-12
BANDWIDTH = 1e9  # bytes per second: a byte takes a nanosecond
MTU, CELL = 1000, 100
LATENCY = 1e-6
"""Seconds into each switch of the small networks."""

WHOLE, CUT = "store-and-forward", "cut-through"


def fabric(topology: Topology, switching: str, **options: Any) -> Fabric:
    given = {"mtu": MTU, "cell": CELL, "switching": switching, **options}
    return Fabric(topology, engine="packet", engine_options=given)


def wire(size: float, bandwidth: float = BANDWIDTH) -> float:
    return size / bandwidth


def exactly(seconds: float) -> Any:
    return pytest.approx(seconds, abs=2 * PS, rel=0)


def chain(*bandwidths: float) -> Topology:
    """Two hosts with a switch between each two links of these bandwidths."""
    draft = Draft(("net",))
    a, b = draft.endpoints(["a", "b"], "host", node=np.arange(2))
    switches = draft.switches([f"s{k}" for k in range(len(bandwidths) - 1)], "switch")
    for (here, there), bandwidth in zip(pairwise([a, *switches, b]), bandwidths, strict=True):
        back = LATENCY if there >= 2 and here >= 2 else 0.0
        draft.connect([here], [there], "net", bandwidth, LATENCY if there >= 2 else 0.0, back)
    return draft.freeze("chain")


@pytest.mark.parametrize("hops", [2, 3, 5])
@pytest.mark.parametrize("size", [1, 60, 100, 600, MTU, 7 * MTU, 400 * MTU])
def test_a_switch_waits_for_the_head_of_a_packet_or_for_all_of_it(hops: int, size: int) -> None:
    """A packet's time, or that of its first cell, for each switch on the way."""
    made = chain(*[BANDWIDTH] * hops)
    for switching, most in ((WHOLE, MTU), (CUT, CELL)):
        found = fabric(made, switching).simulate([Step(0, 1, size)])
        first = min(size, most)
        assert found.duration == exactly((hops - 1) * (LATENCY + wire(first)) + wire(size))


@pytest.mark.parametrize("packets", [1, 5])
@pytest.mark.parametrize(
    "speeds", [(1, 4), (4, 1), (1, 4, 1), (4, 1, 4), (4, 2, 1), (1, 2, 4), (3, 1, 2)]
)
def test_links_of_several_speeds(speeds: tuple[int, ...], packets: int) -> None:
    """By the slow way: when each byte of interest of each packet passes each link."""
    bandwidths = [speed * BANDWIDTH for speed in speeds]
    for switching, head in ((WHOLE, MTU), (CUT, CELL)):
        free = [0.0] * len(speeds)
        for _ in range(packets):
            here, last = 0.0, 0.0  # when enough of the packet is there, and all of it
            for k, bandwidth in enumerate(bandwidths):
                begin = max(here, free[k])
                free[k] = max(begin + wire(MTU, bandwidth), last)
                more = LATENCY if k < len(speeds) - 1 else 0.0
                last = free[k] + more
                here = min(begin + wire(head, bandwidth), free[k]) + more
        found = fabric(chain(*bandwidths), switching).simulate([Step(0, 1, packets * MTU)])
        assert found.duration == exactly(last)


@pytest.mark.parametrize("switching", [WHOLE, CUT])
@pytest.mark.parametrize(("many", "packets"), [(2, 1), (5, 1), (5, 30)])
def test_incast_and_outcast(switching: str, many: int, packets: int) -> None:
    made, ranks = fabric(star(6, bandwidth=BANDWIDTH), switching), np.arange(1, many + 1)
    first = wire(MTU if switching == WHOLE else CELL)
    incast = made.simulate([Step(ranks, 0, packets * MTU)])
    last = LATENCY + first + (many * packets - np.arange(many)[::-1]) * wire(MTU)
    np.testing.assert_allclose(np.sort(incast.finish), last, atol=2 * PS, rtol=0)
    outcast = made.simulate([Step(0, ranks, packets * MTU)])
    last = LATENCY + first + (1 + many * (packets - 1) + np.arange(many)) * wire(MTU)
    np.testing.assert_allclose(outcast.finish, last, atol=2 * PS, rtol=0)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.integers(0, 99), st.sampled_from(["star", "ring", "fat_tree"]),
    st.sampled_from(["spray", "hash", "adaptive"]), st.sampled_from([None, 5, 15]),
)  # fmt: skip
def test_every_byte_arrives_no_sooner_than_it_can(
    seed: int, shape: str, routing: str, credits: int | None
) -> None:
    rng = np.random.default_rng(seed)
    topology = {"star": star(8), "ring": ring(3), "fat_tree": fat_tree(4)}[shape]
    n, rows = min(topology.n_endpoints, 8), int(rng.integers(1, 12))
    steps = [
        Step(rng.integers(0, n, rows), rng.integers(0, n, rows), rng.integers(0, 9000, rows))
        for _ in range(3)
    ]
    options = {"mtu": 500, "cell": 100, "credits": credits, "statistics": True}
    made = Fabric(topology, engine="packet", routing=routing,
                  engine_options={**options, "switching": CUT})  # fmt: skip
    found = made.simulate(steps)
    assert found.duration >= found.bound * (1 - 1e-9)
    assert (found.finish >= found.start).all()
    assert found.packets is not None
    if shape != "fat_tree":
        assert (found.packets.overtaken == 0).all()


def test_large_traffic_takes_as_long_either_way() -> None:
    src, dst = np.nonzero(~np.eye(48, dtype=bool))
    steps = [Step(src, dst, (8 << 20) // 48)]
    whole, cut = (
        Fabric(cloudmatrix384(), engine="packet", engine_options={"switching": one})
        .simulate(steps).duration
        for one in (WHOLE, CUT)
    )  # fmt: skip
    assert cut == pytest.approx(whole, rel=0.02)


def test_there_are_two_ways() -> None:
    words = "switching is 'wormhole'; there are store-and-forward, cut-through"
    with pytest.raises(EngineError, match=words):
        fabric(star(2), "wormhole")
