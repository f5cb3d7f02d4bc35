"""What every engine must do, as a test to run on one: for writers of engines.

    from fabric.engines.conformance import check
    check(lambda: MyEngine())

An engine of any kind passes: what an engine has to know of links is asked only of those that
declare `fabric.engines.base.CONTENTION`, of changes only of those that declare `CHANGES`, of
traffic classes only of those that declare `CLASSES`, and of switches that combine and copy data
only of those that declare `fabric.engines.in_switch.MODELS`.
"""

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fabric.classes.table import TrafficClass, TrafficClasses
from fabric.endpoint.costs import Costs, Endpoint
from fabric.engines import in_switch
from fabric.engines.base import (
    CHANGES,
    CLASSES,
    CONTENTION,
    Ended,
    Engine,
    EngineError,
    LinkChange,
    Machine,
    Session,
)
from fabric.engines.columns import RankStreams, rank_streams
from fabric.engines.paths import PathTable
from fabric.failure import CallMismatch
from fabric.faults.changes import TimedChange
from fabric.schedule.in_switch import COMBINED, COPIED, REDUCED, RETURNED, marks
from fabric.schedule.plan import plans
from fabric.schedule.step import Step
from fabric.timeline.value import Timeline
from topology.errors import RouteError, TriplaneError
from topology.graph import MULTICAST, REDUCE, Ints, Topology
from topology.presets.shapes import star
from topology.routing.router import Router
from topology.units import GB, US

SIZE = 1_000_000
"""Bytes of the transfers of most checks."""

RANKS = 6
"""Ranks of most checks."""

CLASSES_GIVEN = (
    TrafficClass("first", 1, priority=3, rate_limit=100 * GB), TrafficClass("heavy", 2, weight=4.0),
)  # fmt: skip
"""The traffic classes of the machines of all checks, beside the default one."""


class EngineConformanceError(TriplaneError):
    """An engine does not do what `fabric.engines.base` says."""


def check(
    make: Callable[[], Engine], names: Iterable[str] | None = None, *, tolerance: float = 1e-3
) -> None:
    """Run the `CHECKS` of those names (all by default), each on an engine of its own.

    ``make`` returns a new engine. ``tolerance``: by which fraction times may be off where the
    contract does not ask for the same ones. Raises `EngineConformanceError`, or whatever the engine
    raises.
    """
    for name in CHECKS if names is None else names:
        CHECKS[name](_Checked(make(), name, tolerance))


@dataclass(frozen=True)
class _TestMachine:
    topology: Topology
    router: Router
    places: Ints
    software: Endpoint
    paths: PathTable
    traffic_classes: TrafficClasses
    changes: tuple[TimedChange, ...] = ()


def _machine(topology: Topology | None = None, costs: Costs | None = None) -> _TestMachine:
    """A star, or another topology, with these costs of software."""
    made = star(RANKS) if topology is None else topology
    router, places = Router(made), made.accelerators
    software = Endpoint("test", {"": costs or Costs()})
    paths = PathTable(router, places)
    return _TestMachine(made, router, places, software, paths, TrafficClasses(CLASSES_GIVEN))


class _Checked:
    """An engine in one check."""

    def __init__(self, engine: Engine, name: str, tolerance: float) -> None:
        self.engine, self._name, self.tolerance = engine, name, tolerance

    def models(self, what: str) -> bool:
        return what in self.engine.models

    def times(self, steps: Sequence[Step], machine: Machine | None = None) -> Timeline:
        on = _machine() if machine is None else machine
        return self.engine.simulate(on, iter(steps), ranks=RANKS)

    def session(self, machine: Machine | None = None) -> Session:
        return self.engine.session(_machine() if machine is None else machine, RANKS)

    def sure(self, good: bool, wrong: str) -> None:
        if not good:
            raise EngineConformanceError(f"{self._name}: {wrong}")

    def near(self, found: float, expected: float, what: str) -> None:
        good = abs(found - expected) <= self.tolerance * abs(expected) + 1e-15
        self.sure(good, f"{what} takes {found} s, and should take {expected} s")

    def refused(self, error: type[Exception], ask: Callable[[], object], what: str) -> None:
        try:
            ask()
        except error:
            return
        self.sure(False, f"{what} is not refused with a {error.__name__}")


def _shares(steps: Sequence[Step], group: tuple[int, ...]) -> list[RankStreams]:
    """What each rank of a group brings to a call of these steps."""
    rows = [plan.rows for plan in plans(steps, len(group))]
    return [rank_streams(mine, group, at, "") for at, mine in enumerate(rows)]


def _all_ends(session: Session, until: Iterable[float] = ()) -> list[Ended]:
    """Whatever ends, stopping at these times on the way."""
    found: list[Ended] = []
    for time in [*until, np.inf]:
        while ended := session.advance(time):
            found += ended
    return found


def _play(session: Session, shares: Sequence[RankStreams], ready: float = 0.0) -> list[Ended]:
    """All that ends of one call that all enter at a time, in order of positions."""
    for one in shares:
        session.prepare(one)
        session.enter(1, ready, one)
    return sorted(_all_ends(session), key=lambda one: one.position)


def _ring(steps: int = 2 * (RANKS - 1)) -> list[Step]:
    me = np.arange(RANKS)
    return [Step(me, (me + 1) % RANKS, SIZE // RANKS) for _ in range(steps)]


def _irregular(seed: int = 1) -> list[Step]:
    """Steps in which some ranks send much, some little, some nothing, some to themselves."""
    rng = np.random.default_rng(seed)
    return [
        Step(rng.integers(0, RANKS, n), rng.integers(0, RANKS, n), rng.integers(0, SIZE, n))
        for n in (7, 1, 12, 3)
    ]


def _one_transfer(c: _Checked) -> None:
    """A transfer takes no less than its closed form; with links, just that: latency and bytes."""
    for size in (0, 1, SIZE, 64 * SIZE):
        found = c.times([Step(0, 1, size)])
        c.sure(found.duration >= found.bound * (1 - 1e-9), f"{size} bytes are faster than the wire")
        if c.models(CONTENTION):
            c.near(found.duration, found.bound, f"a transfer of {size} bytes")
        c.near(float(found.finish[0]), found.duration, f"the row of {size} bytes")
    small, large = (c.times([Step(0, 1, size)]).duration for size in (SIZE, 2 * SIZE))
    c.sure(small < large, "twice the bytes take no longer")


def _costs(c: _Checked) -> None:
    """What software costs is paid: before the first step, and at the end of each by the rank."""
    wire = c.times([Step(0, 1, SIZE)]).duration
    launched = c.times([Step(0, 1, SIZE)], _machine(costs=Costs(launch=5 * US))).duration
    c.near(launched, wire + 5 * US, "a transfer after 5 us of launching")
    at_end = c.times([Step(0, 1, SIZE)] * 2, _machine(costs=Costs(per_byte=1e-11))).rank_finish
    c.near(float(at_end[1]), 2 * (wire + SIZE * 1e-11), "two steps with a cost for each byte")
    nothing = c.times([], _machine(costs=Costs(launch=5 * US)))
    c.near(nothing.duration, 5 * US, "a call that moves nothing, launched in 5 us,")


def _ring_closed_form(c: _Checked) -> None:
    """A ring, in which no two transfers share a link, takes its steps one after the other."""
    one = c.times([Step(0, 1, SIZE // RANKS)]).duration
    found = c.times(_ring())
    c.near(found.duration, 2 * (RANKS - 1) * one, f"a ring of {2 * (RANKS - 1)} steps")
    c.sure(found.duration >= found.bound * (1 - 1e-9), "a ring is faster than its closed form")


def _ordering(c: _Checked) -> None:
    """A row sets out when both of its ranks are through with their rows before, and not earlier."""
    found = c.times(_irregular())
    done = np.zeros(RANKS)
    for number in range(int(found.step.max()) + 1):
        rows = np.flatnonzero(found.step == number)
        src, dst = found.src[rows], found.dst[rows]
        begin = np.maximum(done[src], done[dst])
        early = found.start[rows] < begin * (1 - 1e-9)
        c.sure(not early.any(), f"rows of step {number} set out before those of the step before")
        c.sure(
            bool(np.allclose(found.start[rows], begin, 1e-9)), f"step {number} waits for nothing"
        )
        backwards = found.finish[rows] < found.start[rows]
        c.sure(not backwards.any(), f"rows of step {number} end before they begin")
        np.maximum.at(done, src, found.finish[rows])
        np.maximum.at(done, dst, found.finish[rows])
    c.sure(bool(np.allclose(found.rank_finish, done, 1e-9)), "ranks end with their last rows")


def _contention(c: _Checked) -> None:
    """Transfers that share a port share its bandwidth, and others do not; if that is modelled."""
    alone, latency = (c.times([Step(0, 1, size)]).duration for size in (SIZE, 0))
    apart = c.times([Step([0, 2], [1, 3], SIZE)]).duration
    c.near(apart, alone, "each of two transfers that share no link")
    if not c.models(CONTENTION):
        return
    shared = c.times([Step([0, 1, 2], 3, SIZE)])
    c.near(shared.duration, latency + 3 * (alone - latency), "three transfers to one rank")
    for steps in ([Step([0, 1, 2], 3, SIZE)], _irregular(), _ring()):
        found = c.times(steps)
        c.sure(found.duration >= found.bound * (1 - 1e-9), "a schedule beats its closed form")


def _bytes(c: _Checked) -> None:
    """The answer has the schedule's rows in order, and the bytes of each link."""
    steps = _irregular()
    found = c.times(steps)
    for name in ("src", "dst", "size"):
        given = np.concatenate([getattr(step, name) for step in steps])
        c.sure(bool(np.array_equal(getattr(found, name), given)), f"{name} is not the schedule's")
    moved = int(found.size[found.src != found.dst].sum())
    c.near(float(found.link_bytes.sum()), 2.0 * moved, f"all links of a star with {moved} bytes")
    c.sure(len(found.rank_finish) == RANKS, f"{len(found.rank_finish)} of {RANKS} ranks end")


def _session_is_simulation(c: _Checked) -> None:
    """A call alone in a session takes what its schedule takes in a simulation."""
    for steps in (_ring(), _irregular(), [Step([0, 1, 2], 3, SIZE)]):
        expected = c.times(steps).rank_finish
        found = _play(c.session(), _shares(steps, tuple(range(RANKS))))
        c.sure(len(found) == RANKS, f"{len(found)} of {RANKS} ranks end")
        for rank, (time, one) in enumerate(zip(expected.tolist(), found, strict=True)):
            c.near(one.time, time, f"rank {rank} in a session")


def _late(c: _Checked) -> None:
    """A transfer waits for its other rank to enter; calls of other ranks proceed meanwhile."""
    session, wire = c.session(), c.times([Step(0, 1, SIZE)]).duration
    (mine, other), others = _shares([Step(0, 1, SIZE)], (0, 1)), _shares([Step(0, 1, 0)], (2, 3))
    session.enter(1, 0.0, mine)
    c.sure(not session.advance(), "a transfer ends whose other end has not come")
    for one in others:
        session.enter(2, 0.0, one)
    c.sure({one.call for one in _all_ends(session)} == {2}, "a call waits for another one")
    session.enter(1, 3 * wire, other)
    for _, position, time in _all_ends(session):
        c.near(time, 4 * wire, f"rank {position} with one that comes late")


def _beside(c: _Checked) -> None:
    """Calls in flight together contend, where that is modelled, and only where they meet."""
    alone, latency = (c.times([Step(0, 1, size)]).duration for size in (SIZE, 0))
    ends = _two_calls(c.session(), range(4))
    both = latency + 2 * (alone - latency) if c.models(CONTENTION) else alone
    for call, position, time in ends:
        c.near(time, both, f"rank {position} of call {call} beside another call")


def _two_calls(session: Session, order: Iterable[int]) -> list[Ended]:
    """Ranks 0 and 1 both send to rank 2, in two calls; their four parts enter in this order."""
    step = [Step(0, 1, SIZE)]
    parts = [(call, one) for call in (1, 2) for one in _shares(step, (call - 1, 2))]
    for number in order:
        call, one = parts[number]
        session.enter(call, 0.0, one)
    return _all_ends(session)


def _order_of_entering(c: _Checked) -> None:
    """In which order ranks enter changes no bit of any answer."""
    shares = _shares(_irregular(), tuple(range(RANKS)))
    expected, two = _play(c.session(), shares), _two_calls(c.session(), range(4))
    for seed in range(5):
        chance = random.Random(seed)
        found = _play(c.session(), chance.sample(shares, RANKS))
        c.sure(found == expected, "ranks end otherwise where they enter in another order")
        again = _two_calls(c.session(), chance.sample(range(4), 4))
        c.sure(again == two, "calls end otherwise where they are entered in another order")


def _again(c: _Checked) -> None:
    """The same is answered to the bit again: by a simulation, and by a session after `clear`."""
    first, second = (c.times(_irregular()) for _ in range(2))
    c.sure(bool(np.array_equal(first.finish, second.finish)), "a second simulation differs")
    session, shares = c.session(), _shares(_irregular(), tuple(range(RANKS)))
    ends = _play(session, shares)
    session.clear()
    _two_calls(session, (0,))  # a rank whose peer never comes
    session.clear()
    c.sure(_play(session, shares) == ends, "after clear a session answers otherwise")


def _until(c: _Checked) -> None:
    """A session that is stopped on the way answers the same, and nothing before it has happened."""
    shares, session = _shares(_irregular(), tuple(range(RANKS))), c.session()
    whole = _play(c.session(), shares)
    last = max(one.time for one in whole)
    for one in shares:
        session.enter(1, 0.0, one)
    found: list[Ended] = []
    for stop in np.linspace(0, last, 8)[1:].tolist():
        while ended := session.advance(stop):
            late = [one for one in ended if one.time > stop * (1 + c.tolerance)]
            c.sure(not late, f"{late} is answered by {stop} s")
            found += ended
    found += _all_ends(session)
    c.sure(len(found) == RANKS, f"{len(found)} of {RANKS} ranks end where time stops on the way")
    found.sort(key=lambda end: end.position)
    for (_, position, time), same in zip(found, whole, strict=True):
        c.near(time, same.time, f"rank {position}, stopped on the way,")


def _nothing(c: _Checked) -> None:
    """A rank without streams ends when it is ready; copies in a rank need no other rank."""
    session = c.session()
    session.enter(1, 2 * US, _shares([], (0, 1))[0])
    session.enter(2, 1 * US, _shares([Step(0, 0, 0)], (1,))[0])
    ends = sorted(_all_ends(session))
    c.sure(len(ends) == 2, f"of two ranks that need nobody, {len(ends)} end")
    c.near(ends[0].time, 2 * US, "a rank without streams, ready at 2 us,")
    c.near(ends[1].time, 1 * US, "a rank with nothing to copy, ready at 1 us,")


def _mismatch(c: _Checked) -> None:
    """Transfers that differ at their two ends raise `CallMismatch`."""
    for other in (Step(0, 1, SIZE + 1), Step(1, 0, SIZE)):
        session, group = c.session(), (0, 1)
        session.enter(1, 0.0, _shares([Step(0, 1, SIZE)], group)[0])
        session.enter(1, 0.0, _shares([other], group)[1])
        c.refused(CallMismatch, session.advance, "a transfer that its two ranks see otherwise")


def _cut_off(c: _Checked) -> None:
    """Ranks that are not connected are an error, before anything moves."""
    machine = _machine(star(RANKS).without("host0<->switch"))
    step = [Step(0, 1, SIZE)]
    c.refused(RouteError, lambda: c.times(step, machine), "a transfer that has no path")
    session = c.session(machine)
    lost = _shares(step, (0, 1))[0]
    c.refused(RouteError, lambda: session.prepare(lost), "a rank's transfer that has no path")
    there = _shares(step, (2, 3))
    c.sure(len(_play(session, there)) == 2, "ranks that are connected are held up by others")


def _changes(c: _Checked) -> None:
    """A link with half of its bandwidth takes twice as long; or changes are refused."""
    session, links = c.session(), np.arange(star(RANKS).n_links)
    what = LinkChange(links, 0.5)
    if not c.models(CHANGES):
        c.refused(EngineError, lambda: session.change(0.0, what), "a change in time")
        return
    alone, latency = (c.times([Step(0, 1, size)]).duration for size in (SIZE, 0))
    session.change(latency + (alone - latency) / 2, what)
    for one in _play(session, _shares([Step(0, 1, SIZE)], (0, 1))):
        c.near(one.time, latency + 1.5 * (alone - latency), "a transfer slowed at its half")


def _around(c: _Checked) -> tuple[float, float, list[RankStreams]]:
    """When a transfer is at its half, how long it takes alone, and its shares."""
    alone, latency = (c.times([Step(0, 1, size)]).duration for size in (SIZE, 0))
    return (latency + alone) / 2, alone, _shares([Step(0, 1, SIZE)], (0, 1))


def _dead(c: _Checked) -> None:
    """A link that is dead for a while holds up what is on it, or is an error once it is known."""
    if not c.models(CHANGES):
        return
    half, alone, shares = _around(c)
    graph = star(RANKS)
    mine = np.flatnonzero((graph.link_src == 0) | (graph.link_dst == 0))
    dead, back = LinkChange(mine, 0.0, 1.0, "host0 dead"), LinkChange(mine, 1.0)
    session = c.session()
    session.change(half, dead)
    session.change(half + 3 * alone, back)
    for one in _play(session, shares):
        c.near(one.time, 4 * alone, "a transfer held up for three times its time")
    session.clear()
    for one in _play(session, shares):
        c.near(one.time, alone, "a transfer after clear has forgotten a change")
    session.clear()
    session.change(half, LinkChange(mine, 0.0, cause="host0 dead"))
    elsewhere = _shares([Step(0, 1, SIZE)], (2, 3))
    c.sure(len(_play(session, elsewhere)) == 2, "ranks are held up by links of others")
    session.enter(2, alone, shares[0])
    session.enter(2, alone, shares[1])
    c.refused(RouteError, session.advance, "a transfer over a dead link, with no other way,")


def _changing_machine(c: _Checked) -> None:
    """A machine's own changes are simulated as a session is changed; what is slower is longer."""
    if not c.models(CHANGES):
        return
    half, links = _around(c)[0], np.arange(star(RANKS).n_links)
    changes = (
        TimedChange(half, LinkChange(links[::2], 0.25)),
        TimedChange(2 * half, LinkChange(links, 0.0, 1.0)),
        TimedChange(3 * half, LinkChange(links, 0.5)),
    )
    machine = dataclasses.replace(_machine(), changes=changes)
    found, plain = c.times(_irregular(), machine), c.times(_irregular())
    again = c.times(_irregular(), machine)
    c.sure(bool(np.array_equal(found.finish, again.finish)), "a second simulation differs")
    c.sure(found.duration > plain.duration, "links that are slower make nothing slower")
    session = c.session()
    for at, what in reversed(changes):
        session.change(at, what)
    ends = _play(session, _shares(_irregular(), tuple(range(RANKS))))
    for rank, (time, one) in enumerate(zip(found.rank_finish.tolist(), ends, strict=True)):
        c.near(one.time, time, f"rank {rank} in a session that is changed")
    moved = float(found.link_bytes.sum())
    c.near(moved, float(plain.link_bytes.sum()), f"all links of a star with {moved} bytes")


def _of_classes() -> list[Step]:
    """Steps with two classes between the same ranks, and in turn between other ones."""
    first = Step([0, 0, 0, 1], [1, 1, 1, 2], SIZE, traffic_class=[0, 1, 0, 1])
    return [first, Step([2, 0], [3, 1], SIZE), Step([3, 1], [0, 0], SIZE, traffic_class=1)]


def _classes(c: _Checked) -> None:
    """Streams of several classes keep their bytes and their order, if classes are modelled.

    What a class is worth is the machine's affair, so no times are asked for.
    """
    if not c.models(CLASSES):
        return
    steps = _of_classes()
    found, whole = c.times(steps), tuple(range(RANKS))
    c.sure(found.size.tolist() == [SIZE] * 8, "with classes a row loses or gains bytes")
    c.near(float(found.link_bytes.sum()), 2.0 * 8 * SIZE, "all links of a star with 8 MB")
    c.sure(bool((found.finish > found.start).all()), "with classes a row takes no time")
    shares = _shares(steps, whole)
    ends = _play(c.session(), shares)
    for rank, (time, one) in enumerate(zip(found.rank_finish.tolist(), ends, strict=True)):
        c.near(one.time, time, f"rank {rank} in a session with classes")
    again = _play(c.session(), random.Random(1).sample(shares, RANKS))
    c.sure(again == ends, "with classes the order of entering matters")
    session, other = c.session(), [Step(0, 1, SIZE, traffic_class=2)]
    session.enter(1, 0.0, _shares([Step(0, 1, SIZE, traffic_class=1)], (0, 1))[0])
    session.enter(1, 0.0, _shares(other, (0, 1))[1])
    c.refused(CallMismatch, session.advance, "a transfer in one class at one end, in another")


def _able() -> Topology:
    """A star whose switch can combine and copy data."""
    made = star(RANKS)
    able = np.where(np.arange(made.n_vertices) < made.n_endpoints, 0, MULTICAST | REDUCE)
    return dataclasses.replace(made, in_switch=able)


def _switched() -> Mapping[str, list[Step]]:
    """Schedules of SIZE bytes a rank in which the switch works: each takes what one copy takes."""
    me = np.arange(RANKS)
    src, dst = (a.ravel() for a in np.meshgrid(me, me, indexing="ij"))
    pairs, part = (src[src != dst], dst[src != dst]), SIZE // RANKS
    all_reduce = [Step(*pairs, part, reduces=True, **marks(REDUCED, RANKS)),
                  Step(*pairs, part, **marks(RETURNED, RANKS))]  # fmt: skip
    return {
        "an all-reduce": all_reduce,
        "a reduction": [Step(me[1:], 0, SIZE, reduces=True, **marks(COMBINED, RANKS))],
        "a multicast": [Step(0, me[1:], SIZE, **marks(COPIED, RANKS))],
    }


def _in_switch(c: _Checked) -> None:
    """What switches combine or copy loads a shared link once, if that is modelled."""
    if not c.engine.models >= in_switch.MODELS:
        return
    able = _machine(_able())
    plain = c.times([Step(0, 1, SIZE // RANKS * RANKS)], able).duration
    for what, steps in _switched().items():
        _in_a_switch(c, f"{what} in a switch", steps, able, plain)


def _in_a_switch(
    c: _Checked, what: str, steps: Sequence[Step], able: Machine, plain: float
) -> None:
    found, shares = c.times(steps, able), _shares(steps, tuple(range(RANKS)))
    c.near(found.duration, plain, what)
    c.sure(found.bound <= found.duration * (1 + 1e-9), f"{what} is faster than its bound")
    c.near(float(found.link_bytes.max()), SIZE, f"the busiest link of {what}")
    ends = _play(c.session(able), shares)
    for rank, (time, one) in enumerate(zip(found.rank_finish.tolist(), ends, strict=True)):
        c.near(one.time, time, f"rank {rank} in a session with {what}")
    c.refused(RouteError, lambda: c.times(steps), f"{what} that cannot")
    c.refused(RouteError, lambda: c.session().prepare(shares[0]), f"{what} that cannot")


CHECKS: Mapping[str, Callable[[_Checked], None]] = MappingProxyType(
    {
        "one_transfer": _one_transfer,
        "costs": _costs,
        "ring": _ring_closed_form,
        "ordering": _ordering,
        "contention": _contention,
        "bytes": _bytes,
        "session_is_simulation": _session_is_simulation,
        "late": _late,
        "beside": _beside,
        "order_of_entering": _order_of_entering,
        "again": _again,
        "until": _until,
        "nothing": _nothing,
        "mismatch": _mismatch,
        "cut_off": _cut_off,
        "changes": _changes,
        "dead": _dead,
        "changing_machine": _changing_machine,
        "classes": _classes,
        "in_switch": _in_switch,
    }
)
"""All checks by name; the docstring of each says what it checks."""
