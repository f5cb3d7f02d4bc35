"""Published throughputs of serving: only compared with; nothing is fitted to them."""

from dataclasses import dataclass

from bench.machine import BenchError

_P2 = "arXiv 2506.12708v2"
_RECIPES = "hicann/cann-recipes-infer @fbc225d2, DeepSeek-R1"


@dataclass(frozen=True, slots=True)
class ServingRow:
    """A published measurement of an accelerator.

    ``context``: tokens cached on average (decoding) or of a prompt (prefill); ``batch``: requests
    of an accelerator, or tokens of a prefill. ``balanced``: every expert equally likely, by the
    source's word. ``tpot_ms``: None where the source has none, or for prefill. ``acceptance``: of
    a predicted token. ``microbatches``: None where the source does not say, or has what is best.
    ``note``: what was derived.
    """

    id: str
    deployment: str
    batch: int
    context: float
    tokens_per_s: float
    source: str
    tpot_ms: float | None = None
    balanced: bool = False
    acceptance: float = 0.7
    microbatches: int | None = None
    note: str = ""


DECODED = (
    ServingRow("cm_decode_4096", "cloudmatrix", 96, 4096, 1943, f"{_P2} Table 4", 49.4),
    ServingRow("cm_decode_50ms_1024", "cloudmatrix", 128, 1536, 2733, f"{_P2} Table 5", 46.8,
               note="mean of 1024 to 2048 tokens"),
    ServingRow("cm_decode_50ms_2048", "cloudmatrix", 112, 2176, 2360, f"{_P2} Table 5", 47.4,
               note="mean of 2048 to 2304 tokens"),
    ServingRow("cm_decode_30ms", "cloudmatrix", 24, 4224, 974, f"{_P2} Table 5", 24.6,
               note="mean of 4096 to 4352 tokens"),
    ServingRow("cm_decode_15ms", "cloudmatrix", 8, 4224, 538, f"{_P2} Table 5", 14.9,
               note="mean of 4096 to 4352 tokens"),
    ServingRow("h800_decode_profile", "h800", 128, 4096, 2325, f"{_P2} Table 4", 50.2,
               balanced=True, note="deepseek-ai/profile-data simulates balanced routing"),
    ServingRow("h800_decode_blog", "h800", 92, 4989, 1850, f"{_P2} Table 4", 50.0,
               note="batch derived: tokens/s times TPOT"),
    ServingRow("xds_decode", "xdeepserve", 120, 3072, 2400, "arXiv 2508.02520, from notes", 50.0,
               acceptance=0.9, note="secondary"),
    ServingRow("xds_apart", "apart", 192, 3072, 2400, "arXiv 2508.02520, from notes", 50.0,
               acceptance=0.9, note="secondary; context not stated, taken from xds_decode"),
    ServingRow("recipes_decode", "cann-recipes", 96, 4096, 2138, f"{_RECIPES}, decode", 44.9,
               balanced=True, microbatches=1, note="caches in INT8"),
)  # fmt: skip
"""Decoding of DeepSeek-R1 with one predicted token."""

PREFILLED = (
    ServingRow("cm_prefill", "cloudmatrix", 16384, 4096, 5655, f"{_P2} Table 3", microbatches=2),
    ServingRow("cm_prefill_balanced", "cloudmatrix", 16384, 4096, 6688, f"{_P2} Table 3",
               balanced=True, microbatches=2, note="projected by the source"),
    ServingRow("h800_prefill_profile", "h800", 16384, 4096, 7839, f"{_P2} Table 3",
               balanced=True, microbatches=2,
               note="deepseek-ai/profile-data simulates balanced routing"),
    ServingRow("h800_prefill_blog", "h800", 16384, 4096, 4026, f"{_P2} Table 3",
               microbatches=2, note="24 hours of production: tokens computed, as 56.3% of prompts"
               " were in a cache; batch and prompt length not stated"),
    ServingRow("recipes_prefill", "cann-recipes", 16384, 4096, 6522, f"{_RECIPES}, prefill",
               balanced=True, microbatches=2),
    ServingRow("recipes_prefill_serial", "cann-recipes", 16384, 4096, 5237, f"{_RECIPES}, prefill",
               balanced=True, microbatches=1),
)  # fmt: skip
"""Prefill of DeepSeek-R1."""

MICROBATCH_GAINS = {64: 5.8, 96: 9.4, 128: 6.9}
"""Per cent that two micro-batches add to decoding on CloudMatrix384, by batch (section 5.4.1)."""

MTP_GAINS = (6.0, 49.0)
"""Per cent that one predicted token adds there, least and most over batches (section 5.4.2)."""


def beside(row: ServingRow | None, tokens_per_s: float) -> dict[str, float | None]:
    """What a record says of a published row beside the model's throughput; None for no row."""
    return {
        "published_tokens_per_s": None if row is None else row.tokens_per_s,
        "published_tpot_ms": None if row is None else row.tpot_ms,
        "error_percent": None if row is None else 100 * (tokens_per_s / row.tokens_per_s - 1),
    }


def rows_of(rows: tuple[ServingRow, ...], deployment: str) -> list[ServingRow]:
    """The published rows of a deployment; raises `BenchError` if there are none."""
    found = [row for row in rows if row.deployment == deployment]
    if not found:
        there = ", ".join(dict.fromkeys(row.deployment for row in rows))
        raise BenchError(f"nothing is published of deployment {deployment}; of {there} there is")
    return found


def row_of(
    rows: tuple[ServingRow, ...], deployment: str, batch: int, context: float, is_balanced: bool,
    microbatches: int, acceptance: float = 0.7,
) -> ServingRow | None:  # fmt: skip
    """The published row of exactly this; None if there is none."""
    asked = (deployment, batch, context, is_balanced, acceptance)
    for row in rows:
        known = (row.deployment, row.batch, row.context, row.balanced, row.acceptance)
        if known == asked and row.microbatches in (None, microbatches):
            return row
    return None
