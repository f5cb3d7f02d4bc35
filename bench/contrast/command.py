"""``bench contrast``: where packets must differ from a fluid, in scenes timed by both engines."""

from pathlib import Path

import click

from bench import sensitivity
from bench.contrast import picture
from bench.contrast.scenes import BANDWIDTH, SCENES, answers, records
from bench.new_files import NewFile, check_apart
from bench.options import PICTURES, Names, answer_options, sensitivity_option
from bench.records import Record, as_text, opened, progress
from bench.streams import put
from fabric.engines.packet.engine import MTU
from topology.names import near
from topology.units import show


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--scenes",
    "names",
    type=Names(),
    default=tuple(SCENES),
    metavar="NAMES",
    help=f"Which of {', '.join(SCENES)}; several with commas [all].",
)
@click.option(
    "--mtu",
    type=click.IntRange(1, 1 << 20),
    default=MTU,
    show_default=True,
    help="Bytes of a packet.",
)
@sensitivity_option
@answer_options
@click.option("--plot", type=NewFile(), help="Draw the ratios (png, svg or pdf).")
def command(
    names: tuple[str, ...], mtu: int, what_matters: bool, form: str, output: Path | None,
    plot: Path | None,
) -> None:  # fmt: skip
    """Four small scenes in which packets must take longer than the fluid of the engine flow."""
    check_apart({"--output": output, "--plot": plot})
    if plot and plot.suffix.lower() not in PICTURES:
        raise click.UsageError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
    for name in names:
        if name not in SCENES:
            choices = f"there are {', '.join(SCENES)}{near(name, SCENES)}"
            raise click.UsageError(f"--scenes: no scene {name!r:.60}; {choices}")
    rows: list[Record] = list(progress(records(names, mtu), "contrast"))
    made = answers(rows, names, mtu) if what_matters else ()
    moved = list(progress(made, "sensitivity", len(rows)))
    with opened(output) as file:
        if form != "table":
            file.write(as_text(sensitivity.records(moved) if what_matters else rows, form))
        else:
            put(file, f"# links of {show(BANDWIDTH, 'bandwidth')}, packets of {mtu} bytes")
            for name in names:
                scene, mine = SCENES[name], [row for row in rows if row["scene"] == name]
                put(file, f"# {name}: {scene.shows}")
                file.write(as_text([_shown(row) for row in mine], form))
            file.write(sensitivity.text(moved))
    if plot:
        picture.draw(rows, plot)


def _shown(row: Record) -> Record:
    return {
        str(row["varies"]): row["value"], "flow us": row["flow_us"],
        "packet us": row["packet_us"], "packet/flow": row["packet_over_flow"],
    }  # fmt: skip
