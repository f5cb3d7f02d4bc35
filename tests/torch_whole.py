"""All of torch's own `DistributedTest` over this backend: ``make test-torch``.

It takes minutes, so its name keeps it out of ``make test``; `test_torch_suite` runs a part of it.
"""

from collections.abc import Iterator

import pytest

from tests.torch_suite import Suite, excluded, names, suite

RANKS = 4


def of(name: str, test: str) -> bool:
    """Whether a test is run as that backend; as "mpi" those that else want eight ranks or more."""
    return name != "mpi" or "all_to_all" in test or "group" in test


@pytest.fixture(scope="module", params=["triplane", "gloo", "mpi"])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[str, Suite]]:
    with suite(request.param, RANKS) as made:
        yield request.param, made


@pytest.mark.parametrize("test", names())
def test_of_torch(running: tuple[str, Suite], test: str) -> None:
    name, ranks = running
    if not of(name, test):
        pytest.skip(f"runs as triplane and as gloo, and not as {name}")
    if why := excluded(test, name):
        pytest.skip(why)
    how, about = ranks.run(test)
    if how == "skipped":
        pytest.skip(about)
    assert how == "passed", about
