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
from topology.formats.rank_table_forms import FORMS, Form


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
    "server_id in the rank table is missing": lambda t: t["server_list"][0].pop("server_id"),
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


def pods(*names: str, devices: int = 2) -> dict[str, Any]:
    """The form before version 1.0: a pod a server, ranks in the order of the file."""
    instances = [
        {"pod_name": name, "server_id": f"10.0.0.{at}",
         "devices": [{"device_id": str(d), "device_ip": "192.0.2.1"} for d in range(devices)]}
        for at, name in enumerate(names)
    ]  # fmt: skip
    group = {"group_name": "g", "device_count": str(devices * len(names)),
             "instance_count": str(len(names)), "instance_list": instances}  # fmt: skip
    return {"status": "completed", "group_count": "1", "group_list": [group]}


def test_the_form_of_groups_counts_ranks_in_order() -> None:
    found = rank_table(pods("job-0", "job-1"))
    assert [seat[:2] for seat in found.seats] == [
        ("10.0.0.0", 0), ("10.0.0.0", 1), ("10.0.0.1", 0), ("10.0.0.1", 1),
    ]  # fmt: skip
    numbered = pods("b", "a", devices=1)
    for rank, instance in zip((1, 0), numbered["group_list"][0]["instance_list"], strict=True):
        instance["rank_id"] = str(rank)
    assert [seat.server for seat in rank_table(numbered).seats] == ["10.0.0.1", "10.0.0.0"]
    with pytest.raises(TopologyError, match="another order than that of their names"):
        rank_table(pods("job-1", "job-0"))
    short = pods("job-0", "job-1")
    short["group_list"][0]["instance_list"][1]["devices"].pop()
    with pytest.raises(TopologyError, match=r"device_count in .* is '4'; it lists 3"):
        rank_table(short)


def test_the_form_of_server_groups_has_one_world_a_group() -> None:
    one = {"version": "1.2", "status": "completed", "server_group_list": [
        {"group_id": "0", "server_count": "1", "server_list": [{"server_ip": "10.0.0.9"}]},
        {"group_id": "2", "server_count": "2", "server_list": table()["server_list"]},
    ]}  # fmt: skip
    assert rank_table(one).seats == rank_table(table()).seats
    one["server_group_list"].append({"group_id": 3, "server_list": table(1)["server_list"]})
    with pytest.raises(TopologyError, match=r"2 groups with devices .* \(2, 3\)"):
        rank_table(one)
    assert rank_table(one, "3").ranks == 4
    with pytest.raises(TopologyError, match="no group '0' with devices; there are 2, 3"):
        rank_table(one, "0")


def test_prefill_and_decode_are_worlds_of_their_own() -> None:
    def devices(*rows: tuple[str, int, int]) -> list[dict[str, str]]:
        return [
            {"server_id": server, "device_id": str(device), "super_pod_id": "0",
             "super_device_id": "7", "cluster_id": str(cluster)}
            for server, device, cluster in rows
        ]  # fmt: skip

    given = {"version": "1.2", "server_count": "2", "status": "completed",
             "prefill_device_list": devices(("a", 0, 2), ("a", 1, 1)),
             "decode_device_list": devices(("b", 5, 1))}  # fmt: skip
    with pytest.raises(TopologyError, match="each a world of its own: say which part, prefill or"):
        rank_table(given)
    assert [seat.device for seat in rank_table(given, "prefill").seats] == [1, 0]
    assert rank_table(given, "decode").seats == (("b", 5, 7),)
    given["decode_device_list"][0]["cluster_id"] = "x"
    with pytest.raises(TopologyError, match=r"cluster_id in decode_device_list .* is 'x'"):
        rank_table(given, "decode")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.update(server_count="3"), "server_count in the rank table is '3'; it lists 2"),
        (lambda t: t.update(rank_list=[]), r"rank_list \(version 2.0\), which is not read"),
        (lambda t: t.pop("server_list"), "has no server_list, a list of objects; it has status"),
        (lambda t: t["server_list"].clear() or t.pop("server_count"), "has the ranks none"),
        (lambda t: t["server_list"][0]["device"][0].update(rank_id=True), "rank_id in .* is true"),
        (lambda t: t["server_list"][0]["device"][0].update(rank_id=0.0), "rank_id in .* is 0.0"),
        (lambda t: t["server_list"][0]["device"][0].update(device_id="9" * 5000), "device_id in"),
    ],
)
def test_what_is_listed_is_what_is_said(change: Callable[[Any], Any], words: str) -> None:
    given = table(pods=1)
    del given["super_pod_list"]
    change(given)
    with pytest.raises(TopologyError, match=words):
        rank_table(given)
    with pytest.raises(TopologyError, match="there is no part 'prefill'"):
        rank_table(table(), "prefill")


def test_a_form_of_text_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Such as a host and a device a line: beside files of JSON, which are read as before."""

    def table(name: str, text: str, part: str | None) -> dict[str, Any]:
        rows = [line.split() for line in text.splitlines()[1:]]
        servers: dict[str, list[dict[str, int]]] = {}
        for rank, (host, device) in enumerate(rows):
            servers.setdefault(host, []).append({"rank_id": rank, "device_id": int(device)})
        return {"server_list": [{"server_id": h, "device": ds} for h, ds in servers.items()]}

    form = Form(lambda content: isinstance(content, str) and content.startswith("#hosts"), table)
    monkeypatch.setattr("topology.formats.rank_table_forms.FORMS", (*FORMS, form))
    text = tmp_path / "hosts.txt"
    text.write_text("#hosts\na 3\nb 0\na 1\n")
    found = rank_table(text)
    assert [(seat.server, seat.device) for seat in found.seats] == [("a", 3), ("b", 0), ("a", 1)]
    text.write_text("a 3\n")
    with pytest.raises(TopologyError, match="is no JSON: line 1, column 1"):
        rank_table(text)
