"""The code blocks of README and docs: where they are, what runs them, and what they must print.

A block is run as it stands. What is printed must be what is shown, but for ``...``, which stands
for what differs from run to run: within a line, or as a line of its own for any number of lines.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from bench.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (\w+\.(?:py|toml))\n")

TABLES = {
    "[[classes]]": "classes.toml", "[[routes]]": "tables.toml", "[[faults]]": "faults.toml",
    "bench = ": "study.toml",
}  # fmt: skip
"""The files that blocks of TOML without a name stand for, by what is in them."""


@dataclass(frozen=True)
class Block:
    """A code block: its page, its language ("" where none is said), and its text as it stands."""

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """Its first line, by which tests name it."""
        return self.text.partition("\n")[0]

    @property
    def commands(self) -> "list[Command]":
        """The command lines in it, with what is shown below each where the block is a session."""
        if self.language != "console":
            return [Command(line, None) for line in _joined(self.text) if not _is_remark(line)]
        shown = re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]
        return [Command(*one.split("\n", 1)) for one in shown]


@dataclass(frozen=True)
class Command:
    """A command line, and what it prints; None where the page does not show it."""

    line: str
    shown: str | None


def _joined(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()


def _is_remark(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def blocks(page: Path) -> list[Block]:
    """Every code block of a page, in order."""
    found = FENCE.findall(page.read_text("utf-8"))
    return [Block(str(page.relative_to(ROOT)), language, text) for language, text in found]


def matches(printed: str, shown: str) -> bool:
    """Whether this was printed, where ``...`` may be anything."""
    lines = [r"(?:.*\n)*?" if line.strip() == "..." else _pattern(line) + r"\n"
             for line in shown.splitlines()]  # fmt: skip
    return re.fullmatch("".join(lines), printed) is not None


def _pattern(line: str) -> str:
    """What takes the place of the dots may be wider than they are: the blanks before are its."""
    *before, last = line.split("...")
    return "".join(f"{re.escape(part.rstrip(' '))}.*" for part in before) + re.escape(last)


def printed_by(line: str, folder: Path, root: Path = ROOT) -> str:
    """What a command line prints; ``triplane`` is run in this process where it starts none."""
    command, pipe, rest = line.partition(" | ")
    words = shlex.split(command, comments=True)
    if words[0] != "triplane":
        return _by_shell(line, folder)
    words = [str(root / word) if word.startswith("examples/") else word for word in words]
    starts = words[1] == "run" and "inproc" not in words and "--make-keys" not in words
    text = (_by_a_process if starts else _by_main)(words[1:], folder)
    return _by_shell(f"cat | {rest}", folder, text) if pipe else text


def _by_main(arguments: list[str], folder: Path) -> str:
    with contextlib.chdir(folder):
        done = CliRunner().invoke(main, arguments, prog_name="triplane")
    assert done.exit_code == 0, done.output
    return done.stdout


def _by_a_process(arguments: list[str], folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def _by_shell(line: str, folder: Path, given: str = "") -> str:
    run = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment(), input=given, capture_output=True,
        text=True, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout


def environment() -> dict[str, str]:
    """This project's code and commands first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}


def printed_from(source: str, folder: Path) -> str:
    """What a Python program without ranks prints."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        exec(compile(source, "a block of the page", "exec"), {"__name__": "__main__"})
    return out.getvalue()


def written(block: Block, folder: Path) -> Path | None:
    """The file that a block shows, now in ``folder`` for the commands after it; None for others."""
    named = NAMED.match(block.text) if block.language in ("python", "toml") else None
    if named:
        name = named[1]
    elif block.language == "csv":
        name = "mine.csv" if "value" in block.first.split(",") else "routing.csv"
    elif block.language == "toml":
        found = (name for begin, name in TABLES.items() if begin in block.text)
        name = next(found, "page.toml")
    else:
        return None
    (folder / name).write_text(block.text, "utf-8")
    return folder / name


def rewritten(
    page: Path, folder: Path, runs: Callable[[str, str], bool]
) -> Iterator[tuple[str, str]]:
    """Sessions whose output is no longer what they print: as they are, and as they should be.

    ``runs``: whether a command line of a page, given by name, is to be run.
    """
    for block in blocks(page):
        written(block, folder)
        for command in block.commands if block.language == "console" else []:
            if not runs(block.page, command.line):
                continue
            printed = printed_by(command.line, folder)
            if not matches(printed, command.shown or ""):
                yield f"$ {command.line}\n{command.shown}", f"$ {command.line}\n{printed}"
