"""Random routings from a seed, and the names by which a command line asks for one.

The generators draw a token's experts one after another without replacement, in proportion to the
experts' weights (the same distribution as Gumbel top-k). They are nested: of the same seed, the
first tokens of a rank are the same in every batch that has so many, on however many ranks, and the
first experts of a token for every top_k. So an answer that changes with the number of tokens does
so because there are more of them, and not because they are others.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.captured import CapturedRouting, is_captured, selected_capture
from collectives.moe.routing.file import from_file
from collectives.moe.routing.routing import MOST, Ints, Routing, RoutingError, blocks, count
from topology.arguments import integers, number, shown, whole
from topology.errors import ArgumentError

LEAST = 1e-12
"""No expert is less popular than this beside the first: float64 has to tell their sums apart."""

_LINE = 1 << 62
"""How long all experts are together on the line of their weights, where these differ."""

GROUPS = 8
"""Groups of DeepSeek-V3's experts (``n_group``, arXiv:2412.19437)."""

TOP_GROUPS = 4
"""Groups that a token's experts of DeepSeek-V3 may come from (``topk_group``)."""

Tokens = int | Sequence[int] | Ints
Weights = NDArray[np.float64]


def uniform(ranks: int, tokens: Tokens, top_k: int, experts: int, seed: int = 0) -> Routing:
    """A random routing in which each set of ``top_k`` different experts is equally likely.

    ``tokens``: of each rank, one number or one for each. The same seed gives the same routing.
    Raises `RoutingError` for numbers that do not fit together.
    """
    return _drawn(ranks, tokens, top_k, np.arange(count(experts, "experts") + 1), seed)


def zipf(
    ranks: int, tokens: Tokens, top_k: int, experts: int, seed: int = 0, *, exponent: float
) -> Routing:
    """A random routing in which the popularity of experts falls as ``1 / place ** exponent``.

    Which expert has which place is random too, and the same for all ranks. An exponent of 0 is
    uniform. The rest is as in `uniform`.
    """
    try:
        power = number(exponent, "the exponent of zipf", 0.0, sys.float_info.max)
    except ArgumentError:
        told = f"the exponent of zipf is {shown(exponent)}; it has to be 0 or more"
        raise RoutingError(told) from None
    place = np.random.default_rng(_seed(seed)).permutation(count(experts, "experts"))
    weights = np.maximum((1.0 + place) ** -power, LEAST)
    return _drawn(ranks, tokens, top_k, _line(weights), seed)


def weighted(ranks: int, tokens: Tokens, top_k: int, weights: Weights, seed: int = 0) -> Routing:
    """A random routing in which an expert is drawn in proportion to its ``weights``, float64.

    The rest is as in `uniform`. Raises `RoutingError` for a weight that is not above 0.
    """
    found = np.asarray(weights, np.float64)
    if found.ndim != 1 or not len(found) or not (np.isfinite(found) & (found > 0)).all():
        raise RoutingError("the weights of experts have to be numbers above 0, one for each expert")
    return _drawn(ranks, tokens, top_k, _line(found), seed)


def node_limited(
    ranks: int,
    tokens: Tokens,
    top_k: int,
    experts: int,
    seed: int = 0,
    *,
    groups: int = GROUPS,
    top_groups: int = TOP_GROUPS,
) -> Routing:
    """A random routing with a token's experts in at most ``top_groups`` groups (DeepSeek-V3).

    Experts lie in ``groups`` contiguous groups, one on each node. A token has independent scores;
    the groups with the best single scores are allowed, and the best experts of those are chosen:
    DeepEP's benchmark (tests/test_internode.py) has this gate, the model sums a group's best two.
    The rest is as in `uniform`.
    """
    ranks, top_k, experts, groups, top_groups = (
        count(value, name)
        for value, name in (
            (ranks, "ranks"), (top_k, "top_k"), (experts, "experts"), (groups, "groups"),
            (top_groups, "top_groups"),
        )
    )  # fmt: skip
    if not 1 <= top_groups <= groups <= experts:
        raise RoutingError(
            f"{top_groups} of {groups} groups of {experts} experts; "
            f"they have to be 1 <= top_groups <= groups <= experts"
        )
    if top_k > top_groups * (experts // groups):
        raise RoutingError(
            f"top_k is {top_k}, and {top_groups} groups may have only "
            f"{top_groups * (experts // groups)} experts"
        )
    edges = np.append(0, blocks(experts, groups).cumsum())
    return _drawn(ranks, tokens, top_k, np.arange(experts + 1), seed, edges, top_groups)


def parse_skew(
    text: str,
    ranks: int,
    tokens: Tokens,
    top_k: int,
    experts: int,
    *,
    groups: int = GROUPS,
    seed: int = 0,
) -> Routing:
    """The routing that a text of the command line names.

    ``text``: ``uniform``, ``zipf:EXPONENT``, ``node-limited[:TOP_GROUPS]`` or ``file:PATH``, whose
    own tokens and top_k count, and which must have as many ranks. Of a capture of many layers and
    steps (`collectives.moe.routing.captured`) tokens are drawn, for any number of ranks; what is of
    one layer and step, and asked for with as many ranks and tokens, is as it was. Raises
    `RoutingError`.
    """
    name, _, value = text.partition(":")
    what = (ranks, tokens, top_k, experts, seed)
    try:
        if name == "uniform" and not value:
            return uniform(*what)
        if name == "zipf" and value:
            return zipf(*what, exponent=float(value))
        if name == "node-limited":
            return node_limited(*what, groups=groups, top_groups=int(value or TOP_GROUPS))
    except ValueError as error:
        if isinstance(error, RoutingError):
            raise
        raise RoutingError(f"no number in skew {text!r}: {value!r}") from None
    if name == "file" and is_captured(value):
        return _of_capture(selected_capture(value), ranks, tokens, seed)
    if name == "file" and value:
        return _of(ranks, from_file(value, experts), value)
    raise RoutingError(
        f"unknown skew {text!r}; known: uniform, zipf:EXPONENT, node-limited:TOP_GROUPS, file:PATH"
    )


def _of_capture(captured: CapturedRouting, ranks: int, tokens: Tokens, seed: int) -> Routing:
    if not isinstance(tokens, int):
        raise RoutingError("a routing is drawn from a capture with equally many tokens a rank")
    if captured.is_single and (ranks, tokens) == (captured.ranks, captured.most_tokens):
        return captured.as_it_was()
    return captured.drawn(ranks, tokens, seed)


def _of(ranks: int, routing: Routing, path: str) -> Routing:
    if routing.ranks != ranks:
        raise RoutingError(f"{path} is of {routing.ranks} ranks, not of {ranks}")
    return routing


def _drawn(
    ranks: int,
    tokens: Tokens,
    top_k: int,
    begin: Ints,
    seed: int,
    edges: Ints | None = None,
    top_groups: int = 0,
) -> Routing:
    from collectives.moe.routing.draws import draw  # numba takes a moment to import

    experts, ranks, top_k = len(begin) - 1, count(ranks, "ranks"), count(top_k, "top_k")
    first = np.append(0, _each(tokens, ranks).cumsum())
    if not 1 <= top_k <= experts:
        raise RoutingError(f"top_k is {top_k} of {experts} experts; it has to be 1 to {experts}")
    chosen = np.empty((first[-1], top_k), np.int64)
    groups = np.zeros(1, np.int64) if edges is None else edges
    draw(chosen, first, np.uint64(_seed(seed)), begin, groups, top_groups)
    return Routing(np.split(chosen, first[1:-1]), experts)


def _line(weights: Weights) -> Ints:
    """Where every expert begins on a line on which each is as long as its weight, and the end."""
    share = weights / weights.max()
    if (share == 1).all():
        return np.arange(len(weights) + 1)
    share /= share.cumsum()[-1]
    return np.append(0, np.maximum((share * _LINE).astype(np.int64), 1).cumsum())


def _seed(seed: Any) -> int:
    return count(seed, "seed", 0, 2**64 - 1)


def _each(tokens: Any, ranks: int) -> Ints:
    """How many tokens every rank has, from one number or one for each rank."""
    alike = whole(tokens)
    try:
        given = [alike] * ranks if alike is not None else integers(tokens, "tokens", ranks)
    except ArgumentError:
        given = [-1]
    if ranks < 1 or min(given) < 0 or sum(given) > MOST:
        raise RoutingError(
            f"{shown(tokens)} tokens on {ranks} ranks: one number, or one for each rank, that add"
            f" up to {MOST} at most"
        )
    return np.array(given, np.int64)
