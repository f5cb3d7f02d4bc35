"""Run a program whose ``import mooncake`` gets Triplane's adapter, in it and all that it starts.

python -m collectives.adapters.mooncake [-m] program.py arguments...

With ``--servers N`` a pool of N processes is started for it, which all its processes share.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from collectives.adapters.shadowed import leading, parser_of, with_program
from collectives.memory.pool.hosted.serving import POOL_ADDRESS, serving


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables under which ``import mooncake`` finds the adapter."""
    return leading(given, Path(__file__).parent / "shadow")


def main(arguments: list[str]) -> int:
    """Run the program; its exit code."""
    parser = parser_of("mooncake", __doc__)
    parser.add_argument("--servers", type=int, default=0, help="processes of a pool [0: none]")
    parser.add_argument("--dram", type=int, default=1 << 30, help="bytes of each [1 GiB]")
    given, command = with_program(parser, arguments)
    made = environment(os.environ)
    if not given.servers:
        os.execve(sys.executable, command, made)
    with serving(given.servers, dram=given.dram) as address:
        return subprocess.run(command, env={**made, POOL_ADDRESS: address}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
