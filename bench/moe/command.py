"""``bench moe``: what MoE dispatch and combine cost over expert-parallel sizes."""

import click

from bench import written_files
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
    is_file,
    tokens_text,
)
from bench.machine_options import machine_options
from bench.moe.measure import check, draw, live, nearest, prepared, records, standing_of, table
from bench.numbers import Counts
from bench.options import Output, output_options
from bench.published.standing import lines
from bench.records import as_text, opened, progress
from bench.streams import put
from bench.transport_choice import TRANSPORTS, TransportChoice
from fabric.machine import MachineSpec
from fabric.timeline.value import Timeline

SIZES = (8, 16, 32, 64, 128, 256, 320)
"""Ranks of the operations, where nothing else is asked for."""


_AT_LEAST_ONE = click.IntRange(min=1, max=1 << 20)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--ep",
    type=Counts("ranks"),
    metavar="SIZES",
    help=f"Expert-parallel sizes: ranks (default: {','.join(map(str, SIZES))}).",
)
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="One message a token-expert, or one copy a rank.",
)
@click.option(
    "--tokens",
    type=Counts("tokens"),
    metavar="NUMBERS",
    help="Of each rank, such as 1,8,64 or 1..1024 by doubling (default: 128, normal mode 4096).",
)
@click.option("--hidden", type=_AT_LEAST_ONE, default=HIDDEN, show_default=True, help="Channels.")
@click.option("--top-k", type=_AT_LEAST_ONE, help=f"Experts of a token (default: {TOP_K}).")
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
    help="uniform, zipf:EXPONENT, node-limited:GROUPS or file:PATH (.csv, .json, .npy, .npz),"
    " which brings ranks, tokens and top-k of its own.",
)
@click.option(
    "--transport",
    type=TransportChoice(TRANSPORTS),
    default=TRANSPORTS[0],
    show_default=True,
    help="Simulate, or dispatch and combine real tokens between real ranks.",
)
@click.option("--seed", type=int, help="Of the random routing (default: 0).")
@machine_options
@output_options
def command(
    ep: tuple[int, ...] | None, mode: str, tokens: tuple[int, ...] | None, hidden: int,
    top_k: int | None, experts: int | None, dtype: str | None, skew: str, transport: str,
    seed: int | None, machine: MachineSpec, output: Output,
) -> None:  # fmt: skip
    """MoE dispatch and combine over expert-parallel sizes, beside what was published."""
    written_files.check_simulated(output, transport)
    skew_said, tokens_said = skew, ""
    if is_file(skew):
        routing = RoutingOptions(ep, tokens, top_k, experts, seed).of_file(skew)
        ep, top_k, experts = (routing.ranks,), routing.top_k, routing.experts
        tokens, tokens_said = (max(int(routing.tokens.max()), 1),), tokens_text(routing)
        skew_said = f"{skew} ({routing.experts} experts)"
    tokens = tokens or (TOKENS[mode],)
    fabric, software, name = prepared(machine, mode)
    works = [
        Experts(
            op, mode, ranks, count, hidden, top_k or TOP_K,
            experts or max(EXPERTS, ranks), dtype or dtype_of(software), skew,
            seed or 0,
        )
        for ranks in ep or SIZES for count in tokens for op in OPERATIONS
    ]  # fmt: skip
    for work in works:
        check(work, fabric)
    timelines: list[Timeline] = []
    if transport == "sim":
        found = list(progress(records(fabric, name, works), "moe", len(works)))
        rows, timelines = [row for row, _ in found], [timeline for _, timeline in found]
    else:
        measured = live(fabric, name, works, transport, output.trace)
        rows = list(progress(measured, "moe", len(works)))
    with opened(output.output) as file:
        if output.format == "table":
            put(
                file,
                f"# MoE {mode} on {name} with {software}:"
                f" {tokens_said or ','.join(map(str, tokens))} tokens a rank,"
                f" hidden {hidden}, top-{works[0].top_k}, routing {skew_said}"
                + ("" if timelines else f", real tokens over {transport}"),
            )
            file.write(table(rows))
            if len(tokens) == 1:
                file.write(nearest(name, software, works))
            standings = [standing_of(work, fabric, name) for work in works]
            put(file, *(f"# {line}" for line in lines(standings)))
        else:
            file.write(as_text(rows, output.format, machine))
    if output.plot:
        draw(rows, output.plot)
    if timelines and written_files.wanted(output):
        written_files.write(timelines[-1], output)
