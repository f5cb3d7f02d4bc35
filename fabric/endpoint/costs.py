"""What software costs at the two ends of a transfer: few, named constants for each software stack.

The time on the wire is only about half of the time of a dispatch. Ranks pay `Costs`, in seconds:

- once, before its first step: ``launch + barrier * ceil(log2(ranks))`` (the rounds of a
  dissemination barrier);
- at the end of each step: for each message and each peer that it sent to, for each byte received;
- during each transfer: ``latency``, and ``crossings`` times the latency of the path (2 where the
  initiator waits for the answer, as in a one-sided read);
- as limits: ``pair_bandwidth`` of one pair of ranks, ``initiator_bandwidth`` of one rank over all
  its peers (bytes per second), ``message_gap`` between the starts of two messages of a pair, and
  ``efficiency``, the fraction of a plane's bandwidth that the software can use, both ways.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from topology.errors import TriplaneError

FREE = "free"
"""The operation that costs nothing in any stack: what a host does and the machine does not."""

MESSAGE = "send_recv"
"""The operation of a message from one rank to another."""


WIRE = "raw"
"""The stack that costs nothing: the wire alone."""


class EndpointError(TriplaneError):
    """A software stack or one of its constants is not valid."""


@dataclass(frozen=True, slots=True)
class Costs:
    """The constants of one operation of one stack; all free and unlimited by default.

    Seconds: ``launch``, ``barrier`` (a round), ``latency`` (a transfer), ``per_message``,
    ``message_gap``, ``per_peer``; seconds per byte: ``per_byte`` received, ``per_reduced_byte``
    received and reduced; bytes per second: ``pair_bandwidth``, ``initiator_bandwidth``; by plane,
    above 0 and up to 1: ``efficiency``. Raises `EndpointError`.
    """

    launch: float = 0.0
    barrier: float = 0.0
    latency: float = 0.0
    crossings: float = 1.0
    per_message: float = 0.0
    message_gap: float = 0.0
    per_peer: float = 0.0
    per_byte: float = 0.0
    per_reduced_byte: float = 0.0
    pair_bandwidth: float = math.inf
    initiator_bandwidth: float = math.inf
    efficiency: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in NUMBERS:
            value = getattr(self, name)
            if not value >= 0 or (name.endswith("bandwidth") and value == 0):
                raise EndpointError(f"{name} is {value}; it cannot be")
        for plane, value in self.efficiency.items():
            if not 0 < value <= 1:
                raise EndpointError(f"efficiency of {plane} is {value}; it cannot be")

    def start(self, ranks: int) -> float:
        """Seconds of software before the first step of a collective over ``ranks`` ranks."""
        return self.launch + self.barrier * math.ceil(math.log2(max(ranks, 1)))


NUMBERS = tuple(constant.name for constant in fields(Costs) if constant.name != "efficiency")
"""The constants of `Costs` that are one number."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A software stack: `Costs` by operation; those under ``""`` apply to every other operation.

    An operation can have variants with constants of their own, such as ``"dispatch:normal"``,
    ``"read:cpu"`` or, for at most ``small`` bytes, ``"all_gather:small"``. Which variant applies by
    size is decided in `regime` and nowhere else: `costs` and `stack` here, `Fabric.simulate`,
    `fabric.engines.account.least` and `fabric.clock.calls.Catalogue.family` all take the plain
    operation and the bytes.
    ``planes``: the planes that the stack uses, in order of preference; None: the topology's order.
    ``source``: where the constants come from. ``speakers``: if several stacks were joined (see
    `fabric.endpoint.stacks`), the name of the one that each entry of ``by_operation`` is from.
    """

    name: str
    by_operation: Mapping[str, Costs] = field(default_factory=lambda: {"": Costs()})
    planes: tuple[str, ...] | None = None
    source: str = ""
    small: int = 0
    speakers: Mapping[str, str] = field(default_factory=dict)

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
        stem, colon, variant = operation.partition(":")
        parts = operation.split(":")
        keys = [":".join(parts[:n]) for n in range(len(parts), 0, -1)]
        keys += [] if stem in self.by_operation else [colon + variant, ""]
        return next((key for key in keys if key in self.by_operation), None)

    def regime(self, operation: str, size: int | None = None) -> str:
        """The variant of ``operation`` that the software uses for ``size`` bytes.

        ``size``: of a message, or of a collective as `collectives.algorithms.table.schedule` counts
        it; None where the software does not choose by size, and ``operation`` is returned as it is.
        Else that is ``operation:small`` up to ``small`` bytes. Constants are found by what is
        returned, and all ranks of a call must be given the same.
        """
        is_small = size is not None and size <= self.small
        return f"{operation}:small" if is_small else operation
