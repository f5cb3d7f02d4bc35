"""One operation of expert parallelism: its routing, its schedule, and the bytes that it moves."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from bench.cases.placed_experts import PlacedExperts
from bench.machine import BenchError
from collectives.moe import (
    Format,
    Routing,
    combine_size,
    dispatch_format,
    dispatch_size,
    from_file,
    logical_bytes,
)
from collectives.moe.routing.captured import (
    CapturedRouting,
    is_captured,
    selected_capture,
)
from collectives.moe.routing.skew import GROUPS, parse_skew
from collectives.moe.schedules import low_latency, normal
from fabric.endpoint.records import record_of
from fabric.schedule.step import Step
from topology.graph import Ints, Topology

MODES = ("low-latency", "normal")
OPERATIONS = ("dispatch", "combine")

TOKENS = dict(zip(MODES, (128, 4096), strict=True))
"""Tokens of each rank by mode, where nothing else is asked for: of decoding, and of prefill."""

EXPERTS, TOP_K, HIDDEN = 256, 8, 7168
"""DeepSeek-V3's routed experts, experts of a token, and channels."""


@dataclass(frozen=True)
class Experts:
    """The MoE operation that is measured.

    ``op``: one of `OPERATIONS`; ``mode``: one of `MODES`; ``ranks``: the EP size; ``tokens``: of
    each rank, or where a file says how many, of the rank that has most; ``experts``: over all
    ranks; ``dtype``: what dispatch sends ("int8", "fp8", "bf16"); ``skew``: see
    `collectives.moe.parse_skew`; ``seed``: of the random routing; ``groups``: of experts, where the
    skew limits a token to some of them; ``placed``: where experts are, None: in order.
    """

    op: str
    mode: str
    ranks: int
    tokens: int = 128
    hidden: int = HIDDEN
    top_k: int = TOP_K
    experts: int = EXPERTS
    dtype: str = "int8"
    skew: str = "uniform"
    seed: int = 0
    groups: int = GROUPS
    placed: PlacedExperts | None = None

    def routing(self) -> Routing:
        """Which token goes to which experts; where they are placed anew, to which replicas.

        Raises `TriplaneError` for a routing that is impossible.
        """
        asked = self.asked_routing()
        return asked if self.placed is None else self.placed.routing(asked)

    def asked_routing(self) -> Routing:
        """Which token goes to which experts, wherever these are."""
        return _routing(
            self.skew, self.ranks, self.tokens, self.top_k, self.experts, self.groups, self.seed
        )

    @property
    def every_token(self) -> int:
        """Number of tokens of all ranks together."""
        return int(self.routing().tokens.sum()) if is_file(self.skew) else self.ranks * self.tokens

    @property
    def mean_tokens(self) -> int | float:
        """Number of tokens of a rank; the mean if ranks differ."""
        mean = self.every_token / self.ranks
        return int(mean) if mean.is_integer() else mean

    @property
    def operation(self) -> str:
        """The operation's name in software stacks: ``dispatch``, ``combine:normal`` and so on."""
        return self.op if self.mode == "low-latency" else f"{self.op}:normal"

    def mode_of(self, software: str) -> str:
        """The mode whose schedule and messages ``software`` has, whatever it calls its own.

        A stack that sends a token once to a rank does so as in normal mode.
        """
        return "normal" if record_of(software).once_a_rank else self.mode

    def message_size(self, software: str) -> int:
        """Bytes of a token (dispatch) or result (combine) on the wire, as ``software`` sends it."""
        if self.op == "combine":
            return combine_size(self.hidden)
        return dispatch_size(self.hidden, software, self.dtype, self.mode_of(software))

    def format(self, software: str) -> Format:
        """The format in which ``software`` sends a dispatched token."""
        return dispatch_format(software, self.dtype, self.mode_of(software))

    def steps(self, software: str, node_ranks: int | None) -> Iterator[Step]:
        """The schedule; in normal mode with two levels if ``node_ranks`` is given."""
        size, mode = self.message_size(software), self.mode_of(software)
        make: Callable[..., Iterator[Step]] = getattr(_MODULES[mode], self.op)
        if mode == "low-latency":
            return make(self.routing(), size)
        return make(self.routing(), size, ranks_per_node=node_ranks, exact=False)

    def moved(self, token_size: int, node_ranks: int | None, software: str = "") -> float:
        """Bytes for each rank from which the benchmarks of ``software``'s mode get bandwidth."""
        if self.mode_of(software) == "low-latency":
            return float(self.routing().counts.sum()) * token_size / self.ranks
        return logical_bytes(self.routing(), token_size, node_ranks)


FILE = "file:"
"""How a skew begins that names a file."""


def is_file(skew: str) -> bool:
    """True if ``skew`` names a file, which then decides ranks, tokens and top-k."""
    return skew.startswith(FILE)


@cache
def is_captured_file(skew: str) -> bool:
    """True if ``skew`` names a capture of many layers and steps, of which tokens are drawn."""
    return is_file(skew) and is_captured(skew.removeprefix(FILE))


@dataclass(frozen=True)
class RoutingOptions:
    """The user's options about a routing; None for those not given."""

    ranks: Sequence[int] | None
    tokens: Sequence[int] | None
    top_k: int | None
    experts: int | None
    seed: int | None

    def of_file(self, skew: str) -> Routing:
        """The routing in the file that ``skew`` names, over `EXPERTS` experts by default.

        Raises `BenchError` if an option asks for something else than the file has, and
        `RoutingError`.
        """
        path = skew.removeprefix(FILE)
        routing = from_file(path, self.experts, EXPERTS)
        tokens = sorted(set(routing.tokens.tolist()))
        for option, asked, found in (
            ("--ep", None if self.ranks is None else list(self.ranks), [routing.ranks]),
            ("--tokens", None if self.tokens is None else list(self.tokens), tokens),
            ("--top-k", self.top_k, routing.top_k),
        ):
            if asked not in (None, found):
                raise BenchError(
                    f"{option} asks for {_list(asked)}, and the routing in {path} has"
                    f" {_list(found)}: leave {option} out, or take another file"
                )
        if self.seed is not None:
            raise BenchError(f"--seed decides nothing where {path} says who gets which token")
        return routing

    def of_capture(self, skew: str) -> CapturedRouting:
        """The capture that ``skew`` names; raises as `of_file`."""
        captured = selected_capture(skew.removeprefix(FILE))
        for option, asked, found in (
            ("--top-k", self.top_k, captured.top_k), ("--experts", self.experts, captured.experts),
        ):  # fmt: skip
            if asked not in (None, found):
                raise BenchError(
                    f"{option} asks for {asked}, and {skew.removeprefix(FILE)} has {found}: leave"
                    f" {option} out, or take another file"
                )
        return captured


def _list(values: object) -> str:
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values)


def tokens_text(routing: Routing) -> str:
    """The number of tokens of the ranks as text: ``128``, or ``1 to 2``."""
    least, most = int(routing.tokens.min()), int(routing.tokens.max())
    return str(most) if least == most else f"{least} to {most}"


KEPT = 4
"""Routings that are remembered: dispatch and combine have one, and a worker of a sweep asks for
thousands, each of up to gigabytes."""

_MODULES = {"low-latency": low_latency, "normal": normal}


@lru_cache(KEPT)
def _routing(
    skew: str, ranks: int, tokens: int, top_k: int, experts: int, groups: int, seed: int
) -> Routing:
    return parse_skew(skew, ranks, tokens, top_k, experts, groups=groups, seed=seed)


def node_ranks(
    topology: Topology, planes: tuple[str, ...], ranks: int, places: Ints | None = None
) -> int | None:
    """Number of ranks of a node, if the ranks span nodes that have a network of their own.

    Else None.

    ``places``: the endpoint of every rank; None: the accelerators in order.
    """
    where = (topology.accelerators if places is None else places)[:ranks]
    nodes = topology.node[where]
    two_level = set(planes) & set(topology.node_planes) and bool(np.any(nodes != nodes[0]))
    return topology.node_width(where) if two_level else None


def dtype_of(software: str) -> str:
    """The dtype that the stack ``software`` dispatches: its own default, or else the usual one."""
    return record_of(software).dtype
