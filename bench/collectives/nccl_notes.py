"""The notes in nccl-tests' text: where ranks sit, and what was done."""

import os
from collections.abc import Iterable, Iterator

from bench.collectives.measure import Benchmark
from bench.collectives.nccl_format import UNKNOWN, DeviceLine
from bench.measurement import Measurement
from bench.options import DATATYPES
from bench.published.standing import lines
from bench.records import in_gb, over
from topology.units import US

_SIMULATED = (
    "No data is moved, so nothing is validated (#wrong N/A). Each row is simulated once, as",
    "all iterations would be alike; in place differs by copies of a rank to itself: free.",
)
_LIVE = (
    "Times are emulated: of one operation, out of place, that all ranks begin together. On the",
    "right what this host took: the mean of all iterations, one after the other.",
)


def notes(bench: Benchmark) -> Iterator[str]:
    """Iterate over the lines that explain nccl-tests' table: machine, times, ignored flags."""
    chosen, router = bench.machine, bench.fabric.router
    what = f"real ranks over {bench.transport}" if bench.is_live else "simulated"
    yield (
        f"Triplane: {what}. system {chosen.system} software {bench.software} engine "
        f"{chosen.engine} routing {chosen.routing} planes {','.join(router.planes)}"
    )
    if chosen.without:
        yield f"without {', '.join(chosen.without)}"
    yield from _LIVE if bench.is_live else _SIMULATED
    ignored = bench.flags.ignored(bench.is_live)
    if ignored:
        yield f"No meaning {'here' if bench.is_live else 'in a simulation'}: {', '.join(ignored)}"
    if bench.op == "barrier":
        yield "A barrier has no size: -b, -e, -i, -f and -d are not used"


def devices(bench: Benchmark) -> list[DeviceLine]:
    """The header's line for each rank, with its endpoint.

    The PCI address is the number of the device in its node, as there is no PCI here.
    """
    topology, pid = bench.fabric.topology, os.getpid()
    seen: dict[int, int] = {}
    kind = "emulated" if bench.is_live else "simulated"
    found = []
    for rank, vertex in enumerate(bench.fabric.places[: bench.ranks]):
        node = int(topology.node[vertex])
        device = seen[node] = seen.get(node, -1) + 1
        info = f"{bench.machine.system} {topology.vertex_names[vertex]} ({kind})"
        host = f"node{node}" if node >= 0 else "-"
        found.append(DeviceLine(rank, 0, pid, host, device, f"0000:{device:02x}:00", info))
    return found


def imbalances(rows: Iterable[Measurement]) -> Iterator[str]:
    """Iterate over a line for each row whose routing does not load links evenly."""
    for row in rows:
        if row.link_imbalance is not None:
            words = f"the busiest link has {row.link_imbalance:.4g} times the mean of those beside"
            yield f"# {row.size} B {row.routing}: {words} it"


def standings(rows: Iterable[Measurement]) -> Iterator[str]:
    """Iterate over the lines that say in which range the constants were fitted."""
    for line in lines(row.standing for row in rows if row.standing):
        yield f"# {line}"
    yield "#"


def rank_summary(bench: Benchmark, measurement: Measurement) -> Iterator[str]:
    """Iterate over the lines of NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY for one row of all_to_all_v."""
    ranks, traffic = bench.ranks, bench.traffic
    total = measurement.count * ranks * DATATYPES[measurement.datatype]
    mode = f"mode=generated nranks={ranks} total_bytes={total} spread={traffic.spread:.3f}"
    if traffic.matrix is not None:
        matrix = f"matrix_dim={traffic.dimension} scale={traffic.scale:.3f}"
        mode = f"mode=matrix nranks={ranks} {matrix}"
    micro = f"time_usec={measurement.time / US:.2f}"
    yield f"# NCCL_TESTS_ALLTOALLV_PRINT_SUMMARY: {mode} {micro}"
    counts = traffic.counts(ranks, total)
    for rank, (sent, received) in enumerate(zip(counts.sum(1), counts.sum(0), strict=True)):
        algbw = in_gb(over(int(max(sent, received)), measurement.time))
        busbw = None if algbw is None else algbw * bench.operation.factor(ranks)
        rates = f"alg_bw={_two_decimals(algbw)} bus_bw={_two_decimals(busbw)}"
        yield f"#   rank={rank} send_bytes={sent} recv_bytes={received} {rates}"


def _two_decimals(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"
