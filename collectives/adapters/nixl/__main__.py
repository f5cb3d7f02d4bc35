"""Run a program whose ``import nixl`` gets Triplane's adapter, in it and all that it starts.

python -m collectives.adapters.nixl [-m] program.py arguments...
"""

import os
import sys
from pathlib import Path

USAGE = "usage: python -m collectives.adapters.nixl [-m] program.py arguments..."


def main(arguments: list[str]) -> None:
    """Become the program, with the adapter on Python's path."""
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.exit(f"{__doc__}\n{USAGE}")
    shadow, path = str(Path(__file__).parent / "shadow"), os.environ.get("PYTHONPATH")
    found = shadow if not path else f"{shadow}{os.pathsep}{path}"
    command = [sys.executable, *arguments]
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": found})


if __name__ == "__main__":
    main(sys.argv[1:])
