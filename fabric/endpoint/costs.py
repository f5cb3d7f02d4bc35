"""What software costs at the two ends of a transfer: few, named constants for each software stack.

The time on the wire is only about half of the time of a dispatch. Ranks pay `Costs`, in seconds:

- once, before its first step: ``launch + barrier * ceil(log2(ranks))`` (the rounds of a
  dissemination barrier);
- at the end of each step: for each message and each peer that it sent to, for each byte received;
- during each transfer: ``latency``, and ``crossings`` times the latency of the path (2 where the
  initiator waits for the answer, as in a one-sided read);
- as limits: ``pair_bandwidth`` of one pair of ranks, ``initiator_bandwidth`` of one rank over all
  its peers outside its package (bytes per second), ``message_gap`` between the starts of two
  messages of a pair, and ``efficiency``, the fraction of a plane's bandwidth that the software can
  use, both ways.

Software asks more of a far peer than of a near one: the constants in `DISTANT` may be one number,
or one for each distance (`DISTANCES`). And it has protocols for messages of different sizes, as
NCCL has LL, LL128 and Simple: each with a latency and a bandwidth of a pair, of which a transfer
takes the one that would have it there first if nothing else were on the wire.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from topology.errors import TriplaneError
from topology.graph import LEVELS
from topology.names import near

FREE = "free"
"""The operation that costs nothing in any stack: what a host does and the machine does not."""

MESSAGE = "send_recv"
"""The operation of a message from one rank to another."""


WIRE = "raw"
"""The stack that costs nothing: the wire alone."""


DIE = "die"
"""The distance of a rank from itself, and of ranks on one endpoint."""

DISTANCES = (DIE, *LEVELS)
"""How far the two ranks of a transfer can be apart, the nearest first."""

DISTANT = ("latency", "per_message", "message_gap", "per_peer", "per_byte", "pair_bandwidth")
"""The constants of `Costs` that may differ with the distance."""

PLAIN = "plain"
"""The protocol of stacks that have only one: no latency and no limit of its own."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int32]


class EndpointError(TriplaneError):
    """A software stack or one of its constants is not valid."""


@dataclass(frozen=True)
class Costs:
    """The constants of one operation of one stack; all free and unlimited by default.

    Seconds: ``launch``, ``barrier`` (a round), ``latency`` (a transfer), ``per_message``,
    ``message_gap``, ``per_peer``; seconds per byte: ``per_byte`` received, ``per_reduced_byte``
    received and reduced; bytes per second: ``pair_bandwidth``, ``initiator_bandwidth``; by plane,
    above 0 and up to 1: ``efficiency``. Those in `DISTANT` are a number, or numbers by distance: a
    distance that is left out has that of the next nearer one, and the nearest ones are free.
    ``protocol_latency`` (seconds) and ``protocol_bandwidth`` (bytes per second, of a pair): by
    protocol; one without a bandwidth is not limited. Raises `EndpointError`.
    """

    launch: float = 0.0
    barrier: float = 0.0
    latency: "float | Mapping[str, float]" = 0.0
    crossings: float = 1.0
    per_message: "float | Mapping[str, float]" = 0.0
    message_gap: "float | Mapping[str, float]" = 0.0
    per_peer: "float | Mapping[str, float]" = 0.0
    per_byte: "float | Mapping[str, float]" = 0.0
    per_reduced_byte: float = 0.0
    pair_bandwidth: "float | Mapping[str, float]" = math.inf
    initiator_bandwidth: float = math.inf
    efficiency: Mapping[str, float] = field(default_factory=dict)
    protocol_latency: Mapping[str, float] = field(default_factory=dict)
    protocol_bandwidth: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in NUMBERS:
            for value in _values(name, getattr(self, name)):
                if not value >= 0 or (name.endswith("bandwidth") and value == 0):
                    raise EndpointError(f"{name} is {value}; it cannot be")
        for plane, value in self.efficiency.items():
            if not 0 < value <= 1:
                raise EndpointError(f"efficiency of {plane} is {value}; it cannot be")
        for protocol, value in self.protocol_latency.items():
            if not 0 <= value < math.inf:
                raise EndpointError(f"protocol_latency of {protocol} is {value}; it cannot be")
        for protocol, value in self.protocol_bandwidth.items():
            if protocol not in self.protocol_latency:
                raise EndpointError(f"protocol {protocol!r} has a bandwidth and no latency")
            if not value > 0:
                raise EndpointError(f"protocol_bandwidth of {protocol} is {value}; it cannot be")

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process is made anew: a read-only mapping cannot be pickled."""
        values = (getattr(self, constant.name) for constant in fields(self))
        return Costs, tuple(dict(one) if isinstance(one, Mapping) else one for one in values)

    def start(self, ranks: int) -> float:
        """Seconds of software before the first step of a collective over ``ranks`` ranks."""
        return self.launch + self.barrier * math.ceil(math.log2(max(ranks, 1)))

    @cached_property
    def vectors(self) -> "Vectors":
        """The constants that differ with the distance and the protocol, as arrays."""
        latency = self.protocol_latency or {PLAIN: 0.0}
        bandwidth = [self.protocol_bandwidth.get(name, math.inf) for name in latency]
        near = {name: _by_distance(name, getattr(self, name)) for name in DISTANT}
        each = np.minimum.outer(near["pair_bandwidth"], bandwidth)
        rates, number = np.unique([*each.ravel(), math.inf], return_inverse=True)
        return Vectors(
            is_distant=any(isinstance(getattr(self, name), Mapping) for name in DISTANT),
            is_paced=bool(near["message_gap"].any()),
            **near,
            protocol_latency=np.array(list(latency.values())),
            protocol_bandwidth=np.array(bandwidth),
            rates=rates,
            rate=number[:-1].reshape(each.shape).astype(np.int32),
        )


@dataclass(frozen=True, slots=True)
class Vectors:
    """The constants of a `Costs` in SI; nothing writes to them.

    ``is_distant``: whether any of them differs with the distance; ``is_paced``: whether there is a
    gap between messages. Those in `DISTANT`: at each of `DISTANCES`, float64 [5].
    ``protocol_latency``, ``protocol_bandwidth``: float64 [protocols]; a stack without protocols has
    one, `PLAIN`. ``rates``: float64, rising, what one pair can get at most, bytes per second; the
    last is no limit. ``rate``: int32 [5, protocols], which of them holds at a distance in a
    protocol.
    """

    is_distant: bool
    is_paced: bool
    latency: _Floats
    per_message: _Floats
    message_gap: _Floats
    per_peer: _Floats
    per_byte: _Floats
    pair_bandwidth: _Floats
    protocol_latency: _Floats
    protocol_bandwidth: _Floats
    rates: _Floats
    rate: _Ints


def _by_distance(name: str, given: "float | Mapping[str, float]") -> _Floats:
    if not isinstance(given, Mapping):
        return np.full(len(DISTANCES), float(given))
    value, found = FREE_VALUES[name], np.empty(len(DISTANCES))
    for i, distance in enumerate(DISTANCES):
        value = found[i] = given.get(distance, value)
    return found


TABLES = ("efficiency", "protocol_latency", "protocol_bandwidth")
"""The constants of `Costs` that are always numbers by plane or by protocol."""

NUMBERS = tuple(constant.name for constant in fields(Costs) if constant.name not in TABLES)
"""The constants of `Costs` that are one number, or, in `DISTANT`, one for each distance."""

FREE_VALUES = MappingProxyType(
    {name: math.inf if name.endswith("bandwidth") else 0.0 for name in NUMBERS} | {"crossings": 1.0}
)
"""The value of each constant that costs nothing and limits nothing."""


def _values(name: str, given: "float | Mapping[str, float]") -> tuple[float, ...]:
    if not isinstance(given, Mapping):
        return (given,)
    if name not in DISTANT:
        raise EndpointError(f"{name} is one number; it cannot differ with the distance")
    for distance in given:
        if distance not in DISTANCES:
            choices = f"there are {', '.join(DISTANCES)}{near(distance, DISTANCES)}"
            raise EndpointError(f"{name} has no distance {distance!r}; {choices}")
    return tuple(given.values())


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A software stack: `Costs` by operation; those under ``""`` apply to every other operation.

    An operation can have variants with constants of their own, such as ``"dispatch:normal"``,
    ``"read:cpu"`` or, for at most ``small`` bytes (``small_of`` by operation, where it differs),
    ``"all_gather:small"``. Which variant applies by
    size is decided in `regime` and nowhere else: `costs` and `stack` here, `Fabric.simulate`,
    `fabric.engines.account.least` and `fabric.clock.calls.Catalogue.family` all take the plain
    operation and the bytes. One that goes over a plane of its own is a variant, too
    (``"read:@rdma:cpu"``, see `plane_of`).
    ``planes``: the planes that the stack uses, in order of preference; None: the topology's order.
    ``source``: where the constants come from. ``speakers``: if several stacks were joined (see
    `fabric.endpoint.stacks`), the name of the one that each entry of ``by_operation`` is from.
    ``algorithms``: by operation, those that the software has; an operation that is not there may
    be made by any.
    """

    name: str
    by_operation: Mapping[str, Costs] = field(default_factory=lambda: {"": Costs()})
    planes: tuple[str, ...] | None = None
    source: str = ""
    small: int = 0
    small_of: Mapping[str, int] = field(default_factory=dict)
    speakers: Mapping[str, str] = field(default_factory=dict)
    algorithms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def costs(self, operation: str = "", size: int | None = None) -> Costs:
        """The constants of ``operation``: its own, or else the default ones of the stack.

        A variant (``"dispatch:normal"``) without constants has those of its operation. An operation
        that the stack does not know costs only the wire, and `stack` then returns `WIRE`. ``size``:
        as in `regime`.
        """
        key = self.key(self.regime(operation, size))
        return Costs() if key is None else self.by_operation[key]

    def known(self) -> str:
        """The operations for which the stack has constants, as text for an error message."""
        named = sorted(operation for operation in self.by_operation if operation)
        return f"it has {', '.join(named)}" if named else "it has none at all"

    def stack(self, operation: str = "", size: int | None = None) -> str:
        """The name of the software stack whose constants apply to ``operation``, or `WIRE`.

        ``size``: as in `regime`.
        """
        key = self.key(self.regime(operation, size))
        return WIRE if key is None else self.speakers.get(key, self.name)

    def key(self, operation: str) -> str | None:
        """The key in ``by_operation`` whose constants apply to ``operation``; None if none do."""
        if operation == FREE:
            return None
        stem, *variants = operation.split(":")
        keys = [":".join([stem, *variants[:n]]) for n in range(len(variants), -1, -1)]
        if stem not in self.by_operation:
            keys += [":".join(["", *variants[n:]]) for n in range(len(variants))] + [""]
        return next((key for key in keys if key in self.by_operation), None)

    def regime(self, operation: str, size: int | None = None, algorithm: str | None = None) -> str:
        """The variant of ``operation`` that the software uses for ``size`` bytes.

        ``size``: of a message, or of a collective as `collectives.algorithms.table.schedule` counts
        it; None where the software does not choose by size, and ``operation`` is returned as it is.
        Else that is ``operation:small`` up to the operation's ``small`` bytes. ``algorithm``: by
        which it is made; where the stack has constants for ``operation:algorithm``, it is a variant
        of these. Constants are found by what is returned, and all ranks of a call must be given the
        same.
        """
        made = f"{operation}:{algorithm}"
        operation = made if algorithm and made in self.by_operation else operation
        most = self.small_of.get(operation.partition(":")[0], self.small)
        is_small = size is not None and size <= most
        return f"{operation}:small" if is_small else operation


def plane_of(operation: str) -> str:
    """The plane over which an operation goes by its name (``"read:@rdma:cpu"``), "" for none."""
    variants = operation.split(":")[1:2] if ":@" in operation else []
    return "".join(variants).removeprefix("@")
