"""HCCL rank tables: where ranks are placed, that the placement is timed, and what is refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabric import Fabric, Step
from topology import TopologyError, cloudmatrix384, dgx_h800, rank_table


def table(servers: int = 2, devices: int = 4, pods: int = 1) -> dict[str, Any]:
    """As CANN's guide shows them, with ranks counted backwards."""
    ranks = iter(range(servers * devices - 1, -1, -1))
    listed = [
        {
            "server_id": f"10.0.0.{s}", "host_ip": f"172.16.0.{s}",
            "device": [
                {"device_id": str(d), "super_device_id": str(s * 16 + d),
                 "device_ip": f"192.168.{s}.{d}", "rank_id": str(next(ranks))}
                for d in range(devices)
            ],
        }
        for s in range(servers)
    ]  # fmt: skip
    each = servers // pods
    return {
        "status": "completed", "version": "1.2", "server_count": str(servers),
        "server_list": listed,
        "super_pod_list": [
            {"super_pod_id": str(p), "server_list": [{"server_id": f"10.0.0.{s}"} for s in
                                                     range(p * each, (p + 1) * each)]}
            for p in reversed(range(pods))
        ],
    }  # fmt: skip


def names(places: Any, topology: Any) -> list[str]:
    return [topology.vertex_names[place] for place in places]


def test_a_server_is_a_node_and_a_device_a_die(tmp_path: Path) -> None:
    file = tmp_path / "rank_table.json"
    file.write_text(json.dumps(table()))
    found, machine = rank_table(file), cloudmatrix384()
    assert found.ranks == 8
    assert found.servers == ("10.0.0.0", "10.0.0.1")
    assert found.seats[0] == ("10.0.0.1", 3, 19)
    places = found.placement(machine)
    assert places.dtype == np.int32
    expected = [f"node{1 - r // 4}.die{3 - r % 4}" for r in range(8)]
    assert names(places, machine) == expected
    chosen = found.placement(machine, {"10.0.0.0": 40, "10.0.0.1": 7})
    assert names(chosen, machine)[0] == "node7.die3"
    assert names(found.placement(dgx_h800(2)), dgx_h800(2))[0] == "node1.gpu3"


def test_super_pods_come_one_after_the_other() -> None:
    found = rank_table(table(servers=4, devices=1, pods=2))
    assert found.super_pods == {"1": ("10.0.0.2", "10.0.0.3"), "0": ("10.0.0.0", "10.0.0.1")}
    placed = names(found.placement(cloudmatrix384()), cloudmatrix384())
    assert placed == ["node1.die0", "node0.die0", "node3.die0", "node2.die0"]


def test_version_1_0_has_no_super_pods() -> None:
    old = table()
    del old["super_pod_list"]
    old["version"] = "1.0"
    for server in old["server_list"]:
        for device in server["device"]:
            del device["super_device_id"]
    found = rank_table(old)
    assert found.super_pods == {}
    assert found.seats[7] == ("10.0.0.0", 0, None)
    assert np.array_equal(
        found.placement(cloudmatrix384()), rank_table(table()).placement(cloudmatrix384())
    )


def test_where_ranks_are_is_when_they_are_there() -> None:
    """Ranks 0 and 1 on one package, and on two nodes."""
    machine, step = cloudmatrix384(), [Step([0], [1], 1 << 20)]
    near, far = (
        Fabric(machine, placement=rank_table(given).placement(machine)).simulate(step).duration
        for given in (table(1, 2), table(2, 1))
    )
    assert near == Fabric(machine).simulate(step).duration
    assert far > near


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    given = copy.deepcopy(table())
    change(given)
    return given


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "version '2.0'; there are 1.0, 1.2": lambda t: t.update(version="2.0"),
    "is 'initializing'; it has to be 'completed'": lambda t: t.update(status="initializing"),
    "server_list of the rank table has to be a list": lambda t: t.update(server_list={}),
    "server_id in the rank table is None": lambda t: t["server_list"][0].pop("server_id"),
    "has a server twice": lambda t: t["server_list"][1].update(server_id="10.0.0.0"),
    "rank_id in .* is 'x'; it has to be a number":
        lambda t: t["server_list"][0]["device"][0].update(rank_id="x"),
    "has rank 0 twice": lambda t: t["server_list"][0]["device"][0].update(rank_id="0"),
    "has device 1 twice": lambda t: t["server_list"][0]["device"][0].update(device_id="1"),
    "the ranks 0, 1, 2, 3, 4, 5, 6, 9; they have to be 0 and up":
        lambda t: t["server_list"][0]["device"][0].update(rank_id="9"),
    "each has to be in one": lambda t: t["super_pod_list"][0]["server_list"].pop(),
}  # fmt: skip


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_is_refused(words: str) -> None:
    with pytest.raises(TopologyError, match=words):
        rank_table(changed(WRONG[words]))


def test_what_has_no_place_is_refused(tmp_path: Path) -> None:
    machine = cloudmatrix384()
    with pytest.raises(TopologyError, match="device 16; node 0 of cloudmatrix384 has devices 0 to"):
        rank_table(table(1, 17)).placement(machine)
    with pytest.raises(TopologyError, match=r"is node 48; cloudmatrix384 has nodes .* \.\.\. 47"):
        rank_table(table(49, 1)).placement(machine)
    with pytest.raises(TopologyError, match=r"no node is given for the servers 10\.0\.0\.1"):
        rank_table(table()).placement(machine, {"10.0.0.0": 0})
    file = tmp_path / "table.json"
    file.write_text("{")
    with pytest.raises(TopologyError, match="is no JSON"):
        rank_table(file)
    file.write_text("[]")
    with pytest.raises(TopologyError, match="no object at its top"):
        rank_table(file)
