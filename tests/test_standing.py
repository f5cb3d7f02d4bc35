"""Range and expected error of answers: over whatever rows and stacks there are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cases.operations import OPERATIONS
from bench.cli import main
from bench.published.errors import RowError, errors, write
from bench.published.predict import predict
from bench.published.rows import CALIBRATE, read
from bench.published.standing import (
    EXTRAPOLATED,
    INSIDE,
    NEAREST,
    UNCALIBRATED,
    Question,
    lines,
    standing,
)
from fabric.endpoint.costs import DISTANCES

MODELLED = [row for row in errors() if row.error_percent is not None]
FITTED = [row for row in MODELLED if row.use == CALIBRATE]
COMPARED = [row for row in MODELLED if row.use != CALIBRATE]


def question(row: RowError) -> Question:
    """What a published row asked."""
    algorithm = row.mode if row.operation in OPERATIONS else ""
    return Question(
        row.stack, row.operation, row.constants, row.system, row.ranks or 1,
        row.tokens, row.size, row.distance, algorithm,
    )  # fmt: skip


def test_at_a_row_that_was_fitted_to_the_answer_is_inside() -> None:
    for row in FITTED:
        found = standing(question(row))
        assert found.calibration == INSIDE, (row.id, found.reasons())
        assert row in found.fitted
        assert found.is_own


def test_next_to_a_row_that_was_compared_with_its_error_counts() -> None:
    for row in COMPARED:
        found = standing(question(row)).nearest
        assert 1 <= len(found) <= NEAREST
        first = found[0]
        assert (first.operation, first.system) == (row.operation, row.system)
        assert first.distance == row.distance
        assert (first.ranks, first.tokens, first.size) == (row.ranks, row.tokens, row.size)


@pytest.mark.parametrize("axis", ["ranks", "tokens", "size"])
def test_beyond_the_fitted_rows_is_extrapolated(axis: str) -> None:
    row = next(row for row in FITTED if getattr(row, axis))
    least, most = standing(question(row)).ranges[axis]
    for value, side in ((least / 2, "below"), (2 * most, "above")):
        found = standing(replace(question(row), **{axis: value}))
        assert found.calibration == EXTRAPOLATED
        assert any(side in reason for reason in found.reasons())
        assert lines([found])[0].partition(": ")[2].startswith(EXTRAPOLATED)


def test_another_system_is_named() -> None:
    found = standing(replace(question(FITTED[0]), system="elsewhere:16"))
    assert found.calibration == EXTRAPOLATED
    assert found.reasons() == [f"from {FITTED[0].system} to elsewhere:16"]
    assert standing(replace(question(FITTED[0]), system=f"{FITTED[0].system}:2")).reasons() == []


def test_another_distance_is_named() -> None:
    row = FITTED[0]
    others = {one.distance for one in standing(question(row)).fitted}
    far = next(distance for distance in DISTANCES if distance not in others)
    (reason,) = standing(replace(question(row), distance=far)).reasons()
    assert reason.endswith(f" to {far}")


def test_constants_of_other_operations_are_named() -> None:
    row = next(row for row in FITTED if not row.constants.partition(":")[0])
    found = standing(replace(question(row), operation="gather", algorithm=""))
    assert not found.is_own
    assert found.calibration == EXTRAPOLATED
    assert f"from {found.fitted[0].operation}" in found.reasons()[-1]


def test_what_nobody_measured_is_not_calibrated() -> None:
    for constants in (None, ""):
        found = standing(Question("raw", "dispatch", constants, "star:8", 8, tokens=128))
        assert found.calibration == UNCALIBRATED
        assert found.expected is None
        assert lines([found]) == ["raw dispatch: not calibrated"]


def test_a_sweep_is_a_line_with_the_errors_of_all_its_answers() -> None:
    row = COMPARED[0]
    near, far = standing(question(row)), standing(replace(question(row), ranks=1 << 20))
    (line,) = lines([near, far])
    assert line.startswith(f"{row.stack} {row.operation}: {EXTRAPOLATED} above ")
    for found in (near, far):
        assert found.expected is not None
        assert f"{found.expected:.2g}" in line


def test_kept_errors_are_read_as_they_were_written(tmp_path: Path) -> None:
    ids = {MODELLED[0].id, next(row.id for row in errors() if row.reason)}
    found = [predict(row) for row in read() if row.id in ids]
    write(found, tmp_path / "errors.csv")
    again = errors(tmp_path / "errors.csv")
    assert [row.id for row in again] == [one.row.id for one in found]
    assert {row.reason for row in again} == {one.reason or "" for one in found}


def answer(*arguments: str) -> list[dict[str, object]]:
    """The records of ``triplane bench``."""
    found = CliRunner().invoke(main, ["bench", *arguments, "--format", "json"])
    assert found.exit_code == 0, found.stderr
    records: list[dict[str, object]] = json.loads(found.stdout)
    return records


def test_answers_carry_range_and_expected_error() -> None:
    (dispatch, _) = answer("moe", "--ep", "8")
    (gather,) = answer("all_gather", "-b", "1M", "-e", "1M")
    for record, axis in ((dispatch, "tokens"), (gather, "size_bytes")):
        assert record["calibration"] in (INSIDE, EXTRAPOLATED)
        assert 1 <= record["fitted_ranks_min"] <= record["fitted_ranks_max"]  # type: ignore[operator]
        assert record[f"fitted_{axis}_min"] <= record[f"fitted_{axis}_max"]  # type: ignore[operator]
        assert record["fitted_rows"]
    (row,) = answer("all_gather", "-b", "1M", "-e", "1M", "--software", "raw")
    assert row["calibration"] == UNCALIBRATED
    assert row["fitted_rows"] == 0


@pytest.mark.parametrize("operation", [["moe", "--ep", "8"], ["all_gather", "-b", "1M"]])
def test_tables_end_with_a_line_about_it(operation: list[str]) -> None:
    found = CliRunner().invoke(main, ["bench", *operation])
    said = [line for line in found.stdout.splitlines() if "measurement" in line or "fitted" in line]
    assert said
    assert all(line.startswith("# ") for line in said)
