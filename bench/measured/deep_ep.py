"""What DeepEP's test programs print, as rows of dispatch and combine.

``test_low_latency.py`` prints a line a rank, of which the mean time over the ranks counts;
``test_intranode.py`` and ``test_internode.py`` print the best of their tuning, of which the
bandwidth that limits counts: RDMA's where there is one, else NVLink's. Neither prints all of its
arguments, so what the user does not say is what the programs take by themselves.
"""

import re
from collections.abc import Iterator, Mapping
from statistics import fmean

from bench.measured.setting import MeasuredError, Setting, number
from bench.published.rows import PublishedRow

_LOW = re.compile(
    r"\[rank (\d+)\] Dispatch bandwidth: [\d.]+ GB/s, avg_t=([\d.]+) us.*?\|"
    r" *Combine bandwidth: [\d.]+ GB/s, avg_t=([\d.]+) us"
)
_BEST = re.compile(r"\[tuning\] Best (dispatch|combine)(?: \((\w+)\))?:(.*)")
_CONFIG = re.compile(r"\[config\] (.*)")
_RATE = re.compile(r"([\d.]+) GB/s \((RDMA|NVL)\)")

LOW_LATENCY = {"tokens": 128, "hidden": 7168, "top_k": 8, "experts": 288}
"""The arguments that ``test_low_latency.py`` takes by itself."""

NORMAL = {"tokens": 4096, "hidden": 7168, "top_k": 8, "experts": 256}
"""The arguments that the other two take by themselves."""


def is_text(text: str) -> bool:
    """True if ``text`` has a line with a result of DeepEP's tests."""
    return bool(_LOW.search(text) or _BEST.search(text))


def rows_of_text(text: str, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """The rows of what the tests printed; ``name``: of the file.

    Raises `MeasuredError` naming the line that is wrong.
    """
    yield from _low_latency(text, name, setting)
    known = setting
    for line, content in enumerate(text.split("\n"), start=1):
        if config := _CONFIG.search(content):
            known = setting.completed(**_configured(config[1]))
        elif best := _BEST.search(content):
            yield _normal(best, name, line, known.completed(**NORMAL))


def _low_latency(text: str, name: str, setting: Setting) -> Iterator[PublishedRow]:
    """One row an operation for every run: a rank that prints again begins the next."""
    run: dict[int, tuple[float, float]] = {}
    first = 0
    for line, content in enumerate(text.split("\n"), start=1):
        found = _LOW.search(content)
        if not found:
            continue
        rank, where = int(found[1]), f"{name}: line {line}"
        if rank in run:
            yield from _mean(run, name, first, setting)
            run = {}
        first = first if run else line
        run[rank] = number(found[2], where), number(found[3], where)
    if run:
        yield from _mean(run, name, first, setting)


def _mean(
    run: Mapping[int, tuple[float, float]], name: str, line: int, setting: Setting
) -> Iterator[PublishedRow]:
    ranks = len(run) if len(run) > 1 else None
    known = setting.completed(**LOW_LATENCY, ranks=ranks)
    for at, op in enumerate(("dispatch", "combine")):
        time = round(fmean(times[at] for times in run.values()), 6)
        yield known.row(name, line, time, op=op, mode="low-latency", dispatch_dtype="fp8")


def _normal(best: "re.Match[str]", name: str, line: int, setting: Setting) -> PublishedRow:
    op, dtype, rest = best[1], (best[2] or "").lower(), best[3]
    rates = {plane: rate for rate, plane in _RATE.findall(rest)}
    if not rates:
        raise MeasuredError(f"{name}: line {line}: the best {op} has no bandwidth, GB/s (RDMA|NVL)")
    rate = number(rates.get("RDMA", rates.get("NVL", "")), f"{name}: line {line}")
    return setting.row(
        name, line, rate, op=op, mode="normal", metric="bottleneck_bandwidth", unit="GB/s",
        dispatch_dtype=dtype,
    )  # fmt: skip


def _configured(text: str) -> dict[str, int]:
    names = {"num_tokens": "tokens", "hidden": "hidden", "num_topk": "top_k",
             "num_experts": "experts"}  # fmt: skip
    pairs = re.findall(r"(\w+)=(\d+)", text)
    return {names[key]: int(value) for key, value in pairs if key in names}
