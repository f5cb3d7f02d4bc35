"""The part of ``triplane bench calibrate`` that fits a user's own rows: its options and its run."""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from bench.measured.files import all_measured
from bench.measured.setting import Setting
from bench.new_files import NewFile
from bench.numbers import Number
from bench.options import gathered
from bench.records import as_text, opened, progress
from bench.validation.own_stack import own_stack, records, summary, write
from topology.presets.catalogue import check_name, short_name


@dataclass(frozen=True)
class OwnRows(Setting):
    """What was asked about a user's own measurements; None or "" for what was not given."""

    system: str = ""
    rows: tuple[Path, ...] = ()
    name: str = ""
    like: str = ""
    hold_out: float | None = None

    def given(self) -> list[str]:
        """The options that only go with --rows and were given."""
        asked = [(option, getattr(self, option)) for option in _IN_ORDER]
        return [
            f"--{option.replace('_', '-')}" for option, value in asked if value not in ("", None)
        ]

    def setting(self, system: str) -> Setting:
        """What holds for rows whose file does not say it, on ``system``."""
        said = {field.name: getattr(self, field.name) for field in fields(Setting)}
        return Setting(**(said | {"system": system}))


_IN_ORDER = ("name", "like", "hold_out", *(field.name for field in fields(Setting)))


def _number(name: str, what: str) -> Callable[[Any], Any]:
    return click.option(name, type=Number(1), metavar="N", help=f"With --rows: {what}")


own_options = gathered(
    "own",
    OwnRows,
    click.option(
        "--rows", multiple=True, metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Your own measurements: what nccl-tests, OSU's benchmarks or DeepEP's tests printed,"
             " nccl-tests' JSON, or a CSV; may be given again.",
    ),
    click.option("--name", metavar="NAME", help="With --rows: the stack; NAME.toml is written."),
    click.option("--like", metavar="STACK",
                 help="With --rows: fit the constants of this stack, and keep what no row tells;"
                      " none: few constants of its own [what usually runs there]."),
    click.option("--hold-out", type=click.FloatRange(0, 0.5), metavar="SHARE",
                 help="With --rows: the part that is only compared with [0.2]."),
    click.option("--system", metavar="SYSTEM",
                 help="With --rows: where they were measured [cloudmatrix384]."),
    click.option("--op", metavar="NAME", help="With --rows: the operation, if no file says it."),
    _number("--ranks", "how many, if no file says it."),
    click.option("--algorithm", metavar="NAME",
                 help="With --rows: the collective's algorithm [any of the software's]."),
    _number("--tokens", "tokens of a rank, if no file says it."),
    _number("--hidden", "channels of a token, if no file says it."),
    _number("--top-k", "experts of a token, if no file says it."),
    _number("--experts", "experts of all ranks, if no file says it."),
)  # fmt: skip
"""Adds the options about a user's own rows, which the command gets as ``own``, an `OwnRows`."""


def run(own: OwnRows, form: str, output: Path | None) -> None:
    """Fit the rows, write the stack's file, and write what came of it."""
    name = own.name
    if not name:
        raise click.UsageError("--rows needs --name NAME: NAME.toml is written")
    if not re.fullmatch(r"[^,]*[\w)]", name) or name.endswith(".toml"):
        raise click.UsageError(f"--name is {name!r}; it has to be a name without .toml and commas")
    NewFile().convert(f"{name}.toml", None, None)
    where = own.system or Setting().system
    check_name(where)
    rows = all_measured(own.rows, own.setting(short_name(where)))
    share = 0.2 if own.hold_out is None else own.hold_out
    stack = own_stack(name, list(progress(rows, "calibrate")), where, own.like, share)
    write(stack)
    with opened(output) as file:
        file.write(as_text(records(stack), form))
        if form == "table":
            file.writelines(f"# {line}\n" for line in summary(stack))
