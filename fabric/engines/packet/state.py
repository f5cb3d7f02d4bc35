"""The state of the packet engine: records of links, paths, packets, transfers and ranks.

Times are whole picoseconds, int64. A *queue* is a link's of one traffic class: number
``class * links + link``, for the packets that wait to be sent over the link. A *sender* is what is
to be sent in one class over a set of links that paths begin with: number ``set * CLASSES + class``.

Each kind of thing is one array of records, so that a kernel touches few cache lines for each.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from topology.by_reference import by_reference
from topology.compiled import lean_inlined
from topology.prefetch import LINE

Bytes = NDArray[np.int8]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Records = Any
"""An array of one of the kinds of records in `RECORDS`: numba knows its fields, mypy does not."""

NONE = -1
"""No packet, transfer, link or path entry."""

NO_ROOM = -2
"""As the ``stalled`` of a sender: it waits for room for packets in memory."""

PICOSECONDS = 1e12
"""In a second."""

LAST_TIME = 1 << 61
"""Picoseconds, 26 days: no event may lie later."""

CLASSES = 16
"""Traffic classes: a UB link has up to 16 virtual lanes (UB Base Specification 2.0.1)."""

(NOW, CURSOR, AT, OPENED, PENDING, TIMERS, COUNTED, FREE, UNUSED, ENDED, ON_STACK,
 HOPS, WIDTH, MOVING, FRAMES, ALARMS, BEGUN, SPARE, BLOCKS) = range(19)  # fmt: skip
"""What the numbers of `State.n` are: the time; the calendar's bucket; of the opened bucket, how
many events are handled and how many there were; events in the calendar; in the heap; links and
packets put into the heap so far; free packets; free transfers; lanes that have ended since last
asked; links on the stack; packet-hops so far; the binary logarithm of stretches of time; the first
block of the calendar that is free again, `NONE` for none; blocks used so far. With RoCE:
transfers that have set out and have not arrived; pause frames on their way; alarms of transfers
that are in the heap; packets that links have begun to send so far."""

PAIR, CLASS, INITIATOR = range(3)
"""The limits that a packet passes before it goes, in this order."""

WIRE, TRANSFER, AGAIN, ROCE = range(4)
"""What an entry of the heap is of: a link or packet, a transfer, a sender that had no room; or of
RoCE, see `ALARM`."""

ALARM, RESUME, PAUSE = range(3)
"""What an entry ``(number * 4 + this) * 4 + ROCE`` of the heap is: a transfer's alarm, which rings
when nothing was acknowledged for long; a frame for a queue that lets it go on, or stop."""

IN_TURN, BY_DICE, BY_LOAD = range(3)
"""How a packet's link is chosen among those of a bundle, see `fabric.engines.packet.spraying`."""


def _record(fields: Sequence[tuple[str, str]]) -> np.dtype[np.void]:
    """A record whose size divides a `LINE`, or is some: so it lies in no more than it must."""
    names = [(one, kind) for kind, names in fields for one in names.split()]
    packed = np.dtype(names, align=True)
    size = packed.itemsize
    places: Mapping[str, Any] = packed.fields or {}
    whole = 1 << (size - 1).bit_length() if size <= LINE else -(-size // LINE) * LINE
    layout = {"names": [one for one, _ in names], "formats": [kind for _, kind in names],
              "offsets": [places[one][1] for one, _ in names], "itemsize": whole}  # fmt: skip
    made: np.dtype[np.void] = np.dtype(layout, align=True)  # type: ignore[call-overload]
    return made


RECORDS: Mapping[str, np.dtype[np.void]] = MappingProxyType({
    name: _record(fields)
    for name, fields in {
        "buckets": [("i4", "first last left")],
        "heap": [("i8", "time rank what")],
        "links": [("f8", "per_byte"), ("i8", "latency free mask when"), ("i4", "begin end member"),
                  ("?", "waking stacked")],
        "queues": [("i8", "credit"), ("i4", "first last waiting")],
        "entries": [("f8", "share"), ("i4", "resource more then")],
        "bundles": [("i4", "first fan group")],
        "groups": [("i8", "dealt dice"), ("i4", "turn left")],
        "kinds": [("f8", "limit slowness"), ("i4", "alike lead")],
        "shares": [("f8", "tag reached")],
        "promises": [("f8", "tag slowness")],
        "initiators": [("i8", "until"), ("i4", "mask"), ("?", "busy")],
        "waiting": [("i4", "first last")],
        "senders": [("i4", "head tail stalled ahead")],
        "sets": [("i8", "mask"), ("i4", "begin end")],
        "packets": [("f8", "wire crossing"), ("i8", "when"),
                    ("i4", "transfer link entry size cells behind kind")],
        "transfers": [  # a line for what a packet is made from, one for limits, and one for ranks
            ("i8", "to_send"), ("f8", "stretch crossing gap initiator"),
            ("i4", "entry set turn behind"), ("i2", "kind ready"), ("?", "roce ordered"),
            ("i8", "made order paced passed step delay"), ("i4", "granted rank missing asked"),
            ("i8", "start src_cost dst_cost latency back"),
            ("i4", "src dst home next_of_src next_of_dst asks_behind"),
        ],
        "marks": [("i8", "made since"), ("i4", "number")],
        "sent": [("i4", "made latest")],
        "depths": [("i8", "since waiting most"), ("i4", "window")],
        "lanes": [("i8", "ready cost"), ("i4", "head tail open")],
        "ports": [("i8", "held over headroom bytes low high dice since paused pauses dropped"),
                  ("f8", "loss"), ("?", "pausing stopped")],
        "switches": [("i8", "used room")],
        "labels": [("i4", "number upto"), ("?", "marked returning refused warned lost")],
        "flows": [
            ("i8", "total deadline begun cnp alpha_at rate_at bytes"),
            ("f8", "alpha rate target line own"),
            ("i4", "next first top seen lost expected asked out by_time by_bytes"),
            ("?", "idle done alarm"),
        ],
        "losses": [("i8", "dropped resent marked warned doubled faulty faulty_bytes")],
        "teams": [("i8", "size"), ("i4", "first root inputs waits left parts turn"),
                  ("?", "joins copies")],
        "members": [("i4", "team following back")],
        "parts": [("i4", "came held")],
        "copies": [("i4", "of left number")],
    }.items()
})  # fmt: skip
"""The fields of each kind of record; what they mean is said in `State`."""


class RoceRules(NamedTuple):
    """How RoCE planes work: what their options say, in picoseconds and bytes.

    ``window``: packets of a transfer that may be under way; ``go_back``: True if the receiver takes
    packets in order only; ``timeout``; ``reordering``: packets by which one may be overtaken that
    is not lost, `NONE`: as many as the ways of the transfer allow. ``pfc``; ``xoff``: bytes of an
    ingress at which it pauses, `NONE`: an eighth of what is free; ``resume``: bytes less than that
    at which it lets go on; ``frame``: bytes of a pause frame. ``dcqcn``; ``most``: the probability
    of a mark at the upper threshold; ``gain``, ``cnp``, ``alpha_timer``, ``rate_timer``,
    ``rate_bytes``, ``rounds``: DCQCN's; ``increase``, ``hyper``, ``least``: rates, as fractions of
    what a transfer's first links carry.
    """

    window: int
    go_back: bool
    timeout: int
    reordering: int
    pfc: bool
    xoff: int
    resume: int
    frame: int
    dcqcn: bool
    most: float
    gain: float
    cnp: int
    alpha_timer: int
    rate_timer: int
    rate_bytes: int
    rounds: int
    increase: float
    hyper: float
    least: float


@by_reference
class State(NamedTuple):
    """All of the engine's state.

    ``n``: counters, see `NOW`. ``mtu``, ``header``, ``cell``: bytes; ``full``: cells of the largest
    packet.

    Events: a calendar of ``buckets`` of ``1 << shift`` ps, see `fabric.engines.packet.calendar`:
    their ``first`` and ``last`` blocks of ``events``, `NONE` for none, and for how many there is
    room ``left`` in that. A link's event is that it is free again, a packet's its arrival; ``when``
    that is, or was last. ``opened``: the events of the bucket that is being handled, in order of
    time; ``spare``: working memory. ``heap``: what is too far away, in order of time, then rank.

    Classes (``kinds``), the higher the number the higher the priority: ``limit``, ps a byte that a
    rank's transfers of the class have together, 0: no limit; ``slowness``, 1 / weight; ``alike``,
    bit c: class c has the same priority; ``lead``, the first of them. ``shares``, of link or
    initiator and class, see `fabric.engines.packet.priority`; none if all priorities differ.
    ``promises``, of the same, see `fabric.engines.packet.promises`; none if nothing is promised:
    ``slowness``, 1 / the share of the time that a class is promised, 0: nothing; ``tag``, ps.
    ``apart``: 1, or 0 if the classes of a link share one buffer.

    Links: ``per_byte`` and ``latency`` (ps); ``member``, which of the vertices that nothing tells
    apart it leads to; ``free``, when its last packet has been sent; ``waking``, an event at that
    time is due; ``mask``, bit c: packets of class c wait; its sets are
    ``link_sets[begin:end]``. Queues: ``first`` and ``last`` packet, ``waiting``, how many;
    ``credit``, free cells at the link's end. ``stack``: links that may be able to send.

    Path entries: at each state of a path a packet has ``more`` bundles to choose from, an entry and
    the ones behind it; ``share``, the part of the packets that goes over this or one before;
    ``then``, the first entry of the state behind it, `NONE` at the end. Bundles (``resource``):
    each vertex that it starts from has ``fan`` of its links, those of member m from
    ``bundle_links[first + m * fan]`` on, which are dealt packets in turn, see
    `fabric.engines.packet.spraying`: of group ``group + m`` it is ``turn``'s, ``left`` packets are
    left of its rounds, the ``dice`` say where the next ones begin; ``dealt``, packets that had
    several bundles to choose from; ``choice``: one of `IN_TURN`, `BY_DICE`, `BY_LOAD`. Each class
    has its own, at ``group * classes + class``.

    Sets of links that paths begin with: ``set_links[begin:end]``, ``mask``, bit c: there is
    something to send of class c. Senders: ``head``, ``tail``, transfers in a list that take turns;
    ``stalled``: the link whose turn it is and that is full, `NONE` or `NO_ROOM`; ``ahead``, up to
    which transfer memory was read ahead, or `NONE`. ``depth``: packets that may wait at a link of
    an endpoint.

    Packets: ``transfer``; the ``link`` that it is on or came over; the path ``entry`` after that;
    ``size``, bytes of payload; ``wire``, bytes that a link is busy for; ``crossing``, which part of
    the links' latencies it takes (the rest is in its stack's); ``cells`` of a buffer;
    ``behind``, the next in its queue; ``kind``, the class. ``free_packets[:n[FREE]]``. With
    cut-through, ``head``, the bytes that a switch has to have of a packet to pass it on, and
    ``tails``, when the last byte of each is at the end of its link; else 0, and none.

    Transfers (streams): ``src``, ``dst``, lanes; ``rank``, whose limit as an initiator counts;
    ``to_send``, and in the array `to_come` what has not arrived, bytes; ``delay``, ps until its
    first packet may go; ``latency``, ps that it takes without packets; ``src_cost``, ``dst_cost``,
    ps; ``gap``, ``initiator``, ps a byte by the limits of pair and initiator, 0: no limit;
    ``paced``, when the pair's limit lets the next packet go; ``granted``, the limit that has the
    next packet, see `PAIR`; ``asked``, 1 if one has; ``asks_behind``, the next in the initiator's
    list, and with 1 class ``made``, when that has made the packet; ``passed``, when its class's
    limit has made the packet before; ``ready``, packets that have passed all limits, where there
    are any;
    ``entry`` of its path, `NONE` for a copy inside a rank; ``set``; ``turn``, of the links of its
    endpoint, `NONE` before its first packet; ``stretch``, bytes on a link for each byte;
    ``crossing``, as of its packets; ``missing``, lanes that have not reached its step, `NONE` once
    it moves; ``start``, ps; ``order`` among those that begin together; ``home``, its place in
    ``start`` and ``finish`` (ps) or `NONE`; ``next_of_src``, ``next_of_dst``, the next of the
    lanes' rows; ``behind``, in its sender's list.
    ``free_transfers[:n[UNUSED]]``.

    Lanes, one rank's part in one call: ``head``, ``tail``, its rows that it has not begun;
    ``open``, rows begun that have not ended; ``ready``, when it reached its step; ``cost`` of its
    step so far. ``ended[:n[ENDED]]``.

    ``limited``: until when the limit of each rank's class (``rank * classes + class``) has packets;
    none if no class has one. Initiators, of each rank: ``until`` when it has packets, if there is 1
    class, those that it makes in the list ``waiting``; else whether it is ``busy`` with one, and
    ``mask``, bit c: transfers of class c wait for it, in the list ``waiting``.

    Statistics, see `fabric.engines.packet.watching`, if ``watching``; else the columns are empty.
    Packets (``marks``): ``made``, when; ``since`` when it waits; ``number`` in its transfer.
    Transfers (``sent``): ``made``, packets so far; ``latest``, the highest number that has arrived.
    Links (``depths``): ``since`` when so many bytes are ``waiting``, and the ``most`` of them in
    the stretch of time ``window``; ``peaks``, the same in each of ``1 << n[WIDTH]`` ps before,
    stretch by stretch. Classes: ``courses``, what became of their packets,
    `fabric.engines.packet.watching.FIELDS` numbers of each class in each stretch;
    ``latencies``, how many packets took the times of each bin.

    RoCE (`fabric.engines.packet.buffers`, `recovery`, `rate_control`), if ``roce`` has an item;
    else its columns are empty. That is a tuple so that the compiler leaves out what is not asked
    for. ``rules``: its options; ``frames``: pause frames that there is room for. ``ends``: the
    vertex at each link's end, `NONE` of a link without RoCE. Ports, one a queue: of what has come
    over the link and is still in the switch at its end,
    ``held`` bytes in the shared buffer and ``over`` in the port's own ``headroom``; ``bytes`` that
    wait for the link, ``low`` and ``high``, from where on they are marked, and the ``dice`` for
    that; ``pausing``, the switch has asked the link to stop, ``stopped``, it has, ``since`` when,
    how long in all (``paused``, ps) and how often (``pauses``); packets ``dropped`` at its end;
    ``loss``, the part of its packets that a fault takes, 1: the link is dead.
    Switches, one a vertex: bytes ``used`` of the shared buffer, of ``room``. Labels, one a packet:
    its ``number``; whether it was ``marked``; ``returning``, it is the receiver's answer now, which
    has all before ``upto``, and may have ``refused`` it or ``warned`` of congestion; ``lost``, a
    fault has taken it from the link that it is on.

    Flows, one a transfer (``transfers.roce``; ``back``, ps that answers take; ``ordered``, it has
    one way only). Sender: ``total`` bytes; packets ``next`` to send for the first time, ``first``
    that is not acknowledged, ``top``, how many were sent, ``seen``, up to where acknowledgements
    are looked at, ``lost``, how many are to be sent again; ``out``, its packets and answers under
    way; ``idle``, it has nothing that it may send; ``done``, it has arrived; ``alarm``, one is in
    the heap, ``deadline``, when it is due, ``begun``, see `BEGUN`, when it rang last. Receiver:
    ``expected``, the first that has not arrived; ``asked``, for which it has asked; ``cnp``, when
    it warned last. Rate control, see `rate_control`. ``numbers``: of each transfer's packets in
    its window, see `recovery`. ``losses``: counts by class.

    What switches combine or copy (`fabric.engines.packet.in_a_switch`), if there are ``teams``;
    else its columns are empty. A team: ``size``, bytes of each of its transfers; ``first`` of them;
    whether it ``joins`` packets and ``copies`` what comes of it; ``root``, where it does both, the
    transfer of the rank's own part, else `NONE`; ``inputs``, how many send packets; ``waits``, how
    many may not set out yet; ``left``, how many have not ended; its ``parts`` begin there;
    ``turn``, which of the links of an endpoint its first packets take. Members, one a transfer: its
    ``team`` or `NONE`; the one ``following`` in it; ``back``, where the path the other way begins.
    Parts, of each packet of a team: how many ``came``, and the first of them, which is ``held``.
    Copies, one a packet: which packet it is a copy ``of`` or `NONE`; how many copies of it are
    ``left``; its ``number`` in its transfer. ``reserve``: free packets that there have to be before
    an event.
    """

    n: Longs
    shift: int
    mtu: int
    header: int
    cell: int
    full: int
    depth: int
    buckets: Records
    events: Longs
    opened: Longs
    spare: Longs
    heap: Records
    apart: int
    head: int
    tails: Longs
    kinds: Records
    shares: Records
    promises: Records
    links: Records
    queues: Records
    link_sets: Ints
    stack: Ints
    entries: Records
    bundles: Records
    bundle_links: Ints
    choice: int
    groups: Records
    sets: Records
    set_links: Ints
    senders: Records
    packets: Records
    free_packets: Ints
    transfers: Records
    to_come: Longs
    free_transfers: Ints
    lanes: Records
    ended: Ints
    watching: bool
    marks: Records
    sent: Records
    depths: Records
    peaks: Longs
    courses: Longs
    latencies: Longs
    limited: Longs
    initiators: Records
    waiting: Records
    start: Longs
    finish: Longs
    roce: tuple[bool, ...]
    rules: RoceRules
    frames: int
    ends: Ints
    ports: Records
    switches: Records
    labels: Records
    flows: Records
    numbers: Bytes
    losses: Records
    teams: Records
    members: Records
    parts: Records
    copies: Records
    reserve: int


@lean_inlined
def credit_of(s: State, k: int, kind: int) -> int:
    """The queue that has the credit of a class on link k."""
    return queue_of(len(s.links), k, kind * s.apart)


@lean_inlined
def queue_of(links: int, k: int, kind: int) -> int:
    """The queue of link k, one of ``links``, for packets of a class."""
    return kind * links + k


@lean_inlined
def sender_of(of: int, kind: int) -> int:
    """The sender of a class over a set of links."""
    return of * CLASSES + kind


@lean_inlined
def is_of_team(s: State, i: int) -> bool:
    """Whether switches combine or copy packets of transfer i."""
    return bool(len(s.teams) > 0 and s.members[i].team != NONE)
