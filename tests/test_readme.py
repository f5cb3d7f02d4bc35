"""The README's outputs are what its commands print.

``python tests/test_readme.py`` writes them anew.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main

README = Path(__file__).parents[1] / "README.md"
CONSOLE = re.compile(r"```console\n\$ triplane (.*)\n([^`]*)```")
PYTHON = re.compile(r"```python\n([^`]*)```\n\n```text\n([^`]*)```")


def printed_by(command: str, folder: Path = README.parent) -> str:
    """What a ``triplane`` command prints; one that starts processes is a process itself."""
    command, _, last = command.partition(" | tail -")
    arguments = shlex.split(command)
    processes = arguments[0] == "run" and "inproc" not in arguments
    text = (_by_a_process if processes else _by_main)(arguments, folder)
    lines = steady(text).splitlines(keepends=True)
    return "".join(lines[-int(last) :] if last else lines)


def _by_a_process(arguments: list[str], folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(README.parent)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def _by_main(arguments: list[str], folder: Path) -> str:
    with contextlib.chdir(folder):
        done = CliRunner().invoke(main, arguments, prog_name="triplane")
    assert done.exit_code == 0, done.output
    return done.stdout


def steady(text: str) -> str:
    """Without what differs from run to run: the last column of our CSV is host time."""
    lines = text.splitlines()
    if lines and lines[0].endswith(",host_time_s"):
        lines = [line.rpartition(",")[0] for line in lines]
    return "".join(line.rstrip() + "\n" for line in lines)


def printed_from(source: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "README.md", "exec"), {"__name__": "readme"})
    return out.getvalue()


@pytest.mark.parametrize(("command", "output"), CONSOLE.findall(README.read_text("utf-8")))
def test_command_prints_what_the_readme_shows(command: str, output: str) -> None:
    assert printed_by(command) == output


@pytest.mark.parametrize(("source", "output"), PYTHON.findall(README.read_text("utf-8")))
def test_program_prints_what_the_readme_shows(source: str, output: str) -> None:
    assert printed_from(source) == output


def rewrite() -> None:
    text = README.read_text("utf-8")
    text = CONSOLE.sub(lambda m: f"```console\n$ triplane {m[1]}\n{printed_by(m[1])}```", text)
    text = PYTHON.sub(lambda m: f"```python\n{m[1]}```\n\n```text\n{printed_from(m[1])}```", text)
    README.write_text(text, "utf-8")


if __name__ == "__main__":
    rewrite()
