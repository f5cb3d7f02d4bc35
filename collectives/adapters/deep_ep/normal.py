"""The normal mode of V1: what a dispatch sends, what it returns, and its handle."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.deep_ep.event import Arrival
from collectives.adapters.deep_ep.parcels import Parcels, empty
from collectives.adapters.deep_ep.tensors import TokenLoad, checked, memory
from collectives.adapters.token_arguments import MOST, choices, expect, in_range, ints
from collectives.calls.communicator import Communicator
from collectives.moe.routing.expert_ranks import expert_ranks
from collectives.moe.routing.routing import Ints
from collectives.moe.tensors import TokenError, array_of, integer
from collectives.moe.tokens.normal import Arrived, Routed
from collectives.moe.tokens.rank_transfer import Relayed
from collectives.moe.tokens.selection import needed

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DispatchArguments:
    """The checked arguments of a dispatch; ``per_rank``, ``per_expert``: tokens for each."""

    in_rank: Flags
    per_rank: Ints
    per_expert: Ints
    topk_idx: NDArray[np.int64] | None
    topk_weights: torch.Tensor | None

    @property
    def experts(self) -> int:
        """Number of experts over all ranks."""
        return len(self.per_expert)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What combine and further dispatches need of a dispatch.

    Complete once ``arrival`` was waited for.

    ``asked``: the arguments of the dispatch. ``worst``: rows that it returned, 0 for as many as
    came.
    """

    parcels: Parcels
    routed: Routed
    arrived: Arrived
    arrival: Arrival
    asked: "DispatchArguments"
    worst: int = 0

    @property
    def rows(self) -> int:
        """Number of rows that arrived."""
        return len(self.arrived.x)

    @property
    def returned(self) -> int:
        """Number of rows that the dispatch returned."""
        return self.worst or self.rows


class NormalHandle(tuple[torch.Tensor, ...]):
    """The tuple of tensors that DeepEP returns as handle, with the `Route` that they stand for."""

    route: Route

    @classmethod
    def of(cls, tensors: tuple[torch.Tensor, ...], route: Route) -> "NormalHandle":
        """A handle with these tensors, and the route that they describe."""
        made = cls(tensors)
        made.route = route
        return made


def layout(topk_idx: NDArray[np.int64], experts: Any, ranks: int) -> tuple[Ints, Ints, Flags]:
    """The tokens for each rank, for each expert, and which token goes to which rank.

    Raises `TokenError` for an unknown expert, or experts that are no multiple of ``ranks``.
    """
    experts = integer(experts, "num_experts", 1, MOST)
    if experts % ranks:
        raise TokenError(f"num_experts is {experts}; it has to be a multiple of the {ranks} ranks")
    in_range(topk_idx, experts)
    flags = needed(topk_idx, expert_ranks(experts, ranks).rank, ranks)
    per_expert = np.bincount(topk_idx[topk_idx >= 0], minlength=experts)
    return flags.sum(axis=0), per_expert, flags


def by_node(in_rank: Flags, width: int) -> Flags:
    """Which token goes to which node of ``width`` ranks: bool ``[tokens, nodes]``."""
    tokens, ranks = in_rank.shape
    flags: Flags = np.asarray(in_rank.reshape(tokens, ranks // width, width).any(axis=2))
    return flags


def asked(
    tokens: int, ranks: int, num_tokens_per_rank: Any, is_token_in_rank: Any,
    num_tokens_per_expert: Any, topk_idx: Any, topk_weights: Any, per_node: Any, width: int | None,
) -> DispatchArguments:  # fmt: skip
    """Check what a dispatch without a handle was given; raises `TokenError`.

    ``per_node``: tokens for each node of ``width`` ranks, or None.
    """
    for what, given in (
        ("num_tokens_per_rank", num_tokens_per_rank), ("is_token_in_rank", is_token_in_rank),
        ("num_tokens_per_expert", num_tokens_per_expert),
    ):  # fmt: skip
        if given is None:
            raise TokenError(
                f"{what} is None; without a handle it has to be of get_dispatch_layout"
            )
    flags = expect(is_token_in_rank, "is_token_in_rank", torch.bool, (tokens, ranks))
    per_rank = expect(num_tokens_per_rank, "num_tokens_per_rank", torch.int32, (ranks,))
    per_expert = expect(num_tokens_per_expert, "num_tokens_per_expert", torch.int32, (None,))
    found = DispatchArguments(
        array_of(flags).copy(), _numbers(per_rank), _numbers(per_expert),
        None if topk_idx is None else choices(topk_idx, tokens), None,
    )  # fmt: skip
    if not np.array_equal(found.in_rank.sum(axis=0), found.per_rank):
        raise TokenError("num_tokens_per_rank does not count the tokens of is_token_in_rank")
    _count_nodes(per_node, found.in_rank, width)
    if found.experts < 1 or found.experts % ranks:
        raise TokenError(
            f"num_tokens_per_expert counts {found.experts} experts; they have to be a multiple of"
            f" the {ranks} ranks"
        )
    if found.topk_idx is None:
        if topk_weights is not None:
            raise TokenError("topk_weights are given without topk_idx, whose weights they are")
        return found
    _, counts, chosen = layout(found.topk_idx, found.experts, ranks)
    if not (np.array_equal(chosen, found.in_rank) and np.array_equal(counts, found.per_expert)):
        raise TokenError("is_token_in_rank and num_tokens_per_expert were not made of topk_idx")
    if topk_weights is None:
        return found
    shape = tuple(found.topk_idx.shape)
    weights = expect(topk_weights, "topk_weights", torch.float32, shape)
    return replace(found, topk_weights=weights.detach().contiguous())


def _count_nodes(per_node: Any, in_rank: Flags, width: int | None) -> None:
    """Raise `TokenError` where ``num_tokens_per_rdma_rank`` is not what ``in_rank`` says."""
    if per_node is None:
        return
    if width is None:
        raise TokenError("num_tokens_per_rdma_rank is given, and all ranks are one node")
    nodes = by_node(in_rank, width).sum(axis=0)
    given = expect(per_node, "num_tokens_per_rdma_rank", torch.int32, (len(nodes),))
    if not np.array_equal(_numbers(given), nodes):
        raise TokenError("num_tokens_per_rdma_rank does not count the tokens of is_token_in_rank")


def again(
    route: Route, tokens: int, topk: tuple[Any, Any], worst: int, layout: tuple[Any, Any, Any, Any]
) -> None:
    """Check what a dispatch was given besides a handle.

    Raises `TokenError` if it contradicts the handle.

    ``topk``: experts and weights; ``layout``: tokens for each rank, for each node, which token goes
    where, tokens for each expert.
    """
    if topk != (None, None):
        raise TokenError("a dispatch with a handle has neither topk_idx nor topk_weights")
    if tokens != route.routed.tokens:
        raise TokenError(f"x has {tokens} tokens; the handle is of {route.routed.tokens}")
    if worst not in (0, route.worst):
        raise TokenError(
            f"num_worst_tokens is {worst}; the handle is of a dispatch with {route.worst}"
        )
    asked = route.asked
    nodes = None
    width = route.parcels.width
    if width is not None:
        nodes = by_node(asked.in_rank, width).sum(axis=0)
    names = ("num_tokens_per_rank", "num_tokens_per_rdma_rank", "is_token_in_rank",
             "num_tokens_per_expert")  # fmt: skip
    has = (asked.per_rank, nodes, asked.in_rank, asked.per_expert)
    for what, given, kept in zip(names, layout, has, strict=True):
        if given is None:
            continue
        dtype = torch.bool if what == "is_token_in_rank" else torch.int32
        shape = () if kept is None else kept.shape
        if kept is None or not np.array_equal(array_of(expect(given, what, dtype, shape)), kept):
            raise TokenError(f"{what} is not that of the handle, which a dispatch with one repeats")


def _numbers(tensor: torch.Tensor) -> Ints:
    return array_of(tensor).astype(np.int64)


def exchanged(comm: Communicator, found: DispatchArguments) -> tuple[Ints, Ints]:
    """The number of tokens from each rank to each, ``[src, dst]``, and for each expert here.

    All ranks call it; it takes no emulated time.
    """
    local = found.experts // comm.size
    mine = np.empty((comm.size, comm.size + local), np.int32)
    mine[:, : comm.size] = found.per_rank
    mine[:, comm.size :] = found.per_expert.reshape(comm.size, local)
    all_of_them = np.empty_like(mine)
    comm.inform(all_of_them, mine, f"deep_ep layout({found.experts} experts)")
    every = all_of_them.astype(np.int64)
    return every[:, : comm.size], every[:, comm.size :].sum(axis=0)


def as_choices(in_rank: Flags) -> NDArray[np.int64]:
    """The ranks that tokens go to, as choices of one expert each: int64 ``[tokens, ranks]``."""
    return np.where(in_rank, np.arange(in_rank.shape[1]), -1)


def handle(
    route: Route, found: DispatchArguments, sent: Ints, rank: int, width: int | None
) -> NormalHandle:
    """The handle of a dispatch in DeepEP's form, with one channel. ``sent``: tokens ``[src, dst]``.

    Tensors that only DeepEP's kernels read, about chunks, are zero.
    """
    until = sent.cumsum(axis=0)
    in_rank = torch.from_numpy(found.in_rank)
    begin = ints((until[:, rank] - sent[:, rank])[:, None])
    to_each = ints(found.per_rank[:, None])
    token = torch.from_numpy(route.arrived.token)
    if width is None:
        head = _heads(found.in_rank)
        return NormalHandle.of((ints(until), to_each, begin, token, in_rank, head), route)
    nodes = by_node(found.in_rank, width)
    path = route.routed.path
    held = path.held if isinstance(path, Relayed) else np.zeros(nodes.shape[1], np.int64)
    source = np.repeat(np.arange(len(sent)), sent[:, rank]) // width
    meta = torch.stack([ints(source), token], dim=1)
    return NormalHandle.of(
        (
            in_rank, ints(nodes.sum(axis=0)[:, None]), to_each,
            ints((held.cumsum() - held)[:, None]), ints(held.cumsum()), begin,
            ints(until[:, rank]), meta, _heads(nodes), ints(np.zeros((held.sum(), width))),
        ),
        route,
    )  # fmt: skip


def _heads(goes: Flags) -> torch.Tensor:
    """Where each token stands in the queue of each place, -1 where it does not go there."""
    return ints(np.where(goes, goes.cumsum(axis=0) - 1, -1))


def padded(tensor: torch.Tensor, rows: int, value: int) -> torch.Tensor:
    """A new tensor of ``rows`` rows, otherwise like ``tensor``, filled with ``value``."""
    more = memory((rows, *tensor.shape[1:]), tensor.dtype)
    more.view(torch.uint8).zero_() if value == 0 else more.fill_(value)
    return more


def in_worst(
    came: TokenLoad,
    idx: torch.Tensor | None,
    weights: torch.Tensor | None,
    rows: int,
    arrival: Arrival,
) -> tuple[TokenLoad, torch.Tensor | None, torch.Tensor | None, Arrival]:
    """The received tensors padded to ``rows`` rows, filled when ``arrival`` is over.

    Raises `TokenError`.
    """
    if idx is None:
        raise TokenError("num_worst_tokens needs topk_idx: its -1 mark the rows that hold nothing")
    if rows < came.tokens:
        raise TokenError(f"num_worst_tokens is {rows}, and {came.tokens} tokens have come")
    small = (came.numbers, came.scales, idx, weights)
    larger = [
        None if t is None else padded(t, rows, value)
        for t, value in zip(small, (0, 0, -1, 0), strict=True)
    ]

    def finish() -> None:
        arrival.wait()
        for each, large in zip(small, larger, strict=True):
            if each is not None and large is not None:
                large[: len(each)] = each

    numbers, scales, chosen, weighed = larger
    if numbers is None:
        raise AssertionError("tokens are always there")
    return TokenLoad(numbers, scales), chosen, weighed, Arrival(None, finish)


def route_of(handle: Any) -> Route:
    """The route in a handle; raises `TokenError` for anything but a handle."""
    if not isinstance(handle, NormalHandle):
        raise TokenError(f"handle is a {type(handle).__name__}; it has to be of a dispatch here")
    return handle.route


def results(x: Any, route: Route) -> TokenLoad:
    """The argument ``x`` of a combine, a row for each returned one; raises `TokenError`."""
    y = expect(x, "x", torch.bfloat16, (None, None)).detach()
    if len(y) != route.returned:
        raise TokenError(f"x has {len(y)} rows; the dispatch returned {route.returned}")
    return checked(TokenLoad(y[: route.rows].contiguous(), None))


def home_weights(topk_weights: Any, route: Route) -> torch.Tensor | None:
    """The weights of the received rows, for combine to add up; None for None.

    Raises `TokenError`.
    """
    if topk_weights is None:
        return None
    shape = (route.returned, None)
    weights = expect(topk_weights, "topk_weights", torch.float32, shape)
    return weights.detach()[: route.rows].contiguous()


def summed_bias(bias: Any, tokens: int, hidden: int) -> NDArray[np.float32] | None:
    """The initial value of sums, float32 ``[tokens, hidden]``, from one bfloat16 tensor or two.

    None for None. Raises `TokenError`.
    """
    if bias is None:
        return None
    given = bias if isinstance(bias, tuple | list) else (bias,)
    if not 1 <= len(given) <= 2:
        raise TokenError(f"bias is a tuple of {len(given)}; it can be one or two tensors")
    both = [
        expect(each, "bias", torch.bfloat16, (tokens, hidden)).detach().float() for each in given
    ]
    total: NDArray[np.float32] = sum(both[1:], both[0]).contiguous().numpy()
    return total


def remembered(found: TokenLoad) -> TokenLoad:
    """A load without tokens that keeps the shapes and types of ``found``, as a key."""
    return empty(found)
