"""Network files of SimAI and ASTRA-sim: what they become, and what is refused by its line."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from fabric import Fabric, Step
from topology import Topology, system
from topology.errors import TopologyError
from topology.formats.simulators import astra_network, is_astra_network, simai_topo
from topology.units import GB, NS, GiB

SIMAI = """\
8 2 2 2 12 H100
4 5 6 7 \n\
0 4 2880Gbps 0.000025ms 0
0 6 400Gbps 0.0005ms 0
1 4 2880Gbps 0.000025ms 0
1 6 400Gbps 0.0005ms 0
2 5 2880Gbps 0.000025ms 0
2 6 400Gbps 0.0005ms 0
3 5 2880Gbps 0.000025ms 0
3 6 400Gbps 0.0005ms 0
6 7 400Gbps 0.0005ms 0
6 7 400Gbps 0.0005ms 0
6 7 400Gbps 0.0005ms 0
6 7 400Gbps 0.0005ms 0
"""
"""Two servers of two GPUs, as gen_Topo_Template.py of SimAI writes them."""

ASTRA = """\
# 3D topology with 64 NPUs (2 x 8 x 4)
topology: [ Ring, FullyConnected, Switch ]  # of each dimension
npus_count: [ 2, 8, 4 ]

bandwidth: [ 200.0, 100.0, 50.0 ]  # GB/s
latency: [ 50.0, 500.0, 2000.0 ]  # ns
"""


def given(folder: Path, text: str, name: str = "given.yml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def alone(topology: Topology, src: int, dst: int, size: int, plane: str) -> float:
    """Seconds of one transfer."""
    fabric = Fabric(topology, planes=(plane,))
    return fabric.simulate([Step([src], [dst], size)]).duration


def test_a_topology_of_simai(tmp_path: Path) -> None:
    found = simai_topo(given(tmp_path, SIMAI, "Spectrum"))
    assert (found.n_endpoints, found.n_vertices) == (4, 8)
    assert found.planes == ("nvlink", "net")
    assert found.node[:4].tolist() == [0, 0, 1, 1]
    assert found.vertex_names[:2] == ("node0.gpu0", "node0.gpu1")
    size = 36 << 20
    assert alone(found, 0, 1, size, "nvlink") == pytest.approx(50 * NS + size / (360 * GB))
    assert alone(found, 0, 3, size, "net") == pytest.approx(1000 * NS + size / (50 * GB))


def test_a_network_of_astra_sim(tmp_path: Path) -> None:
    found = astra_network(given(tmp_path, ASTRA))
    assert found.n_endpoints == 64
    assert np.bincount(found.node[:64]).tolist() == [2] * 32
    size = 50 << 20
    assert alone(found, 0, 1, size, "net") == pytest.approx(50 * NS + size / (200 * GiB))
    # npu 2 is next to 0 in the second dimension, npu 16 in the third, behind its switch
    assert alone(found, 0, 2, size, "net") == pytest.approx(500 * NS + size / (100 * GiB))
    assert alone(found, 0, 16, size, "net") == pytest.approx(4000 * NS + size / (50 * GiB))


def test_a_ring_of_astra_sim_has_a_cable_between_neighbours(tmp_path: Path) -> None:
    text = "topology:\n  - Ring\nnpus_count:\n  - 6\nbandwidth:\n  - 50\nlatency: [500]\n"
    found = astra_network(given(tmp_path, text))
    assert found.n_links == 12 + 12  # and to a router each
    size = 50 << 20
    assert alone(found, 0, 2, size, "net") == pytest.approx(1000 * NS + size / (50 * GiB))
    assert astra_network(given(tmp_path, text.replace("6", "2"))).n_links == 2 + 4


def test_the_command_knows_such_files(tmp_path: Path) -> None:
    out = tmp_path / "out.toml"
    for name, text in (("Spectrum-X_4g_2gps_400Gbps_H100", SIMAI), ("network.yml", ASTRA)):
        path = given(tmp_path, text, name)
        done = CliRunner().invoke(main, ["topo", "import", str(path), "--output", str(out)])
        assert done.exit_code == 0, done.stderr
        made = astra_network(path) if is_astra_network(path) else simai_topo(path)
        assert system(out).equals(made)
        wrong = CliRunner().invoke(main, ["topo", "import", str(path), "--hosts", "2"])
        assert "--hosts is not of a file like" in wrong.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: numbers of nodes"),
        (SIMAI.replace("8 2 2 2 12", "8 2 2 2 13"), "line 1: 13 links, and the file has 12"),
        (SIMAI.replace("8 2 2 2 12", "4 2 2 2 12"), "line 1: 4 nodes with 0 GPUs"),
        (SIMAI.replace("4 5 6 7", "4 5 6"), "line 2: the switches are not 4 to 7"),
        (SIMAI.replace("1 6 400Gbps", "1 9 400Gbps"), "line 6: '9' is no number from 0 to 7"),
        (SIMAI.replace("1 6 400Gbps", "1 6 fast"), "line 6: .*fast"),
        (SIMAI.replace("1 6 400Gbps 0.0005ms 0", "1 6"), "line 6: two ends, a bandwidth"),
    ],
)
def test_wrong_topologies_of_simai_are_named_by_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TopologyError, match=rf"Spectrum: {said}"):
        simai_topo(given(tmp_path, text, "Spectrum"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ASTRA.replace("npus_count", "npu_count"), "it has no npus_count; .* near it: npu_count"),
        (ASTRA.replace("Ring", "Rings"), "line 2: no topology 'Rings'; .* near it: Ring"),
        (ASTRA.replace("[ 2, 8, 4 ]", "[ 2, 8 ]"), "line 3: npus_count has 2 values of 3"),
        (ASTRA.replace("[ 2, 8, 4 ]", "[ 2, 0, 4 ]"), "line 3: '0' is no number from 1"),
        (ASTRA.replace("500.0", "soon"), "line 6: 'soon' is no number of 0 or more"),
        (ASTRA + "what\n", "line 7: 'what' is no key with a list"),
        (ASTRA.replace("[ 2, 8, 4 ]", "[ 2048, 1024, 4 ]"), "8388608 NPUs; 1048576 at most"),
    ],
)
def test_wrong_networks_of_astra_sim_are_named_by_line(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(TopologyError, match=rf"given.yml: {said}"):
        astra_network(given(tmp_path, text))
