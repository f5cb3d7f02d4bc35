"""Which way a packet takes: the links of a bundle are dealt packets in turn.

At an endpoint each transfer deals its packets to the links in turn, and transfers begin at one link
after another: so all links of the endpoint are loaded evenly, and so are those of every receiver.

At a switch all packets of a class are dealt in turn. Each round gives every link one packet, and
begins a link further than the one before; after as many rounds as there are links it begins
anywhere: where rounds are all alike, packets to one peer may all meet the same link.

With the routing `packet-hash` each packet takes a random one. With `adaptive` it takes the link of
the bundle with the least load as it gets there, the packets of its class that wait for the link
and the one that is being sent; but the one whose turn it is if no other has less by `_MARGIN`.
"""

from fabric.engines.packet.state import (
    BY_DICE,
    IN_TURN,
    NONE,
    NOW,
    State,
    is_of_team,
    queue_of,
)
from topology.compiled import inner, lean_inlined

GOLDEN = 0.6180339887498949
"""Its multiples are spread evenly over 0 to 1, however many."""

_FACTOR, _SUMMAND = 6364136223846793005, 1442695040888963407  # of Knuth's MMIX generator
_OTHER = 3935559000370003845  # of another generator (L'Ecuyer 1999), so that choices differ
_POSITIVE = (1 << 31) - 1
_MARGIN = 3  # packets; an assumption: what adapts to less makes waves where all is even


@lean_inlined
def ahead(s: State, entry: int, member: int, kind: int) -> int:
    """Which of the bundles of a path's state, from ``entry`` on, the next packet takes."""
    entries = s.entries
    last = entry + entries[entry].more - 1
    if last == entry:
        return entry
    group = s.bundles[entries[entry].resource].group + member
    dealt = s.groups[group * len(s.kinds) + kind].dealt
    part = (dealt * GOLDEN) % 1.0
    if s.choice == BY_DICE:
        dice = s.groups[group * len(s.kinds) + kind].dice * _OTHER + _SUMMAND
        part = ((dice >> 33) & _POSITIVE) / (_POSITIVE + 1.0)
    k = entry
    while k < last and part >= entries[k].share:
        k += 1
    return k


@lean_inlined
def in_turn(s: State, chosen: int, member: int, kind: int) -> int:
    """The link of a bundle whose turn it is at one of the vertices that it starts from."""
    bundle = s.bundles[s.entries[chosen].resource]
    if bundle.fan == 1:
        return int(s.bundle_links[bundle.first + member])
    turn = s.groups[(bundle.group + member) * len(s.kinds) + kind].turn
    if s.choice != IN_TURN:
        return _chosen(s, bundle.first + member * bundle.fan, bundle.fan, bundle.group + member,
                       kind, turn)  # fmt: skip
    return int(s.bundle_links[bundle.first + member * bundle.fan + turn])


@lean_inlined
def own_turn(s: State, i: int, chosen: int) -> int:
    """The link of an endpoint's bundle whose turn it is for transfer i."""
    bundle = s.bundles[s.entries[chosen].resource]
    if s.transfers[i].turn == NONE:  # transfers begin at one link after another
        group = bundle.group * len(s.kinds) + s.transfers[i].kind
        turn = s.groups[group].turn
        s.transfers[i].turn = turn
        s.groups[group].turn = turn + 1 if turn + 1 < bundle.fan else 0
    if s.choice != IN_TURN and bundle.fan > 1 and not is_of_team(s, i):
        turn = s.transfers[i].turn % bundle.fan
        return _chosen(s, bundle.first, bundle.fan, bundle.group, s.transfers[i].kind, turn)
    return int(s.bundle_links[bundle.first + s.transfers[i].turn % bundle.fan])


@inner
def _chosen(s: State, first: int, fan: int, group: int, kind: int, turn: int) -> int:
    """The link that a packet takes of ``fan`` from ``first`` on, by dice or by what waits."""
    if s.choice == BY_DICE:
        dice = s.groups[group * len(s.kinds) + kind].dice
        return int(s.bundle_links[first + ((dice >> 33) & _POSITIVE) % fan])
    best, least = NONE, 0
    for x in range(fan):
        k = s.bundle_links[first + (turn + x) % fan]
        load = s.queues[queue_of(len(s.links), k, kind)].waiting + int(s.links[k].free > s.n[NOW])
        if best == NONE:
            best, least = k, load - _MARGIN + 1
        elif load < least:
            best, least = k, load
    return int(best)


@lean_inlined
def deal_own(s: State, i: int, entry: int) -> None:
    """Note that a packet of transfer i took the link whose turn it was."""
    s.transfers[i].turn += 1
    if s.choice == BY_DICE:
        _roll(s, s.bundles[s.entries[entry].resource].group * len(s.kinds) + s.transfers[i].kind)
    if s.entries[entry].more > 1:
        group = s.bundles[s.entries[entry].resource].group
        s.groups[group * len(s.kinds) + s.transfers[i].kind].dealt += 1


@lean_inlined
def deal(s: State, entry: int, chosen: int, member: int, kind: int) -> None:
    """Note that a packet took the link whose turn it was, of the bundle of entry ``chosen``."""
    groups, bundles, entries = s.groups, s.bundles, s.entries
    if entries[entry].more > 1:
        group = bundles[entries[entry].resource].group + member
        groups[group * len(s.kinds) + kind].dealt += 1
    bundle = bundles[entries[chosen].resource]
    if bundle.fan == 1:
        return
    group = (bundle.group + member) * len(s.kinds) + kind
    if s.choice == BY_DICE:
        _roll(s, group)
        return
    turn = groups[group].turn + 1
    groups[group].left -= 1
    if groups[group].left == 0:
        dice = groups[group].dice * _FACTOR + _SUMMAND
        groups[group].dice = dice
        groups[group].left = bundle.fan * bundle.fan
        turn = (dice >> 33) & _POSITIVE
    elif groups[group].left % bundle.fan == 0:
        turn += 1
    groups[group].turn = turn if turn < bundle.fan else turn % bundle.fan


@inner
def _roll(s: State, group: int) -> None:
    """Throw the dice of a group and class anew."""
    s.groups[group].dice = s.groups[group].dice * _FACTOR + _SUMMAND
