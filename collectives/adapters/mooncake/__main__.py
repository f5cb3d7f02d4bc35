"""Run a program whose ``import mooncake`` gets Triplane's adapter, in it and all that it starts.

python -m collectives.adapters.mooncake [-m] program.py arguments...

With ``--servers N`` a pool of N processes is started for it, which all its processes share.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from collectives.memory.pool.hosted.serving import POOL_ADDRESS, serving


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables under which ``import mooncake`` finds the adapter."""
    shadow = str(Path(__file__).parent / "shadow")
    path = given.get("PYTHONPATH")
    return {**given, "PYTHONPATH": shadow if not path else f"{shadow}{os.pathsep}{path}"}


def main(arguments: list[str]) -> int:
    """Run the program; its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m collectives.adapters.mooncake", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--servers", type=int, default=0, help="processes of a pool [0: none]")
    parser.add_argument("--dram", type=int, default=1 << 30, help="bytes of each [1 GiB]")
    parser.add_argument("-m", dest="module", action="store_true", help="program is a module's name")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    program = ["-m", given.program] if given.module else [given.program]
    command = [sys.executable, *program, *given.arguments]
    made = environment(os.environ)
    if not given.servers:
        os.execve(sys.executable, command, made)
    with serving(given.servers, dram=given.dram) as address:
        return subprocess.run(command, env={**made, POOL_ADDRESS: address}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
