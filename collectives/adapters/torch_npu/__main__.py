"""Run a program whose ``import torch_npu`` gets Triplane's adapter, in it and all that it starts.

As soon as torch is imported, torch.npu is there, on the CPU.

python -m collectives.adapters.torch_npu [-m] program.py arguments...
"""

import argparse
import os
import sys

from collectives.adapters.torch_npu.standin import environment


def main(arguments: list[str]) -> None:
    """Become the program."""
    parser = argparse.ArgumentParser(
        prog="python -m collectives.adapters.torch_npu", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("-m", dest="module", action="store_true", help="program is a module's name")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    program = ["-m", given.program] if given.module else [given.program]
    command = [sys.executable, *program, *given.arguments]
    os.execve(sys.executable, command, environment(os.environ))


if __name__ == "__main__":
    main(sys.argv[1:])
