"""The page of errors: each command that it shows is refused, in those words."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main

PAGE = Path(__file__).parents[1] / "docs" / "errors.md"
ROWS = re.findall(r"^\| `triplane (.+?)` \| `(.+?)` \|", PAGE.read_text("utf-8"), re.MULTILINE)


def test_the_page_has_commands() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize(("line", "said"), ROWS, ids=[line for line, _ in ROWS])
def test_a_question_is_refused_as_the_page_says(line: str, said: str) -> None:
    found = CliRunner().invoke(main, shlex.split(line))
    assert found.exit_code == 2, found.output
    assert found.stderr.count("\n") == 1
    pattern = ".*".join(re.escape(part) for part in said.split("..."))
    assert re.search(pattern, found.stderr), found.stderr
    assert found.stdout == ""
