"""KV caches from prefill to decode: which rank reads what of whom, and that as a schedule.

A decoding rank reads the caches of its requests from ranks of a prefill instance. With MLA every
rank of a tensor-parallel group holds all of a token's cache, so a rank may read from any, and the
paper's mapping (arXiv 2506.12708v2 section 4.3.3) spreads them:

    ratio = prefill_tp / decode_tp;  group_size = decode_dp / ratio
    source = (decode_dp_rank // group_size) * decode_tp + decode_tp_rank

With grouped-query attention a rank holds some heads of keys and values; a reader takes each head
from those that have it, in turn by its ranks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from collectives.workloads.inference.model import Gqa, ModelShape
from collectives.workloads.inference.operators import BF16
from collectives.workloads.inference.sourced import InferenceError
from fabric.schedule.step import Step

BALANCED_SOURCES, ONE_SOURCE = "paper", "first"
"""How readers are spread over a prefill instance: by the paper's mapping, or all on its first."""


@dataclass(frozen=True, slots=True)
class KvPlan:
    """A prefill instance that hands caches over to a decoding one.

    Ranks: first ``prefill_tp`` that computed the prompts, then ``decode_dp * decode_tp`` that go
    on with them, data-parallel groups one after another. ``tokens``: of a prompt; ``block``: tokens
    of a block of the cache, which is read as one piece a layer. ``sources``: one of
    `BALANCED_SOURCES` and `ONE_SOURCE`. Raises `InferenceError` for sizes that do not divide.
    """

    model: ModelShape
    tokens: int
    prefill_tp: int
    decode_tp: int
    decode_dp: int
    block: int = 128
    sources: str = BALANCED_SOURCES

    def __post_init__(self) -> None:
        if self.prefill_tp % self.decode_tp:
            raise InferenceError(
                f"prefill TP{self.prefill_tp} is no multiple of decode TP{self.decode_tp}"
            )
        if self.decode_dp % self.ratio:
            raise InferenceError(
                f"decode DP{self.decode_dp} is no multiple of the ratio of TP sizes, {self.ratio}"
            )

    @property
    def ratio(self) -> int:
        """Prefill ranks for each rank of a decoding tensor-parallel group."""
        return self.prefill_tp // self.decode_tp

    @property
    def ranks(self) -> int:
        """Ranks of both instances."""
        return self.prefill_tp + self.decode_dp * self.decode_tp

    @property
    def request_bytes(self) -> int:
        """Bytes of a request's cache in all layers, once."""
        return self.tokens * self.model.kv_channels * BF16 * self.model.layers

    def reads(self, dp_rank: int, tp_rank: int) -> list[tuple[int, int]]:
        """Of which prefill ranks a decoding rank reads how many bytes a token and layer."""
        at = self.model.attention
        if not isinstance(at, Gqa):
            return [(self.source(dp_rank, tp_rank), self.model.kv_channels * BF16)]
        found: dict[int, int] = {}
        for head in heads_of(tp_rank, self.decode_tp, at.kv_heads):
            holders = [
                rank for rank in range(self.prefill_tp)
                if head in heads_of(rank, self.prefill_tp, at.kv_heads)
            ]  # fmt: skip
            turn = dp_rank + tp_rank if self.sources == BALANCED_SOURCES else 0
            source = holders[turn % len(holders)]
            found[source] = found.get(source, 0) + 2 * at.head * BF16
        return sorted(found.items())

    def source(self, dp_rank: int, tp_rank: int) -> int:
        """The prefill rank of which a decoding rank reads whole caches (MLA)."""
        if self.sources == ONE_SOURCE:
            return 0
        group = dp_rank // (self.decode_dp // self.ratio)
        return group * self.decode_tp + tp_rank

    def steps(self, requests: Sequence[int], layers: int | None = None) -> Iterator[Step]:
        """A step for each of ``layers`` (None: all of the model): what every reader reads.

        ``requests``: the data-parallel rank that each request is decoded on. Caches are read in
        pieces of a block; a layer's pieces follow one another on a pair of ranks.
        """
        rows = [
            (source, self.prefill_tp + dp_rank * self.decode_tp + tp_rank, width)
            for dp_rank in requests for tp_rank in range(self.decode_tp)
            for source, width in self.reads(dp_rank, tp_rank)
        ]  # fmt: skip
        src, dst, width = np.array(rows, np.int64).T
        pieces = -(-self.tokens // self.block)
        for layer in range(self.model.layers if layers is None else layers):
            yield Step(src, dst, width * self.tokens, messages=pieces, label=f"layer {layer}")


def heads_of(rank: int, tp: int, heads: int) -> range:
    """The heads of keys and values on a rank of a tensor-parallel group; shared ones are copies."""
    if tp >= heads:
        return range(rank * heads // tp, rank * heads // tp + 1)
    return range(rank * heads // tp, (rank + 1) * heads // tp)


def spread_requests(requests: int, decode_dp: int) -> list[int]:
    """The data-parallel ranks of so many requests, as evenly spread as can be."""
    return [number * decode_dp // requests % decode_dp if requests <= decode_dp
            else number % decode_dp for number in range(requests)]  # fmt: skip


def exposed(transfer: float, compute: float, layers: int) -> float:
    """Seconds from the end of a prefill to the end of its transfer, layer by layer.

    ``transfer``, ``compute``: seconds of one layer. A layer is sent when it is computed and the one
    before has been sent.
    """
    through = 0.0
    for layer in range(layers):
        through = max(through, (layer + 1) * compute) + transfer
    return through - layers * compute
