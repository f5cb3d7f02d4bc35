"""Run a program whose ``import nixl`` gets Triplane's adapter, in it and all that it starts.

python -m collectives.adapters.nixl [-m] program.py arguments...
"""

import os
import sys
from pathlib import Path

from collectives.adapters.shadowed import leading

USAGE = "usage: python -m collectives.adapters.nixl [-m] program.py arguments..."


def main(arguments: list[str]) -> None:
    """Become the program, with the adapter on Python's path."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(f"{__doc__}\n{USAGE}")
    made = leading(os.environ, Path(__file__).parent / "shadow")
    os.execve(sys.executable, [sys.executable, *arguments], made)


if __name__ == "__main__":
    main(sys.argv[1:])
