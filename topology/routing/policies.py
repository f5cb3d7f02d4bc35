"""Routing policies: how traffic is split over the ways between two endpoints.

Each is a frozen value; `policy_of` makes one of its text (``"hash:seed=7"``), and ``str`` the text
of one. docs/routing.md says what each does and where they differ.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from topology.arguments import PATH, integer, number, shown, text
from topology.errors import ArgumentError, TopologyError
from topology.names import near

MOST_SEED = 2**53 - 1
"""The largest seed: JSON of other programs keeps integers up to there."""


@dataclass(frozen=True, slots=True)
class EvenSpray:
    """Evenly over all links on shortest ways, hop by hop: what MatrixLink's multipath tends to."""

    def __str__(self) -> str:
        return "spray"


@dataclass(frozen=True, slots=True)
class Adaptive:
    """As `EvenSpray`, but in proportion to what goes on behind each next hop.

    That is where choosing the least loaded way at each hop leads to when traffic is steady: a chip
    that has lost uplinks is given less.
    """

    def __str__(self) -> str:
        return "adaptive"


@dataclass(frozen=True, slots=True)
class PerFlowHash:
    """One shortest way a pair of endpoints, picked by a hash at every switch (ECMP).

    ``seed``: of the hash, an integer from 0 to `MOST_SEED`.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        integer(self.seed, "seed of hash", 0, MOST_SEED)

    def __str__(self) -> str:
        return _with_seed("hash", self.seed)


@dataclass(frozen=True, slots=True)
class PerPacketHash:
    """A random shortest way for each packet, link by link.

    ``seed``: of the dice, an integer from 0 to `MOST_SEED`. An engine without packets takes it as
    what is expected of many packets, which is `EvenSpray`.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        integer(self.seed, "seed of packet-hash", 0, MOST_SEED)

    def __str__(self) -> str:
        return _with_seed("packet-hash", self.seed)


@dataclass(frozen=True, slots=True)
class Weighted:
    """Over all links on shortest ways in proportion to their bandwidth, hop by hop (WCMP).

    ``weights``: pairs of a name and a factor above 0. The links that are named, or that begin or
    end at what is named, count so many times as much; names as `Topology.without` takes them.
    """

    weights: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        for name, weight in self.weights:
            text(name, "a name of weighted")
            _weight(weight, f"weight of {name}")

    def __str__(self) -> str:
        return ":".join(["weighted", *[",".join(f"{n}={w:.17g}" for n, w in self.weights)]
                         * bool(self.weights)])  # fmt: skip


@dataclass(frozen=True, slots=True)
class AllPath:
    """Shortest ways and detours of one hop more, over full meshes (UB-Mesh's All-Path Routing).

    The first switch spreads traffic over its links to all switches that are nearer to the
    destination, or as near and not on a shortest way; from there on it goes as by `EvenSpray`.
    ``direct``: the share of shortest ways, above 0 to 1; None: links in proportion to their
    bandwidth, so that a pair that is alone has all links of its mesh.
    """

    direct: float | None = None

    def __post_init__(self) -> None:
        if self.direct is not None and number(self.direct, "direct of all-path", 0, 1) == 0:
            raise ArgumentError("direct of all-path is 0; it has to be above 0, to 1")

    def __str__(self) -> str:
        return "all-path" if self.direct is None else f"all-path:direct={self.direct:.17g}"


@dataclass(frozen=True, slots=True)
class StaticTables:
    """As the tables in the file at ``path`` say; see `topology.routing.tables`."""

    path: str

    def __post_init__(self) -> None:
        if not text(self.path, "path of static", most=PATH):
            raise ArgumentError("static needs a file: static:FILE")

    def __str__(self) -> str:
        return f"static:{self.path}"


Policy = EvenSpray | Adaptive | PerFlowHash | PerPacketHash | Weighted | AllPath | StaticTables


def policy_of(policy: Policy | str) -> Policy:
    """The policy that a text names; a policy is returned as it is.

    Raises `TopologyError` for an unknown name or value, with the choices.
    """
    if isinstance(policy, Policy):
        return policy
    if not isinstance(policy, str):
        raise TopologyError(f"a routing policy is a text or a policy, not {shown(policy)}")
    name, colon, rest = policy.partition(":")
    if name not in _READ:
        raise TopologyError(
            f"no routing policy {policy!r:.80}; there are {', '.join(CHOICES)}{near(name, _READ)}"
        )
    try:
        if colon and not rest:
            raise ArgumentError(f"nothing follows {policy!r}")
        return _READ[name](rest)
    except ArgumentError as error:
        raise TopologyError(f"routing policy {policy!r:.80}: {error}") from None


def _with_seed(name: str, seed: int) -> str:
    return f"{name}:seed={seed}" if seed else name


def _weight(value: float, name: str) -> float:
    weight = number(value, name, 0.0, 1e12)
    if not weight:
        raise ArgumentError(f"{name} is 0; it has to be above 0 (--without takes things out)")
    return weight


def _plain(make: Callable[[], Policy], name: str) -> Callable[[str], Policy]:
    def read(rest: str) -> Policy:
        if rest:
            raise ArgumentError(f"{name} takes nothing")
        return make()

    return read


def _seeded(make: Callable[[int], Policy]) -> Callable[[str], Policy]:
    def read(rest: str) -> Policy:
        if not rest:
            return make(0)
        found = re.fullmatch(r"seed=(\d{1,19})", rest)
        if found is None:
            raise ArgumentError(f"{rest!r:.80} is not known; seed=N is")
        return make(int(found[1]))

    return read


def _number(value: str, name: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ArgumentError(f"{name} is {value!r:.60}, which is no number") from None


def _weighted(rest: str) -> Policy:
    pairs = []
    for part in rest.split(",") if rest else ():
        name, sign, value = part.strip().rpartition("=")
        if not sign or not name:
            raise ArgumentError(f"{part!r:.80} is no NAME=WEIGHT")
        pairs.append((name, _number(value, f"weight of {name}")))
    return Weighted(tuple(pairs))


def _all_path(rest: str) -> Policy:
    if not rest:
        return AllPath()
    key, _, value = rest.partition("=")
    if key != "direct":
        raise ArgumentError(f"{rest!r:.80} is not known; direct=SHARE is")
    share = _number(value, "direct")
    if not math.isfinite(share):
        raise ArgumentError(f"direct is {value}; it has to be above 0, to 1")
    return AllPath(share)


_READ: Mapping[str, Callable[[str], Policy]] = MappingProxyType(
    {
        "spray": _plain(EvenSpray, "spray"), "adaptive": _plain(Adaptive, "adaptive"),
        "hash": _seeded(PerFlowHash), "packet-hash": _seeded(PerPacketHash),
        "weighted": _weighted, "all-path": _all_path, "static": StaticTables,
    }
)  # fmt: skip

CHOICES = (
    "spray", "adaptive", "hash[:seed=N]", "packet-hash[:seed=N]", "weighted[:NAME=WEIGHT,..]",
    "all-path[:direct=SHARE]", "static:FILE",
)  # fmt: skip
"""How the policies are written."""
