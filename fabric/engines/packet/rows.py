"""What transfers load and cost, as the packet engine needs it: whole bytes and picoseconds."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fabric.endpoint.costs import Costs
from fabric.engines import in_switch
from fabric.engines.base import EngineError, Machine
from fabric.engines.columns import Streams
from fabric.engines.packet.kinds import PacketKinds
from fabric.engines.packet.network import Network, ps
from fabric.engines.packet.state import NONE, PICOSECONDS, Bools, Bytes, Floats, Ints, Longs
from fabric.engines.paths import FlowLoads
from fabric.schedule.in_switch import RETURNED


class Rows(NamedTuple):
    """Columns of transfers, see `State`; ``own``: of a rank to itself."""

    rank: Ints
    step: Longs
    to_send: Longs
    delay: Longs
    latency: Longs
    src_cost: Longs
    dst_cost: Longs
    gap: Floats
    initiator: Floats
    entry: Ints
    set: Ints
    stretch: Floats
    crossing: Floats
    kind: Bytes
    back: Longs
    roce: Bools
    ordered: Bools
    order: Longs
    own: Bools

    def pick(self, which: Longs) -> "Rows":
        """The rows of these numbers."""
        columns: list[Any] = [column[which] for column in self]
        return Rows(*columns)


NO_ROWS = Rows(*(
    np.zeros(0, kind) for kind in (
        np.int32, *[np.int64] * 6, *[np.float64] * 2, *[np.int32] * 2, *[np.float64] * 2, np.int8,
        np.int64, np.bool_, np.bool_, np.int64, np.bool_,
    )
))  # fmt: skip
"""No transfer."""


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of the ``parts`` one after another."""
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Rows(*columns)


def rows(
    machine: Machine, network: Network, kinds: PacketKinds, streams: Streams, path: Ints,
    loads: FlowLoads, costs: Costs, cut: Bools | None = None,
) -> Rows:  # fmt: skip
    """The rows of ``streams`` on these paths, between ranks of the machine.

    ``loads``: what `fabric.engines.paths.load` says of them; ``cut``: those that have no path left,
    which begin with the set of links that has none. Raises `EngineError` for a rate limit of ranks
    on one endpoint.
    """
    router, n = machine.router, np.int64(len(machine.places))
    entry, rate, sets = network.path[path], loads.limits[loads.limit], network.set[path]
    if cut is not None and cut.any():
        entry, sets = np.where(cut, 0, entry), np.where(cut, network.nowhere, sets)
    share = np.append(machine.paths.share(costs), 1.0)  # the last: for plane -1, of no links
    leaves = router.leaves_package[path] & (streams.src != streams.dst)
    initiator = PICOSECONDS / costs.initiator_bandwidth
    src, dst = streams.src.astype(np.int64), streams.dst.astype(np.int64)
    here, kind = entry == NONE, kinds.of(streams)
    _check_limits(kinds, streams, kind, here)
    if in_switch.asked(streams):  # what has come in an earlier step is not sent
        here |= streams.trait(in_switch.KIND) == RETURNED
        entry = np.where(here, NONE, entry)
    # A stack whose latencies were measured from end to end has the wire's in them, once.
    crossing = min(costs.crossings, 1.0)
    way = np.where(streams.src != streams.dst, router.table.latency[path], 0.0) * crossing
    return Rows(
        rank=streams.src, step=streams.step, to_send=streams.size.astype(np.int64),
        delay=ps(np.maximum(loads.latency - way, 0.0)),
        latency=ps(loads.latency + np.where(here, streams.size / rate, 0.0)),
        src_cost=ps(loads.src_cost), dst_cost=ps(loads.dst_cost),
        gap=PICOSECONDS / rate, initiator=np.where(leaves, initiator, 0.0),
        entry=entry.astype(np.int32),
        set=sets.astype(np.int32), stretch=1 / share[router.table.plane[path]],
        crossing=np.full(len(src), crossing), kind=kind,
        back=ps(way), roce=network.roce_path[path] & ~here & (streams.size > 0),
        ordered=network.ordered[path],
        order=((dst - src) % n * n + src) * len(kinds) + (len(kinds) - 1 - kind),
        own=streams.src == streams.dst,
    )  # fmt: skip


def _check_limits(kinds: PacketKinds, streams: Streams, kind: Bytes, here: Bools) -> None:
    """Raise `EngineError` where a rate limit would hold for bytes that cross no link."""
    limited = here & (kinds.limit[kind] > 0) & (streams.src != streams.dst)
    if limited.any():
        i = int(limited.argmax())
        raise EngineError(
            f"ranks {streams.src[i]} and {streams.dst[i]} are on one endpoint, for which the engine"
            f" packet does not model the rate limit of traffic class {kinds.names[kind[i]]}"
        )
