"""How large the interactive page is, how soon it is drawn, and what a frame of it costs.

``python benchmarks/page.py``. Measured in a headless Chromium with software rendering and the
network off. "first picture" is the wall time from the navigation to the first frame that has been
drawn. "script" is the CPU time of the page's own thread in JavaScript (Chromium's ScriptDuration on
the clock of the thread), so that other programs of the machine do not count. How many frames a
second come out says how fast this machine draws without a GPU, not how fast the page is.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.experts import OPERATIONS, Experts
from bench.moe import simulate
from fabric import Fabric
from fabric.replay import replay
from tests.browser import browser
from topology import Topology, cloudmatrix384, supernode
from topology.draw.page import Run, page
from topology.units import MB

SECONDS = 6.0
"""How long each page is played."""


def pages() -> Iterator[tuple[str, str, str]]:
    """Name, document, and the address's fragment of each page that is measured."""
    whole = cloudmatrix384()
    healthy = played(whole, "healthy")
    yield "cloudmatrix384", page(whole), ""
    yield "cloudmatrix384, every link", page(whole), "#level=link"
    yield "EP320 dispatch", page(healthy), ""
    yield "EP320 dispatch, every link", page(healthy), "#level=link"
    broken = whole.without("l2.3.0")
    both = page(healthy, played(broken, "l2.3.0 dead", whole))
    yield "two runs, every link", both, "#level=link"
    yield "supernode:8192", page(supernode(8192)), ""


def played(topology: Topology, title: str, whole: Topology | None = None) -> Run:
    """MoE dispatch over 320 ranks."""
    work = Experts(OPERATIONS[0], "low-latency", 320, 128, 7168, 8, 320, "int8", "uniform", 0)
    timeline = simulate(work, Fabric(topology, endpoint="cann-ep"))
    return Run(topology, replay(timeline, title=title), whole)


def script_seconds(session: Any) -> float:
    """CPU seconds that the page's thread has spent in scripts so far."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(row["value"]) for row in found if row["name"] == "ScriptDuration")


def measured(shown: Any, path: Path, fragment: str) -> tuple[float, float, float, float]:
    """Seconds to the first picture, script seconds of it, those of a frame, frames a second."""
    session = shown.context.new_cdp_session(shown)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    begun = time.perf_counter()
    shown.goto(path.as_uri() + fragment)
    while not shown.evaluate("Boolean(window.triplane)"):
        time.sleep(0.005)
    shown.evaluate("triplane.ready")
    first, opening = time.perf_counter() - begun, script_seconds(session)
    if not shown.evaluate("Boolean(triplane.app.scenes[0].traffic)"):
        return first, opening, np.nan, np.nan
    shown.evaluate("triplane.set({ time: 0 })")
    shown.evaluate("window.frames_ = 0; (function f() { frames_++; requestAnimationFrame(f); })()")
    shown.keyboard.press(" ")
    shown.wait_for_timeout(500)  # what a first frame compiles and caches is no frame's cost
    before, frames = script_seconds(session), shown.evaluate("frames_")
    shown.wait_for_timeout(1000 * SECONDS)
    frames = shown.evaluate("frames_") - frames
    return first, opening, (script_seconds(session) - before) / frames, frames / SECONDS


def main() -> None:
    """Print a row a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    print(f"{'page':28} {'size MB':>8} {'first picture s':>16} {'script s':>9} {'ms a frame':>11}"
          f" {'frames/s':>9}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, browser() as running:
        for name, document, fragment in pages():
            path = Path(folder) / "page.html"
            path.write_text(document, encoding="utf-8")
            context = running.new_context(viewport={"width": 1280, "height": 800}, offline=True)
            first, opening, frame, rate = measured(context.new_page(), path, fragment)
            context.close()
            print(f"{name:28} {path.stat().st_size / MB:8.2f} {first:16.2f} {opening:9.2f}"
                  f" {1e3 * frame:11.2f} {rate:9.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
