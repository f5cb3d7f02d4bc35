"""From a group of torch.distributed or MPI to a communicator of its ranks."""

from typing import Any

import torch.distributed as dist

from collectives.calls.communicator import Communicator
from collectives.calls.start import init
from collectives.moe.tensors import TokenError


def communicator(group: Any, comm: Any = None) -> Communicator:
    """A new communicator of all ranks of ``group``; all of them call this.

    ``group``: a group of torch.distributed on the backend "triplane", or a `Communicator`.
    ``comm``: a communicator of mpi4py, if there is no group; the ranks are then those that mpiexec
    has started. Raises `TokenError`.
    """
    if group is None and comm is None:
        raise TokenError("either group or comm has to be given")
    found = _of_mpi(comm) if group is None else _of_group(group)
    mine = found.group(range(found.size))
    if mine is None:
        raise AssertionError("every rank of a communicator is one of its ranks")
    return mine


def _of_group(group: Any) -> Communicator:
    if isinstance(group, Communicator):
        return group
    if not isinstance(group, dist.ProcessGroup):
        raise TokenError(
            f"group is a {type(group).__name__}; it has to be a group of torch.distributed or a"
            " Communicator"
        )
    from collectives.adapters import torch as backend

    try:
        return backend.communicator(group)
    except ValueError as error:
        raise TokenError(
            f"{error}; begin with `import collectives.adapters.torch` and"
            " init_process_group('triplane'), or stand in for torch.cuda"
        ) from None


def _of_mpi(comm: Any) -> Communicator:
    from mpi4py import MPI

    world = init()
    ranks = MPI.Group.Translate_ranks(
        comm.Get_group(), list(range(comm.Get_size())), MPI.COMM_WORLD.Get_group()
    )
    found = world.group(ranks)
    if found is None:
        raise TokenError(f"rank {world.rank} is none of the ranks of comm, {ranks}")
    return found


def size_of(group: Any) -> int:
    """The number of ranks of a group as `communicator` takes it."""
    return group.size if isinstance(group, Communicator) else int(group.size())
