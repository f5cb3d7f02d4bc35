"""The order of events: a calendar of short buckets for links and packets, a heap for the rest.

A bucket is a list of blocks, each a line of memory: what comes behind it, unless it is the last,
and its events, of which each is one number, the time since the begin of the bucket before the link
or packet.

Events of the same picosecond are handled so: what the heap holds of links and packets, then
transfers in their order, then the calendar's, each in the order in which they were caused.
"""

from fabric.engines.packet.state import (
    AT,
    BLOCKS,
    COUNTED,
    CURSOR,
    LAST_TIME,
    NONE,
    OPENED,
    PENDING,
    SPARE,
    TIMERS,
    WIRE,
    Longs,
    Records,
    State,
)
from topology.compiled import inner, lean, lean_inlined
from topology.prefetch import prefetch

BLOCK = 8
"""Numbers of a block, one of which says what comes behind it."""

LONGEST = 30
"""The binary logarithm of a bucket's picoseconds at most, so that an event is one number."""

_TIME = 32  # bits before the time of an event: those of a link or packet
NODE = (1 << _TIME) - 1
"""The bits of an event that say of which link or packet it is."""

_FEW = 24  # events that are sorted by insertion
_OF_TRANSFERS = 1 << 60  # ranks in the heap: links and packets, by number, come before transfers


@lean_inlined
def node_of(event: int) -> int:
    """The link or packet of an event in a bucket."""
    return event & NODE


@lean_inlined
def schedule(s: State, node: int, time: int) -> None:
    """Let the event of a link or packet happen at ``time``."""
    n, buckets, events, links = s.n, s.buckets, s.events, len(s.links)
    if node < links:
        s.links[node].when = time
    else:
        s.packets[node - links].when = time
    bucket = time >> s.shift
    ahead = bucket - n[CURSOR]
    if ahead <= 0 or ahead >= len(buckets):
        n[COUNTED] += 1
        push(s.heap, n, time, n[COUNTED], node * 4 + WIRE)
        return
    at = bucket & (len(buckets) - 1)
    block = buckets[at].last
    if block == NONE or buckets[at].left == 0:
        block = _new_block(s, at)
    buckets[at].left -= 1
    events[(block + 1) * BLOCK - 1 - buckets[at].left] = (
        time - (bucket << s.shift)
    ) << _TIME | node
    n[PENDING] += 1


@lean_inlined
def _new_block(s: State, at: int) -> int:
    """Put a block, with room for events, at the end of a bucket."""
    n, buckets, events = s.n, s.buckets, s.events
    block = n[SPARE]
    if block == NONE:  # all that were used are in use
        block = n[BLOCKS]
        n[BLOCKS] += 1
    else:
        n[SPARE] = events[block * BLOCK]
    if buckets[at].last == NONE:
        buckets[at].first = block
    else:
        events[buckets[at].last * BLOCK] = block
    buckets[at].last, buckets[at].left = block, BLOCK - 1
    return int(block)


@lean_inlined
def later(s: State, time: int, order: int, what: int) -> None:
    """Let something happen to a transfer or sender at ``time``; ``order``: among such."""
    push(s.heap, s.n, time, _OF_TRANSFERS + order, what)


@lean
def push(heap: Records, n: Longs, time: int, rank: int, what: int) -> None:
    """Put an entry into the heap."""
    k = n[TIMERS]
    n[TIMERS] = k + 1
    while k > 0:
        parent = (k - 1) >> 1
        before = heap[parent]
        if before.time < time or (before.time == time and before.rank <= rank):
            break
        heap[k] = before
        k = parent
    heap[k].time, heap[k].rank, heap[k].what = time, rank, what


@lean
def pop(heap: Records, n: Longs) -> int:
    """Take the first entry out of the heap; returns what it is."""
    found = heap[0].what
    top = n[TIMERS] - 1
    n[TIMERS] = top
    time, rank = heap[top].time, heap[top].rank
    k = 0
    while True:
        child = 2 * k + 1
        if child >= top:
            break
        other = child + 1
        if other < top and (
            heap[other].time < heap[child].time
            or (heap[other].time == heap[child].time and heap[other].rank < heap[child].rank)
        ):
            child = other
        if time < heap[child].time or (time == heap[child].time and rank <= heap[child].rank):
            break
        heap[k] = heap[child]
        k = child
    heap[k] = heap[top]
    return int(found)


@lean_inlined
def coming(s: State, until: int) -> int:
    """When the next event is, if that is ``until`` then; else some later time.

    Opens the bucket of the event if it is in one.
    """
    n, buckets = s.n, s.buckets
    timer = s.heap[0].time if n[TIMERS] > 0 else LAST_TIME
    if n[AT] < n[OPENED]:
        return int(min(timer, (n[CURSOR] << s.shift) + (s.opened[n[AT]] >> _TIME)))
    last, ring, bucket = min(timer, until) >> s.shift, len(buckets) - 1, n[CURSOR]
    if n[PENDING] == 0:
        n[CURSOR] = max(bucket, last)
        return int(timer)
    while bucket < last and buckets[bucket & ring].last == NONE:
        bucket += 1
    n[CURSOR] = bucket
    if buckets[bucket & ring].last == NONE:
        return int(timer) if timer <= until else until + 1
    _open(s, bucket & ring)
    return int(min(timer, (bucket << s.shift) + (s.opened[0] >> _TIME)))


@lean_inlined
def _open(s: State, at: int) -> None:
    """Take the events of a bucket, and sort them; those of one instant stay in order."""
    n, opened, events, links = s.n, s.opened, s.events, len(s.links)
    block, last, count = s.buckets[at].first, s.buckets[at].last, 0
    while block != NONE:
        following, end = events[block * BLOCK], (block + 1) * BLOCK
        if block == last:
            end -= s.buckets[at].left
            following = NONE
        for x in range(block * BLOCK + 1, end):
            event, k = events[x], count
            if count < _FEW:
                while k > 0 and opened[k - 1] >> _TIME > event >> _TIME:
                    opened[k] = opened[k - 1]
                    k -= 1
            opened[k] = event
            count += 1
            if node_of(event) >= links:
                prefetch(s.packets, node_of(event) - links)
                if s.watching:
                    prefetch(s.marks, node_of(event) - links)
        block = following
    events[last * BLOCK] = n[SPARE]
    n[SPARE] = s.buckets[at].first
    s.buckets[at].last = NONE
    n[PENDING] -= count
    n[AT], n[OPENED] = 0, count
    if count > _FEW:
        _sort(opened, s.spare, count)


@inner
def _sort(order: Longs, spare: Longs, n: int) -> None:
    """Sort the first ``n`` events by time, stably: by merging, which costs little if they are."""
    width = 1
    while width < n:
        for low in range(0, n - width, 2 * width):
            middle, high = low + width, min(low + 2 * width, n)
            if order[middle - 1] >> _TIME <= order[middle] >> _TIME:
                continue
            i, j = low, middle
            for k in range(low, high):
                if i < middle and (j >= high or order[i] >> _TIME <= order[j] >> _TIME):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
            for k in range(low, high):
                order[k] = spare[k]
        width *= 2
