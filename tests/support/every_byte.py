"""Every collective on every type in groups of many sizes, against numpy; under MPI, also MPI's own.

A rank's part: the first 1, 2, 3, 4, 7 and 8 ranks are a group, where there are so many. Run by
itself it is a rank of mpiexec: ``mpiexec -n 8 python tests/support/every_byte.py``.
"""

import itertools
import sys
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collectives import ALGORITHMS, Communicator, Recv, Send, buffers, init
from collectives.algorithms import spec
from collectives.algorithms.offload import NAMES

Array = NDArray[Any]

GROUPS = (1, 2, 3, 4, 7, 8)
EXACT = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = (
    "float16", "float32", "float64", "complex64", "complex128", "bfloat16", "float8_e4m3fn",
    "float8_e5m2",
)  # fmt: skip
REDUCING = ("all_reduce", "reduce", "reduce_scatter")
ROOTED = ("broadcast", "reduce", "gather", "scatter")
SIZES = (0, 1, 13, 700)
"""Items of what `collectives.buffers` calls size."""


def numbers(ranks: int, items: int, name: str, *, exact: bool = True) -> list[Array]:
    """What each rank brings. Sums and products of few are exact; if not, floats may round."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    most = 2 if exact else 4
    low = 0 if dtype.kind in "bu" else -most
    values = np.random.default_rng([ranks, items]).integers(low, most + 1, (ranks, items))
    return list((values if exact or name in EXACT else values * 0.3).astype(dtype))


def reductions(dtype: str) -> tuple[str, ...]:
    """Those that mean something for a type."""
    if dtype == "bool":
        return ("sum", "prod", "min", "max")
    return ("sum", "prod", "avg") if dtype.startswith("complex") else tuple(spec.COMBINE)


def cases(ranks: int) -> list[tuple[str, str, str, str, int, int]]:
    """Collective, algorithm, type, reduction, items, root: every pair of the first and the third.

    Reductions are all there, one after the other, as they have the same plan; algorithms, sizes
    and roots take turns from type to type.
    """
    sizes, roots, made = itertools.cycle(SIZES), itertools.cycle(range(ranks)), []
    for _ in range(ranks):
        next(sizes)  # so that algorithms have other sizes in groups of other sizes
    for op in ALGORITHMS:
        names = itertools.cycle(name for name in ALGORITHMS[op] if name not in NAMES)
        for dtype in EXACT + FLOATS:
            name, items, root = next(names), next(sizes), next(roots) if op in ROOTED else 0
            for reduction in reductions(dtype) if op in REDUCING else ("",):
                made.append((op, name, dtype, reduction, items, root))
    return made


def call(
    comm: Communicator, op: str, send: Array, recv: Array, root: int, reduction: str, **options: Any
) -> None:
    """The collective of that name."""
    if op == "all_reduce":
        comm.all_reduce(send, reduction, recv, **options)
    elif op == "reduce":
        comm.reduce(send, root, reduction, recv, **options)
    elif op == "reduce_scatter":
        comm.reduce_scatter(recv, send, reduction, **options)
    elif op == "broadcast":
        recv[:] = send
        comm.broadcast(recv, root, **options)
    elif op in ("gather", "scatter"):
        getattr(comm, op)(recv, send, root, **options)
    elif op == "all_to_all_v":
        counts = [send.size // comm.size] * comm.size
        comm.all_to_all_v(recv, send, counts, counts, **options)
    elif op == "send_recv":
        after, before = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
        comm.batch([Send(send, after), Recv(recv, before)])
    elif op == "barrier":
        comm.barrier()
    else:
        getattr(comm, op)(recv, send, **options)


def wanted(op: str, inputs: list[Array], root: int, reduction: str) -> list[Array | None]:
    """What numpy says."""
    options: dict[str, Any] = {"op": reduction} if op in REDUCING else {}
    if op in ROOTED:
        options["root"] = root
    if op == "all_to_all_v":
        blocks = inputs[0].nbytes // len(inputs)
        options["counts"] = np.full((len(inputs),) * 2, blocks)
    made: list[Array | None] = getattr(spec, op)(inputs, **options)
    return made


def same(op: str, dtype: str, got: Array, want: Array) -> bool:
    """To the bit; floats that are combined may be rounded in another order."""
    if op in REDUCING and dtype in FLOATS:
        exact = "complex128" if dtype.startswith("complex") else "float64"
        room = 0.5 if dtype.startswith("float8") else 0.05 if dtype == "bfloat16" else 0.01
        return np.allclose(got.astype(exact), want.astype(exact), rtol=room, equal_nan=True)
    return got.tobytes() == want.tobytes()


def every_byte(comm: Communicator, mpi: Any = None) -> int:
    """Make all calls in all groups; how many there were."""
    made = 0
    for ranks in (ranks for ranks in GROUPS if ranks <= comm.size):
        group = comm.group(range(ranks))
        theirs = None if mpi is None else mpi.COMM_WORLD.Split(int(comm.rank >= ranks), comm.rank)
        if group is None:
            continue
        for op, algorithm, dtype, reduction, items, root in cases(ranks):
            itemsize = np.dtype(getattr(ml_dtypes, dtype, dtype)).itemsize
            send_size, recv_size = buffers(op, ranks, items * itemsize)
            inputs = numbers(ranks, send_size // itemsize, dtype)
            mine, got = inputs[comm.rank], np.zeros(recv_size // itemsize, inputs[0].dtype)
            call(group, op, mine.copy(), got, root, reduction, algorithm=algorithm)
            want = wanted(op, inputs, root, reduction)[comm.rank]
            case = (ranks, op, algorithm, dtype, reduction, items, root)
            assert want is None or same(op, dtype, got, want), case
            if theirs is not None and dtype in of_mpi(mpi) and reduction != "avg":
                own = np.zeros_like(got)
                call_of_mpi(mpi, theirs, op, mine.copy(), own, root, reduction)
                assert want is None or same(op, dtype, got, own), ("MPI", *case)
            made += 1
    return made


def of_mpi(mpi: Any) -> tuple[str, ...]:
    """The types that mpi4py passes on as numpy arrays."""
    return tuple(name for name in EXACT + FLOATS if np.dtype(
        getattr(ml_dtypes, name, name)).char in mpi._typedict)  # fmt: skip


def call_of_mpi(
    mpi: Any, comm: Any, op: str, send: Array, recv: Array, root: int, reduction: str
) -> None:
    """The collective of that name by mpi4py."""
    logical = {"sum": mpi.LOR, "prod": mpi.LAND, "min": mpi.LAND, "max": mpi.LOR}
    numeric = {"sum": mpi.SUM, "prod": mpi.PROD, "min": mpi.MIN, "max": mpi.MAX}
    combine = (logical if send.dtype == bool else numeric).get(reduction)
    if op == "all_reduce":
        comm.Allreduce(send, recv, combine)
    elif op == "reduce":
        comm.Reduce(send, recv, combine, root)
    elif op == "reduce_scatter":
        comm.Reduce_scatter_block(send, recv, combine)
    elif op == "broadcast":
        recv[:] = send
        comm.Bcast(recv, root)
    elif op == "gather":
        comm.Gather(send, recv, root)
    elif op == "scatter":
        comm.Scatter(send, recv, root)
    elif op == "all_gather":
        comm.Allgather(send, recv)
    elif op in ("all_to_all", "all_to_all_v"):
        comm.Alltoall(send, recv)
    elif op == "send_recv":
        comm.Sendrecv(send, (comm.rank + 1) % comm.size, 0, recv, (comm.rank - 1) % comm.size, 0)
    else:
        comm.Barrier()


def main() -> int:
    """What a rank of `fabric.launch` does."""
    with init() as comm:
        return every_byte(comm)


def under_mpiexec() -> None:
    """What a rank of mpiexec does."""
    with init() as comm:
        from mpi4py import MPI  # only now is it the MPI of this mpiexec

        made = every_byte(comm, MPI)
        sys.stdout.write(f"rank {comm.rank} is well: {made} calls\n")  # in one go: others write too


if __name__ == "__main__":
    under_mpiexec()
