"""Interrupts at random moments: ``python benchmarks/faults_interrupts.py --trials 1000``.

Two ranks make asynchronous calls without an end; after a random time an exception comes out of a
signal handler of one of them, wherever that is. It must end with this exception, the other one be
told of it, and nothing hang. Prints the delays of trials that went otherwise, and how many did.
"""

import argparse
import random
import sys
import time

from fabric.failure import RankFailed
from fabric.launching.launch import launch
from tests.support.interrupts import calls_without_end

LIMIT = 60.0
"""Seconds after which a trial hangs."""


def trial(delay: float) -> str:
    """What went wrong, if anything."""
    ended = launch(
        calls_without_end, 2, None, "zmq", args=(delay,), return_exceptions=True, timeout=LIMIT
    )
    first, second = ended
    told = isinstance(second, RankFailed) and "rank 0 raised KeyboardInterrupt" in str(second)
    return "" if isinstance(first, KeyboardInterrupt) and told else f"{first!r}; {second!r}"


def main() -> int:
    """1 where a trial went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance, wrong, longest = random.Random(given.seed), 0, 0.0
    begun = time.monotonic()
    for number in range(given.trials):
        delay, started = chance.uniform(0.0005, 0.03), time.monotonic()
        why = trial(delay)
        longest = max(longest, time.monotonic() - started)
        if why:
            wrong += 1
            print(f"{number}, after {delay:.6f} s: {why}", flush=True)
    took = time.monotonic() - begun
    print(f"{given.trials} trials in {took:.0f} s, the longest {longest:.1f} s; {wrong} went wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
