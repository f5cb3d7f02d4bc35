"""Attention and experts on ranks of their own, with real tokens: to the experts, and back.

The first ranks of a communicator have attention and its tokens, all others host experts (AFD, the
A2E and E2A of xDeepServe, arXiv 2508.02520 section 3.3). Directly, an attention rank is one that
hosts no experts in a `LowLatency` of all ranks. Over trampolines, attention rank i hands its tokens
to expert rank i, which dispatches them among the expert ranks as its own, adds up what comes back
and returns one result a token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import DTypeLike, NDArray

from collectives.calls.communicator import Communicator
from collectives.moe.tensors import TokenError, integer
from collectives.moe.tokens.low_latency import Handle, LowLatency, Received
from collectives.moe.tokens.quantise import Wire

TRAMPOLINE, DIRECT = "trampoline", "direct"
"""The two ways of tokens to the experts."""


@dataclass(frozen=True, eq=False, slots=True)
class ApartHandle:
    """What `Apart.to_attention` needs of a `Apart.to_experts`.

    ``handle``: of the dispatch, None at attention ranks that use a trampoline; ``weights``: of the
    tokens that this rank dispatched; ``tokens``: of this attention rank, or of the one that it is
    the trampoline of.
    """

    handle: Handle | None
    weights: NDArray[np.float32]
    tokens: int


class Apart:
    """Tokens from attention ranks to expert ranks and back.

    ``attention``: the number of attention ranks, the first of ``comm``; ``experts``: on each of the
    other ranks; ``hidden``, ``max_tokens``, ``wire``: as in `LowLatency`; ``top_k``: choices of a
    token; ``dtype``: of tokens. ``way``: `TRAMPOLINE`, for which there have to be at least as many
    expert ranks as attention ranks, or `DIRECT`. All ranks make one with the same arguments, and
    the same calls. Raises `TokenError`.
    """

    def __init__(
        self, comm: Communicator, *, attention: int, experts: int, hidden: int, max_tokens: int,
        top_k: int, dtype: DTypeLike = ml_dtypes.bfloat16, way: str = TRAMPOLINE,
        wire: str | Wire = "int8",
    ) -> None:  # fmt: skip
        self.comm, self.hidden = comm, hidden
        self.attention = integer(attention, "attention", 1, comm.size - 1)
        self.top_k, self.dtype, self.way = integer(top_k, "top_k", 1), np.dtype(dtype), way
        hosts = comm.size - self.attention
        if way not in (TRAMPOLINE, DIRECT):
            raise TokenError(f"way is {way!r}; it has to be {TRAMPOLINE} or {DIRECT}")
        if way == TRAMPOLINE and hosts < self.attention:
            raise TokenError(
                f"{self.attention} attention ranks need as many trampolines, and there are {hosts}"
                " expert ranks"
            )
        group = comm if way == DIRECT else comm.split(int(self.has_experts))
        local: Sequence[int] = [experts] * hosts
        if way == DIRECT:
            local = [0] * self.attention + [experts] * hosts
        takes_part = group is not None and (way == DIRECT or self.has_experts)
        self.layer = (
            LowLatency(group, experts=local, hidden=hidden, max_tokens=max_tokens, wire=wire)
            if takes_part and group is not None else None
        )  # fmt: skip

    @property
    def has_experts(self) -> bool:
        """Whether this rank hosts experts."""
        return self.comm.rank >= self.attention

    def to_experts(
        self, x: Any = None, topk_idx: Any = None, topk_weights: Any = None
    ) -> tuple[Received | None, ApartHandle]:
        """Send the tokens of attention ranks to their experts (A2E).

        ``x``: ``[tokens, hidden]``, ``topk_idx``, ``topk_weights``: ``[tokens, top_k]``, numpy, at
        attention ranks; expert ranks give nothing. Returns what arrived (None at an attention rank
        that uses a trampoline) and a handle. Raises `TokenError`, `WorldError`.
        """
        try:
            own = self._own(x, topk_idx, topk_weights)
        except TokenError as error:
            self.comm.refuse(error)
        tokens, choices, weights = own
        if self.way == TRAMPOLINE:
            tokens, choices, weights = self._hop(*own)
        if self.layer is None:
            return None, ApartHandle(None, weights, len(own[0]))
        received, handle, _ = self.layer.dispatch(tokens, choices)
        return received, ApartHandle(handle, weights, len(tokens))

    def to_attention(self, y: Any, handle: ApartHandle) -> NDArray[Any] | None:
        """Bring results back and add them up, weighted (E2A): ``[tokens, hidden]``.

        ``y``: a result for each received row, as `LowLatency.combine` takes it; None where nothing
        arrived. Returns None at expert ranks.
        """
        out: NDArray[Any] = np.empty((handle.tokens, self.hidden), self.dtype)
        if self.layer is not None and handle.handle is not None:
            results = self.layer.results(handle.handle) if y is None else y
            self.layer.combine(results, handle.handle, handle.weights, out=out)
        if self.way == TRAMPOLINE and handle.tokens:
            if self.has_experts:
                self.comm.send(out, self.comm.rank - self.attention)
            else:
                self.comm.recv(out, self.comm.rank + self.attention)
        return None if self.has_experts else out

    def _own(
        self, x: Any, topk_idx: Any, topk_weights: Any
    ) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]:
        """The tokens, choices and weights that were given here; none at expert ranks."""
        if self.has_experts:
            if x is not None:
                raise TokenError(f"rank {self.comm.rank} hosts experts and has no tokens")
            empty = np.empty((0, self.top_k))
            return np.empty((0, self.hidden), self.dtype), empty.astype(np.int64), empty.astype("f")
        array = np.ascontiguousarray(x)
        choices = np.ascontiguousarray(topk_idx, np.int64)
        weights = np.ascontiguousarray(topk_weights, np.float32)
        shape = (len(array), self.top_k)
        if array.dtype != self.dtype or choices.shape != shape or weights.shape != shape:
            raise TokenError(
                f"rank {self.comm.rank}: x is {array.dtype} {array.shape}, topk_idx"
                f" {choices.shape}, topk_weights {weights.shape}; they have to be {self.dtype} and"
                f" {shape}"
            )
        return array, choices, weights

    def _hop(
        self, x: NDArray[Any], choices: NDArray[np.int64], weights: NDArray[np.float32]
    ) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]:
        """Hand tokens to a trampoline, or take those that it is there for."""
        told = np.zeros((self.comm.size, 1), np.int64)
        mine = np.full((self.comm.size, 1), len(x), np.int64)
        self.comm.inform(told, mine, "tokens of attention ranks")
        if not self.has_experts:
            if len(x):
                for array in (x, choices, weights):
                    self.comm.send(array, self.comm.rank + self.attention)
            return x, choices, weights
        source = self.comm.rank - self.attention
        tokens = int(told[source, 0]) if source < self.attention else 0
        x = np.empty((tokens, self.hidden), self.dtype)
        choices, weights = (
            np.empty((tokens, self.top_k), np.int64),
            np.empty((tokens, self.top_k), "f"),
        )
        if tokens:
            for array in (x, choices, weights):
                self.comm.recv(array, source)
        return x, choices, weights
