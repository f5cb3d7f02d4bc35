"""Cases of ns-3-UB: what they become, that what we write says the same, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cli import main
from collectives.algorithms.table import schedule
from collectives.workloads import WorkloadError, goal, ns3_ub, of_steps, replay
from collectives.workloads.chakra import trace as chakra
from fabric import Fabric, Step
from fabric.schedule.step import ScheduleError
from topology import Topology, TopologyError, system
from topology.draft import Draft
from topology.formats.ns3_ub import is_case, ub_case
from topology.formats.ns3_ub_ways import other_ways
from topology.formats.ns3_ub_write import ub_network, write_network
from topology.units import GB, NS, Gbit

PAIR = {
    "node.csv": "nodeId,nodeType,portNum,forwardDelay\n0..1,DEVICE,1,2ns\n2..3,SWITCH,3,\n",
    "topology.csv": "nodeId1,portId1,nodeId2,portId2,bandwidth,delay\n0,0,2,0,1200Gbps,20ns\n"
                    "1,0,3,0,1200Gbps,+20ns\n\n2,1,3,1,400Gbps,1.5us\n2,2,3,2,400Gbps,1.5us\n",
    "routing_table.csv": "nodeId,dstNodeId,dstPortId,outPorts,metrics\n0,1,0,0,3\n1,0,0,0,3\n"
                         "2,1,0,1 2,2 2\n2,0,0,0,1\n3,0,0,1 2,2 2\n3,1,0,0,1\n",
    "network_attribute.txt": 'default ns3::UbSwitchAllocator::AllocationTime "+7ns"\n',
    "traffic.csv": "taskId,sourceNode,destNode,dataSize(Byte),opType,priority,delay,phaseId,"
                   "dependOnPhases\n0,0,1,150000,URMA_WRITE,7,10ns,0,\n"
                   "1,1,0,150000,MEM_STORE,7,0ns,1,0\n2,0,1,0,URMA_READ,7,,2,0 1\n",
}  # fmt: skip
"""Two devices, each at a switch of its own, with two cables between the switches."""

LINE = {
    "node.csv": "nodeId,nodeType,portNum\n0..2,DEVICE,2\n",
    "topology.csv": "a,b,c,d,e,f\n0,0,1,0,400Gbps,1ns\n1,1,2,0,400Gbps,1ns\n",
    "routing_table.csv": "a,b,c,d,e\n0,1,0,0,1\n0,2,0,0,2\n1,0,0,0,1\n1,2,0,1,1\n2,1,1,0,1\n"
                         "2,0,0,0,2\n",
    "traffic.csv": "t,s,d,b,o,p,d,p,d\n0,0,2,500,URMA_WRITE,7,0ns,0,\n",
}  # fmt: skip
"""Three devices in a line: what the first sends the last goes over the second."""


def case(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def again(topology: Topology, folder: Path) -> Topology:
    write_network(folder, ub_network(topology))
    return ub_case(folder)


def timed(topology: Topology, src: int, dst: int, size: int) -> float:
    return Fabric(topology).simulate([Step([src], [dst], size)]).duration


def test_a_case_is_the_network_that_its_files_say(tmp_path: Path) -> None:
    found = ub_case(case(tmp_path / "pair", PAIR))
    assert found.vertex_names == ("device0", "device1", "switch2", "switch3")
    assert (found.name, found.n_endpoints, found.n_links) == ("pair", 2, 8)
    # the sender 2, then cables of 20, 1500 and 20, and two switches of 7 each; 150 GB/s, then 100
    assert timed(found, 0, 1, 0) == pytest.approx((2 + 20 + 7 + 1500 + 7 + 20) * NS, rel=1e-9)
    assert timed(found, 0, 1, 10**6) == pytest.approx(1556 * NS + 1e6 / (100 * GB), rel=1e-9)


def test_devices_pass_on_what_routes_lead_over_them(tmp_path: Path) -> None:
    found = ub_case(case(tmp_path / "line", LINE))
    assert found.vertex_names == ("device0", "device1", "device2", "device1.router")
    assert timed(found, 0, 2, 500) == pytest.approx((10 + 1 + 10 + 1 + 10) * NS, rel=1e-9)


@pytest.mark.parametrize("files", [PAIR, LINE])
def test_a_case_that_we_write_is_the_same_network(tmp_path: Path, files: dict[str, str]) -> None:
    found = ub_case(case(tmp_path / "given", files))
    (tmp_path / "ours").mkdir()
    assert again(found, tmp_path / "ours" / "given").equals(found)
    assert other_ways(tmp_path / "given") == other_ways(tmp_path / "ours" / "given") == ""


@settings(max_examples=25, deadline=None)
@given(
    leaves=st.integers(1, 3), spines=st.integers(1, 3), hosts=st.integers(1, 3),
    times=st.lists(st.integers(0, 9), min_size=4, max_size=4),
)  # fmt: skip
def test_any_two_tiers_keep_their_times(
    leaves: int, spines: int, hosts: int, times: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:  # fmt: skip
    draft = Draft(("net",))
    ends = draft.endpoints([f"h{i}" for i in range(leaves * hosts)], "host")
    leaf = draft.switches([f"leaf{i}" for i in range(leaves)], "leaf")
    top = draft.switches([f"spine{i}" for i in range(spines)], "spine")
    wire, up, host_out, crossing = (one * NS for one in times)
    draft.connect(ends, leaf.repeat(hosts), "net", 400 * Gbit, host_out + wire + crossing, wire)
    draft.connect(leaf[:, None], top, "net", 100 * GB, up + crossing, up + crossing)
    made = draft.freeze("tiers")
    found = again(made, tmp_path_factory.mktemp("tiers") / "tiers")
    last = len(ends) - 1
    assert timed(found, 0, last, 4096) == pytest.approx(timed(made, 0, last, 4096), rel=1e-9)
    assert timed(found, last, 0, 0) == pytest.approx(timed(made, last, 0, 0), rel=1e-9)


def test_a_supernode_keeps_its_times_and_ways(tmp_path: Path) -> None:
    whole = system("cloudmatrix384")
    network = ub_network(whole, ("package", "ub"))
    ends = (0, 1, 2, 17)
    write_network(tmp_path / "cm", network, [(a, b) for a in ends for b in ends if a != b])
    found = ub_case(tmp_path / "cm")
    for a, b in ((0, 1), (0, 2), (2, 17)):
        alone = Fabric(whole, planes=("package", "ub"))
        assert timed(found, a, b, 1 << 20) == pytest.approx(
            alone.simulate([Step([a], [b], 1 << 20)]).duration, rel=1e-9
        )
    channels = (tmp_path / "cm" / "transport_channel.csv").read_text().split("\n")
    between = [line.split(",") for line in channels if line]
    assert len([one for one in between if (one[0], one[3]) == ("0", "17")]) == 7  # sub-planes
    assert len([one for one in between if (one[0], one[3]) == ("0", "1")]) == 1  # the package
    for end in ends:
        mine = [one[2] for one in between if one[0] == str(end)]
        mine += [one[5] for one in between if one[3] == str(end)]
        assert len(set(mine)) == len(mine)  # a channel's number is its node's only once


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("node.csv", "SWITCH", "SWICTH", r"line 3: nodeType is 'SWICTH'; .* near it: "),
        ("node.csv", "2..3", "2..70000", "line 3: nodeId is '70000'"),
        ("node.csv", "2..3", "3..4", "ids of nodes go from 0 without a gap"),
        ("node.csv", "2ns", "2 apples", "line 2: '2 apples' is no time"),
        ("topology.csv", "1200Gbps", "fast", "line 2: 'fast' is no bandwidth"),
        ("topology.csv", "2,2,3,2", "2,1,3,2", "line 6: port 1 of node 2 has a link already, in"),
        ("topology.csv", "0,0,2,0", "0,5,2,0", "line 2: portId1 is '5'; a number from 0 to 0"),
        ("topology.csv", "0,0,2,0", "2,0,2,1", "line 2: a link from node 2 to itself"),
        ("topology.csv", ",20ns", "", "line 2: 5 cells; nodeId1"),
        ("routing_table.csv", "1 2,2 2", "1 2,2", "line 4: 2 outPorts with 1 metrics"),
        ("routing_table.csv", "0,1,0,0,3", "0,1,0,4,3", "line 2: port 4 of node 0 has no link"),
        ("routing_table.csv", "0,1,0,0,3", "9,1,0,0,3", "line 2: nodeId is '9'"),
        ("network_attribute.txt", "+7ns", "soon", "AllocationTime: 'soon' is no time"),
    ],
)  # fmt: skip
def test_a_wrong_network_is_refused_by_its_place(
    tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    folder = case(tmp_path / "case", PAIR | {file: PAIR[file].replace(old, new, 1)})
    with pytest.raises(TopologyError, match=said) as refused:
        ub_case(folder)
    assert str(folder / file) in str(refused.value)


def test_routes_that_are_no_shortest_ways_are_named(tmp_path: Path) -> None:
    files = PAIR | {"routing_table.csv": PAIR["routing_table.csv"].replace("1 2,2 2", "1 2,2 3", 1)}
    folder = case(tmp_path / "case", files)
    assert "1 of 6 routes are not all the shortest ways, node 2 to node 1" in other_ways(folder)
    answer = CliRunner().invoke(main, ["topo", "import", str(folder)])
    assert answer.exit_code == 0
    assert "not all the shortest ways" in answer.stderr
    assert 'names = ["device0", "device1"]' in answer.stdout


def test_what_a_case_cannot_say_is_refused() -> None:
    one_way, unlimited, odd = Draft(("net",)), Draft(("net",)), Draft(("net",))
    for draft in (one_way, unlimited, odd):
        draft.endpoints(["a", "b", "c"], "host")
    one_way.link(0, 1, "net", GB, 0.0)
    unlimited.connect(0, 1, "net", np.inf, 0.0)
    for a, b, there in ((0, 1, 5 * NS), (1, 2, 5 * NS), (2, 0, 5 * NS)):
        odd.connect(a, b, "net", GB, there)
    for draft, said in (
        (one_way, r"a->b \(net\) has no link back"), (unlimited, "has unlimited bandwidth"),
        (odd, "are no sums of a cable's delay"),
    ):  # fmt: skip
        with pytest.raises(TopologyError, match=said):
            ub_network(draft.freeze("it"))


def test_tasks_are_timed_in_their_order(tmp_path: Path) -> None:
    folder = case(tmp_path / "pair", PAIR)
    found = ns3_ub.load(folder)
    way = 1556 * NS
    took = [10 * NS + way + 1.5 * 1000 * NS, way + 1.5 * 1000 * NS, 2 * way]
    # the write, after it the store, and after both a read of nothing: a request and its answer
    answer = replay(found, Fabric(ub_case(folder)))
    assert answer.duration == pytest.approx(sum(took), rel=1e-9)
    run = CliRunner().invoke(
        main, ["topo", "import", str(folder), "--output", str(tmp_path / "net.toml")]
    )
    run = CliRunner().invoke(
        main, ["bench", "trace", str(folder), "--system", str(tmp_path / "net.toml"), "--software",
               "raw", "--format", "csv"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    titles, values = run.stdout.strip().split("\n")[-2:]
    row = dict(zip(titles.split(","), values.split(","), strict=True))
    assert float(row["time_us"]) == pytest.approx(sum(took) * 1e6, rel=1e-6)


def test_needs_of_other_ranks_are_no_goal_and_no_chakra(tmp_path: Path) -> None:
    found = ns3_ub.load(case(tmp_path / "pair", PAIR))
    with pytest.raises(WorkloadError, match="another rank's; GOAL has no such"):
        list(goal.dump(found))
    with pytest.raises(WorkloadError, match="another rank's; Chakra has no such"):
        chakra.save(found, tmp_path / "t")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("URMA_WRITE", "URMA_WRIT", r"line 2: opType is 'URMA_WRIT'; .* near it: "),
        ("0,0,1,150000", "0,0,2,150000", "line 2: destNode is 2, which is no device"),
        ("1,1,0,150000", "0,1,0,150000", "line 3: task 0 is in line 2 already"),
        ("1,0\n", "1,9\n", "line 3: task 1 depends on phase 9, which has no task"),
        ("1,0\n", "1,1\n", "circle"),
        ("150000", "-1", r"line 2: dataSize\(Byte\) is '-1'"),
        ("10ns", "10", "line 2: '10' is no time"),
    ],
)  # fmt: skip
def test_wrong_tasks_are_refused_by_their_place(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    folder = case(
        tmp_path / "case", PAIR | {"traffic.csv": PAIR["traffic.csv"].replace(old, new, 1)}
    )
    with pytest.raises(WorkloadError, match=said):
        replay(ns3_ub.load(folder), Fabric(ub_case(folder)))


@pytest.mark.parametrize(
    ("op", "algorithm"),
    [("all_reduce", "ring"), ("all_to_all", "pairwise"), ("broadcast", "binomial")],
)
def test_a_schedule_takes_as_long_as_the_case_of_it(
    tmp_path: Path, op: str, algorithm: str
) -> None:
    out = tmp_path / "case"
    run = CliRunner().invoke(
        main, ["schedule", "export", op, "--ranks", "8", "--size", "64K", "--algorithm", algorithm,
               "--system", "h20", "--planes", "nvlink", "-o", str(out)],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert is_case(out)
    read = Fabric(ub_case(out))
    size = 64 * 1024 // (8 if op == "all_to_all" else 1)
    steps = list(schedule(op, 8, size, algorithm, itemsize=4, ranks_per_node=16))
    mine = replay(of_steps(steps, 8), read).duration
    assert replay(ns3_ub.load(out), read).duration == pytest.approx(mine, rel=1e-9)


def test_long_messages_are_several_tasks_and_empty_ones_none(tmp_path: Path) -> None:
    path = tmp_path / "traffic.csv"
    ns3_ub.write_traffic(path, [Step([0], [1], ns3_ub.MOST + 5)], [3, 4])
    rows = [line.split(",") for line in path.read_text().strip().split("\n")[1:]]
    assert [(row[1], row[2], int(row[3])) for row in rows] == [
        ("3", "4", ns3_ub.MOST), ("3", "4", 5)
    ]  # fmt: skip
    with pytest.raises(ScheduleError, match="a message of no bytes"):
        ns3_ub.write_traffic(path, [Step([0], [1], 0)], [0, 1])
    with pytest.raises(ScheduleError, match="no byte of the schedule"):
        ns3_ub.write_traffic(path, [Step([0], [0], 5)], [0, 1])


def test_commands_refuse_what_is_no_case(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    export = ["schedule", "export", "all_reduce", "--ranks", "4", "--size", "4K"]
    for more, said in (
        (["-o", str(tmp_path / "new")], "needs --system or --machine"),
        (["-o", str(tmp_path / "mine"), "--system", "h800"], "something else than a case"),
        (["-o", str(tmp_path / "a.cm"), "--system", "h800"], "is for a case of ns-3-UB"),
        (["-o", str(tmp_path / "a.txt")], "end in .xml or .cm, or have no ending"),
    ):
        run = CliRunner().invoke(main, [*export, *more])
        assert run.exit_code == 2
        assert said in run.stderr
