"""What a fault does: an all-to-all over two nodes, with ever more L2 switch chips dead.

``python examples/fault.py [FOLDER]`` prints a table, draws the machine with its dead chips, and
writes the two timelines that ``triplane view`` shows side by side to FOLDER (out/).
"""

import sys
from pathlib import Path

from collectives import schedule
from fabric import Fabric, Timeline
from topology import Topology, supernode
from topology.draw.figure import draw

BYTES = 1 << 18


def all_to_all(machine: Topology, routing: str) -> Timeline:
    fabric = Fabric(machine, routing=routing, planes=("ub",))
    return fabric.simulate(schedule("all_to_all", 32, BYTES, "direct"))


def main(folder: Path) -> None:
    whole = supernode(16)
    dead: list[str] = []
    print(f"an all-to-all on {whole.name}, by the wire alone (raw)")
    print("dead L2 chips      spray us   adaptive us   set by (adaptive)")
    for chip in (None, "l2.3.0", "l2.4.0", "l2.5.*"):
        dead += [chip] if chip else []
        machine = whole.without(*dead) if dead else whole
        spray, adaptive = (all_to_all(machine, routing) for routing in ("spray", "adaptive"))
        times = f"{spray.duration * 1e6:8.1f}   {adaptive.duration * 1e6:11.1f}"
        print(f"{', '.join(dead) or 'none':26} {times}   {adaptive.bottleneck}")
    draw(whole, folder / "fault.png", planes=["ub"], level="link", without=dead)
    all_to_all(whole, "spray").save(folder / "healthy.npz")
    all_to_all(whole.without(*dead), "spray").save(folder / "hurt.npz")


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    out.mkdir(parents=True, exist_ok=True)
    main(out)
