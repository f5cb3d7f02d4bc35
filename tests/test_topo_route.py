"""Ways one by one, and ``triplane topo route``."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import refused, run
from topology import RouteError, Router, Topology, TopologyError, fat_tree, ring, supernode, system
from topology.routing.listing import ways
from topology.units import GB

SHAPES = {
    "supernode": (lambda: supernode(24, l2_chips=4), "node0.die0", "node2.die3"),
    "without a chip": (
        lambda: supernode(24, l2_chips=4).without("l2.0.1"), "node0.die0", "node2.die3"
    ),
    "fat tree": (lambda: fat_tree(4), "host0", "host15"),
    "ring": (lambda: ring(4), "host0", "host2"),
    "mesh": (lambda: system("atlas950:128"), "rack0.npu0", "rack0.npu9"),
    "racks": (lambda: system("atlas950:128"), "rack0.npu0", "rack1.npu9"),
    "rails": (lambda: system("h800:3"), "node0.gpu0", "node1.gpu3"),
}  # fmt: skip


EVERYWHERE = ("spray", "adaptive", "hash:seed=3", "weighted")
MESHES = ("mesh", "racks")


@pytest.mark.parametrize(
    ("name", "policy"),
    [*((n, p) for n in SHAPES for p in EVERYWHERE), *((n, "all-path") for n in MESHES)],
)
def test_ways_together_load_links_as_the_path_does(name: str, policy: str) -> None:
    make, src, dst = SHAPES[name]
    machine = make()
    router = Router(machine, policy)
    found = ways(router, src, dst)
    assert found.count == len(found.shown)
    assert sum(way.weight for way in found.shown) == pytest.approx(1)
    ended = [(way.vertices[0], way.vertices[-1]) for way in found.shown]
    assert ended == [(src, dst)] * found.count
    assert max(way.latency for way in found.shown) == pytest.approx(found.latency)
    load: dict[tuple[str, str], float] = defaultdict(float)
    for way in found.shown:
        for pair in zip(way.vertices[:-1], way.vertices[1:], strict=True):
            load[pair] += way.weight
    expected, links = _by_pair(router, machine, src, dst)
    assert load == pytest.approx(expected)
    assert links == found.links


def _by_pair(
    router: Router, machine: Topology, src: str, dst: str
) -> tuple[dict[tuple[str, str], float], int]:
    """What the path carries from vertex to vertex, and over how many links."""
    ends = (np.array([machine.vertex(end)], np.int32) for end in (src, dst))
    (number,) = router.paths(*ends)
    table, load, links = router.table, defaultdict(float), 0
    for entry in range(table.begin[number], table.begin[number + 1]):
        members = router.links(int(table.resource[entry])).tolist()
        links += len(members)
        for link in members:
            pair = machine.link_src[link], machine.link_dst[link]
            names = tuple(machine.vertex_names[vertex] for vertex in pair)
            load[names] += float(table.weight[entry]) / len(members)
    return load, links


def test_bandwidth_alone_is_that_of_the_narrowest_place() -> None:
    assert ways(Router(supernode(16)), "node0.die0", "node1.die0").bandwidth == 196 * GB
    assert ways(Router(supernode(16), "hash"), "node0.die0", "node1.die0").bandwidth == 28 * GB
    mesh = system("ubmesh:1024")
    for policy, links in (("spray", 1), ("all-path", 7)):
        found = ways(Router(mesh, policy), "rack0.npu0", "rack0.npu1")
        assert found.bandwidth == pytest.approx(links * 56 * GB)


def test_only_so_many_are_listed_and_all_are_counted() -> None:
    found = ways(Router(supernode(384)), "node0.die0", "node1.die0", most=3)
    assert (found.count, len(found.shown)) == (112, 3)


def test_what_is_no_endpoint_is_refused() -> None:
    router = Router(supernode(16))
    with pytest.raises(TopologyError, match=r"'node0.dei0'; near it: node0.die0"):
        ways(router, "node0.dei0", "node0.die1")
    with pytest.raises(TopologyError, match=r"l2.0.0 of supernode.16. is a switch.*node0.die0 to"):
        ways(router, "node0.die0", "l2.0.0")
    with pytest.raises(RouteError, match="itself"):
        ways(router, "node0.die0", "node0.die0")


def test_the_command() -> None:
    text = run("topo", "route", "node0.die0", "node1.die2", "--system", "supernode:16",
               "--without", "l2.3.*", "--most", "2")  # fmt: skip
    head, columns, *rows, more = text.splitlines()
    assert head == (
        "# spray on supernode(16), node0.die0 to node1.die2: 12 ways over 204 links of ub,"
        " 168 GB/s alone, 0.5625 us on the wire"
    )
    assert columns.split() == ["weight", "latency", "us", "way"]
    assert rows[0].split() == [
        "0.083333", "0.5625", "node0.die0", "node0.l1.0", "l2.0.0", "node1.l1.0", "node1.die2",
    ]  # fmt: skip
    assert len(rows) == 2
    assert more == "# and 10 more: --most lists them"
    (row,) = json.loads(run("topo", "route", "node0.die0", "node0.die1", "--format", "json"))
    assert (row["weight"], row["plane"]) == (1.0, "package")
    assert row["links"] == "node0.die0->node0.die1 (package)"
    assert row["machine"]["system"] == "cloudmatrix384"
    assert "near it: node0.die1" in refused("topo", "route", "node0.die0", "node0.dye1")


def test_of_a_file_that_names_no_software_nothing_is_missed(tmp_path: Path) -> None:
    """Only times have software's costs; warnings are errors here."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "pair"\nplanes = ["net"]\n[[endpoints]]\nkind = "host"\nnames = ["a", "b"]\n'
        '[[links]]\nplane = "net"\nfrom = "a"\nto = "b"\nbandwidth = "1 GB/s"\nlatency = "1 us"\n'
    )
    assert run("topo", "route", "a", "b", "--system", str(path)).startswith("# spray on pair")
