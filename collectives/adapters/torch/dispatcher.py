"""Calls of a process group go through torch's own dispatcher before they are made here.

torch's C++ takes the arguments of a call (any sequence for splits, options or single values), and
makes of them one call of its dispatcher, ``c10d::allreduce_`` for one. That is what its own
backends do, so a program's odd arguments have the same outcome, and whoever watches the dispatcher
sees the call with its tensors and its group: the profiler, ``ExecutionTraceObserver``,
``CommDebugMode``, subclasses of Tensor. At the place at which the dispatcher would look for a C++
backend, a mode below all others hands the call to a `Kernel`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from collectives.adapters.torch.watch import TITLES
from collectives.adapters.torch.work import GroupWork

Kernel = Callable[[str, Sequence[Any], Mapping[str, Any], Any], GroupWork | None]
"""Makes a call: its name in the dispatcher, its arguments there, its ``ReduceOp`` if it has one.

The reduction is among the arguments, too, but in a form that Python cannot read."""

_Group: Any = dist.ProcessGroup
"""Its stubs say more than is needed here: every call in all the forms that C++ takes."""

_PUSH: Callable[[Any], None] = torch._C._push_on_torch_dispatch_stack
_POP: Callable[[Any], Any] = torch._C._pop_torch_dispatch_stack
_DEPTH: Callable[[], int] = torch._C._len_torch_dispatch_stack


class _Below(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode in the place of a C++ backend: makes the calls that reach it."""

    def __init__(self, kernel: Kernel, reduction: Any) -> None:
        # What the base class sets up is for ``with``, and costs as much as all the rest.
        self.kernel, self.reduction = kernel, reduction
        self.work: GroupWork | None = None
        """What the kernel has made: of what comes back by C++ only that half would be left."""


def _dispatched(mode: _Below, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """An operation of torch while a call is on its way."""
    if types:  # a subclass of Tensor: it says what its calls are of, and then they come again
        return NotImplemented
    name = _CALLS.get(func)
    if name is None:
        return func(*args, **(kwargs or {}))
    work = mode.work = mode.kernel(name, args, kwargs or {}, mode.reduction)
    if work is None:
        return None
    boxed = work.boxed()
    return boxed if name in _WORK_ONLY else (args[0], boxed)


# As a part of the class it would be wrapped to keep compilers away, which never come here.
_Below.__torch_dispatch__ = _dispatched  # type: ignore[method-assign, assignment]

_CALLS = {getattr(torch.ops.c10d, name).default: name for name in (*TITLES, "monitored_barrier_")}
"""The calls by their operations."""

_WORK_ONLY = frozenset(name for func, name in _CALLS.items() if len(func._schema.returns) == 1)
"""Those that return nothing else; the others return what they fill, too."""


@contextmanager
def _beneath(mode: TorchDispatchMode) -> Iterator[None]:
    """The block runs with a mode that is asked after all others that a user has entered."""
    others = [each for each in _get_current_dispatch_mode_stack() if not hasattr(each, "_mode_key")]
    for _ in others:
        _POP(None)
    for each in (mode, *others):
        _PUSH(each)
    try:
        yield
    finally:
        for _ in (mode, *others):
            _POP(None)
        for each in others:
            _PUSH(each)


def _reduction_of(given: Sequence[Any]) -> Any:
    """The ``ReduceOp`` of a call, which may stand among its options; of none: the default."""
    for each in given:
        found = getattr(each, "reduceOp", each)
        if isinstance(found, (dist.ReduceOp, dist.ReduceOp.RedOpType)):
            return found
    return dist.ReduceOp.SUM


def entrance(name: str) -> Callable[..., Any]:
    """The method ``name`` of a process group, which passes torch's arguments on to ``_kernel``."""
    front = getattr(_Group, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        mode = _Below(self._kernel, _reduction_of([*args, *kwargs.values()]))
        recording = torch.is_grad_enabled()
        try:
            # Or else torch would make of what is filled from a parameter a result of computing.
            torch._C._set_grad_enabled(False)
            if _DEPTH():
                with _beneath(mode):
                    front(self, *args, **kwargs)
            else:
                _PUSH(mode)
                try:
                    front(self, *args, **kwargs)
                finally:
                    _POP(None)
        finally:
            torch._C._set_grad_enabled(recording)
        return mode.work

    # By the name of the calling function C++ tells that it is to run its own code, and not this.
    call.__code__ = call.__code__.replace(co_name=name)
    call.__name__, call.__qualname__ = name, f"ProcessGroup.{name}"
    call.__doc__ = front.__doc__
    return call
