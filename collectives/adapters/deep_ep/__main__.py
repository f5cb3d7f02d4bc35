"""Run a program whose ``import deep_ep`` gets Triplane's adapter, in it and all that it starts.

As soon as torch is imported, torch.cuda is replaced by the CPU stand-in.

python -m collectives.adapters.deep_ep [--upstream CHECKOUT] program.py arguments... python -m
collectives.adapters.deep_ep [--upstream CHECKOUT] -m module arguments...
"""

import argparse
import os
import sys

from collectives.adapters.deep_ep.standin import environment


def main(arguments: list[str]) -> None:
    """Become the program."""
    parser = argparse.ArgumentParser(
        prog="python -m collectives.adapters.deep_ep", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--upstream", metavar="CHECKOUT", help="a checkout of DeepEP, for what is in deep_ep/utils"
    )
    parser.add_argument("-m", dest="module", action="store_true", help="program is a module's name")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    try:
        made = environment(os.environ, given.upstream)
    except FileNotFoundError as error:
        parser.error(str(error))
    program = ["-m", given.program] if given.module else [given.program]
    os.execve(sys.executable, [sys.executable, *program, *given.arguments], made)


if __name__ == "__main__":
    main(sys.argv[1:])
