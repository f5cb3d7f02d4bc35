"""Which experts every token of every rank has chosen, and the tables that schedules need of it.

Experts lie on ranks in contiguous blocks. Where they do not divide, the first ranks host one more
than the others (vLLM's "linear" placement does the same); with fewer experts than ranks, the last
ranks host none.

Choices are counted in two ways. A *selection* is one choice of one token: the low-latency mode
sends a message for each. A *copy* is a token that a rank (or a node) must have at least once: the
normal mode sends a message for each, however many experts of that rank the token has chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from topology.arguments import integer
from topology.errors import TriplaneError

Ints = NDArray[np.int64]

MASKED = -1
"""A choice that was not made: nothing is sent for it (as in DeepEP's ``topk_idx``)."""


class RoutingError(TriplaneError):
    """A routing table is wrong, or does not fit what is asked of it."""


MOST = 1 << 31
"""Tokens, experts and the like at most."""


def count(value: Any, name: str, least: int = 0, most: int = MOST) -> int:
    """``value`` as an int from ``least`` to ``most``; raises `RoutingError`."""
    return integer(value, name, least, most, RoutingError)


class Selections(NamedTuple):
    """All choices that are not masked, by (src, token, slot): int64 arrays of one length.

    ``src``: rank that owns the token; ``token``: its row on that rank; ``slot``: which of its
    top_k choices; ``expert``: global number; ``dst``: rank of the expert; ``position``: how many
    earlier tokens of ``src`` chose the same expert.
    """

    src: Ints
    token: Ints
    slot: Ints
    expert: Ints
    dst: Ints
    position: Ints


class Copies(NamedTuple):
    """The tokens that each place needs, once each, by (src, token, dst): int64 arrays.

    ``src``: rank that owns the token; ``token``: its row there; ``dst``: the rank or node that
    needs it; ``position``: how many earlier tokens of ``src`` that ``dst`` needs.
    """

    src: Ints
    token: Ints
    dst: Ints
    position: Ints


@dataclass(frozen=True, eq=False)
class Routing:
    """The experts of every token: ``topk_idx[rank]`` is int64 ``[tokens, top_k]``.

    Ranks may have different numbers of tokens, and none. An entry is an expert, 0 to
    ``experts - 1``, or `MASKED`. The arrays are copied and cannot be written.

    Raises `RoutingError` where a shape does not fit, an entry is out of range, or a token has
    the same expert twice.
    """

    topk_idx: tuple[Ints, ...]
    experts: int

    def __init__(self, topk_idx: Sequence[ArrayLike] | NDArray[np.integer], experts: int) -> None:
        experts, tables = count(experts, "experts"), _tables(topk_idx)
        flat = np.concatenate(tables)
        flat.setflags(write=False)
        ends = np.cumsum([len(table) for table in tables])
        object.__setattr__(self, "topk_idx", tuple(np.split(flat, ends[:-1])))
        object.__setattr__(self, "experts", experts)
        self.__dict__["flat"] = flat
        _check(self)

    @cached_property
    def flat(self) -> Ints:
        """The choices of all ranks, one rank after the other: ``[all tokens, top_k]``."""
        return np.concatenate(self.topk_idx)

    @property
    def ranks(self) -> int:
        """Number of ranks."""
        return len(self.topk_idx)

    @property
    def top_k(self) -> int:
        """Number of choices of a token, masked ones included."""
        return int(self.topk_idx[0].shape[1])

    @cached_property
    def tokens(self) -> Ints:
        """Number of tokens of every rank: int64 ``[ranks]``."""
        return np.array([len(table) for table in self.topk_idx], np.int64)

    @cached_property
    def local_experts(self) -> Ints:
        """Number of experts that every rank hosts: int64 ``[ranks]``."""
        return blocks(self.experts, self.ranks)

    @cached_property
    def first_expert(self) -> Ints:
        """The first expert of every rank: ``[ranks]``."""
        return starts(self.local_experts)

    @cached_property
    def expert_rank(self) -> Ints:
        """The rank of every expert: ``[experts]``."""
        return np.repeat(np.arange(self.ranks), self.local_experts)

    @cached_property
    def selections(self) -> Selections:
        """All choices that are not masked, by rank, token and slot."""
        expert, width = self.flat.ravel(), self.top_k
        src = np.repeat(np.arange(self.ranks), self.tokens * width)
        token = np.repeat(self._token, width)
        slot = np.tile(np.arange(width), len(self.flat))
        if (expert == MASKED).any():
            made = expert != MASKED
            src, token, slot, expert = src[made], token[made], slot[made], expert[made]
        position = ordinals(src, expert, (self.ranks, self.experts))
        return Selections(src, token, slot, expert, self.expert_rank[expert], position)

    @cached_property
    def expert_counts(self) -> Ints:
        """Number of tokens of each rank that chose each expert: int64 ``[ranks, experts]``."""
        chosen = self.selections
        return pairs(chosen.src, chosen.expert, (self.ranks, self.experts))

    @cached_property
    def counts(self) -> Ints:
        """Number of selections from each rank to each: int64 ``[src, dst]``."""
        chosen = self.selections
        return pairs(chosen.src, chosen.dst, (self.ranks, self.ranks))

    @cached_property
    def copies(self) -> Copies:
        """The tokens that every rank needs, each once."""
        return self._copies(self.expert_rank, self.ranks)

    @cached_property
    def rank_counts(self) -> Ints:
        """Number of tokens of each rank that each rank needs: int64 ``[src, dst]``."""
        return pairs(self.copies.src, self.copies.dst, (self.ranks, self.ranks))

    def node_copies(self, ranks_per_node: int) -> Copies:
        """The tokens that every node needs, each once, the node of their owner included.

        Raises `RoutingError` if nodes would not be full.
        """
        return self._copies(self.expert_rank // ranks_per_node, self.nodes(ranks_per_node))

    def node_counts(self, ranks_per_node: int) -> Ints:
        """Number of tokens of each rank that each node needs: int64 ``[src, node]``.

        Raises `RoutingError` if nodes would not be full.
        """
        copies = self.node_copies(ranks_per_node)
        return pairs(copies.src, copies.dst, (self.ranks, self.nodes(ranks_per_node)))

    def nodes(self, ranks_per_node: int) -> int:
        """Number of nodes; raises `RoutingError` if one would not be full."""
        width = count(ranks_per_node, "ranks_per_node")
        if width < 1 or self.ranks % width:
            choices = [n for n in range(1, self.ranks + 1) if self.ranks % n == 0]
            raise RoutingError(
                f"{self.ranks} ranks do not fill nodes of {ranks_per_node} ranks; "
                f"they fill nodes of {', '.join(map(str, choices))}"
            )
        return self.ranks // ranks_per_node

    @cached_property
    def _token(self) -> Ints:
        # The row of every token on its own rank.
        return np.arange(len(self.flat)) - np.repeat(starts(self.tokens), self.tokens)

    @cached_property
    def _ordered(self) -> NDArray[np.integer]:
        # Sorted within each token, in the narrowest type: the one sort behind every copy.
        narrow = np.int16 if self.experts <= np.iinfo(np.int16).max else np.int64
        return np.sort(self.flat.astype(narrow), axis=1)

    def _copies(self, place: Ints, places: int) -> Copies:
        # Experts lie in blocks, so sorted experts are sorted places: a change is a new place.
        # The table's last entry answers for the index -1, which is MASKED.
        table = np.append(place, MASKED).astype(self._ordered.dtype)
        where = table[self._ordered]
        new = where != MASKED
        new[:, 1:] &= where[:, 1:] != where[:, :-1]
        needed, dst = new.sum(axis=1), where[new].astype(np.int64)
        src = np.repeat(np.repeat(np.arange(self.ranks), self.tokens), needed)
        position = ordinals(src, dst, (self.ranks, places))
        return Copies(src, np.repeat(self._token, needed), dst, position)


def blocks(items: int, places: int) -> Ints:
    """The sizes of ``places`` contiguous blocks of ``items``, int64.

    The first ones are one larger.
    """
    return items // places + (np.arange(places) < items % places).astype(np.int64)


def starts(sizes: Ints, axis: int | None = None) -> Ints:
    """The begin of each of the pieces of these sizes, if they lie one after the other: int64."""
    return sizes.cumsum(axis) - sizes


def pairs(first: Ints, second: Ints, shape: tuple[int, int]) -> Ints:
    """The number of times that each pair occurs: int64 ``[first, second]`` of shape ``shape``."""
    return np.bincount(first * shape[1] + second, minlength=shape[0] * shape[1]).reshape(shape)


def ordinals(first: Ints, second: Ints, shape: tuple[int, int]) -> Ints:
    """For each pair, the number of equal pairs before it, int64; ``first`` must be ascending."""
    sizes = pairs(second, first, shape[::-1]).ravel()
    place = np.empty(len(first), np.int64)
    place[sorted_by(second, shape[1])] = np.arange(len(first)) - np.repeat(starts(sizes), sizes)
    return place


def sorted_by(keys: Ints, limit: int) -> NDArray[np.intp]:
    """The stable order of ``keys`` below ``limit``: int64, as `numpy.argsort` returns it.

    numpy sorts 16-bit keys by radix, ten times faster.
    """
    return np.argsort(keys.astype(np.uint16) if limit <= 1 << 16 else keys, kind="stable")


def _tables(given: Sequence[ArrayLike] | NDArray[np.integer]) -> list[Ints]:
    try:
        arrays = [np.asarray(table) for table in given]
    except (TypeError, ValueError) as error:
        raise RoutingError(f"the choices of a rank are not a table: {error}") from None
    shapes = {array.shape[1] for array in arrays if array.ndim == 2}
    if len(shapes) != 1:
        raise RoutingError(
            f"choices have to be [tokens, top_k] with one top_k on all ranks; "
            f"the shapes are {sorted({array.shape for array in arrays})}"
        )
    return [_table(rank, array, shapes.copy().pop()) for rank, array in enumerate(arrays)]


def _table(rank: int, array: NDArray[np.generic], top_k: int) -> Ints:
    if array.size == 0:
        return np.empty((len(array), top_k), np.int64)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise RoutingError(
            f"the choices of rank {rank} are {array.dtype} {list(array.shape)}; "
            f"they have to be integers [tokens, {top_k}]"
        )
    if array.dtype.kind == "u" and int(array.max()) > np.iinfo(np.int64).max:
        raise RoutingError(f"the choices of rank {rank} have {array.max()}, which is no expert")
    return array.astype(np.int64)


def _check(routing: Routing) -> None:
    if routing.experts < 1 or not 1 <= routing.top_k <= routing.experts:
        raise RoutingError(
            f"top_k is {routing.top_k} of {routing.experts} experts; "
            f"it has to be 1 to {routing.experts}"
        )
    flat = routing.flat
    if flat.size and (flat.min() < MASKED or flat.max() >= routing.experts):
        row, slot = np.argwhere((flat < MASKED) | (flat >= routing.experts))[0]
        raise RoutingError(
            f"{_name(routing, row)} slot {slot} chooses expert {flat[row, slot]}; "
            f"experts are 0 to {routing.experts - 1}, and {MASKED} is a masked choice"
        )
    ordered = routing._ordered
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != MASKED)
    if twice.any():
        row, slot = np.argwhere(twice)[0]
        slots = np.flatnonzero(flat[row] == ordered[row, slot]).tolist()
        raise RoutingError(
            f"{_name(routing, row)} chooses expert {ordered[row, slot]} in slots {slots}; "
            f"the experts of a token have to differ"
        )


def _name(routing: Routing, row: int) -> str:
    begin = starts(routing.tokens)
    rank = int(np.searchsorted(begin + routing.tokens, row, side="right"))
    return f"rank {rank} token {row - begin[rank]}"
