"""ProcessGroup: the calls of torch.distributed, made as those of a `Communicator`.

torch calls these methods by name, some from C++: their names, and the order of their arguments, are
torch's. 2.13 has renamed three; both names are there.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

import collectives
from collectives.adapters.torch import sparse
from collectives.adapters.torch.base import Named
from collectives.adapters.torch.errors import translated
from collectives.adapters.torch.joining import launched
from collectives.adapters.torch.messages import Messages
from collectives.adapters.torch.tensors import Row, alike, items, plain, reduction
from collectives.adapters.torch.work import Coalesced, Pending, Work, seconds
from collectives.adapters.torch.world import World, communicator_of
from collectives.communicator import Communicator
from fabric.launching.member import Member

Call = Callable[..., collectives.Work]
"""A call of a communicator, but for whether it is asynchronous."""


class ProcessGroup(Named):
    """A group of ranks over ``communicator``; ``last``: the last call of it, if there was any.

    Made by `over` for a whole world, and by `subgroup`. Errors between ranks are raised as
    ``dist.DistBackendError``, with what has gone wrong, where and at which rank.
    """

    def __init__(self, world: World, communicator: Communicator, timeout: timedelta) -> None:
        super().__init__(communicator.rank, communicator.size, timeout)
        self.communicator, self._world = communicator, world
        self._messages = Messages(communicator, self._work)
        self._coalesced: list[Work] | None = None
        self.last: Work | None = None

    @classmethod
    def over(cls, member: Member, timeout: timedelta) -> "ProcessGroup":
        """The group of all ranks of a world, in which the caller is ``member``."""
        world = World(member, lasting=launched())
        return cls(world, world.everybody, timeout)

    def subgroup(self, ranks: list[int], timeout: timedelta) -> "ProcessGroup":
        """The group of these ranks of the world, in this order; only its members call it."""
        return type(self)(self._world, communicator_of(self._world, ranks), timeout)

    # Collectives.

    def allreduce(self, tensors: Any, opts: Any = None) -> Work:
        """Combine each tensor with those of the other ranks, in place."""
        tensors = _listed(tensors)
        op, factor = reduction(_op(opts))
        calls = []
        for tensor in tensors:
            if tensor.layout is not torch.strided:
                limit = seconds(getattr(opts, "timeout", None), self._limit)
                with translated():
                    sparse.all_reduce(self.communicator, tensor, op, limit)
                continue
            sent = None if factor is None else tensor * factor
            into = plain(tensor)
            args = (into, op) if sent is None else (sent, op, into)
            calls.append(partial(self.communicator.all_reduce, *args))
        return self._make(calls, opts, tensors)

    allreduce_coalesced = allreduce

    def reduce(self, tensors: Any, opts: Any) -> Work:
        """Combine all ranks' tensors into the root's; the others' stay as they are."""
        (tensor,) = _listed(tensors)
        op, factor = reduction(opts.reduceOp)
        mine, root = plain(tensor), opts.rootRank
        sent = mine if factor is None else tensor * factor
        into = mine if self.rank() == root else None
        call = partial(self.communicator.reduce, sent, root, op, into)
        return self._make([call], opts, [tensor])

    def broadcast(self, tensors: Any, opts: Any) -> Work:
        """Fill every rank's tensors with the root's."""
        tensors, root = _listed(tensors), getattr(opts, "rootRank", opts)
        calls = [partial(self.communicator.broadcast, plain(tensor), root) for tensor in tensors]
        return self._make(calls, opts, tensors)

    def allgather(self, outputs: Any, inputs: Any, opts: Any = None) -> Work:
        """Fill a list of tensors, one for each rank, with all ranks' tensors."""
        if isinstance(inputs, Tensor):
            outputs, inputs = [outputs], [inputs]
        calls: list[Call] = []
        rows: list[Row] = []
        for into, tensor in zip(outputs, inputs, strict=True):
            if alike(into):
                rows.append(Row(into, filled=True))
                sent = plain(tensor)
                calls.append(partial(self.communicator.all_gather, plain(rows[-1].flat), sent))
            else:
                calls += self._each_broadcast(into, tensor)
        return self._make(calls, opts, [t for into in outputs for t in into], _spread(rows))

    def allgather_coalesced(self, outputs: Any, inputs: Any, opts: Any = None) -> Work:
        """`allgather` of several tensors; ``outputs[rank][tensor]``."""
        return self.allgather([list(column) for column in zip(*outputs, strict=True)], inputs, opts)

    def all_gather_single(self, output: Tensor, tensor: Tensor, opts: Any = None) -> Work:
        """Fill one tensor with all ranks' tensors, one after the other."""
        return self.all_gather_single_coalesced([output], [tensor], opts)

    _allgather_base = all_gather_single

    def all_gather_single_coalesced(self, outputs: Any, inputs: Any, opts: Any = None) -> Work:
        """`all_gather_single` of several tensors."""
        calls = [
            partial(self.communicator.all_gather, plain(output), plain(tensor))
            for output, tensor in zip(outputs, inputs, strict=True)
        ]
        return self._make(calls, opts, list(outputs))

    allgather_into_tensor_coalesced = all_gather_single_coalesced

    def gather(self, outputs: Any, inputs: Any, opts: Any) -> Work:
        """Fill a list of tensors of the root, one for each rank, with all ranks' tensors."""
        (tensor,), root = inputs, opts.rootRank
        into = outputs[0] if self.rank() == root else []
        rows = [Row(into, filled=True)] if into else []
        flat = plain(rows[0].flat) if rows else None
        call = partial(self.communicator.gather, flat, plain(tensor), root)
        return self._make([call], opts, list(into), _spread(rows))

    def scatter(self, outputs: Any, inputs: Any, opts: Any) -> Work:
        """Fill a tensor with the rank's own of a list of the root's."""
        (output,), root = outputs, opts.rootRank
        flat = plain(Row(inputs[0], filled=False).flat) if self.rank() == root else None
        call = partial(self.communicator.scatter, plain(output), flat, root)
        return self._make([call], opts, [output])

    def reduce_scatter(self, outputs: Any, inputs: Any, opts: Any) -> Work:
        """Fill a tensor with the rank's own of lists of tensors, combined."""
        op, factor = reduction(opts.reduceOp)
        calls: list[Call] = []
        for output, tensors in zip(outputs, inputs, strict=True):
            sent = tensors if factor is None else [tensor * factor for tensor in tensors]
            if alike(sent):
                flat = plain(Row(sent, filled=False).flat)
                calls.append(partial(self.communicator.reduce_scatter, plain(output), flat, op))
            else:
                calls += self._each_reduced(output, sent, op)
        return self._make(calls, opts, list(outputs))

    def reduce_scatter_single(self, output: Tensor, tensor: Tensor, opts: Any = None) -> Work:
        """Fill a tensor with the rank's own block of all ranks' tensors, combined."""
        return self.reduce_scatter_single_coalesced([output], [tensor], opts)

    _reduce_scatter_base = reduce_scatter_single

    def reduce_scatter_single_coalesced(self, outputs: Any, inputs: Any, opts: Any = None) -> Work:
        """`reduce_scatter_single` of several tensors."""
        op, factor = reduction(_op(opts))
        calls = []
        for output, tensor in zip(outputs, inputs, strict=True):
            sent = tensor if factor is None else tensor * factor
            calls.append(partial(self.communicator.reduce_scatter, plain(output), plain(sent), op))
        return self._make(calls, opts, list(outputs))

    reduce_scatter_tensor_coalesced = reduce_scatter_single_coalesced

    def all_to_all_single(
        self, output: Tensor, tensor: Tensor, output_splits: Sequence[int],
        input_splits: Sequence[int], opts: Any = None,
    ) -> Work:  # fmt: skip
        """Send each rank a piece of a tensor; without splits they are equally long.

        With splits at one rank, all ranks give them.
        """
        into, sent = plain(output), plain(tensor)
        if not output_splits and not input_splits:
            return self._make([partial(self.communicator.all_to_all, into, sent)], opts, [output])
        even = [1] * self.size()
        counts = [
            items(each, splits or [each.size(0) // self.size() * n for n in even], self.size())
            for each, splits in ((sent, input_splits), (into, output_splits))
        ]
        call = partial(self.communicator.all_to_all_v, into, sent, *counts)
        return self._make([call], opts, [output])

    alltoall_base = all_to_all_single

    def alltoall(self, outputs: Any, inputs: Any, opts: Any = None) -> Work:
        """Send each rank a tensor of a list, and fill another list with what comes."""
        into, sent = Row(outputs, filled=True), Row(inputs, filled=False)
        counts = [[tensor.numel() for tensor in each] for each in (inputs, outputs)]
        call = partial(self.communicator.all_to_all_v, plain(into.flat), plain(sent.flat), *counts)
        return self._make([call], opts, list(outputs), into.spread)

    def barrier(self, opts: Any = None) -> Work:
        """Be over when all ranks have come."""
        return self._make([self.communicator.barrier], opts, [])

    def monitored_barrier(
        self, timeout: timedelta | float | None = None, wait_all_ranks: bool = False
    ) -> None:
        """A barrier that, at rank 0, names a rank that does not come in time (or all of them).

        ``timeout``: if it is no timedelta, in seconds.
        """
        if isinstance(timeout, timedelta):
            timeout = timeout.total_seconds()
        with translated():
            limit = self._limit if timeout is None else timeout
            self._messages.monitored_barrier(limit, wait_all_ranks)

    # Messages.

    def send(self, tensors: Any, dst: int, tag: int = 0) -> Work:
        """Begin to send a tensor."""
        (tensor,) = _listed(tensors)
        with translated():
            return self._kept(self._messages.send(tensor, dst, tag))

    def recv(self, tensors: Any, src: int, tag: int = 0) -> Work:
        """Begin to receive a tensor."""
        (tensor,) = _listed(tensors)
        with translated():
            return self._kept(self._messages.recv(tensor, src, tag))

    def recv_anysource(self, tensors: Any, tag: int = 0) -> Work:
        """Begin to receive a tensor from whichever rank's comes first."""
        (tensor,) = _listed(tensors)
        with translated():
            return self._kept(self._messages.recv_anysource(tensor, tag))

    # How calls are made.

    def _make(
        self, calls: Sequence[Call], opts: Any, outputs: list[Tensor],
        finish: Callable[[], None] | None = None,
    ) -> Work:  # fmt: skip
        """Make calls together; at once, where torch says that it will wait."""
        limit = seconds(getattr(opts, "timeout", None), self._limit)
        waits = not getattr(opts, "asyncOp", True)
        with translated():
            if waits and len(calls) == 1 and self._coalesced is None:
                over = [calls[0](timeout=limit)]
                self.last = Work(self._world.completion, (), limit, outputs, finish, over)
                return self.last
            begun = [call(async_op=True) for call in calls]
        return self._kept(Work(self._world.completion, begun, limit, outputs, finish))

    def _work(self, pending: Sequence[Pending], outputs: list[Tensor]) -> Work:
        return Work(self._world.completion, pending, self._limit, outputs)

    def _kept(self, work: Work) -> Work:
        if self._coalesced is not None:
            self._coalesced.append(work)
        self.last = work
        return work

    def _each_broadcast(self, into: Sequence[Tensor], tensor: Tensor) -> list[Call]:
        """An all-gather of tensors of several lengths."""
        into[self.rank()].copy_(tensor)
        broadcast = self.communicator.broadcast
        return [partial(broadcast, plain(each), root) for root, each in enumerate(into)]

    def _each_reduced(self, output: Tensor, tensors: Sequence[Tensor], op: str) -> list[Call]:
        """A reduce-scatter of tensors of several lengths."""
        reduce, rank = self.communicator.reduce, self.rank()
        return [
            partial(reduce, plain(each), root, op, plain(output) if root == rank else None)
            for root, each in enumerate(tensors)
        ]

    @property
    def _limit(self) -> float:
        return self._timeout.total_seconds()

    # What else torch asks of a group.

    def shutdown(self) -> None:
        """Of the whole world: see through what is under way, and leave."""
        if self.communicator is self._world.everybody:
            self._world.close()

    def abort(self) -> None:
        """End the world at once; every other rank learns of it."""
        self._world.close(RuntimeError(f"rank {self.rank()} has aborted its process group"))

    def split_group(
        self, ranks: Sequence[int], timeout: timedelta | None = None, opts: Any = None,
        group_name: str | None = None, group_desc: str | None = None, device_types: Any = None,
    ) -> "ProcessGroup | None":  # fmt: skip
        """The group of these ranks of this group; None at a rank that is none of them."""
        if self.rank() not in ranks:
            return None
        members = dist.get_process_group_ranks(self)
        made = self.subgroup([members[rank] for rank in ranks], timeout or self._timeout)
        made.setGroupName(group_name or f"{self._name}:split")
        made.setGroupDesc(group_desc or "")
        return made

    def _start_coalescing(self, device: torch.device) -> None:
        self._coalesced = []

    def _end_coalescing(self, device: torch.device) -> Work:
        works, self._coalesced = self._coalesced or [], None
        outputs = [tensor for work in works for tensor in work.result()]
        return self._work([Coalesced(work) for work in works], outputs)


def _listed(tensors: Any) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _op(opts: Any) -> Any:
    """The reduction of options; some of torch's own code passes it instead of them."""
    return dist.ReduceOp.SUM if opts is None else getattr(opts, "reduceOp", opts)


def _spread(rows: Sequence[Row]) -> Callable[[], None]:
    def spread() -> None:
        for row in rows:
            row.spread()

    return spread
