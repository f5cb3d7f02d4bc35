"""Programs that an adapter stands in for a package in: their environment and their command line."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROJECT = Path(__file__).parents[2]
"""Where the project's packages are, for programs that may run where it is not installed."""


def leading(given: Mapping[str, str], *folders: Path) -> dict[str, str]:
    """The variables ``given``, with ``folders`` first on the path of Python's modules."""
    path = [*map(str, folders), given.get("PYTHONPATH", "")]
    return {**given, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def parser_of(adapter: str, description: str | None) -> argparse.ArgumentParser:
    """A parser for ``python -m collectives.adapters.ADAPTER``, with the text ``description``."""
    return argparse.ArgumentParser(
        prog=f"python -m collectives.adapters.{adapter}", description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip


def with_program(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, list[str]]:
    """The options of ``parser`` in ``arguments``, and the command of the program after them."""
    parser.add_argument("-m", dest="module", action="store_true", help="program is a module's name")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    program = ["-m", given.program] if given.module else [given.program]
    return given, [sys.executable, *program, *given.arguments]
