import numpy as np
import pytest

from fabric import Costs, Endpoint, Fabric, Step, Timeline
from fabric.engines.columns import rank_streams
from fabric.engines.flow.engine import Flow
from fabric.engines.flow.live import AWAY, GONE, Live, PeersHere
from fabric.engines.flow.placed import PlacedMachine, RankShare
from fabric.failure import CallMismatch, WorldError
from fabric.schedule.plan import plans
from topology import cloudmatrix384, star
from topology.units import GB, US

MB = 1_000_000


def ground(ranks: int = 4, **costs: float) -> PlacedMachine:
    fabric = Fabric(star(ranks), endpoint=Endpoint("test", {"": Costs(**costs)}))
    return PlacedMachine(fabric, ranks)


def simulated(on: PlacedMachine, *steps: Step, ranks: int | None = None) -> Timeline:
    return Flow().simulate(on.machine, steps, ranks=ranks)


def live_on(on: PlacedMachine) -> Live:
    return Live(on.capacity, Flow().tolerance)


def share(
    on: PlacedMachine, steps: list[Step], group: tuple[int, ...], at: int = 0, operation: str = ""
) -> RankShare:
    rows = plans(steps, len(group))[at].rows
    return on.share(rank_streams(rows, group, at, operation))


def parts(on: PlacedMachine, group: tuple[int, ...], *steps: Step) -> list[RankShare]:
    """What each rank of a group brings to a call of these steps."""
    return [share(on, list(steps), group, at) for at in range(len(group))]


def enter(live: Live, given: list[RankShare], at: float) -> PeersHere:
    seats, n = PeersHere(len(given)), len(given)
    live.add(seats, range(n), given, [at] * n)
    return seats


def alone(on: PlacedMachine, size: int) -> float:
    return simulated(on, Step(0, 1, size)).duration


def test_nothing_moves_before_the_other_end_has_come() -> None:
    on = ground()
    live, (mine, other) = live_on(on), parts(on, (0, 1), Step(0, 1, MB))
    seats = PeersHere(2)
    live.add(seats, [0], [mine], [0.0])
    assert live.go() == []
    live.add(seats, [1], [other], [3 * US])
    assert live.go() == [(0, 3 * US + alone(on, MB)), (1, 3 * US + alone(on, MB))]
    assert live.go() == []
    assert live.lanes == 0


def test_what_comes_while_others_move_shares_with_them() -> None:
    on = ground()
    live = live_on(on)
    wire, latency = alone(on, MB) - alone(on, 0), alone(on, 0)
    enter(live, parts(on, (0, 1), Step(0, 1, MB)), 0.0)
    enter(live, parts(on, (0, 2), Step(0, 1, MB)), wire / 2)
    first, second = live.go(), live.go()
    assert [lane for lane, _ in first + second] == [0, 1, 2, 3]
    assert first[0][1] == pytest.approx(latency + 1.5 * wire, rel=1e-9)
    assert second[0][1] == pytest.approx(latency + 2 * wire, rel=1e-9)


def test_lanes_of_a_call_go_on_from_where_they_stopped() -> None:
    on = ground()
    steps = [Step([0, 1], [1, 2], [MB, 2 * MB]), Step(2, 3, MB)]
    live = live_on(on)
    enter(live, parts(on, (0, 1, 2, 3), *steps), 0.0)
    stops = []
    while ended := live.go():
        stops += ended
    ends = simulated(on, *steps, ranks=4).rank_finish
    assert [lane for lane, _ in stops] == [0, 1, 2, 3]
    assert [end for _, end in stops] == pytest.approx(ends, rel=1e-12)


def test_room_grows_with_what_is_in_it() -> None:
    on = ground(16)
    live, one = live_on(on), alone(on, MB) - alone(on, 0)
    for k in range(300):  # all on the port of rank 0
        enter(live, parts(on, (0, 1 + k % 15), Step(0, 1, MB)), 0.0)
    ends = [end for _, end in live.go()]
    assert len(ends) == 600
    assert ends == pytest.approx([300 * one + alone(on, 0)] * 600, rel=1e-9)


def test_limits_of_later_calls_join_those_of_calls_in_flight() -> None:
    on = ground(message_gap=1 * US)
    live = live_on(on)
    enter(live, parts(on, (0, 1), Step(0, 1, 40_000, messages=4)), 0.0)  # 10 GB/s
    enter(live, parts(on, (2, 3), Step(0, 1, 20_000, messages=4)), 0.0)  # 5 GB/s
    live.add(PeersHere(1), [0], parts(on, (1,), Step(0, 0, 8)), [1.0])
    (a, b, c, d), (e,) = live.go(), live.go()
    assert a[1] == b[1] == c[1] == d[1] == pytest.approx(alone(on, 0) + 4 * US)
    assert e == (4, 1.0)


def test_what_has_ended_can_be_forgotten() -> None:
    on = ground()
    live = live_on(on)
    over = enter(live, parts(on, (0, 1), Step(0, 1, 1000)), 0.0)
    going = enter(live, parts(on, (2, 3), Step(0, 1, MB), Step(1, 0, MB)), 0.0)
    hanging = PeersHere(2)
    live.add(hanging, [0], parts(on, (1, 2), Step(0, 1, MB))[:1], [0.0])
    assert [lane for lane, _ in live.go()] == [0, 1]
    number = live.compact([over.lane, going.lane, hanging.lane])
    assert number.tolist() == [GONE, GONE, 0, 1, 2]
    assert over.lane.tolist() == [GONE, GONE]
    assert going.lane.tolist() == [0, 1]
    assert hanging.lane.tolist() == [2, AWAY]
    both = simulated(on, Step(0, 1, MB), Step(1, 0, MB)).duration
    assert live.go() == [(0, pytest.approx(both)), (1, pytest.approx(both))]
    live.add(hanging, [1], parts(on, (1, 2), Step(0, 1, MB))[1:], [1.0])
    assert live.go() == [(n, pytest.approx(1.0 + alone(on, MB))) for n in (2, 3)]


def test_reset_forgets_everything() -> None:
    on = ground()
    live, given = live_on(on), parts(on, (0, 1, 2), Step([0, 0], [1, 2], MB))
    enter(live, given, 0.0)
    first = live.go()
    live.reset()
    enter(live, given, 0.0)
    assert live.go() == first


@pytest.mark.parametrize(
    ("mine", "other", "words"),
    [
        ([Step(0, 1, 5)], [Step(0, 1, 6)], "a transfer of 6 bytes from 0 to 1 in step 0"),
        ([Step(0, 1, 5)], [Step(1, 0, 5)], "a transfer of 5 bytes from 1 to 0 in step 0"),
        ([Step(0, 1, 5), Step(1, 0, 5)], [Step(0, 1, 5)], "lacks transfers that others have"),
    ],
)
def test_lanes_must_fit_together(mine: list[Step], other: list[Step], words: str) -> None:
    on, seats = ground(), PeersHere(2)
    live = live_on(on)
    live.add(seats, [0], parts(on, (0, 1), *mine)[:1], [0.0])
    with pytest.raises(CallMismatch, match=f"rank 1 of the group .*{words}"):
        live.add(seats, [1], parts(on, (0, 1), *other)[1:], [0.0])


# The ground.


def test_operations_of_one_stack_share_links_in_their_own_measure() -> None:
    """Half of a link at most, as an operation that gets half of it alone."""
    by_operation = {
        "half": Costs(efficiency={"net": 0.5}, initiator_bandwidth=20 * GB),
        "whole": Costs(initiator_bandwidth=40 * GB),
    }
    on = PlacedMachine(Fabric(star(2), endpoint=Endpoint("two", by_operation)), 2)
    half, whole = (
        share(on, [Step(0, 1, MB)], (0, 1), operation=name).streams for name in ("half", "whole")
    )
    assert on.capacity[-2:].tolist() == [40 * GB, 40 * GB]
    assert half.weight.tolist() == [2.0] * len(half.weight)
    assert whole.weight.tolist() == [1.0] * len(whole.weight)


def test_a_lane_takes_at_least_its_bytes_over_its_narrowest_link() -> None:
    on = ground()
    least = share(on, [Step(0, [1, 2], MB)], (0, 1, 2)).least
    assert least == pytest.approx(2 * (alone(on, MB) - alone(on, 0)))


def test_rows_between_the_same_ranks_are_one_stream() -> None:
    on = ground()
    step = Step([0, 0, 1], [1, 1, 0], [5, 6, 7], messages=[1, 2, 3])
    lane = share(on, [step], (2, 3)).streams
    assert lane.size.tolist() == [11.0, 7.0]
    assert (lane.src.tolist(), lane.dst.tolist()) == ([0, 1], [1, 0])


def test_a_world_is_no_larger_than_its_fabric() -> None:
    with pytest.raises(WorldError, match="a world of 5 ranks; the fabric has 4 places"):
        Fabric(star(4)).session(5)


def test_paths_found_later_do_not_matter() -> None:
    """Simulations on the same fabric find more of them, and so other limits."""
    fabric = Fabric(cloudmatrix384())
    on = PlacedMachine(fabric, 2)
    before = share(on, [Step(0, 1, MB)], (0, 1)).streams
    fabric.simulate([Step(np.arange(64), np.arange(64)[::-1] + 64, MB)])
    after = share(on, [Step(0, 1, MB)], (0, 1)).streams
    assert all((a == b).all() for a, b in zip(before, after, strict=True))
