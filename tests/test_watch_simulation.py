"""A simulation that is watched: what its page is told adds up to what was simulated."""

import base64
import gzip
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.view.live.feed import LiveBatch
from bench.view.live.simulated import SimulationPage, calls_of, simulation_page
from bench.view.live.watched import Watched
from collectives.algorithms.table import schedule
from collectives.workloads import of_steps, replay
from collectives.workloads.replay import EndedOperation
from fabric import Fabric, Step, Timeline
from fabric.engines.base import EndedTransfers, Told
from tests.support.watching import ROOT
from topology import star, supernode

SIZES = {"ring": 1 << 20, "recursive_doubling": 4096}


def simulated(fabric: Fabric, algorithm: str) -> Timeline:
    steps = schedule("all_reduce", 8, SIZES[algorithm], algorithm, itemsize=4)
    return fabric.simulate(steps, operation="all_reduce", ranks=8)


@pytest.mark.parametrize("algorithm", SIZES)
def test_a_timeline_as_calls_has_its_bytes_and_its_times(algorithm: str) -> None:
    fabric = Fabric(supernode(8))
    timeline, begin = simulated(fabric, algorithm), 3e-4
    made = list(calls_of(timeline, begin, 7))
    assert [kind.number for kind, _ in made] == list(range(7, 7 + len(made)))
    shown = Watched(fabric, 8)
    kinds, spans = zip(*made, strict=True)
    shown.take(LiveBatch(begin + timeline.duration, kinds, spans))
    assert shown.film.carried == pytest.approx(timeline.resource_bytes)
    assert shown.pairs.sum() == pytest.approx(timeline.size.sum())
    times = [time for span in spans for time in (*span.begin, *span.end)]
    assert min(times) == pytest.approx(begin + timeline.start.min())
    assert max(times) == pytest.approx(begin + timeline.finish.max())
    moved = [(one.rank, one.begin) for one in shown.stretches]
    assert {rank for rank, _ in moved} == set(range(8))
    assert min(at for _, at in moved) >= begin


def rounds(seen: list[int]) -> Iterator[Step]:
    """Forty steps in which each of 8 ranks sends to its neighbour; ``seen``: of those taken."""
    me = np.arange(8)
    for number in range(40):
        seen.append(number)
        yield Step(me, (me + 1 + number % 7) % 8, 30_000 + 1000 * number)


@pytest.mark.parametrize("engine", ["flow", "packet"])
def test_what_has_ended_is_told_before_a_simulation_is_over(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each transfer once, when it has ended; and the answer is the same to the last bit."""
    monkeypatch.setattr("fabric.engines.columns.WINDOW_ROWS", 32 if engine == "flow" else 1 << 20)
    monkeypatch.setattr("fabric.engines.packet.watcher._LOOK", 0.0)  # pieces as short as may be
    fabric, taken, told = Fabric(supernode(8), engine=engine), list[int](), list[EndedTransfers]()
    whole, at = fabric.simulate(rounds([]), ranks=8), list[int]()

    def hear(ended: EndedTransfers) -> None:
        told.append(ended)
        at.append(len(taken))

    found = fabric.simulate(rounds(taken), ranks=8, told=hear)
    assert len(told) > 3
    if engine == "flow":
        assert at[0] < len(taken)
    for name in ("start", "finish", "rank_finish", "link_bytes"):
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name
    src, step, finish = (
        np.concatenate([getattr(one, name) for one in told]) for name in ("src", "step", "finish")
    )
    assert np.array_equal(np.sort(step * 8 + src), np.arange(320))
    order = np.argsort(step * 8 + src)
    assert finish[order] == pytest.approx(found.finish[np.argsort(found.step * 8 + found.src)])
    assert max(one.finish.max() for one in told[:-1]) < found.duration  # not all at the end


def test_a_page_moves_within_one_simulation_and_has_its_bytes_in_the_end() -> None:
    fabric = Fabric(supernode(8), engine="packet")
    page = object.__new__(SimulationPage)  # without its process
    page.now, page._kinds, page._dropped = 1e-3, 0, 0
    batches = list[LiveBatch]()
    page._put = batches.append  # type: ignore[method-assign]
    at: list[tuple[int, float]] = []

    def run(told: Told) -> Timeline:
        found = fabric.simulate(rounds([]), ranks=8, told=told)
        at.append((len(batches), page.now))
        return found

    timeline = page.simulated(run, "a row", "all_to_all")
    ((before, now),) = at
    assert before >= 2  # the mark, and what has ended
    assert 1e-3 < now <= page.now == pytest.approx(1e-3 + timeline.duration)
    shown = Watched(fabric, 8)
    for batch in batches:
        shown.take(batch)
    assert shown.film.carried == pytest.approx(timeline.resource_bytes)
    assert [mark.text for mark in shown.marks] == ["a row"]
    assert shown.film.labels == ["all_to_all"]


def test_a_replay_tells_of_each_operation_when_it_is_over() -> None:
    fabric = Fabric(star(4))
    workload = of_steps(schedule("all_reduce", 4, 4096, "ring", itemsize=4), 4)
    told = list[EndedOperation]()
    found = replay(workload, fabric, ended=told.append)
    assert len(told) == len(workload)
    assert np.sort([one.finish for one in told]) == pytest.approx(np.sort(found.finish))
    assert sum(int(one.size.sum()) for one in told) == 2 * 3 * 4096  # 2 (n - 1) / n of n ranks


def test_a_slow_page_holds_up_nothing_and_what_it_misses_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bench.view.live.simulated.MOST_WAITING", 2)
    fabric = Fabric(star(8))
    timeline = simulated(fabric, "ring")
    with simulation_page(fabric, 8) as page:
        assert page is not None
        page._page._process.send_signal(signal.SIGSTOP)  # it takes nothing from its pipe
        for _ in range(50):
            page.show(timeline, "once more")
        missed = page._dropped
        page._page._process.send_signal(signal.SIGCONT)
    assert page.now == pytest.approx(50 * timeline.duration)
    assert missed > 0


def events(command: list[str], folder: Path) -> tuple[list[bytes], int]:
    """What the page of a command says, until it has ended; and the command's exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from bench.cli import main; main()", *command], cwd=ROOT,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        address = next(match[0] for line in said if (match := re.search(r"http://\S+", line)))
        with urllib.request.urlopen(f"{address}events", timeout=60) as stream:
            told = [
                gzip.decompress(base64.b64decode(line[len("data: ") :]))
                for line in stream
                if line.startswith(b"data: ") and len(line) > len("data: \n")
            ]
        return told, process.wait(60)
    finally:
        process.kill()
        process.communicate()


def test_rows_of_a_benchmark_come_to_the_page_one_by_one(tmp_path: Path) -> None:
    told, code = events(
        ["bench", "moe", "--ep", "8,16", "--system", "supernode:8", "--live", "--live-wait"],
        tmp_path,
    )
    assert code == 0
    every = b"".join(told)
    for row in (b"EP8 dispatch, 128 tokens", b"EP16 combine, 128 tokens"):
        assert row in every
    assert b"the simulation is over" in told[-1]


def test_a_workload_comes_to_the_page_while_it_is_replayed(tmp_path: Path) -> None:
    goal = tmp_path / "two.goal"
    goal.write_text(
        "num_ranks 2\nrank 0 {\nl1: calc 5000\nl2: send 4096b to 1\nl2 requires l1\n}\n"
        "rank 1 {\nl1: recv 4096b from 0\n}\n"
    )
    told, code = events(
        ["bench", "trace", str(goal), "--system", "star:2", "--live", "--live-wait"], tmp_path
    )
    assert code == 0
    assert b"the simulation is over" in told[-1]
    assert b'"calls": 1' in told[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--live-wait"], "--live-wait goes with --live"),
        (["--live", "--transport", "inproc"], "does not go with --transport inproc"),
    ],
)
def test_what_is_no_simulation_is_not_shown(options: list[str], said: str) -> None:
    run = CliRunner().invoke(main, ["bench", "moe", "--ep", "8", *options])
    assert run.exit_code == 2
    assert said in run.stderr
