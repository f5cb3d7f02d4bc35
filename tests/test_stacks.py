"""Which software stack speaks an operation, at every door: the same one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench.cli import main as cli
from collectives import init
from fabric import Fabric, launch
from fabric.endpoint.costs import EndpointError
from fabric.endpoint.presets import preset
from fabric.endpoint.stacks import named, stacks_of, usual
from fabric.machine import MachineSpec
from fabric.settings import Settings
from topology import Topology, cloudmatrix384, cluster, dgx_h800, star, supernode, system

OPERATIONS = ("all_reduce", "all_gather:small", "send_recv", "dispatch", "combine:normal", "")


@pytest.mark.parametrize(
    ("topology", "stacks"),
    [(system("cloudmatrix192"), "hccl hccl hccl cann-ep sgl-kernel-npu hccl"),
     (supernode(8, name="mine"), "hccl hccl hccl cann-ep sgl-kernel-npu hccl"),
     (dgx_h800(nodes=4), "nccl nccl nccl deepep-v1 deepep-v1 nccl"),
     (star(8), "raw raw raw raw raw raw"),
     (cluster(2, name="dgx_h900"), "raw raw raw raw raw raw")],
    ids=lambda given: getattr(given, "name", ""),
)  # fmt: skip
def test_a_system_brings_its_software(topology: Topology, stacks: str) -> None:
    software = usual(topology)
    assert [software.stack(operation) for operation in OPERATIONS] == stacks.split()
    for operation in OPERATIONS:
        assert software.costs(operation) == preset(software.stack(operation)).costs(operation)


@pytest.mark.parametrize(
    ("software", "stacks"),
    [("cann-ep", "hccl hccl hccl cann-ep cann-ep hccl"),
     ("hccl", "hccl hccl hccl hccl hccl hccl"), ("raw", "raw raw raw raw raw raw"),
     ("sgl-kernel-npu , hccl", "hccl hccl hccl sgl-kernel-npu sgl-kernel-npu hccl")],
)  # fmt: skip
def test_what_a_named_stack_does_not_speak_the_system_does(software: str, stacks: str) -> None:
    joined = stacks_of(software, cloudmatrix384())
    assert [joined.stack(operation) for operation in OPERATIONS] == stacks.split()
    again = stacks_of(joined.name, cloudmatrix384())  # what a table names can be asked for
    assert [again.stack(operation) for operation in OPERATIONS] == stacks.split()


@pytest.mark.parametrize(
    ("name", "software", "stack"),
    [("cloudmatrix192", None, "hccl"), ("dgx_h800:2", None, "nccl"), ("star:4", None, "raw"),
     ("cloudmatrix192", "raw", "raw")],
)  # fmt: skip
def test_a_machines_description_takes_the_same_stacks(
    name: str, software: str | None, stack: str
) -> None:
    machine = MachineSpec(name, software=software).build()
    assert machine.software == stacks_of(software, machine.topology)
    assert machine.software.stack("all_reduce") == stack


def test_a_stack_alone_says_that_the_rest_is_the_wire() -> None:
    fabric = Fabric(cloudmatrix384(), endpoint="cann-ep")
    assert fabric.software.stack("all_reduce") == "raw"
    assert fabric.software.stack("dispatch") == "cann-ep"


@pytest.mark.parametrize(
    ("software", "words"),
    [("hcl", "no software 'hcl'; there are .* near it: hccl"),
     ("hccl,hccl", "names a stack twice"),
     ("cann-ep,mooncake", "different planes, .* cann-ep: package, ub; mooncake: rdma")],
)  # fmt: skip
def test_stacks_that_cannot_be(software: str, words: str) -> None:
    with pytest.raises(EndpointError, match=words):
        named(software)


def test_settings_without_software_are_those_of_the_system() -> None:
    given = Settings().environment()
    assert given["TRIPLANE_SOFTWARE"] == ""
    assert Settings.from_environment(given) == Settings()


RANKS = 4


def rank_main() -> dict[str, Any]:
    import numpy as np

    from collectives.moe import LowLatency

    with init() as comm:
        found: dict[str, Any] = {}
        x = np.ones(1024, np.float32)
        for name, call in (
            ("all_reduce", lambda: comm.all_reduce(x, algorithm="direct")),
            (
                "all_gather",
                lambda: comm.all_gather(np.empty((comm.size, 128), np.float32), x[:128]),
            ),
        ):
            begin = comm.now()
            call()
            found[name] = (comm.now() - begin) * 1e6
        buffer = LowLatency(comm, experts=8, hidden=7168, max_tokens=4, wire="int8")
        choice = np.full((4, 1), (comm.rank + 1) % comm.size)
        _, _, work = buffer.dispatch(np.ones((4, 7168), np.float16), choice)
        begin, end = work.times()
        found["dispatch"] = (end - begin) * 1e6
        found["says"] = [str(comm.machine(op)) for op in ("all_reduce", "dispatch:normal")]
        return found


@pytest.mark.parametrize("transport", ["inproc", "zmq"])
def test_running_ranks_are_timed_by_the_stack_that_a_benchmark_takes(transport: str) -> None:
    found = launch(rank_main, ranks=RANKS, transport=transport)[0]
    assert found["says"] == [
        "cloudmatrix384 with hccl", "cloudmatrix384 with sgl-kernel-npu"
    ]  # fmt: skip
    given = f"--ranks {RANKS} -b 4K -e 4K --algorithm direct --format json"
    ran = CliRunner().invoke(cli, ["bench", "all_reduce", *given.split()])
    row = json.loads(ran.output)[0]
    assert row["software"] == "hccl"
    assert found["all_reduce"] == pytest.approx(row["time_us"], rel=1e-6)
    assert found["all_reduce"] > 10  # the wire alone: 0.3
    # No step of a dispatch is shorter than what cann-ep takes before the first.
    costs = preset("cann-ep").costs("dispatch")
    assert found["dispatch"] > costs.start(RANKS) * 1e6 > 10


def test_a_trace_names_the_machine_and_the_stack_of_every_call(tmp_path: Path) -> None:
    launch(rank_main, ranks=RANKS, trace=tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["otherData"]["system"] == "cloudmatrix384"
    assert trace["otherData"]["software"] == "cann-ep,sgl-kernel-npu,hccl"
    stacks = {
        event["name"].partition("(")[0]: event["args"]["software"]
        for event in trace["traceEvents"]
        if event["ph"] == "X" and "software" in event["args"]
    }
    assert stacks["all_reduce"] == stacks["all_gather"] == "hccl"
    assert stacks["low_latency.dispatch"] == "cann-ep"


def test_a_program_without_a_machine_is_told_so() -> None:
    def main() -> object:
        with init() as comm:
            return comm.machine("all_reduce")

    assert launch(main, ranks=2, system=None) == [None, None]
