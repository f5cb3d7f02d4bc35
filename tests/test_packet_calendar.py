"""The order of a packet engine's events, held to a list that is sorted anew each time."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from fabric import Fabric
from fabric.classes.table import TrafficClasses
from fabric.engines.packet.calendar import coming, node_of, pop, schedule
from fabric.engines.packet.kinds import kinds
from fabric.engines.packet.live import PacketState
from fabric.engines.packet.network import network
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.rescheduling import take_back
from fabric.engines.packet.state import AT, LAST_TIME, NONE, NOW, OPENED, TIMERS, State
from topology import star
from topology.compiled import lean

PACKETS = 100
"""More than the first blocks of a bucket hold."""

TIMES = st.integers(1, 40).map(lambda time: time * 10**9 // 7) | st.integers(1, 30)


@lean
def set_in(s: State, node: int, time: int) -> None:
    schedule(s, node, time)


@lean
def take_next(s: State) -> int:
    """The next event's link or packet; `NONE` if there is none left."""
    n = s.n
    time = coming(s, LAST_TIME)
    if time >= LAST_TIME:
        return NONE
    n[NOW] = time
    if n[TIMERS] > 0 and s.heap[0].time <= time:
        return int(pop(s.heap, n) >> 2)
    n[AT] += 1
    return int(node_of(s.opened[n[AT] - 1]))


def at_rest() -> State:
    made = Fabric(star(2))
    live = PacketState(
        network(made.router), kinds(TrafficClasses()), PacketOptions(4096, 0, None, 1, 0), 2
    )
    live._more_packets(PACKETS)
    return live.state


@given(
    st.lists(st.tuples(st.sampled_from(["in", "in", "in", "next", "back"]), TIMES), max_size=300)
)
def test_events_come_in_order_of_time_whatever_is_taken_back(
    history: list[tuple[str, int]],
) -> None:
    s, now = at_rest(), 0
    free, due = list(range(PACKETS)), list[tuple[int, int]]()
    for what, time in [*history, *[("next", 0)] * PACKETS]:
        if what == "in" and free:
            node = free.pop()
            due.append((now + time, node))
            set_in(s, node + len(s.links), now + time)
        elif what == "back" and due:
            gone = due.pop(time % len(due))
            take_back(s, gone[1] + len(s.links))
            free.append(gone[1])
        elif what == "next" and due:
            found = take_next(s) - len(s.links)
            (one,) = (one for one in due if one[1] == found)
            assert one[0] == min(due)[0]
            due.remove(one)
            free.append(found)
            now = one[0]
            assert s.n[NOW] == now
    assert take_next(s) == NONE
    assert s.n[AT] == s.n[OPENED]
    assert np.all(s.buckets["last"] == NONE)
