"""The emulated times of calls, for torch's profiler and ``ExecutionTraceObserver``.

torch's dispatcher reports the host's times of a call, its tensors and its group, as with any
backend. Beside that event stands another one, ``triplane::all_reduce`` for one, with the same
tensors, the name and size of the group, and when the call began and how long it took on the
emulated machine.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor
from torch.profiler import profiler

TITLES = {
    "allreduce_": "all_reduce", "allreduce_coalesced_": "all_reduce", "reduce_": "reduce",
    "broadcast_": "broadcast", "allgather_": "all_gather", "allgather_coalesced_": "all_gather",
    "_allgather_base_": "all_gather", "allgather_into_tensor_coalesced_": "all_gather",
    "gather_": "gather", "scatter_": "scatter", "reduce_scatter_": "reduce_scatter",
    "_reduce_scatter_base_": "reduce_scatter", "reduce_scatter_tensor_coalesced_": "reduce_scatter",
    "alltoall_base_": "all_to_all", "alltoall_": "all_to_all", "barrier": "barrier",
    "send": "send", "recv_": "recv", "recv_any_source_": "recv",
}  # fmt: skip
"""What the calls of the dispatcher are called here."""

_LIBRARY = torch.library.Library("triplane", "DEF")  # type: ignore[no-untyped-call]
"""The events, as operations that do nothing: what watches the dispatcher sees them."""

_ARGUMENTS = (
    "(Tensor[] tensors, str group_name, int group_size, float emulated_begin_us,"
    " float emulated_time_us) -> ()"
)
_ANY = "CompositeExplicitAutograd"
"""Of tensors on any device."""


def _define() -> None:
    for title in sorted(set(TITLES.values())):
        _LIBRARY.define(f"{title}{_ARGUMENTS}")  # type: ignore[no-untyped-call]
        _LIBRARY.impl(title, _nothing, _ANY)  # type: ignore[no-untyped-call]


def _nothing(*_: Any) -> None:
    """What such an operation does."""


def _followed() -> Callable[[], bool]:
    """Whether any ``ExecutionTraceObserver`` runs: there is no other way to ask for them all."""
    started: WeakSet[Any] = WeakSet()
    start = profiler.ExecutionTraceObserver.start

    @wraps(start)
    def noted(observer: Any) -> None:
        started.add(observer)
        start(observer)

    profiler.ExecutionTraceObserver.start = noted  # type: ignore[method-assign, assignment]
    return lambda: any([observer.is_running() for observer in started])


_define()
_traced = _followed()


def watched() -> bool:
    """True if a profiler or trace of this thread would see an event."""
    return torch._C._autograd._profiler_enabled() or _traced()


def event(
    title: str, tensors: Sequence[Tensor], group: tuple[str, int], times: tuple[float, float]
) -> None:
    """Show profilers a call that is over. ``group``: its name and size.

    ``times``: emulated seconds.
    """
    begin, end = times
    call = getattr(torch.ops.triplane, title).default
    call(list(tensors), *group, begin * 1e6, (end - begin) * 1e6)
