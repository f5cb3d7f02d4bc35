"""Runs with --live that go on until a test has seen enough."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "programs" / "watched_ranks.py"


@contextlib.contextmanager
def running(folder: Path, *options: str, ranks: int = 2, mode: str = "") -> Iterator[Any]:
    """A run with --live of the test's program: its process and the page's address."""
    stop = folder / "stop"
    options = ("run", "-n", str(ranks), "--live", *options)
    process = subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", *options, str(PROGRAM),
         str(stop), mode],
        stderr=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        found = next(match for line in said if (match := re.search(r"http://\S+", line)))
        yield process, found[0], stop
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)
