"""``bench serve``: prefill and decoding instances under requests: TTFT, TPOT, goodput."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import click
import numpy as np

from bench import sensitivity, workload_standing
from bench.background_option import background_option
from bench.machine import BenchError
from bench.machine_options import machine_options
from bench.numbers import Between, CountList
from bench.options import answer_options, gathered, parse_bytes, sensitivity_option
from bench.published.standing import Standing, lines, together
from bench.records import Record, Value, as_table, as_text, opened, progress
from bench.sensitivity import Knob, knobs_of_all
from bench.serving.decode import AskedDecode, best_step
from bench.serving.kv import OPERATION, AskedKv, KvCase, handoff
from bench.serving.prefill import TIMED, AskedPrefill, is_sharded, step_of
from bench.serving.setting import AskedInstance, ServedInstance, instance, instance_options
from bench.serving.standing import redistribution_standings, standings
from bench.serving.what_matters import LEAST, numbers_of_dies, numbers_of_load, regimes
from bench.streams import put
from collectives.memory.pool.core.tiers import StoreShape, tiers_of
from collectives.memory.pool.emulated.prefixes import PooledPrefixes
from collectives.memory.pool.emulated.replay import BlockShape
from collectives.memory.pool.emulated.requests import ChatLoad
from collectives.memory.pool.emulated.ways import POOL_PLANES, READ, WRITE, PoolWays
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.decode import DecodeBatch, resident_bytes
from collectives.workloads.inference.deployment import DECODE, PREFILL
from collectives.workloads.inference.interpolated import Interpolated, doubling
from collectives.workloads.inference.kv import KvPlan
from collectives.workloads.inference.requests import BLOCK, ServedRequest, of_trace, poisson
from collectives.workloads.inference.serving import serve
from collectives.workloads.inference.serving_plan import FlexibleGroups, ServingPlan, ServingRun
from collectives.workloads.inference.sourced import ASSUMED, Sourced
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.presets.catalogue import short_name
from topology.units import GB, MS, parse

REUSED = (0.0, 0.5, 0.75, 0.875, 0.9375)
"""Shares of prompts that are reused, at which prefills are computed."""

HANDED_OVER = (1024, 8192)
"""Tokens of the two caches whose hand-over is simulated."""

SHORTEST = 256
"""Tokens of the smallest prefill batch of an accelerator that is computed."""


@dataclass(frozen=True)
class AskedServing:
    """Which requests arrive, and how many instances serve them."""

    requests_file: Path | None = None
    rate: float = 20.0
    number: int = 1000
    prompt: int = 4096
    answer: int = 256
    spread: float = 0.0
    prefill_instances: tuple[int, ...] = (6,)
    decode_instances: int = 1
    prefill_tokens: int = 16384
    max_batch: int = 96
    ttft: str = "5s"
    tpot: str = "50ms"
    pool: str | None = None
    pool_dram: int = 1 << 34
    pool_nodes: int = 32
    turns: float = 1.0
    question: int = 256
    flexible_groups: int = 0
    change_time: str = "5s"
    look_every: str = "1s"


serving_options = gathered(
    "wanted",
    AskedServing,
    click.option("--requests-file", type=click.Path(path_type=Path), metavar="FILE",
                 help="A trace in Mooncake's format (JSON lines) instead of drawn requests."),
    click.option("--rate", type=Between(1e-6, 1e9),
                 help="Requests a second, drawn [20]."),
    click.option("--number", type=click.IntRange(1, 1 << 20),
                 help="Requests; of a file at most [1000]."),
    click.option("--prompt", type=click.IntRange(1, 1 << 22), help="Mean tokens [4096]."),
    click.option("--answer", type=click.IntRange(1, 1 << 22), help="Mean tokens [256]."),
    click.option("--spread", type=Between(0, 10),
                 help="Of both over their means (lognormal); 0: all alike [0]."),
    click.option("--prefill-instances", type=CountList("instances"), metavar="NUMBERS",
                 help="A row for each [6]."),
    click.option("--decode-instances", type=click.IntRange(1, 1 << 10), help="[1]."),
    click.option("--prefill-tokens", type=click.IntRange(512, 1 << 20),
                 help="Of a prefill batch, an accelerator [16384]."),
    click.option("--max-batch", type=click.IntRange(2, 1 << 12),
                 help="Requests that an accelerator decodes at most [96]."),
    click.option("--pool", type=click.Choice(POOL_PLANES),
                 help="Keep prompts' KV in a pool that is reached so: --requests-file or --turns"
                      " says which prompts begin alike."),
    click.option("--pool-dram", type=parse_bytes, metavar="SIZE", help="DRAM of a node [16G]."),
    click.option("--pool-nodes", type=click.IntRange(1, 1 << 16), metavar="N", help="[32]."),
    click.option("--ttft", metavar="TIME", help="Objective: to the first token [5s]."),
    click.option("--tpot", metavar="TIME", help="Objective: for each further one [50ms]."),
    click.option("--turns", type=Between(1, 1000),
                 help="Of chats on average, which the requests are then: --prompt is what one of 50"
                      " system prompts has, and each turn sends all that was said [1: no chats]."),
    click.option("--question", type=click.IntRange(1, 1 << 20), help="Of a turn; tokens [256]."),
    click.option("--flexible-groups", type=click.IntRange(0, 1 << 10),
                 help="Groups of accelerators that change between prefill and decoding [0]."),
    click.option("--change-time", metavar="TIME", help="Of an empty group to the other role [5s]."),
    click.option("--look-every", metavar="TIME", help="Between looks at the load, for that [1s]."),
)  # fmt: skip
"""Adds the choice of a run, which the command gets as ``wanted``, an `AskedServing`."""


@click.command("serve", context_settings={"help_option_names": ["-h", "--help"]})
@instance_options
@serving_options
@background_option
@sensitivity_option
@machine_options
@answer_options
def command(
    asked: AskedInstance, wanted: AskedServing, background: tuple[Background, ...],
    what_matters: bool, machine: MachineSpec, form: str, output: Path | None,
) -> None:  # fmt: skip
    """A serving run: requests queue for prefill, hand their caches over, and are decoded.

    Steps last as bench decode and bench prefill say; the options of an instance are those of
    decoding. docs/serving.md says what is assumed.
    """
    if asked.ranks or asked.slots or asked.routing_file or asked.shared_ranks:
        raise click.UsageError("--ep, --slots, --shared-ranks, --routing-file: not of a run")
    if wanted.requests_file is not None and wanted.turns > 1:
        raise click.UsageError("--turns: the requests are those of --requests-file")
    at = setting(asked, wanted, machine, background)
    rows = list(progress(served(at, wanted), "serve", len(wanted.prefill_instances)))
    found = list(_standings(at, wanted, machine))
    moved = list(progress(_moved(at, wanted, rows), "sensitivity")) if what_matters else []
    with opened(output) as file:
        if form == "table":
            _write(file, rows)
            put(file, *(f"# {line}" for line in lines(found)))
            file.write(sensitivity.text(moved))
        else:
            whole = [{**row, **together(found)} for row in rows]
            shown = sensitivity.records(moved) if what_matters else whole
            file.write(as_text(shown, form, machine))


def records(
    asked: AskedInstance, wanted: AskedServing, machine: MachineSpec,
    streams: tuple[Background, ...] = (),
) -> Iterator[dict[str, Value]]:  # fmt: skip
    """The record of each number of prefill instances; raises `TriplaneError`.

    ``streams``: what is beside each step, and beside each hand-over of a cache.
    """
    return served(setting(asked, wanted, machine, streams), wanted)


@dataclass(frozen=True)
class ServingSetting:
    """What a run is served by: instances for decoding and prefill, and what moves caches.

    ``moving``: the machine as the hand-over of a cache sees it; ``handoffs``: of the caches of
    `HANDED_OVER` tokens. ``pool``: the ways to a pool that keeps prompts' KV, None where there is
    none. ``requests``: in the order of their arrival.
    """

    decoding: ServedInstance
    prefilling: ServedInstance
    moving: Fabric
    handoffs: tuple[KvCase, ...]
    pool: PoolWays | None
    requests: Sequence[ServedRequest]


def setting(
    asked: AskedInstance, wanted: AskedServing, machine: MachineSpec,
    streams: tuple[Background, ...] = (),
) -> ServingSetting:  # fmt: skip
    """The setting that was asked for; raises `TriplaneError`."""
    decoding, prefilling = (instance(asked, machine, of, streams) for of in (DECODE, PREFILL))
    ways = None
    if wanted.pool is not None:
        plain = machine.changed(software=None, planes=None)
        ways = PoolWays(plain, wanted.pool, 1, wanted.pool_nodes)
    caches = tuple(
        handoff(AskedKv(), decoding.fabric, decoding.model, tokens, streams)
        for tokens in HANDED_OVER
    )
    requests = _requests(wanted)
    return ServingSetting(decoding, prefilling, caches[0].moving, caches, ways, requests)


def served(at: ServingSetting, wanted: AskedServing) -> Iterator[dict[str, Value]]:
    """Iterate over the record of each number of prefill instances; raises `TriplaneError`."""
    base = _plan(at, wanted)
    for instances in wanted.prefill_instances:
        cache = _pooled(at, wanted)
        plan = replace(base, prefill_instances=instances, cache=cache)
        row = record(at.decoding, plan, serve(plan, at.requests), wanted)
        if cache is not None:
            row["pool"] = wanted.pool
            row["hit_percent"] = 100 * cache.hits / cache.asked if cache.asked else 0.0
        yield row


def _pooled(at: ServingSetting, wanted: AskedServing) -> PooledPrefixes | None:
    """The pool that keeps prompts' KV, empty; None where none is asked for."""
    if at.pool is None:
        return None
    block = _block(at)
    sockets = len(at.pool.servers) // wanted.pool_nodes
    shape = StoreShape(tiers_of({"dram": wanted.pool_dram // sockets}), block.bytes)
    return PooledPrefixes(at.pool, shape, block)


MOVED = ("ttft_p50_ms", "tpot_p50_ms")
"""What of a run's record is told what moves it: what a request waits for, in the middle."""


def _moved(
    at: ServingSetting, wanted: AskedServing, rows: Sequence[Record]
) -> Iterator[sensitivity.MovedAnswer]:
    """Iterate over what moves each of `MOVED` of the records of ``at``."""

    def values(other: ServingSetting) -> list[float]:
        return [float(str(row[name])) for row in served(other, wanted) for name in MOVED]

    found = sensitivity.effects_on_each(numbers(at), at, values, LEAST)
    for each, (row, name) in zip(found, product(rows, MOVED), strict=True):
        yield sensitivity.MovedAnswer(row, each, name)


def numbers(at: ServingSetting) -> Iterator[Knob[ServingSetting]]:
    """Iterate over the numbers behind a run; one of the die is of both instances' dies."""
    decoding, prefilling = at.decoding.fabric, at.prefilling.fabric
    timed: list[tuple[Fabric, Sequence[str]]] = [
        (decoding, regimes(decoding, ("dispatch", "combine"))),
        (prefilling, regimes(prefilling, TIMED)), (at.moving, (OPERATION,)),
        *([(at.pool.fabric, (READ, WRITE))] if at.pool else []),
    ]  # fmt: skip
    for knob in knobs_of_all(timed):
        yield knob.changing(partial(_on_fabrics, knob))
    for own in numbers_of_dies(at.decoding):
        yield own.changing(partial(_on_instances, own))
    for name, part in (("decode", _DECODING), ("prefill", _PREFILLING)):
        for own in numbers_of_load(getattr(at, part)):
            load = own.within(attrgetter(part), partial(_with, part))
            yield replace(load, name=f"{name} {load.name}")


def _on_fabrics(knob: Knob[Fabric], at: ServingSetting, fraction: float) -> ServingSetting | None:
    """The setting with a number changed on each of its fabrics."""
    every = [at.decoding.fabric, at.prefilling.fabric, at.moving]
    pooled = [at.pool.fabric] if at.pool else []
    found = [knob.changed(fabric, fraction) for fabric in (*every, *pooled)]
    known = [fabric for fabric in found if fabric is not None]
    if len(known) < len(found):
        return None
    return replace(
        at, decoding=replace(at.decoding, fabric=known[0]),
        prefilling=replace(at.prefilling, fabric=known[1]), moving=known[2],
        pool=at.pool.on(known[3]) if at.pool else None,
    )  # fmt: skip


def _on_instances(
    knob: Knob[ServedInstance], at: ServingSetting, fraction: float
) -> ServingSetting | None:
    """The setting with a number of the die changed in both instances."""
    decoding, prefilling = (knob.changed(own, fraction) for own in (at.decoding, at.prefilling))
    if decoding is None or prefilling is None:
        return None
    return replace(at, decoding=decoding, prefilling=prefilling)


_DECODING, _PREFILLING = "decoding", "prefilling"


def _with(part: str, at: ServingSetting, own: ServedInstance) -> ServingSetting:
    other: dict[str, Any] = {part: own}
    return replace(at, **other)


def _block(at: ServingSetting) -> BlockShape:
    """A block of prompts' KV."""
    return BlockShape(BLOCK, KvPlan(at.prefilling.model, BLOCK, 1, 1, 1).request_bytes)


def _standings(
    at: ServingSetting, wanted: AskedServing, machine: MachineSpec
) -> Iterator[Standing]:
    """Iterate over what the steps of the run stand on, from its smallest batches to its largest."""
    decoding, prefilling = at.decoding, at.prefilling
    each = 1 + decoding.model.predict_layers
    tokens = each, wanted.max_batch // decoding.die.dies * each
    yield from standings(decoding, ("dispatch", "combine"), tokens)
    dies = prefilling.die.dies
    tokens = SHORTEST // dies, wanted.prefill_tokens // dies
    yield from standings(prefilling, TIMED[:2], tokens)
    if is_sharded(prefilling, AskedPrefill()):
        for number in tokens:
            yield from redistribution_standings(prefilling, number)
    yield from (one.standing() for one in at.handoffs)
    if at.pool is not None:
        yield from workload_standing.of_ways(at.pool, _block(at), short_name(machine.system))


def _requests(wanted: AskedServing) -> list[ServedRequest]:
    if wanted.requests_file is not None:
        return of_trace(wanted.requests_file, wanted.number)
    if wanted.turns > 1:
        chats = ChatLoad(
            wanted.number, wanted.rate / wanted.turns, shared=wanted.prompt,
            question=wanted.question, answer=wanted.answer, turns=wanted.turns, block=BLOCK,
        )  # fmt: skip
        return [
            ServedRequest(one.time, one.prompt, one.output, one.blocks)
            for one in chats.generate()
        ]  # fmt: skip
    return poisson(wanted.rate, wanted.number, wanted.prompt, wanted.answer, 0, wanted.spread)


def _plan(at: ServingSetting, wanted: AskedServing) -> ServingPlan:
    """The plan with one prefill instance; raises `BenchError` if no request fits a die."""
    decoding, prefilling = at.decoding, at.prefilling
    contexts = [one.prompt + one.output / 2 for one in at.requests]
    batch = _room(decoding, wanted.max_batch, sum(contexts) / len(contexts))
    die = replace(decoding.die, memory_capacity=Sourced(float("inf"), ASSUMED, "checked above"))
    free = replace(decoding, die=die)

    def prefill(tokens: float, prompt: float, reused: float) -> float:
        batch = AskedPrefill(prompt=round(prompt), reused=reused)
        return step_of(prefilling, batch, round(tokens / (1 - reused))).seconds

    def decode(size: float, context: float) -> float:
        return best_step(free, AskedDecode(context=context), round(size)).seconds

    dies, model = decoding.die.dies, decoding.model
    emitted = DecodeBatch(dies, 1, model.predict_layers).emitted
    tokens = doubling(float(SHORTEST), wanted.prefill_tokens // SHORTEST * SHORTEST)
    prefills = prefilling.deployment.ranks // prefilling.die.dies
    decodes = decoding.deployment.dies // dies
    return ServingPlan(
        1, wanted.decode_instances, prefills, decodes, wanted.prefill_tokens, batch,
        Interpolated(prefill, tokens, [512.0, 4096.0], REUSED),
        Interpolated(decode, doubling(dies, batch), doubling(512.0, 65536.0)), emitted,
        _handoff(at), prefilling.deployment.ranks,
        flexible=_flexible(wanted, prefills, decodes),
    )  # fmt: skip


def _flexible(wanted: AskedServing, prefills: int, decodes: int) -> FlexibleGroups | None:
    """Groups as large as the larger of an instance of either role has accelerators."""
    if not wanted.flexible_groups:
        return None
    size, look = max(prefills, decodes), parse(wanted.look_every, "time")
    change = parse(wanted.change_time, "time")
    if change < 0:
        raise BenchError(f"--change-time {wanted.change_time}: less than 0")
    if look < MS:
        raise BenchError(f"--look-every {wanted.look_every}: less than 1ms")
    return FlexibleGroups(
        wanted.flexible_groups, size // prefills, size // decodes,
        change, look, parse(wanted.ttft, "time") / 2,
    )  # fmt: skip


def _room(own: ServedInstance, most: int, context: float) -> int:
    """Requests that an accelerator's memory holds, up to ``most``."""
    dies, room = own.die.dies, own.die.memory_capacity.value
    for batch in range(most // dies * dies, 0, -dies):
        asked = DecodeBatch(batch, context, own.model.predict_layers)
        if resident_bytes(own.model, own.die, own.deployment, asked) <= room:
            return batch
    raise BenchError(f"no request of {context:g} tokens fits a die of {room / GB:g} GB")


def _handoff(at: ServingSetting) -> Callable[[float], float]:
    """Seconds of a cache on one link by its tokens: a line through two that are simulated."""
    few, many = HANDED_OVER
    least, most = (one.seconds(at.moving) for one in at.handoffs)
    slope = (most - least) / (many - few)
    return lambda tokens: least + slope * (tokens - few)


def record(
    own: ServedInstance, plan: ServingPlan, run: ServingRun, wanted: AskedServing
) -> dict[str, Value]:
    """The record of a run: latencies, throughput, and what met the objectives."""
    first = np.array([one.ttft for one in run.served])
    each = np.array([one.tpot if one.tpot is not None else 0.0 for one in run.served])
    met = (first <= parse(wanted.ttft, "time")) & (each <= parse(wanted.tpot, "time"))
    made = sum(one.request.output for one in run.served)
    seconds = run.seconds
    latencies = {
        f"{name}_p{share}_ms": float(np.percentile(values, share)) / MS
        for name, values in (("ttft", first), ("tpot", each[each > 0] if each.any() else each))
        for share in (50, 90, 99)
    }
    return {
        "op": "serve", "system": own.fabric.topology.name, "model": own.model.name,
        **own.beside, "prefill_instances": plan.prefill_instances,
        "decode_instances": plan.decode_instances, "flexible_groups": wanted.flexible_groups,
        "role_changes": len(run.changes),
        "accelerators": plan.accelerators, "requests": len(run.served), "seconds": seconds,
        "max_batch": plan.batch, **latencies,
        "tokens_per_s": made / seconds, "tokens_per_s_per_accelerator":
            made / seconds / plan.accelerators,
        "requests_per_s": len(run.served) / seconds,
        "met_percent": 100 * float(met.mean()),
        "goodput_requests_per_s": float(met.sum()) / seconds,
        "prefill_busy_percent": 100 * run.prefill_busy / run.prefill_there,
        "decode_busy_percent": 100 * run.decode_busy / run.decode_there,
        "mean_batch": run.decoded / run.decode_busy / plan.decode_accelerators
        if run.decode_busy else 0.0,
    }  # fmt: skip


_COLUMNS = {
    "prefill": "prefill_instances", "NPUs": "accelerators", "TTFT p50 ms": "ttft_p50_ms",
    "p99": "ttft_p99_ms", "TPOT p50 ms": "tpot_p50_ms", "p99 ": "tpot_p99_ms",
    "tokens/s": "tokens_per_s", "met %": "met_percent", "goodput/s": "goodput_requests_per_s",
    "prefill busy %": "prefill_busy_percent", "batch": "mean_batch",
}  # fmt: skip


def _write(file: IO[str], rows: Sequence[Record]) -> None:
    first = rows[0]
    put(file, f"# {first['requests']} requests to {first['model']} on {first['system']},"
              f" {first['decode_instances']} decoding instances, {first['max_batch']} requests an"
              " accelerator at most")  # fmt: skip
    columns = {**_COLUMNS, "hits %": "hit_percent"} if "pool" in first else _COLUMNS
    if first.get("background"):
        put(file, f"# beside {first['background']}")
    if first["flexible_groups"]:
        put(file, f"# {first['flexible_groups']} groups that change their role")
        columns = {**columns, "changes": "role_changes"}
    file.write(as_table([{name: row[key] for name, key in columns.items()} for row in rows]))
