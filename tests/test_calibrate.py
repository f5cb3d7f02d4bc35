"""Calibration: fits again what the project ships, and looks at no other rows."""

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.published.errors import errors
from bench.published.rows import CALIBRATE, PUBLISHED, calibration, read
from bench.validation.ablate import ablate, text
from bench.validation.calibrate import as_toml, command
from bench.validation.fit import (
    CalibrationError,
    Fit,
    Trials,
    calibrate,
    fit,
    placed,
    with_lenders,
)
from bench.validation.recipes import RECIPES, Fixed, Free, Same
from fabric.endpoint.presets import names, preset
from fabric.endpoint.records import CONSTANTS, stacks

ALIASES = [name for name, stack in stacks().items() if stack.constants_of]
CHEAP = ["hccl", "nccl", "hixl-roce", "mooncake"]


@pytest.fixture(scope="module")
def fits() -> dict[str, Fit]:
    """The stacks that are quick to fit, fitted again."""
    return calibrate(read(), CHEAP)


@pytest.mark.parametrize("name", CHEAP)
def test_the_shipped_constants_are_found_again(fits: dict[str, Fit], name: str) -> None:
    assert as_toml({name: fits[name]}).partition("\n\n")[2] in CONSTANTS.read_text(encoding="utf-8")
    assert dict(preset(name).by_operation).keys() == fits[name].endpoint().by_operation.keys()


def test_rows_to_validate_change_nothing(fits: dict[str, Fit]) -> None:
    spoilt = [
        row if row.use == CALIBRATE else replace(row, value=1e-3 * (row.value or 1.0))
        for row in read()
    ]
    again = calibrate(spoilt, ["hixl-roce", "mooncake"])
    assert {name: fit.places for name, fit in again.items()} == {
        name: fits[name].places for name in again
    }
    for one in fits.values():
        assert {row.use for row in one.rows} == {CALIBRATE}


def test_a_fit_follows_its_rows(fits: dict[str, Fit]) -> None:
    slower = [replace(row, value=2 * (row.value or 1.0)) for row in read()]
    twice = calibrate(slower, ["mooncake"])["mooncake"].places
    once = fits["mooncake"].places
    assert twice["kv_transfer.launch"] == pytest.approx(2 * once["kv_transfer.launch"], rel=0.01)


def test_known_constants_are_the_shipped_ones_too() -> None:
    tables = CONSTANTS.read_text(encoding="utf-8")
    for recipe in RECIPES.values():
        assert f"\n[{recipe.name}]\n" in tables
    write = preset("raw").costs("write").vectors.pair_bandwidth[-1]
    assert preset("cann-ep").costs("dispatch").initiator_bandwidth == write


def test_there_are_fewer_constants_than_rows() -> None:
    rows = [row for row in read() if row.use == CALIBRATE]
    for recipe in RECIPES.values():
        mine = calibration(rows, recipe.measured_as, recipe.system)
        assert len(recipe.free) <= len(mine)
        operations = Counter(
            operation for free in recipe.free
            for operation in {place.rpartition("*")[2].split(".")[0] for place in free.places}
        )  # fmt: skip
        assert max(operations.values()) <= 8, (recipe.name, operations)
    assert sum(len(recipe.free) for recipe in RECIPES.values()) < 0.27 * len(rows)


def test_every_preset_has_a_recipe() -> None:
    """But for those whose record has their costs itself."""
    written = {name for name, stack in stacks().items() if stack.costs}
    assert set(names()) == {*RECIPES, *ALIASES, *written}
    for recipe in RECIPES.values():
        for known in recipe.known:
            assert isinstance(known, Fixed | Same)
            assert len(known.why) > 10


def test_a_stack_brings_those_that_it_builds_on() -> None:
    assert with_lenders(["sgl-kernel-npu"]) == ["raw", "cann-ep", "sgl-kernel-npu"]


def test_a_shared_constant_is_added_to_what_is_known() -> None:
    recipe = RECIPES["sgl-kernel-npu"]
    places = placed(recipe, {"dispatch.launch": 1.0, "combine.launch": 2.0}, [0.5, 3.0, 4.0])
    assert (places["dispatch.launch"], places["combine.launch"]) == (1.5, 2.5)
    assert places["dispatch:normal.per_peer"] == 3.0


def test_an_unknown_stack_and_one_without_rows_are_refused() -> None:
    with pytest.raises(CalibrationError, match="no stack 'x'; there are raw"):
        calibrate(read(), ["x"])
    with pytest.raises(CalibrationError, match="mooncake has 2 constants to fit and 0 rows"):
        calibrate([], ["mooncake"])


def test_the_command_prints_constants_with_their_units() -> None:
    found = CliRunner().invoke(command, ["--software", "mooncake", "--format", "json"])
    assert found.exit_code == 0, found.output
    records = json.loads(found.stdout)
    assert [(one["constant"], one["unit"]) for one in records] == [
        ("launch", "us"), ("initiator_bandwidth", "GB/s")
    ]  # fmt: skip
    table = CliRunner().invoke(command, ["--software", "mooncake"]).stdout
    assert "# mooncake: 2 constants fitted to 2 rows, mean error 0.00%" in table


def test_without_a_constant_the_others_are_fitted_anew(fits: dict[str, Fit]) -> None:
    rows = read()
    for name in ("mooncake", "hixl-roce"):
        base, *without = ablate(fits[name], rows, fits)
        assert base.calibrate == pytest.approx(np.abs(fits[name].errors).mean())
        kept = [abs(row.error_percent or 0.0) for row in errors()
                if row.stack == name and row.use != CALIBRATE]  # fmt: skip
        assert base.validate == pytest.approx(np.mean(kept), rel=1e-4)
        assert {one.constant for one in without} == {
            ", ".join(free.places) for free in RECIPES[name].free
        }
        risen = [one.more or 0.0 for one in without]
        assert risen == sorted(risen, reverse=True)
        for one in without:
            assert one.helps
            assert one.calibrate is not None
            assert base.calibrate is not None
            assert one.calibrate > base.calibrate


def test_a_constant_that_does_not_help_is_named(fits: dict[str, Fit]) -> None:
    base = fits["mooncake"].recipe
    idle = Free(1e-9, ("kv_transfer.per_message",), "it is idle")
    recipe = replace(base, free=(*base.free, idle))
    rows = [replace(row, id=f"{row.id}{more}") for row in read() for more in ("", "again")]
    found = ablate(fit(recipe, rows, fits), rows, fits)
    (last,) = (one for one in found if one.constant == "kv_transfer.per_message")
    assert last.helps is False
    assert f"# mooncake: {last.constant} does not help: the validate error without" in text(found)
    assert text(found).rstrip().endswith("it stays: it is idle")


def test_without_its_latency_a_protocol_has_none(fits: dict[str, Fit]) -> None:
    recipe = RECIPES["nccl"]
    (number,) = (n for n, one in enumerate(recipe.free) if one.places[0].endswith("latency.ll"))
    found = Trials(recipe, read(), fits).without(recipe, number)
    assert found.places[recipe.free[number].places[0]] == 0.0
    assert np.abs(found.errors).mean() > np.abs(fits["nccl"].errors).mean()


def test_tables_of_stacks_come_one_after_the_other() -> None:
    given = ["--software", "hixl-roce", "--software", "mooncake", "--ablate"]
    found = CliRunner().invoke(command, given)
    assert found.exit_code == 0, found.output
    heads = [line for line in found.stdout.splitlines() if line.startswith("software")]
    assert len(heads) == 2
    assert found.stdout.index("hixl-roce") < found.stdout.index("mooncake")


def test_the_command_ablates_the_stacks_that_are_named() -> None:
    found = CliRunner().invoke(command, ["--software", "mooncake", "--ablate", "--format", "json"])
    assert found.exit_code == 0, found.output
    records = json.loads(found.stdout)
    assert {one["software"] for one in records} == {"mooncake"}
    assert len(records) == 1 + len(RECIPES["mooncake"].free)
    refused = CliRunner().invoke(command, ["--ablate", "--write"])
    assert refused.exit_code == 2
    assert "--ablate only asks" in refused.output


def test_a_file_for_one_stack_is_refused() -> None:
    found = CliRunner().invoke(command, ["--software", "mooncake", "--write"])
    assert found.exit_code == 2
    assert "--write writes all stacks" in found.output


def test_every_row_has_a_source() -> None:
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == len(rows) == 990
    assert all(len(row["source"]) > 10 for row in rows)
    assert {row["use"] for row in rows} == {"calibrate", "validate"}


def test_the_project_reads_nothing_outside_itself() -> None:
    assert Path(PUBLISHED).is_relative_to(Path(__file__).parents[1])
