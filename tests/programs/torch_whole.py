"""All of torch's own `DistributedTest` over this backend: ``make test-torch``.

It takes minutes, so its name keeps it out of ``make test``; `test_torch_suite` runs a part of it.
"""

import re
from collections.abc import Iterator

import pytest

from tests.support.torch_suite import Outcome, Suite, documented, excluded, names, never, suite

WORLDS = {
    ("triplane", 4): "",
    ("gloo", 4): "",
    ("mpi", 4): "all_to_all|group",
    ("gloo", 8): "coalesced_group|timeout_group|monitored_barrier_(failure|wait)",
}
"""The name of the backend and the number of ranks; what the names of the tests that run have.

Tests of smaller groups want 8 ranks, but fewer as "mpi"; a few of them run as "gloo" only.
"""


def of(world: tuple[str, int], test: str) -> bool:
    """Whether a test is run in that world."""
    return re.search(WORLDS[world], test) is not None


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[Outcome]]:
    """How each test went, in each world that it was run in."""
    return {}


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0]}-{world[1]}")
def running(request: pytest.FixtureRequest) -> Iterator[tuple[tuple[str, int], Suite]]:
    with suite(*request.param) as made:
        yield request.param, made


@pytest.mark.parametrize("test", names())
def test_of_torch(
    running: tuple[tuple[str, int], Suite], outcomes: dict[str, list[Outcome]], test: str
) -> None:
    world, ranks = running
    if not of(world, test):
        pytest.skip("runs in worlds of other names or sizes")
    why = excluded(test, world[0])
    outcome = Outcome("skipped", why) if why else ranks.run(test)
    outcomes.setdefault(test, []).append(outcome)
    if outcome.how == "skipped":
        pytest.skip(outcome.why)
    assert outcome.how == "passed", outcome.why


def test_the_docs_say_what_is_never_run(outcomes: dict[str, list[Outcome]]) -> None:
    asked = sum(of(world, test) for world in WORLDS for test in names())
    if sum(len(each) for each in outcomes.values()) < asked:
        pytest.skip("only some of the tests were asked for")
    assert never(outcomes) == documented()


def test_one_that_hangs_fails_and_the_next_one_runs() -> None:
    with suite("mpi", 2) as ranks:
        how, about = ranks.run("test_barrier_group", patience=0)
        assert (how, "it is not over" in about) == ("failed", True)
        assert ranks.run("test_broadcast").how == "passed"
