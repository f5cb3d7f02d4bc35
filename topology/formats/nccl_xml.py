"""NCCL's topology XML in: GPUs, NVLink, PCI switches and network cards of a host.

It is what ``NCCL_TOPO_DUMP_FILE`` writes and ``NCCL_TOPO_FILE`` reads (``src/graph/topo.cc`` and
``xml.cc`` of NCCL). NVLinks make up the plane ``nvlink``. PCI switches, CPUs and network cards make
up the plane ``pci``, on which the cards of all hosts hang on one switch, ``network``. Bandwidths
are what links are built for, as in the presets, and not what NCCL reckons with: a stack's costs
have what of it is reached. Chip-to-chip links of CPUs (``c2c``) are left out.

The file says of one host, unless its CPUs are of several (``host_hash``): so many copies of it can
be asked for. It has no latencies, and no bandwidth between CPUs: these are assumptions.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from topology.draft import Draft
from topology.errors import TopologyError
from topology.files.reading import read_text, shown, whole
from topology.graph import Topology
from topology.units import GB, NS, Gbit

HOP = 500 * NS
"""Seconds to cross a switch, a CPU, a card or the network. Assumption."""

CPU_LINK = 32 * GB
"""Bytes per second between two CPUs of a host, each way. Assumption: NCCL reckons with 6 to 40 GB/s
by the kind of CPU (``topo.h``)."""

CARD = 10 * Gbit
"""Bytes per second of a network card that says none, as NCCL has it."""

LANE = {"2.5": 0.25 * GB, "5": 0.5 * GB, "8": 8 / 8 * 128 / 130 * GB, "16": 16 / 8 * 128 / 130 * GB,
        "32": 32 / 8 * 128 / 130 * GB, "64": 64 / 8 * 242 / 256 * GB}  # fmt: skip
"""Bytes per second of a lane of PCI Express each way, by its GT/s: with the code that its
generation has (8b/10b, 128b/130b, and flits of 256 bytes with 242 of data)."""

USUAL_LANES = ("8", 16)
"""GT/s and lanes where the file has none, as NCCL takes it: the third generation, by 16."""

NVLINK = {60: 20 * GB, 70: 25 * GB, 80: 25 * GB, 86: 14.0625 * GB, 87: 25 * GB, 100: 50 * GB}
"""Bytes per second of an NVLink each way, from a compute capability on (NVIDIA's data sheets of
P100, V100, A100, RTX A6000, H100, B200)."""

MOST = 1 << 22
"""Bytes of a file at most."""

MOST_HOSTS = 1 << 12
"""Hosts of a cluster at most."""

GPU, CARD_CLASS, SWITCH = "0x03", "0x02", "0x068000"
_SPEED = re.compile(r"\s*([0-9.]+?)(?:\.0)?\s*GT/s.*")


@dataclass(frozen=True)
class PciPart:
    """A part of a host's tree: ``kind`` is cpu, pci, gpu or nic; ``up``: bytes per second to it."""

    kind: str
    name: str
    host: str
    above: int
    up: float
    nets: tuple[tuple[str, float], ...] = ()
    links: tuple[tuple[str, float], ...] = ()
    busid: str = ""


@dataclass
class PciTree:
    """The parts of a file, those above before those below."""

    parts: list[PciPart] = field(default_factory=list)


def nccl_xml(path: str | Path, hosts: int = 1, hop: float = HOP) -> Topology:
    """The host in the XML at ``path``, or so many of its like on one network, as a topology.

    ``hop``: seconds to cross a switch, a CPU or a card. GPUs are ``node0.gpu0`` ..., by their
    ``dev``. Raises `TopologyError` naming the file and what is wrong.
    """
    text = read_text(path, TopologyError, MOST)
    try:
        if re.search(r"<!(DOCTYPE|ENTITY)", text):
            raise TopologyError("it defines entities, which NCCL's files never do")
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise TopologyError(f"{path} is no XML: {error}") from None
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None
    try:
        return _built(_tree(root), Path(path).stem, hosts, hop)
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None


def _tree(root: ET.Element) -> PciTree:
    if root.tag != "system" or root.find("cpu") is None:
        raise TopologyError(f"its top is <{root.tag}>; it has to be <system> with a <cpu> in it")
    tree = PciTree()
    for number, cpu in enumerate(root.iter("cpu")):
        host = cpu.get("host_hash", "")
        tree.parts.append(PciPart("cpu", f"cpu{cpu.get('numaid', number)}", host, -1, CPU_LINK))
        _below(tree, cpu, host, len(tree.parts) - 1)
    if not any(part.kind == "gpu" for part in tree.parts):
        raise TopologyError("it has no GPUs; NCCL's own dump of a host has them")
    return tree


def _below(tree: PciTree, element: ET.Element, host: str, above: int) -> None:
    for one in element.findall("pci"):
        busid, kind = one.get("busid", ""), one.get("class", "")
        gpu, nic, up = one.find("gpu"), one.find("nic"), _lanes(one)
        if gpu is not None or kind.startswith(GPU):
            links = tuple(_links(gpu)) if gpu is not None else ()
            count = sum(part.kind == "gpu" and part.host == host for part in tree.parts)
            name = f"gpu{count if gpu is None else gpu.get('dev', count)}"
            tree.parts.append(PciPart("gpu", name, host, above, up, (), links, busid))
        elif nic is not None or kind.startswith(CARD_CLASS):
            tree.parts.append(_card(one if nic is None else nic, busid, host, above, up))
        else:
            tree.parts.append(PciPart("pci", f"pci.{busid}", host, above, up, busid=busid))
            _below(tree, one, host, len(tree.parts) - 1)
    for number, nic in enumerate(element.findall("nic")):  # of a host whose tree is not known
        tree.parts.append(_card(nic, f"{above}.{number}", host, above, _lanes(nic)))


def _card(nic: ET.Element, busid: str, host: str, above: int, up: float) -> PciPart:
    nets = tuple(
        (net.get("name", f"net{number}"), _mbps(net.get("speed", "0")))
        for number, net in enumerate(nic.findall("net"))
    )
    return PciPart("nic", f"nic.{busid}", host, above, up, nets or ((busid, CARD),))


def _mbps(text: str) -> float:
    speed = whole(text, -1, 10**8)
    if speed is None:
        raise TopologyError(f"speed of a net is {shown(text)}; it has to be Mbit/s")
    return speed / 1000 * Gbit if speed > 0 else CARD


def _lanes(one: ET.Element) -> float:
    """Bytes per second of a part's own link upwards; of a virtual one the usual."""
    speed, width = one.get("link_speed", ""), whole(one.get("link_width") or "0", 0, 64)
    found = _SPEED.fullmatch(speed)
    rate = found[1] if found else USUAL_LANES[0]
    is_said = speed.strip().lower() not in ("", "unknown")
    if width is None or rate not in LANE or (is_said and not found):
        raise TopologyError(
            f"a link of {shown(speed)} and {shown(one.get('link_width'))} lanes; known are"
            f" {', '.join(LANE)} GT/s"
        )
    return LANE[rate] * (width or USUAL_LANES[1])


def _links(gpu: ET.Element) -> Iterator[tuple[str, float]]:
    """The address of what each NVLink of a GPU leads to, and its bandwidth."""
    capability = whole(gpu.get("sm", "80"), 0, 10**4)
    if capability is None:
        raise TopologyError(
            f"sm of a gpu is {shown(gpu.get('sm'))}; it has to be a number such as 90"
        )
    each = next((rate for least, rate in reversed(NVLINK.items()) if capability >= least), 25 * GB)
    for link in gpu.findall("nvlink"):
        count, kind = whole(link.get("count", "1"), 1, 1 << 10), link.get("tclass", GPU)
        target = link.get("target", "")
        if count is None or not (kind == SWITCH or kind.startswith(GPU)) or not target:
            raise TopologyError(
                f"nvlink to {shown(target)} of class {shown(kind)}, count"
                f" {shown(link.get('count'))};"
                f" read are those to GPUs ({GPU}...) and switches ({SWITCH}), 1 or more"
            )
        for _ in range(count):
            yield (f"switch {target}" if kind == SWITCH else target), each


def _built(tree: PciTree, name: str, hosts: int, hop: float) -> Topology:
    own = list(dict.fromkeys(part.host for part in tree.parts))
    if hosts > 1 and len(own) > 1:
        raise TopologyError(f"it has {len(own)} hosts already, so there are no copies of it")
    has_links = any(part.links for part in tree.parts)
    draft = Draft(("nvlink", "pci") if has_links else ("pci",))
    numbers = [(copy, {host: copy if hosts > 1 else at for at, host in enumerate(own)})
               for copy in range(hosts)]  # fmt: skip
    vertex: dict[tuple[int, int], int] = {}
    for kinds in (("gpu",), ("cpu", "pci", "nic")):
        for copy, node in numbers:
            for at, part in enumerate(tree.parts):
                if part.kind in kinds:
                    add = draft.endpoints if part.kind == "gpu" else draft.switches
                    label = f"node{node[part.host]}.{part.name}"
                    vertex[copy, at] = int(add([label], part.kind, node=node[part.host])[0])
    network = int(draft.switches(["network"], "network")[0])
    for copy, node in numbers:
        _pci(draft, tree, {at: vertex[copy, at] for at in range(len(tree.parts))}, network, hop)
        _nvlinks(draft, tree, {at: vertex[copy, at] for at in range(len(tree.parts))}, node, hop)
    return draft.freeze(name)


def _pci(draft: Draft, tree: PciTree, vertex: dict[int, int], network: int, hop: float) -> None:
    """Links of a host: to what is above, between CPUs, and from cards to the network."""
    cpus: dict[str, list[int]] = {}
    for at, part in enumerate(tree.parts):
        back = 0.0 if part.kind == "gpu" else hop
        if part.kind == "cpu":
            for other in cpus.setdefault(part.host, []):
                draft.connect(other, vertex[at], "pci", CPU_LINK, hop, hop)
            cpus[part.host].append(vertex[at])
        else:
            draft.connect(vertex[at], vertex[part.above], "pci", part.up, hop, back)
        for _, bandwidth in part.nets:
            draft.connect(vertex[at], network, "pci", bandwidth, hop, hop)


def _nvlinks(
    draft: Draft, tree: PciTree, vertex: dict[int, int], node: dict[str, int], hop: float
) -> None:  # fmt: skip
    """NVLinks of a host; each GPU has its own in the file, so one to a GPU is one way."""
    gpus = {(part.host, part.busid.lower()): at for at, part in enumerate(tree.parts)
            if part.kind == "gpu"}  # fmt: skip
    switches: dict[tuple[str, str], int] = {}
    for at, part in enumerate(tree.parts):
        for target, bandwidth in part.links:
            kind, _, address = target.partition("switch ")
            if not kind:
                key = (part.host, address)
                if key not in switches:
                    label = f"node{node[part.host]}.nvswitch.{address}"
                    switches[key] = int(
                        draft.switches([label], "nvswitch", node=node[part.host])[0]
                    )
                draft.connect(vertex[at], switches[key], "nvlink", bandwidth, hop)
            else:
                other = gpus.get((part.host, target.lower()))
                if other is None or other == at:
                    raise TopologyError(
                        f"{part.name} has an nvlink to {shown(target)}, where there is no other GPU"
                    )
                draft.link(vertex[at], vertex[other], "nvlink", bandwidth, 0.0)
