"""HCCL's topo.json in: cables, networks and shared ports; what contradicts itself is named."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from topology import Router, TopologyError, load
from topology.formats.hccl_topo import HOP, PORT, hccl_topo
from topology.units import GB


def edge(a: int, ports: list[str], b: int | None = None, **more: Any) -> dict[str, Any]:
    """An edge from ports of an NPU to the same ports of another, or to a network."""
    end = {} if b is None else {"local_b": b, "local_b_ports": ports}
    return {"net_layer": 0, "link_type": "PEER2NET" if b is None else "PEER2PEER",
            "protocols": ["UB_CTP"], "local_a": a, "local_a_ports": ports,
            **end, **more}  # fmt: skip


def file_of(edges: list[dict[str, Any]], peers: int = 4) -> dict[str, Any]:
    return {"version": "2.0", "hardware_type": "a board", "peer_count": peers,
            "peer_list": [{"local_id": peer} for peer in range(peers)],
            "edge_count": len(edges), "edge_list": edges}  # fmt: skip


RING = [edge(0, ["0/0"], 1), edge(1, ["0/1"], 2), edge(2, ["0/2"], 3), edge(3, ["0/3"], 0)]
NET = [edge(a, ["1/0", "1/1"], net_layer=layer, topo_instance_id=7)
       for layer in (0, 1) for a in range(4)]  # fmt: skip
BOARD = file_of([*RING, *NET])


def test_neighbours_have_a_cable_and_others_the_network() -> None:
    board = hccl_topo(BOARD)
    assert (board.name, board.planes) == ("a board", ("mesh", "net0", "net1"))
    assert board.vertex_names == ("npu0", "npu1", "npu2", "npu3", "net0.7", "net1.7")
    assert board.n_links == 2 * 4 + 2 * 2 * 4  # and the ports of layer 1 are those of layer 0
    assert (board.node[:4] == 0).all()
    router = Router(board)
    near, far = router.paths(np.array([0, 0], np.int32), np.array([1, 2], np.int32)).tolist()
    table = router.table
    assert [board.planes[table.plane[path]] for path in (near, far)] == ["mesh", "net0"]
    assert table.latency[[near, far]].tolist() == [0, HOP]
    used = table.resource[table.begin[far] : table.begin[far + 1]]
    assert router.capacity[used].tolist() == [2 * PORT, 2 * PORT]


def test_ports_of_another_layer_are_links_of_their_own() -> None:
    board = hccl_topo(file_of([*RING, *NET, edge(0, ["0/8"], net_layer=1, topo_instance_id=7)]))
    assert board.n_links == 8 + 16 + 2


def test_a_host_s_card_is_left_out_and_peers_keep_their_numbers() -> None:
    content = file_of([edge(5, ["0/0"], 2), edge(5, ["d2h"], position="HOST", net_layer=3)], 2)
    content["peer_list"] = [{"local_id": 5}, {"local_id": "2"}]
    board = hccl_topo(content, 28 * GB)
    assert board.vertex_names == ("npu2", "npu5")
    assert board.link_bandwidth.tolist() == [28 * GB] * 2


def test_the_command_writes_a_system(tmp_path: Path) -> None:
    (tmp_path / "topo.json").write_text(json.dumps(BOARD), "utf-8")
    out = tmp_path / "board.toml"
    command = ["topo", "import", str(tmp_path / "topo.json"), "--output", str(out)]
    assert CliRunner().invoke(main, command).exit_code == 0
    assert load(out).equals(hccl_topo(BOARD))
    refused = CliRunner().invoke(main, [*command, "--hop", "2"])
    assert refused.exit_code == 2
    assert "'2' is no time" in refused.output


def changed(path: str, value: Any) -> dict[str, Any]:
    """`BOARD` with another value at ``path``, keys and numbers with dots between them."""
    made: Any = copy.deepcopy(BOARD)
    *before, last = path.split(".")
    there = made
    for key in before:
        there = there[int(key) if isinstance(there, list) else key]
    there[last] = value
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("version", "1.0", "version of topo.json is '1.0'; 2.0 is read"),
        ("peer_count", 3, "peer_count"),
        ("edge_count", 3, "edge_count"),
        ("peer_list.1.local_id", 0, "has NPU 0 twice"),
        ("peer_list.1.local_id", 9, "local_b of edge 0 is 1, which is not in peer_list"),
        ("peer_list.1.local_id", -1, "local_id of peer 1 is -1; it has to be 0 to 4096"),
        ("edge_list.0.local_a", None, "local_a of edge 0 is null"),
        ("edge_list.0.link_type", "PEER", "link_type of edge 0 is 'PEER'; it has to be PEER2PEER"),
        ("edge_list.0.link_type", ["PEER2NET"], "link_type of edge 0"),
        ("edge_list.0.net_layer", 8, "net_layer of edge 0 is 8; it has to be 0 to 7"),
        ("edge_list.0.position", "BOX", "position of edge 0 is 'BOX'"),
        ("edge_list.0.local_b_ports", ["0/0", "0/1"], "from 1 ports of NPU 0 to 2 of NPU 1"),
        ("edge_list.0.local_b", 0, "it has to be as many, of two NPUs"),
        ("edge_list.0.local_a_ports", ["0"], r"local_a_ports of edge 0 is \['0'\]"),
        ("edge_list.0.local_a_ports", [], "local_a_ports of edge 0"),
        ("edge_list.0.local_a_ports", ["0/1", "0/1"], "each once"),
        ("edge_list.1.local_a_ports", ["0/0"], "port 0/0 of NPU 1 is in edge 0 and in edge 1"),
        ("edge_list", 1, "edge_list of topo.json has to be a list of objects"),
    ],
)
def test_what_contradicts_itself_is_named(path: str, value: Any, words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        hccl_topo(changed(path, value))


def test_more_than_is_read_is_refused() -> None:
    ports = [f"{die}/{port}" for die in range(4) for port in range(16)]
    many = [edge(0, ports, net_layer=layer % 8) for layer in range(4097)]
    with pytest.raises(TopologyError, match="name 262208 ports; 262144 are read"):
        hccl_topo(file_of(many))
    with pytest.raises(TopologyError, match="has 4097 NPUs; 1 to 4096 are read"):
        hccl_topo(file_of([], 4097))


def test_no_links_and_no_object(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="has no edges between NPUs"):
        hccl_topo(file_of([]))
    (tmp_path / "list.json").write_text("[]", "utf-8")
    with pytest.raises(TopologyError, match="has no object at its top"):
        hccl_topo(tmp_path / "list.json")
