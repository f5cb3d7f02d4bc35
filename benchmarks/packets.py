"""How fast the packet engine answers: ``python benchmarks/packets.py [--rounds 3] [--quick]``.

Packet-hops a second, and the time of whole simulations, warm: from the steps to the `Timeline`. The
flow engine's answer to the same traffic stands beside. Then the same with four traffic classes, two
of one priority, and with statistics; and over an RDMA plane of RoCE. See benchmarks/README.md.
"""

import argparse
import statistics
import time

import numpy as np

from collectives.moe import uniform
from collectives.moe.schedules import low_latency
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.engines.account import Account
from fabric.engines.columns import batches
from fabric.engines.packet.engine import Packet
from fabric.engines.packet.simulation import PacketSimulation
from topology import cloudmatrix384

S = 64 << 20
"""Bytes of a rank in the all-to-all."""


def all_to_all(ranks: int) -> list[Step]:
    """`S` bytes of each rank, in equal parts to all others, in one step."""
    src, dst = np.nonzero(~np.eye(ranks, dtype=bool))
    return [Step(src, dst, S // ranks)]


def dispatch(ranks: int) -> list[Step]:
    """128 tokens a rank to 8 experts each, 7,680 bytes, random."""
    routing = uniform(ranks, 128, experts=ranks, top_k=8, seed=1)
    return list(low_latency.dispatch(routing, 7680))


CLASSES = (
    TrafficClass("first", 1, priority=1), TrafficClass("heavy", 2, weight=2.0),
    TrafficClass("last", 3, priority=-1),
)  # fmt: skip
"""Beside the default one, which shares with the heavy one."""


ROCE = {"roce": "rdma", "statistics": True}
"""Options of the engine for the RDMA plane."""


def in_classes(steps: list[Step]) -> list[Step]:
    """The same steps, whose rows are in the four classes by turns."""
    return [
        Step(one.src, one.dst, one.size, traffic_class=np.arange(len(one)) % 4) for one in steps
    ]


def hops(fabric: Fabric, steps: list[Step]) -> int:
    """How many packets come to the end of a link."""
    run = PacketSimulation(Account(fabric, "", None), Packet(**fabric.engine_options).options)
    for batch in batches(steps, len(fabric.places)):
        run.batch(batch, more=False)
    return run.hops


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="no all-to-all over 384 dies")
    chosen = parser.parse_args()
    work = {"dispatch EP320": dispatch(320), "all-to-all 96 x 64 MiB": all_to_all(96)}
    if not chosen.quick:
        work["all-to-all 384 x 64 MiB"] = all_to_all(384)
    print("workload                   us    flow     hops    wall s   CPU s  Mhops/CPU s")
    for classes in ((), CLASSES):
        flow = Fabric(cloudmatrix384(), classes=classes)
        for counted in (False, True):
            packet = Fabric(
                cloudmatrix384(), engine="packet", classes=classes,
                engine_options={"statistics": counted},
            )  # fmt: skip
            packet.compile()
            print(f"# {len(classes)} classes, {'with' if counted else 'without'} statistics")
            for name, plain in work.items():
                measure(name, packet, flow, in_classes(plain) if classes else plain, chosen.rounds)
    print("# RoCE, hashed, with statistics")
    flow = Fabric(cloudmatrix384(), planes=("rdma",), routing="hash")
    packet = Fabric(
        cloudmatrix384(), planes=("rdma",), routing="hash", engine="packet", engine_options=ROCE
    )
    packet.compile()
    measure("all-to-all 96 x 64 MiB", packet, flow, work["all-to-all 96 x 64 MiB"], chosen.rounds)


def measure(name: str, packet: Fabric, flow: Fabric, steps: list[Step], rounds: int) -> None:
    """Print a line of the table."""
    count, expected = hops(packet, steps), flow.simulate(steps).duration
    walls, cpus = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        found = packet.simulate(steps).duration
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    print(
        f"{name:24}{found * 1e6:7.2f} {found / expected - 1:+7.2%} {count:8} {wall:9.3f}"
        f"{cpu:8.3f} {count / cpu / 1e6:10.1f}"
    )


if __name__ == "__main__":
    main()
