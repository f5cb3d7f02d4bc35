"""Guarantees of traffic classes: what is admitted, and that both engines hold what was."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabric import Costs, Fabric, Step
from fabric.classes.file import classes_of_toml
from fabric.classes.table import ClassError, TrafficClass, class_of
from fabric.clock.calls import TICK
from fabric.clock.emulator import Emulator
from tests.support.slow_fluid import simulate, spray
from tests.test_classes import classed
from tests.test_emulator import merged, programs_of, run, together
from tests.test_flow import COSTS, Where, on, places
from topology import RouteError, Topology, fat_tree, star
from topology.units import GB

SIZE = 10 << 20
ABOVE = TrafficClass("above", 1, priority=1)


def promised(rate: float, **more: Any) -> TrafficClass:
    return TrafficClass("sure", 2, guarantee=rate, **more)


# What is admitted.


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"guarantee": "7 GB/s", "rate_limit": "5 GB/s"},
         "guarantee of traffic class 'kv' is 7 GB/s, above its rate_limit of 5 GB/s"),
        ({"guarantee": "inf GB/s"}, "guarantee of traffic class 'kv' is without an end"),
        ({"guarantee": "-1 GB/s"}, "guarantee of traffic class 'kv' is -1000000000.0; it has"),
        ({"guarantee": "7"}, "'7' is no bandwidth"),
        ({"guarante": "7 GB/s"}, "no key 'guarante'; there are .*near it: guarantee"),
    ],
)  # fmt: skip
def test_a_wrong_guarantee_is_refused(values: dict[str, str], why: str) -> None:
    with pytest.raises(ClassError, match=why):
        class_of({"name": "kv", "number": 1} | values, "class 1")


def test_a_guarantee_stands_in_files() -> None:
    (one,) = classes_of_toml('[[classes]]\nname = "kv"\nnumber = 1\nguarantee = "5 GB/s"')
    assert one == TrafficClass("kv", 1, guarantee=5 * GB)
    assert class_of(one.to_json(), "") == one


def slow_hose(topology: Topology, ranks: int, planes: tuple[str, ...] | None) -> dict[int, float]:
    """The most that each physical link may have to carry, where ranks send and receive 1 at most.

    A rank sends all to one rank where that loads the link most, and receives likewise.
    """
    ends = topology.accelerators[:ranks].tolist()
    load: dict[tuple[int, int], dict[int, float]] = {}
    for src, dst in permutations(ends, 2):
        load[src, dst] = spray(topology, src, dst, planes).load
    found = {}
    for link in {link for one in load.values() for link in one}:
        sent = [max(load[s, d].get(link, 0.0) for d in ends if d != s) for s in ends]
        got = [max(load[s, d].get(link, 0.0) for s in ends if s != d) for d in ends]
        found[link] = min(sum(sent), sum(got))
    return found


@given(data=st.data(), where=places(), share=st.floats(0.1, 0.9))
@settings(max_examples=15, deadline=None)
def test_what_is_admitted_is_what_links_can_carry_at_worst(
    data: st.DataObject, where: Where, share: float
) -> None:
    topology = where.topology()
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 5)))
    try:
        worst = max(
            carried / topology.link_bandwidth[link]
            for link, carried in slow_hose(topology, ranks, where.planes).items()
        )
    except RouteError:
        return
    for rate, fits in ((0.99 / worst, True), (1.01 / worst, False)):
        table = (promised(share * rate), TrafficClass("too", 3, guarantee=(1 - share) * rate))
        fabric = Fabric(topology, planes=where.planes, classes=table)
        if fits:
            fabric.session(ranks)
            fabric.simulate([], ranks=ranks)
            continue
        with pytest.raises(ClassError, match=r"that cannot be given: link .* sure .*too"):
            fabric.session(ranks)
        with pytest.raises(ClassError, match="cannot be given"):
            fabric.simulate([], ranks=ranks)


def test_the_refusal_names_the_link_and_what_would_fit() -> None:
    table = (promised(20 * GB), TrafficClass("too", 3, guarantee=10 * GB))
    with pytest.raises(ClassError) as found:
        Fabric(star(4, bandwidth=20 * GB), classes=table).session(4)
    assert str(found.value) == (
        "guarantees that cannot be given: link host0->switch (net) carries 20 GB/s and would have"
        " to carry 30 GB/s (20 GB/s of sure, 10 GB/s of too); what would fit: sure 13.33 GB/s,"
        " too 6.666 GB/s"
    )


def test_the_limit_of_an_initiator_is_one_of_the_links() -> None:
    endpoint = on(Costs(initiator_bandwidth=15 * GB))
    made = Fabric(star(4, bandwidth=20 * GB), endpoint=endpoint, classes=(promised(16 * GB),))
    with pytest.raises(ClassError, match=r"limit as initiator carries 15 GB/s.*sure 15 GB"):
        made.simulate([Step(0, 1, 1)])


def test_usable_fractions_of_planes_count() -> None:
    endpoint = on(Costs(efficiency={"net": 0.5}))
    for rate, fits in ((9.9 * GB, True), (10.1 * GB, False)):
        made = Fabric(star(4, bandwidth=20 * GB), endpoint=endpoint, classes=(promised(rate),))
        if fits:
            made.session(4)
        else:
            with pytest.raises(ClassError, match=r"would have to carry 20\.2 GB/s"):
                made.session(4)


def test_too_many_ranks_are_refused() -> None:
    with pytest.raises(ClassError, match=r"there are 2,049 ranks, and .* between 2,048 at most"):
        Fabric(star(2049), classes=(promised(1.0),)).session(2049)


# What the flow engine holds.

PORT = 20 * GB


def star_of(*classes: TrafficClass, **more: Any) -> Fabric:
    return Fabric(star(6, bandwidth=PORT), tolerance=0.0, classes=classes, **more)


def test_a_class_below_gets_its_guarantee_beside_one_that_takes_all() -> None:
    fabric = star_of(ABOVE, promised(5 * GB))
    latency = fabric.simulate([Step(0, 1, 0)]).duration
    found = fabric.simulate([Step([0, 1], 2, [9 * SIZE, SIZE], traffic_class=[1, 2])])
    assert found.finish[1] - latency == pytest.approx(SIZE / (5 * GB))
    # The one above has the rest, and all of it afterwards.
    assert found.finish[0] - latency == pytest.approx(10 * SIZE / PORT)


def test_what_is_left_is_shared_on_top_of_a_guarantee() -> None:
    found = star_of(promised(10 * GB)).simulate([Step([0, 1], 2, SIZE, traffic_class=[2, 0])])
    latency = star_of().simulate([Step(0, 1, 0)]).duration
    assert found.finish[0] - latency == pytest.approx(SIZE / (15 * GB))


def test_transfers_of_a_rank_share_its_guarantee() -> None:
    fabric = star_of(ABOVE, promised(6 * GB))
    long = [9 * SIZE] * 3
    found = fabric.simulate(
        [Step([0, 0, 0, 0, 0, 0], [1, 2, 3, 1, 2, 3], [*long, *[SIZE] * 3],
              traffic_class=[1, 1, 1, 2, 2, 2])]
    )  # fmt: skip
    latency = fabric.simulate([Step(0, 1, 0)]).duration
    assert found.finish[3:] - latency == pytest.approx(3 * SIZE / (6 * GB))


def test_an_incast_shares_what_its_receiver_is_promised() -> None:
    fabric = star_of(ABOVE, promised(6 * GB))
    found = fabric.simulate(
        [Step([4, 0, 1, 2], 5, [9 * SIZE, *[SIZE] * 3], traffic_class=[1, 2, 2, 2])]
    )
    latency = fabric.simulate([Step(0, 1, 0)]).duration
    assert found.finish[1:] - latency == pytest.approx(3 * SIZE / (6 * GB))


@st.composite
def tables(draw: st.DrawFn, port: float) -> tuple[TrafficClass, ...]:
    """Classes of which some are promised something, together at most what a port carries."""
    numbers = draw(st.lists(st.integers(0, 6), min_size=1, max_size=4, unique=True))
    shares = st.sampled_from([0.0, 0.1, 0.2, 0.24])
    return tuple(
        TrafficClass(
            f"c{number}", number, draw(st.integers(-1, 1)),
            draw(st.sampled_from([0.25, 1.0, 1.0, 3.0])), guarantee=draw(shares) * port,
        )
        for number in numbers
    )  # fmt: skip


@given(data=st.data(), where=places(), costs=COSTS | st.just(Costs()))
@settings(max_examples=60, deadline=None)
def test_the_flow_engine_is_the_fluid_limit_with_guarantees(
    data: st.DataObject, where: Where, costs: Costs
) -> None:
    topology = where.topology()
    table = data.draw(tables(float(topology.link_bandwidth.min(initial=GB))))
    ranks = min(len(topology.accelerators), data.draw(st.integers(2, 8)))
    steps = data.draw(classed(ranks, [0, *(one.number for one in table)]))
    fabric = Fabric(topology, endpoint=on(costs), planes=where.planes, tolerance=0.0, classes=table)
    try:
        timeline = fabric.simulate(steps, ranks=ranks)
    except (ClassError, RouteError):  # links inside that carry less than a port for each
        return
    expected = simulate(topology, steps, costs, ranks=ranks, planes=where.planes, classes=table)
    np.testing.assert_allclose(timeline.start, expected.start, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.finish, expected.finish, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(timeline.rank_finish, expected.rank_finish, rtol=1e-6, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_overlapping_calls_keep_guarantees_as_the_slow_oracle_says(data: st.DataObject) -> None:
    _, calls, comes, _ = data.draw(together())
    topology = fat_tree(4)
    table = data.draw(tables(float(topology.link_bandwidth.min())))
    numbers = st.sampled_from([0, *(one.number for one in table)])
    classes = [
        [Step(s.src, s.dst, s.size, traffic_class=data.draw(numbers)) for s in call]
        for call in calls
    ]
    fabric = Fabric(topology, tolerance=0.0, classes=table)
    emulator = Emulator(fabric, len(comes[0]), record=True)
    run(emulator, programs_of(classes, comes))
    found = {call.op: call for call in emulator.finished()}
    expected = merged(topology, classes, comes, Costs(), table)
    for op in range(len(classes)):
        assert list(found[op].finish) == pytest.approx(expected[op], rel=1e-6, abs=2 * TICK)


# What the packet engine holds: as the flow engine, but for packets.

BANDWIDTH, MTU = 1e9, 1000
WIRE = MTU / BANDWIDTH
LONG, SHORT = 4000 * MTU, 400 * MTU
SURE = promised(BANDWIDTH / 4)

SHAPES = {
    "incast": Step([1, 2], 0, [LONG, SHORT], traffic_class=[1, 2]),
    "outcast": Step(0, [1, 2], [LONG, SHORT], traffic_class=[1, 2]),
    "pair": Step(0, 1, [LONG, SHORT], traffic_class=[1, 2]),
    "several": Step([0, 0, 0, 0], [1, 2, 1, 2], [LONG, LONG, SHORT, SHORT],
                    traffic_class=[1, 1, 2, 2]),
    "many": Step([1, 2, 3, 4], 0, [LONG, SHORT, SHORT, SHORT], traffic_class=[1, 2, 2, 2]),
    "equals": Step([1, 2], 0, [SHORT, SHORT], traffic_class=[0, 2]),
    "two": Step([1, 2, 3], 0, [LONG, SHORT, SHORT], traffic_class=[1, 2, 3]),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [np.inf, BANDWIDTH / 2])
def test_packets_keep_guarantees_as_the_flow_engine_does(shape: str, limit: float) -> None:
    table = (ABOVE, SURE, TrafficClass("too", 3, priority=-1, guarantee=BANDWIDTH / 8))
    packet, flow = (
        Fabric(star(6, bandwidth=BANDWIDTH), engine=engine, engine_options=options, classes=table,
               endpoint=on(Costs(initiator_bandwidth=limit))).simulate([SHAPES[shape]])
        for engine, options in (("packet", {"mtu": MTU}), ("flow", {"tolerance": 0.0}))
    )  # fmt: skip
    np.testing.assert_allclose(packet.finish, flow.finish, rtol=0.015)


def test_a_class_that_was_away_has_no_claim_for_that_time() -> None:
    """It comes when the other has sent 2,000 packets, and has a quarter of the port from then."""
    made = Fabric(star(6, bandwidth=BANDWIDTH), engine="packet", engine_options={"mtu": MTU},
                  classes=(ABOVE, SURE))  # fmt: skip
    late = [Step([1, 3], [2, 4], [0, 2000 * MTU])]
    found = made.simulate([*late, Step([1, 3], [0, 0], [LONG, SHORT], traffic_class=[1, 2])])
    took = found.finish[3] - found.start[3]
    assert took == pytest.approx(4 * SHORT / BANDWIDTH, abs=12 * WIRE)


def test_headers_count_among_what_links_carry() -> None:
    made = Fabric(star(6, bandwidth=BANDWIDTH), engine="packet", classes=(promised(0.95e9),),
                  engine_options={"mtu": MTU, "header": 100})  # fmt: skip
    with pytest.raises(ClassError, match=r"would have to carry 1\.045 GB/s \(1\.045 GB/s of sure"):
        made.simulate([Step(0, 1, 1)])


def test_what_nobody_needs_of_a_guarantee_is_for_all() -> None:
    """With a guarantee that is never short, packets are where they are without one."""
    steps = [Step([1, 2, 3], 0, [SHORT] * 3, traffic_class=[0, 0, 0])]
    plain, sure = (
        Fabric(star(6, bandwidth=BANDWIDTH), engine="packet", engine_options={"mtu": MTU},
               classes=table).simulate(steps)
        for table in ((), (ABOVE, SURE))
    )  # fmt: skip
    assert sure.finish.tolist() == plain.finish.tolist()
