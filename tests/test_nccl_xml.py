"""NCCL's topology XML in: its links, what is as fast as they say, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest

from fabric import Fabric, Step
from tests.support.commands import refused, run
from topology import Router, Topology, TopologyError, load
from topology.formats.nccl_xml import CPU_LINK, HOP, LANE, nccl_xml
from topology.units import GB

GEN5 = 16 * LANE["32"]


def gpu(dev: int, inside: str = "", busid: str = "", sm: int = 90) -> str:
    return (
        f'<pci busid="{busid or f"0000:1{dev}:00.0"}" class="0x030200" link_speed="32.0 GT/s PCIe"'
        f' link_width="16"><gpu dev="{dev}" sm="{sm}" rank="{dev}" gdr="1">{inside}</gpu></pci>'
    )


def nic(number: int, speed: str = "400000") -> str:
    return (
        f'<pci busid="0000:2{number}:00.0" class="0x020700" link_speed="32.0 GT/s PCIe"'
        f' link_width="16"><nic><net name="mlx5_{number}" dev="{number}" speed="{speed}" port="1"'
        ' latency="0.0" guid="0x1" maxconn="131072" gdr="1"/></nic></pci>'
    )


def switched(*inside: str, busid: str = "0000:01:00.0") -> str:
    return (
        f'<pci busid="{busid}" class="0x060400" link_speed="32.0 GT/s PCIe" link_width="16">'
        f"{''.join(inside)}</pci>"
    )


def system_of(*cpus: str, attributes: str = "") -> str:
    inside = "".join(
        f'<cpu {attributes} numaid="{number}" affinity="ff" arch="x86_64" vendor="AuthenticAMD"'
        f' familyid="175" modelid="1">{cpu}</cpu>' for number, cpu in enumerate(cpus)
    )  # fmt: skip
    return f'<system version="1">{inside}</system>'


TO_SWITCHES = "".join(
    f'<nvlink target="0000:0{at}:00.0" count="{count}" tclass="0x068000"/>'
    for at, count in ((5, 4), (6, 5), (7, 5), (8, 4))
)
"""As the GPUs of an HGX H100 have them: 18 links to four switches."""

HGX = system_of(
    switched(gpu(0, TO_SWITCHES), nic(0), busid="0000:01:00.0")
    + switched(gpu(1, TO_SWITCHES), nic(1), busid="0000:02:00.0"),
    switched(gpu(2, TO_SWITCHES), nic(2), busid="0000:03:00.0")
    + switched(gpu(3, TO_SWITCHES), nic(3), busid="0000:04:00.0"),
)


def read(folder: Path, text: str, hosts: int = 1) -> Topology:
    path = folder / "topo.xml"
    path.write_text(text, "utf-8")
    return nccl_xml(path, hosts)


def time_of(topology: Topology, planes: tuple[str, ...], src: int, dst: int, size: int) -> float:
    return Fabric(topology, planes=planes).simulate([Step(src, dst, size)]).duration


def test_nvlinks_to_switches_are_as_many_as_the_file_says(tmp_path: Path) -> None:
    found = read(tmp_path, HGX)
    assert (found.planes, found.n_endpoints) == (("nvlink", "pci"), 4)
    assert found.vertex_names[:4] == tuple(f"node0.gpu{k}" for k in range(4))
    mine = found.link_plane == found.plane("nvlink")
    assert mine.sum() == 2 * 4 * 18
    up = mine & (found.link_src < 4)
    assert found.link_bandwidth[up].sum() == 4 * 18 * 25 * GB
    size = 45 * 10**6
    assert time_of(found, ("nvlink",), 0, 3, size) == pytest.approx(HOP + size / (450 * GB))


def test_pci_is_a_tree_with_its_cpus_joined(tmp_path: Path) -> None:
    found, size = read(tmp_path, HGX), 10**8
    assert time_of(found, ("pci",), 0, 1, size) == pytest.approx(3 * HOP + size / GEN5)
    assert time_of(found, ("pci",), 0, 2, size) == pytest.approx(4 * HOP + size / CPU_LINK)
    both = Fabric(found, planes=("pci",)).simulate([Step([0, 1], [2, 3], size)])
    assert both.duration == pytest.approx(4 * HOP + 2 * size / CPU_LINK)


def test_hosts_that_are_alike_meet_on_the_network(tmp_path: Path) -> None:
    found, size = read(tmp_path, HGX, 3), 10**8
    assert found.n_endpoints == 12
    assert found.node[:12].tolist() == np.repeat(range(3), 4).tolist()
    router = Router(found)
    near = router.paths(np.array([0], np.int32), np.array([1], np.int32))[0]
    assert found.planes[router.table.plane[near]] == "nvlink"
    far = time_of(found, ("nvlink", "pci"), 0, 5, size)  # over two PCI switches and two cards
    assert far == pytest.approx(5 * HOP + size / (50 * GB))


def test_links_between_gpus_are_each_its_own_way(tmp_path: Path) -> None:
    ends = ("0001:00:00.0", "0002:00:00.0")
    text = system_of(
        gpu(0, f'<nvlink target="{ends[1]}" count="12" tclass="0x030200"/>', ends[0], 80),
        gpu(1, f'<nvlink target="{ends[0].upper()}" count="12" tclass="0x030200"/>', ends[1], 80),
    )
    found = read(tmp_path, text)
    mine = found.link_plane == found.plane("nvlink")
    assert found.link_bandwidth[mine].tolist() == [25 * GB] * 24
    assert time_of(found, ("nvlink",), 0, 1, 3 * 10**6) == pytest.approx(1e-5)


def test_files_that_nccl_is_to_complete(tmp_path: Path) -> None:
    """As clouds hand them out: of GPUs and cards only where they are, and no speeds of cards."""
    bare = '<pci busid="{}" class="{}" link_speed="16 GT/s" link_width="16"/>'
    text = system_of(switched(bare.format("1:0", "0x030200"), bare.format("2:0", "0x020700"),
                              bare.format("3:0", "0x030200")))  # fmt: skip
    found = read(tmp_path, text, 2)
    assert found.planes == ("pci",)
    assert found.vertex_names[:4] == ("node0.gpu0", "node0.gpu1", "node1.gpu0", "node1.gpu1")
    size = 10**8
    assert time_of(found, ("pci",), 0, 1, size) == pytest.approx(HOP + size / (16 * LANE["16"]))
    assert time_of(found, ("pci",), 0, 2, size) == pytest.approx(5 * HOP + size / 1.25e9)
    virtual = system_of(gpu(0) + '<nic><net name="eth0" dev="0" speed="100000"/></nic>')
    assert read(tmp_path, virtual.replace("32.0 GT/s PCIe", "")).link_bandwidth.min() == 12.5 * GB


def test_a_file_of_several_hosts_has_them_apart(tmp_path: Path) -> None:
    one = system_of(switched(gpu(0), nic(0)), attributes='host_hash="0x1"')
    both = one.replace("</system>", "") + one.replace("0x1", "0x2").partition('"1">')[2]
    found = read(tmp_path, both)
    assert found.node[: found.n_endpoints].tolist() == [0, 1]
    assert time_of(found, ("pci",), 0, 1, 0) == pytest.approx(5 * HOP)
    with pytest.raises(TopologyError, match="it has 2 hosts already"):
        read(tmp_path, both, 2)


def test_the_command_makes_a_system_of_it(tmp_path: Path) -> None:
    (tmp_path / "topo.xml").write_text(HGX, "utf-8")
    out = tmp_path / "cluster.toml"
    line = ("topo", "import", str(tmp_path / "topo.xml"))
    run(*line, "--hosts", "2", "--hop", "1 us", "--output", str(out))
    found = load(out)
    assert found.n_endpoints == 8
    assert sorted({*found.link_latency.tolist()}) == [0.0, 1e-6]
    told = run("bench", "send_recv", "--system", str(out), "--ranks", "8", "--software", "raw",
               "-b", "1M", "-e", "1M", "--format", "csv")  # fmt: skip
    assert told.count("\n") == 2
    assert "--devices is not of a file like topo.xml" in refused(*line, "--devices", "4")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<system", "is no XML"),
        ("<graphs/>", "its top is <graphs>; it has to be <system> with a <cpu> in it"),
        (system_of(nic(0)), "it has no GPUs"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><system/>', "it defines entities"),
        (system_of(gpu(0, '<nvlink target="9:0" count="2" tclass="0x030200"/>')),
         "gpu0 has an nvlink to '9:0', where there is no other GPU"),
        (system_of(gpu(0, '<nvlink target="9:0" count="0" tclass="0x030200"/>')), "count '0'"),
        (system_of(gpu(0, '<nvlink target="9:0" count="1" tclass="0x068001"/>')),
         "of class '0x068001'"),
        (system_of(gpu(0).replace("32.0 GT", "3.0 GT")), "a link of '3.0 GT/s PCIe'"),
        (system_of(gpu(0).replace('"90"', '"new"')), "sm of a gpu is 'new'"),
        (system_of(gpu(0) + nic(0, "fast")), "speed of a net is 'fast'"),
        (system_of(gpu(0) + gpu(0, busid="0000:99:00.0")), "node0.gpu0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_that_names_it(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TopologyError, match=re.escape(said)) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "topo.xml"))
    assert "\n" not in str(caught.value)
