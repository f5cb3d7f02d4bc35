"""A sweep that is killed at random moments, ten times over: each time in a process of its own.

The points are answered by a thread of it, so that nothing but the sweep itself takes time. Prints
how many answers were kept at each of the kills.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench.sweep import store, table
from bench.sweep.command import ask
from bench.sweep.study import Study, load

KILLS = 10


@contextmanager
def thread() -> Iterator[tuple[Executor, int]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool, 1


def swept(study: Study, answers: Path) -> str:
    with store.opened(answers) as found:
        return table.text(table.rows(study, ask(study, found, thread), found), "csv")


def killed(study: Study, answers: Path, until: int, after: float) -> int:
    """Kill a sweep so many seconds after so many lines are in its file; how many then are."""
    child = os.fork()
    if not child:
        swept(study, answers)
        os._exit(3)  # it was not killed
    while len(lines(answers)) < until:
        time.sleep(0.0005)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), status
    return len(lines(answers))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def main(file: str, folder: str, seed: str) -> None:
    study, random_ = load(file), random.Random(int(seed))
    undisturbed = swept(study, Path(folder, "undisturbed.jsonl"))
    answers, kept, most = Path(folder, "killed.jsonl"), [0], len(study.points)
    for _ in range(KILLS):
        until = kept[-1] + random_.randint(0, most // (KILLS + 3))
        kept.append(killed(study, answers, until, random_.uniform(0, 0.01)))
        if random_.random() < 0.5:  # as if it had been killed while it wrote a line
            with answers.open("ab") as torn:
                torn.write(lines(answers)[-1][: random_.randint(1, 60)])
    assert swept(study, answers) == undisturbed
    assert len(undisturbed.splitlines()) > len(study.points)
    sys.stdout.write(" ".join(map(str, kept[1:])))


if __name__ == "__main__":
    main(*sys.argv[1:])
