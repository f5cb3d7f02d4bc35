"""The normal mode of V1: what a dispatch sends, what it returns, and its handle."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from collectives.adapters.deep_ep.event import Arrival
from collectives.adapters.deep_ep.parcels import Parcels, empty
from collectives.adapters.deep_ep.tensors import Load, choices, expect, ints
from collectives.communicator import Communicator
from collectives.moe.choices import needed
from collectives.moe.hosts import hosts
from collectives.moe.paths import Relayed
from collectives.moe.routing import Ints
from collectives.moe.tensors import TokenError
from collectives.moe.tokens_normal import Arrived, Routed

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a dispatch was asked for, checked. ``per_rank``, ``per_expert``: tokens for each."""

    in_rank: Flags
    per_rank: Ints
    per_expert: Ints
    topk_idx: NDArray[np.int64] | None
    topk_weights: torch.Tensor | None

    @property
    def experts(self) -> int:
        """How many there are in all."""
        return len(self.per_expert)


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What combine and further dispatches have to know; whole when ``arrival`` is waited for."""

    parcels: Parcels
    routed: Routed
    arrived: Arrived
    arrival: Arrival

    @property
    def rows(self) -> int:
        """How many came."""
        return len(self.arrived.x)


class Handle(tuple[torch.Tensor, ...]):
    """The tuple of tensors that DeepEP gives, and the way that they stand for."""

    route: Route

    @classmethod
    def of(cls, tensors: tuple[torch.Tensor, ...], route: Route) -> "Handle":
        """Make one."""
        made = cls(tensors)
        made.route = route
        return made


def layout(topk_idx: NDArray[np.int64], experts: int, ranks: int) -> tuple[Ints, Ints, Flags]:
    """Tokens for each rank, for each expert, and which token goes to which rank.

    Raises `TokenError` for experts that cannot be.
    """
    if experts < 1 or experts % ranks:
        raise TokenError(f"num_experts is {experts}; it has to be a multiple of the {ranks} ranks")
    in_range(topk_idx, experts)
    flags = needed(topk_idx, hosts(experts, ranks).rank, ranks)
    per_expert = np.bincount(topk_idx[topk_idx >= 0], minlength=experts)
    return flags.sum(axis=0), per_expert, flags


def by_node(in_rank: Flags, width: int) -> Flags:
    """Which token goes to which node, of ``width`` ranks each."""
    tokens, ranks = in_rank.shape
    flags: Flags = np.asarray(in_rank.reshape(tokens, ranks // width, width).any(axis=2))
    return flags


def in_range(topk_idx: NDArray[np.int64], experts: int) -> None:
    """Raise `TokenError` for a choice of an expert that there is not."""
    wrong = (topk_idx < -1) | (topk_idx >= experts)
    if wrong.any():
        token, slot = np.argwhere(wrong)[0]
        raise TokenError(
            f"topk_idx[{token}, {slot}] is expert {topk_idx[token, slot]}; experts are 0 to"
            f" {experts - 1}, and -1 is a masked choice"
        )


def asked(
    tokens: int, ranks: int, num_tokens_per_rank: Any, is_token_in_rank: Any,
    num_tokens_per_expert: Any, topk_idx: Any, topk_weights: Any,
) -> Asked:  # fmt: skip
    """Check what a dispatch without a handle was given; raises `TokenError`."""
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
    found = Asked(
        flags.detach().contiguous().numpy(), _numbers(per_rank), _numbers(per_expert),
        None if topk_idx is None else choices(topk_idx, tokens), None,
    )  # fmt: skip
    if not np.array_equal(found.in_rank.sum(axis=0), found.per_rank):
        raise TokenError("num_tokens_per_rank does not count the tokens of is_token_in_rank")
    if found.topk_idx is None:
        return found
    _, counts, chosen = layout(found.topk_idx, found.experts, ranks)
    if not (np.array_equal(chosen, found.in_rank) and np.array_equal(counts, found.per_expert)):
        raise TokenError("is_token_in_rank and num_tokens_per_expert were not made of topk_idx")
    if topk_weights is None:
        return found
    shape = tuple(found.topk_idx.shape)
    weights = expect(topk_weights, "topk_weights", torch.float32, shape)
    return replace(found, topk_weights=weights.detach().contiguous())


def _numbers(tensor: torch.Tensor) -> Ints:
    return tensor.detach().numpy().astype(np.int64)


def exchanged(comm: Communicator, found: Asked) -> tuple[Ints, Ints]:
    """How many tokens each rank sends to each, and how many come for each expert here."""
    local = found.experts // comm.size
    mine = np.empty((comm.size, comm.size + local), np.int32)
    mine[:, : comm.size] = found.per_rank
    mine[:, comm.size :] = found.per_expert.reshape(comm.size, local)
    all_of_them = np.empty_like(mine)
    comm.inform(all_of_them, mine, f"deep_ep layout({found.experts} experts)")
    every = all_of_them.astype(np.int64)
    return every[:, : comm.size], every[:, comm.size :].sum(axis=0)


def as_choices(in_rank: Flags) -> NDArray[np.int64]:
    """The ranks that tokens go to, as experts: one on each rank."""
    return np.where(in_rank, np.arange(in_rank.shape[1]), -1)


def handle(route: Route, found: Asked, sent: Ints, rank: int, width: int | None) -> Handle:
    """The tensors of DeepEP's handle; there is one channel. ``sent``: by source and destination.

    Of tensors that only its kernels read, those that speak of chunks are zero.
    """
    until = sent.cumsum(axis=0)
    in_rank = torch.from_numpy(found.in_rank)
    begin = ints((until[:, rank] - sent[:, rank])[:, None])
    to_each = ints(found.per_rank[:, None])
    token = torch.from_numpy(route.arrived.token)
    if width is None:
        head = _heads(found.in_rank)
        return Handle.of((ints(until), to_each, begin, token, in_rank, head), route)
    nodes = by_node(found.in_rank, width)
    path = route.routed.path
    held = path.held if isinstance(path, Relayed) else np.zeros(nodes.shape[1], np.int64)
    source = np.repeat(np.arange(len(sent)), sent[:, rank]) // width
    meta = torch.stack([ints(source), token], dim=1)
    return Handle.of(
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
    """So many rows more, which hold ``value``."""
    more = torch.empty((rows, *tensor.shape[1:]), dtype=tensor.dtype)
    more.view(torch.uint8).zero_() if value == 0 else more.fill_(value)
    return more


def remembered(found: Load) -> Load:
    """What a `Parcels` is made for."""
    return empty(found)
