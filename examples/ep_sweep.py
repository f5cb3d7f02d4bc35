"""What expert parallelism costs: MoE dispatch and combine from EP8 to EP128 on three machines.

``python examples/ep_sweep.py [FOLDER]`` prints a table, and draws the plot and the heat map of the
bytes of a skewed dispatch to FOLDER (out/).
"""

import sys
from pathlib import Path

from bench import heatmap
from bench.cases.moe import Experts
from bench.moe import picture
from bench.moe.measure import simulate
from bench.records import Record
from bench.results import moe
from fabric import Fabric
from topology import cloudmatrix384

SIZES = (8, 32, 128)


def main(folder: Path) -> None:
    rows: list[Record] = []
    for system, software in (
        ("cloudmatrix384", "cann-ep"), ("h800", "deepep-v1"), ("h800", "deepep-2025-02"),
    ):  # fmt: skip
        rows += moe(SIZES, system=system, software=software)
    print("EP   operation  machine                         us  published")
    for row in rows:
        where, known = f"{row['system']} {row['software']}", row["published_us"]
        print(f"{row['ranks']:<4} {row['op']:10} {where:28} {row['time_us']:6.1f}  {known or '-'}")
    picture.draw(rows, folder / "ep_sweep.png", ("dispatch", "combine"))

    hot = Experts("dispatch", "low-latency", 32, dtype="int8", skew="zipf:1.1")
    timeline = simulate(hot, Fabric(cloudmatrix384(), endpoint="cann-ep"))
    heatmap.draw(timeline, folder / "hot_experts.png")
    print(
        f"Hot experts (zipf:1.1) at EP32: {timeline.duration * 1e6:.1f} us, {timeline.bottleneck}"
    )


if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
    out.mkdir(parents=True, exist_ok=True)
    main(out)
