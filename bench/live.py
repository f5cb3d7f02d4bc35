"""The collective benchmark on real ranks: emulated time and this host's, side by side."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from bench.collective import AVERAGES, Benchmark, Found, Task, found, measurement, tasks
from bench.data import Job
from bench.machine import BenchError
from bench.options import Selection
from bench.rank import Sample, main
from bench.records import Measurement, bandwidths
from fabric.launch import launch
from fabric.mpirun import mpiexec
from fabric.settings import Settings


def sweep(bench: Benchmark) -> Iterator[Measurement]:
    """Measure every row with real data between real ranks, which live for the whole sweep.

    The time of a row is emulated, of one operation that all ranks begin together; its wall time is
    the mean of -n operations, one after the other, after -w. Raises `BenchError` for what real
    ranks cannot do, and what ends their world.
    """
    rows = list(tasks(bench))
    jobs = [_job(bench, task) for task in rows]
    began = time.perf_counter()
    samples = _of_mpi(bench, jobs) if bench.transport == "mpi" else _launched(bench, jobs)
    host_time = (time.perf_counter() - began) / max(len(rows), 1)
    for task, of_ranks in zip(rows, zip(*samples, strict=True), strict=True):
        yield _row(bench, task, of_ranks, host_time)


def _launched(bench: Benchmark, jobs: list[Job]) -> list[list[Sample]]:
    """What every rank found; ranks are threads, or processes of this host."""
    return launch(
        main, bench.ranks, bench.fabric, bench.transport, software=bench.software, args=(jobs,),
        timeout=bench.flags.timeout or None,
    )  # fmt: skip


def _of_mpi(bench: Benchmark, jobs: list[Job]) -> list[list[Sample]]:
    """The same of ranks that mpiexec starts; they find the machine by its name."""
    asked = bench.selection
    if asked != Selection(asked.system, asked.software):
        raise BenchError("--transport mpi takes --system and --software, and no other machine")
    start, environment = mpiexec(bench.ranks)
    settings = Settings(asked.system, bench.software).environment()
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder, "jobs.json"), Path(folder, "found.json")
        given.write_text(json.dumps([asdict(job) for job in jobs]), "utf-8")
        run = subprocess.run(
            [*start, sys.executable, "-m", "bench.rank", given, found],
            env={**os.environ, **environment, **settings}, stdin=subprocess.DEVNULL, text=True,
            capture_output=True, timeout=bench.flags.timeout or None,
        )  # fmt: skip
        if run.returncode or not found.exists():
            said = (run.stderr.strip() or run.stdout.strip() or "nothing").splitlines()
            raise BenchError(f"the ranks under mpiexec ended with {run.returncode}: {said[-1]}")
        return [[Sample(**one) for one in mine] for mine in json.loads(found.read_text("utf-8"))]


def _job(bench: Benchmark, task: Task) -> Job:
    if task.redop == "mulsum":
        raise BenchError("-o mulsum needs a scalar before the sum; real ranks have none")
    flags = bench.flags
    counts = None
    if bench.op == "all_to_all_v":
        counts = bench.traffic.counts(bench.ranks, task.argument).tolist()
    return Job(
        bench.op, task.algorithm, task.datatype, "sum" if task.redop == "none" else task.redop,
        max(task.root, 0), task.argument, counts,
        bench.fabric.software.variant(bench.op, task.argument), flags.warmup_iters, flags.iters,
        flags.check != 0,
    )  # fmt: skip


def _row(bench: Benchmark, task: Task, samples: Sequence[Sample], host_time: float) -> Measurement:
    average = AVERAGES[bench.flags.average]
    time = float(average(np.array([sample.emulated for sample in samples])))
    wall = float(average(np.array([sample.wall for sample in samples])))
    wrong = [sample.wrong for sample in samples if sample.wrong is not None]
    simulated = found(bench, task)  # what bounds it
    answer = Found(time, simulated.bound, simulated.bottleneck, host_time)
    algbw, busbw = bandwidths(task.size, wall, bench.operation.factor(bench.ranks))
    return replace(
        measurement(bench, task, answer), wall=wall, wall_algbw=algbw,
        wall_busbw=busbw, wrong=sum(wrong) if wrong else None,
    )  # fmt: skip
