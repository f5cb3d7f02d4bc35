"""Run a program whose ``import deep_ep`` gets Triplane's adapter, in it and all that it starts.

As soon as torch is imported, torch.cuda is replaced by the CPU stand-in.

python -m collectives.adapters.deep_ep [--upstream CHECKOUT] program.py arguments... python -m
collectives.adapters.deep_ep [--upstream CHECKOUT] -m module arguments...
"""

import os
import sys

from collectives.adapters.deep_ep.standin import environment
from collectives.adapters.shadowed import parser_of, with_program


def main(arguments: list[str]) -> None:
    """Become the program."""
    parser = parser_of("deep_ep", __doc__)
    parser.add_argument(
        "--upstream", metavar="CHECKOUT", help="a checkout of DeepEP, for what is in deep_ep/utils"
    )
    given, command = with_program(parser, arguments)
    try:
        made = environment(os.environ, given.upstream)
    except FileNotFoundError as error:
        parser.error(str(error))
    os.execve(sys.executable, command, made)


if __name__ == "__main__":
    main(sys.argv[1:])
