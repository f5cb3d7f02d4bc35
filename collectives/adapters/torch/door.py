"""The door: calls of a process group go through torch's own front before they are made here.

torch's C++ takes the arguments of a call (any sequence for splits, options or single values), and
makes of them one call of its dispatcher, ``c10d::allreduce_`` for one. That is what its own
backends do, so a program's odd arguments have the same outcome, and whoever watches the dispatcher
sees the call with its tensors and its group: the profiler, ``ExecutionTraceObserver``,
``CommDebugMode``, subclasses of Tensor. Where the dispatcher would look for a backend of C++, a
mode below all others hands the call to a `Kernel`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from collectives.adapters.torch.work import Work

Kernel = Callable[[str, Sequence[Any], Mapping[str, Any], Any], Work | None]
"""Makes a call: its name in the dispatcher, its arguments there, its ``ReduceOp`` if it has one.

The reduction is among the arguments, too, but in a form that Python cannot read."""

_Group: Any = dist.ProcessGroup
"""Its stubs say more than is needed here: every call in all the forms that C++ takes."""

_PUSH: Callable[[Any], None] = torch._C._push_on_torch_dispatch_stack
_POP: Callable[[Any], Any] = torch._C._pop_torch_dispatch_stack
_DEPTH: Callable[[], int] = torch._C._len_torch_dispatch_stack


class _Below(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Stands where a backend of C++ would: makes the calls that come through."""

    def __init__(self, kernel: Kernel, reduction: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._kernel, self._reduction = kernel, reduction
        self.work: Work | None = None
        """What the kernel has made: of what comes back by C++ only that half would be left."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if types:  # a subclass of Tensor: it says what its calls are of, and then they come again
            return NotImplemented
        if func.namespace != "c10d":
            return func(*args, **(kwargs or {}))
        name = func.name().removeprefix("c10d::")
        work = self.work = self._kernel(name, args, kwargs or {}, self._reduction)
        if work is None:
            return None
        boxed = work.boxed()
        return boxed if len(func._schema.returns) == 1 else (args[0], boxed)


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
    """The method ``name`` of a process group, which hands what torch makes of it to ``_kernel``."""
    front = getattr(_Group, name)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        mode = _Below(self._kernel, _reduction_of([*args, *kwargs.values()]))
        if _DEPTH():
            with _beneath(mode):
                front(self, *args, **kwargs)
            return mode.work
        _PUSH(mode)
        try:
            front(self, *args, **kwargs)
        finally:
            _POP(None)
        return mode.work

    # By the name of the calling function C++ tells that it is to run its own code, and not this.
    call.__code__ = call.__code__.replace(co_name=name)
    call.__name__, call.__qualname__ = name, f"ProcessGroup.{name}"
    call.__doc__ = front.__doc__
    return call
