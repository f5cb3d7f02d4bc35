"""docs/calibration.md: its tables are those that a command makes, and far rows have a reason."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.published import outliers
from bench.published.errors import errors
from bench.published.rows import PUBLISHED
from bench.validation.page import PAGE, PARTS, PageError, blank, filled, write


def test_the_page_is_up_to_date() -> None:
    """`triplane bench validate --write` writes it anew."""
    text = PAGE.read_text("utf-8")
    assert filled(text, errors()) == text
    for name in PARTS:
        assert f"<!-- {name}: made by" in text


def test_every_row_that_is_far_off_has_a_reason() -> None:
    """Written in bench/published/outliers.toml."""
    assert [row.id for row in outliers.far(errors()) if not outliers.reason(row.id)] == []


def test_every_reason_is_of_a_row_that_there_is() -> None:
    patterns = outliers.reasons()
    of_rows = {why for row in errors() if (why := outliers.reason(row.id))}
    assert set(patterns.values()) == of_rows
    assert all(len(why) > 30 for why in patterns.values())


def test_what_is_written_by_hand_stays(tmp_path: Path) -> None:
    begin, end = "<!-- errors: made by triplane bench validate --page -->", "<!-- end of errors -->"
    path = tmp_path / "page.md"
    path.write_text(f"Before.\n{begin}\nOLD\n{end}\nAfter.\n", "utf-8")
    write(errors(), path)
    once = path.read_text("utf-8")
    assert once.startswith(f"Before.\n{begin}\n\n| stack |")
    assert once.endswith(f"{end}\nAfter.\n")
    assert "OLD" not in once
    write(errors(), path)
    assert path.read_text("utf-8") == once


def test_a_page_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- errors: made by triplane bench validate --page -->\n", "utf-8")
    with pytest.raises(PageError, match="there is no <!-- end of errors -->"):
        write(errors(), path)


def test_a_far_row_without_a_reason_and_a_bar_are_shown() -> None:
    row = replace(errors()[0], id="a|b", error_percent=-50.0)
    text = filled(blank(), [row])
    assert "| a\\|b |" in text
    assert "| -50% | not known |" in text
    assert text.count("None.\n") == 1  # every row is modelled


def test_a_page_about_other_measurements(tmp_path: Path) -> None:
    lines = PUBLISHED.read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "t.csv").write_text("".join(lines[:2]), "utf-8")
    page = tmp_path / "page.md"
    arguments = ["bench", "validate", "--targets", str(tmp_path / "t.csv"), "--page", str(page)]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.stderr
    assert page.read_text("utf-8").startswith("# Calibration\n")
    assert f"| {lines[1].split(',')[2]} |" in page.read_text("utf-8")
