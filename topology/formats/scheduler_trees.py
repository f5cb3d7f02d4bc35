"""Topologies of schedulers in: Slurm's topology.conf and topology.yaml, Volcano's HyperNodes.

Such files are of hosts and of the switches or groups above them, and say nothing of devices,
bandwidths or latencies: these are arguments, each an assumption. Every host gets so many devices
with a port each, and every switch towards the one above it as much as its ports below together.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from topology.draft import Draft
from topology.errors import TopologyError
from topology.files.reading import read_text, shown
from topology.graph import NOWHERE, Topology
from topology.units import GB, NS

PLANE = "net"
DEVICES = 8
"""Devices of a host. Assumption: as DGX and HGX servers have."""

PORT = 50 * GB
"""Bytes per second of a device's port, each way. Assumption: a card of 400 Gbit/s each."""

HOP = 500 * NS
"""Seconds to cross a switch. Assumption."""

MOST = 1 << 24
"""Bytes of a file at most."""

MOST_HOSTS = 1 << 17
"""Hosts of a file at most."""

CONF, YAML = (".conf",), (".yaml", ".yml")
"""How the names of files end."""

_LEVELS = ("rack", "supernode")
_OWN = re.compile(r"(rack|supernode)(\d{1,9})")
_KEY = re.compile(r"([A-Za-z]+)\s*=\s*(\S+)")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@dataclass(frozen=True)
class SwitchGroup:
    """A switch, block or HyperNode, and the names of the switches or of the hosts below it."""

    name: str
    switches: tuple[str, ...]
    hosts: tuple[str, ...]


def scheduler_tree(
    path: str | Path, devices: int = DEVICES, port: float = PORT, hop: float = HOP
) -> Topology:
    """The cluster that a scheduler's file describes, as a topology.

    ``devices``: of each host; ``port``: bytes per second of each, both ways; ``hop``: seconds to
    cross a switch. Groups that are called ``rack0`` or ``supernode0`` are such; else the lowest of
    three levels are racks and the next supernodes, and of two levels the lower are racks. Raises
    `TopologyError` naming the file and what is wrong.
    """
    text, name = read_text(path, TopologyError, MOST), Path(path).name
    try:
        groups = list(_conf(text) if name.endswith(CONF) else _yaml(text))
        return _built(_checked(groups), Path(path).stem, devices, port, hop)
    except TopologyError as error:
        raise TopologyError(f"{path}: {error}") from None


def hosts_of(names: str) -> list[str]:
    """The hosts of a list as Slurm writes it: ``a,node[0-3,7]``, ``r[0-1]n[01-16]``.

    Raises `TopologyError`.
    """
    found: list[str] = []
    for part in re.split(r",(?![^\[]*\])", names):
        if not part or part.count("[") != part.count("]"):
            raise TopologyError(f"{shown(names)} is no list of hosts, such as node[0-3,7]")
        found += _expanded(part)
        if len(found) > MOST_HOSTS:
            raise TopologyError(f"{shown(names)} has more than {MOST_HOSTS} hosts")
    return found


def _expanded(name: str) -> list[str]:
    before, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    inside, _, after = rest.partition("]")
    numbers: list[str] = []
    for piece in inside.split(","):
        ends = _RANGE.fullmatch(piece)
        low, high = (int(end or ends[1]) for end in ends.groups()) if ends else (1, 0)
        if not ends or low > high or high - low >= MOST_HOSTS:
            raise TopologyError(f"{shown(piece)} in {shown(name)} is no number or range of them")
        numbers += [str(number).zfill(len(ends[1])) for number in range(low, high + 1)]
    ahead = _expanded(after)
    if len(numbers) * len(ahead) > MOST_HOSTS:
        raise TopologyError(f"{shown(name)} has more than {MOST_HOSTS} hosts")
    return [f"{before}{number}{end}" for number in numbers for end in ahead]


def _conf(text: str) -> Iterator[SwitchGroup]:
    """The switches, or else the blocks, of Slurm's topology.conf."""
    blocks: list[SwitchGroup] = []
    is_tree = False
    for number, line in enumerate(re.sub(r"\\\n", " ", text).splitlines(), 1):
        pairs = {key.lower(): value for key, value in _KEY.findall(line.partition("#")[0])}
        if "switchname" in pairs:
            is_tree = True
            yield _group(f"line {number}", pairs, "switchname", "switches")
        elif "blockname" in pairs:
            blocks.append(_group(f"line {number}", pairs, "blockname", "blocks"))
        elif line.partition("#")[0].strip() and "blocksizes" not in pairs:
            raise TopologyError(
                f"line {number}: {shown(line.strip())} has no SwitchName or BlockName"
            )
    if not is_tree:
        yield from blocks


def _group(where: str, values: Mapping[str, object], name: str, below: str) -> SwitchGroup:
    """A switch or block with ``below`` or ``nodes``, as lists of hosts."""
    called, switches, hosts = values.get(name), values.get(below), values.get("nodes")
    if not isinstance(called, str) or (switches is None) == (hosts is None):
        raise TopologyError(f"{where}: a name ({name}) is needed, and either {below} or nodes")
    for each in (switches, hosts):
        if not isinstance(each, str | None):
            raise TopologyError(f"{where}: {shown(each)} is no list of names")
    return SwitchGroup(called, *(tuple(hosts_of(str(each))) if each else ()
                                 for each in (switches, hosts)))  # fmt: skip


def _yaml(text: str) -> Iterator[SwitchGroup]:
    try:
        yaml: Any = import_module("yaml")
    except ImportError as error:
        raise TopologyError(f"YAML is read by triplane[yaml]: {error}") from None
    try:
        documents = [one for one in yaml.safe_load_all(text) if one is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise TopologyError(f"it is no YAML: {' '.join(str(error).split())}") from None
    if documents and all(_is_kind(one, "HyperNode") for one in documents):
        yield from map(_hypernode, documents)
    elif len(documents) == 1 and isinstance(documents[0], list):
        yield from _slurm_yaml(documents[0])
    else:
        raise TopologyError(
            "it is neither a topology.yaml of Slurm, a list, nor HyperNodes of Volcano"
        )


def _is_kind(document: object, kind: str) -> bool:
    return isinstance(document, dict) and document.get("kind") == kind


def _slurm_yaml(described: Sequence[object]) -> Iterator[SwitchGroup]:
    """The switches of the first tree; without one the blocks of the first that has them."""
    for kind, inner, name, below in (("tree", "switches", "switch", "children"),
                                     ("block", "blocks", "block", "children")):  # fmt: skip
        for one in described:
            held = one.get(kind) if isinstance(one, dict) else None
            listed = held.get(inner) if isinstance(held, dict) else None
            if isinstance(listed, list):
                for number, each in enumerate(listed):
                    if not isinstance(each, dict):
                        raise TopologyError(f"{inner}[{number}] is {shown(each)}, no mapping")
                    yield _group(f"{inner}[{number}]", each, name, below)
                return
    raise TopologyError("it has no tree with switches, and no block with blocks")


def _hypernode(resource: Any) -> SwitchGroup:
    """A HyperNode whose members are named one by one: labels and patterns are the cluster's."""
    metadata, spec = resource.get("metadata"), resource.get("spec")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    members = spec.get("members") if isinstance(spec, dict) else None
    if not isinstance(name, str) or not isinstance(members, list):
        raise TopologyError(f"HyperNode {shown(name)}: it has no name, or no list of members")
    below: dict[str, list[str]] = {"HyperNode": [], "Node": []}
    for number, member in enumerate(members):
        where = f"HyperNode {name}, members[{number}]"
        kind = member.get("type") if isinstance(member, dict) else None
        selector = member.get("selector") if isinstance(member, dict) else None
        exact = selector.get("exactMatch") if isinstance(selector, dict) else None
        called = exact.get("name") if isinstance(exact, dict) else None
        if kind not in below or not isinstance(called, str):
            raise TopologyError(
                f"{where} is {shown(member)}; read are type Node or HyperNode with"
                " exactMatch.name: only the cluster knows what patterns and labels match"
            )
        below[str(kind)].append(called)
    return SwitchGroup(name, tuple(below["HyperNode"]), tuple(below["Node"]))


def _checked(groups: Sequence[SwitchGroup]) -> dict[str, SwitchGroup]:
    """The groups by name, the lower ones first; nothing is below two, or below itself."""
    known = {group.name: group for group in groups}
    if len(known) < len(groups):
        every = [group.name for group in groups]
        twice = next(name for name in every if every.count(name) > 1)
        raise TopologyError(f"{shown(twice)} is there twice")
    above: dict[tuple[str, str], str] = {}
    for group in groups:
        for kind, names in (("switch", group.switches), ("host", group.hosts)):
            for name in names:
                if kind == "switch" and name not in known:
                    raise TopologyError(
                        f"{group.name} has {shown(name)} below it, which is not there"
                    )
                other = above.setdefault((kind, name), group.name)
                if other != group.name or names.count(name) > 1:
                    raise TopologyError(f"{kind} {shown(name)} is below {other} and {group.name}")
    if not any(group.hosts for group in groups):
        raise TopologyError("it has no hosts")
    done: dict[str, SwitchGroup] = {}
    while len(done) < len(known):
        ready = [one for one in groups if one.name not in done and {*one.switches} <= done.keys()]
        if not ready:
            left = ", ".join(name for name in known if name not in done)
            raise TopologyError(f"these are below themselves: {left}")
        done |= {one.name: one for one in ready}
    return done


def _built(
    groups: Mapping[str, SwitchGroup], name: str, devices: int, port: float, hop: float
) -> Topology:  # fmt: skip
    hosts = [host for group in groups.values() for host in group.hosts]
    if len(hosts) > MOST_HOSTS:
        raise TopologyError(f"it has {len(hosts)} hosts; at most {MOST_HOSTS} are read")
    number = _numbers(hosts)
    hosts.sort(key=lambda host: number[host])
    inside = _containers(groups)
    draft = Draft((PLANE,))
    ends = {
        host: draft.endpoints(
            [f"{host}.device{k}" for k in range(devices)], "device", node=number[host],
            rack=inside["rack"].get(host, NOWHERE),
            supernode=inside["supernode"].get(host, NOWHERE),
        )
        for host in hosts
    }  # fmt: skip
    ports: dict[str, int] = {}
    vertex: dict[str, int] = {}
    for group in groups.values():
        vertex[group.name] = int(draft.switches([f"switch.{group.name}"], "switch")[0])
        ports[group.name] = len(group.hosts) * devices + sum(ports[one] for one in group.switches)
        for host in group.hosts:
            draft.connect(ends[host], vertex[group.name], PLANE, port, hop)
        for one in group.switches:
            draft.connect(vertex[one], vertex[group.name], PLANE, ports[one] * port, hop, hop)
    below = {one for group in groups.values() for one in group.switches}
    tops = [one for one in groups if one not in below]
    if len(tops) > 1:  # the file has no switch above them, and jobs may span them
        top = int(draft.switches(["switch"], "switch")[0])
        for one in tops:
            draft.connect(vertex[one], top, PLANE, ports[one] * port, hop, hop)
    return draft.freeze(name)


def _numbers(hosts: Sequence[str]) -> dict[str, int]:
    """The node that each host is: the number that its name has, if that tells all apart."""
    digits = [re.findall(r"\d{1,9}", host) for host in hosts]
    for at in (0, -1):
        numbers = [int(one[at]) for one in digits if one]
        if len({*numbers}) == len(hosts):
            return dict(zip(hosts, numbers, strict=True))
    return {host: number for number, host in enumerate(hosts)}


def _containers(groups: Mapping[str, SwitchGroup]) -> dict[str, dict[str, int]]:
    """The number of the rack and of the supernode of each host, where there are such."""
    under: dict[str, tuple[str, ...]] = {}
    height: dict[str, int] = {}
    for group in groups.values():
        under[group.name] = (*group.hosts, *(host for one in group.switches for host in under[one]))
        height[group.name] = 1 + max((height[one] for one in group.switches), default=0)
    found: dict[str, dict[str, int]] = {level: {} for level in _LEVELS}
    own = {name: match for name in groups if (match := _OWN.fullmatch(name))}
    for name, match in own.items():
        found[match[1]] |= dict.fromkeys(under[name], int(match[2]))
    if own:
        return found
    tall = max(height.values()) + (sum(height[name] == max(height.values()) for name in groups) > 1)
    for level, tier in zip(_LEVELS, range(1, tall), strict=False):
        of_level = [name for name in groups if height[name] == tier]
        for number, name in enumerate(of_level):
            found[level] |= dict.fromkeys(under[name], number)
    return found
