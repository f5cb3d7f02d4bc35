"""Kernels that only kernels call: they become part of those that Python calls.

numba makes machine code of every kernel for all types that it is called with, and optimises it with
all that it calls: what is called through five others is optimised six times. Of these kernels it
makes intermediate code alone, once for integers of all lengths, and optimises that within each
kernel that Python calls.
"""

from typing import Any, TypeVar

from numba.core import types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

Kernel = TypeVar("Kernel")


class _Part(JITCodeLibrary):
    """Code that is there to be linked with others."""

    def finalize(self) -> None:
        """Put what the kernel calls beside it."""
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._finalize_dynamic_globals()
        self._finalized = True


class PartCompiler(Compiler):
    """numba's compiler, which stops at intermediate code."""

    def compile_extra(self, func: Any) -> Any:
        """Compile a Python function."""
        state: Any = self.state
        state.flags.no_compile = True
        state.library = _Part(state.targetctx.codegen(), func.__qualname__)
        return super().compile_extra(func)


def only_for_kernels(kernel: Kernel) -> Kernel:
    """The ``kernel``, a dispatcher that has `PartCompiler`; Python cannot call it."""
    made: Any = kernel
    find = made.get_call_template

    def keep(result: Any) -> None:
        code = object()  # what callers are linked with; elsewhere it is the machine code
        made.targetctx.insert_user_function(code, result.fndesc, [result.library])
        made.overloads[tuple(result.signature.args)] = result._replace(entry_point=code)

    def find_widened(given: Any, named: Any) -> Any:
        return find(tuple(map(_widened, given)), named)

    def refuse(*given: object, **named: object) -> None:
        raise TypeError(f"{made.__name__} is called by kernels only")

    made.add_overload, made.get_call_template = keep, find_widened
    made._compile_for_args = refuse
    return kernel


def _widened(given: Any) -> Any:
    """The type as which a kernel takes what is ``given``."""
    kind: Any = types.unliteral(given)
    integers: Any = types.Integer
    return types.int64 if isinstance(kind, integers) and kind.signed else kind
