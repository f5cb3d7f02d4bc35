"""``bench moe``: what MoE dispatch and combine cost over expert-parallel sizes."""

from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

import click

from bench import sensitivity, written_files
from bench.background import lines as lines_beside
from bench.background_option import background_option, check_background
from bench.cases.moe import (
    EXPERTS,
    HIDDEN,
    MODES,
    OPERATIONS,
    TOKENS,
    TOP_K,
    Experts,
    RoutingOptions,
    dtype_of,
    is_captured_file,
    is_file,
    tokens_text,
)
from bench.faulted import lines as lines_faulted
from bench.live_options import LiveOptions, live_options
from bench.machine_options import machine_options
from bench.moe.expert_placement import PlacementList, check_placements, with_placements
from bench.moe.measure import (
    check,
    draw,
    effects_of,
    nearest,
    on_real_ranks,
    prepared,
    records,
    standing_of,
    table,
)
from bench.numbers import CountList
from bench.options import Output, check_sensitivity, gathered, output_options, sensitivity_option
from bench.packets import lines as lines_of_packets
from bench.published.standing import lines
from bench.records import as_text, opened, progress
from bench.streams import put
from bench.transport_choice import TRANSPORTS, TransportChoice
from collectives.workloads.background.beside import check_streams
from collectives.workloads.background.streams import Background
from fabric.fabric import Fabric
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline

if TYPE_CHECKING:
    pass

SIZES = (8, 16, 32, 64, 128, 256, 320)
"""Ranks of the operations, where nothing else is asked for."""

_AT_LEAST_ONE = click.IntRange(min=1, max=1 << 20)


@dataclass(frozen=True)
class Asked:
    """Which operations are to be measured; None where the user leaves it to us.

    Each of the ``ep`` sizes with each number of ``tokens``. The rest as in
    `bench.cases.moe.Experts`.
    """

    ep: tuple[int, ...] | None = None
    mode: str = MODES[0]
    tokens: tuple[int, ...] | None = None
    hidden: int = HIDDEN
    top_k: int | None = None
    experts: int | None = None
    dtype: str | None = None
    skew: str = "uniform"
    seed: int | None = None
    placements: tuple[str, ...] = ()
    redundant: int = 0

    def works(self, software: str) -> list[Experts]:
        """The operations, as ``software`` does them; raises `TriplaneError` for a wrong file."""
        if is_captured_file(self.skew):
            return self._of_capture(software)
        if is_file(self.skew):
            return self._of_file(software)
        return [
            Experts(
                op, self.mode, ranks, tokens, self.hidden, self.top_k or TOP_K,
                self.experts or max(EXPERTS, ranks), self.dtype or dtype_of(software), self.skew,
                self.seed or 0,
            )
            for ranks in self.ep or SIZES for tokens in self.tokens or (TOKENS[self.mode],)
            for op in OPERATIONS
        ]  # fmt: skip

    def _of_file(self, software: str) -> list[Experts]:
        """The operations with the routing of a file, which decides ranks, tokens and top-k."""
        routing = self._options().of_file(self.skew)
        tokens = max(int(routing.tokens.max()), 1)
        return [
            Experts(
                op, self.mode, routing.ranks, tokens, self.hidden, routing.top_k, routing.experts,
                self.dtype or dtype_of(software), self.skew,
            )
            for op in OPERATIONS
        ]  # fmt: skip

    def _of_capture(self, software: str) -> list[Experts]:
        """The operations with tokens of a capture, which decides top-k and experts.

        If it is of one layer and step, also ranks and tokens, where no option does.
        """
        captured = self._options().of_capture(self.skew)
        sizes, tokens = self.ep or SIZES, self.tokens or (TOKENS[self.mode],)
        if captured.is_single and not self.ep and not self.tokens:
            sizes, tokens = (captured.ranks,), (captured.most_tokens,)
        return [
            Experts(
                op, self.mode, ranks, count, self.hidden, captured.top_k, captured.experts,
                self.dtype or dtype_of(software), self.skew, self.seed or 0,
            )
            for ranks in sizes for count in tokens for op in OPERATIONS
        ]  # fmt: skip

    def check_file(self) -> None:
        """Raise `TriplaneError` for a routing's file that is wrong, or not as options ask."""
        if is_captured_file(self.skew):
            self._options().of_capture(self.skew)
        else:
            self._options().of_file(self.skew)

    def _options(self) -> RoutingOptions:
        return RoutingOptions(self.ep, self.tokens, self.top_k, self.experts, self.seed)

    def said(self, works: list[Experts]) -> str:
        """What is the same of all operations, as the first line says it."""
        tokens, skew = ",".join(dict.fromkeys(str(work.tokens) for work in works)), self.skew
        if is_captured_file(skew):
            skew = f"{skew} ({works[0].experts} experts)"
        elif is_file(skew):
            routing = works[0].routing()
            tokens, skew = tokens_text(routing), f"{skew} ({routing.experts} experts)"
        return f"{tokens} tokens a rank, hidden {self.hidden}, top-{works[0].top_k}, routing {skew}"


moe_options = gathered(
    "asked",
    Asked,
    click.option("--ep", type=CountList("ranks"), metavar="SIZES",
                 help="Expert-parallel sizes: ranks, such as 8,16 or 8..256 by doubling (default:"
                      f" {','.join(map(str, SIZES))})."),
    click.option("--mode", type=click.Choice(MODES), default=MODES[0], show_default=True,
                 help="One message a token-expert, or one copy a rank."),
    click.option("--tokens", type=CountList("tokens"), metavar="NUMBERS",
                 help="Of each rank, such as 1,8,64 or 1..1024 by doubling (default: 128, normal"
                      " mode 4096)."),
    click.option("--hidden", type=_AT_LEAST_ONE, default=HIDDEN, show_default=True,
                 help="Channels."),
    click.option("--top-k", type=_AT_LEAST_ONE, help=f"Experts of a token (default: {TOP_K})."),
    click.option("--experts", type=_AT_LEAST_ONE,
                 help="Over all ranks (default: 256, and one a rank above EP256)."),
    click.option("--dtype", type=click.Choice(("int8", "fp8", "bf16")),
                 help="What dispatch sends (default: the software's own)."),
    click.option("--skew", default="uniform", show_default=True, metavar="SKEW",
                 help="uniform, zipf:EXPONENT, node-limited:GROUPS or file:PATH (.csv, .json, .npy,"
                      " .npz), which brings ranks, tokens and top-k of its own."),
    click.option("--seed", type=int, help="Of the random routing (default: 0)."),
    click.option("--expert-placement", "placements", type=PlacementList(), default=(),
                 metavar="NAMES", help="Where experts are: linear (in order), eplb (by load alone),"
                 " topology (by load and distance); several with commas."),
    click.option("--redundant", type=click.IntRange(0, 1 << 16), default=0,
                 help="Replicas of experts that eplb and topology add."),
)  # fmt: skip
"""Adds the choice of operations, which the command gets as ``asked``, an `Asked`."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@moe_options
@click.option(
    "--transport",
    type=TransportChoice(TRANSPORTS),
    default=TRANSPORTS[0],
    show_default=True,
    help="Simulate, or dispatch and combine real tokens between real ranks.",
)
@sensitivity_option
@background_option
@live_options
@machine_options
@output_options
def command(
    asked: Asked, transport: str, what_matters: bool, background: tuple[Background, ...],
    live: LiveOptions, machine: MachineSpec, output: Output,
) -> None:  # fmt: skip
    """MoE dispatch and combine over expert-parallel sizes, beside what was published."""
    written_files.check_simulated(output, transport)
    check_placements(asked.placements, asked.redundant, transport)
    check_background(background, transport, output, what_matters)
    live.check(transport)
    if what_matters:
        check_sensitivity(transport)
    if is_file(asked.skew):
        asked.check_file()  # is refused before a machine is built
    fabric, software, name = prepared(machine, asked.mode)
    works = asked.works(software)
    for work in works:
        check(work, fabric)
        if background:
            check_streams(fabric, background, work.ranks)
    works = with_placements(works, fabric, asked.placements, asked.redundant)
    timelines: list[Timeline] = []
    if transport == "sim":
        with live.page(fabric, max(work.ranks for work in works)) as page:
            shown = page.simulated if page else None
            measured_all = records(fabric, name, works, background, shown)
            found = list(progress(measured_all, "moe", len(works)))
        rows, timelines = [row for row, _ in found], [timeline for _, timeline in found]
    else:
        measured = on_real_ranks(fabric, name, works, transport, output.trace)
        rows = list(progress(measured, "moe", len(works)))
    moved = map(partial(effects_of, fabric), works if what_matters else ())
    answers = [*map(sensitivity.MovedAnswer, rows, progress(moved, "sensitivity", len(works)))]
    with opened(output.output) as file:
        if output.format == "table":
            live_over = "" if timelines else f", real tokens over {transport}"
            put(
                file,
                f"# MoE {asked.mode} on {name} with {software}: {asked.said(works)}{live_over}",
            )
            file.write(table(rows))
            _notes(file, fabric, name, software, [] if background or fabric.changes else works)
            for row in rows:
                ahead = f"# EP{row['ranks']} {row['op']} "
                said = (*lines_of_packets(row), *lines_beside(row), *lines_faulted(row))
                put(file, *(f"{ahead}{line}" for line in said))
            file.write(sensitivity.text(answers))
        else:
            found_records = sensitivity.records(answers) if what_matters else rows
            file.write(as_text(found_records, output.format, machine))
    if output.plot:
        draw(rows, output.plot)
    if timelines and written_files.wanted(output):
        # Faults count from the begin of an operation, so with them each is a timeline of its own.
        before = [] if fabric.changes else timelines[-len(OPERATIONS) : -1]
        written_files.write(timelines[-1], output, before)


def _notes(file: IO[str], fabric: Fabric, name: str, software: str, works: list[Experts]) -> None:
    """Write the lines below the table: published sizes next to those asked, and the standing."""
    if len({work.tokens for work in works}) == 1:
        file.write(nearest(name, software, works))
    standings = [standing_of(work, fabric, name) for work in works]
    put(file, *(f"# {line}" for line in lines(standings)))
