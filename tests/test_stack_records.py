"""A software stack is one table: what it says is all that the project knows of the stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cases.moe import dtype_of
from bench.validation.recipes import RECIPES, Fixed, Free, Same, recipe_of
from collectives.moe import FormatError, dispatch_size
from collectives.moe.schedules.formats import FORMATS
from fabric.endpoint import records
from fabric.endpoint.costs import Costs, EndpointError
from fabric.endpoint.presets import key_of, names, operation_of, preset
from fabric.endpoint.records import Stack, fitted, stack_of, stacks
from fabric.endpoint.stacks import usual
from topology import star
from topology.provenance import Provenance
from topology.units import GB, US

NEW = """
[new]
source = "a stack of this test"
usual = { moon = 1 }
planes = ["net"]
messages = "deepep"
dtype = "bf16"
[new.costs.dispatch]
launch_us = 7
[new.costs.default]
pair_bandwidth_GBps = 3
"""


@pytest.fixture
def with_new_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One table more, and nothing else."""
    text = records.RECORDS.read_text(encoding="utf-8") + NEW
    (tmp_path / "stacks.toml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(records, "RECORDS", tmp_path / "stacks.toml")
    stacks.cache_clear()
    yield
    monkeypatch.undo()
    stacks.cache_clear()


@pytest.mark.usefixtures("with_new_stack")
def test_a_stack_is_added_by_one_table() -> None:
    assert names()[-1] == "new"
    assert preset("new").costs("dispatch") == Costs(launch=7 * US)
    assert preset("new").costs("all_reduce") == Costs(pair_bandwidth=3 * GB)
    assert preset("new").planes == ("net",)
    assert usual(star(2).made_by(Provenance("moon"))).stack("dispatch") == "new"
    assert dtype_of("new") == "bf16"
    assert dispatch_size(7168, "new", "bf16") == dispatch_size(7168, "deepep-v1", "bf16")


def test_every_record_names_what_there_is() -> None:
    families = {family for _, family in FORMATS}
    for name, stack in stacks().items():
        assert stack.messages in {"", *families}, name
        others = [stack.constants_of, *stack.stand_ins.values()]
        assert {other for other in others if other} <= set(names()), name
        has_costs = bool(stack.costs) and not stack.constants_of  # else they are what differs
        has_constants = bool(has_costs or stack.others_free or name in fitted())
        assert has_constants + bool(stack.constants_of) + bool(stack.not_modelled) == 1, name
    assert fitted().keys() == RECIPES.keys()


def test_a_stack_that_is_lent_constants_may_differ_in_some() -> None:
    for name, lender in (("cann-ep-950", "cann-ep"), ("hccl-950", "hccl")):
        mine, theirs = preset(name), preset(lender)
        assert mine.by_operation.keys() == theirs.by_operation.keys()
        assert stacks()[name].costs.keys() <= {key_of(op) for op in theirs.by_operation}
        assert mine.planes != theirs.planes
        for operation, costs in theirs.by_operation.items():
            changed = stacks()[name].costs.get(key_of(operation), {})
            same = costs if not changed else mine.by_operation[operation]
            assert mine.by_operation[operation] == same
            assert mine.by_operation[operation].launch == costs.launch


def test_what_is_no_record_is_refused() -> None:
    for table, words in (
        ({"plans": ["ub"]}, "stack x: no key 'plans'; near it: planes"),
        ({"name": "y"}, "stack x: no key 'name'"),
        ({"planes": "ub"}, "stack x: planes is 'ub'"),
        ({"dtype": 8}, "stack x: dtype is 8"),
        ({"others_free": 1}, "stack x: others_free is 1"),
        ({"usual": ["moon"]}, "stack x: usual is"),
    ):
        with pytest.raises(EndpointError, match=words):
            stack_of("x", table)


def test_a_recipe_reads_its_values_in_the_units_of_the_constants() -> None:
    known: tuple[dict[str, Any], ...] = (
        {"value": 3, "why": "so", "places": ["read.per_message"]},
        {"same_as": "raw", "place": "read.launch", "why": "so", "places": ["write.launch"]},
    )
    free = ({"start": 5, "places": ["2*read.pair_bandwidth"]},)
    recipe = recipe_of(Stack("x", known=known, free=free))
    assert recipe.known == (
        Fixed(3 * US, "so", ("read.per_message",)),
        Same("raw", "read.launch", "so", ("write.launch",)),
    )
    assert recipe.free == (Free(5 * GB, ("2*read.pair_bandwidth",)),)


@pytest.mark.parametrize(
    ("part", "words"),
    [({"known": ({"value": 3, "places": ["read.launch"]},)}, "known has value, places"),
     ({"known": ({"why": "so", "places": ["read.launch"]},)}, "known has why, places"),
     ({"free": ({"start": 3},)}, "free has start")],
)  # fmt: skip
def test_a_recipe_that_cannot_be_is_refused(part: dict[str, Any], words: str) -> None:
    with pytest.raises(EndpointError, match=words):
        recipe_of(Stack("x", **part))


@pytest.mark.parametrize(
    ("key", "operation"),
    [("default", ""), ("default:small", ":small"), ("read", "read"), ("read:cpu", "read:cpu"),
     ("defaults", "defaults")],
)  # fmt: skip
def test_operations_have_a_key_in_files(key: str, operation: str) -> None:
    assert operation_of(key) == operation
    assert key_of(operation) == key


def test_the_beginning_of_a_name_decides_nothing() -> None:
    with pytest.raises(FormatError, match="no message format of 'deepep-of-mine'"):
        dispatch_size(7168, "deepep-of-mine", "fp8")
    assert dtype_of("deepep-of-mine") == "int8"
