"""What must be true after dispatch and combine, in the plainest words; the tests compare with it.

Loops over tokens, slow on purpose, that read nothing of a `Routing` but its choices.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collectives.moe.routing.routing import MASKED, Routing


def host(routing: Routing, expert: int) -> int:
    """The rank that hosts an expert: contiguous blocks, the first ranks with one more."""
    for rank in range(routing.ranks):
        expert -= routing.experts // routing.ranks + (rank < routing.experts % routing.ranks)
        if expert < 0:
            return rank
    raise AssertionError("a routing has no other experts")


def chosen(routing: Routing, src: int, expert: int) -> list[int]:
    """The tokens of rank ``src`` that chose ``expert``, in order: the content of its slots."""
    return [token for token, row in enumerate(routing.topk_idx[src]) if expert in row.tolist()]


def received(routing: Routing, dst: int, width: int = 1) -> list[tuple[int, int]]:
    """The (source rank, token) pairs that place ``dst`` of ``width`` ranks needs, in order."""
    return [
        (src, token)
        for src in range(routing.ranks)
        for token in range(len(routing.topk_idx[src]))
        if dst in places(routing, src, token, width)
    ]


def places(routing: Routing, src: int, token: int, width: int = 1) -> list[int]:
    """The ranks (or nodes of ``width`` ranks) that need a token, each once, ascending."""
    row = routing.topk_idx[src][token].tolist()
    return sorted({host(routing, expert) // width for expert in row if expert != MASKED})


def weighted_sum(
    results: NDArray[np.generic], topk_weights: ArrayLike, topk_idx: ArrayLike | None = None
) -> NDArray[np.float32]:
    """The weighted sum of each token's results: float32 ``[tokens, hidden]``, slot after slot.

    ``results``: ``[tokens, top_k, hidden]`` of any float type, as low-latency combine leaves them;
    ``topk_weights``: ``[tokens, top_k]``; ``topk_idx``: if given, masked choices are left out,
    whatever stands in their place. Accumulates in float32, as DeepEP does.
    """
    weights = np.asarray(topk_weights, np.float32)
    made = np.ones(weights.shape, bool) if topk_idx is None else np.asarray(topk_idx) != MASKED
    total = np.zeros((len(weights), results.shape[2]), np.float32)
    for slot in range(weights.shape[1]):
        rows = made[:, slot]
        total[rows] += weights[rows, slot, None] * results[rows, slot].astype(np.float32)
    return total
