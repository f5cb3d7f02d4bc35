"""``triplane topo``: which systems there are, the contents of one, pictures, and other tools."""

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click
import numpy as np
from numpy.typing import NDArray

from bench import topology_tables
from bench.cli import HELP, CommandGroup
from bench.machine_options import system_options
from bench.new_files import NewFile
from bench.options import FORMATS
from bench.records import Record, Value, as_text, opened
from bench.streams import complain
from topology import Topology, non_blocking, systems, to_networkx, to_toml
from topology.errors import TopologyError
from topology.formats.schedulers import HostNames, hypernodes, kueue, slurm
from topology.summary import plane_summary
from topology.text import visible
from topology.units import GB, NS, parse
from topology.units import show as with_unit

if TYPE_CHECKING:
    import networkx as nx

    from fabric.machine import MachineSpec

_FORMAT = click.option("--format", "form", type=click.Choice(FORMATS), default="table")
_OUTPUT = click.option("--output", type=NewFile())
_SYSTEM = system_options("Take this switch, link or node out; may be given again.")


SCHEDULERS: Mapping[str, Callable[[Topology, HostNames], str]] = MappingProxyType(
    {"slurm": slurm, "kueue": kueue, "hypernode": hypernodes}
)
"""Formats of `triplane topo export` that schedulers of clusters take."""

_LATER = {
    "place": ("bench.place:command", "Choose the endpoints of a job's ranks."),
    "cost-matrix": (
        "bench.cost_matrix:command",
        "Latency and bandwidth between endpoints, or groups of them.",
    ),
    "route": ("bench.route:command", "List the ways between two endpoints."),
}


@click.group(cls=CommandGroup, lazy=_LATER, context_settings=HELP)
def topo() -> None:
    """Systems: list, show, draw, export, import, place, cost-matrix, route."""


@topo.command("list", context_settings=HELP)
@_FORMAT
@_OUTPUT
def list_systems(form: str, output: Path | None) -> None:
    """List every system that has a name."""
    known: list[Record] = [{"system": name, "about": about} for name, about in systems().items()]
    with opened(output) as file:
        file.write(as_text(known, form))


@topo.command("show", context_settings=HELP)
@_SYSTEM
@_FORMAT
@_OUTPUT
def show_system(machine: "MachineSpec", form: str, output: Path | None) -> None:
    """Show what SYSTEM is made of: endpoints, switches, and its planes.

    Of a machine the planes that it uses, and where its ranks are if it says so.
    """
    topology, places = machine.placed()
    planes = machine.planes or topology.planes
    rows = [plane_record(topology, plane) for plane in planes]
    with opened(output) as file:
        if form == "table":
            topology_tables.write(
                file, topology_tables.about(topology, places), rows,
                topology_tables.tier_records(topology, planes),
            )  # fmt: skip
        else:
            file.write(as_text(rows, form, machine))


@topo.command("draw", context_settings=HELP)
@system_options("Draw this switch, link or node as taken out; may be given again.")
@click.option("-o", "--output", required=True, type=NewFile(),
              metavar="FILE", help="The picture: .svg, .png or .pdf.")  # fmt: skip
@click.option("--plane", "planes", multiple=True, metavar="NAME",
              help="Only this plane; may be given again.")  # fmt: skip
@click.option("--level", type=click.Choice(("rack", "node", "link")), default="node",
              show_default=True, help="What a box is; link: every link is drawn.")  # fmt: skip
@click.option("--highlight", multiple=True, metavar="NAME",
              help="Let this switch, link or node stand out; may be given again.")  # fmt: skip
def draw_system(
    machine: "MachineSpec", output: Path, planes: tuple[str, ...], level: str,
    highlight: tuple[str, ...],
) -> None:  # fmt: skip
    """Draw SYSTEM: its racks or nodes and the switches between them, or all of its links.

    Of a machine the planes that it uses, and the endpoints on which its ranks are stand out, if it
    says so; --plane and --highlight take the place of that.
    """
    from topology.draw.figure import draw

    left, places = machine.placed()
    ranks = [] if places is None else [left.vertex_names[place] for place in places]
    draw(
        machine.whole(), output, planes=planes or machine.planes or (), level=level,
        highlight=highlight or ranks, without=machine.without,
    )  # fmt: skip


@topo.command(context_settings=HELP)
@_SYSTEM
@click.option(
    "--format",
    "form",
    type=click.Choice(("toml", "graphml", "json", *SCHEDULERS)),
    default="toml",
    show_default=True,
    help="toml is ours; graphml and json are networkx'; the others are schedulers'.",
)
@click.option("--hosts", "pattern", default="node{}", show_default=True, metavar="NAME",
              help="Names of hosts in files of schedulers; {}: the node's number.")  # fmt: skip
@_OUTPUT
def export(machine: "MachineSpec", form: str, pattern: str, output: Path | None) -> None:
    """Write SYSTEM for other tools: all vertices and links, or what schedulers take.

    Of a machine all planes, without what it takes out.
    """
    hosts, topology = HostNames(pattern), machine.topology()
    make = SCHEDULERS.get(form)
    text = exported(topology, form) if make is None else make(topology, hosts)
    with opened(output) as file:
        file.write(text)


@topo.command("import", context_settings=HELP)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--port-bandwidth", "port", metavar="BANDWIDTH",
              help="Of a port, each way, of topo.json and schedulers' files, which have none"
                   " [56 GB/s, an Ascend 950's; 50 GB/s].")  # fmt: skip
@click.option("--hop", metavar="TIME",
              help="To cross a switch; no file has it [200 ns of topo.json; 500 ns].")  # fmt: skip
@click.option("--devices", type=click.IntRange(1, 1 << 10), metavar="N",
              help="Of each host in a scheduler's file, which has none [8].")  # fmt: skip
@click.option("--hosts", type=click.IntRange(1, 1 << 12), metavar="N",
              help="So many hosts like the one in NCCL's XML, on one network [1].")  # fmt: skip
@_OUTPUT
def import_file(file: Path, output: Path | None, **given: str | int | None) -> None:
    """Write what FILE describes as a TOML file, for --system.

    That is a server in HCCL's topo.json (version 2.0), a host in NCCL's topology XML (.xml), a
    cluster in Slurm's topology.conf or topology.yaml, or in HyperNodes of Volcano (.yaml), a
    network of ASTRA-sim's analytical backend (.yml), the folder of a case of ns-3-UB, or a topology
    of SimAI (any other name).
    """
    read, takes = _reader(file)
    for name, value in given.items():
        if value is not None and name not in takes:
            option = "port-bandwidth" if name == "port" else name
            raise click.UsageError(f"--{option} is not of a file like {file.name}")
    text = to_toml(read(file, **dict(_parsed(given))))
    if file.is_dir():
        from topology.formats.ns3_ub_ways import other_ways

        if said := other_ways(file):
            complain(said)
    with opened(output) as out:
        out.write(text)


def _reader(file: Path) -> tuple[Callable[..., Topology], tuple[str, ...]]:
    """What reads a file like this one, and which of the options it takes."""
    from topology.formats.hccl_topo import hccl_topo
    from topology.formats.nccl_xml import nccl_xml
    from topology.formats.ns3_ub import is_case, ub_case
    from topology.formats.scheduler_trees import CONF, YAML, scheduler_tree
    from topology.formats.simulators import astra_network, is_astra_network, simai_topo

    if is_case(file):
        return ub_case, ()
    suffix = file.suffix.lower()
    if suffix in YAML and is_astra_network(file):
        return astra_network, ()
    if suffix in (*CONF, *YAML):
        return scheduler_tree, ("port", "hop", "devices")
    if suffix == ".xml":
        return nccl_xml, ("hop", "hosts")
    return (hccl_topo, ("port", "hop")) if suffix == ".json" else (simai_topo, ())


def _parsed(given: Mapping[str, str | int | None]) -> Iterator[tuple[str, float | int]]:
    """The options that were given, in SI."""
    for name, value in given.items():
        if isinstance(value, str):
            yield name, parse(value, "time" if name == "hop" else "bandwidth")
        elif value is not None:
            yield name, value


def plane_record(topology: Topology, plane: str) -> dict[str, Value]:
    """The record of a plane that ``triplane topo show`` prints: links, ports, whether it can block.

    ``guaranteed_share``: the share of its port that every endpoint gets under any traffic.
    """
    found = non_blocking(topology, plane)
    counts = plane_summary(topology, plane)
    return {
        "plane": plane,
        "links": counts.links,
        "link_bandwidths": _fastest(counts.bandwidths),
        "latency_ns_max": round(counts.latency / NS, 3),
        "ports_of": ",".join(found.counted),
        "endpoints": found.endpoints,
        "port_GBps": found.port_bandwidth / max(found.endpoints, 1) / GB,
        "tiers": found.tiers,
        "oversubscription": found.oversubscription,
        "bisection_GBps": found.bisection / GB,
        "guaranteed_share": found.guaranteed,
        "non_blocking": "yes" if found.non_blocking else f"not proved: {found.reason}",
    }


def _fastest(bandwidths: NDArray[np.float64]) -> str:
    """The four fastest in words, of bandwidths in ascending order."""
    shown = [f"{value / GB:.4g} GB/s" for value in bandwidths[:-5:-1]]
    return ", ".join([*shown, "..."] if len(bandwidths) > 4 else shown)


def exported(topology: Topology, form: str) -> str:
    """The topology as text: ``"toml"`` (Triplane's), or networkx' ``"graphml"`` or ``"json"``."""
    if form == "toml":
        return to_toml(topology)
    import networkx as nx

    graph = to_networkx(topology)
    if form == "json":
        for *_, data in graph.edges(data=True):
            if math.isinf(data["bandwidth"]):  # JSON has no such number; `from_networkx` reads text
                data["bandwidth"] = with_unit(data["bandwidth"], "bandwidth")
        return json.dumps(nx.node_link_data(graph, edges="edges"), allow_nan=False) + "\n"
    return graphml(graph)


def graphml(graph: "nx.MultiDiGraph") -> str:
    r"""A graph of `to_networkx` as GraphML, which has numbers, booleans and text only.

    XML has no control characters, so in names they are escaped, as ``\u001b``. Raises
    `TopologyError` if two names become equal by that.
    """
    import networkx as nx

    for key in ("planes", "removed"):
        graph.graph[key] = ",".join(graph.graph[key])
    shown = nx.relabel_nodes(graph, {name: visible(name) for name in graph})
    if len(shown) < len(graph):
        raise TopologyError("GraphML cannot tell names apart that differ in control characters")
    parts = [shown.graph, *(data for _, data in shown.nodes(data=True))]
    for data in (*parts, *(data for *_, data in shown.edges(data=True))):
        data.update({key: visible(text) for key, text in data.items() if isinstance(text, str)})
    file = io.BytesIO()
    nx.write_graphml_xml(shown, file)
    return file.getvalue().decode() + "\n"
