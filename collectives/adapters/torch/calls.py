"""The calls of a process group of torch, made as calls of a `Communicator`.

The methods are called as torch's dispatcher calls these operations (``c10d::allreduce_`` for one),
and take what it passes: see `collectives.adapters.torch.dispatcher`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from collectives.adapters.torch import sparse
from collectives.adapters.torch.checks import (
    check_length,
    check_list,
    check_pairs,
    check_same,
    divided,
    items,
    reduction,
    scaled,
)  # fmt: skip
from collectives.adapters.torch.completion import Completion
from collectives.adapters.torch.errors import translated
from collectives.adapters.torch.messages import Messages
from collectives.adapters.torch.order import CallOrder
from collectives.adapters.torch.tensors import FlatTensors, alike
from collectives.adapters.torch.watch import TITLES, event, watched
from collectives.adapters.torch.work import Coalesced, GroupWork, Pending, span
from collectives.calls.communicator import Communicator
from collectives.calls.work import Work

Call = Callable[..., Work]
"""A call of a communicator, but for whether it is asynchronous."""


class Calls:
    """The calls of one group over ``communicator``; ``last``: the parts of the latest call.

    ``limit``: seconds that a call may take if it names no time-out. ``name``: the group's name,
    shown to profilers. ``emulates``: True if there are emulated times to show. Raises `ValueError`
    for wrong arguments, before anything is sent, and ``dist.DistBackendError`` for what goes wrong
    between the ranks.
    """

    def __init__(
        self, communicator: Communicator, completion: Completion, limit: float, *, emulates: bool
    ) -> None:
        self.communicator, self.limit, self.name = communicator, limit, ""
        self._completion, self._emulates = completion, emulates
        self._messages = Messages(communicator, self._work)
        self._coalesced: list[GroupWork] | None = None
        self._order = CallOrder()
        self.last: Sequence[Pending] = ()

    def make(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], op: Any
    ) -> GroupWork | None:
        """Make the call of this name; returns its work, None for a call that is over.

        ``op``: its ``ReduceOp``, if it combines. Raises ``dist.DistBackendError``, `ValueError`.
        """
        if name.startswith(("allreduce", "reduce", "_reduce")):
            args = op, *args
        collective = hasattr(self, name)
        if collective:
            self._order.await_earlier(args)
        with translated():
            where = self if collective else self._messages
            work: GroupWork | None = getattr(where, name)(*args, **kwargs)
        if work is not None:
            self._keep(TITLES[name], work)
            if collective:
                self._order.add(work, args)
        return work

    def start_coalescing(self) -> None:
        """Begin to collect calls, until `end_coalescing`."""
        self._coalesced = []

    def end_coalescing(self) -> GroupWork:
        """All calls since `start_coalescing`, as one work."""
        works, self._coalesced = self._coalesced or [], None
        outputs = [tensor for work in works for tensor in work.result()]
        return self._work([Coalesced(work) for work in works], outputs)

    # Collectives.

    def allreduce_(
        self, op: Any, tensors: list[Tensor], group: Any, _op: Any, _indices: Any = None,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Combine the tensor with those of the other ranks, in place."""
        check_list("tensors of this rank", tensors, 1)
        return self.allreduce_coalesced_(op, tensors, group, _op, async_op, timeout)

    def allreduce_coalesced_(
        self, op: Any, tensors: list[Tensor], _group: Any, _op: Any, async_op: bool = True,
        timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Combine each tensor with those of the other ranks, in place."""
        limit = self._seconds(timeout)
        calls = []
        for tensor in tensors:
            if tensor.layout is not torch.strided:
                with translated():
                    sparse.all_reduce(self.communicator, tensor, reduction(op, tensor), limit)
                continue
            name, into, sent = reduction(op, tensor), tensor, scaled(op, tensor)
            args = (into, name) if sent is tensor else (sent, name, into)
            calls.append(partial(self.communicator.all_reduce, *args))
        return self._make(calls, tensors, async_op, limit)

    def reduce_(
        self, op: Any, tensors: list[Tensor], _group: Any, _op: Any, root: int, _which: int,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Combine the tensors of all ranks into the root's; the others stay as they are."""
        check_list("tensors of this rank", tensors, 1)
        tensor = tensors[0]
        into = tensor if self.communicator.rank == root else None
        args = scaled(op, tensor), root, reduction(op, tensor), into
        return self._make(
            [partial(self.communicator.reduce, *args)], tensors, async_op, self._seconds(timeout)
        )

    def broadcast_(
        self, tensors: list[Tensor], _group: Any, root: int, _which: int, async_op: bool = True,
        timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill every rank's tensor with the root's."""
        check_list("tensors of this rank", tensors, 1)
        call = partial(self.communicator.broadcast, tensors[0], root)
        return self._make([call], tensors, async_op, self._seconds(timeout))

    def allgather_(
        self, outputs: list[list[Tensor]], inputs: list[Tensor], _group: Any,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill lists of tensors, one tensor for each rank, with the tensors of all ranks."""
        calls: list[Call] = []
        rows: list[FlatTensors] = []
        check_list("output lists", outputs, len(inputs))
        for into, tensor in zip(outputs, inputs, strict=True):
            self._check_pieces("output tensors", into, tensor)
            if alike(into):
                rows.append(FlatTensors(into, filled=True))
                calls.append(partial(self.communicator.all_gather, rows[-1].flat, tensor))
            else:
                calls += self._each_broadcast(into, tensor)
        listed = [tensor for into in outputs for tensor in into]
        return self._make(calls, listed, async_op, self._seconds(timeout), _spread(rows))

    def allgather_coalesced_(
        self, outputs: list[list[Tensor]], inputs: list[Tensor], group: Any, async_op: bool = True
    ) -> GroupWork:
        """Gather several tensors of every rank at every rank: ``outputs[rank][tensor]``."""
        check_list("output lists", outputs, self.communicator.size)
        for each in outputs:
            check_list("output tensors of a rank", each, len(inputs))
        columns = [list(column) for column in zip(*outputs, strict=True)]
        return self.allgather_(columns, inputs, group, async_op)

    def _allgather_base_(
        self, output: Tensor, tensor: Tensor, group: Any, async_op: bool = True, timeout: int = -1
    ) -> GroupWork:
        """Fill one tensor with all ranks' tensors, one after the other."""
        return self.allgather_into_tensor_coalesced_([output], [tensor], group, async_op, timeout)

    def allgather_into_tensor_coalesced_(
        self, outputs: list[Tensor], inputs: list[Tensor], _group: Any, async_op: bool = True,
        timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill each output with the input of all ranks, one after the other; several tensors."""
        check_list("output tensors", outputs, len(inputs))
        check_pairs(outputs, inputs)
        calls = [
            partial(self.communicator.all_gather, output, tensor)
            for output, tensor in zip(outputs, inputs, strict=True)
        ]
        return self._make(calls, outputs, async_op, self._seconds(timeout))

    def gather_(
        self, outputs: list[list[Tensor]], inputs: list[Tensor], _group: Any, root: int,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill a list of tensors of the root, one for each rank, with all ranks' tensors."""
        check_list("input tensors of this rank", inputs, 1)
        tensor, into = inputs[0], list[Tensor]()
        if self.communicator.rank == root:
            check_list("lists of output tensors at the root", outputs, 1)
            into = outputs[0]
            self._check_equal("output tensors", into, tensor)
        rows = [FlatTensors(into, filled=True)] if into else []
        flat = rows[0].flat if rows else None
        call = partial(self.communicator.gather, flat, tensor, root)
        return self._make([call], into, async_op, self._seconds(timeout), _spread(rows))

    def scatter_(
        self, outputs: list[Tensor], inputs: list[list[Tensor]], _group: Any, root: int,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill a tensor with this rank's entry of a list of the root's."""
        check_list("output tensors of this rank", outputs, 1)
        output, flat = outputs[0], None
        if self.communicator.rank == root:
            check_list("lists of input tensors at the root", inputs, 1)
            self._check_equal("input tensors", inputs[0], output)
            flat = FlatTensors(inputs[0], filled=False).flat
        call = partial(self.communicator.scatter, output, flat, root)
        return self._make([call], outputs, async_op, self._seconds(timeout))

    def reduce_scatter_(
        self, op: Any, outputs: list[Tensor], inputs: list[list[Tensor]], _group: Any, _op: Any,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Combine lists of tensors, one for each rank; fill a tensor with this rank's result."""
        calls: list[Call] = []
        check_list("input lists", inputs, len(outputs))
        for output, tensors in zip(outputs, inputs, strict=True):
            self._check_pieces("input tensors", tensors, output)
            name, sent = reduction(op, output), [scaled(op, tensor) for tensor in tensors]
            if alike(sent):
                flat = FlatTensors(sent, filled=False).flat
                calls.append(partial(self.communicator.reduce_scatter, output, flat, name))
            else:
                calls += self._each_reduced(output, sent, name)
        return self._make(calls, outputs, async_op, self._seconds(timeout))

    def _reduce_scatter_base_(
        self, op: Any, output: Tensor, tensor: Tensor, group: Any, _op: Any,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Fill a tensor with the rank's own block of all ranks' tensors, combined."""
        given = [output], [tensor], group, _op, async_op, timeout
        return self.reduce_scatter_tensor_coalesced_(op, *given)

    def reduce_scatter_tensor_coalesced_(
        self, op: Any, outputs: list[Tensor], inputs: list[Tensor], _group: Any, _op: Any,
        async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Combine several inputs over ranks, and fill each output with this rank's block."""
        calls = []
        check_list("output tensors", outputs, len(inputs))
        check_pairs(outputs, inputs)
        for output, tensor in zip(outputs, inputs, strict=True):
            args = output, scaled(op, tensor), reduction(op, output)
            calls.append(partial(self.communicator.reduce_scatter, *args))
        return self._make(calls, outputs, async_op, self._seconds(timeout))

    def alltoall_base_(
        self, output: Tensor, tensor: Tensor, _group: Any, output_splits: list[int],
        input_splits: list[int], async_op: bool = True, timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Send each rank a piece of a tensor; without splits the pieces are equally long.

        If one rank passes splits, all ranks must.
        """
        into, sent, ranks = output, tensor, self.communicator.size
        check_pairs([output], [tensor])
        if not output_splits and not input_splits:
            divided("input", tensor, ranks)
            divided("output", output, ranks)
            call = partial(self.communicator.all_to_all, into, sent)
        else:
            counts = [items("input", tensor, input_splits, ranks),
                      items("output", output, output_splits, ranks)]  # fmt: skip
            call = partial(self.communicator.all_to_all_v, into, sent, *counts)
        return self._make([call], [output], async_op, self._seconds(timeout))

    def alltoall_(
        self, outputs: list[Tensor], inputs: list[Tensor], _group: Any, async_op: bool = True,
        timeout: int = -1,
    ) -> GroupWork:  # fmt: skip
        """Send each rank a tensor of a list, and fill another list with a tensor from each rank."""
        ranks = self.communicator.size
        for what, each in (("output tensors", outputs), ("input tensors", inputs)):
            check_list(what, each, ranks)
            check_same(what, each, outputs[0])
        into, sent = FlatTensors(outputs, filled=True), FlatTensors(inputs, filled=False)
        counts = [[tensor.numel() for tensor in each] for each in (inputs, outputs)]
        call = partial(self.communicator.all_to_all_v, into.flat, sent.flat, *counts)
        return self._make([call], outputs, async_op, self._seconds(timeout), into.spread)

    def barrier(
        self, _tensor: Tensor, _group: Any, _devices: Any, async_op: bool = True, timeout: int = -1
    ) -> GroupWork:
        """A work that is over when all ranks have called it."""
        return self._make([self.communicator.barrier], [], async_op, self._seconds(timeout))

    def monitored_barrier_(
        self, _tensor: Tensor, _group: Any, _devices: Any, timeout: int = -1,
        everybody: bool = False,
    ) -> None:  # fmt: skip
        """A barrier at which rank 0 raises an error that names a late rank (or all of them)."""
        limit = self.limit if timeout < 0 else timeout / 1000
        self._messages.monitored_barrier(limit, everybody)

    # How calls are made.

    def _make(
        self, calls: Sequence[Call], outputs: list[Tensor], async_op: bool, limit: float,
        finish: Callable[[], None] | None = None,
    ) -> GroupWork:  # fmt: skip
        """Make calls together; at once, where torch says that it will wait."""
        with translated():
            if not async_op and len(calls) == 1 and self._coalesced is None:
                over = [calls[0](timeout=limit)]
                return GroupWork(self._completion, (), limit, outputs, finish, over)
            begun = [call(async_op=True) for call in calls]
        return GroupWork(self._completion, begun, limit, outputs, finish)

    def _work(self, pending: Sequence[Pending], outputs: list[Tensor]) -> GroupWork:
        return GroupWork(self._completion, pending, self.limit, outputs)

    def _keep(self, title: str, work: GroupWork) -> None:
        """A call that was begun: what others than its caller have to do with it."""
        if self._coalesced is not None:
            self._coalesced.append(work)
        self.last = work.parts
        if self._emulates and watched():
            work.then(lambda: self._show(title, work))

    def _show(self, title: str, work: GroupWork) -> None:
        """Let who watches know the emulated times of a call that is over."""
        if work.parts:
            group = self.name, self.communicator.size
            event(title, work.result(), group, span(work.parts))

    def _seconds(self, timeout: int) -> float:
        """Milliseconds as torch passes them on; 0 and below is "the group's"."""
        return timeout / 1000 if timeout > 0 else self.limit

    def _check_pieces(self, what: str, tensors: Sequence[Tensor], mine: Tensor) -> None:
        """One tensor a rank, of which this rank's is as long as the one that it gives or gets."""
        check_list(what, tensors, self.communicator.size)
        check_same(what, tensors, mine)
        check_length(f"{what}[{self.communicator.rank}]", tensors[self.communicator.rank], mine)

    def _check_equal(self, what: str, tensors: Sequence[Tensor], mine: Tensor) -> None:
        """One tensor a rank, all as long as the one that this rank gives or gets."""
        check_list(what, tensors, self.communicator.size)
        check_same(what, tensors, mine)
        for rank, each in enumerate(tensors):
            check_length(f"{what}[{rank}]", each, mine)

    def _each_broadcast(self, into: Sequence[Tensor], tensor: Tensor) -> list[Call]:
        """An all-gather of tensors of several lengths."""
        own = into[self.communicator.rank].detach()
        own.copy_(tensor.detach().reshape(own.shape))
        broadcast = self.communicator.broadcast
        return [partial(broadcast, each, root) for root, each in enumerate(into)]

    def _each_reduced(self, output: Tensor, tensors: Sequence[Tensor], op: str) -> list[Call]:
        """A reduce-scatter of tensors of several lengths."""
        reduce, rank = self.communicator.reduce, self.communicator.rank
        return [
            partial(reduce, each, root, op, output if root == rank else None)
            for root, each in enumerate(tensors)
        ]


def _spread(rows: Sequence[FlatTensors]) -> Callable[[], None]:
    def spread() -> None:
        for row in rows:
            row.spread()

    return spread
