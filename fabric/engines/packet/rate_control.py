"""DCQCN: senders slow down when receivers say that their packets were marked, and recover.

Zhu et al., "Congestion Control for Large-Scale RDMA Deployments" (SIGCOMM 2015). A receiver of
marked packets sends a warning (CNP) to the sender, at most one in each interval. A sender then
remembers its rate as its ``target`` and lowers it by half of ``alpha``, its estimate of how often
it is warned. Without warnings it rises again, at each tick of a timer and each so many bytes: in
the first rounds half of the way to the target, then the target rises, too. A rate is a fraction of
what the transfer's first links carry together. Timers are looked at when a packet is sent, as
nothing depends on the rate before.
"""

from fabric.engines.packet.state import State
from topology.compiled import inner

_NOTHING = 1e-18  # an alpha below which another tick changes nothing


@inner
def slow_down(s: State, i: int, now: int) -> None:
    """A warning has come to the sender of transfer i."""
    f, rules = s.flows, s.rules
    if f[i].rate >= 1.0:  # nothing is remembered of a sender that is not held back
        f[i].alpha = 1.0
    else:
        _catch_up(s, i, now)
    f[i].target = f[i].rate
    f[i].rate = max(f[i].rate * (1.0 - f[i].alpha / 2.0), rules.least)
    f[i].alpha = (1.0 - rules.gain) * f[i].alpha + rules.gain
    f[i].alpha_at, f[i].rate_at = now + rules.alpha_timer, now + rules.rate_timer
    f[i].bytes, f[i].by_time, f[i].by_bytes = 0, 0, 0
    _set_gap(s, i)


@inner
def note_sent(s: State, i: int, size: int, now: int) -> None:
    """Transfer i has sent so many bytes; its rate rises if it is time."""
    f, rules = s.flows, s.rules
    if f[i].rate >= 1.0:
        return
    _catch_up(s, i, now)
    f[i].bytes += size
    while f[i].bytes >= rules.rate_bytes:
        f[i].bytes -= rules.rate_bytes
        f[i].by_bytes += 1
        _rise(s, i)
    _set_gap(s, i)


@inner
def _catch_up(s: State, i: int, now: int) -> None:
    """Let all ticks of the timers happen that are due."""
    f, rules = s.flows, s.rules
    while f[i].alpha_at <= now and f[i].alpha > _NOTHING:
        f[i].alpha *= 1.0 - rules.gain
        f[i].alpha_at += rules.alpha_timer
    while f[i].rate_at <= now and f[i].rate < 1.0:
        f[i].rate_at += rules.rate_timer
        f[i].by_time += 1
        _rise(s, i)


@inner
def _rise(s: State, i: int) -> None:
    """A round of the timer or of the bytes is over."""
    f, rules = s.flows, s.rules
    rounds, least = max(f[i].by_time, f[i].by_bytes), min(f[i].by_time, f[i].by_bytes)
    if least > rules.rounds:
        f[i].target += rules.hyper * (least - rules.rounds)
    elif rounds > rules.rounds:
        f[i].target += rules.increase
    f[i].target = min(f[i].target, 1.0)
    f[i].rate = (f[i].target + f[i].rate) / 2.0
    if f[i].rate > 1.0 - 1e-6:
        f[i].rate = 1.0


@inner
def _set_gap(s: State, i: int) -> None:
    """Let the limit of the pair be that of its rate, where this is lower."""
    s.transfers[i].gap = max(s.flows[i].own, s.flows[i].line / s.flows[i].rate)
