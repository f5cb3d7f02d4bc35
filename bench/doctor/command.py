"""``triplane doctor``: what this machine can do, and what to install."""

from pathlib import Path

import click

from bench.doctor.checks import MISSING, Finding, findings
from bench.new_files import NewFile
from bench.records import Value, as_text, opened


@click.command("doctor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--format", "form", type=click.Choice(("table", "json", "csv")), default="table",
              help="Text for people, or records for programs.")  # fmt: skip
@click.option("--output", type=NewFile(), help="Write the answer here instead of printing it.")
def command(form: str, output: Path | None) -> int:
    """What this machine can do: shared memory, MPI, torch, a browser; and what to install.

    The exit code is 1 if something is missing that nothing runs without.
    """
    found = list(findings())
    with opened(output) as file:
        if form == "table":
            file.write(as_text([_short(one) for one in found], form))
            file.writelines(f"# {line}\n" for one in found if (line := _advice(one)))
        else:
            file.write(as_text([_record(one) for one in found], form))
    return int(any(one.is_needed and one.state == MISSING for one in found))


def _record(one: Finding) -> dict[str, Value]:
    return {
        "name": one.name, "state": one.state, "found": one.found, "without": one.without or None,
        "install": one.install or None, "is_needed": one.is_needed,
    }  # fmt: skip


def _short(one: Finding) -> dict[str, Value]:
    return {"what": one.name, "there": one.state, "found": one.found}


def _advice(one: Finding) -> str:
    """What follows where something is not as it could be."""
    if one.state == "yes":
        return ""
    change = f"; to change that: {one.install}" if one.install else ""
    return f"{one.name}: {one.without}{change}"
