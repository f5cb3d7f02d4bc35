"""Network files of other simulators in: SimAI's topologies, ASTRA-sim's analytical networks.

Both are read as they are meant there: what a file has no word for, such as the time of a switch, is
in its latencies.
"""

import math
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from topology.draft import Draft
from topology.errors import TopologyError, TriplaneError
from topology.files.reading import read_text, shown, whole
from topology.graph import Topology
from topology.names import near
from topology.units import NS, GiB, parse

MOST = 1 << 26
"""Bytes of a file at most."""

MOST_NODES = 1 << 20
"""GPUs and switches of a file at most."""

SHAPES = ("Ring", "FullyConnected", "Switch")
"""What a dimension of ASTRA-sim's analytical networks can be."""

_KEYS = ("topology", "npus_count", "bandwidth", "latency")
_ENTRY = re.compile(r"\s*(\w+)\s*:\s*(?:\[([^\]]*)\]|(.*?))\s*")


def is_astra_network(path: str | Path) -> bool:
    """True if the file at ``path`` has the keys of ASTRA-sim's analytical networks."""
    text = read_text(path, TopologyError, MOST)
    return bool(re.search(r"^\s*npus_count\s*:", text, re.MULTILINE))


# --- SimAI


def simai_topo(path: str | Path) -> Topology:
    """The topology in the file at ``path``, which SimAI's ``gen_Topo_Template.py`` writes.

    Its first line has the numbers of nodes, GPUs of a server, NVSwitches, other switches and links,
    and the kind of GPU; the second the switches, NVSwitches first; each other one a link: its two
    ends, bandwidth, latency and error rate. Links of NVSwitches are the plane ``nvlink``, others
    ``net``. Raises `TopologyError` naming the line that is wrong.
    """
    text = read_text(path, TopologyError, MOST).split("\n")
    lines = [(at, line.split()) for at, line in enumerate(text, start=1) if line.strip()]
    try:
        return _simai(lines, Path(path).stem)
    except TriplaneError as error:
        raise TopologyError(f"{path}: {error}") from None


def _simai(lines: list[tuple[int, list[str]]], name: str) -> Topology:
    if len(lines) < 2 or len(lines[0][1]) < 5:
        raise TopologyError(
            "line 1: numbers of nodes, GPUs a server, NVSwitches, switches and links are expected"
        )
    (first, head), (second, ids), *links = lines
    numbers = [_number(first, text, 0, MOST_NODES) for text in head[:5]]
    nodes, per_server, nvswitches, others, count = numbers
    gpus = nodes - nvswitches - others
    if gpus < 1 or per_server < 1:
        raise TopologyError(f"line {first}: {nodes} nodes with {gpus} GPUs, {per_server} a server")
    if [_number(second, text, 0, nodes - 1) for text in ids] != list(range(gpus, nodes)):
        raise TopologyError(f"line {second}: the switches are not {gpus} to {nodes - 1}, in order")
    if len(links) != count:
        raise TopologyError(f"line {first}: {count} links, and the file has {len(links)}")
    draft = Draft(("nvlink", "net") if nvswitches else ("net",))
    at = np.arange(gpus)
    server = at // per_server
    draft.endpoints([f"node{one // per_server}.gpu{one % per_server}" for one in range(gpus)],
                    "gpu", node=server)  # fmt: skip
    draft.switches([f"nvswitch{one}" for one in range(nvswitches)], "nvswitch")
    draft.switches([f"switch{one}" for one in range(others)], "switch")
    for line, cells in links:
        _simai_link(draft, line, cells, (nodes, gpus, gpus + nvswitches))
    return draft.freeze(name)


def _simai_link(draft: Draft, line: int, cells: list[str], ends: tuple[int, int, int]) -> None:
    """``ends``: the numbers of nodes, of the first NVSwitch, and of the first other switch."""
    nodes, nvswitch, switch = ends
    if len(cells) < 4:
        raise TopologyError(f"line {line}: two ends, a bandwidth and a latency are expected")
    a, b = (_number(line, text, 0, nodes - 1) for text in cells[:2])
    inside = any(nvswitch <= end < switch for end in (a, b))
    try:
        bandwidth = parse(re.sub(r"bps$", "bit/s", cells[2]), "bandwidth")
        latency = parse(cells[3], "time")
    except ValueError as error:
        raise TopologyError(f"line {line}: {error}") from None
    draft.connect(a, b, "nvlink" if inside else "net", bandwidth, latency, latency)


def _number(line: int, text: str, low: int, high: int) -> int:
    value = whole(text, low, high)
    if value is None:
        raise TopologyError(f"line {line}: {shown(text)} is no number from {low} to {high}")
    return value


# --- ASTRA-sim


def astra_network(path: str | Path) -> Topology:
    """The network in the file at ``path``, as ASTRA-sim's analytical backend reads it (``.yml``).

    Each dimension is a ring, a full mesh or a switch, with NPUs, a bandwidth in GB/s (2^30 there)
    and a latency in ns of each of its links; NPU numbers go through the first dimension first,
    whose NPUs are a node here. All are one plane, ``net``; an NPU has a router, which passes on
    what is for others and costs nothing. Raises `TopologyError` naming the line.
    """
    try:
        found = dict(_entries(read_text(path, TopologyError, MOST)))
        return _astra(found, Path(path).stem)
    except TriplaneError as error:
        text = str(error)
        raise TopologyError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _entries(text: str) -> Iterator[tuple[str, tuple[int, list[str]]]]:
    """Each key, its line, and its items: a list in brackets, on lines with ``-``, or one value."""
    key, items, begun = "", list[str](), 0
    for line, raw in enumerate(text.split("\n"), start=1):
        content = raw.partition("#")[0].rstrip()
        entry = _ENTRY.fullmatch(content)
        if not content or content == "---":
            continue
        if content.lstrip().startswith("- ") and key:
            items.append(content.lstrip()[2:].strip())
        elif entry:
            if key:
                yield key, (begun, items)
            key, begun = entry[1], line
            inner = entry[2] if entry[2] is not None else entry[3]
            items = [one.strip().strip("\"'") for one in inner.split(",") if one.strip()]
        else:
            raise TopologyError(f"line {line}: {shown(raw)} is no key with a list")
    if key:
        yield key, (begun, items)


def _astra(found: dict[str, tuple[int, list[str]]], name: str) -> Topology:
    for key in _KEYS:
        if key not in found:
            raise TopologyError(f"it has no {key}; it has {', '.join(found)}{near(key, found)}")
    line, shapes = found["topology"]
    for shape in shapes:
        if shape not in SHAPES:
            raise TopologyError(
                f"line {line}: no topology {shape!r}; there are {', '.join(SHAPES)}"
                f"{near(shape, SHAPES)}"
            )
    for key in _KEYS[1:]:
        if len(found[key][1]) != len(shapes):
            raise TopologyError(
                f"line {found[key][0]}: {key} has {len(found[key][1])} values of {len(shapes)}"
            )
    counts = [_number(found["npus_count"][0], text, 1, MOST_NODES)
              for text in found["npus_count"][1]]  # fmt: skip
    if math.prod(counts) > MOST_NODES:
        raise TopologyError(f"{math.prod(counts)} NPUs; {MOST_NODES} at most are read")
    rates, times = (
        [_positive(*found[key], at) for at in range(len(shapes))]
        for key in ("bandwidth", "latency")
    )
    return _dimensions(name, list(zip(shapes, counts, rates, times, strict=True)))


def _positive(line: int, items: list[str], at: int) -> float:
    try:
        value = float(items[at])
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:
        raise TopologyError(f"line {line}: {shown(items[at])} is no number of 0 or more")
    return value


def _dimensions(name: str, sizes: list[tuple[str, int, float, float]]) -> Topology:
    counts = [count for _, count, _, _ in sizes]
    npus = np.arange(math.prod(counts))
    draft = Draft(("net",))
    node = npus // counts[0]
    ends = draft.endpoints([f"npu{one}" for one in npus.tolist()], "npu", node=node)
    routers = draft.switches([f"npu{one}.router" for one in npus.tolist()], "router", node=node)
    draft.connect(ends, routers, "net", math.inf, 0.0)
    grid = routers.reshape(counts[::-1])  # the first dimension is the last axis
    groups = []
    for at, (_, count, _, _) in enumerate(sizes):
        axis = len(counts) - 1 - at
        groups.append(np.moveaxis(grid, axis, -1).reshape(-1, count))
    for at, (shape, count, rate, time) in enumerate(sizes):
        if count == 1:
            continue
        bandwidth, latency = rate * GiB, time * NS
        if shape == "Switch":
            switches = draft.switches(
                [f"dim{at}.switch{one}" for one in range(len(groups[at]))], "switch"
            )
            draft.connect(groups[at], switches[:, None], "net", bandwidth, latency, latency)
            continue
        for a, b in _pairs(shape, count):
            draft.connect(groups[at][:, a], groups[at][:, b], "net", bandwidth, latency, latency)
    return draft.freeze(name)


def _pairs(shape: str, count: int) -> list[tuple[int, int]]:
    """The places of a group that have a cable between them; a ring of two has one."""
    if shape == "FullyConnected":
        return list(combinations(range(count), 2))
    ring = [(one, (one + 1) % count) for one in range(count)]
    return ring if count > 2 else ring[:1]
