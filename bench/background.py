"""What records and text say of streams beside what is measured."""

from collections.abc import Mapping, Sequence

from bench.records import Value, in_gb
from collectives.workloads.background.beside import Beside
from collectives.workloads.background.session import StreamAnswer
from topology.units import US


def record(found: Beside) -> dict[str, Value]:
    """What a record says of an operation beside streams; its ``time_us`` is that beside them."""
    return {
        "alone_us": found.alone / US, "leakage_percent": 100 * found.leakage,
        **of_streams(found.streams),
    }  # fmt: skip


def of_streams(streams: Sequence[StreamAnswer]) -> dict[str, Value]:
    """What a record says of streams, of each by its kind.

    What it got through on all ranks together, how long its blocks took from when they were due, how
    many of them within its objective, and Jain's index of what its ranks got.
    """
    values: dict[str, Value] = {"background": " ".join(str(one.stream) for one in streams)}
    for one in streams:
        kind = one.stream.kind
        values[f"{kind}_goodput_GBps"] = in_gb(one.goodput)
        for share, name in ((50, "p50"), (99, "p99"), (99.9, "p999")):
            seconds = one.percentile(share)
            values[f"{kind}_{name}_us"] = None if seconds is None else seconds / US
        if one.stream.within is not None:
            values[f"{kind}_slo_us"] = one.stream.within / US
            values[f"{kind}_slo_percent"] = one.attained
        values[f"{kind}_fairness"] = one.fairness
    return values


def lines(values: Mapping[str, Value], of: str = "us alone") -> list[str]:
    """What text says of a record's streams, a line; ``of``: what is longer beside them."""
    if "background" not in values:
        return []
    alone, more = values["alone_us"], float(values["leakage_percent"] or 0)
    kinds = [key.removesuffix("_fairness") for key in values if key.endswith("_fairness")]
    got = ", ".join(
        f"{kind} gets {values[f'{kind}_goodput_GBps']:.5g} GB/s (p50 {_us(values, kind, 'p50')},"
        f" p99 {_us(values, kind, 'p99')}{_slo(values, kind)},"
        f" fairness {values[f'{kind}_fairness']:.3f})"
        for kind in kinds
    )
    longer = f"{round(more, 2) + 0.0:+.2f}% of {alone:.5g} {of}"
    return [f"beside {values['background']}: {longer}; {got}"]


def _us(values: Mapping[str, Value], kind: str, name: str) -> str:
    found = values[f"{kind}_{name}_us"]
    return "-" if found is None else f"{found:.5g} us"


def _slo(values: Mapping[str, Value], kind: str) -> str:
    found = values.get(f"{kind}_slo_percent")
    return "" if found is None else f", {found:.3g}% within {values[f'{kind}_slo_us']:.5g} us"
