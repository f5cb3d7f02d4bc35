"""``bench placement``: how much of its NPUs a supernode can give to jobs, by its size."""

import math
from pathlib import Path
from statistics import fmean, stdev
from typing import NamedTuple

import click

from bench.new_files import NewFile
from bench.numbers import CountList
from bench.options import FORMATS
from bench.records import Record, Value, as_text, opened, progress
from topology.placement.block_sizes import MIXES, block_sizes
from topology.placement.job_trace import MOST_JOBS, NpuPool, allocation_rate


class PaperFigure(NamedTuple):
    """What the paper says of a supernode: an allocation rate above or below ``percent``."""

    npus: int
    mean_block: float
    side: str
    percent: float

    def agrees(self, percent: float) -> bool:
        """Whether this rate is on the same side."""
        return percent > self.percent if self.side == "above" else percent < self.percent


PUBLISHED = (
    PaperFigure(384, 10.08, "above", 94), PaperFigure(224, 10.08, "below", 91),
    PaperFigure(224, 11.28, "below", 85),
)  # fmt: skip
"""arXiv 2506.12708v2 section 6.1.2; the bars of its Fig. 24 have no numbers."""


class Means(click.ParamType[tuple[float, ...]]):
    """Mean block sizes with commas between them, each from 1 on."""

    name = "means"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """``value`` as floats; click reports anything else."""
        if isinstance(value, tuple):
            return value
        return tuple(self._mean(text.strip(), param, ctx) for text in str(value).split(","))

    def _mean(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not 1 <= found < math.inf:
            self.fail(f"{text!r:.60} is no mean of NPUs a block, from 1 on", param, ctx)
        return found


class Mixes(click.ParamType[tuple[str, ...]]):
    """Names of `MIXES` with commas between them; ``all`` for every one."""

    name = "mixes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """``value`` as names; click reports an unknown one."""
        if isinstance(value, tuple):
            return value
        names = tuple(MIXES) if value == "all" else tuple(str(value).split(","))
        for name in names:
            if name not in MIXES:
                self.fail(f"{name!r:.60} is no mix; there are {', '.join(MIXES)}", param, ctx)
        return names


@click.command("placement")
@click.option("--npus", type=CountList("NPUs of a supernode"), default="384,224", show_default=True,
              help="NPUs of a supernode; a row for each.")  # fmt: skip
@click.option("--mean-block", "means", type=Means(), default="10.08,11.28", show_default=True,
              help="Mean NPUs of a tightly-coupled block; a row for each.")  # fmt: skip
@click.option("--mix", "mixes", type=Mixes(), default="all", show_default=True,
              help=f"How block sizes are distributed: {', '.join(MIXES)}.")  # fmt: skip
@click.option("--supernodes", type=click.IntRange(1, 1 << 10), default=1, show_default=True,
              help="Supernodes that share one queue.")  # fmt: skip
@click.option("--blocks-per-job", "blocks", type=click.IntRange(1, 16), default=1,
              show_default=True, help="Blocks that have to begin together.")  # fmt: skip
@click.option("--lookahead", type=click.IntRange(1, 1 << 10), default=1, show_default=True,
              help="Waiting jobs that are tried in turn; 1: first come, first served.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(100, MOST_JOBS), default=10000, show_default=True,
              help="Jobs of a simulation.")  # fmt: skip
@click.option("--seeds", type=click.IntRange(2, 100), default=5, show_default=True,
              help="Simulations for each row, whose mean is shown.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(FORMATS), default="table")
@click.option("--output", type=NewFile())
def command(
    npus: tuple[int, ...], means: tuple[float, ...], mixes: tuple[str, ...], supernodes: int,
    blocks: int, lookahead: int, jobs: int, seeds: int, form: str, output: Path | None,
) -> None:  # fmt: skip
    """How much of its NPUs a supernode can give to jobs of tightly-coupled blocks.

    The queue is never empty. The paper's three figures (arXiv 2506.12708v2, Fig. 24) stand beside
    the rows that they are about; docs/placement.md says what is assumed.
    """
    asked = [(mix, NpuPool(size, supernodes, blocks, lookahead), mean)
             for mix in mixes for size in npus for mean in means]  # fmt: skip
    rows = [record(*each, jobs, seeds) for each in progress(asked, "placement")]
    with opened(output) as file:
        file.write(as_text(rows, form))


def record(mix: str, pool: NpuPool, mean: float, jobs: int, seeds: int) -> Record:
    """The record of one row: the rate over ``seeds`` simulations, and what the paper has.

    ``error_percent`` is the standard error of the mean over seeds, in points;
    ``expected_percent`` is `BlockSizes.expected_rate`, which is for a single supernode and jobs of
    one block, first come, first served.
    """
    sizes = block_sizes(mix, mean)
    rates = [100 * allocation_rate(pool, sizes, jobs, seed) for seed in range(seeds)]
    simple = pool.supernodes == pool.blocks == pool.lookahead == 1
    known = {(one.npus, one.mean_block): one for one in PUBLISHED}.get((pool.npus, mean))
    rate = fmean(rates)
    found: dict[str, Value] = {
        "mix": mix, "npus": pool.npus, "supernodes": pool.supernodes, "mean_block": mean,
        "allocated_percent": rate, "error_percent": stdev(rates) / math.sqrt(seeds),
        "expected_percent": 100 * sizes.expected_rate(pool.npus) if simple else None,
        "published": known and f"{known.side} {known.percent:g}",
        "agrees": known and ("yes" if known.agrees(rate) else "no"),
    }  # fmt: skip
    return found
