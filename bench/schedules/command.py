"""``triplane schedule``: schedules of collectives in files of others, checked and written."""

from pathlib import Path

import click
import numpy as np

from bench.cli import HELP, CommandGroup
from bench.machine_options import machine_file_option
from bench.new_files import NewFile
from bench.numbers import Number
from bench.options import parse_bytes
from bench.records import Value, as_text, opened
from bench.schedules.ns3_ub import check_folder, write_case
from collectives.algorithms.msccl.schedule import MscclSchedule, load
from collectives.algorithms.msccl.write import write as write_msccl
from collectives.algorithms.sizes import COLLECTIVES, buffers
from collectives.algorithms.table import default, schedule
from collectives.workloads.htsim import write_cm


@click.group("schedule", cls=CommandGroup, lazy={}, context_settings=HELP)
def group() -> None:
    """Schedules of collectives: those of others checked, ours written for them."""


@group.command("check", context_settings=HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE.xml..")
@click.option("--format", "form", type=click.Choice(("table", "json", "csv")), default="table",
              help="Text for people, or records for programs.")  # fmt: skip
@click.option("--output", type=NewFile(), help="Write the answer here instead of printing it.")
def check(files: tuple[str, ...], form: str, output: Path | None) -> None:
    """Schedules of MSCCL: whether they do what their collective does, and what they move."""
    records = [_record(load(name)) for name in files]
    with opened(output) as file:
        file.write(as_text(records, form))


def _record(found: MscclSchedule) -> dict[str, Value]:
    """What a schedule is; bytes sent are of the rank that sends most, by those of its data."""
    sent, transfers = np.zeros(found.ranks, np.int64), 0
    for (src, dst, count, *_), _, _ in found.parts:
        leaves = src != dst
        np.add.at(sent, src[leaves], count[leaves])
        transfers += int(leaves.sum())
    return {
        "file": found.path, "name": found.name, "op": found.collective, "ranks": found.ranks,
        "chunks": found.chunks, "rounds": found.network_rounds, "transfers": transfers,
        "sent_per_byte": round(float(sent.max()) / found.chunks, 6), "verified": True,
    }  # fmt: skip


@group.command("export", context_settings=HELP)
@click.argument("op", type=click.Choice(COLLECTIVES), metavar="COLLECTIVE")
@click.option("--ranks", type=Number(1), required=True, metavar="N", help="How many ranks.")
@click.option("--size", type=parse_bytes, required=True, metavar="SIZE",
              help="Bytes of all data of a rank, as bench's sizes are.")  # fmt: skip
@click.option("--algorithm", metavar="NAME", help="By which [the library's default for the size].")
@click.option("--root", type=Number(0), default=0, metavar="RANK", help="Of rooted ones [0].")
@click.option("--itemsize", type=Number(1), default=4, metavar="BYTES",
              help="Bytes that are never cut [4].")  # fmt: skip
@click.option("--ranks-per-node", type=Number(1), default=16, metavar="N",
              help="Ranks that share a node, for those of two levels [16].")  # fmt: skip
@machine_file_option
@click.option("--system", metavar="SYSTEM", help="Of a case: a preset's name or a TOML file.")
@click.option("--planes", metavar="NAMES", help="Of a case: these planes only.")
@click.option("--output", "-o", type=NewFile(is_prefix=True), required=True, metavar="FILE",
              help="FILE.xml: MSCCL's; FILE.cm: htsim's connection matrix; a name without an"
                   " ending: the folder of a case of ns-3-UB.")  # fmt: skip
def export(
    op: str, ranks: int, size: int, algorithm: str | None, root: int, itemsize: int,
    ranks_per_node: int, output: Path, **machine: str | None,
) -> None:  # fmt: skip
    """One of our algorithms as a file that another program reads.

    A case of ns-3-UB is a network, too: that of --system or --machine.
    """
    named = [name for name, value in machine.items() if value is not None]
    if output.suffix not in (".xml", ".cm", ""):
        raise click.UsageError(
            f"--output is {str(output)!r}; it has to end in .xml or .cm, or have no ending"
        )
    if output.suffix and named:
        option = named[0].replace("_file", "")
        raise click.UsageError(f"--{option} is for a case of ns-3-UB, not for {output.suffix}")
    if not output.suffix:
        check_folder(output)
        if not {"system", "machine_file"} & set(named):
            raise click.UsageError("a case of ns-3-UB needs --system or --machine")
    block = _argument(op, ranks, size)
    steps = list(
        schedule(op, ranks, block, algorithm or default(op, ranks, block), root=root,
                 itemsize=itemsize, ranks_per_node=ranks_per_node)
    )  # fmt: skip
    if not output.suffix:
        write_case(output, steps, ranks, machine)
    elif output.suffix == ".cm":
        write_cm(output, steps, ranks)
    else:
        if root:
            raise click.UsageError("a schedule of MSCCL has root 0")
        write_msccl(output, steps, op, ranks, block, algorithm or "triplane")


def _argument(op: str, ranks: int, size: int) -> int:
    """The bytes that `schedule` means by all data of a rank."""
    most = max(*buffers(op, ranks, 1), 1)
    if size % most:
        raise click.UsageError(f"--size is {size} bytes, which {ranks} ranks cannot share alike")
    return size // most
