"""The collective benchmark on real ranks: emulated time and this host's, side by side."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from bench.collectives.measure import (
    AVERAGES,
    Benchmark,
    Found,
    Task,
    found,
    measurement,
    operation_of,
    tasks,
)
from bench.collectives.rank_program import RankSample, main
from bench.collectives.test_data import RowJob
from bench.machine import BenchError
from bench.measurement import Measurement
from bench.options import SCALED
from bench.records import bandwidths
from fabric.launching.launch import launch


def sweep(bench: Benchmark) -> Iterator[Measurement]:
    """Measure every row with real data between real ranks, which live for the whole sweep.

    The time of a row is emulated, of one operation that all ranks begin together; its wall time is
    the mean of -n operations, one after the other, after -w warm-ups. Raises `BenchError` for what
    real ranks cannot do, and the error that ends their world.
    """
    rows = list(tasks(bench))
    jobs = [_job(bench, task) for task in rows]
    began = time.perf_counter()
    samples = launch(
        main, bench.ranks, bench.fabric, bench.transport, args=(jobs,),
        timeout=bench.flags.timeout or None, trace=bench.trace,
    )  # fmt: skip
    host_time = (time.perf_counter() - began) / max(len(rows), 1)
    for task, of_ranks in zip(rows, zip(*samples, strict=True), strict=True):
        yield _row(bench, task, of_ranks, host_time)


def _job(bench: Benchmark, task: Task) -> RowJob:
    if task.redop == SCALED:
        raise BenchError("-o mulsum needs a scalar before the sum; real ranks have none")
    flags = bench.flags
    counts = None
    if bench.op == "all_to_all_v":
        counts = bench.traffic.counts(bench.ranks, task.argument).tolist()
    return RowJob(
        bench.op, task.algorithm, task.datatype, "sum" if task.redop == "none" else task.redop,
        max(task.root, 0), task.argument, counts,
        operation_of(bench, task), flags.warmup_iters, flags.iters,
        flags.check != 0,
    )  # fmt: skip


def _row(
    bench: Benchmark, task: Task, samples: Sequence[RankSample], host_time: float
) -> Measurement:
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
