"""How a model is spread over a machine for decoding or prefill, as published, and as asked."""

from dataclasses import dataclass
from types import MappingProxyType

from collectives.workloads.inference.sourced import (
    ASSUMED,
    DERIVED,
    PUBLISHED,
    InferenceError,
    Sourced,
)

TWO_STREAMS, OFFLOADED, ENGINES, APART = "two-streams", "offloaded", "engines", "apart"
COPIES = "copies"
"""How two micro-batches overlap. Two streams, each with a part of the cores: attention in one,
experts and their communication in the other (arXiv 2506.12708v2 4.2.3). Offloaded: communication
runs beside computing on all cores (deepseek-ai/profile-data, decoding). Engines: matrix cores,
vector cores and copy engines each work by themselves (arXiv 2506.12708v2 4.3.2). Copies: copy
engines work beside all computing, in which matrix and vector operators take turns
(cann-recipes-infer's DeepSeek-R1). Apart: attention and experts on dies of their own
(attention-FFN disaggregation, AFD; arXiv 2508.02520)."""

BALANCED = Sourced(1.0, ASSUMED, "every expert is equally likely")


@dataclass(frozen=True, slots=True)
class Deployment:
    """One instance that serves a model.

    ``ranks``: dies, each with attention of its own requests and a part of the experts. ``slots``:
    places of routed experts over all ranks, redundant copies among them. ``shared_ranks``: the last
    ranks host only a copy of the shared expert; 0: every rank hosts one and needs no
    communication for it. ``imbalance``: tokens of the fullest rank with routed experts over the
    mean of these. ``communication_share``: of the cores that communication takes from computing
    while two micro-batches overlap. ``attention_ranks``: where attention has dies of its own, those
    of each of ``domains``, which share the ``ranks`` that host experts.
    """

    name: str
    system: str
    accelerator: str
    ranks: int
    slots: int
    shared_ranks: int
    overlap: str
    imbalance: Sourced
    source: str
    communication_share: float = 0.0
    attention_ranks: int = 0
    domains: int = 1

    def __post_init__(self) -> None:
        routed = self.ranks - self.shared_ranks
        if routed < 1 or self.slots % routed:
            raise InferenceError(
                f"deployment {self.name}: {self.slots} slots do not divide over the {routed} ranks"
                " with routed experts"
            )
        if self.imbalance.value < 1:
            raise InferenceError(f"imbalance is {self.imbalance.value:g}; it has to be 1 or more")

    @property
    def dies(self) -> int:
        """Dies of the whole instance."""
        return self.ranks + self.domains * self.attention_ranks

    @property
    def decoding_dies(self) -> int:
        """Those of them that keep caches of requests."""
        return self.domains * self.attention_ranks or self.ranks

    @property
    def routed_ranks(self) -> int:
        """Ranks that host routed experts: the first ones."""
        return self.ranks - self.shared_ranks

    @property
    def local_slots(self) -> int:
        """Routed experts on each of these."""
        return self.slots // self.routed_ranks


_TRT = "NVIDIA/TensorRT-LLM tech_blog/blog4 Table 1, DeepSeek-R1 with EPLB and 288 slots"
_NINE_SLOTS = Sourced(1.109, PUBLISHED, f"{_TRT}, 9 slots a rank and EP32: 0.109 above the mean")
_PERFECT = Sourced(1.0, PUBLISHED, "cann-recipes-infer: measured with perfect balance")

DECODE = MappingProxyType({
    "cloudmatrix": Deployment(
        "cloudmatrix", "cloudmatrix384", "ascend-910c", 320, 288, 32, TWO_STREAMS,
        Sourced(
            1.7, DERIVED,
            "arXiv 2506.12708v2 section 4.2.3: the experts' stream takes ~600 us on 8 of 24 cores"
            " at batch 96; 1.45 to 1.9 come nearest",
        ),
        "arXiv 2506.12708v2 section 5.1: EP320, one expert a die",
    ),
    "h800": Deployment(
        "h800", "h800:18", "h800", 144, 288, 0, OFFLOADED,
        Sourced(1.77, DERIVED, f"{_TRT}, by slot, fullest slots beside emptiest, two a rank"),
        "DeepSeek-V3/R1 inference system overview: EP144, 2 routed and 1 shared a GPU",
    ),
    "gb200": Deployment(
        "gb200", "gb200:72", "gb200", 72, 288, 0, OFFLOADED,
        Sourced(1.115, PUBLISHED, f"{_TRT}, 8 a rank: 0.115 above the mean"),
        "one NVL72 rack, 4 routed and 1 shared a GPU",
    ),
    "xdeepserve": Deployment(
        "xdeepserve", "cloudmatrix384", "ascend-910c", 288, 256, 32, TWO_STREAMS,
        Sourced(2.792, ASSUMED, f"as with 288 slots: {_TRT}, by slot"),
        "xDeepServe, arXiv 2508.02520: DP288 and EP288, 256 routed and 32 shared (secondary)",
    ),
    "apart": Deployment(
        "apart", "cloudmatrix384", "ascend-910c", 288, 256, 32, APART,
        Sourced(2.792, ASSUMED, f"as with 288 slots: {_TRT}, by slot"),
        "xDeepServe, arXiv 2508.02520 section 7.1: 3 domains of 160 attention dies, 288 dies with"
        " experts, 256 routed and 32 shared (secondary)",
        attention_ranks=160, domains=3,
    ),
    "cann-recipes": Deployment(
        "cann-recipes", "cloudmatrix384", "ascend-910c", 128, 256, 0, TWO_STREAMS, _PERFECT,
        "hicann/cann-recipes-infer @fbc225d2, DeepSeek-R1: EP128, 2 routed and 1 shared a die",
    ),
})  # fmt: skip
"""Deployments for decoding by name."""

PREFILL = MappingProxyType({
    "cloudmatrix": Deployment(
        "cloudmatrix", "cloudmatrix384", "ascend-910c", 32, 288, 0, ENGINES,
        _NINE_SLOTS,
        "arXiv 2506.12708v2 section 5.1: EP32, 1 shared, 8 routed and 1 redundant a die",
    ),
    "h800": Deployment(
        "h800", "h800:4", "h800", 32, 288, 0, OFFLOADED,
        _NINE_SLOTS,
        "DeepSeek-V3/R1 inference system overview: EP32, 9 routed and 1 shared a GPU",
        communication_share=24 / 132,
    ),
    "gb200": Deployment(
        "gb200", "gb200:72", "gb200", 32, 288, 0, OFFLOADED,
        _NINE_SLOTS,
        "as H800's", communication_share=24 / 132,
    ),
    "cann-recipes": Deployment(
        "cann-recipes", "cloudmatrix384", "ascend-910c", 32, 256, 0, COPIES, _PERFECT,
        "hicann/cann-recipes-infer @fbc225d2, DeepSeek-R1: DP32, EP32, 8 routed and 1 shared a die",
    ),
})  # fmt: skip
"""Deployments for prefill by name."""
