"""Four scenes in which a fabric of packets cannot do what a fluid does, on machines of their own.

Each varies one thing. What the fluid says is the engine `flow` without tolerance; the same steps on
the same topology are then timed by packets.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from bench.records import Record
from bench.sensitivity import MovedAnswer, effects
from fabric.fabric import Fabric
from fabric.schedule.step import Step
from topology.graph import Topology
from topology.presets.shapes import fat_tree, star
from topology.units import GB, NS, US

BANDWIDTH = 50 * GB
"""Bytes per second of every link: 400 Gbit/s."""

LATENCY = 100 * NS
"""Seconds from an endpoint to its switch."""

LONG = 256
"""Packets of a transfer, where its length is not what varies."""


@dataclass(frozen=True)
class ScenePoint:
    """One point of a scene: ``steps`` on a ``topology``, where ``value`` is what varies.

    ``fluid``, ``packet``: the routing of both engines; ``options``: of the packet engine beside the
    size of packets; ``row``: the transfer whose end counts, None: the last one's.
    """

    value: int | None
    topology: Topology
    step: Step
    fluid: str = "spray"
    packet: str = "spray"
    options: Mapping[str, Any] = field(default_factory=dict)
    row: int | None = None


@dataclass(frozen=True)
class Scene:
    """A scene: what it shows, what varies along ``axis``, and its points for a size of packets."""

    shows: str
    axis: str
    points: Callable[[int], Iterator[ScenePoint]]


def _star(ends: int) -> Topology:
    return star(ends, bandwidth=BANDWIDTH, latency=LATENCY)


def _incast(mtu: int) -> Iterator[ScenePoint]:
    for packets in (1, 2, 4, 8, 16, 64):
        yield ScenePoint(packets, _star(9), Step(np.arange(1, 9), 0, packets * mtu))


def _hash(mtu: int) -> Iterator[ScenePoint]:
    """Every endpoint sends to one of another pod, so that cores would carry what they can."""
    made, ends = fat_tree(4, bandwidth=BANDWIDTH, latency=LATENCY), np.arange(16)
    for packets in (1, 4, 16, 64, 256):
        step = Step(ends, (ends + 4) % 16, packets * mtu)
        yield ScenePoint(packets, made, step, packet="packet-hash")


def _fan_in(mtu: int, senders: int, buffer: int | None, value: int | None) -> ScenePoint:
    """Endpoints send to one, and the last of them to another one, too, which nobody else does."""
    hot, idle = senders, senders + 1
    step = Step([*range(senders), senders - 1], [*[hot] * senders, idle], LONG * mtu)
    options = {"credits": buffer, "cell": mtu}
    return ScenePoint(value, _star(senders + 2), step, options=options, row=senders)


def _buffers(mtu: int) -> Iterator[ScenePoint]:
    for packets in (1, 2, 4, 16, 64, 256):
        yield _fan_in(mtu, 4, packets, packets)


def _head_of_line(mtu: int) -> Iterator[ScenePoint]:
    for senders in (1, 2, 4, 8, 16):
        yield _fan_in(mtu, senders, 4, senders)


SCENES: Mapping[str, Scene] = MappingProxyType({
    "incast": Scene("8 senders to one, small transfers: the last one's end", "packets a transfer",
                    _incast),
    "hash": Scene("16 endpoints of a fat tree, a random link for each packet: the last one's end",
                  "packets a transfer", _hash),
    "buffers": Scene("beside a fan-in of 4, a transfer to an idle port: its end",
                     "packets that a buffer holds", _buffers),
    "head-of-line": Scene("the same with buffers of 4 packets: its end",
                          "senders of the fan-in", _head_of_line),
})  # fmt: skip
"""All scenes by name."""


def records(names: tuple[str, ...], mtu: int) -> Iterator[Record]:
    """Iterate over the records of scenes, point by point; ``mtu``: bytes of a packet."""
    for name in names:
        for point in SCENES[name].points(mtu):
            fluid, packet = _end(point, "flow", mtu), _end(point, "packet", mtu)
            yield {
                "scene": name, "shows": SCENES[name].shows, "varies": SCENES[name].axis,
                "value": point.value, "mtu_bytes": mtu, "flow_us": fluid / US,
                "packet_us": packet / US, "packet_over_flow": packet / fluid,
            }  # fmt: skip


def answers(rows: Iterable[Record], names: tuple[str, ...], mtu: int) -> Iterator[MovedAnswer]:
    """Iterate over what moves the ratio of each of the records of these scenes."""
    points = (point for name in names for point in SCENES[name].points(mtu))
    for row, point in zip(rows, points, strict=True):

        def ratio(fabric: Fabric, point: ScenePoint = point) -> float:
            other = replace(point, topology=fabric.topology)
            return _end(other, "packet", mtu) / _end(other, "flow", mtu)

        found = effects(Fabric(point.topology), (), ratio)
        yield MovedAnswer({**row, "point": row["value"]}, found, "packet_over_flow")


def _end(point: ScenePoint, engine: str, mtu: int) -> float:
    """When a point's transfer ends by an engine, in seconds."""
    is_fluid = engine == "flow"
    options = {"tolerance": 0.0} if is_fluid else {"mtu": mtu, **point.options}
    fabric = Fabric(
        point.topology, engine=engine, engine_options=options,
        routing=point.fluid if is_fluid else point.packet,
    )  # fmt: skip
    found = fabric.simulate([point.step])
    return found.duration if point.row is None else float(found.finish[point.row])
