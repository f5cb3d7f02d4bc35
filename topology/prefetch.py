"""`prefetch`: says that a record of a large array is needed soon, so that memory is read meanwhile.

Engines go through packets, and through transfers, in an order that looks random to a processor;
what comes next is known some steps ahead. It changes no result.

    from topology.compiled import lean

    @lean
    def total(array: NDArray[np.float64]) -> int:
        ...
            prefetch(array, order[i + 8])
"""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba.core import cgutils as untyped
from numba.core import types
from numba.extending import intrinsic
from numpy.typing import NDArray

cgutils: Any = untyped

LINE = 64
"""Bytes of a line of memory, as processors read it."""

_MOST = 2 * LINE  # of a long record, what stands first counts
_READ, _KEEP, _DATA = 0, 3, 1  # of LLVM's prefetch: read it, keep it in all caches, it is no code


def _prefetch(typing: Any, array: Any, index: Any) -> tuple[Any, Callable[..., Any]]:
    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = signature.args[0]
        made = context.make_array(kind)(context, builder, given[0])
        at = context.cast(builder, given[1], signature.args[1], types.intp)
        where = cgutils.get_item_pointer(context, builder, kind, made, [at], wraparound=False)
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        called = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = cgutils.get_or_insert_function(builder.module, called, "llvm.prefetch.p0i8")
        numbers = [ir.Constant(number, one) for one in (_READ, _KEEP, _DATA)]
        first = builder.bitcast(where, byte)
        last = min(context.get_abi_sizeof(context.get_data_type(kind.dtype)), _MOST) - 1
        for offset in sorted({*range(0, last, LINE), last}):  # it may begin within a line
            there = builder.gep(first, [ir.Constant(ir.IntType(64), offset)])
            builder.call(prefetch, [there, *numbers])
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch = cast(Callable[[NDArray[Any], int], None], intrinsic(_prefetch))
"""``prefetch(array, index)`` in a kernel: that record is needed soon. There must be one."""
