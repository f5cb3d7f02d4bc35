"""``bench afd``: attention and experts on dies of their own: A2E, E2A and the ping-pong between."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import IO, Any, NamedTuple

import click

from bench import sensitivity
from bench.background_option import background_option
from bench.machine import BenchError
from bench.machine_options import machine_options
from bench.numbers import Between, CountList
from bench.options import answer_options, gathered, sensitivity_option
from bench.published.standing import Standing, lines, together
from bench.records import Record, Value, as_table, as_text, opened, progress
from bench.sensitivity import Knob, effects_of, knobs_of_all
from bench.serving.setting import AskedInstance, ServedInstance, instance, instance_options
from bench.serving.standing import standings
from bench.serving.what_matters import LEAST, numbers_of_dies, numbers_of_load, regimes
from bench.streams import put
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.apart import (
    DIRECT,
    HOP,
    TRAMPOLINE,
    ApartExchanges,
    on_the_wire,
)
from collectives.workloads.inference.decode import DecodeBatch, decode_step
from collectives.workloads.inference.deployment import APART, DECODE
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from topology.units import MS, US

PUBLISHED = {(TRAMPOLINE, 160, 288, 96): (172.0, 193.0)}
"""Microseconds of A2E and E2A by way, attention ranks of a domain, expert ranks and tokens:
arXiv 2508.02520 sections 3.3 and 7.1, from notes on it; only compared with."""

BUDGET_US = 273.0
"""Step-3's bound on A2F and F2A together: 61 layers, three stages, 20 tokens a second
(stepfun-ai/StepMesh Introduction.md @740ac12)."""


@dataclass(frozen=True)
class AskedApart:
    """Which exchange; ``batch``: requests of an attention rank, None: half of ``tokens``."""

    tokens: tuple[int, ...] = (96,)
    attention_ranks: int | None = None
    domains: int | None = None
    way: str = "both"
    context: float = 4096


apart_options = gathered(
    "wanted",
    AskedApart,
    click.option("--tokens", type=CountList("tokens"), metavar="NUMBERS",
                 help="Of an attention rank in a micro-batch [96]."),
    click.option("--attention-ranks", type=click.IntRange(1, 1 << 14),
                 help="Of a domain [160]."),
    click.option("--domains", type=click.IntRange(1, 64),
                 help="Domains of attention that share the experts [3]."),
    click.option("--way", type=click.Choice((TRAMPOLINE, DIRECT, "both")),
                 help="Over a trampoline rank, or from every rank to every expert [both]."),
    click.option("--context", type=Between(1, 1 << 24),
                 help="Tokens cached of each request [4096]."),
)  # fmt: skip
"""Adds the choice of an exchange, which the command gets as ``wanted``, an `AskedApart`."""


@click.command("afd", context_settings={"help_option_names": ["-h", "--help"]})
@instance_options
@apart_options
@background_option
@sensitivity_option
@machine_options
@answer_options
def command(
    asked: AskedInstance, wanted: AskedApart, background: tuple[Background, ...],
    what_matters: bool, machine: MachineSpec, form: str, output: Path | None,
) -> None:  # fmt: skip
    """Attention and experts apart (AFD): tokens to experts and back, and how stages fit together.

    --ep is the number of expert ranks. `bench decode --deployment apart` has the whole step.
    """
    changed = {
        "attention_ranks": wanted.attention_ranks, "domains": wanted.domains,
    }  # fmt: skip
    given = {name: value for name, value in changed.items() if value is not None}
    own = apart(asked, machine, given, background)
    rows = list(progress(records(own, wanted), "afd"))
    moved = list(progress(_moved(own, rows), "sensitivity", len(rows))) if what_matters else []
    with opened(output) as file:
        if form == "table":
            _write(file, own, rows)
            put(file, *(f"# {line}" for line in lines(_standings(own, wanted.tokens))))
            file.write(sensitivity.text(moved))
        else:
            shown = sensitivity.records(moved) if what_matters else rows
            file.write(as_text(shown, form, own.fabric.spec))


def apart(
    asked: AskedInstance, machine: MachineSpec, changed: dict[str, Any],
    streams: tuple[Background, ...] = (),
) -> ServedInstance:  # fmt: skip
    """The instance with attention apart; raises `TriplaneError`."""
    chosen = replace(asked, deployment=asked.deployment or APART)
    deployments = {
        name: replace(one, **changed) if one.attention_ranks else one
        for name, one in DECODE.items()
    }
    own = instance(chosen, machine, deployments, streams)
    if not own.deployment.attention_ranks:
        raise BenchError(f"--deployment {own.deployment.name} has attention beside its experts")
    return own


def records(own: ServedInstance, wanted: AskedApart) -> Iterator[dict[str, Value]]:
    """The record of each number of tokens and each way; raises `TriplaneError`."""
    ways = (TRAMPOLINE, DIRECT) if wanted.way == "both" else (wanted.way,)
    for tokens in wanted.tokens:
        for way in ways:
            yield _record(own, wanted, tokens, way)


def _record(own: ServedInstance, wanted: AskedApart, tokens: int, way: str) -> dict[str, Value]:
    at, die = own.deployment, own.die
    exchanges = _exchanges(own, way)
    sent = exchanges(tokens)
    predicted = 1 if own.model.predict_layers and tokens % 2 == 0 else 0
    batch = DecodeBatch(tokens // (1 + predicted) * die.dies, wanted.context, predicted,
                        microbatches=1)  # fmt: skip
    step = decode_step(own.model, die, at, exchanges, batch)
    layer = step.layers[0]
    attention = sum(one.seconds for one in layer if one.stream.startswith("attention"))
    experts = sum(one.seconds for one in layer if one.name == "Experts")
    asked = None if own.streams else (way, at.attention_ranks, at.ranks, tokens)
    known = (None, None) if asked is None else PUBLISHED.get(asked, (None, None))
    one_way = max(sent.dispatch, sent.combine)
    return {
        "op": "afd", "system": own.fabric.topology.name, "way": way,
        "attention_ranks": at.attention_ranks, "domains": at.domains, "expert_ranks": at.ranks,
        "tokens": tokens, "software": sent.software, "a2e_us": sent.dispatch / US,
        "published_a2e_us": known[0], "e2a_us": sent.combine / US, "published_e2a_us": known[1],
        "a2e_error_percent": _error(sent.dispatch, known[0]),
        "e2a_error_percent": _error(sent.combine, known[1]),
        "budget_us": BUDGET_US, "attention_us": attention / US, "experts_us": experts / US,
        "stages_to_hide": math.ceil(2 * (1 + one_way / max(attention, experts))),
        "tpot_ms": step.tpot / MS, "tokens_per_s": step.throughput, **own.beside,
        **together(_standings(own, (tokens,))),
    }  # fmt: skip


def _exchanges(own: ServedInstance, way: str, wire: Fabric | None = None) -> ApartExchanges:
    return ApartExchanges(own.fabric, own.model, own.deployment, way, own.streams, own.seed, wire)


def _standings(own: ServedInstance, each: Sequence[int]) -> list[Standing]:
    """What the exchanges of so many tokens stand on."""
    return standings(own, ("dispatch", "combine"), each)


class _Sent(NamedTuple):
    """What A2E and E2A follow: the instance, and its machine as a trampoline's hops see it."""

    own: ServedInstance
    wire: Fabric


def _moved(own: ServedInstance, rows: Sequence[Record]) -> Iterator[sensitivity.MovedAnswer]:
    """Iterate over what moves A2E and E2A together in each of the records."""
    for row in rows:
        way, tokens = str(row["way"]), int(str(row["tokens"]))

        def seconds(of: _Sent, way: str = way, tokens: int = tokens) -> float:
            sent = _exchanges(of.own, way, of.wire)(tokens)
            return sent.dispatch + sent.combine

        sent = _Sent(own, on_the_wire(own.fabric))
        found = effects_of(_numbers(sent, way), sent, seconds, LEAST)
        yield sensitivity.MovedAnswer({**row, "time_us": seconds(sent) / US}, found)


def _numbers(sent: _Sent, way: str) -> Iterator[Knob[_Sent]]:
    """Iterate over the numbers behind A2E and E2A; one of a link is of both machines' links."""
    own, wire = sent
    hops = [(wire, (HOP,))] if way == TRAMPOLINE else []
    for knob in knobs_of_all([(own.fabric, regimes(own.fabric, ("dispatch", "combine"))), *hops]):
        yield knob.changing(partial(_on_machines, knob))
    for other in (*numbers_of_dies(own), *numbers_of_load(own)):
        yield other.within(attrgetter("own"), lambda sent, own: sent._replace(own=own))


def _on_machines(knob: Knob[Fabric], sent: _Sent, fraction: float) -> _Sent | None:
    fabric, wire = (knob.changed(one, fraction) for one in (sent.own.fabric, sent.wire))
    if fabric is None or wire is None:
        return None
    return _Sent(replace(sent.own, fabric=fabric), wire)


def _error(seconds: float, known: float | None) -> float | None:
    return None if known is None else 100 * (seconds / US / known - 1)


_COLUMNS = {
    "tokens": "tokens", "way": "way", "A2E us": "a2e_us", "published A2E": "published_a2e_us",
    "E2A us": "e2a_us", "published E2A": "published_e2a_us", "attention us": "attention_us",
    "experts us": "experts_us", "micro-batches": "stages_to_hide", "TPOT ms": "tpot_ms",
    "tokens/s": "tokens_per_s",
}  # fmt: skip


def _write(file: IO[str], own: ServedInstance, rows: Sequence[Record]) -> None:
    at = own.deployment
    put(file, f"# {own.model.name} on {own.fabric.topology.name}: {at.domains} domains of"
              f" {at.attention_ranks} attention ranks, {at.ranks} expert ranks"
              f"{own.beside_words}")  # fmt: skip
    file.write(as_table([{name: row[key] for name, key in _COLUMNS.items()} for row in rows]))
    put(
        file,
        "# micro-batches: that hide the transfers, 2 (1 + transfer / stage) (MegaScale-Infer)",
        f"# Step-3's budget for both ways together is {BUDGET_US:g} us",
    )
