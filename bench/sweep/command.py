"""``triplane sweep``: a bench command at many points, on many cores or machines."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from bench import streams
from bench.cli import HELP
from bench.new_files import NewFile, check_apart
from bench.options import PICTURES
from bench.records import Record, opened, progress
from bench.sweep import executors, store, table
from bench.sweep.answering import AskedPoint, PointAnswer
from bench.sweep.identity import dependencies
from bench.sweep.options import SweepError
from bench.sweep.running import Pools, Use, run
from bench.sweep.store import Store
from bench.sweep.study import Study, load
from topology.files.output import text_file

SUFFIX = ".answers.jsonl"
"""What the name of the file of answers ends in, where no other is named."""

SHOWN = 3
"""Points that failed, of which a line is printed."""


@click.command("sweep", context_settings=HELP)
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.toml")
@click.option("--executor", default="processes", show_default=True, metavar="NAME",
              help=f"What points run on: {executors.CHOICES}.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 1 << 12), metavar="N",
              help="Processes on this host [as many as there are cores].")  # fmt: skip
@click.option("--retry", is_flag=True, help="Ask points again that have failed before.")
@click.option("--answers", type=NewFile(), metavar="FILE",
              help=f"Where answers are kept, and found again [FILE{SUFFIX}].")  # fmt: skip
@click.option("--format", "form", type=click.Choice(table.FORMATS),
              help="Of the table [as the name of --output ends, else csv].")  # fmt: skip
@click.option("--output", type=NewFile(), help="Write the table here instead of printing it.")
@click.option("--plot", type=NewFile(), help="Draw the table (png, svg or pdf).")
@click.option("--page", type=NewFile(), help="Write an HTML page of the table.")
def command(
    file: Path, executor: str, workers: int | None, retry: bool, answers: Path | None,
    form: str | None, output: Path | None, plot: Path | None, page: Path | None,
) -> int:  # fmt: skip
    """Ask a bench command at all points of FILE.toml, and write one table.

    Answers are kept as they come: what was interrupted goes on where it was, and only points that
    depend on what has changed (options, machine, files, code) are asked again.
    """
    kept = answers or file.with_name(f"{file.name.removesuffix('.toml')}{SUFFIX}")
    with _pools(executor, workers) as pools:
        if pools is None:  # another rank of mpiexec, which has worked for this one
            return 0
        check_apart({"--output": output, "--plot": plot, "--page": page, "--answers": kept})
        form = _form(form, output)
        if plot and plot.suffix.lower() not in PICTURES:
            raise click.UsageError(f"--plot {plot}: the name must end in {', '.join(PICTURES)}")
        study = load(file)
        with store.opened(kept) as found:
            tasks = ask(study, found, pools, retry)
            rows = table.rows(study, tasks, found)
        _write(rows, study, form, output)
        if plot:
            from bench.sweep.picture import draw

            draw(rows, study, plot)
        if page:
            from bench.sweep import page as pages

            with text_file(page) as out:
                out.write(pages.page(rows, study))
        return _say(rows)


@contextmanager
def _pools(executor: str, workers: int | None) -> Iterator[Pools | None]:
    if executor != "mpi":
        yield executors.pools(executor, workers)
        return
    if workers is not None:
        raise SweepError("--workers is of this host's processes; mpiexec says how many ranks work")
    with executors.ranks() as pools:
        yield pools


def ask(study: Study, found: Store, pools: Pools, retry: bool = False) -> list[AskedPoint]:
    """The study's points as tasks, all of which are answered in the store ``found`` afterwards.

    ``retry``: those that have failed before are asked again. Raises `SweepError`, `OSError`.
    """
    tasks = [AskedPoint(dependencies(point).key, point) for point in study.points]
    missing = {task.key: task for task in tasks if _is_missing(found.get(task.key), retry)}
    use = Use()
    if missing:
        for answer in progress(run(missing.values(), pools, use), "sweep", len(missing)):
            found.add(answer)
        if streams.somebody_reads_along():
            streams.complain(f"triplane: {len(missing)} points on {use.workers} workers, which were"
                             f" busy {use.share:.0%} of the time")  # fmt: skip
        found.note({"points": len(missing), "workers": use.workers, "busy_seconds": use.busy,
                    "worker_seconds": use.there, "busy_share": use.share})  # fmt: skip
    return tasks


def _is_missing(answer: PointAnswer | None, retry: bool) -> bool:
    return answer is None or (retry and answer.error is not None)


def _form(form: str | None, output: Path | None) -> str:
    """The table's form: what is asked for, or as the name of its file ends."""
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    found = form or (suffix if suffix in table.FORMATS else "csv")
    if found == "parquet" and output is None:
        raise click.UsageError("--format parquet needs an --output: it is no text")
    return found


def _write(rows: Sequence[Record], study: Study, form: str, output: Path | None) -> None:
    if form == "parquet":
        assert output is not None
        table.parquet(rows, study, output)
        return
    with opened(output) as out:
        out.write(table.text(rows, form))


def _say(rows: Sequence[Record]) -> int:
    """Say which points have failed; returns the exit code."""
    failed = {row["point"]: row for row in rows if row["error"] is not None}
    if not failed:
        return 0
    for number, row in list(failed.items())[:SHOWN]:
        asked = ", ".join(f"{name.removeprefix(table.ASKED)} {value}" for name, value in row.items()
                          if name.startswith(table.ASKED))  # fmt: skip
        streams.complain(f"triplane: point {number} ({asked}): {row['error']}")
    total = len({row["point"] for row in rows})
    streams.complain(
        f"triplane: {len(failed)} of {total} points have failed; --retry asks them again"
    )
    return 1
