"""Mooncake's own Python programs, unchanged, over Triplane: ``make test-mooncake MOONCAKE=...``.

They are run from a checkout of https://github.com/kvcache-ai/Mooncake (tried: commit 3b5a594).
Nothing of it is copied.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.support.checked_out import told

WITH_ADAPTER = ("-m", "collectives.adapters.mooncake")
TESTS = "mooncake-wheel/tests/"
PAGE = "docs/source/api-reference/python/mooncake-store.md"


class Program(NamedTuple):
    """``passes``: what its output has to contain; ``block``: its heading, if it is on a page.

    ``beside``: a program that runs meanwhile, and what it prints when it is ready.
    """

    name: str
    path: str
    passes: str
    block: str = ""
    beside: tuple[str, str] = ("", "")


PROGRAMS = (
    Program("the store's test", TESTS + "test_distributed_object_store.py", "Ran 16 tests"),
    Program(
        "the store's test of replicas", TESTS + "test_replicated_distributed_object_store.py",
        "Ran 5 tests",
    ),
    Program("the store's first example", PAGE, "Hello, Mooncake Store!", "### Hello World Example"),
    Program(
        "the transfer engine's test", TESTS + "transfer_engine_initiator_test.py", "Ran 6 tests",
        beside=(TESTS + "transfer_engine_target.py", "Target server ready"),
    ),
)  # fmt: skip

SHORT_LEASE: Mapping[str, str] = {"DEFAULT_KV_LEASE_TTL": "1"}
"""Milliseconds that the tests wait before they remove what they have read: there are no leases."""


def run(program: Program, checkout: Path, timeout: float) -> tuple[str | None, str]:
    """What went wrong, None if nothing has, and what it has printed."""
    with tempfile.TemporaryDirectory() as folder:
        path = checkout / program.path
        if program.block:
            path = Path(folder) / "example.py"
            path.write_text(_block(checkout / program.path, program.block))
        try:
            with _beside(program, checkout, folder):
                ended = subprocess.run(
                    [sys.executable, *WITH_ADAPTER, str(path)], cwd=folder, timeout=timeout,
                    env={**os.environ, **SHORT_LEASE}, check=False, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"it has not ended in {timeout:.0f} s", ""
    if ended.returncode or program.passes not in ended.stdout:
        return f"exit code {ended.returncode}, without {program.passes!r}", ended.stdout
    return None, ended.stdout


@contextmanager
def _beside(program: Program, checkout: Path, folder: str) -> Iterator[None]:
    """While this lasts, the program that another one needs beside it is running."""
    path, ready = program.beside
    if not path:
        yield
        return
    with subprocess.Popen(
        [sys.executable, *WITH_ADAPTER, str(checkout / path)], cwd=folder, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            while process.stdout is not None and ready not in (line := process.stdout.readline()):
                if not line:
                    break
            yield
        finally:
            process.kill()


def _block(page: Path, heading: str) -> str:
    """The first program below a heading of a page."""
    below = page.read_text(encoding="utf-8").partition(f"\n{heading}\n")[2]
    found = re.search(r"```python\n(.*?)```", below, re.DOTALL)
    return found[1] if found else "raise SystemExit('the page has no such program')"


def main(arguments: Sequence[str]) -> int:
    """Run all programs; 1 if one has failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for each")
    given = parser.parse_args(arguments)
    checkout = given.checkout.absolute()
    if not (checkout / TESTS).is_dir():
        parser.error(f"{checkout} is no checkout of Mooncake: it has no {TESTS}")
    passed = sum(
        told(program.name, partial(run, program, checkout, given.timeout)) for program in PROGRAMS
    )
    sys.stdout.write(f"{passed} of {len(PROGRAMS)} passed\n")
    return int(passed < len(PROGRAMS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
