"""What `triplane run --live` costs a run, with a browser's stream beside it.

``python benchmarks/live.py [--ranks 2 4] [--calls 60000] [--rounds 5]``: processes that do nothing
but small collectives, which is the worst case: the more calls a second, the more there is to tell.
Runs without and with ``--live`` take turns, and each row is the median of pairs that ran one after
the other.

- "run s": wall time of the calls, from a barrier of all ranks to one at the end. The process of the
  page takes about 1 s of CPU once, to import what it needs; short runs see that.
- "CPU s": of the launcher with its ranks and the process of the page, all together.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
import sys, time
import numpy as np
from collectives import init
comm = init()
x = np.ones(1 << 12, np.float32)
out = np.empty_like(x)
comm.barrier()
begun = time.perf_counter()
for _ in range(int(sys.argv[1]) // 2):
    comm.all_reduce(x)
    comm.all_to_all(out, x)
comm.barrier()
if comm.rank == 0:
    print(time.perf_counter() - begun)
"""


@dataclass(frozen=True)
class Ran:
    """Wall seconds of a run's calls, CPU seconds of its processes, and bytes that a page got."""

    seconds: float
    cpu: float
    streamed: int


class Watcher:
    """Reads the stream of a page until it ends."""

    def __init__(self, address: str) -> None:
        self.bytes = 0
        self._address = address
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with urllib.request.urlopen(f"{self._address}events") as stream:
                for line in stream:
                    self.bytes += len(line)
        except OSError:  # the run was over before
            return

    def close(self) -> int:
        """How many bytes there were, at the end of the stream."""
        self._thread.join(10)
        return self.bytes


def run(program: Path, ranks: int, calls: int, live: bool) -> Ran:
    """Run the program once."""
    before = os.times()
    line = [sys.executable, "-c", "from bench.cli import main; main()", "run", "-n", str(ranks)]
    process = subprocess.Popen(
        [*line, *(["--live"] if live else []), str(program), str(calls)], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    watcher = None
    if live:
        address = re.search(r"http://\S+", process.stderr.readline())
        watcher = Watcher(address[0]) if address else None
    said, _ = process.communicate()
    after = os.times()
    cpu = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return Ran(float(said), cpu, watcher.close() if watcher else 0)


def main() -> None:
    """Print a row for each number of ranks."""
    parser = argparse.ArgumentParser(description="What --live costs a run")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--calls", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'ranks':>5} {'calls/s':>9} {'run s':>7} {'with':>7} {'more %':>7} {'CPU s':>7}"
          f" {'with':>7} {'streamed kB':>12}")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"
        program.write_text(PROGRAM)
        for ranks in options.ranks:
            run(program, ranks, 100, True)  # so that everything is compiled
            pairs = [
                (
                    run(program, ranks, options.calls, False),
                    run(program, ranks, options.calls, True),
                )
                for _ in range(options.rounds)
            ]
            middle = statistics.median
            alone, beside = middle(a.seconds for a, _ in pairs), middle(b.seconds for _, b in pairs)
            more = middle(100 * (b.seconds / a.seconds - 1) for a, b in pairs)
            print(f"{ranks:5} {options.calls / alone:9.0f} {alone:7.2f} {beside:7.2f} {more:7.1f}"
                  f" {middle(a.cpu for a, _ in pairs):7.2f} {middle(b.cpu for _, b in pairs):7.2f}"
                  f" {middle(b.streamed for _, b in pairs) / 1e3:12.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
