"""Endpoint costs: checked at construction, found by operation and variant, felt in a simulation."""

import math

import pytest

from fabric import Costs, Endpoint, EndpointError, Fabric, Step
from fabric.clock.calls import Catalogue
from fabric.endpoint.stacks import joined
from fabric.engines.account import least
from topology import star
from topology.errors import ArgumentError
from topology.units import GB, US

SIZE = 1_000_000
WIRE = star(4)


def duration(costs: Costs, *, size: int = SIZE, messages: int = 1, peers: int = 1) -> float:
    """Seconds that rank 0 needs to send ``size`` bytes to each of its peers."""
    step = Step([0] * peers, range(1, peers + 1), size, messages=messages)
    fabric = Fabric(WIRE, endpoint=Endpoint("test", {"": costs}), tolerance=0.0)
    return fabric.simulate([step], ranks=4).duration


FREE = duration(Costs())


@pytest.mark.parametrize("name", ["launch", "barrier", "per_byte", "message_gap", "crossings"])
@pytest.mark.parametrize("value", [-1.0, math.nan])
def test_a_cost_is_0_or_more(name: str, value: float) -> None:
    with pytest.raises(EndpointError, match=f"{name} is {value}; it cannot be"):
        Costs(**{name: value})


def test_a_limit_is_above_0() -> None:
    with pytest.raises(EndpointError, match=r"pair_bandwidth is 0\.0"):
        Costs(pair_bandwidth=0.0)


@pytest.mark.parametrize("value", [0.0, 1.1, -0.5, math.nan])
def test_an_efficiency_is_a_fraction(value: float) -> None:
    with pytest.raises(EndpointError, match="efficiency of ub"):
        Costs(efficiency={"ub": value})


@pytest.mark.parametrize(("ranks", "rounds"), [(1, 0), (2, 1), (3, 2), (8, 3), (9, 4), (256, 8)])
def test_a_barrier_has_rounds(ranks: int, rounds: int) -> None:
    assert Costs(launch=10 * US, barrier=2 * US).start(ranks) == pytest.approx(
        10 * US + rounds * 2 * US
    )


@pytest.mark.parametrize(
    ("costs", "extra"),
    [
        (Costs(launch=7 * US), 7 * US),
        (Costs(barrier=3 * US), 6 * US),
        (Costs(latency=2 * US), 2 * US),
        (Costs(per_message=1 * US), 5 * US),
        (Costs(per_peer=4 * US), 4 * US),
        (Costs(per_byte=1e-12), 1 * US),
        (Costs(per_reduced_byte=1e-12), 0.0),
        (Costs(pair_bandwidth=1 * GB), 1000 * US - SIZE / (196 * GB)),
    ],
)
def test_what_a_constant_adds(costs: Costs, extra: float) -> None:
    free = duration(Costs(), messages=5)
    assert duration(costs, messages=5) - free == pytest.approx(extra, rel=0.01, abs=1e-12)


def test_crossings_count_the_path_again() -> None:
    path = duration(Costs(), size=0)
    assert duration(Costs(crossings=2.0), size=0) == pytest.approx(2 * path)


def test_messages_start_no_faster_than_the_gap() -> None:
    assert duration(Costs(message_gap=100 * US), messages=5) == pytest.approx(500 * US, rel=0.01)


def test_an_initiator_shares_its_limit_over_peers() -> None:
    limited = Costs(initiator_bandwidth=3 * GB)
    assert duration(limited, peers=3) == pytest.approx(1000 * US, rel=0.01)


def test_efficiency_is_of_a_planes_links() -> None:
    (plane,) = WIRE.planes
    half = duration(Costs(efficiency={plane: 0.5}), size=10 * SIZE)
    whole = duration(Costs(efficiency={"another": 0.5}), size=10 * SIZE)
    latency = duration(Costs(), size=0)
    assert half - latency == pytest.approx(2 * (whole - latency), rel=1e-3)


STACK = Endpoint(
    "test",
    {"read": Costs(launch=1.0), "read:cpu": Costs(launch=2.0), ":small": Costs(launch=3.0)},
    small=1024,
)


@pytest.mark.parametrize(
    ("operation", "key"),
    [("read", "read"), ("read:cpu", "read:cpu"), ("read:small", "read"), ("other", None),
     ("other:small", ":small"), ("", None)],
)  # fmt: skip
def test_whose_constants_count(operation: str, key: str | None) -> None:
    assert STACK.key(operation) == key
    assert STACK.costs(operation) == (Costs() if key is None else STACK.by_operation[key])


def test_others_take_the_general_constants() -> None:
    endpoint = Endpoint("test", {"": Costs(launch=1.0)})
    assert endpoint.key("broadcast") == endpoint.key("broadcast:small") == ""


def test_an_operation_can_have_its_own_limit_of_what_is_small() -> None:
    costs = {key: Costs(launch=1.0) for key in ("", ":small", "read", "read:small")}
    endpoint = Endpoint("test", costs, small=1024, small_of={"read": 10})
    assert endpoint.regime("read", 11) == "read"
    assert endpoint.regime("read:cpu", 10) == "read:cpu:small"
    assert endpoint.regime("write", 11) == "write:small"
    reads = Endpoint("reads", {"read": Costs(), "read:small": Costs()}, small_of={"read": 10})
    both = joined([reads, Endpoint("rest", {"": Costs(), ":small": Costs()}, small=99)])
    assert [both.regime(op, 50) for op in ("read", "write")] == ["read", "write:small"]


@pytest.mark.parametrize(("size", "found"), [(None, "read"), (1024, "read:small"), (1025, "read")])
def test_small_operations_are_a_regime(size: int | None, found: str) -> None:
    assert STACK.regime("read", size) == found


@pytest.mark.parametrize(("size", "launch"), [(None, 1.0), (2048, 1.0), (1024, 3.0), (0, 3.0)])
def test_everything_that_times_a_call_takes_its_size(size: int | None, launch: float) -> None:
    stack = Endpoint(
        "test", {"read": Costs(launch=1.0), "read:small": Costs(launch=3.0)}, small=1024
    )
    fabric, steps = Fabric(WIRE, endpoint=stack), [Step(0, 1, 0)]
    bare = Fabric(WIRE).simulate(steps).duration
    timeline = fabric.simulate(steps, operation="read", size=size)
    bound = least(fabric, steps, 2, operation="read", size=size)
    family = Catalogue(fabric, 2, fabric.session(2)).family("read", (0, 1), size)
    assert timeline.duration == pytest.approx(bare + launch, rel=1e-12)
    assert bound == pytest.approx(timeline.duration, rel=1e-12)
    assert family.start == stack.costs("read", size).start(2) == launch
    assert family.operation == timeline.operation == stack.regime("read", size)


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(ArgumentError, match="size is -1"):
        Fabric(WIRE).simulate([Step(0, 1, 0)], size=-1)
