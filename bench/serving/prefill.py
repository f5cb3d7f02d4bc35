"""``bench prefill``: a batch of prompts, composed of operators and the fabric's communication."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import IO

import click

from bench import sensitivity
from bench.background_option import background_option
from bench.machine_options import machine_options
from bench.new_files import check_apart
from bench.numbers import Between, CountList
from bench.options import answer_options, gathered, sensitivity_option, trace_option
from bench.published.standing import Standing, lines, together
from bench.records import Record, Value, as_table, as_text, opened, progress
from bench.serving import picture
from bench.serving.published import PREFILLED, beside, row_of, rows_of
from bench.serving.setting import NORMAL, AskedInstance, ServedInstance, instance, instance_options
from bench.serving.standing import redistribution_standings, standings
from bench.serving.what_matters import effects_of_step
from bench.streams import put
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.deployment import ENGINES, PREFILL
from collectives.workloads.inference.prefill import (
    PrefillBatch,
    PrefillStep,
    prefill_step,
    redistribution,
)
from fabric.machine import MachineSpec
from topology.units import MS, US

TIMED = ("dispatch:normal", "combine:normal", "all_gather", "all_to_all")
"""The operations that the fabric times in a prefill."""

SHARDED, APART = "sp-tp-sp", "dp"
"""How attention is spread: by tokens, heads and tokens in turn, or each prompt on one die."""


@dataclass(frozen=True)
class AskedPrefill:
    """What is computed; None where the deployment says it."""

    tokens: tuple[int, ...] = (16384,)
    prompt: int = 4096
    microbatches: int = 2
    attention: str | None = None
    reused: float = 0.0
    published: bool = False


prefill_options = gathered(
    "wanted",
    AskedPrefill,
    click.option("--tokens", type=CountList("tokens", 1 << 24), metavar="NUMBERS",
                 help="Of an accelerator in a batch, such as 16384 [16384]."),
    click.option("--prompt", type=click.IntRange(1, 1 << 24), help="Tokens of a prompt [4096]."),
    click.option("--microbatches", type=click.IntRange(1, 2), help="That overlap [2]."),
    click.option("--attention", type=click.Choice((SHARDED, APART)),
                 help="How attention is spread [sp-tp-sp on CloudMatrix, else dp]."),
    click.option("--reused", type=Between(0, 0.999),
                 help="Fraction of each prompt whose cache is there [0]."),
    click.option("--published", is_flag=True, default=None,
                 help="Every published row of the deployment instead of --tokens."),
)  # fmt: skip
"""Adds the choice of a batch, which the command gets as ``wanted``, an `AskedPrefill`."""


@click.command("prefill", context_settings={"help_option_names": ["-h", "--help"]})
@instance_options
@prefill_options
@background_option
@sensitivity_option
@machine_options
@answer_options
@trace_option
def command(
    asked: AskedInstance, wanted: AskedPrefill, background: tuple[Background, ...],
    what_matters: bool, machine: MachineSpec, form: str, output: Path | None, trace: Path | None,
) -> None:  # fmt: skip
    """A prefill: where the time goes, time to first token, tokens per second of an accelerator.

    docs/serving.md says what each number stands on, and which published rows it meets.
    """
    check_apart({"--output": output, "--trace": trace})
    own = instance(asked, machine, PREFILL, background)
    if wanted.published and asked.model != AskedInstance.model:
        raise click.UsageError("--published has a model of its own")
    steps = list(progress(_steps(own, wanted), "prefill"))
    stands = [_standings(setting, wanted, step) for setting, step in steps]
    rows = [{**record(*each), **together(found)} for each, found in zip(steps, stands, strict=True)]
    setting, step = steps[-1]
    made = _moved(wanted, steps, rows)
    answers = list(progress(made, "sensitivity")) if what_matters else []
    with opened(output) as file:
        if form == "table":
            _write(file, setting, step, rows)
            put(file, *(f"# {line}" for line in lines(one for each in stands for one in each)))
            file.write(sensitivity.text(answers))
        else:
            shown = sensitivity.records(answers) if what_matters else rows
            file.write(as_text(shown, form, setting.fabric.spec))
    if trace:
        picture.trace(step.schedule, trace, f"prefill, {setting.model.name}")


def _steps(
    own: ServedInstance, wanted: AskedPrefill
) -> Iterator[tuple[ServedInstance, PrefillStep]]:
    if wanted.published:
        for row in rows_of(PREFILLED, own.deployment.name):
            setting = own.balanced() if row.balanced else own
            number = row.microbatches or wanted.microbatches
            given = replace(wanted, prompt=int(row.context), microbatches=number)
            yield setting, step_of(setting, given, row.batch)
        return
    for tokens in wanted.tokens:
        yield own, step_of(own, wanted, tokens)


def _moved(
    wanted: AskedPrefill, steps: Iterable[tuple[ServedInstance, PrefillStep]],
    rows: Iterable[Record],
) -> Iterator[sensitivity.MovedAnswer]:  # fmt: skip
    """What matters to each prefill."""
    for (own, step), row in zip(steps, rows, strict=True):
        at = step.asked
        given = replace(wanted, prompt=at.prompt, microbatches=at.microbatches)

        def seconds(
            other: ServedInstance, given: AskedPrefill = given, tokens: int = at.tokens
        ) -> float:
            return step_of(other, given, tokens).seconds

        found = effects_of_step(own, TIMED, seconds)
        yield sensitivity.MovedAnswer({**row, "time_us": step.seconds / US}, found)


def step_of(own: ServedInstance, wanted: AskedPrefill, tokens: int) -> PrefillStep:
    """The prefill of so many tokens an accelerator; raises `TriplaneError`."""
    turned = None
    if is_sharded(own, wanted):
        ranks, streams = own.deployment.ranks, own.streams
        turned = cache(partial(redistribution, own.fabric, own.model, ranks, streams=streams))
    batch = PrefillBatch(tokens, wanted.prompt, wanted.microbatches, wanted.reused)
    made = own.exchanges(NORMAL)
    return prefill_step(own.model, own.die, own.deployment, made, batch, turned)


def is_sharded(own: ServedInstance, wanted: AskedPrefill) -> bool:
    """Whether attention is spread over ranks by tokens, heads and tokens in turn."""
    usual = SHARDED if own.deployment.overlap == ENGINES else APART
    return (wanted.attention or usual) == SHARDED


def _standings(own: ServedInstance, wanted: AskedPrefill, step: PrefillStep) -> list[Standing]:
    """What the transfers of a prefill stand on."""
    computed, cached = step.asked.of_a_die(own.die.dies)
    found = standings(own, TIMED[:2], (computed,))
    if is_sharded(own, wanted):
        found += redistribution_standings(own, computed, cached)
    return found


def record(own: ServedInstance, step: PrefillStep) -> dict[str, Value]:
    """The record of a prefill: what was asked, what it comes to, and the published row beside."""
    asked = step.asked
    known = None
    if own.model.name == AskedInstance.model and not asked.reused and not own.streams:
        known = row_of(
            PREFILLED, own.deployment.name, asked.tokens, asked.prompt, own.is_balanced,
            asked.microbatches,
        )  # fmt: skip
    return {
        "op": "prefill", "system": own.fabric.topology.name, "deployment": own.deployment.name,
        "model": own.model.name, "ranks": own.deployment.ranks, "tokens": asked.tokens,
        **own.beside,
        "prompt": asked.prompt, "microbatches": asked.microbatches, "reused": asked.reused,
        "imbalance": None if own.routing_file else own.deployment.imbalance.value,
        "ttft_ms": step.seconds / MS, "tokens_per_s": step.throughput,
        "tokens_per_s_per_tflops": step.throughput / own.die.tera_ops,
        **beside(known, step.throughput),
        **{f"layer_{one.name}_us": one.seconds / US for one in step.layers[0]},
        **{f"critical_{name}_ms": seconds / MS
           for name, seconds in step.schedule.critical_seconds().items()},
    }  # fmt: skip


_COLUMNS = {
    "tokens": "tokens", "prompt": "prompt", "micro-batches": "microbatches",
    "imbalance": "imbalance", "TTFT ms": "ttft_ms", "tokens/s": "tokens_per_s",
    "/TFLOPS": "tokens_per_s_per_tflops", "published": "published_tokens_per_s",
    "error %": "error_percent",
}  # fmt: skip


def _write(file: IO[str], own: ServedInstance, step: PrefillStep, rows: Sequence[Record]) -> None:
    put(file, f"# prefill of {own.model.name} on {own.fabric.topology.name},"
              f" EP{own.deployment.ranks} of {own.die.about}{own.beside_words}")  # fmt: skip
    file.write(as_table([{name: row[key] for name, key in _COLUMNS.items()} for row in rows]))
    put(file, "", "# a layer with experts, one micro-batch (of the last row)")
    file.write(picture.operators(step.layers[0]))
    put(file, "", "# the batch: what the time goes to")
    file.write(picture.bars(step.schedule))
    put(file, "", "# numbers")
    file.write(picture.numbers(own.die, own.deployment))
