"""Random faults at random moments: ``python benchmarks/faults.py --trials 1000 --seed 1``.

Each trial starts two to four ranks that make random calls, checks every byte that they receive, and
lets a fault come: of the process of a rank or of a launcher, of a program, of a connection, of
files. An oracle looks when the other ranks are told, whether they are told the right cause, whether
anything hangs, and what is left. A trial is repeated by its seed and number. Ctrl-C ends the run
with the table of the trials that were made.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from faults_oracle import Verdict
from faults_plan import ENDING, SIGNALS, Plan
from faults_rank import INSIDE, Order
from faults_trial import try_it
from rich.console import Console
from rich.table import Table

KINDS = (*SIGNALS, *(f"launcher {name}" for name in ENDING), *INSIDE, "stranger")


LATE = 2.0
"""Seconds after which others are told late."""

BAD = "wrong", "hung", "left"
"""What may not be as it should; lists of a `Verdict`."""


def is_late(verdict: Verdict) -> bool:
    """Whether ranks were told late: of faults while they make calls."""
    return (verdict.told or 0.0) > LATE and verdict.plan.moment == "calls"


def is_starved(verdict: Verdict) -> bool:
    """Whether ranks would not have been told late, had one thread not waited for a processor."""
    return (verdict.told or 0.0) - verdict.starved <= LATE


def is_bad(verdict: Verdict) -> bool:
    """Whether a trial did not go as it should."""
    return is_late(verdict) or any(getattr(verdict, what) for what in BAD)


def quantile(values: Sequence[float], part: float) -> str:
    """The value below which so large a part of them is."""
    ordered = sorted(values)
    return f"{ordered[min(int(part * len(ordered)), len(ordered) - 1)]:.2f}" if ordered else ""


def table(verdicts: Sequence[Verdict], by: str) -> Table:
    """A line a fault: how many trials, how long until all were told, what was not as it should.

    "late": told after more than `LATE` seconds; "starved": those of them in which one thread alone
    had to wait so long for a processor that without this it would not have been late.
    """
    shown = Table()
    for name in (by, "trials", "told p50 s", "p99 s", "max s", "late", "starved", *BAD):
        shown.add_column(name, justify="left" if name == by else "right")
    rows = sorted({str(getattr(one.plan, by)) for one in verdicts})
    for row in [*rows, "all"]:
        mine = [one for one in verdicts if row in ("all", str(getattr(one.plan, by)))]
        told = [one.told for one in mine if one.told is not None and one.plan.moment == "calls"]
        late = [one for one in mine if is_late(one)]
        starved = sum(is_starved(one) for one in late)
        bad = (sum(bool(getattr(one, what)) for one in mine) for what in BAD)
        shown.add_row(
            row, str(len(mine)), *(quantile(told, part) for part in (0.5, 0.99, 1.0)),
            *map(str, (len(late), starved, *bad)),
        )  # fmt: skip
    return shown


def write(verdict: Verdict, record: Path) -> None:
    """Append a trial to a record, as a line of JSON."""
    with record.open("a") as file:
        file.write(json.dumps(asdict(verdict)) + "\n")


def read(record: Path) -> list[Verdict]:
    """The trials of a record."""
    found = []
    for line in record.read_text().splitlines():
        values = json.loads(line)
        order = Order(**values["plan"].pop("order"))
        found.append(Verdict(**{**values, "plan": Plan(**values["plan"], order=order)}))
    return found


def finish_first() -> None:
    """Have Ctrl-C end no trial in the middle. A handler: what is ignored would be by ranks, too."""
    signal.signal(signal.SIGINT, lambda *_: None)


def shown(number: int, verdict: Verdict) -> None:
    """Print what is not as it should be, and what took long."""
    for what in BAD:
        for words in getattr(verdict, what):
            print(f"{number}: {what}: {words}", flush=True)
    if verdict.wrong or verdict.hung or verdict.left or is_late(verdict):
        told = "" if verdict.told is None else f": {verdict.told:.2f} s"
        waits = (
            f", of which a thread waited {verdict.starved:.2f} s for a processor" if told else ""
        )
        print(f"{number}: {verdict.plan}{told}{waits}", flush=True)
    if verdict.wrong or verdict.hung or verdict.left:
        print(f"{number}: see {verdict.plan.order.folder}", flush=True)


def trials(
    numbers: Sequence[int], seed: int, kinds: tuple[str, ...], asynchronous: bool, workers: int,
    record: Path | None,
) -> list[Verdict]:  # fmt: skip
    """Make these trials, some at a time, as far as nobody interrupts."""
    verdicts: list[Verdict] = []
    begun = time.monotonic()
    pool = ProcessPoolExecutor(workers, initializer=finish_first)
    try:
        made = [pool.submit(try_it, seed, number, kinds, asynchronous) for number in numbers]
        for number, one in zip(numbers, made, strict=True):
            verdicts.append(one.result())
            shown(number, verdicts[-1])
            if record is not None:
                write(verdicts[-1], record)
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
    parser.add_argument("--record", type=Path, metavar="FILE",
                        help="append the trials to it; the table is of all in it")  # fmt: skip
    given = parser.parse_args()
    numbers, kinds = range(given.first, given.first + given.trials), tuple(given.kinds)
    verdicts = trials(
        numbers, given.seed, kinds, given.asynchronous, given.workers, given.record
    )  # fmt: skip
    if given.record is not None:
        verdicts = read(given.record)
    console = Console(width=120)
    for by in ("kind", "launcher", "transport", "moment"):
        console.print(table(verdicts, by))
    return int(any(is_bad(one) for one in verdicts))


if __name__ == "__main__":
    sys.exit(main())
