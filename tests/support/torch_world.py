"""Ranks of torch as processes of a rank program, and what they say: lines of JSON."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "programs"
PATIENCE = 240.0


def environment(**more: str) -> dict[str, str]:
    """For processes that import the project from here."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def forked(
    program: str, pipes: Sequence[tuple[int, int]], folder: Path, *arguments: str
) -> subprocess.Popen[str]:
    """A rank of the program for each pair of pipes: see `torch_forks`."""
    command = [
        sys.executable, str(PROGRAMS / "torch_forks.py"), str(PROGRAMS / program), str(len(pipes)),
        str(folder), json.dumps(pipes), *arguments,
    ]  # fmt: skip
    with (folder / "errors").open("w") as errors:
        return subprocess.Popen(
            command, env=environment(), text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            pass_fds={each for pair in pipes for each in pair},
        )  # fmt: skip


def end(process: subprocess.Popen[str], patience: float) -> list[int]:
    """How the ranks have ended, or are ended after so many seconds: then there are no codes."""
    try:
        said, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
    return list(json.loads(said)) if said else []


def said(
    program: str, ranks: int, *arguments: str, patience: float = PATIENCE
) -> list[tuple[int, list[Any], str]]:
    """Of each rank of a program for `torch_forks`: its exit code, what it said, its stderr."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ExitStack() as stack:
            nothing = stack.enter_context(Path(os.devnull).open())
            files = [stack.enter_context((folder / f"said{r}").open("w")) for r in range(ranks)]
            pipes = [(nothing.fileno(), f.fileno()) for f in files]
            process = forked(program, pipes, folder, *arguments)
        codes = end(process, patience)
        errors = [folder / f"errors{r}" for r in range(ranks)]
        told = [each.read_text() if each.exists() else "" for each in errors]
        if len(codes) != ranks:
            first = (folder / "errors").read_text()
            raise AssertionError(f"{program} has not ended in {patience:g} s\n{first}\n{told}")
        lines = [(folder / f"said{r}").read_text().splitlines() for r in range(ranks)]
    return [
        (code, [json.loads(line) for line in own], why)
        for code, own, why in zip(codes, lines, told, strict=True)
    ]
