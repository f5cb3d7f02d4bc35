"""MoE dispatch and combine over sizes: returns values, prints nothing."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from bench import faulted
from bench.background import record
from bench.cases.moe import EXPERTS, MODES, OPERATIONS, Experts, dtype_of, node_ranks
from bench.machine import BenchError, check_fits, span, stack
from bench.measurement import Shows
from bench.moe import picture
from bench.packets import record as of_packets
from bench.published.rows import PUBLISHED, read
from bench.published.standing import Question, Standing, standing
from bench.records import Record, Value, as_text, in_gb, over
from bench.sensitivity import Effect, effects
from collectives.workloads.background.beside import beside
from collectives.workloads.background.streams import Background
from fabric.engines.base import Told
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline
from topology.presets.catalogue import short_name
from topology.units import US

LAST = {
    "experts placed": "expert_placement", "fullest rank": "fullest_over_mean",
    "other nodes %": "other_nodes_percent", "imbalance": "link_imbalance", "bound us": "bound_us",
    "set by": "bottleneck", "wall ms": "wall_time_ms", "checked": "tokens_checked",
    "wrong": "wrong_tokens",
}  # fmt: skip
"""The last columns of the table, where there are such: of a simulation, or of real tokens."""

MAX_SELECTIONS = 1 << 26
"""Token-expert selections of one operation at most: more would not fit in memory."""


def simulate(work: Experts, fabric: Fabric, told: Told | None = None) -> Timeline:
    """The timeline of an operation; raises `BenchError` if it does not fit.

    ``told``: as of `Fabric.simulate`.
    """
    check(work, fabric)
    steps = work.steps(fabric.software.stack(work.operation), nodes_of(work, fabric))
    return fabric.simulate(steps, operation=work.operation, ranks=work.ranks, told=told)


def nodes_of(work: Experts, fabric: Fabric) -> int | None:
    """Number of ranks of a node, if normal mode has two levels; else None. See `node_ranks`."""
    return node_ranks(fabric.topology, fabric.router.planes, work.ranks, fabric.places)


def check(work: Experts, fabric: Fabric) -> None:
    """Raise `BenchError` if an operation has more ranks than places, or too many selections."""
    check_fits(work.ranks, fabric)
    if work.every_token * work.top_k > MAX_SELECTIONS:
        raise BenchError(
            f"{work.ranks} ranks x {work.tokens} tokens x top-{work.top_k} are more than"
            f" {MAX_SELECTIONS} selections"
        )


def records(
    fabric: Fabric,
    name: str,
    works: Iterable[Experts],
    background: Sequence[Background] = (),
    shown: Shows | None = None,
) -> Iterator[tuple[dict[str, Value], Timeline]]:
    """Iterate over each operation's record and timeline; ``name``: of the system.

    ``background``: the streams beside each; the timeline is that of the operation alone.
    ``shown``: as of `bench.collectives.measure.sweep`.
    """
    for work in works:
        software = fabric.software.stack(work.operation)
        begun = time.perf_counter()
        run, more = partial(simulate, work, fabric), {}
        what = f"EP{work.ranks} {work.op}, {work.mean_tokens:g} tokens"
        timeline = shown(run, what, work.op) if shown else run()
        duration = timeline.duration
        if background:
            steps = work.steps(software, nodes_of(work, fabric))
            answer = beside(fabric, steps, background, ranks=work.ranks, operation=work.operation)
            duration, more = answer.time, record(answer)
        more = {**more, **faulted.record(timeline)}
        host = time.perf_counter() - begun
        size = work.message_size(software)
        moved = work.moved(size, nodes_of(work, fabric), software)
        known = None if background or fabric.changes else published(name, software, work)
        predicted = duration / US
        yield {
            "op": work.op, "system": name, "software": software, "mode": work.mode,
            "ranks": work.ranks, "tokens": work.mean_tokens, "hidden": work.hidden,
            "top_k": work.top_k, "experts": work.experts, "skew": work.skew, "size_bytes": size,
            "time_us": predicted, "bandwidth_GBps": in_gb(over(moved, duration)),
            "bound_us": timeline.bound / US, "bottleneck": str(timeline.bottleneck),
            **uneven(timeline),
            "published_us": known,
            "error_percent": None if known is None else 100 * (predicted / known - 1),
            **standing_of(work, fabric, name).record(), **of_packets(timeline), **more,
            **({} if work.placed is None else work.placed.record(work.asked_routing())),
            "host_time_s": host,
        }, timeline  # fmt: skip


def uneven(timeline: Timeline) -> dict[str, Value]:
    """How unevenly links are loaded, for a record; nothing where routing is an even spray."""
    found = timeline.link_imbalance
    return {} if found is None else {"link_imbalance": found}


def on_real_ranks(
    fabric: Fabric, name: str, works: Sequence[Experts], transport: str,
    trace: Path | None = None,
) -> Iterator[dict[str, Value]]:  # fmt: skip
    """Iterate over the records of operations with real tokens; see `bench.moe.real_ranks`."""
    from bench.moe.real_ranks import measure, slowest

    for both in zip(works[::2], works[1::2], strict=True):
        begun = time.perf_counter()
        samples = measure(both[0], fabric, transport, nodes_of(both[0], fabric), trace)
        host = time.perf_counter() - begun
        for number, work in enumerate(both):
            software = fabric.software.stack(work.operation)
            known, size = published(name, software, work), work.message_size(software)
            emulated, wall = slowest(samples, number)
            moved = work.moved(size, nodes_of(work, fabric), software)
            yield {
                "op": work.op, "system": name, "software": software, "mode": work.mode,
                "ranks": work.ranks, "tokens": work.mean_tokens, "hidden": work.hidden,
                "top_k": work.top_k, "experts": work.experts, "skew": work.skew,
                "size_bytes": size, "transport": transport, "time_us": emulated / US,
                "bandwidth_GBps": in_gb(over(moved, emulated)), "published_us": known,
                "error_percent": None if known is None else 100 * (emulated / US / known - 1),
                **standing_of(work, fabric, name).record(),
                "wall_time_ms": wall * 1e3, "wrong_tokens": 0,
                "tokens_checked": work.every_token, "host_time_s": host,
            }  # fmt: skip


def standing_of(work: Experts, fabric: Fabric, name: str) -> Standing:
    """What the answer about an operation stands on; ``name``: of the system."""
    software, operation = fabric.software, work.operation
    return standing(
        Question(
            software.stack(operation), operation, software.key(operation), name, work.ranks,
            tokens=work.tokens, distance=span(fabric.topology, fabric.places[: work.ranks]),
        )
    )  # fmt: skip


def effects_of(fabric: Fabric, work: Experts) -> list[Effect]:
    """What matters to the time of an operation, the largest effect first."""
    return effects(fabric, (work.operation,), lambda other: simulate(work, other).duration)


def published(name: str, software: str, work: Experts) -> float | None:
    """The published latency of exactly this operation in microseconds; None if there is none."""
    wanted = (name, software, work.op, work.mode, work.ranks, work.tokens, work.hidden, work.top_k)
    same = work.skew == "uniform" and work.experts == EXPERTS and work.placed is None
    return _latencies().get(wanted) if same else None


def nearest(name: str, software: str, works: Sequence[Experts]) -> str:
    """For each EP size without published values, a line with those of the nearest size."""
    unknown = [work for work in works if published(name, software, work) is None]
    lines = dict.fromkeys(_next_to(name, software, work) for work in unknown)
    return "".join(f"# {line}\n" for line in lines if line)


def _next_to(name: str, software: str, work: Experts) -> str:
    of_mode = {key[4] for key in _latencies() if (*key[:2], key[3]) == (name, software, work.mode)}
    for ranks in sorted(of_mode, key=lambda ranks: abs(ranks - work.ranks)):
        there = [replace(work, op=op, ranks=ranks, experts=EXPERTS) for op in OPERATIONS]
        known = {each.op: published(name, software, each) for each in there}
        if all(known.values()):
            times = ", ".join(f"{op} {time:g} us" for op, time in known.items())
            return f"published next to EP{work.ranks}: EP{ranks}, {times}"
    return ""


@cache
def _latencies() -> dict[tuple[Any, ...], float]:
    return {
        (row.system, row.software, row.op, row.mode, row.ranks, row.tokens, row.hidden, row.top_k):
            row.value
        for row in read(PUBLISHED)
        if row.op in OPERATIONS and row.metric == "latency" and row.unit == "us"
        and row.value is not None and row.ranks and row.tokens
        and row.experts in (None, EXPERTS) and row.dispatch_dtype in ("", dtype_of(row.software))
    }  # fmt: skip


def prepared(machine: MachineSpec, mode: str) -> tuple[Fabric, str, str]:
    """The fabric of a machine, the software stack for MoE on it, and the system's short name.

    Raises `BenchError` if a stack was named that has no costs for MoE.
    """
    fabric = machine.build()
    variant = "" if mode == MODES[0] else f":{mode}"
    speaks, *others = {stack(fabric, machine, op + variant): None for op in OPERATIONS}
    if others:
        raise BenchError(f"dispatch is timed by {speaks} and combine by {others[0]}: name one")
    return fabric, speaks, short_name(machine.system)


def table(rows: Sequence[Record]) -> str:
    """Rows as a text table, a line for each EP size, number of tokens and operation."""
    sweeps = len({row["tokens"] for row in rows}) > 1
    lines = [
        {
            "EP": row["ranks"], **({"tokens": row["tokens"]} if sweeps else {}), "op": row["op"],
            "time us": row["time_us"], "published": row["published_us"],
            "error %": row["error_percent"],
        } | {name: row[key] for name, key in LAST.items() if key in row}
        for row in rows
    ]  # fmt: skip
    return as_text(lines, "table")


def draw(rows: Sequence[Record], path: Path) -> None:
    """Draw time over EP size or tokens, a line for each system and operation.

    Crosses are published values.
    """
    picture.draw(rows, path, OPERATIONS)
