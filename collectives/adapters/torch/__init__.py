"""A backend of torch.distributed: importing this registers it under the name ``triplane``.

    import collectives.adapters.torch
    torch.distributed.init_process_group("triplane")

under torchrun, ``triplane run``, or with any store of torch's; then everything of torch.distributed
runs over Triplane's ranks. See docs/torch.md.
"""

from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch._C._distributed_c10d import Store

from collectives.adapters.torch.base import DEVICE
from collectives.adapters.torch.errors import translated
from collectives.adapters.torch.group import ProcessGroup
from collectives.adapters.torch.joining import joined
from collectives.adapters.torch.shrinking import take_shrunk
from collectives.adapters.torch.work import GroupWork, span
from collectives.calls.communicator import Communicator

__all__ = ["NAME", "ProcessGroup", "communicator", "empty", "lost", "shrink", "times"]

NAME = "triplane"
"""What ``init_process_group`` and ``new_group`` call the backend."""

_PROBE = "triplane/device"
"""A key of a store."""


def communicator(group: dist.ProcessGroup | None = None) -> Communicator:
    """The `Communicator` of a process group of this backend; None: of the default one.

    For what torch.distributed has no call for: the emulated clock (``now()``, ``compute()``),
    schedules of one's own, MoE. Its calls count among the group's: every rank makes them in the
    same order. Raises `ValueError` for a group of another backend.
    """
    return _group(group).communicator


def empty(
    *size: int, dtype: torch.dtype | None = None, group: dist.ProcessGroup | None = None
) -> torch.Tensor:
    """A new tensor for the buffers of large calls, zeros.

    Ranks of the same host read there what is sent, see `Communicator.empty`. ``size``, ``dtype``:
    as for `torch.empty`; ``group``: None: the default one. Raises `ValueError` for a group of
    another backend, `RuntimeError` for a size that there is not, `TransportError` without room.
    """
    like = torch.empty(*size, dtype=dtype, device="meta")
    if not like.nbytes:
        return torch.zeros(*size, dtype=dtype)
    shared = communicator(group).empty(like.nbytes, np.uint8)
    return torch.from_numpy(shared).view(like.dtype).view(like.shape)


def _group(group: dist.ProcessGroup | None) -> ProcessGroup:
    found = dist.group.WORLD if group is None else group
    if not isinstance(found, ProcessGroup):
        name = "none" if found is None else dist.get_backend(found)
        raise ValueError(f"the group is of the backend {name!r}, not of {NAME!r}")
    return found


def times(
    work: dist.Work | None = None, group: dist.ProcessGroup | None = None
) -> tuple[float, float]:
    """Begin and end of a call at this rank, in emulated seconds; waits for its end.

    None: the last call of the group, as a call without ``async_op`` returns no work. Raises
    `ValueError` for a work of another backend, or if there was no call.
    """
    if work is None:
        return span(_group(group).last)
    if not isinstance(work, GroupWork):
        raise ValueError(f"there is no call of {NAME!r} whose times could be told: {work}")
    return work.times()


def lost(group: dist.ProcessGroup | None = None) -> tuple[int, ...]:
    """The ranks of a process group that are lost, as far as this rank knows; None: the default one.

    Where the world goes on after a loss (``TRIPLANE_ON_LOSS=shrink``); others may know of more.
    Raises `ValueError` for a group of another backend.
    """
    return _group(group).communicator.lost


def shrink(group: dist.ProcessGroup | None = None) -> dist.ProcessGroup:
    """The process group of the ranks of ``group`` that are left; None: of the default one.

    All that are left call it, after an error in a call; they agree on who that is, and
    ``dist.shrink_group`` makes the new group, which is the default one if this was. Raises
    ``dist.DistBackendError``, `ValueError` for a group of another backend.
    """
    return _group(group).shrunk()


def _create(options: Any, _: Any = None) -> ProcessGroup:
    """What torch calls for each new group, at each of its members."""
    ranks, timeout = list(options.global_ranks_in_group), options.timeout
    _check_device(options.store)
    world = dist.group.WORLD
    with translated():
        if ranks and isinstance(world, ProcessGroup):
            return world.subgroup(ranks, timeout)
        return _of_its_own(options.store, options.group_rank, options.group_size, timeout)


def _check_device(store: Store) -> None:
    """Refuse to stand in for another device: the group would take the place of all its backends.

    torch does not say which device it wants the group for, but it begins the keys of the store that
    it passes with it.
    """
    below = getattr(store, "underlying_store", None)
    if below is None:
        return
    store.set(_PROBE, "")
    if not below.check([f"{DEVICE}//{_PROBE}"]):
        raise ValueError(
            f"the backend {NAME!r} is for tensors on the {DEVICE.upper()}, and its groups have no"
            f" other backend beside it: give {NAME!r} or '{DEVICE}:{NAME}'"
        )


def _of_its_own(store: Store, rank: int, size: int, timeout: timedelta) -> ProcessGroup:
    """A group that is a world: the default one, or one beside a default of another backend."""
    return ProcessGroup.over(joined(store, rank, size), rank, size, timeout)


take_shrunk()
dist.Backend.register_backend(NAME, _create, extended_api=True, devices=[DEVICE])
