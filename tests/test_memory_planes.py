"""Windows with a plane of their own: times are that plane's, and what cannot be is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.view.live.feed import CallSpan, Kind, LiveBatch
from bench.view.live.watched import Watched
from collectives import Communicator, init
from collectives.memory.errors import WindowError
from collectives.memory.window import Window
from fabric import Fabric, Step, launch
from fabric.classes.table import TrafficClass
from fabric.endpoint.one_sided import SIDES, joining, with_memory
from fabric.endpoint.stacks import usual
from fabric.failure import WorldError
from fabric.faults.table import Fault
from tests.support.memory_programs import check, random_program, seen_of
from topology import Topology, supernode
from topology.units import US

SIZE = 3 << 20
TWO_NODES = [0, 16]


@cache
def system() -> Topology:
    return supernode(32)


def fabric_of(placement: list[int], **given: Any) -> Fabric:
    return Fabric(system(), placement=placement, **{"endpoint": usual(system()), **given})


def joined(body: Callable[..., Any], *args: Any) -> Any:
    with init() as comm:
        return body(comm, *args)


def timed(comm: Communicator, plane: str | None, device: str, near: str) -> list[float]:
    """What rank 0's put and get to rank 1 take, one after the other."""
    with Window(comm, SIZE, plane=plane, device=device) as window:
        if comm.rank:
            return []
        x = np.zeros(SIZE, np.uint8)
        spans = [window.put(x, 1, source=near).times(), window.get(x, 1, into=near).times()]
        return [end - begin for begin, end in spans]


def alone(plane: str, ends: list[int], side: str, engine: str) -> list[float]:
    """The same on a machine of which that plane is all that there is, without windows."""
    topology, planes = system(), joining(system(), plane)
    endpoint = with_memory(usual(topology), topology, planes)
    fabric = Fabric(topology, engine=engine, endpoint=endpoint, planes=planes, placement=ends)
    moves = {"write": Step(0, 1, SIZE), "read": Step(1, 0, SIZE)}
    return [
        fabric.simulate([step], operation=operation + side, ranks=2).duration
        for operation, step in moves.items()
    ]


@pytest.mark.parametrize(
    ("plane", "places", "device", "near", "engine"),
    [
        ("ub", [0, 16], "npu", "npu", "flow"),
        ("ub", [0, 1], "npu", "npu", "flow"),
        ("ub", [0, 16], "cpu", "npu", "flow"),
        ("rdma", [0, 16], "npu", "npu", "flow"),
        ("rdma", [0, 1], "npu", "npu", "flow"),
        ("rdma", [0, 16], "npu", "npu", "packet"),
        ("vpc", [0, 16], "cpu", "cpu", "flow"),
    ],
)
def test_an_access_takes_what_it_takes_where_its_plane_is_all_there_is(
    plane: str, places: list[int], device: str, near: str, engine: str
) -> None:
    found = launch(
        joined, 2, fabric_of(places, engine=engine), args=(timed, plane, device, near), timeout=60
    )[0]
    cpus = system().of_kind("cpu")
    sides = (near == "cpu", device == "cpu")
    ends = [
        int(cpus[4 * (place // 16)]) if is_cpu else place
        for place, is_cpu in zip(places, sides, strict=True)
    ]
    assert found == pytest.approx(alone(plane, ends, SIDES[sides], engine), abs=1e-12)


def of_every_plane(comm: Communicator) -> list[list[float]]:
    """One window after another, each with a plane that no window had before, and none again."""
    planes = (None, "rdma", "vpc", "ub", None)
    return [
        timed(comm, plane, "cpu" if plane == "vpc" else "npu", "cpu" if plane == "vpc" else "npu")
        for plane in planes
    ]


def test_windows_of_all_planes_are_in_one_world() -> None:
    usual_one, rdma, vpc, ub, again = launch(joined, 2, fabric_of(TWO_NODES),
                                             args=(of_every_plane,))[0]  # fmt: skip
    assert usual_one == ub == again
    assert len({usual_one[0], rdma[0], vpc[0]}) == 3
    over_rdma = fabric_of(TWO_NODES, planes=("rdma",))
    assert launch(joined, 2, over_rdma, args=(of_every_plane,))[0] == [rdma, rdma, vpc, ub, rdma]


def beside(comm: Communicator, plane: str | None, both: tuple[bool, bool]) -> list[float]:
    """An all-reduce of the machine's planes and a put by a window, alone or together."""
    with Window(comm, 1 << 23, plane=plane) as window, Window(comm, 8, plane="rdma"):
        x, peer = np.zeros(1 << 22, np.float32), (comm.rank + 1) % comm.size
        comm.barrier()
        works: list[Any] = []
        if both[0]:
            works.append(comm.all_reduce(x, async_op=True, algorithm="ring"))
        if both[1]:
            works.append(window.put(np.zeros(1 << 23, np.uint8), peer, async_op=True))
        for work in works:
            work.wait()
        return [end - begin for begin, end in (work.times() for work in works)]


def test_planes_share_nothing_and_one_plane_is_shared() -> None:
    fabric = fabric_of([0, 16, 2, 18], endpoint="raw")  # collectives at the speed of the wire
    (reduce,) = launch(joined, 4, fabric, args=(beside, "rdma", (True, False)))[0]
    found = {}
    for plane in ("rdma", "ub", None):
        (put,) = launch(joined, 4, fabric, args=(beside, plane, (False, True)))[0]
        found[plane] = put, launch(joined, 4, fabric, args=(beside, plane, (True, True)))[0]
    put, together = found["rdma"]
    assert together == [reduce, put]
    put, together = found["ub"]
    assert together[0] > 1.1 * reduce
    assert together[1] > 1.1 * put
    assert found["ub"] == found[None]  # the same way, by name or not


def two_windows(comm: Communicator, other: str) -> list[float]:
    with Window(comm, SIZE, plane="rdma") as one, Window(comm, SIZE, plane=other) as two:
        if comm.rank != 0:
            return []
        x = np.zeros(SIZE, np.uint8)
        works = [window.put(x, 1, async_op=True) for window in (one, two)]
        return [end - begin for begin, end in (work.times() for work in works)]


def test_two_windows_of_a_plane_share_its_ports() -> None:
    apart = launch(joined, 2, fabric_of(TWO_NODES), args=(two_windows, "ub"))[0]
    shared = launch(joined, 2, fabric_of(TWO_NODES), args=(two_windows, "rdma"))[0]
    assert shared[0] > 1.9 * apart[0]
    assert shared[1] > 1.9 * apart[0]
    assert apart[1] < 0.5 * apart[0]


def random_over(comm: Communicator, planes: tuple[str, ...]) -> list[Any]:
    return [seen_of(comm, random_program(seed, comm.size), True, plane)
            for seed, plane in enumerate(planes)]  # fmt: skip


def test_random_accesses_over_any_plane_leave_what_a_sequential_model_says() -> None:
    planes = ("rdma", "ub", "rdma", "ub")
    seen = launch(joined, 4, fabric_of([0, 1, 16, 18]), args=(random_over, planes), timeout=120)
    for seed, of_ranks in enumerate(zip(*seen, strict=True)):
        check(random_program(seed, 4), of_ranks, timed=True)


def refused(comm: Communicator) -> list[str]:
    """What registration and access say, each with the same words at both ranks."""
    said = []
    for plane in ("vpc", "infiniband", "ub" if comm.rank else "rdma"):
        with pytest.raises(WindowError) as error:
            Window(comm, 8, plane=plane, name="kv")
        said.append(str(error.value))
    with Window(comm, 64, plane="vpc", device="cpu", name="kv") as window:
        with pytest.raises(WindowError) as error:
            window.put(b"1", 1 - comm.rank)
        said.append(str(error.value))
        comm.barrier()
        assert not window.local.any()
        comm.barrier()
        window.put_signal(b"1", 1 - comm.rank, 8, 0, source="cpu")
        window.wait(0)
        assert window.fetch_add(1 - comm.rank, 16) == 0  # words go from where there is a port
        window.signal(1 - comm.rank, 24)
        window.wait(24)
    return said


def test_what_a_plane_does_not_join_is_refused_by_name() -> None:
    one, other = launch(joined, 2, fabric_of(TWO_NODES), args=(refused,))
    assert one[:3] == other[:3]
    name = system().name
    assert one[0] == (
        f"window 'kv' cannot be: plane vpc of {name} does not join node1.die0 and node0.die0; of"
        " its planes ub, rdma joins them"
    ) or one[0] == (
        f"window 'kv' cannot be: plane vpc of {name} does not join node0.die0 and node1.die0; of"
        " its planes ub, rdma joins them"
    )
    assert f"{name} has no plane 'infiniband'; it has package, ub, rdma, vpc" in one[1]
    assert "names plane" in one[2]
    assert "rdma" in one[2]
    assert one[3] == (
        "put with source 'npu': npu memory of rank 0 has no port on plane vpc of window 'kv';"
        " source can be cpu"
    )


def test_without_a_machine_a_plane_says_nothing() -> None:
    assert launch(joined, 2, None, args=(places_of,)) == [[1], [0]]


def places_of(comm: Communicator) -> list[int]:
    with Window(comm, 16, plane="anything") as window:
        window.put_signal(bytes([comm.rank]), 1 - comm.rank, 8, 0)
        window.wait(0)
        return [int(window.local[8])]


def test_guarantees_are_not_promised_beside_planes_of_their_own() -> None:
    classes = (TrafficClass("kv", 1, guarantee=1e9),)
    error = launch(joined, 2, fabric_of(TWO_NODES, classes=classes), args=(guaranteed,))[0]
    assert "guarantees of traffic classes are not modelled" in error


def guaranteed(comm: Communicator) -> str:
    with pytest.raises(WindowError) as error:
        Window(comm, 8, plane="rdma")
    return str(error.value)


def test_a_fault_of_a_plane_ends_what_goes_over_it_and_nothing_else() -> None:
    topology = system()
    (number,) = (at for at, name in enumerate(topology.planes) if name == "rdma")
    ends = topology.link_dst[topology.link_plane == number]
    switches = {topology.vertex_names[at] for at in ends if at >= topology.n_endpoints}
    faults = [Fault(tuple(sorted(switches)), start=20 * US)]
    fabric = fabric_of(TWO_NODES, faults=faults)
    whole = launch(joined, 2, fabric_of(TWO_NODES), args=(timed, "ub", "npu", "npu"))
    assert launch(joined, 2, fabric, args=(timed, "ub", "npu", "npu")) == whole
    with pytest.raises(WorldError) as error:
        launch(joined, 2, fabric, args=(timed, "rdma", "npu", "npu"), timeout=60)
    assert "no path from node0.die0 (rank 0) to node1.die0 (rank 1)" in str(error.value)
    assert "over rdma at" in str(error.value)


def test_traces_name_the_plane_and_its_stack(tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    launch(joined, 2, fabric_of(TWO_NODES), args=(timed, "rdma", "npu", "npu"), trace=trace)
    slices = [one for one in json.loads(trace.read_text())["traceEvents"] if one["ph"] == "X"]
    puts = [one for one in slices if one["name"].startswith("put(")]
    assert [one["args"]["software"] for one in puts] == ["hixl-roce"]
    assert puts[0]["name"] == f"put({SIZE} B, rank 1, window 'window' over rdma)"


@pytest.mark.parametrize("plane", ["", "ub", "rdma", "vpc"])
def test_the_live_page_shows_on_links_what_goes_over_its_planes(plane: str) -> None:
    """The machine's own way from die to die is UB: one over RDMA is on none of these links."""
    world = Watched(fabric_of(TWO_NODES), 2)
    kind = Kind(0, "put", (0,), np.array([0], np.int32), np.array([1], np.int32),
                np.array([2.0**20]), np.zeros(1, np.int64))  # fmt: skip
    kinds = (replace(kind, plane=plane), replace(kind, number=1, dst=np.array([99], np.int32)))
    spans = tuple(CallSpan(number, 1, (0.0,), (9e-6,)) for number in (0, 1))
    world.take(LiveBatch(10e-6, kinds, spans[: 1 if plane == "" else 2]))
    links = 4 if plane in ("", "ub") else 0
    assert world.film.carried.sum() == pytest.approx(links * 2.0**20)
