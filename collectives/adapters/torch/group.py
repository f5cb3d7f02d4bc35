"""`ProcessGroup`: a group of torch.distributed whose calls are those of a `Communicator`.

Its calls go through torch's own front, see `collectives.adapters.torch.dispatcher`, and are made by
`Calls`.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from collectives.adapters.torch.base import NamedGroup
from collectives.adapters.torch.calls import Calls
from collectives.adapters.torch.dispatcher import entrance
from collectives.adapters.torch.errors import translated
from collectives.adapters.torch.joining import launched
from collectives.adapters.torch.shrinking import left
from collectives.adapters.torch.work import GroupWork, Pending
from collectives.adapters.torch.world import TorchWorld, communicator_of
from collectives.calls.communicator import Communicator
from fabric.failure import WorldError
from fabric.launching.member import Member


class ProcessGroup(NamedGroup):
    """A group of ranks over ``communicator``.

    Made by `over` for a whole world, and by `subgroup`. Errors between ranks are raised as
    ``dist.DistBackendError``, with what has gone wrong, where and at which rank.
    """

    def __init__(self, world: TorchWorld, communicator: Communicator, timeout: timedelta) -> None:
        super().__init__(communicator.rank, communicator.size, timeout)
        self._world, self._generation = world, world.generation
        self._agreed: Communicator | None = None
        self._use(communicator)

    def _use(self, communicator: Communicator) -> None:
        """Make the group's calls over ``communicator`` from now on."""
        world, limit = self._world, self._timeout.total_seconds()
        emulates = world.member.settings.machine is not None
        self.communicator = communicator
        self._calls = Calls(communicator, world.completion, limit, emulates=emulates)
        self._calls.name = self._name
        self._kernel = self._calls.make

    @classmethod
    def over(cls, member: Member, rank: int, size: int, timeout: timedelta) -> "ProcessGroup":
        """The group of all ranks of a world, in which the caller is ``member``.

        Where the world goes on after a loss, of those that are left. ``rank``, ``size``: what the
        program says that they are; raises `WorldError` if not.
        """
        world = TorchWorld(member, lasting=launched())
        if member.settings.survives and size < member.size:
            world.replace(world.everybody.shrink())
        found = world.everybody
        if (found.rank, found.size) != (rank, size):
            raise WorldError(
                f"rank {rank} of {size} of torch.distributed is rank {found.rank} of {found.size}"
                " of the world that was launched: they must be the same"
            )
        return cls(world, found, timeout)

    def subgroup(self, ranks: list[int], timeout: timedelta) -> "ProcessGroup":
        """A new group of these ranks of the world, in this order; only its members call it."""
        return type(self)(self._world, communicator_of(self._world, ranks), timeout)

    @property
    def last(self) -> Sequence[Pending]:
        """The parts of the group's latest call."""
        return self._calls.last

    # The old names of some are still there: the base class has them call the new ones. Only two
    # of them it does not know how to call here.

    allreduce = entrance("allreduce")
    allreduce_coalesced = entrance("allreduce_coalesced")
    reduce = entrance("reduce")
    broadcast = entrance("broadcast")
    allgather = entrance("allgather")
    allgather_coalesced = entrance("allgather_coalesced")
    all_gather_single = _allgather_base = entrance("all_gather_single")
    all_gather_single_coalesced = entrance("all_gather_single_coalesced")
    gather = entrance("gather")
    scatter = entrance("scatter")
    reduce_scatter = entrance("reduce_scatter")
    reduce_scatter_single = _reduce_scatter_base = entrance("reduce_scatter_single")
    reduce_scatter_single_coalesced = entrance("reduce_scatter_single_coalesced")
    all_to_all_single = entrance("all_to_all_single")
    alltoall = entrance("alltoall")
    barrier = entrance("barrier")
    send = entrance("send")
    recv = entrance("recv")
    recv_anysource = entrance("recv_anysource")
    _monitored_barrier = entrance("monitored_barrier")

    def monitored_barrier(
        self, timeout: timedelta | float | None = None, wait_all_ranks: bool = False
    ) -> None:
        """A barrier at which rank 0 raises an error that names a rank which is late.

        ``wait_all_ranks``: it names all of them. ``timeout``: a timedelta, or seconds; None: the
        group's.
        """
        limit = timedelta(seconds=timeout) if isinstance(timeout, int | float) else timeout
        self._monitored_barrier(self._timeout if limit is None else limit, wait_all_ranks)

    def _start_coalescing(self, device: torch.device) -> None:
        self._calls.start_coalescing()

    def _end_coalescing(self, device: torch.device) -> GroupWork:
        return self._calls.end_coalescing()

    # What else torch asks of a group.

    def _set_default_timeout(self, timeout: timedelta) -> None:
        super()._set_default_timeout(timeout)
        self._calls.limit = timeout.total_seconds()

    set_timeout = _set_default_timeout

    def setGroupName(self, name: str) -> None:  # noqa: N802
        """Set the name of the group."""
        super().setGroupName(name)
        self._calls.name = name

    _set_group_name = setGroupName

    def shutdown(self) -> None:
        """Complete the calls in progress and leave the world, if this group is all of it."""
        if self.communicator is self._world.everybody:
            self._world.close()

    supports_shrinking = True

    def shrink(
        self, ranks_to_exclude: Sequence[int], shrink_flags: int = 0, opts_override: Any = None
    ) -> "ProcessGroup":
        """The group of those that are not excluded; what ``dist.shrink_group`` calls.

        See `collectives.adapters.torch.shrinking.left`. Calls in progress are over, whatever the
        flags say. Raises ``dist.DistBackendError``.
        """
        with translated():
            found, self._agreed = self._agreed or left(self.communicator, ranks_to_exclude), None
        if self.communicator is self._world.everybody:
            self._world.replace(found)
        return type(self)(self._world, found, self._timeout)

    def shrunk(self) -> "ProcessGroup":
        """The process group of those that are left, when they have agreed who that is.

        All that are left call it; it is what ``dist.shrink_group`` returns, which it calls with
        the ranks that are lost. The group itself if none is. Raises ``dist.DistBackendError``.
        """
        with translated():
            agreed = self.communicator.shrink()
        members = self.communicator.members
        lost = [place for place, rank in enumerate(members) if rank not in agreed.members]
        if lost:
            self._agreed = agreed
            found: Any = dist.shrink_group(lost, self)
            return found  # type: ignore[no-any-return]
        if self.communicator is self._world.everybody:
            self._world.replace(agreed)
            self._generation = self._world.generation
        self._use(agreed)
        return self

    def abort(self) -> None:
        """End the world at once; every other rank gets an error.

        Where the world goes on after a loss, this rank is lost to the others. Of a group whose
        world has shrunk since, nobody needs to learn.
        """
        if self._generation < self._world.generation:
            return
        self._world.close(RuntimeError(f"rank {self.rank()} has aborted its process group"))

    def split_group(
        self, ranks: Sequence[int], timeout: timedelta | None = None, opts: Any = None,
        group_name: str | None = None, group_desc: str | None = None, device_types: Any = None,
    ) -> "ProcessGroup | None":  # fmt: skip
        """A new group of these ranks of this group; None at a rank that is not among them."""
        if self.rank() not in ranks:
            return None
        members = dist.get_process_group_ranks(self)
        made = self.subgroup([members[rank] for rank in ranks], timeout or self._timeout)
        made.setGroupName(group_name or f"{self.group_name}:split")
        made.setGroupDesc(group_desc or "")
        return made
