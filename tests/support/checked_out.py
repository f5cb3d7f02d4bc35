"""Programs that go over files of a checkout: a line on each, and whether all are right."""

import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from topology.errors import TriplaneError


def report_and_exit(
    paths: Sequence[Path], what: str, said_of: Callable[[Path, str], str]
) -> NoReturn:
    """Print a line on each of ``paths``; exit with 1 if one is wrong, or there is none.

    ``what``: they are, in the plural; ``said_of``: the line, of a path and a folder to write to;
    raises `TriplaneError` for what is wrong.
    """
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for path in paths:
            try:
                said = said_of(path, scratch)
            except TriplaneError as error:
                said, wrong = f"WRONG {error}", wrong + 1
            sys.stdout.write(f"{path.name}: {said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(paths)} {what}, {wrong} wrong\n")
    sys.exit(bool(wrong or not paths))


def told(name: str, run: Callable[[], tuple[str | None, str]]) -> bool:
    """Run a program, and print a line about it; whether nothing went wrong.

    ``run``: returns what went wrong, None for nothing, and what the program has printed, whose end
    is printed, too, if anything did.
    """
    begin = time.monotonic()
    wrong, said = run()
    word = "passed" if wrong is None else f"FAILED: {wrong}"
    sys.stdout.write(f"{name}: {word} ({time.monotonic() - begin:.0f} s)\n")
    if wrong is not None:
        sys.stdout.write(textwrap.indent(said[-3000:], "  | ") + "\n")
    sys.stdout.flush()
    return wrong is None
