"""``triplane completion``: the script by which a shell completes commands and options."""

from pathlib import Path

import click
from click.shell_completion import get_completion_class

from bench.new_files import NewFile
from bench.records import opened

SHELLS = ("bash", "zsh", "fish")
"""The shells for which click has a script."""


@click.command("completion", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--output", "-o", type=NewFile(), help="Write the script here, not to stdout.")
def command(shell: str, output: Path | None) -> None:
    """Write the script for a SHELL: bash, zsh or fish; it belongs where that looks for it.

    For bash: ~/.local/share/bash-completion/completions/triplane
    """
    from bench.cli import main

    made = get_completion_class(shell)
    assert made is not None
    with opened(output) as file:
        file.write(made(main, {}, "triplane", "_TRIPLANE_COMPLETE").source() + "\n")
