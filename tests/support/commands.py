"""``triplane`` in this process: what it prints, and the line with which it refuses something."""

from click.testing import CliRunner

from bench.cli import main


def run(*arguments: str) -> str:
    """What a command prints; it must succeed, and say nothing on standard error."""
    result = CliRunner().invoke(main, arguments, prog_name="triplane")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return result.output


def refused(*arguments: str) -> str:
    """The one line with which a command refuses these arguments."""
    result = CliRunner().invoke(main, arguments, prog_name="triplane")
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr
