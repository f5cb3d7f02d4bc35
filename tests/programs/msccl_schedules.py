"""Every schedule in a checkout of MSCCL's: read, verified, and written and read again.

``make test-msccl MSCCL=/path/to/a checkout of Azure/msccl-scheduler``; it is no part of this
project, so it is fetched for the run.
"""

import sys
from pathlib import Path

from collectives.algorithms.msccl.schedule import load
from collectives.algorithms.msccl.write import write
from tests.support.checked_out import report_and_exit

WORD = 8


def again(path: Path, folder: str) -> str:
    """What a schedule does, as it is after it was written by us and read again."""
    found = load(str(path))
    unit = found.chunks * WORD
    size = unit // found.ranks if found.collective in ("all_gather", "reduce_scatter",
                                                       "all_to_all") else unit  # fmt: skip
    out = f"{folder}/again.xml"
    steps = list(found.steps(found.ranks, size, 0, WORD))
    write(out, steps, found.collective, found.ranks, size, found.name)
    load(out)
    return f"{found.collective} of {found.ranks} in {found.network_rounds} rounds"


def main() -> None:
    """Print a line a schedule; exit with 1 if one is wrong, or there is none."""
    files = sorted(Path(sys.argv[1]).rglob("*.xml"))
    schedules = [path for path in files if "<algo" in path.read_text("utf-8", "replace")[:4096]]
    report_and_exit(schedules, "schedules", again)


if __name__ == "__main__":
    main()
