"""``bench decode``: a step of decoding, composed of operators and the fabric's communication."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import click

from bench import sensitivity
from bench.background_option import background_option
from bench.machine import BenchError
from bench.machine_options import machine_options
from bench.new_files import NewFile, check_apart
from bench.numbers import Between, CountList
from bench.options import answer_options, gathered, sensitivity_option, trace_option
from bench.published.standing import Standing, lines, together
from bench.records import Record, Value, as_table, as_text, opened, progress
from bench.serving import picture
from bench.serving.published import DECODED, MICROBATCH_GAINS, MTP_GAINS, beside, row_of, rows_of
from bench.serving.setting import (
    LOW_LATENCY,
    AskedInstance,
    ServedInstance,
    instance,
    instance_options,
)
from bench.serving.standing import standings
from bench.serving.what_matters import effects_of_step
from bench.streams import put
from collectives.workloads.background.streams import Background
from collectives.workloads.inference.apart import ApartExchanges
from collectives.workloads.inference.decode import (
    DecodeBatch,
    DecodeStep,
    decode_step,
    resident_bytes,
)
from collectives.workloads.inference.deployment import DECODE, TWO_STREAMS
from collectives.workloads.inference.exchange import Exchanges
from fabric.machine import MachineSpec
from topology.units import MS, US, parse

LEAST_CORES = 2
"""Cores of a stream at least, where the best division is looked for."""


@dataclass(frozen=True)
class AskedDecode:
    """What is decoded; None where the best is looked for, or the model says it."""

    batch: tuple[int, ...] | None = None
    context: float = 4096
    mtp: int | None = None
    acceptance: float = 0.7
    microbatches: str = "auto"
    attention_cores: int | None = None
    launches: bool = False
    slo: str | None = None
    published: bool = False
    gains: bool = False


decode_options = gathered(
    "wanted",
    AskedDecode,
    click.option("--batch", type=CountList("requests"), metavar="NUMBERS",
                 help="Requests of an accelerator (an NPU, not a die): 96 or 8,24,96 [96]."),
    click.option("--context", type=Between(1, 1 << 24), help="Tokens cached of each [4096]."),
    click.option("--mtp", type=click.IntRange(0, 8),
                 help="Tokens predicted beside one in a step [as many modules as the model has]."),
    click.option("--acceptance", type=Between(0, 1),
                 help="How likely a predicted token is kept [0.7]."),
    click.option("--microbatches", type=click.Choice(("auto", "1", "2")),
                 help="Micro-batches that overlap; auto: what is faster [auto]."),
    click.option("--attention-cores", type=click.IntRange(min=1),
                 help="Cores of the attention stream [the best; 16 of 24 are published for"
                      " a batch of 96]."),
    click.option("--exposed-launches", "launches", is_flag=True, default=None,
                 help="Graph launches are not hidden behind the step before."),
    click.option("--slo", metavar="TIME", help="Look for the largest batch within TIME a token,"
                                               " such as 15ms."),
    click.option("--published", is_flag=True, default=None,
                 help="Every published row of the deployment instead of --batch."),
    click.option("--gains", is_flag=True, default=None,
                 help="What micro-batches and predicted tokens add."),
)  # fmt: skip
"""Adds the choice of what is decoded, which the command gets as ``wanted``, an `AskedDecode`."""


@click.command("decode", context_settings={"help_option_names": ["-h", "--help"]})
@instance_options
@decode_options
@background_option
@sensitivity_option
@machine_options
@answer_options
@trace_option
@click.option("--page", "page_file", type=NewFile(), metavar="FILE",
              help="Write an HTML page of the last row's whole step: every dispatch and combine,"
                   " when each runs.")  # fmt: skip
def command(
    asked: AskedInstance, wanted: AskedDecode, background: tuple[Background, ...],
    what_matters: bool, machine: MachineSpec, form: str, output: Path | None, trace: Path | None,
    page_file: Path | None,
) -> None:  # fmt: skip
    """A step of decoding: where the time goes, TPOT and tokens per second of an accelerator.

    Operators are timed by a roofline of published efficiencies, communication by the fabric.
    docs/serving.md says what each number stands on, and which published rows it meets.
    """
    check_apart({"--output": output, "--trace": trace, "--page": page_file})
    own = instance(asked, machine, DECODE, background)
    if page_file and (background or own.deployment.attention_ranks):
        raise click.UsageError(
            "--page shows dispatch and combine between all ranks, with nothing beside them: it does"
            " not go with --background, or attention apart from experts"
        )
    if wanted.published and (asked.model != AskedInstance.model or wanted.slo or wanted.batch):
        raise click.UsageError("--published has model and batches of its own")
    steps = list(progress(_steps(own, wanted), "decode"))
    stands = [_standings(setting, step) for setting, step in steps]
    rows = [{**record(*each), **together(found)} for each, found in zip(steps, stands, strict=True)]
    setting, step = steps[-1]
    gains = list(gain_records(own, wanted)) if wanted.gains else []
    answers = list(progress(_moved(wanted, steps, rows), "sensitivity")) if what_matters else []
    with opened(output) as file:
        if form == "table":
            _write(file, setting, step, rows, gains)
            put(file, *(f"# {line}" for line in lines(one for each in stands for one in each)))
            file.write(sensitivity.text(answers))
        else:
            shown = sensitivity.records(answers) if what_matters else [*rows, *gains]
            file.write(as_text(shown, form, setting.fabric.spec))
    if page_file:
        from bench.serving.step_page import write_page

        made = setting.exchanges(LOW_LATENCY)
        if isinstance(made, Exchanges):
            write_page(page_file, step, made)
    if trace:
        picture.trace(step.schedule, trace, f"decode, {setting.model.name}")


def _standings(own: ServedInstance, step: DecodeStep) -> list[Standing]:
    """What dispatch and combine of a step stand on."""
    return standings(own, ("dispatch", "combine"), dict.fromkeys(step.tokens))


def _steps(own: ServedInstance, wanted: AskedDecode) -> Iterator[tuple[ServedInstance, DecodeStep]]:
    if wanted.published:
        for row in rows_of(DECODED, own.deployment.name):
            setting = own.balanced() if row.balanced else own
            given = replace(
                wanted, context=row.context, acceptance=row.acceptance,
                microbatches=str(row.microbatches or wanted.microbatches),
            )  # fmt: skip
            yield setting, best_step(setting, given, row.batch)
    elif wanted.slo:
        yield own, within(own, wanted, parse(wanted.slo, "time"))
    else:
        for batch in wanted.batch or (96,):
            yield own, best_step(own, wanted, batch)


def best_step(own: ServedInstance, wanted: AskedDecode, batch: int) -> DecodeStep:
    """The fastest step of this batch among those that were asked for; raises `TriplaneError`."""
    made = own.exchanges(LOW_LATENCY)
    return min(
        (_step(own, wanted, made, one) for one in _candidates(own, wanted, batch)),
        key=lambda step: step.seconds,
    )


def _step(
    own: ServedInstance, wanted: AskedDecode, made: Exchanges | ApartExchanges, one: DecodeBatch
) -> DecodeStep:
    graphs = 1 + one.predicted if wanted.launches else 0
    launches = graphs * own.die.graph_launch.value
    return decode_step(own.model, own.die, own.deployment, made, one, launches)


def _moved(
    wanted: AskedDecode, steps: Iterable[tuple[ServedInstance, DecodeStep]], rows: Iterable[Record]
) -> Iterator[sensitivity.MovedAnswer]:
    """What matters to each step, divided between streams as it is."""
    for (own, step), row in zip(steps, rows, strict=True):

        def seconds(other: ServedInstance, batch: DecodeBatch = step.asked) -> float:
            return _step(other, wanted, other.exchanges(LOW_LATENCY), batch).seconds

        found = effects_of_step(own, ("dispatch", "combine"), seconds)
        yield sensitivity.MovedAnswer({**row, "time_us": step.seconds / US}, found)


def _candidates(own: ServedInstance, wanted: AskedDecode, batch: int) -> list[DecodeBatch]:
    """What is compared: one micro-batch and two, and every division of cores between streams."""
    predicted = own.model.predict_layers if wanted.mtp is None else wanted.mtp
    base = DecodeBatch(batch, wanted.context, predicted, wanted.acceptance, 1)
    found = [base] if wanted.microbatches in ("auto", "1") else []
    if wanted.microbatches == "2" or (wanted.microbatches == "auto" and batch >= 2 * own.die.dies):
        cores: Iterable[int] = (wanted.attention_cores,) if wanted.attention_cores else ()
        if not cores:
            whole = int(own.die.cores.value)
            divided = own.deployment.overlap == TWO_STREAMS
            cores = range(LEAST_CORES, whole - LEAST_CORES + 1) if divided else (1,)
        found += [replace(base, microbatches=2, attention_cores=own_part) for own_part in cores]
    return found


def within(own: ServedInstance, wanted: AskedDecode, slo: float) -> DecodeStep:
    """The step of the largest batch whose tokens take no longer than ``slo`` seconds each.

    Batches are whole numbers of requests a die. Raises `BenchError` if even one takes longer.
    """
    dies = own.die.dies

    def fits(requests: int) -> DecodeStep | None:
        predicted = own.model.predict_layers if wanted.mtp is None else wanted.mtp
        asked = DecodeBatch(requests * dies, wanted.context, predicted)
        if (
            resident_bytes(own.model, own.die, own.deployment, asked)
            > own.die.memory_capacity.value
        ):
            return None
        step = best_step(own, wanted, requests * dies)
        return step if step.tpot <= slo else None

    best, low, high = fits(1), 1, 2
    if best is None:
        raise BenchError(f"even one request a die takes longer than {wanted.slo}, or has no room")
    while (step := fits(high)) is not None:
        best, low, high = step, high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        step = fits(middle)
        best, low, high = (best, low, middle) if step is None else (step, middle, high)
    return best


def record(own: ServedInstance, step: DecodeStep) -> dict[str, Value]:
    """The record of a step: what was asked, what it comes to, and the published row beside."""
    asked, layer = step.asked, step.layers[0]
    known = None
    if own.model.name == AskedInstance.model and asked.predicted == 1 and not own.streams:
        known = row_of(
            DECODED, own.deployment.name, asked.batch, asked.context, own.is_balanced,
            asked.microbatches, asked.acceptance,
        )  # fmt: skip
    per_layer = {f"layer_{one.name}_us": one.seconds / US for one in layer}
    critical = {
        f"critical_{name}_ms": seconds / MS
        for name, seconds in step.schedule.critical_seconds().items()
    }
    busy = sum(one.moved for one in layer) * asked.microbatches
    period = max(sum(one.seconds for one in layer if one.stream == stream)
                 for stream in {one.stream for one in layer}) * asked.microbatches  # fmt: skip
    return {
        "op": "decode", "system": own.fabric.topology.name, "deployment": own.deployment.name,
        "model": own.model.name, "ranks": own.deployment.ranks, "batch": asked.batch,
        **own.beside,
        "context": asked.context, "mtp": asked.predicted, "acceptance": asked.acceptance,
        "microbatches": asked.microbatches,
        "attention_cores": asked.attention_cores if len({o.stream for o in layer}) > 1
        and own.deployment.overlap == TWO_STREAMS else None,
        "imbalance": None if own.routing_file else own.deployment.imbalance.value,
        "step_ms": step.seconds / MS, "tpot_ms": step.tpot / MS,
        "tokens_per_s": step.throughput,
        "tokens_per_s_per_tflops": step.throughput / own.die.tera_ops,
        "memory_busy_percent": 100 * busy / period / own.die.memory_bandwidth.value,
        **beside(known, step.throughput),
        **per_layer, **critical,
    }  # fmt: skip


def gain_records(own: ServedInstance, wanted: AskedDecode) -> Iterator[dict[str, Value]]:
    """What two micro-batches, and predicted tokens, add to the throughput, in per cent."""
    of_paper = own.deployment.name == "cloudmatrix" and wanted.context == 4096
    for batch in wanted.batch or tuple(MICROBATCH_GAINS):
        one, two, plain, best = (
            best_step(own, replace(wanted, **other), batch).throughput
            for other in ({"microbatches": "1"}, {"microbatches": "2"}, {"mtp": 0}, {})
        )
        known = MICROBATCH_GAINS.get(batch) if of_paper else None
        yield {
            "op": "gain", "deployment": own.deployment.name, "batch": batch,
            "microbatch_gain_percent": 100 * (two / one - 1),
            "published_microbatch_gain_percent": known,
            "mtp_gain_percent": 100 * (best / plain - 1),
            "published_mtp_gain_percent": f"{MTP_GAINS[0]:g} to {MTP_GAINS[1]:g}"
            if of_paper else None,
        }  # fmt: skip


_COLUMNS = {
    "batch": "batch", "context": "context", "micro-batches": "microbatches",
    "attention cores": "attention_cores", "step ms": "step_ms", "TPOT ms": "tpot_ms",
    "tokens/s": "tokens_per_s", "/TFLOPS": "tokens_per_s_per_tflops",
    "published TPOT": "published_tpot_ms", "published": "published_tokens_per_s",
    "error %": "error_percent",
}  # fmt: skip


def _write(
    file: IO[str],
    own: ServedInstance,
    step: DecodeStep,
    rows: Sequence[Record],
    gains: Sequence[Record],
) -> None:
    at, asked = own.deployment, step.asked
    put(file, f"# decode of {own.model.name} on {own.fabric.topology.name}, EP{at.ranks} of"
              f" {own.die.about}; MTP {asked.predicted}, {asked.acceptance:g} kept"
              f"{own.beside_words}")  # fmt: skip
    lines = [{name: row[key] for name, key in _COLUMNS.items()} for row in rows]
    file.write(as_table(lines))
    put(file, "", f"# a layer with experts, one micro-batch (of the last row: batch {asked.batch})")
    file.write(picture.operators(step.layers[0]))
    put(file, "", "# the step: what the time goes to")
    file.write(picture.bars(step.schedule))
    if gains:
        put(file, "", "# gains")
        file.write(as_table([{k: v for k, v in one.items() if k != "op"} for one in gains]))
    put(file, "", "# numbers")
    file.write(picture.numbers(own.die, at))
