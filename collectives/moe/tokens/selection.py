"""The experts of a rank's own tokens, checked, and in the order in which they are sent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.expert_ranks import ExpertRanks
from collectives.moe.routing.routing import MASKED, Ints, sorted_by
from collectives.moe.tensors import TokenError
from collectives.moe.tokens.loading import row_kernels


def check(topk_idx: Ints, experts: int, *, repeats: bool = False) -> None:
    """Raise `TokenError` for a choice that is no expert, and for repeats unless ``repeats``.

    Repeats are tokens that choose an expert more than once.
    """
    if not topk_idx.size:
        return
    wrong = (topk_idx < MASKED) | (topk_idx >= experts)
    if wrong.any():
        token, slot = np.argwhere(wrong)[0]
        raise TokenError(
            f"token {token} slot {slot} chooses expert {topk_idx[token, slot]}; experts are 0 to"
            f" {experts - 1}, and {MASKED} is a masked choice"
        )
    if not repeats:
        once(topk_idx)


def once(topk_idx: Ints) -> None:
    """Raise `TokenError` for a token that chooses an expert more than once."""
    ordered = np.sort(topk_idx, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != MASKED)
    if twice.any():
        token, slot = np.argwhere(twice)[0]
        expert = ordered[token, slot]
        slots = np.flatnonzero(topk_idx[token] == expert).tolist()
        raise TokenError(
            f"token {token} chooses expert {expert} in slots {slots}; the experts of a token have"
            " to differ"
        )


@dataclass(frozen=True, eq=False, slots=True)
class Selected:
    """A rank's choices that are not masked, as the low-latency mode sends them: by expert, token.

    ``token``: the token of every one; ``counts``: ``[experts]``; ``row``: where a choice stands in
    that order, ``[tokens, top_k]``, -1 where masked; ``sent``: how many go to each rank's experts.
    """

    token: Ints
    counts: Ints
    row: Ints
    sent: Ints


def selected(topk_idx: Ints, expert_ranks: ExpertRanks, *, repeats: bool = False) -> Selected:
    """The choices ``topk_idx`` that are not masked, ordered by expert and token.

    ``topk_idx``: int64 ``[tokens, top_k]``. Raises `TokenError` as `check` does.
    """
    token, row = np.empty(topk_idx.size, np.int64), np.empty(topk_idx.shape, np.int64)
    counts, sent = np.empty(expert_ranks.experts, np.int64), np.empty(expert_ranks.ranks, np.int64)
    n = row_kernels().select(topk_idx, expert_ranks.rank, repeats, token, row, counts, sent)
    if n < 0:
        check(topk_idx, expert_ranks.experts, repeats=repeats)
        raise AssertionError("choices are wrong, and nothing says how")
    return Selected(token[:n], counts, row, sent)


@dataclass(frozen=True, eq=False, slots=True)
class Copied:
    """A rank's tokens as the normal mode sends them: once to each place, by place and token.

    A place is a rank, or a node. ``token``: the token of every copy; ``counts``: ``[places]``;
    ``row``: where the copy for a place stands in that order, ``[tokens, copies of a token at
    most]`` by place ascending, -1 at the end.
    """

    token: Ints
    counts: Ints
    row: Ints


def copies(
    topk_idx: Ints, expert_ranks: ExpertRanks, *, repeats: bool = False
) -> tuple[Copied, Ints]:
    """The copies of tokens by rank, and how many choices there are of each expert.

    Arguments and errors as for `selected`.
    """
    tokens, top_k = topk_idx.shape
    wide = min(top_k, expert_ranks.ranks)
    token, row = np.empty(tokens * wide, np.int64), np.empty((tokens, wide), np.int64)
    counts = np.empty(expert_ranks.ranks, np.int64)
    by_expert = np.empty(expert_ranks.experts, np.int64)
    n, most = row_kernels().select_copies(
        topk_idx, expert_ranks.rank, repeats, token, row, counts, by_expert
    )
    if n < 0:
        check(topk_idx, expert_ranks.experts, repeats=repeats)
        raise AssertionError("choices are wrong, and nothing says how")
    return Copied(token[:n], counts, np.ascontiguousarray(row[:, :most])), by_expert


def copied(needed: NDArray[np.bool_]) -> Copied:
    """The copies of tokens ordered by place; ``needed``: bool ``[tokens, places]``."""
    place, token = np.nonzero(needed.T)
    each = needed.sum(axis=1)
    most = int(each.max(initial=0))
    # The n-th place of a token, counted in the order of places.
    order = sorted_by(token, max(len(needed), 1))
    nth = np.arange(len(token)) - np.repeat(each.cumsum() - each, each)
    row = np.full((len(needed), most), -1, np.int64)
    row[token[order], nth] = order
    return Copied(token, np.bincount(place, minlength=needed.shape[1]), row)


def needed(topk_idx: Ints, place: Ints, places: int) -> NDArray[np.bool_]:
    """Which places host an expert of each token: bool ``[tokens, places]``."""
    table = np.zeros((len(topk_idx), places + 1), bool)
    where = np.append(place, places)[topk_idx]  # the last entry answers for MASKED, which is -1
    np.put_along_axis(table, where, True, axis=1)
    return table[:, :places]
