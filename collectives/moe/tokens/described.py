"""What a record of a run keeps of a dispatch and a combine, as JSON."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from collectives.moe.routing.routing import Ints
from fabric.schedule.counts import RankCounts


def token_facts(
    mode: str, counts: RankCounts, size: int, number: int, *, back: bool, **more: Ints
) -> dict[str, Any]:
    """The facts of a call of ``mode`` ("low-latency" or "normal"), as in `RunLog.facts`.

    ``counts``: of tokens; ``size``: bytes of a message; ``number``: of the dispatch, of whose
    chances it is; ``more``: what else the rows of many ranks follow from: ``local`` experts of each
    rank, or choices ``chosen`` here and ``hosted`` here.
    """
    return {
        "tokens": mode, "back": back, "size": size, "number": number,
        "sent": counts.sent.tolist(), "received": counts.received.tolist(),
        **{name: column.tolist() for name, column in more.items()},
    }  # fmt: skip


def routing_facts(
    choices: NDArray[Any], weights: NDArray[Any] | None, experts: int
) -> Mapping[str, Any]:
    """The experts of each token, ``[tokens, top_k]``, and their weights, for the log."""
    told = None if weights is None else _text(weights, "<f4")
    tokens, top_k = choices.shape
    return {
        "tokens": tokens, "top_k": top_k, "topk_idx": _text(choices, "<i4"), "weights": told,
        "experts": experts,
    }  # fmt: skip


def _text(array: NDArray[Any], dtype: str) -> str:
    return b64encode(np.ascontiguousarray(array).astype(dtype).tobytes()).decode()
