"""What may be sent: transfers that have a packet wait in lists, and links look into them."""

from fabric.engines.packet.state import NONE, ON_STACK, State, sender_of
from topology.compiled import lean_inlined


@lean_inlined
def ready_to_send(s: State, k: int) -> None:
    """Note that link k may be able to send something."""
    if not s.links[k].stacked:
        s.links[k].stacked = True
        s.stack[s.n[ON_STACK]] = k
        s.n[ON_STACK] += 1


@lean_inlined
def offer(s: State, i: int) -> bool:
    """Put transfer i at the end of its sender's list; returns True if that was empty."""
    senders, transfers = s.senders, s.transfers
    kind, of = transfers[i].kind, transfers[i].set
    sender = sender_of(of, kind)
    transfers[i].behind = NONE
    empty = senders[sender].head == NONE
    if empty:
        senders[sender].head = i
        s.sets[of].mask |= 1 << kind
    else:
        transfers[senders[sender].tail].behind = i
    senders[sender].tail = i
    return bool(empty)


@lean_inlined
def wake_links(s: State, of: int) -> None:
    """The links of a set may have something to send."""
    for x in range(s.sets[of].begin, s.sets[of].end):
        k = s.set_links[x]
        if not s.links[k].waking:
            ready_to_send(s, k)
