"""Run a program whose ``import torch_npu`` gets Triplane's adapter, in it and all that it starts.

As soon as torch is imported, torch.npu is there, on the CPU.

python -m collectives.adapters.torch_npu [-m] program.py arguments...
"""

import os
import sys

from collectives.adapters.shadowed import parser_of, with_program
from collectives.adapters.torch_npu.standin import environment


def main(arguments: list[str]) -> None:
    """Become the program."""
    _, command = with_program(parser_of("torch_npu", __doc__), arguments)
    os.execve(sys.executable, command, environment(os.environ))


if __name__ == "__main__":
    main(sys.argv[1:])
