"""Random faults at random moments: ``python benchmarks/faults.py --trials 1000 --seed 1``.

Each trial starts two to four ranks that make random calls, checks every byte that they receive, and
lets a fault come: of the process of a rank or of a launcher, of a program, of a connection, of
files. An oracle looks when the other ranks are told, whether they are told the right cause, whether
anything hangs, and what is left. A trial is repeated by its seed and number. Ctrl-C ends the run
with the table of the trials that were made.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

from faults_oracle import Verdict
from faults_plan import ENDING, SIGNALS
from faults_rank import INSIDE
from faults_trial import try_it
from rich.console import Console
from rich.table import Table

KINDS = (*SIGNALS, *(f"launcher {name}" for name in ENDING), *INSIDE, "stranger")


LATE = 2.0
"""Seconds after which it is shown that others were told late."""


def quantile(values: Sequence[float], part: float) -> str:
    """The value below which so large a part of them is."""
    ordered = sorted(values)
    return f"{ordered[min(int(part * len(ordered)), len(ordered) - 1)]:.2f}" if ordered else ""


def table(verdicts: Sequence[Verdict], by: str) -> Table:
    """A line a fault: how many trials, how long until all were told, what was not as it should."""
    shown = Table()
    for name in (by, "trials", "told p50 s", "p99 s", "wrong", "hung", "left"):
        shown.add_column(name, justify="left" if name == by else "right")
    rows = sorted({str(getattr(one.plan, by)) for one in verdicts})
    for row in [*rows, "all"]:
        mine = [one for one in verdicts if row in ("all", str(getattr(one.plan, by)))]
        told = [one.told for one in mine if one.told is not None and one.plan.moment == "calls"]
        bad = (sum(bool(getattr(one, what)) for one in mine) for what in ("wrong", "hung", "left"))
        shown.add_row(
            row, str(len(mine)), quantile(told, 0.5), quantile(told, 0.99), *map(str, bad)
        )
    return shown


def finish_first() -> None:
    """Have Ctrl-C end no trial in the middle. A handler: what is ignored would be by ranks, too."""
    signal.signal(signal.SIGINT, lambda *_: None)


def shown(number: int, verdict: Verdict) -> None:
    """Print what is not as it should be, and what took long."""
    late = (verdict.told or 0) > LATE and verdict.plan.moment == "calls"
    for what in ("wrong", "hung", "left"):
        for words in getattr(verdict, what):
            print(f"{number}: {what}: {words}", flush=True)
    if verdict.wrong or verdict.hung or verdict.left or late:
        told = "" if verdict.told is None else f": {verdict.told:.2f} s"
        print(f"{number}: {verdict.plan}{told}", flush=True)
    if verdict.wrong or verdict.hung or verdict.left:
        print(f"{number}: see {verdict.plan.order.folder}", flush=True)


def trials(
    numbers: Sequence[int], seed: int, kinds: tuple[str, ...], asynchronous: bool, workers: int
) -> list[Verdict]:
    """Make these trials, some at a time, as far as nobody interrupts."""
    verdicts: list[Verdict] = []
    begun = time.monotonic()
    pool = ProcessPoolExecutor(workers, initializer=finish_first)
    try:
        made = [pool.submit(try_it, seed, number, kinds, asynchronous) for number in numbers]
        for number, one in zip(numbers, made, strict=True):
            verdicts.append(one.result())
            shown(number, verdicts[-1])
    except KeyboardInterrupt:
        print("interrupted")
    finally:
        pool.shutdown(cancel_futures=True)
    print(f"{len(verdicts)} trials in {time.monotonic() - begun:.0f} s")
    return verdicts


def main() -> int:
    """How many trials did not go as they should: the exit code is 1 for any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first trial")
    parser.add_argument("--workers", type=int, default=2, help="trials at a time")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="FAULT",
                        help=", ".join(KINDS))  # fmt: skip
    parser.add_argument("--async", dest="asynchronous", action="store_true",
                        help="asynchronous calls only, as with --kinds interrupt")  # fmt: skip
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.trials)
    verdicts = trials(numbers, given.seed, tuple(given.kinds), given.asynchronous, given.workers)
    console = Console(width=120)
    for by in ("kind", "launcher", "transport", "moment"):
        console.print(table(verdicts, by))
    return int(any(one.wrong or one.hung or one.left for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
