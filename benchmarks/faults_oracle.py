"""The oracle of ``faults.py``: what came of a trial, and what is left of it."""

import contextlib
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults_plan import ENDS_ALL, MARK, Plan

HARMLESS = ("stranger", "sockets deleted", "descriptors")
"""Faults that ranks may outlive."""

WORDS = {
    "SIGKILL": "rank {v} was killed by SIGKILL", "SIGTERM": "rank {v} was killed by SIGTERM",
    "SIGINT": "rank {v} (raised KeyboardInterrupt|was killed by SIGINT)",
    "SIGHUP": "rank {v} was killed by SIGHUP", "SIGQUIT": "rank {v} was killed by SIGQUIT",
    "SIGSEGV": "rank {v} was killed by SIGSEGV", "SIGSTOP": "rank {v} has been stopped",
    "os._exit(3)": "rank {v} ended with exit code 3", "os._exit(0)": "rank {v}",
    "sys.exit(4)": "rank {v} (raised SystemExit: 4|ended with exit code 4|has ended)",
    "exception": "rank {v} raised ValueError: a fault", "exec": "rank {v} ",
    "interrupt": "rank {v} raised KeyboardInterrupt",
    "descriptors": "descriptor|[Tt]oo many open files|rank {v}",
    "cut data": "was cut", "cut control": "rank {v} |broken",
}  # fmt: skip
"""What the other ranks are to be told, where the launcher leaves them the time."""


@dataclass
class Verdict:
    """What came of it. ``told``: seconds until the last survivor was told, or had ended.

    ``starved``: the longest that one thread of the trial was ready meanwhile, but had no processor.
    """

    plan: Plan
    told: float | None = None
    starved: float = 0.0
    wrong: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Event:
    """A line of a rank's diary."""

    pid: int
    time: float
    name: str
    words: str


def diaries(folder: Path) -> dict[str, list[Event]]:
    """What the ranks have written, by file."""
    found: dict[str, list[Event]] = {}
    for path in folder.glob("*.diary"):
        pid = int(path.name.partition(".")[0])
        lines = [line.split(" ", 2) for line in path.read_text().splitlines()]
        found[path.name] = [Event(pid, float(t), name, words) for t, name, words in lines]
    return found


def by_rank(found: dict[str, list[Event]]) -> dict[int, list[Event]]:
    """The diaries of those who have joined."""
    return {
        int(event.words.split()[0]): events
        for events in found.values()
        for event in events
        if event.name == "joined"
    }


class Observer:
    """Looks at the processes of a trial again and again: when they end, how long they must wait.

    ``ended``: when each process that has written a diary was first seen to be gone. ``looks``: time
    and, for each thread, the seconds that it was ready to run by then and had no processor.
    """

    def __init__(self, mark: str, folder: Path) -> None:
        self.ended: dict[int, float] = {}
        self.looks: list[tuple[float, dict[str, float]]] = []
        self._mark, self._folder = mark, folder

    def look(self) -> None:
        """Look now."""
        now = time.monotonic()
        pids = {int(path.name.partition(".")[0]) for path in self._folder.glob("*.diary")}
        for pid in pids - self.ended.keys():
            if not alive(pid):
                self.ended[pid] = now
        if not self.looks or now - self.looks[-1][0] > WAITS_LOOK:
            self.looks.append((now, self._waits()))

    def starved(self, begin: float, end: float) -> float:
        """The longest that a thread has waited for a processor between two times, in seconds."""
        before = [waits for at, waits in self.looks if at <= begin]
        until = [waits for at, waits in self.looks if at <= end]
        first, last = (one[-1] if one else {} for one in (before, until))
        return max((late - first.get(who, 0.0) for who, late in last.items()), default=0.0)

    def _waits(self) -> dict[str, float]:
        found = {}
        for pid in members(self._mark):
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError, IndexError):
                    found[str(path)] = int(path.read_text().split()[1]) * 1e-9
        return found


WAITS_LOOK = 0.1
"""Seconds between two looks at how long threads have waited."""


def alive(pid: int) -> bool:
    """Whether there is such a process, and it is more than its exit code."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


def members(mark: str) -> dict[int, str]:
    """The processes of a trial that live, and what they are."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0"):
                line = (path / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(path.name)] = line.decode(errors="replace")[:150]
    return found


def judge(
    plan: Plan, folder: Path, codes: Sequence[int | None], struck: float, end: float,
    ended: Mapping[int, float], verdict: Verdict,
) -> None:  # fmt: skip
    """Judge what the ranks have written: the fault came at ``struck``, all was over at ``end``.

    ``codes``: of the launchers. ``ended``: when processes were first seen to be gone.
    """
    found = diaries(folder)
    ranks = by_rank(found)
    wrong = [e.words for one in found.values() for e in one if e.name == "wrong"]
    verdict.wrong += [f"bytes: {words}" for words in wrong]
    if plan.moment != "calls":
        verdict.told = end - struck
        return
    outside = plan.kind.startswith("launcher")
    told = {
        rank: [(e.time, e.words) for e in events if e.name == "told" and e.time >= struck]
        for rank, events in ranks.items()
        if outside or rank != plan.victim
    }
    gone = {rank: ended.get(ranks[rank][0].pid, end) - struck for rank in told}
    times = {rank: one[0][0] - struck for rank, one in told.items() if one}
    if plan.kind in HARMLESS and not any(told.values()):
        done = sum(e.name == "done" for one in found.values() for e in one)
        if done != plan.ranks:
            verdict.wrong.append(f"{done} of {plan.ranks} ranks were done, and nobody was told why")
        return
    verdict.told = max((gone | times).values(), default=end - struck)
    if len(times) < len(told) and not (outside or plan.launcher in ENDS_ALL or _mpi(plan)):
        verdict.wrong.append(f"ranks {[r for r, one in told.items() if not one]} were not told")
    pattern = WORDS.get(plan.kind, "").replace("{v}", str(plan.victim))
    if plan.launcher in ENDS_ALL:  # the exit codes of their ranks nobody else can know
        pattern += f"|rank {plan.victim} has ended"
    for rank, one in told.items():
        for _, words in one[:1]:
            if not outside and not _mpi(plan) and not re.search(pattern, words):
                verdict.wrong.append(f"rank {rank} was told: {words}")
    ours = not (outside or plan.launcher in ENDS_ALL or _mpi(plan))  # MPICH's mpiexec may say 0
    if ours and all(code == 0 for code in codes):
        verdict.wrong.append("the launcher says that all is well")


def _mpi(plan: Plan) -> bool:
    """Whether mpiexec ends the ranks, one way or another."""
    return plan.transport == "mpi" or plan.launcher in ("mpiexec", "openmpi")


def hung(plan: Plan, found: dict[int, str]) -> list[str]:
    """Those of the processes that live too long; a launcher of others alone is not our business."""
    theirs = ("torchrun", "mpiexec", "prterun", "hydra_pmi_proxy")
    ours = [one for one in found.values() if not any(name in one for name in theirs)]
    lives = [f"{pid} {what}" for pid, what in found.items()]
    return lives if ours or plan.launcher not in ENDS_ALL else []


OTHERS = "torchelastic_", "ompi.", "prte."
"""How the names of what launchers of others leave begin."""


def segments(mark: str) -> set[str]:
    """The files of shared memory that the processes of a trial have now."""
    found = set()
    for pid in members(mark):
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text()
            found |= set(re.findall(r"/dev/shm/\S+", maps))
    return found


def remains(mark: str, folder: Path, shared: set[str]) -> list[str]:
    """What is left of a trial: processes, files in the temporary folder, shared memory."""
    processes = [f"process {pid}: {what}" for pid, what in members(mark).items()]
    theirs = tuple(f"{folder}/t/{one}" for one in (f"triplane-{os.getuid()}", *OTHERS))
    files = [
        f"file {path}" for path in (folder / "t").rglob("*") if not str(path).startswith(theirs)
    ]
    return processes + files + [f"shared memory {one}" for one in shared if Path(one).exists()]
