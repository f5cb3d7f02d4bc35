"""What the state of the engine has for RoCE planes, made from the network and the options."""

from typing import Any

import numpy as np

from fabric.engines.base import EngineError
from fabric.engines.packet.network import Network, mixed
from fabric.engines.packet.options import PacketOptions
from fabric.engines.packet.roce_options import GO_BACK
from fabric.engines.packet.state import (
    NONE,
    PICOSECONDS,
    RECORDS,
    Floats,
    Ints,
    Longs,
    RoceRules,
    State,
)
from topology.units import US

_FRAME = 64
"""Bytes of a pause frame (IEEE 802.1Qbb)."""

_RESUME = 3072
"""Bytes below the threshold at which a port lets its sender go on: HPCC's switch, resume_offset."""

_LOW, _HIGH = 16 * US, 64 * US
"""Seconds that a link takes for what waits at the two thresholds of marks; see `RoceOptions`."""

_UNLIMITED = 1000.0  # bytes a picosecond, 1 PB/s, of links without a limit

_PACKETS = 3  # that the headroom holds: the one that is too many, and one on its way at each end
_LONG_AGO = -(1 << 60)
_ROOM = 1 << 12  # pause frames that there is room for at first, beside one for each link


def rules(options: PacketOptions) -> RoceRules:
    """The options as kernels read them."""
    o = options.roce
    return RoceRules(
        o.window, o.recovery == GO_BACK, _ps(o.timeout_us), _or_none(o.reordering),
        o.pfc, _or_none(o.pfc_xoff), _RESUME, _FRAME, o.dcqcn, float(o.ecn_most), float(o.gain),
        _ps(o.cnp_us), _ps(o.alpha_us), _ps(o.rate_us), o.rate_bytes, o.rounds,
        float(o.increase), float(o.hyper), float(o.least),
    )  # fmt: skip


def _ps(us: float) -> int:
    return round(us * US * PICOSECONDS)


def _or_none(value: int | None) -> int:
    return NONE if value is None else value


def columns(network: Network, kinds: int, options: PacketOptions) -> dict[str, Any]:
    """The columns of `State` for RoCE, of a machine at rest.

    Raises `EngineError` where a switch has no buffer left beside its headroom.
    """
    is_roce, n = network.roce, len(network.per_byte)
    asked = bool(is_roce.any())
    made: dict[str, Any] = {
        "roce": (True,) if asked else (), "rules": rules(options),
        "frames": n + _ROOM if asked else 0, "numbers": np.zeros(0, np.int8),
    }  # fmt: skip
    for name in ("labels", "flows"):
        made[name] = np.zeros(0, RECORDS[name])
    if not asked:
        for name in ("ports", "switches", "losses"):
            made[name] = np.zeros(0, RECORDS[name])
        return made | {"ends": np.zeros(0, np.int32)}
    ports = np.zeros(n * kinds, RECORDS["ports"])
    headroom = _headroom(network, options)
    ports["headroom"] = np.tile(headroom, kinds)
    low, high = _thresholds(network, options)
    ports["low"], ports["high"] = np.tile(low, kinds), np.tile(high, kinds)
    ports["dice"] = mixed(np.arange(n * kinds), options.seed).view(np.int64)
    return made | {
        "ends": np.where(is_roce, network.graph.link_dst, NONE).astype(np.int32), "ports": ports,
        "switches": _switches(network, kinds, headroom, options),
        "losses": np.zeros(kinds, RECORDS["losses"]),
    }  # fmt: skip


def _headroom(network: Network, options: PacketOptions) -> Longs:
    """Bytes of each port and class for what comes before its sender has stopped: int64 [links]."""
    if not options.roce.pfc:
        return np.zeros(len(network.per_byte), np.int64)
    given = options.roce.pfc_headroom
    if given is not None:
        return np.full(len(network.per_byte), given)
    there_and_back = 2 * network.latency * _bytes_per_ps(network)
    packets = _PACKETS * (options.mtu + options.header)
    found: Longs = np.ceil(there_and_back).astype(np.int64) + _FRAME + packets
    return found


def _bytes_per_ps(network: Network) -> Floats:
    """What each link carries, bytes a picosecond: float64 [links]; `_UNLIMITED` at most."""
    found: Floats = 1 / np.maximum(network.per_byte, 1 / _UNLIMITED)
    return found


def first_rates(network: Network) -> Floats:
    """What the links of each set carry together, bytes a picosecond: float64 [sets]; 1 of none."""
    sizes = np.diff(network.set_begin)
    of, rate = np.repeat(np.arange(len(sizes)), sizes), _bytes_per_ps(network)[network.set_link]
    total = np.bincount(of, rate, len(sizes)).astype(np.float64)
    return np.where(total > 0, total, 1.0)


def _thresholds(network: Network, options: PacketOptions) -> tuple[Longs, Longs]:
    """From how many bytes of a link's queue on packets are marked, and always: int64 [links]."""
    n, o = len(network.per_byte), options.roce
    if not o.dcqcn:
        never = np.full(n, np.iinfo(np.int64).max)
        return never, never
    low, high = (
        (time * PICOSECONDS * _bytes_per_ps(network)).astype(np.int64) if given is None
        else np.full(n, given)
        for given, time in ((o.ecn_low, _LOW), (o.ecn_high, _HIGH))
    )  # fmt: skip
    return low, np.maximum(low, high)


def _switches(network: Network, kinds: int, headroom: Longs, options: PacketOptions) -> Any:
    """The buffer of each vertex, less the headroom of its ports."""
    graph, end = network.graph, network.graph.link_dst
    mine = np.flatnonzero(network.roce & (end >= graph.n_endpoints))
    made = np.zeros(graph.n_vertices, RECORDS["switches"])
    taken = np.bincount(end[mine], headroom[mine] * kinds, graph.n_vertices)
    made["room"] = options.roce.buffer - taken.astype(np.int64)
    least = options.mtu + options.header
    short = mine[made["room"][end[mine]] < least]
    if len(short):
        v = end[short[0]]
        ports = np.count_nonzero(end[mine] == v)
        raise EngineError(
            f"buffer is {options.roce.buffer} bytes, of which the headroom of {ports} ports in"
            f" {kinds} classes takes {int(taken[v])} at {graph.vertex_names[v]}; a packet of"
            f" {least} has to fit beside"
        )
    return made


def begin_flows(state: State, slots: Ints, size: Longs, line: Floats) -> None:
    """Let the transfers at ``slots`` begin anew: ``size`` bytes each; ``line``: see `State`."""
    fresh = np.zeros(len(slots), RECORDS["flows"])
    fresh["total"], fresh["line"] = size, line
    fresh["own"] = state.transfers["gap"][slots]
    fresh["asked"], fresh["begun"], fresh["cnp"] = NONE, NONE, _LONG_AGO
    fresh["alpha"], fresh["rate"], fresh["target"] = 1.0, 1.0, 1.0
    state.flows[slots] = fresh
    state.numbers.reshape(-1, state.rules.window)[slots] = 0
