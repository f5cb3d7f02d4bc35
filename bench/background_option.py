"""``--background``: the option that names streams beside what is measured.

Nothing heavy is imported before a command runs, so that ``--help`` stays quick.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from bench.options import Output

if TYPE_CHECKING:
    from collectives.workloads.background.streams import Background


def _streams(
    _ctx: click.Context, _option: click.Parameter, given: Sequence[str]
) -> "tuple[Background, ...]":
    if not given:
        return ()
    from collectives.workloads.background.streams import background

    found = tuple(background(text) for text in given)
    kinds = [one.kind for one in found]
    twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
    if twice:
        raise click.UsageError(f"--background has {kinds.count(twice)} streams {twice}")
    return found


background_option: Callable[[Any], Any] = click.option(
    "--background", multiple=True, metavar="KIND:RATE[@PLANE][<TIME]", callback=_streams,
    help="A stream beside it, such as kv:25GB/s@rdma: kv, checkpoint or all_reduce, at what each"
         " rank offers, and in what time blocks should be through; may be given again.",
)  # fmt: skip
"""Adds --background, which the command gets as ``background``, a tuple of `Background`."""


def check_background(
    background: "Sequence[Background]", transport: str, output: Output, what_matters: bool
) -> None:
    """Raise `click.UsageError` for what does not go with streams beside a benchmark."""
    if background and transport != "sim":
        raise click.UsageError(f"--background does not go with --transport {transport}")
    check_alone(background, {
        "--trace": output.trace, "--timeline": output.timeline, "--heatmap": output.heatmap,
        "--goal": output.goal, "--chakra": output.chakra, "--sensitivity": what_matters,
    })  # fmt: skip


def check_alone(background: "Sequence[Background]", given: Mapping[str, object]) -> None:
    """Raise `click.UsageError` if streams are to be beside what options say of it alone.

    ``given``: the options' values by their names.
    """
    for name, value in given.items():
        if background and value:
            raise click.UsageError(f"--background does not go with {name}: that is of it alone")
