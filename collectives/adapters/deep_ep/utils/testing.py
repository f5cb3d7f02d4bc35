"""As deep_ep.utils.testing: how long calls take, on the emulated clock."""

import math
import statistics
from collections.abc import Callable
from typing import Any

from collectives.adapters.deep_ep.cuda import Device, installed

REPEATS = 2
"""Emulated times hardly differ between calls: so often each is measured, however often asked."""


def bench(
    fn: Callable[[], Any], num_warmups: int = 50, num_tests: int = 50,
    post_fn: Callable[[], Any] | None = None, flush_l2: bool = True,
) -> tuple[float, float, float]:  # fmt: skip
    """The emulated seconds that ``fn`` takes: average, least, most."""
    device, times = _device(), []
    for _ in range(min(num_tests, REPEATS)):
        begin = device.now()
        fn()
        device.synchronize()
        times.append(device.now() - begin)
        if post_fn is not None:
            post_fn()
    return statistics.fmean(times), min(times), max(times)


def bench_kineto(
    fn: Callable[[], Any], kernel_names: str | tuple[str, ...], num_tests: int = 30,
    suppress_kineto_output: bool = False, trace_path: str | None = None, flush_l2: bool = True,
    barrier_comm_profiling: bool = False, num_kernels_per_period: int = 1,
    barrier: Callable[[], Any] | None = None,
) -> Any:  # fmt: skip
    """The emulated seconds of the kernels that ``fn`` runs: of its dispatches and combines.

    A kernel is known by the name of its call ("dispatch", or "dispatch_impl"). Kernels that have no
    counterpart here, and the second half of a call in two, are NaN.
    """
    device, names = _device(), (kernel_names,) if isinstance(kernel_names, str) else kernel_names
    if barrier is not None:
        barrier()
    with device.logged() as calls:
        fn()
        device.synchronize()
    times = [_mean(calls, name.removesuffix("_impl")) for name in names]
    if num_kernels_per_period > 1:
        empty = [math.nan] * (num_kernels_per_period - 1)
        found: list[Any] = [[time, *empty] for time in times]
    else:
        found = list(times)
    return found[0] if isinstance(kernel_names, str) else found


def _mean(calls: list[tuple[str, Any]], name: str) -> float:
    spans = [arrival.times() for called, arrival in calls if called == name]
    return statistics.fmean(end - begin for begin, end in spans) if spans else math.nan


def _device() -> Device:
    device = installed()
    if device is None:
        raise RuntimeError("emulated times need the stand-in for torch.cuda: see stand_in()")
    return device
