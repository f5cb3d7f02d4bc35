"""The executors that a sweep can run on: this host's processes, MPI's ranks, a dask cluster."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from bench.sweep.options import SweepError
from bench.sweep.running import Pools
from fabric.host.cores import cores
from fabric.host.liveness import birth, die_with
from fabric.transports.mpi.mpiexec import library

CHOICES = "processes, mpi, dask:ADDRESS"

CONNECT = 10.0
"""Seconds in which the scheduler of a dask cluster has to answer."""


def pools(named: str, workers: int | None) -> Pools:
    """What opens the executor called ``named``; raises `SweepError` with the choices.

    ``workers``: of this host's processes; None: as many as cores that this process may use. Not for
    ``mpi``, whose ranks are there already: see `ranks`.
    """
    kind, _, address = named.partition(":")
    if kind == "dask" and address:
        if workers is not None:
            raise SweepError("--workers is of this host's processes; a dask cluster has its own")
        return partial(_dask, address)
    if named != "processes":
        needed = "; dask needs the ADDRESS of a scheduler" if kind == "dask" else ""
        raise SweepError(f"--executor is {named!r}; there are {CHOICES}{needed}")
    return partial(_processes, workers or cores())


@contextmanager
def _processes(workers: int) -> Iterator[tuple[Executor, int]]:
    """New processes, which end with this one, however it ends."""
    here, others = os.getpid(), {*multiprocessing.active_children()}
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), _begin, (here, birth(here))
    )
    try:
        yield pool, workers
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in {*multiprocessing.active_children()} - others:
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int, born: str) -> None:
    """Prepare a new worker: an interrupt is for the sweep, which then ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent, born)


@contextmanager
def ranks() -> Iterator[Pools | None]:
    """A context manager for every rank under mpiexec: in rank 0 what opens an executor of the rest.

    The rest work for it until the block of rank 0 is left, and then get None. Raises
    `TransportError` if there is no MPI.
    """
    library()
    from mpi4py import MPI
    from mpi4py.futures import MPICommExecutor

    with MPICommExecutor(MPI.COMM_WORLD, root=0) as pool:
        yield None if pool is None else partial(_opened, pool, max(MPI.COMM_WORLD.size - 1, 1))


@contextmanager
def _opened(pool: Any, workers: int) -> Iterator[tuple[Executor, int]]:
    yield pool, workers


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    """The workers of a dask cluster, which gives the points of one that is lost to others."""
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise SweepError(f"--executor dask:{address} needs triplane[dask]: {error}") from None
    try:
        distributed.comm.parse_host_port(distributed.comm.parse_address(address)[1])
        client = distributed.Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SweepError(f"--executor dask:{address}: {error}") from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise SweepError(f"--executor dask:{address}: its cluster has no workers")
        pool = client.get_executor(pure=False)
        # That an answer was lost with its worker is mended by dask, which would warn of it.
        log = logging.getLogger("distributed.client")
        level = log.level
        log.setLevel(logging.ERROR)
        try:
            yield pool, len(client.scheduler_info(n_workers=-1)["workers"])
        finally:
            log.setLevel(level)
            pool.shutdown(wait=False)
