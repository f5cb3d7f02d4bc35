"""A transport that another package brings can be named wherever one of ours can."""

import os
import subprocess
import sys
from pathlib import Path

OTHERS = """
from fabric.transports.base import run_as
from fabric.transports.inproc import connect as within
from fabric.transports.zmq.transport import connect as between

threads = run_as("threads")(lambda *given: within(*given))
processes = lambda *given: between(*given)
"""
PROGRAM = """
import sys
import numpy as np
from collectives import init
from fabric import launch

def total():
    comm = init()
    x = np.full(1, comm.rank + 1)
    comm.all_reduce(x)
    return int(x[0])

if __name__ == "__main__":
    print([launch(total, 2, None, name) for name in ("dove", "crow")])
"""


TRIPLANE = ("-c", "import sys; from bench.cli import main; sys.exit(main())")


def test_a_transport_of_others_can_be_named_wherever_one_can(tmp_path: Path) -> None:
    """`launch` and the command line run ranks as it declares; an unknown one is refused."""
    about = tmp_path / "birds-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: birds\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[triplane.transports]\ndove = birds:threads\ncrow = birds:processes\n"
    )
    (tmp_path / "birds.py").write_text(OTHERS)
    (tmp_path / "program.py").write_text(PROGRAM)
    root = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}

    def ran(*line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *line], env=environment, cwd=tmp_path, timeout=120.0, text=True,
            capture_output=True, check=False,
        )  # fmt: skip

    shown = ran("program.py")
    assert shown.stdout == "[[3, 3], [3, 3]]\n", shown.stderr
    (tmp_path / "one.py").write_text("from program import total\nassert total() == 3\n")
    for name in ("dove", "crow"):
        ended = ran(*TRIPLANE, "run", "-n", "2", "--system", "none", "--transport", name, "one.py")
        assert (ended.returncode, ended.stderr) == (0, "")
    refused = ran(*TRIPLANE, "run", "--transport", "emu", "one.py")
    assert refused.returncode == 2
    assert "'emu' is not one of 'inproc', 'zmq', 'mpi', 'crow', 'dove'" in refused.stderr
