"""A first look at CloudMatrix384: what it is, a collective, and why it takes as long as it does.

``python examples/first_look.py [FOLDER]`` writes a picture, a trace for ui.perfetto.dev and the
timeline for ``triplane view`` to FOLDER (out/). In a notebook, evaluate ``machine``, ``timeline``
or ``results`` for a table of each.
"""

import sys
from pathlib import Path

from bench.results import collective
from collectives import schedule
from fabric import Fabric
from topology import cloudmatrix384
from topology.draw.figure import draw


def main(folder: Path) -> None:
    machine = cloudmatrix384()
    print(f"{machine.name}: {machine.n_vertices} vertices, {machine.n_links} links")
    draw(machine, folder / "cloudmatrix384.png", level="rack")

    fabric = Fabric(machine, endpoint="hccl")
    timeline = fabric.simulate(schedule("all_reduce", 32, 1 << 24), operation="all_reduce")
    print(f"all_reduce of 16 MiB over 32 dies with {timeline.software}:", end=" ")
    print(f"{timeline.duration * 1e6:.1f} us")
    print(f"  at least {timeline.bound * 1e6:.1f} us, which {timeline.bottleneck} sets")
    timeline.to_perfetto(folder / "all_reduce.json")
    timeline.save(folder / "all_reduce.npz")

    results = collective("all_reduce", ranks=32, sizes=[1 << 16, 1 << 20, 1 << 24])
    print(f"{results.title} with {results.records[0]['software']}:")
    for row in results:
        size, time, algorithm = row["size_bytes"], row["time_us"], row["algorithm"]
        print(f"  {size:>9} bytes  {time:8.1f} us  {algorithm}")
    print(f"Written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    out.mkdir(parents=True, exist_ok=True)
    main(out)
