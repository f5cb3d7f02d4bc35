"""Checks the names of files that a command is to write, before it does any work.

Imports nothing of this project, so that ``--help`` stays quick.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click


class NewFile(click.ParamType[Path]):
    """The name of a file to write, or (``is_prefix``) what the names of several begin with.

    Refuses an empty name, ``-``, a folder, and a name in a folder that does not exist.
    """

    name = "file"

    def __init__(self, *, is_prefix: bool = False) -> None:
        self.is_prefix = is_prefix

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path of a file that can be written; click reports a folder, or a missing one."""
        text, path = os.fspath(value), Path(value)
        if not text:
            self.fail("'' is no name of a file", param, ctx)
        if text == "-":
            self.fail(
                "'-' is no name of a file: /dev/stdout is standard output, ./- a file of that name",
                param, ctx,
            )  # fmt: skip
        if text.endswith("/") or (path.is_dir() and not self.is_prefix):
            self.fail(f"{text!r} is a folder; a file's name is expected", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"{text!r}: there is no folder {str(path.parent)!r}", param, ctx)
        return path


def check_apart(files: Mapping[str, Path | None], prefix: Path | None = None) -> None:
    """Raise `click.UsageError` if two options would write the same file.

    ``files``: by option. ``prefix``: of Chakra's traces, ``PREFIX.RANK.et``. Devices and pipes may
    be named any number of times.
    """
    taken: dict[Path, str] = {}
    for option, path in files.items():
        if path is None or (path.exists() and not path.is_file()):
            continue
        real = Path(os.path.realpath(path))
        if real in taken:
            raise click.UsageError(f"{taken[real]} and {option} would both write {path}")
        taken[real] = option
    if prefix is not None:
        name = re.compile(re.escape(os.path.realpath(prefix)) + r"\.\d+\.et")
        for real, option in taken.items():
            if name.fullmatch(str(real)):
                raise click.UsageError(f"{option} and --chakra {prefix} would both write {real}")
