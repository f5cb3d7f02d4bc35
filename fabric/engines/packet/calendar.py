"""The order of events: a calendar of short buckets for links and packets, a heap for the rest.

Events of the same picosecond are handled so: what the heap holds of links and packets, then
transfers in their order, then the calendar's, each in the order in which they were caused.
"""

from fabric.engines.packet.state import (
    AT,
    COUNTED,
    CURSOR,
    LAST_TIME,
    NONE,
    OPENED,
    PENDING,
    TIMERS,
    WIRE,
    Ints,
    Longs,
    Records,
    State,
)
from topology.compiled import inner, lean, lean_inlined
from topology.prefetch import prefetch

_FEW = 24  # events that are sorted by insertion
_OF_TRANSFERS = 1 << 60  # ranks in the heap: links and packets, by number, come before transfers


@lean_inlined
def schedule(s: State, node: int, time: int) -> None:
    """Let the event of a link or packet happen at ``time``."""
    n, nodes, buckets = s.n, s.nodes, s.buckets
    nodes[node].when = time
    bucket = time >> s.shift
    ahead = bucket - n[CURSOR]
    if ahead <= 0 or ahead >= len(buckets):
        n[COUNTED] += 1
        push(s.heap, n, time, n[COUNTED], node * 4 + WIRE)
        return
    at = bucket & (len(buckets) - 1)
    nodes[node].following = NONE
    if buckets[at].head == NONE:
        buckets[at].head = node
    else:
        nodes[buckets[at].tail].following = node
    buckets[at].tail = node
    n[PENDING] += 1


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
    n, nodes, buckets = s.n, s.nodes, s.buckets
    timer = s.heap[0].time if n[TIMERS] > 0 else LAST_TIME
    if n[AT] < n[OPENED]:
        return int(min(timer, nodes[s.opened[n[AT]]].when))
    last, ring, bucket = min(timer, until) >> s.shift, len(buckets) - 1, n[CURSOR]
    if n[PENDING] == 0:
        n[CURSOR] = max(bucket, last)
        return int(timer)
    while bucket < last and buckets[bucket & ring].head == NONE:
        bucket += 1
    n[CURSOR] = bucket
    if buckets[bucket & ring].head == NONE:
        return int(timer) if timer <= until else until + 1
    _open(s, bucket & ring)
    return int(min(timer, nodes[s.opened[0]].when))


@lean_inlined
def _open(s: State, at: int) -> None:
    """Take the events of a bucket, and sort them; those of one instant stay in order."""
    n, nodes, opened, links = s.n, s.nodes, s.opened, len(s.links)
    node, count = s.buckets[at].head, 0
    while node != NONE:
        k, time = count, nodes[node].when
        if count < _FEW:
            while k > 0 and nodes[opened[k - 1]].when > time:
                opened[k] = opened[k - 1]
                k -= 1
        opened[k] = node
        count += 1
        if node >= links:
            prefetch(s.packets, node - links)
            if s.watching:
                prefetch(s.marks, node - links)
        node = nodes[node].following
    s.buckets[at].head = NONE
    n[PENDING] -= count
    n[AT], n[OPENED] = 0, count
    if count > _FEW:
        _sort(opened, s.spare, nodes, count)


@inner
def _sort(order: Ints, spare: Ints, nodes: Records, n: int) -> None:
    """Sort the first ``n`` nodes by time, stably: by merging, which costs little if they are."""
    width = 1
    while width < n:
        for low in range(0, n - width, 2 * width):
            middle, high = low + width, min(low + 2 * width, n)
            if nodes[order[middle - 1]].when <= nodes[order[middle]].when:
                continue
            i, j = low, middle
            for k in range(low, high):
                if i < middle and (j >= high or nodes[order[i]].when <= nodes[order[j]].when):
                    spare[k] = order[i]
                    i += 1
                else:
                    spare[k] = order[j]
                    j += 1
            for k in range(low, high):
                order[k] = spare[k]
        width *= 2
