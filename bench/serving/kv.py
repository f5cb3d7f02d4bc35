"""``bench kv``: KV caches from prefill to decoding, alone and beside a dispatch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import click
import numpy as np

from bench import sensitivity
from bench.background import lines as background_lines
from bench.background import record as background_record
from bench.background_option import background_option
from bench.machine import BenchError, check_fits
from bench.machine_options import machine_options
from bench.numbers import Between, CountList
from bench.options import answer_options, gathered, sensitivity_option
from bench.published.predict import predict
from bench.published.rows import PUBLISHED, read
from bench.published.standing import Question, Standing, lines, standing
from bench.records import Record, Value, as_table, as_text, in_gb, opened, over, progress
from bench.streams import put
from collectives.moe.schedules import low_latency
from collectives.moe.schedules.formats import dispatch_size
from collectives.workloads.background.beside import beside, seconds_of
from collectives.workloads.background.streams import Background
from collectives.workloads.background.together import TimedOperation, together
from collectives.workloads.inference.deployment import BALANCED, DECODE
from collectives.workloads.inference.exchange import drawn
from collectives.workloads.inference.kv import (
    BALANCED_SOURCES,
    ONE_SOURCE,
    KvPlan,
    exposed,
    spread_requests,
)
from collectives.workloads.inference.model import Mla, ModelShape, model_of
from fabric.endpoint.costs import Endpoint
from fabric.endpoint.presets import preset
from fabric.endpoint.records import record_of
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.schedule.counts import AllCounts
from fabric.schedule.step import Step
from topology.presets.catalogue import short_name
from topology.units import MB, MS, US

OPERATION = "kv_transfer"

STACKS = {"cloudmatrix": ("hixl-roce", "rdma"), "supernode": ("hixl-roce", "rdma"),
          "h800": ("mooncake", "rdma"), "dgx_h800": ("mooncake", "rdma")}  # fmt: skip
"""By how a system's name begins: the stack that moves caches, and its plane."""


@dataclass(frozen=True)
class AskedKv:
    """Which caches move; see `collectives.workloads.inference.kv.KvPlan`."""

    model: str = "deepseek-r1"
    tokens: tuple[int, ...] = (4096,)
    requests: tuple[int, ...] = (32,)
    prefill_tp: int = 32
    decode_tp: int = 1
    decode_dp: int = 320
    block: int = 128
    sources: str = BALANCED_SOURCES
    stack: str | None = None
    plane: str | None = None
    prefill_ms: float | None = None
    dispatch_tokens: int | None = None
    published: bool = False


kv_options = gathered(
    "asked",
    AskedKv,
    click.option("--model", metavar="NAME|FILE", help="As of bench decode [deepseek-r1]."),
    click.option("--tokens", type=CountList("tokens", 1 << 24), metavar="NUMBERS",
                 help="Of a prompt [4096]."),
    click.option("--requests", type=CountList("requests", 1 << 16), metavar="NUMBERS",
                 help="Whose caches move at once [32]."),
    click.option("--prefill-tp", type=click.IntRange(1, 1 << 12), help="Ranks of prefill [32]."),
    click.option("--decode-tp", type=click.IntRange(1, 1 << 12),
                 help="Ranks that share a request in decoding [1]."),
    click.option("--decode-dp", type=click.IntRange(1, 1 << 14), help="Groups of these [320]."),
    click.option("--block", type=click.IntRange(1, 1 << 20),
                 help="Tokens of a piece that is contiguous in memory [128]."),
    click.option("--sources", type=click.Choice((BALANCED_SOURCES, ONE_SOURCE)),
                 help="Of whom is read: the paper's mapping, or the first prefill rank alone"
                      " [paper]."),
    click.option("--stack", metavar="NAME",
                 help="The software that moves caches [hixl-roce; mooncake on H800]."),
    click.option("--plane", metavar="NAME", help="Over which they go [rdma]."),
    click.option("--prefill-ms", type=Between(0, 1e9),
                 help="Send layer by layer behind a prefill that takes so long."),
    click.option("--beside-dispatch", "dispatch_tokens", type=click.IntRange(1, 1 << 16),
                 metavar="TOKENS",
                 help="Also dispatch so many tokens a rank among the decoding ranks meanwhile."),
    click.option("--published", is_flag=True, default=None,
                 help="Also the model beside published transfers (Mooncake, HIXL, MemFabric)."),
)  # fmt: skip
"""Adds the choice of transfers, which the command gets as ``asked``, an `AskedKv`."""


@click.command("kv", context_settings={"help_option_names": ["-h", "--help"]})
@kv_options
@background_option
@sensitivity_option
@machine_options
@answer_options
def command(
    asked: AskedKv, background: tuple[Background, ...], what_matters: bool, machine: MachineSpec,
    form: str, output: Path | None,
) -> None:  # fmt: skip
    """KV caches from prefill to decode: time, bandwidth, and what they do to a dispatch.

    Prefill ranks are the first of the machine, decoding ranks follow; decoding ranks read.
    """
    if background and asked.dispatch_tokens is not None:
        raise click.UsageError("--background does not go with --beside-dispatch")
    every = list(cases(asked, machine, background))
    rows = list(progress((one.record(asked) for one in every), "kv", len(every)))
    made = (one.answer(row) for one, row in zip(every, rows, strict=True) if what_matters)
    moved = list(progress(made, "sensitivity", len(every)))
    others = list(published()) if asked.published else []
    with opened(output) as file:
        if form == "table":
            _write(file, asked, rows, others)
            put(file, *(f"# {line}" for line in lines(one.standing() for one in every)))
            file.write(sensitivity.text(moved))
        else:
            shown = sensitivity.records(moved) if what_matters else [*rows, *others]
            file.write(as_text(shown, form, machine))


def records(
    asked: AskedKv, machine: MachineSpec, streams: tuple[Background, ...] = ()
) -> Iterator[dict[str, Value]]:
    """The record of each number of requests and tokens; raises `TriplaneError`."""
    return (case.record(asked) for case in cases(asked, machine, streams))


@dataclass(frozen=True)
class KvCase:
    """The caches of ``requests`` (data-parallel ranks of decoding) that move at once.

    ``fabric``: the machine, and ``moving``: as the ``stack`` that moves caches sees it;
    ``streams``: what is beside them.
    """

    plan: KvPlan
    requests: Sequence[int]
    fabric: Fabric
    moving: Fabric
    stack: str
    streams: tuple[Background, ...]

    def seconds(self, moving: Fabric) -> float:
        """Seconds of the transfers on a machine ``moving``."""
        return _seconds(moving, self.plan.steps(self.requests), self.plan.ranks, self.streams)

    def answer(self, row: Record) -> sensitivity.MovedAnswer:
        """What moves the time of the transfers; ``row``: their record."""
        found = sensitivity.effects(self.moving, (OPERATION,), self.seconds)
        return sensitivity.MovedAnswer(
            {**row, "time_us": float(str(row["time_ms"])) * MS / US}, found
        )

    def standing(self) -> Standing:
        """What the time of the transfers stands on: transfers of caches, or reads of pairs."""
        (first,) = self.plan.steps(self.requests, 1)
        whole = int(first.size.sum()) * self.plan.model.layers
        found = self._asked(_operation(self.stack), whole, self.plan.ranks)
        if found.is_own or not found.fitted:
            return found
        return self._asked("read", int(np.max(first.size * self.plan.block // self.plan.tokens)), 2)

    def _asked(self, operation: str, size: int, ranks: int) -> Standing:
        software = preset(self.stack)
        key = software.key(software.regime(operation, size))
        system = short_name((self.fabric.spec or MachineSpec()).system)
        return standing(Question(self.stack, operation, key, system, ranks, size=size))

    def record(self, asked: AskedKv) -> dict[str, Value]:
        """The record of the transfers."""
        plan, requests, moving = self.plan, self.requests, self.moving
        found: dict[str, Value] = {}
        if self.streams:
            whole = list(plan.steps(requests))
            answer = beside(
                moving, whole, self.streams, ranks=plan.ranks, operation=OPERATION
            )  # fmt: skip
            time, found = answer.time, background_record(answer)
        else:
            time = self.seconds(moving)
        (first,) = plan.steps(requests, 1)
        layers = plan.model.layers
        sent = np.bincount(first.src, first.size) * layers
        moved = int(first.size.sum()) * layers
        later = None
        if asked.prefill_ms is not None:
            layer = _seconds(moving, plan.steps(requests, 1), plan.ranks, self.streams)
            later = exposed(layer, asked.prefill_ms * MS / layers, layers) / MS
        return {
            "op": OPERATION, "system": self.fabric.topology.name, "software": self.stack,
            "plane": moving.router.planes[-1], "model": plan.model.name,
            "layout": "mla" if isinstance(plan.model.attention, Mla) else "gqa",
            "prefill_tp": plan.prefill_tp, "decode_tp": plan.decode_tp,
            "decode_dp": plan.decode_dp,
            "sources": asked.sources, "requests": len(requests), "tokens": plan.tokens,
            "request_bytes": plan.request_bytes, "moved_bytes": moved,
            "time_ms": time / MS, "bandwidth_GBps": in_gb(over(moved, time)),
            "source_ranks": int((sent > 0).sum()), "busiest_source_bytes": int(sent.max()),
            "exposed_ms": later,
            **_beside(asked, plan, requests, self.fabric, moving, time), **found,
            **self.standing().record(),
        }  # fmt: skip


def cases(
    asked: AskedKv, machine: MachineSpec, streams: tuple[Background, ...] = ()
) -> Iterator[KvCase]:
    """Each number of requests and tokens; raises `TriplaneError`."""
    model, fabric = model_of(asked.model), machine.build()
    stack, plane = _stack(asked, machine)
    moving = _moving(fabric, stack, plane)
    for tokens in asked.tokens:
        plan = KvPlan(model, tokens, asked.prefill_tp, asked.decode_tp, asked.decode_dp,
                      asked.block, asked.sources)  # fmt: skip
        check_fits(plan.ranks, fabric)
        for number in asked.requests:
            requests = spread_requests(number, plan.decode_dp)
            yield KvCase(plan, requests, fabric, moving, stack, streams)


def _seconds(
    fabric: Fabric, steps: Iterable[Step], ranks: int, streams: tuple[Background, ...] = ()
) -> float:
    return seconds_of(fabric, steps, streams, ranks=ranks, operation=OPERATION)


def _beside(
    asked: AskedKv, plan: KvPlan, requests: Sequence[int], fabric: Fabric, moving: Fabric,
    time: float,
) -> dict[str, Value]:  # fmt: skip
    """What a dispatch of the decoding ranks and the transfers take, alone and together.

    Where the two use no plane together they cannot meet, and are timed alone.
    """
    if asked.dispatch_tokens is None:
        return {}
    steps = list(_dispatch(plan, fabric, asked.dispatch_tokens))
    if not set(moving.router.planes) & set(fabric.router.planes):
        alone = fabric.simulate(steps, operation="dispatch", ranks=plan.ranks).duration
        both: tuple[float, ...] = (alone, time)
    else:
        (alone,) = together(fabric, [TimedOperation(steps, "dispatch")], ranks=plan.ranks)
        costs = moving.software.costs(OPERATION)
        whole: Endpoint = replace(
            fabric.software, by_operation={**fabric.software.by_operation, OPERATION: costs}
        )
        shared = replace(fabric, endpoint=whole, planes=fabric.router.planes)
        caches = TimedOperation(list(plan.steps(requests)), OPERATION)
        both = together(shared, [TimedOperation(steps, "dispatch"), caches], ranks=plan.ranks)[:2]
    return {
        "dispatch_alone_us": alone / US, "dispatch_beside_us": both[0] / US,
        "dispatch_disturbed_percent": 100 * (both[0] / alone - 1),
        "beside_dispatch_ms": both[1] / MS,
    }  # fmt: skip


def _dispatch(plan: KvPlan, fabric: Fabric, tokens: int) -> Iterator[Step]:
    """A dispatch among the decoding ranks, one routed expert each, every one equally likely."""
    ranks = plan.ranks - plan.prefill_tp
    spread = replace(DECODE["gb200"], ranks=ranks, slots=ranks, name="decode")
    routing = drawn(plan.model, replace(spread, imbalance=BALANCED), tokens)
    software = fabric.software.stack("dispatch")
    size = dispatch_size(plan.model.hidden, software, record_of(software).dtype, "low-latency")
    for step in low_latency.counted_dispatch(
        AllCounts(routing.counts), routing.local_experts, size
    ):
        yield Step(step.src + plan.prefill_tp, step.dst + plan.prefill_tp, step.size,
                   messages=step.messages, label=step.label)  # fmt: skip


def handoff(
    asked: AskedKv, fabric: Fabric, model: ModelShape, tokens: int,
    streams: tuple[Background, ...] = (),
) -> KvCase:  # fmt: skip
    """One request's cache from a die of one node to one of the next.

    ``streams``: what is on these two nodes meanwhile.
    """
    width = fabric.topology.node_width(fabric.places)
    plan = KvPlan(model, tokens, width, 1, width, asked.block)
    stack, plane = _stack(asked, fabric.spec or MachineSpec())
    return KvCase(plan, [0], fabric, _moving(fabric, stack, plane), stack, streams)


def _stack(asked: AskedKv, machine: MachineSpec) -> tuple[str, str]:
    name, plane = next(
        (of for begin, of in STACKS.items() if machine.system.startswith(begin)), ("raw", "rdma")
    )
    return asked.stack or (
        "raw" if asked.plane not in (None, plane) else name
    ), asked.plane or plane


def _moving(fabric: Fabric, stack: str, plane: str) -> Fabric:
    """The machine as the transfers see it: one plane, and the software that moves caches."""
    if plane not in fabric.topology.planes:
        there = ", ".join(fabric.topology.planes)
        raise BenchError(f"{fabric.topology.name} has no plane {plane!r}; there are {there}")
    found = preset(stack)
    costs = Endpoint(stack, {OPERATION: found.costs(_operation(stack))}, source=found.source)
    return replace(fabric, endpoint=costs, planes=(plane,))


def _operation(stack: str) -> str:
    """The operation by whose constants a stack moves caches; raises `BenchError` without any."""
    found = preset(stack)
    key = next((key for key in (OPERATION, "read") if found.key(key) is not None), None)
    if key is None:
        raise BenchError(f"--stack {stack} has no costs for {OPERATION} or read: {found.known()}")
    return key


def published() -> Iterator[dict[str, Value]]:
    """The model beside published transfers: Mooncake, HIXL over RDMA, MemFabric."""
    for row in read(PUBLISHED):
        if row.op == OPERATION or row.software in ("memfabric", "hixl-roce"):
            found = predict(row)
            yield {
                "op": row.op, "id": row.id, "software": row.software, "use": row.use,
                "predicted": found.value, "published": row.value, "unit": row.unit,
                "error_percent": found.error_percent,
            }  # fmt: skip


_COLUMNS = {
    "requests": "requests", "tokens": "tokens", "time ms": "time_ms", "GB/s": "bandwidth_GBps",
    "of ranks": "source_ranks", "exposed ms": "exposed_ms", "dispatch us": "dispatch_alone_us",
    "beside us": "dispatch_beside_us", "and the caches ms": "beside_dispatch_ms",
}  # fmt: skip


def _write(file: IO[str], asked: AskedKv, rows: Sequence[Record], others: Sequence[Record]) -> None:
    first = rows[0]
    size = float(first["request_bytes"] or 0) / MB
    put(file, f"# caches of {first['model']} ({first['layout']}), {size:.4g} MB a request:"
              f" prefill TP{asked.prefill_tp} to decode DP{asked.decode_dp} TP{asked.decode_tp}"
              f" on {first['system']}, plane {first['plane']}, {first['software']}")  # fmt: skip
    shown = {name: key for name, key in _COLUMNS.items() if first.get(key) is not None}
    file.write(as_table([{name: row.get(key) for name, key in shown.items()} for row in rows]))
    put(file, *(f"# {line}" for row in rows for line in background_lines(row)))
    if others:
        put(file, "", "# published transfers")
        file.write(as_table([{k: v for k, v in one.items() if k != "op"} for one in others]))
