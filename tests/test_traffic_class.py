"""A step's traffic class reaches the engine by every way; one that nobody knows is refused."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from collectives import init
from collectives.algorithms.sendrecv import transfers
from fabric import Fabric, Step, launch
from fabric.classes.table import ClassError, TrafficClass
from fabric.clock.emulator import Emulator
from fabric.engines.base import CLASSES, EngineError
from fabric.engines.columns import Batch, Streams, batches, rank_streams
from fabric.engines.conformance import EngineConformanceError, check
from fabric.failure import WorldError
from fabric.schedule.plan import TimedRows, plan, plans
from fabric.schedule.step import ScheduleError
from fabric.schedule.traits import HIGHEST, NO_TRAITS, TRAITS, Traits, joined, traits_of
from fabric.world.codec import WireError
from fabric.world.messages import Begin
from fabric.world.wire import Packer, Unpacker
from tests.support import constant_engine
from tests.support.constant_engine import Constant
from topology import star
from topology.units import GB, US

SIZE = 1 << 20
KNOWN = (TrafficClass("second", 2),)
WIDE = 5000  # ranks for which no table of all pairs is made
FAST, SLOW = (10 * US + SIZE * n / GB for n in (1, 3))
"""Seconds of SIZE bytes on the constant engine in class 0, and in class 2."""


@pytest.fixture(autouse=True)
def constant() -> Iterator[None]:
    with constant_engine.installed():
        yield


def classed() -> Step:
    """Three rows from 0 to 1, of which the second is of another class; one from 1 to 2."""
    return Step([0, 0, 0, 1], [1, 1, 1, 2], [1, 2, 4, 8], traffic_class=[0, 2, 0, 0])


def test_nothing_given_is_class_0_and_costs_no_column() -> None:
    for step in (Step(0, 1, 8), Step(0, 1, 8, traffic_class=0), Step((), (), 0, traffic_class=())):
        assert step.traits is NO_TRAITS
        assert not step.traits


def test_one_number_is_for_all_rows() -> None:
    step = Step([0, 1], [1, 2], 8, traffic_class=3)
    assert step.traits.column("traffic_class", 2).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"traffic_clas": 1}, r"no argument 'traffic_clas'; .*; near it: traffic_class"),
        ({"traffic_class": -1}, f"traffic_class of a step is -1, outside 0 to {HIGHEST}"),
        ({"traffic_class": [0, HIGHEST + 1]}, "is 65536, outside"),
        ({"traffic_class": [1, 2, 3]}, r"the shape \[3\]; it has to be one number, or \[2\]"),
        ({"traffic_class": 0.5}, "traffic_class of a step is 0.5; it has to be integers"),
        ({"traffic_class": "kv"}, "has to be integers"),
    ],
)
def test_what_is_no_class_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        Step([0, 1], [1, 2], 8, **given)


def test_rows_are_picked_with_their_classes() -> None:
    full = Step(0, 1, [4, 0, 8], 0, 1, messages=[1, 2, 3], traffic_class=[0, 1, 2], label="x")
    (step,) = transfers(0, 1, [4, 0, 8], 0, 1, traffic_class=[0, 1, 2], label="x")
    for one in (step, full.pick(full.size > 0)):
        assert (one.size.tolist(), one.dst_at.tolist(), one.label) == ([4, 8], [1, 1], "x")
        assert one.traits.column("traffic_class", 2).tolist() == [0, 2]
    assert full.pick(full.size > 4).messages == [3]


def test_an_unknown_trait_is_no_column_of_zeros() -> None:
    with pytest.raises(KeyError, match="no trait 'colour'; there are traffic_class"):
        NO_TRAITS.column("colour", 3)


def test_traits_are_joined_and_picked() -> None:
    some = Traits({"traffic_class": np.array([0, 5])})
    whole = joined([(NO_TRAITS, 1), (some, 2), (NO_TRAITS, 0)])
    assert whole.column("traffic_class", 3).tolist() == [0, 0, 5]
    assert whole.pick(slice(0, 2)) is NO_TRAITS
    assert joined([(NO_TRAITS, 4), (NO_TRAITS, 2)]) is NO_TRAITS


@pytest.mark.parametrize("rank", range(3))
def test_a_plan_has_the_classes_of_its_rows(rank: int) -> None:
    step, own = classed(), plan([Step(2, 0, 1), classed()], 3, rank)
    assert own.rows.digest == plans([Step(2, 0, 1), classed()], 3)[rank].rows.digest
    mine = (step.src == rank) | (step.dst == rank)
    expected = [0] * (rank in (0, 2)) + np.array([0, 2, 0, 0])[mine].tolist()
    assert own.rows.traits.column("traffic_class", len(own.rows)).tolist() == expected


def test_rows_of_another_class_are_other_rows() -> None:
    """Unless they are of the default class."""
    rows = {n: plan([Step(0, 1, 8, traffic_class=n)], 2, 0).rows for n in (0, 1, 2)}
    assert len({one.digest for one in rows.values()}) == 3
    assert rows[0].digest == plan([Step(0, 1, 8)], 2, 0).rows.digest


def test_both_ends_have_to_see_the_same_class() -> None:
    def balance(sender: Step, receiver: Step) -> int:
        ends = enumerate((sender, receiver))
        return sum(plan([step], 3, rank).rows.balance(rank) for rank, step in ends) % (1 << 64)

    def two(*classes: int) -> Step:
        return Step([0, 0], [1, 1], [8, 9], traffic_class=classes)

    assert balance(two(0, 2), two(0, 2)) == balance(two(0, 0), Step([0, 0], 1, [8, 9])) == 0
    assert balance(two(0, 2), two(0, 1)) != 0
    assert balance(two(0, 2), two(2, 0)) != 0
    assert balance(two(0, 2), two(0, 0)) != 0


def rows_of(streams: Streams) -> list[tuple[int, ...]]:
    names = (streams.step, streams.src, streams.dst, streams.trait("traffic_class"), streams.size)
    return list(zip(*(column.astype(int).tolist() for column in names), strict=True))


@pytest.mark.parametrize("ranks", [3, WIDE])
def test_rows_of_two_classes_are_two_streams(ranks: int) -> None:
    batch: Batch
    (batch,) = batches([Step(0, 1, 16), classed()], ranks)
    assert sorted(rows_of(batch.streams)) == [
        (0, 0, 1, 0, 16), (1, 0, 1, 0, 5), (1, 0, 1, 2, 2), (1, 1, 2, 0, 8),
    ]  # fmt: skip
    of_rows = batch.streams.trait("traffic_class")[batch.rows.stream]
    assert of_rows.tolist() == [0, 0, 2, 0, 0]
    assert np.all(np.diff(batch.streams.step) >= 0)


@pytest.mark.parametrize("ranks", [3, WIDE])
def test_rows_that_are_streams_each_keep_their_order(ranks: int) -> None:
    step = Step([2, 0, 0], [1, 1, 1], [1, 2, 4], traffic_class=[1, 3, 2])
    (batch,) = batches([step], ranks)
    assert batch.rows.stream.tolist() == [0, 1, 2]
    assert batch.streams.trait("traffic_class").tolist() == [1, 3, 2]


def test_streams_are_joined_and_picked_with_their_classes() -> None:
    (first,), (second,) = batches([Step(0, 1, 16)], 3), batches([classed()], 3)
    both = first.streams.then(second.streams)
    assert both.trait("traffic_class").tolist() == [0, 0, 2, 0]
    assert both.pick(np.array([True, False, True, False])).trait("traffic_class").tolist() == [0, 2]


def test_a_ranks_streams_are_in_order_of_class_last() -> None:
    rows = plan([classed(), Step(1, 0, 32, traffic_class=1)], 3, 0).rows
    streams = rank_streams(rows, (0, 1, 2), 0, "").streams
    assert rows_of(streams) == [(0, 0, 1, 0, 5), (0, 0, 1, 2, 2), (1, 1, 0, 1, 32)]


def sent(rows: TimedRows) -> list[bytes]:
    return Packer().pack([Begin(1, (0, 1, 2), rows, "words", "")])


def test_classes_travel_to_the_authority() -> None:
    rows = plan([classed()], 3, 1).rows
    (received,) = Unpacker(3).unpack(sent(rows))
    assert isinstance(received, Begin)
    assert received.rows.digest == rows.digest
    assert received.rows.traits.column("traffic_class", 4).tolist() == [0, 2, 0, 0]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["colour"], "rows with the traits"),
        (["traffic_class", "traffic_class"], "rows with the traits"),
        ([], "rows of 224 bytes"),
    ],
)
def test_strange_traits_are_refused(names: list[str], words: str) -> None:
    head, blob = sent(plan([classed()], 3, 1).rows)
    head = head.replace(b'["traffic_class"]', json.dumps(names).encode())
    with pytest.raises(WireError, match=words):
        Unpacker(3).unpack([head, blob])


def test_a_class_out_of_bounds_is_refused() -> None:
    rows = plan([classed()], 3, 1).rows
    beyond = traits_of({"traffic_class": np.full(len(rows), HIGHEST + 1)})
    object.__setattr__(rows, "traits", beyond)
    with pytest.raises(WireError, match="no part of a schedule"):
        Unpacker(3).unpack(sent(rows))


def test_an_engine_that_knows_classes_gets_them() -> None:
    found = Fabric(star(3), engine="constant", classes=KNOWN).simulate(
        [Step([0, 1], [1, 2], SIZE, traffic_class=[2, 0]), Step(0, 1, SIZE)]
    )
    assert found.finish.tolist() == pytest.approx([SLOW, FAST, SLOW + FAST])


def test_an_engine_without_classes_refuses_them_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Constant, "models", frozenset())
    fabric = Fabric(star(3), engine="constant")
    with pytest.raises(
        EngineError,
        match=r"step 1 \(late\) has traffic_class 2, which the engine constant does not model",
    ):
        fabric.simulate([Step(0, 1, 8), Step([0, 0], 1, 8, traffic_class=[0, 2], label="late")])
    assert fabric.simulate([Step(0, 1, 8, traffic_class=0)]).duration > 0
    with pytest.raises(EngineError, match="the engine constant does not model traffic classes"):
        Fabric(star(3), engine="constant", classes=KNOWN)


def test_a_class_that_the_machine_does_not_have_is_refused_by_number() -> None:
    with pytest.raises(ClassError, match=r"step 0 has traffic_class 2, .* machine has no table"):
        Fabric(star(3)).simulate([classed()])
    known = Fabric(star(3), classes=(TrafficClass("kv", 1),))
    with pytest.raises(ClassError, match=r"2, which is none; there are 0 \(default\), 1 \(kv\)"):
        known.simulate([classed()])


def test_so_does_its_emulator() -> None:
    with pytest.raises(ClassError, match="a row of rank 1 has traffic_class 2"):
        Emulator(Fabric(star(3)), 3).begin(1, 1, (0, 1, 2), plan([classed()], 3, 1).rows, "")


def of_class_2() -> float:
    """A rank's clock after a message from rank 0 to rank 1 of class 2."""
    comm = init()
    comm.run([Step(0, 1, SIZE, traffic_class=2)], np.ones(SIZE, np.uint8), np.empty(SIZE, np.uint8))
    return comm.now()


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_running_ranks_have_them(transport: str) -> None:
    fabric = Fabric(star(2), engine="constant", classes=KNOWN)
    clocks = launch(of_class_2, 2, fabric, transport=transport)
    assert clocks == pytest.approx([SLOW, SLOW], abs=1e-11)


def test_running_ranks_are_refused_them_by_name() -> None:
    with pytest.raises(WorldError, match="traffic_class 2, which is none; the machine has no"):
        launch(of_class_2, 2, Fabric(star(2)), transport="inproc")


class _Forgetful(Constant):
    """An engine whose sessions know of no classes."""

    def session(self, machine: Any, size: int) -> Any:
        session = super().session(machine, size)
        enter = session.enter

        def enter_plainly(call: int, ready: float, streams: Any) -> None:
            object.__setattr__(streams.streams, "traits", NO_TRAITS)
            enter(call, ready, streams)

        session.enter = enter_plainly  # type: ignore[method-assign]
        return session


def test_an_engine_that_forgets_them_is_found_out() -> None:
    check(Constant, ["classes"])
    with pytest.raises(EngineConformanceError, match="in a session with classes"):
        check(_Forgetful, ["classes"])


def test_the_class_is_a_trait() -> None:
    assert CLASSES in TRAITS
