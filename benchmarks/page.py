"""How large the interactive page is, how soon it is drawn, and what a frame of it costs.

``python benchmarks/page.py [--runs 3] [name ...]``. Measured in a headless Chromium with software
rendering and the network off, every page opened in a fresh browser; of several runs the fastest.

- "first picture": wall time from the navigation until what has been drawn is on the screen.
- "script": the CPU time of the page's own thread in JavaScript until then (Chromium's
  ScriptDuration on the clock of the thread), so that other programs do not count.
- "GPU": the CPU time of Chromium's GPU process until then. Without a GPU that is where shaders are
  compiled and pictures are filled, and most of the first picture is spent; with one it is little.
- "script a frame": CPU time in animation frames while the page plays, median and 95th percentile.
  How many frames a second come out says how fast this machine draws without a GPU, not how fast
  the page is.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, CDPSession, Page

from bench.cases.moe import OPERATIONS, Experts
from bench.moe.measure import simulate
from bench.view.page import Exhibit, page
from fabric import Fabric
from fabric.timeline.film import film_of
from tests.support.browser import browser
from topology import Topology, cloudmatrix384, supernode
from topology.units import MB

SECONDS = 6.0
"""How long each page is played."""


def pages() -> Iterator[tuple[str, Callable[[], Sequence[Exhibit]], str]]:
    """Name, what makes the page's runs, and the address's fragment of each that is measured."""
    every = "#level=link"
    whole = cloudmatrix384()

    def healthy() -> Sequence[Exhibit]:
        return [played(whole, "healthy")]

    def both() -> Sequence[Exhibit]:
        return [*healthy(), played(whole.without("l2.3.0"), "l2.3.0 dead", whole)]

    yield "cloudmatrix384", lambda: [Exhibit(whole)], ""
    yield "cloudmatrix384, every link", lambda: [Exhibit(whole)], every
    yield "EP320 dispatch", healthy, ""
    yield "EP320 dispatch, every link", healthy, every
    yield "two runs, every link", both, every
    yield "supernode:8192", lambda: [Exhibit(supernode(8192))], ""


def played(topology: Topology, title: str, whole: Topology | None = None) -> Exhibit:
    """MoE dispatch over 320 ranks."""
    work = Experts(OPERATIONS[0], "low-latency", 320, 128, 7168, 8, 320, "int8", "uniform", 0)
    timeline = simulate(work, Fabric(topology, endpoint="cann-ep"))
    return Exhibit(topology, film_of(timeline, title=title), whole)


@dataclass(frozen=True)
class Opened:
    """Seconds to the first picture, and CPU seconds of script and of the GPU process until then."""

    first: float
    script: float
    gpu: float


def metric(session: CDPSession, name: str) -> float:
    """One of Chromium's metrics of a page."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(row["value"]) for row in found if row["name"] == name)


def gpu_seconds(running: Browser) -> float:
    """CPU seconds of the GPU process so far."""
    session = running.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(float(row["cpuTime"]) for row in found if row["type"] == "GPU")


def opened(running: Browser, shown: Page, address: str) -> Opened:
    """Open a page and wait for its first picture."""
    session = shown.context.new_cdp_session(shown)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before, begun = gpu_seconds(running), time.perf_counter()
    shown.goto(address)
    while not shown.evaluate("Boolean(window.triplane)"):
        time.sleep(0.005)
    shown.evaluate("triplane.ready")
    first = time.perf_counter() - begun
    return Opened(first, metric(session, "ScriptDuration"), gpu_seconds(running) - before)


def frames(running: Browser, shown: Page) -> NDArray[np.float64]:
    """CPU seconds of script in each frame of a page that plays from its beginning."""
    shown.evaluate("triplane.set({ time: 0 })")
    shown.keyboard.press(" ")
    shown.wait_for_timeout(500)  # what a first frame compiles and caches is no frame's cost
    running.start_tracing(page=shown, categories=["devtools.timeline", "cc"])
    shown.wait_for_timeout(1000 * SECONDS)
    traced = json.loads(running.stop_tracing())["traceEvents"]
    events = [event for event in traced if event["ph"] == "X" and "dur" in event]
    whole = [event for event in events if event["name"] == "ProxyMain::BeginMainFrame"]
    parts = [event for event in events if event["name"] == "FireAnimationFrame"]
    costs = [
        sum(part["tdur"] for part in parts if 0 <= part["ts"] - frame["ts"] < frame["dur"])
        for frame in whole
    ]
    return np.array([cost for cost in costs if cost], np.float64) * 1e-6


def measured(address: str, runs: int) -> tuple[Opened, NDArray[np.float64]]:
    """The fastest opening of several, and the frames of the last where the page plays."""
    found = []
    for run in range(runs):
        with browser() as running:
            context = running.new_context(viewport={"width": 1280, "height": 800}, offline=True)
            shown = context.new_page()
            found.append(opened(running, shown, address))
            plays = shown.evaluate("Boolean(triplane.app.scenes[0].traffic)")
            costs = frames(running, shown) if run == runs - 1 and plays else np.array([])
    best = Opened(*(min(getattr(one, f.name) for one in found) for f in fields(Opened)))
    return best, costs


def main() -> None:
    """Print a row a page."""
    parser = argparse.ArgumentParser(description="The interactive page, measured in a browser")
    parser.add_argument("--runs", type=int, default=3, help="openings of each page")
    parser.add_argument("names", nargs="*", help="parts of the names of pages; all where none")
    options = parser.parse_args()
    print(f"{'page':28} {'size MB':>8} {'write s':>8} {'first picture s':>16} {'script s':>9}"
          f" {'GPU s':>6}   script a frame ms: median, p95; frames/s")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        for name, run, fragment in pages():
            if options.names and not any(part in name for part in options.names):
                continue
            runs = run()
            begun = time.perf_counter()
            path.write_text(page(*runs), encoding="utf-8")
            written = time.perf_counter() - begun
            best, costs = measured(path.as_uri() + fragment, options.runs)
            tail = "-"
            if len(costs):
                middle, high = np.percentile(1e3 * costs, [50, 95])
                tail = f"{middle:.2f}, {high:.2f}; {len(costs) / SECONDS:.1f}"
            print(f"{name:28} {path.stat().st_size / MB:8.2f} {written:8.2f} {best.first:16.2f}"
                  f" {best.script:9.2f} {best.gpu:6.2f}   {tail}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
