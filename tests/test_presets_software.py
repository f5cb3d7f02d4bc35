"""The software presets: all there, sound, and where the physics allows, as published."""

import pickle
import tomllib
from dataclasses import fields

import numpy as np
import pytest

from fabric import Costs, EndpointError, Fabric, Step
from fabric.endpoint.presets import UNITS, endpoint, names, preset
from fabric.endpoint.records import CONSTANTS, Stack
from topology import cloudmatrix384
from topology.units import GB, US

STACKS = [
    "raw", "cann-ep", "sgl-kernel-npu", "deepep-2025-02", "deepep-v1", "hccl", "nccl",
    "hixl-fabricmem-aicpu", "hixl-fabricmem-host-4-streams", "hixl-hccs-commdomain", "hixl-roce",
    "mooncake",
]  # fmt: skip
ALIASES = ["memfabric", "hixl-early-hccs", "hixl-early-roce"]


def test_every_stack_is_there() -> None:
    """These, in this order; there may be more."""
    ours = {*STACKS, *ALIASES}
    assert [name for name in names() if name in ours] == [*STACKS, *ALIASES]


@pytest.mark.parametrize("name", names())
def test_a_preset_says_where_it_comes_from(name: str) -> None:
    stack = preset(name)
    assert stack.name == name
    assert len(stack.source) > 20
    assert stack.by_operation


@pytest.mark.parametrize("name", names())
def test_a_stack_goes_to_another_process(name: str) -> None:
    assert pickle.loads(pickle.dumps(preset(name))) == preset(name)


def test_an_unknown_stack_is_refused_with_the_choices() -> None:
    with pytest.raises(
        EndpointError, match=r"no software 'can-ep'; there are raw.*near it: cann-ep"
    ):
        preset("can-ep")


def test_an_alias_has_the_others_constants_and_the_reason() -> None:
    assert preset("memfabric").by_operation == preset("hixl-fabricmem-aicpu").by_operation
    assert "same memory-semantic path" in preset("memfabric").source


def test_an_unknown_constant_is_refused() -> None:
    with pytest.raises(EndpointError, match="no constant 'lanch_us'; near it: launch_us"):
        endpoint(Stack("test"), {"read": {"lanch_us": 1.0}})


def test_units_are_in_the_keys() -> None:
    costs = {"launch_us": 2.0, "per_byte_ps": 1.5, "pair_bandwidth_GBps": 3.0, "crossings": 2}
    stack = endpoint(Stack("test"), {"default": costs})
    expected = Costs(launch=2 * US, per_byte=1.5e-12, pair_bandwidth=3 * GB, crossings=2)
    assert stack.costs("anything") == expected
    assert set(UNITS) == {field.name for field in fields(Costs)} - {"efficiency"}


def test_every_constant_has_its_origin_beside_it() -> None:
    text = CONSTANTS.read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    assert [name for name in tables if name in STACKS] == STACKS
    lines = [line for line in text.splitlines() if " = " in line and not line.startswith("#")]
    for line in lines:
        if not line.startswith("fitted_to"):
            assert "  # " in line, line
    for name, table in tables.items():
        assert table["fitted_to"], name


@pytest.mark.parametrize("operation", ["all_reduce", "dispatch", "dispatch:normal", "send_recv"])
def test_raw_is_free_but_for_one_sided_access(operation: str) -> None:
    assert preset("raw").costs(operation) == Costs()


def test_hccl_has_small_and_large_messages() -> None:
    hccl = preset("hccl")
    small, large = hccl.costs("all_gather", 1 << 10), hccl.costs("all_gather")
    assert small.start(16) < 10 * US < 50 * US < large.start(16)
    assert hccl.costs("broadcast").start(16) == large.start(16)


def test_an_all_reduce_of_hccl_pays_twice() -> None:
    hccl = preset("hccl")
    for variant in ("", ":small"):
        once, twice = hccl.costs(f"all_gather{variant}"), hccl.costs(f"all_reduce{variant}")
        assert twice.start(16) == pytest.approx(2 * once.start(16))


MACHINE = cloudmatrix384()


@pytest.mark.parametrize(
    ("operation", "near", "far", "bandwidth"),
    [("read", 1.2, 1.9, 165.5), ("write", 1.3, 2.1, 136), ("read:cpu", 1.0, 1.7, 149),
     ("write:cpu", 1.1, 1.9, 108.5)],
)  # fmt: skip
def test_one_sided_access_is_as_table_1_has_it(
    operation: str, near: float, far: float, bandwidth: float
) -> None:
    of_cpu = operation.endswith("cpu")
    for node, latency in ((0, near), (1, far)):
        peer = MACHINE.vertex(f"node{node}.{'cpu1' if of_cpu else 'die4'}")
        ends = [peer, 0] if operation.startswith("read") else [0, peer]
        fabric = Fabric(MACHINE, endpoint="raw", planes=("ub",), placement=np.array(ends))
        short, long = (
            fabric.simulate([Step([0], [1], size)], operation=operation).duration
            for size in (512, 1 << 30)
        )
        assert short / US == pytest.approx(latency, rel=0.03)
        assert (1 << 30) / long / GB == pytest.approx(bandwidth, rel=0.001)
