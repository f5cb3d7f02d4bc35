from collections.abc import Iterator

import pytest

from fabric import Fabric, Step
from fabric.engines.base import CONTENTION, Engine, EngineError, engine, engines
from fabric.engines.conformance import CHECKS, EngineConformanceError, check
from fabric.engines.flow.engine import Flow
from fabric.engines.flow.session import FlowSession
from tests.support import constant_engine
from tests.support.constant_engine import Constant
from topology import star


@pytest.fixture
def constant() -> Iterator[None]:
    with constant_engine.installed():
        yield


TOLERANCE = {"packet": 0.005}
"""Of engines whose transfers take longer than the fluid ones of the closed forms: one packet's time
a hop, 21 ns of the 6 us that the transfers of most checks take."""


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize(
    ("of", "options"), [("flow", {"tolerance": 0.0}), *((one, {}) for one in engines())]
)
def test_every_installed_engine_is_one(of: str, options: dict[str, float], name: str) -> None:
    check(lambda: engine(of, options), [name], tolerance=TOLERANCE.get(of, 1e-3))


@pytest.mark.parametrize("name", CHECKS)
def test_an_engine_without_links_is_one(name: str) -> None:
    check(Constant, [name])


class _AsItComes(FlowSession):
    """Takes calls by the order in which their first rank is heard of."""

    def enter(self, call: int, ready: float, streams: object) -> None:
        super().enter(call, ready, streams)  # type: ignore[arg-type]
        self._take_in()


class _Boasting(Constant):
    models = frozenset({CONTENTION})


class _Unordered(Flow):
    def session(self, machine: object, size: int) -> FlowSession:
        return _AsItComes(machine, size, self.tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_Unordered, "order_of_entering"),
        (_Boasting, "contention"),
        (_Boasting, "one_transfer"),
        (lambda: Constant(bandwidth=1e15, latency=0.0), "one_transfer"),
        (lambda: Constant(bandwidth=1e15, latency=0.0), "ring"),
    ],
)
def test_what_is_no_engine_is_found_out(make: type[Engine], name: str) -> None:
    with pytest.raises(EngineConformanceError, match=name):
        check(make, [name])


def test_engines_are_found_by_their_entry_point(constant: None) -> None:
    assert {"constant", "flow"} <= set(engines())
    fabric = Fabric(star(2), engine="constant", engine_options={"bandwidth": 2e9})
    assert fabric.session(2) is not fabric.session(2)


def test_paths_of_other_ranks_on_a_fabric_too_large_to_remember_them() -> None:
    """As many paths as before, and others: what they load is worked out again."""
    fabric, steps = Fabric(star(5000)), [Step([3, 4], [5, 6], 10**6)]
    fabric.simulate([Step([0, 1], [2, 2], 10**6)])
    assert fabric.simulate(steps).duration == Fabric(star(5000)).simulate(steps).duration


def test_an_engine_that_there_is_not() -> None:
    with pytest.raises(EngineError, match=r"no engine 'magic'; there are .*flow"):
        Fabric(star(2), engine="magic")


@pytest.mark.usefixtures("constant")
@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("flow", {"mtu": 1}, "the engine 'flow' has no option 'mtu'; it has tolerance"),
        ("flow", {"tolerance": 1.0}, "the tolerance is 1.0, outside 0 to 1"),
        ("constant", {"tolerance": 0.1}, "no option 'tolerance'; it has latency, bandwidth"),
        ("constant", {"bandwidth": 0}, "make no transfer"),
    ],
)
def test_options_are_the_engines(name: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        Fabric(star(2), engine=name, engine_options=options)
    if "tolerance" in options:
        with pytest.raises(EngineError, match=words):
            Fabric(star(2), engine=name, tolerance=options["tolerance"])
