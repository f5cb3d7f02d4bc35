"""Writes a schedule as the connection matrix (``.cm``) of htsim: its flows, and what starts them.

As ``sim/datacenter/connection_matrix.cpp`` of Broadcom/csg-htsim reads it. A flow there can be
started by one trigger, so a step begins when all flows of the step before have ended at their
senders, those of other ranks too: a barrier where we have none.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from fabric.schedule.step import ScheduleError, Step
from topology.files.output import text_file

MOST = (1 << 31) - 1
"""Bytes of a flow at most: htsim reads an int. What is longer is several flows."""

Flow = tuple[int, int, int]


def write_cm(path: str | Path, steps: Iterable[Step], ranks: int) -> None:
    """Write the steps of a schedule of so many ranks to the file ``path``.

    Rows of a step between the same two ranks are one flow; copies within a rank are left out.
    Raises `ScheduleError` for a schedule in which no byte leaves its rank, and `OSError`.
    """
    flows = [mine for step in steps if (mine := list(_flows(step, ranks)))]
    if not flows:
        raise ScheduleError("no byte of the schedule leaves its rank: there are no flows")
    text = "".join(f"{line}\n" for line in _lines(flows, ranks))
    with text_file(Path(path)) as file:
        file.write(text)


def _flows(step: Step, ranks: int) -> Iterator[Flow]:
    """The flows of a step in the order of ranks: source, target, bytes."""
    last = max(int(step.src.max(initial=0)), int(step.dst.max(initial=0)))
    if last >= ranks:
        raise ScheduleError(f"a step has rank {last}; there are ranks 0 to {ranks - 1}")
    pairs, place = np.unique(step.src * ranks + step.dst, return_inverse=True)
    total = np.zeros(len(pairs), np.int64)
    np.add.at(total, place, step.size)
    for pair, size in zip(pairs.tolist(), total.tolist(), strict=True):
        src, dst = divmod(pair, ranks)
        for begin in range(0, size if src != dst else 0, MOST):
            yield src, dst, min(MOST, size - begin)


def _lines(flows: list[list[Flow]], ranks: int) -> Iterator[str]:
    yield f"Nodes {ranks}"
    yield f"Connections {sum(map(len, flows))}"
    yield f"Triggers {len(flows) - 1}"
    number = 0
    for at, step in enumerate(flows):
        begins = f"trigger {at}" if at else "start 0"
        ends = f" send_done_trigger {at + 1}" if at + 1 < len(flows) else ""
        for src, dst, size in step:
            number += 1
            yield f"{src}->{dst} id {number} {begins} size {size}{ends}"
    for at, step in enumerate(flows[:-1], start=1):
        yield f"trigger id {at} barrier count {len(step)}"
