"""`on_roce`: kernels that are compiled only for machines with planes of RoCE.

A kernel compiles whatever it may call, which takes seconds. What the kernels of all machines call
of RoCE is chosen by the type of the state: without RoCE it is a constant, and nothing is compiled.

    from topology.compiled import inner

    @on_roce(otherwise=True)
    @inner
    def admit(s: State, k: int, p: int, now: int) -> bool: ...
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba.extending import overload

from topology.compiled import INNER

_OPTIONS: Any = {"_nrt": False, "error_model": "numpy", **INNER}  # as of `topology.compiled.inner`

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def on_roce(otherwise: bool | int | None) -> Callable[[Kernel], Kernel]:
    """A decorator: ``otherwise`` is what is returned in a kernel whose state has no RoCE."""

    def decorate(kernel: Kernel) -> Kernel:
        def called(s: Any, *given: Any) -> Any:
            return kernel(s, *given)

        def with_it(s: Any, *given: Any) -> Any:
            return kernel(s, *given)

        def without(s: Any, *given: Any) -> Any:
            return otherwise

        # Machine code that is kept finds functions by name: each has to have one of its own.
        for function in (with_it, without):
            name = f"{function.__name__}_{kernel.__name__}"
            function.__name__ = function.__qualname__ = name

        @overload(called, jit_options=_OPTIONS)
        def choose(s: Any, *given: Any) -> Callable[..., Any]:
            has = len(s.of.types[s.of.fields.index("roce")]) > 0
            return with_it if has else without

        return cast(Kernel, called)

    return decorate
