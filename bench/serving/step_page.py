"""A whole step of decoding on the page: every layer's dispatch and combine, when each runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.machine import BenchError
from bench.view.page import Exhibit, page
from collectives.workloads.inference.decode import DecodeStep
from collectives.workloads.inference.exchange import Exchanges
from collectives.workloads.inference.overlap import ScheduledOperator
from fabric.timeline.film import Film
from fabric.timeline.ranks import MOST_STRETCHES, MOVE, SOFTWARE, RankStretches
from fabric.timeline.repeated import RepeatedRun, film_of_repeated
from topology.files.output import text_file
from topology.presets.catalogue import whole_of
from topology.units import MS

_Floats = NDArray[np.float64]

OPERATIONS = ("Dispatch", "Combine")
LABELS = (*OPERATIONS, "computing")


def write_page(path: Path, step: DecodeStep, made: Exchanges) -> None:
    """Write the page of ``step`` to the file ``path``; raises `BenchError`, `OSError`."""
    topology = made.fabric.topology
    text = page(Exhibit(topology, step_film(step, made), whole_of(topology)))
    with text_file(path) as file:
        file.write(text)


def step_film(step: DecodeStep, made: Exchanges) -> Film:
    """The film of a step: each dispatch and combine of each layer and micro-batch at its time.

    Raises `BenchError` where no tokens are exchanged.
    """
    rows = [row for row in step.schedule.rows if row.operator.name in OPERATIONS]
    if not rows:
        raise BenchError("no layer of the step has experts: there is nothing to show")
    timelines = {tokens: made.simulated(tokens) for tokens in set(step.tokens)}
    parts = [
        RepeatedRun(timelines[tokens][at], name, begins)
        for chain, tokens in enumerate(step.tokens)
        for at, name in enumerate(OPERATIONS)
        if len(begins := _begins(rows, name, chain))
    ]
    lanes = _lanes(step, rows, made)
    facts = (
        ("step", f"{step.seconds / MS:.4g} ms"), ("layers", f"{_count(rows)} with experts"),
        ("ranks", f"{made.deployment.ranks}"), ("batch", f"{step.asked.batch} an accelerator"),
        ("rows of ranks", f"the first {len(set(lanes.rank.tolist()))}, which are alike"),
        ("software", made.fabric.software.name),
    )  # fmt: skip
    return film_of_repeated(
        parts, step.seconds, lanes, labels=LABELS, facts=facts,
        title=f"a decoding step of {made.model.name}, EP{made.deployment.ranks}",
    )  # fmt: skip


def _count(rows: Sequence[ScheduledOperator]) -> int:
    return sum(row.operator.name == OPERATIONS[0] and not row.chain for row in rows)


def _begins(rows: Sequence[ScheduledOperator], name: str, chain: int) -> _Floats:
    found = [row.begin for row in rows if (row.operator.name, row.chain) == (name, chain)]
    return np.array(found, np.float64)


def _lanes(step: DecodeStep, rows: Sequence[ScheduledOperator], made: Exchanges) -> RankStretches:
    """What a rank does when, for as many ranks as a picture has room for: all do the same."""
    stretches: list[tuple[float, float, int, int]] = []
    at = 0.0
    for row in sorted(rows, key=lambda row: row.begin):
        if row.begin > at:
            stretches.append((at, row.begin, SOFTWARE, LABELS.index("computing")))
        stretches.append((row.begin, row.end, MOVE, LABELS.index(row.operator.name)))
        at = max(at, row.end)
    if step.seconds > at:
        stretches.append((at, step.seconds, SOFTWARE, LABELS.index("computing")))
    ranks = made.deployment.ranks
    shown = max(1, min(ranks, MOST_STRETCHES // len(stretches)))
    begin, end, what, label = (np.tile(column, shown) for column in zip(*stretches, strict=True))
    return RankStretches(
        np.repeat(np.arange(shown), len(stretches)), begin, end, what.astype(np.int64),
        label.astype(np.int64), np.full(len(begin), -1), np.zeros(len(begin), np.bool_),
        ranks, made.fabric.places[:ranks].astype(np.int64),
    )  # fmt: skip
