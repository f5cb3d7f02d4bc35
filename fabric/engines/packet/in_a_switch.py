"""What switches combine and copy: the transfers of a team meet packet by packet in one switch.

See `fabric.schedule.in_switch` for what a schedule asks. A team is the transfers of one exchange:
those that are copied from one rank, or combined for one, or, of an all-reduce, those to the rank
that stands in for the switch. They begin together, when all of them may, and number their packets
alike, so that those of one number come to the same switch.

- The switch keeps the first packet of a number that arrives, in the buffer at the end of the link
  it came over, as the partial result; those that follow are added to it, and leave their buffers at
  once. With the last one it goes on.
- What is copied stays in its buffer until the last copy has left. Each copy waits for its own link
  and for room at that link's end.
"""

from fabric.engines.packet.limits import ask
from fabric.engines.packet.offering import ready_to_send
from fabric.engines.packet.sending import enqueue
from fabric.engines.packet.spraying import deal, in_turn
from fabric.engines.packet.state import FREE, NONE, UNUSED, State, credit_of
from topology.compiled import inner


@inner
def begin_member(s: State, i: int, now: int) -> None:
    """Transfer i of a team may set out: with the last one, those that send packets do."""
    team = s.members[i].team
    s.teams[team].waits -= 1
    if s.teams[team].waits > 0:
        return
    first, root = s.teams[team].first, s.teams[team].root
    turn = s.teams[team].turn
    m = first
    while m != NONE:
        s.transfers[m].turn = turn
        if root != NONE:  # it has arrived when both of its ends have the result
            s.to_come[m] *= 2
        if s.teams[team].joins or m == first:
            ask(s, m, now)
        m = s.members[m].following
    if root != NONE:
        s.transfers[root].turn = turn
        ask(s, root, now)


@inner
def met(s: State, p: int, now: int) -> int:
    """Packet p of a team is at a switch; returns the packet that goes on alone, `NONE`: none."""
    team = s.members[s.packets[p].transfer].team
    root = s.teams[team].root
    if s.teams[team].joins:
        at = s.teams[team].parts + s.copies[p].number
        s.parts[at].came += 1
        if s.parts[at].came == 1:
            s.parts[at].held = p
        else:
            _add(s, s.parts[at].held, p)
        if s.parts[at].came < s.teams[team].inputs:
            return NONE
        p = s.parts[at].held
        if not s.teams[team].copies:
            return int(p)
    s.copies[p].left = 0
    m = s.teams[team].first
    while m != NONE:
        _copy(s, p, m, s.transfers[m].entry if root == NONE else s.members[m].back, now)
        m = s.members[m].following
    if root != NONE:
        _copy(s, p, root, s.members[root].back, now)
    return NONE


@inner
def _add(s: State, held: int, p: int) -> None:
    """Add packet p, which is at a switch, to the partial result: its room is free again."""
    k = s.packets[p].link
    s.queues[credit_of(s, k, s.packets[p].kind)].credit += s.packets[p].cells
    if not s.links[k].waking:
        ready_to_send(s, k)
    if s.head > 0:
        s.tails[held] = max(s.tails[held], s.tails[p])
    s.free_packets[s.n[FREE]] = p
    s.n[FREE] += 1


@inner
def _copy(s: State, p: int, i: int, entry: int, now: int) -> None:
    """Send a copy of packet p on for transfer i, as a path goes on that begins with ``entry``."""
    s.n[FREE] -= 1
    c = s.free_packets[s.n[FREE]]
    kind, member = s.packets[p].kind, s.links[s.packets[p].link].member
    s.packets[c] = s.packets[p]
    s.packets[c].transfer, s.packets[c].entry = i, NONE
    s.copies[c].of = p
    s.copies[p].left += 1
    if s.head > 0:
        s.tails[c] = s.tails[p]
    if s.watching:
        s.marks[c] = s.marks[p]
    then = s.entries[entry].then
    port = in_turn(s, then, member, kind)
    deal(s, then, then, member, kind)
    enqueue(s, port, kind, c, now)
    if not s.links[port].waking:
        ready_to_send(s, port)


@inner
def leaves_room(s: State, p: int) -> bool:
    """Whether packet p, which leaves a switch, leaves its room: a copy does not but the last."""
    of = s.copies[p].of
    if of == NONE:
        return True
    s.copies[p].of = NONE
    s.copies[of].left -= 1
    if s.copies[of].left > 0:
        return False
    s.free_packets[s.n[FREE]] = of
    s.n[FREE] += 1
    return True


@inner
def got_by_all(s: State, i: int) -> bool:
    """Whether what arrives of transfer i, of a team, has arrived of each of its transfers."""
    team = s.members[i].team
    return bool(not s.teams[team].copies or i == s.teams[team].root)


@inner
def leave_team(s: State, i: int) -> None:
    """Transfer i has ended; with the last one the team is no more."""
    team, root = s.members[i].team, s.teams[s.members[i].team].root
    s.members[i].team = NONE
    s.teams[team].left -= 1
    if s.teams[team].left == 0 and root != NONE:
        s.members[root].team = NONE
        s.free_transfers[s.n[UNUSED]] = root
        s.n[UNUSED] += 1
