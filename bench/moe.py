"""``bench moe``: what MoE dispatch and combine cost over expert-parallel sizes."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import click

from bench.collective import BenchError, fabric_of
from bench.options import Output, Selection, output_options, system_options
from bench.published import PUBLISHED, read
from bench.records import Record, Value, as_text, opened, progress
from collectives.moe import (
    Routing,
    combine_size,
    dispatch_size,
    logical_bytes,
    low_latency,
    normal,
    parse_skew,
)
from fabric.simulate import Fabric
from fabric.step import Step
from fabric.timeline import Timeline
from topology.units import GB, US

MODES = ("low-latency", "normal")
OPERATIONS = ("dispatch", "combine")
PAPER_EXPERTS = 256
"""DeepSeek-V3's routed experts; from EP320 on, one a rank as in the paper's decode deployment."""

MAX_SELECTIONS = 1 << 26
"""Token-expert selections of one operation at most: more would not fit in memory."""


@dataclass(frozen=True)
class Workload:
    """One operation of expert parallelism.

    ``op``: one of `OPERATIONS`; ``mode``: one of `MODES`; ``ranks``: the EP size; ``tokens``: of
    each rank; ``experts``: over all ranks; ``dtype``: what dispatch sends ("int8", "fp8", "bf16");
    ``skew``: see `collectives.moe.parse_skew`; ``seed``: of the random routing.
    """

    op: str
    mode: str
    ranks: int
    tokens: int = 128
    hidden: int = 7168
    top_k: int = 8
    experts: int = PAPER_EXPERTS
    dtype: str = "int8"
    skew: str = "uniform"
    seed: int = 0

    def routing(self) -> Routing:
        """Which token goes to which experts; `TriplaneError` where that cannot be."""
        return _routing(self.skew, self.ranks, self.tokens, self.top_k, self.experts, self.seed)

    @property
    def operation(self) -> str:
        """The name by which endpoint presets know it."""
        return self.op if self.mode == "low-latency" else f"{self.op}:normal"

    def message_size(self, software: str) -> int:
        """Bytes of a token on the wire, as ``software`` sends it."""
        if self.op == "combine":
            return combine_size(self.hidden)
        return dispatch_size(self.hidden, software, self.dtype, self.mode)


@cache
def _routing(skew: str, ranks: int, tokens: int, top_k: int, experts: int, seed: int) -> Routing:
    return parse_skew(skew, ranks, tokens, top_k, experts, seed=seed)


def steps(work: Workload, fabric: Fabric) -> Iterator[Step]:
    """The schedule of a workload: hierarchical in normal mode where the fabric is."""
    size = work.message_size(fabric.software.name)
    if work.mode == "low-latency":
        algorithm = low_latency.dispatch if work.op == "dispatch" else low_latency.combine
        return algorithm(work.routing(), size)
    two_level = normal.dispatch if work.op == "dispatch" else normal.combine
    return two_level(
        work.routing(), size, ranks_per_node=node_ranks(fabric, work.ranks), exact=False
    )


def node_ranks(fabric: Fabric, ranks: int) -> int | None:
    """Ranks of a node, where the ranks span nodes and nodes have a network of their own."""
    nodes = fabric.topology.node[fabric.places[:ranks]]
    two_level = "nvlink" in fabric.router.planes and (nodes != nodes[0]).any()
    return int((nodes == nodes[0]).sum()) if two_level else None


def simulate(work: Workload, fabric: Fabric) -> Timeline:
    """When everything of a workload happens."""
    check(work, fabric)
    return fabric.simulate(steps(work, fabric), operation=work.operation, ranks=work.ranks)


def check(work: Workload, fabric: Fabric) -> None:
    """Raise `BenchError` for a workload that does not fit."""
    places = len(fabric.places)
    if not 0 < work.ranks <= places:
        raise BenchError(f"EP{work.ranks} does not fit on {fabric.topology.name}: it has {places}")
    if work.ranks * work.tokens * work.top_k > MAX_SELECTIONS:
        raise BenchError(
            f"{work.ranks} ranks x {work.tokens} tokens x top-{work.top_k} are more than"
            f" {MAX_SELECTIONS} selections"
        )


def moved_bytes(work: Workload, fabric: Fabric) -> float:
    """Bytes a rank that benchmarks of this mode divide by the time: see `logical_bytes`."""
    size = work.message_size(fabric.software.name)
    if work.mode == "low-latency":
        return float(work.routing().counts.sum()) * size / work.ranks
    return logical_bytes(work.routing(), size, node_ranks(fabric, work.ranks))


def records(
    fabric: Fabric, name: str, workloads: Iterable[Workload]
) -> Iterator[tuple[dict[str, Value], Timeline]]:
    """Each workload's record, and its timeline; ``name``: of the system."""
    software = fabric.software.name
    for work in workloads:
        begun = time.perf_counter()
        timeline = simulate(work, fabric)
        host = time.perf_counter() - begun
        size = work.message_size(software)
        moved = moved_bytes(work, fabric)
        known = published(name, software, work)
        predicted = timeline.duration / US
        yield {
            "op": work.op, "system": name, "software": software, "mode": work.mode,
            "ranks": work.ranks, "tokens": work.tokens, "hidden": work.hidden,
            "top_k": work.top_k, "experts": work.experts, "skew": work.skew, "size_bytes": size,
            "time_us": predicted, "bandwidth_GBps": moved / timeline.duration / GB,
            "bound_us": timeline.bound / US, "bottleneck": str(timeline.bottleneck),
            "published_us": known,
            "error_percent": None if known is None else 100 * (predicted / known - 1),
            "host_time_s": host,
        }, timeline  # fmt: skip


def published(name: str, software: str, work: Workload) -> float | None:
    """The published latency of this very workload in microseconds, None where there is none."""
    wanted = (name, software, work.op, work.mode, work.ranks, work.tokens, work.hidden, work.top_k)
    same = work.skew == "uniform" and work.experts == PAPER_EXPERTS
    return _latencies().get(wanted) if same else None


@cache
def _latencies() -> dict[tuple[object, ...], float]:
    return {
        (row.system, row.software, row.op, row.mode, row.ranks, row.tokens, row.hidden, row.top_k):
            row.value
        for row in read(PUBLISHED)
        if row.op in OPERATIONS and row.metric == "latency" and row.unit == "us"
        and row.value is not None
    }  # fmt: skip


def software_for(name: str, mode: str) -> str:
    """The stack whose dispatch and combine of this mode the calibration knows on a system."""
    if name.startswith(("cloudmatrix", "supernode")):
        return "cann-ep" if mode == "low-latency" else "sgl-kernel-npu"
    return "deepep-v1" if name.removeprefix("dgx_").startswith(("h800", "h100")) else "raw"


def dtype_for(software: str) -> str:
    """What that stack sends in dispatch: its own default."""
    return "fp8" if software.startswith("deepep") else "int8"


def prepared(selection: Selection, mode: str) -> tuple[Fabric, str]:
    """The fabric of a selection with the stack that it runs, and the system's short name."""
    name = selection.system.removeprefix("dgx_")
    software = selection.software or software_for(selection.system, mode)
    fabric, _ = fabric_of(replace(selection, software=software))
    return fabric, name


def table(rows: Sequence[Record]) -> str:
    """Rows for a person: a line an EP size and operation."""
    lines = [
        {
            "EP": row["ranks"], "op": row["op"], "time us": row["time_us"],
            "published": row["published_us"], "error %": row["error_percent"],
            "bound us": row["bound_us"], "set by": row["bottleneck"],
        }
        for row in rows
    ]  # fmt: skip
    return as_text(lines, "table")


def draw(rows: Sequence[Record], path: Path) -> None:
    """Draw time over EP size, a line a system and operation; published points as crosses."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, op in zip(figure.subplots(1, 2, sharey=True), OPERATIONS, strict=True):
        mine = [row for row in rows if row["op"] == op]
        for label in dict.fromkeys((row["system"], row["software"]) for row in mine):
            line = [row for row in mine if (row["system"], row["software"]) == label]
            ranks = [row["ranks"] for row in line]
            (drawn,) = axes.plot(
                ranks, [row["time_us"] for row in line], marker=".", label=" ".join(map(str, label))
            )
            known = [row for row in line if row["published_us"] is not None]
            axes.plot(
                [row["ranks"] for row in known], [row["published_us"] for row in known],
                linestyle="", marker="x", markersize=9, color=drawn.get_color(),
            )  # fmt: skip
        axes.set(title=op, xlabel="EP size (ranks)", ylabel="time (us); x: published")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sorted({int(str(row["ranks"])) for row in mine}))
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.tick_params(axis="x", rotation=45)
        axes.grid(alpha=0.3)
        axes.legend()
    axes.set_ylim(bottom=0)
    figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _sizes(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    for part in parts:
        if not part.isdecimal() or int(part) == 0:
            raise click.BadParameter(f"{part!r} is no number of ranks; such as 8,16,32 is needed")
    return [int(part) for part in parts]


_AT_LEAST_ONE = click.IntRange(min=1, max=1 << 20)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--ep",
    default="8,16,32,64,128,256,320",
    show_default=True,
    callback=_sizes,
    metavar="SIZES",
    help="Expert-parallel sizes: ranks.",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="One message a token-expert, or one copy a rank.",
)
@click.option("--tokens", type=_AT_LEAST_ONE, help="Of each rank (default: 128, normal mode 4096).")
@click.option("--hidden", type=_AT_LEAST_ONE, default=7168, show_default=True, help="Channels.")
@click.option(
    "--top-k", type=_AT_LEAST_ONE, default=8, show_default=True, help="Experts of a token."
)
@click.option(
    "--experts",
    type=_AT_LEAST_ONE,
    help="Over all ranks (default: 256, and one a rank above EP256).",
)
@click.option(
    "--dtype",
    type=click.Choice(("int8", "fp8", "bf16")),
    help="What dispatch sends (default: the software's own).",
)
@click.option(
    "--skew",
    default="uniform",
    show_default=True,
    metavar="SKEW",
    help="uniform, zipf:EXPONENT, node-limited:GROUPS or file:PATH.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random routing.")
@system_options
@output_options
def command(
    ep: list[int], mode: str, tokens: int | None, hidden: int, top_k: int, experts: int | None,
    dtype: str | None, skew: str, seed: int, selection: Selection, output: Output,
) -> None:  # fmt: skip
    """MoE dispatch and combine over expert-parallel sizes, beside what was published."""
    fabric, name = prepared(selection, mode)
    works = [
        Workload(
            op, mode, ranks, tokens or (128 if mode == MODES[0] else 4096), hidden, top_k,
            experts or max(PAPER_EXPERTS, ranks), dtype or dtype_for(fabric.software.name), skew,
            seed,
        )
        for ranks in ep for op in OPERATIONS
    ]  # fmt: skip
    for work in works:
        check(work, fabric)
    found = list(progress(records(fabric, name, works), "moe", len(works)))
    rows = [row for row, _ in found]
    with opened(output.output) as file:
        if output.format == "table":
            file.write(
                f"# MoE {mode} on {name} with {fabric.software.name}: {works[0].tokens} tokens a"
                f" rank, hidden {hidden}, top-{top_k}, routing {skew}\n" + table(rows)
            )
        else:
            file.write(as_text(rows, output.format))
    if output.plot:
        draw(rows, output.plot)
    if output.trace:
        found[-1][1].to_perfetto(output.trace)
