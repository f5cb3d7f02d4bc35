"""Ranks that go on after others were killed: ``python benchmarks/losses.py --kills 100 --seed 1``.

Each trial starts ranks as processes that dispatch tokens, run experts and combine, all the time.
One after the other is killed at a random moment, in the middle of a call, until two are left; the
others go on in a smaller group, with the replicas of the experts that were lost, or without them.
With ``--replace N`` there are N spare ranks, which take the places of those that were lost, with
their experts, and are killed in turn.
Each step of each survivor is compared with the dense mixture over the experts still held. The
table says what went wrong, and how long it took from a kill until the last survivor had completed
its next step.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.util import get_temp_dir
from pathlib import Path

from losses_rank import Trial, rank
from rich.console import Console
from rich.table import Table

from fabric import launch
from fabric.failure import RankLost, TimedOut, WorldError
from fabric.host.folder import PREFIX

FIRST, EVERY = 0.2, 0.9
"""Seconds until the first rank of a trial is killed, and from one kill to the next, at least."""

SPREAD = 0.8
"""Seconds by which a kill may be later than that."""

PATIENCE = 60.0
"""Seconds after which a trial hangs."""

LATE = 2.0
"""Seconds after which the next step has been completed late."""

SURVIVORS = 2


@dataclass
class Outcome:
    """What trials have shown: seconds from each kill to the next completed step, and in words what
    was ``hung``, ``wrong`` or ``left`` behind.
    """  # noqa: D205

    kills: int = 0
    steps: int = 0
    times: list[float] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def plan(seed: int, ranks: int, spares: int, kills: int, log: Path) -> Trial:
    """A trial: which ranks are killed, and when; a spare some time after it has joined."""
    rng = random.Random(seed)
    who = rng.sample(range(ranks), min(kills, ranks - SURVIVORS))
    at = {one: FIRST + EVERY * turn + rng.uniform(0, SPREAD) for turn, one in enumerate(who)}
    for spare in range(ranks, ranks + min(spares, len(who), kills - len(who))):
        at[spare] = FIRST + rng.uniform(0, SPREAD)
    return Trial(seed, at, str(log), ranks, spares)


def left_behind() -> set[str]:
    """What worlds of ranks make on this host: private folders, files of shared memory."""
    folders = {str(path) for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*")}
    return folders | {str(path) for path in Path("/dev/shm").glob("*triplane*")}


def run(trial: Trial, ranks: int, transport: str, sync: str, outcome: Outcome) -> None:
    """Make a trial, and add to ``outcome`` what it shows."""
    before = left_behind()
    try:
        results = launch(
            rank, ranks, transport=transport, sync=sync, on_loss="shrink", args=(trial,),
            timeout=PATIENCE, spares=trial.spares,
        )  # fmt: skip
    except TimedOut as error:
        outcome.hung.append(f"{trial.seed}: {error}")
    except (WorldError, AssertionError) as error:
        outcome.wrong.append(f"{trial.seed}: {error}")
    else:
        _look_at(trial, results, outcome)
    log = [line.split() for line in Path(trial.log).read_text().splitlines()]
    notes = [(kind, int(number), float(at)) for kind, number, at in log]
    times = completed(notes)
    outcome.kills += len(times)
    outcome.times += times
    outcome.left += sorted(left_behind() - before)
    pids = [number for kind, number, _ in notes if kind == "pid"]
    outcome.left += [f"process {pid}" for pid in pids if Path(f"/proc/{pid}").exists()]


def _look_at(trial: Trial, results: Sequence[object], outcome: Outcome) -> None:
    for number, one in enumerate(results):
        if number not in trial.kills and isinstance(one, int):
            outcome.steps += one
        elif number >= trial.ranks and one is None:
            continue  # a spare that was not needed
        elif number not in trial.kills or not isinstance(one, RankLost):
            outcome.wrong.append(f"{trial.seed}: rank {number}: {one!r}")


def completed(notes: Sequence[tuple[str, int, float]]) -> list[float]:
    """Seconds from each kill until the last survivor had completed a step without that rank."""
    kills = sorted(at for kind, _, at in notes if kind == "kill")
    steps = [(lost, at) for kind, lost, at in notes if kind == "step"]
    times = []
    for number, killed in enumerate(kills):
        later = [lost for lost, at in steps if lost > number]
        first = [at for lost, at in steps if later and lost == min(later)]
        times.append(max(first) - killed if first else float("inf"))
    return times


def quantile(values: Sequence[float], part: float) -> str:
    """The value below which so large a part of them is."""
    ordered = sorted(values)
    return f"{ordered[min(int(part * len(ordered)), len(ordered) - 1)]:.3f}" if ordered else ""


def table(outcome: Outcome) -> Table:
    """A line with everything."""
    late = sum(at > LATE for at in outcome.times)
    columns = {
        "kills": outcome.kills, "steps of survivors": outcome.steps,
        "to the next step p50 s": quantile(outcome.times, 0.5),
        "p99 s": quantile(outcome.times, 0.99), "max s": quantile(outcome.times, 1.0),
        "late": late, "hung": len(outcome.hung), "wrong": len(outcome.wrong),
        "left": len(outcome.left),
    }  # fmt: skip
    shown = Table()
    for name in columns:
        shown.add_column(name, justify="right")
    shown.add_row(*map(str, columns.values()))
    return shown


def main() -> int:
    """The exit code: 1 if anything hung, was wrong or left behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--replace", type=int, default=0, metavar="N", help="spare ranks")
    parser.add_argument("--transport", default="zmq")
    parser.add_argument("--sync", default="strict", choices=("strict", "eager"))
    parser.add_argument("--sockets", action="store_true", help="no shared memory")
    given = parser.parse_args()
    if given.sockets:
        os.environ["TRIPLANE_SHARED_MEMORY"] = "0"
    outcome, seed, begun = Outcome(), given.seed, time.monotonic()
    get_temp_dir()  # what starts processes keeps it until the end
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # where nobody else leaves anything
        while outcome.kills < given.kills and not outcome.hung:
            log = Path(folder) / str(seed)
            log.touch()
            trial = plan(seed, given.ranks, given.replace, given.kills - outcome.kills, log)
            run(trial, given.ranks, given.transport, given.sync, outcome)
            seed += 1
    tempfile.tempdir = None
    for what in ("hung", "wrong", "left"):
        for words in getattr(outcome, what):
            print(f"{what}: {words}")
    print(f"{seed - given.seed} trials in {time.monotonic() - begun:.0f} s")
    Console(width=120).print(table(outcome))
    return int(bool(outcome.hung or outcome.wrong or outcome.left))


if __name__ == "__main__":
    sys.exit(main())
