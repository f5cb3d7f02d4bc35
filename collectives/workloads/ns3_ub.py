"""Traffic of ns-3-UB, in and out: the ``traffic.csv`` of a case as a workload, a schedule as it.

A task begins its ``delay`` after all tasks of the phases that it depends on have ended, wherever
these ran. Rank i is the i-th device of the case. A read is a request without data and its answer. A
task ends here when its last byte has arrived, there when the sender knows.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from collectives.workloads.workload import CALC, RECV, SEND, Workload, WorkloadError, Writer
from fabric.schedule.step import ScheduleError, Step
from topology.files.output import text_file
from topology.formats.ns3_ub import case_attributes, case_nodes, lines_of, number, seconds, time_of
from topology.formats.ns3_ub_write import PRIORITY
from topology.names import near

WRITES = ("URMA_WRITE", "MEM_STORE", "URMA_WRITE_NOTIFY")
READS = ("URMA_READ", "MEM_LOAD")

MOST = (1 << 31) - 1
"""Bytes of a task, and number of it, at most: both are an int there. What is longer is several."""

MOST_NEEDS = 1 << 24
"""Dependencies that are written at most."""

TITLES = (
    "taskId", "sourceNode", "destNode", "dataSize(Byte)", "opType", "priority", "delay", "phaseId",
    "dependOnPhases",
)  # fmt: skip


class CaseTask(NamedTuple):
    """A task of a case: ranks, bytes, whether it reads, seconds of delay, its phase and others'."""

    where: str
    id: int
    src: int
    dst: int
    size: int
    reads: bool
    delay: float
    phase: int
    after: tuple[int, ...]


def load(folder: str | Path) -> Workload:
    """The tasks of the case in ``folder`` as a workload of its devices.

    Raises `WorkloadError` naming file, line and fault, and `TopologyError` for its ``node.csv``.
    """
    path = Path(folder)
    if case_attributes(path).get("UB_FAULT_ENABLE") == "true":
        raise WorkloadError(
            f"{path / 'network_attribute.txt'}: UB_FAULT_ENABLE is true; faults of tasks are not"
            ' read here, and "false" leaves them out'
        )
    nodes = case_nodes(path)
    rank = {id_: at for at, id_ in enumerate(i for i, n in enumerate(nodes) if n.is_device)}
    tasks = list(_tasks(path / "traffic.csv", rank))
    if not tasks:
        raise WorkloadError(f"{path / 'traffic.csv'}: there are no tasks")
    phases = {task.phase for task in tasks}
    for task in tasks:
        for phase in task.after:
            if phase not in phases:
                raise WorkloadError(
                    f"{task.where}: task {task.id} depends on phase {phase}, which has no task"
                )
    return _workload(tasks, len(rank))


def _tasks(path: Path, rank: dict[int, int]) -> Iterator[CaseTask]:
    seen = dict[int, str]()
    for where, cells in lines_of(path, TITLES[:-1], WorkloadError):
        id_, src, dst, size = (
            number(cells[at], 0, MOST, f"{where}: {TITLES[at]}", WorkloadError) for at in range(4)
        )
        if id_ in seen:
            raise WorkloadError(f"{where}: task {id_} is in {seen[id_]} already")
        seen[id_] = where.rpartition(": ")[2]
        for title, node in (("sourceNode", src), ("destNode", dst)):
            if node not in rank:
                raise WorkloadError(f"{where}: {title} is {node}, which is no device of the case")
        what = cells[4]
        if what not in (*WRITES, *READS):
            raise WorkloadError(
                f"{where}: opType is {what!r:.60}; there are {', '.join((*WRITES, *READS))}"
                f"{near(what, (*WRITES, *READS))}"
            )
        delay = seconds(time_of(cells[6] or "0ns", where, WorkloadError))
        phase, *after = (
            number(text, 0, MOST, f"{where}: {title}", WorkloadError)
            for title, texts in (("phaseId", [cells[7]]), (TITLES[8], "".join(cells[8:9]).split()))
            for text in texts
        )
        yield CaseTask(where, id_, rank[src], rank[dst], size, what in READS, delay, phase,
                   tuple(dict.fromkeys(after)))  # fmt: skip


def _workload(tasks: Sequence[CaseTask], ranks: int) -> Workload:
    """Between phases are computations of no time, so dependencies grow with tasks, not pairs."""
    writer = Writer("task")
    begins, ends, first = [], defaultdict[int, list[int]](list), dict[int, CaseTask]()
    for turn, task in enumerate(tasks):
        begin, end = _added(writer, task, turn)
        begins.append(begin)
        ends[task.phase].append(end)
        first.setdefault(task.phase, task)
    over: dict[int, int] = {}
    for phase in dict.fromkeys(phase for task in tasks for phase in task.after):
        here = first[phase]
        over[phase] = writer.add(here.src, CALC, f"phase {phase} over", number=here.id)
        for end in ends[phase]:
            writer.need(over[phase], end)
    for task, begin in zip(tasks, begins, strict=True):
        for phase in task.after:
            writer.need(begin, over[phase])
    return writer.done(ranks)


def _added(writer: Writer, task: CaseTask, turn: int) -> tuple[int, int]:
    """The operations of a task; returns the one that begins it, and the one that ends it."""
    name = f"task {task.id}"
    # Each waits on a processor of its own: one delay does not hold up the next.
    begin = writer.add(task.src, CALC, f"{name} waits", duration=task.delay, unit=turn + 1,
                       number=task.id)  # fmt: skip
    last = begin
    for turned, size in ((0, 0), (1, task.size)) if task.reads else ((0, task.size),):
        src, dst = (task.dst, task.src) if turned else (task.src, task.dst)
        send, recv = (
            writer.add(rank, kind, name, size=size, peer=peer, tag=2 * task.id + turned,
                       number=task.id)
            for rank, kind, peer in ((src, SEND, dst), (dst, RECV, src))
        )  # fmt: skip
        writer.need(send, last)
        last = recv
    return begin, last


# --- Out


def write_traffic(path: str | Path, steps: Iterable[Step], nodes: Sequence[int]) -> None:
    """Write a schedule as the tasks of a case to the file ``path``; rank r is node ``nodes[r]``.

    Every task is a phase of its own, which depends on all tasks of its sender's step before: as
    our schedules are ordered, without a barrier. Rows of a step between the same two ranks are one
    task; copies within a rank are left out. Raises `ScheduleError` where no byte leaves its rank,
    for a message of no bytes, and for too many dependencies; `OSError`.
    """
    lines = [",".join(TITLES), *_lines(steps, nodes)]
    if len(lines) == 1:
        raise ScheduleError("no byte of the schedule leaves its rank: there are no tasks")
    with text_file(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def _lines(steps: Iterable[Step], nodes: Sequence[int]) -> Iterator[str]:
    before: dict[int, list[int]] = {}
    task = needs = 0
    for step in steps:
        mine: dict[int, list[int]] = defaultdict(list)
        for src, dst, size in pairs_of(step, len(nodes)):
            for begin in range(0, size, MOST):
                after = before.get(src, [])
                needs += len(after)
                if needs > MOST_NEEDS or task > MOST:
                    raise ScheduleError(
                        f"the schedule has more than {MOST_NEEDS} dependencies between tasks, which"
                        " is more than is written; fewer ranks have fewer"
                    )
                yield (
                    f"{task},{nodes[src]},{nodes[dst]},{min(MOST, size - begin)},{WRITES[0]},"
                    f"{PRIORITY},0ns,{task},{' '.join(map(str, after))}"
                )
                for rank in {src, dst}:
                    mine[rank].append(task)
                task += 1
        before |= mine


def pairs_of(step: Step, ranks: int) -> Iterator[tuple[int, int, int]]:
    """Source, target and bytes of what a step sends, in the order of ranks, a pair once.

    Raises `ScheduleError` for a message of no bytes, which is no task.
    """
    away = step.src != step.dst
    keys, place = np.unique(step.src[away] * ranks + step.dst[away], return_inverse=True)
    total = np.zeros(len(keys), np.int64)
    np.add.at(total, place, step.size[away])
    for key, size in zip(keys.tolist(), total.tolist(), strict=True):
        src, dst = divmod(key, ranks)
        if not size:
            raise ScheduleError(
                f"rank {src} sends rank {dst} a message of no bytes, which is no task of ns-3-UB"
            )
        yield src, dst, size
