"""``triplane topo cost-matrix``: beside ways that are summed up one by one, and simulations."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabric import Fabric, Step
from fabric.endpoint.costs import MESSAGE
from fabric.endpoint.stacks import usual
from fabric.machine import MachineSpec
from tests.support.commands import refused, run
from topology import Router, Topology, system
from topology.analysis import pair_costs as room
from topology.analysis.pair_costs import ends_of, group_costs
from topology.placement.rank_cost import rank_costs
from topology.routing.listing import ways

SMALL = ("dgx_h800:2", "star:5", "ring:5", "fat_tree:2", "supernode:8")


def rows(*arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        run("topo", "cost-matrix", *arguments, "--format", "json")
    )
    return found


def slow(topology: Topology, plane: str) -> dict[tuple[str, str], tuple[float, float]]:
    """Latency and bandwidth of each pair, as `topo route` lists its ways."""
    router = Router(topology, "spray", (plane,))
    found = {}
    for a in ends_of(topology, plane).tolist():
        for b in ends_of(topology, plane).tolist():
            if a != b and router.connects(np.array([a], np.int32), np.array([b], np.int32))[0]:
                pair = topology.vertex_names[a], topology.vertex_names[b]
                listed = ways(router, *pair)
                found[pair] = listed.latency, listed.bandwidth
    return found


@pytest.mark.parametrize("name", SMALL)
def test_endpoints_are_as_their_ways_are_listed(name: str) -> None:
    topology = system(name)
    found = rows(name, "--by", "endpoint")
    for plane in topology.planes:
        expected = slow(topology, plane)
        mine = {(row["src"], row["dst"]): row for row in found if row["plane"] == plane}
        assert mine.keys() == expected.keys()
        for pair, (latency, bandwidth) in expected.items():
            row = mine[pair]
            assert row["pairs"] == 1
            assert row["latency_us_min"] == row["latency_us_max"]
            assert row["latency_us_min"] == pytest.approx(latency * 1e6)
            assert row["bandwidth_GBps_min"] == pytest.approx(bandwidth / 1e9)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("dgx_h800:2", "level"), ("dgx_h800:2", "node"),  # it has no packages
        ("supernode:16", "level"), ("supernode:16", "node"), ("supernode:16", "package"),
    ],
)  # fmt: skip
def test_a_group_has_the_lowest_and_highest_of_its_pairs(name: str, by: str) -> None:
    topology = system(name)
    for plane in topology.planes:
        router = Router(topology, "spray", (plane,))
        ends = ends_of(topology, plane)
        if by != "level" and by != "node" and (getattr(topology, by)[ends] < 0).any():
            continue
        each, _ = group_costs(router, ends, "endpoint")
        groups, whole = group_costs(router, ends, by)
        assert whole
        expected: dict[tuple[int, int, str], list[Any]] = {}
        for one in each:
            at = (-1, -1) if by == "level" else tuple(
                int(getattr(topology, by)[end]) for end in (one.src, one.dst))  # fmt: skip
            expected.setdefault((at[0], at[1], one.level), []).append(one)
        assert {(one.src, one.dst, one.level) for one in groups} == expected.keys()
        for one in groups:
            pairs = expected[one.src, one.dst, one.level]
            assert one.pairs == len(pairs)
            assert one.latency == (
                min(pair.latency[0] for pair in pairs), max(pair.latency[1] for pair in pairs)
            )  # fmt: skip
            assert one.bandwidth == (
                min(pair.bandwidth[0] for pair in pairs), max(pair.bandwidth[1] for pair in pairs)
            )  # fmt: skip
            last = next(pair for pair in pairs if (pair.src, pair.dst) == one.farthest)
            assert last.latency[1] == one.latency[1]


def test_of_many_endpoints_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = system("dgx_h800:8")
    router = Router(topology, "spray", ("rdma",))
    ends = ends_of(topology, "rdma")
    everything = {by: group_costs(router, ends, by)[0] for by in ("level", "node")}
    monkeypatch.setattr(room, "MOST_PAIRS", 1024)
    for by, before in everything.items():
        after, whole = group_costs(router, ends, by)
        assert not whole
        seen = [(one.src, one.dst, one.level, one.latency, one.bandwidth) for one in after]
        assert seen == [(o.src, o.dst, o.level, o.latency, o.bandwidth) for o in before]
        assert sum(one.pairs for one in after) <= 1024
    assert "# rdma: some endpoints stand for all" in run(
        "topo", "cost-matrix", "dgx_h800:8", "--plane", "rdma", "--by", "node"
    )


def test_cloudmatrix384_is_as_published() -> None:
    found = {(row["plane"], row["level"]): row for row in rows("cloudmatrix384")}
    ub = found["ub", "supernode"]
    assert ub["pairs"] == 768 * (768 - 16)
    assert ub["bandwidth_GBps_min"] == ub["bandwidth_GBps_max"] == 196
    assert ub["latency_us_max"] > found["ub", "node"]["latency_us_max"]
    assert found["rdma", "supernode"]["bandwidth_GBps_max"] == 25
    assert found["package", "package"]["pairs"] == 768


def test_software_adds_what_a_message_takes_in_a_simulation() -> None:
    topology = system("dgx_h800:2")
    for row in rows("dgx_h800:2", "--by", "level", "--software", "usual", "--size", "1M"):
        far = (0, 1) if row["level"] == "node" else (0, 9)  # another node, on another rail
        fabric = Fabric(topology, endpoint=usual(topology), planes=(row["plane"],), placement=far)
        one = fabric.simulate([Step(0, 1, 1 << 20)], operation=MESSAGE, size=1 << 20, ranks=2)
        assert row["message_us"] == pytest.approx(one.duration * 1e6)
        assert row["software"] == "nccl"
    wire = rows("star:3", "--by", "level", "--software", "raw", "--size", "196000")
    assert wire[0]["message_us"] == pytest.approx(wire[0]["latency_us_min"] + 1)


def test_rank_cost_is_the_matrix_of_the_placers_format(tmp_path: Path) -> None:
    matrix = json.loads(run("topo", "cost-matrix", "dgx_h800:2", "--format", "rank-cost"))
    costs = np.array(matrix["rank_cost_matrix"])
    topology = system("dgx_h800:2")
    expected = rank_costs(Router(topology), topology.accelerators) * 1e6
    assert costs == pytest.approx(expected, abs=1e-6)
    assert (np.diag(costs) == 0).all()
    machine = tmp_path / "machine.json"
    MachineSpec("dgx_h800:2", placement=(9, 0)).save(machine)
    two = json.loads(run("topo", "cost-matrix", "--machine", str(machine), "--format", "rank-cost"))
    assert np.array(two["rank_cost_matrix"]) == pytest.approx(
        costs[np.ix_([9, 0], [9, 0])], abs=1e-9
    )


def test_a_dead_switch_is_in_the_costs_and_csv_is_the_same_as_json() -> None:
    line = ("supernode:16", "--plane", "ub")
    whole, hurt = rows(*line), rows(*line, "--without", "node0.l1.0")
    fewer = {row["level"]: row["bandwidth_GBps_min"] for row in hurt}
    assert fewer["supernode"] < whole[-1]["bandwidth_GBps_min"]
    text = run("topo", "cost-matrix", *line, "--format", "csv")
    for row, other in zip(csv.DictReader(io.StringIO(text)), whole, strict=True):
        assert {**other, **row}.keys() == {*row, "machine"}
        assert float(row["latency_us_max"]) == other["latency_us_max"]


def test_what_is_not_there_is_one_line() -> None:
    line = ("topo", "cost-matrix", "star:4")
    assert "has no rack for each endpoint; there are level, node, endpoint" in refused(
        *line, "--by", "rack"
    )
    assert "net" in refused(*line, "--plane", "ub")
    assert "no software 'nope'" in refused(*line, "--software", "nope")
    many = refused("topo", "cost-matrix", "supernode:4096", "--plane", "ub", "--by", "endpoint")
    assert "choose level or supernode or rack or node or package" in many
