"""What mkdocs calls while it builds the site."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from translations import is_older  # of this folder, which mkdocs puts on the path

from bench.cli import main

NAME = "machine.html"
"""The interactive page that the first page shows: a dispatch between 64 ranks."""


def on_pre_build(config: Any) -> None:
    """Load every command under its name: mkdocs-click lists those alone that are loaded."""
    _load(main, click.Context(main))


def _load(group: click.Group, context: click.Context) -> None:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            command.name = name
            group.add_command(command)
        if isinstance(command, click.Group):
            _load(command, context)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page; a translation that is older than its original says so at its top."""
    if not is_older(Path(page.file.abs_src_path)):
        return markdown
    first = page.file.src_uri.split("/")[-1]
    return f"*译文早于[原文](../{first})：原文后来有改动。*\n\n{markdown}"


def on_post_build(config: Any) -> None:
    """After mkdocs has written the site; called by mkdocs."""
    with tempfile.TemporaryDirectory() as folder:
        timeline = Path(folder, "ep64.npz")
        _triplane("bench", "moe", "--ep", "64", "--timeline", str(timeline))
        _triplane("view", str(timeline), "-o", str(Path(config["site_dir"], NAME)))


def _triplane(*args: str) -> None:
    command = [str(Path(sys.executable).with_name("triplane")), *args]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
