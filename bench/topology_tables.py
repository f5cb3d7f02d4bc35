"""What ``triplane topo show`` writes: rich tables on a terminal, plain ones where it is piped."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO

import numpy as np

from bench.records import Record, Value, as_table, columns_of
from topology.analysis.clos import tiers
from topology.graph import NOWHERE, Ints, Topology, abilities
from topology.labels import label
from topology.summary import counted, summary
from topology.text import visible
from topology.units import GB, NS


def about(topology: Topology, places: Ints | None = None) -> list[str]:
    """The lines that say what a topology consists of; the first is its name.

    ``places``: the endpoint of each rank, int32 [ranks], if somebody has placed them.
    """
    found = summary(topology)
    ends, switches = found.endpoints, found.switches
    lines = [
        label(topology.name),
        f"  nodes      {found.nodes}",
        f"  endpoints  {ends.total()}: {counted(ends)}; ranks sit on {found.ranks}",
        f"  switches   {switches.total()}: {counted(switches)}",
        *([f"  in switch  {able}"] if (able := _able(topology)) else []),
        f"  links      {found.links}, one way each",
        *([f"  without    {', '.join(map(label, topology.removed))}"] if topology.removed else []),
        *([] if places is None else [f"  placed     {_placed(topology, places)}"]),
    ]
    return [visible(line) for line in lines]


def _placed(topology: Topology, places: Ints) -> str:
    """On how many endpoints and nodes the ranks are."""
    nodes = np.unique(topology.node[places])
    on_nodes = f" of {len(nodes)} nodes" if (nodes != NOWHERE).any() else ""
    return f"{len(places)} ranks on {len(np.unique(places))} endpoints{on_nodes}"


def _able(topology: Topology) -> str:
    """What switches can do with data, by kind; empty where none can do anything."""
    pairs = zip(topology.vertex_kinds, topology.in_switch.tolist(), strict=True)
    able = dict.fromkeys((kind, abilities(bits)) for kind, bits in pairs if bits)
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in able)


def tier_records(topology: Topology, planes: Sequence[str] | None = None) -> list[Record]:
    """The links of each of ``planes`` by the kinds of vertices that they join, upwards, one way.

    Links of unlike bandwidth or latency are records of their own, so each number is that of every
    link that it is said of. ``planes``: None: all. ``total_GBps``: of all links of a record.
    """
    return [record for plane in planes or topology.planes for record in _of_plane(topology, plane)]


def _of_plane(topology: Topology, plane: str) -> Iterator[Record]:
    links = np.flatnonzero(topology.link_plane == topology.plane(plane))
    src, dst = topology.link_src[links], topology.link_dst[links]
    tier = tiers(topology, src, dst)
    up = links[(tier[src] < tier[dst]) | ((tier[src] == tier[dst]) & (src < dst))]
    kinds = topology.vertex_kinds
    ends = (column[up].tolist() for column in (topology.link_src, topology.link_dst))
    bandwidth, latency = topology.link_bandwidth[up] / GB, topology.link_latency[up] / NS
    alike = Counter(
        (int(tier[a]), kinds[a], kinds[b], each, late)
        for a, b, each, late in zip(*ends, bandwidth.tolist(), latency.tolist(), strict=True)
    )
    for (_, below, above, each, late), count in sorted(alike.items()):
        yield {
            "plane": plane, "from": below, "to": above, "links": count, "link_GBps": each,
            "total_GBps": count * each, "latency_ns": late,
        }  # fmt: skip


def write(
    file: IO[str], lines: Sequence[str], planes: Sequence[Record], links: Sequence[Record]
) -> None:
    """Write lines and tables for a person, in colour if ``file`` is a terminal."""
    if file.isatty():
        _write_rich(file, lines, planes, links)
        return
    file.write("\n".join(lines) + "\n\n" + as_table(planes) + "\n" + as_table(links))


def _write_rich(
    file: IO[str], lines: Sequence[str], planes: Sequence[Record], links: Sequence[Record]
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file)
    console.print(Text(lines[0], style="bold"))
    console.print(Text("\n".join(lines[1:])), end="\n\n")
    console.print(_table("Planes", [_short(plane) for plane in planes]))
    for plane in planes:
        if plane["non_blocking"] != "yes":
            words = f"  {plane['plane']}: non-blocking is {plane['non_blocking']}"
            console.print(Text(f"{visible(words)}\n"))
    console.print(_table("Links, upwards", links))


def _short(plane: Record) -> Record:
    """What of a plane fits on a terminal."""
    ports = f"{plane['endpoints']} {plane['ports_of']}, {_cell(plane['port_GBps'])} GB/s each"
    share = plane["guaranteed_share"]
    return {
        "plane": plane["plane"], "links": plane["links"], "ports": ports, "tiers": plane["tiers"],
        "oversubscription": plane["oversubscription"], "bisection_GBps": plane["bisection_GBps"],
        "sure_of": f"{share:.0%}" if isinstance(share, float) else None,
        "non-blocking": "yes" if plane["non_blocking"] == "yes" else "not proved",
    }  # fmt: skip


def _table(title: str, records: Sequence[Record]) -> object:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in columns_of(records):
        is_text = any(isinstance(record.get(name), str) for record in records)
        table.add_column(Text(name.replace("_", " ")), justify="left" if is_text else "right")
    for record in records:
        table.add_row(*(Text(_cell(value)) for value in record.values()))
    return table


def _cell(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return visible(str(value))
