"""`by_reference`: tuples of arrays that kernels pass on as one pointer.

numba passes a named tuple field by field, and an array as seven numbers: a kernel with dozens of
them takes hundreds of arguments, which costs a compiler more than what the kernel does, at each
call. By reference, it is one; the fields lie in memory, where whoever needs one reads it.

    @by_reference
    class State(NamedTuple):
        n: Longs
        ...

The compiler is told that kernels do not change the fields themselves, so that it reads where an
array lies once, not again after whatever is written to one. Indices of the arrays are not counted
from the end: they are 0 or more, which saves a comparison each time. Slices are as they always are.
"""

import hashlib
import operator
from typing import Any, TypeVar

from llvmlite import ir
from numba.core import cgutils as untyped
from numba.core import types
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed
from numba.core.imputils import lower_builtin as untyped_lower_builtin
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np import arrayobj as untyped_arrays

Fields = TypeVar("Fields", bound=type)

cgutils: Any = untyped
arrays: Any = untyped_arrays
lower_builtin: Any = untyped_lower_builtin


class Field(types.Array):
    """The type of an array that is a field; readonly arrays have the same one."""

    def __init__(self, of: Any) -> None:
        digest = hashlib.sha256(str(of.dtype).encode()).hexdigest()
        name = f"field_{of.ndim}_{of.layout}_{of.aligned}_{digest[:16]}"
        super().__init__(of.dtype, of.ndim, of.layout, name=name, aligned=of.aligned)

    @property
    def mangling_args(self) -> tuple[str, tuple[object, ...]]:
        """Its part of the names of functions that take it."""
        return self.name, ()


register_model(Field)(models.ArrayModel)


def _item(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """The pointer to an item of an array."""
    made = arrays.make_array(kind)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, kind, made, [index], wraparound=False)


@lower_builtin(operator.getitem, Field, types.Integer)
def _get(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    kind, index = signature.args
    at = context.cast(builder, given[1], index, types.intp)
    there = _item(context, builder, kind, given[0], at)
    found = arrays.load_item(context, builder, kind, there)
    return impl_ret_borrowed(context, builder, signature.return_type, found)


@lower_builtin(operator.setitem, Field, types.Integer, types.Any)
def _set(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    kind, index, value = signature.args
    at = context.cast(builder, given[1], index, types.intp)
    there = _item(context, builder, kind, given[0], at)
    new = context.cast(builder, given[2], value, kind.dtype)
    arrays.store_item(context, builder, kind, new, there)
    return context.get_dummy_value()


class Reference(types.Type):
    """The type of a tuple that is passed by reference: ``of``, its type as a value."""

    def __init__(self, of: Any) -> None:
        self.of = of
        # a name is part of the names of all functions that take it: a short one
        digest = hashlib.sha256(str(of).encode()).hexdigest()
        super().__init__(name=f"{of.instance_class.__name__}_{digest[:16]}")


@register_model(Reference)
class _Model(models.PrimitiveModel):
    def __init__(self, dmm: Any, kind: Reference) -> None:
        super().__init__(dmm, kind, dmm.lookup(kind.of).get_value_type().as_pointer())


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Reference

    def generic_resolve(self, kind: Reference, name: str) -> Any:  # type: ignore[override]
        """The type of a field; None where there is none of that name."""
        fields = kind.of.fields
        return kind.of.types[fields.index(name)] if name in fields else None


@lower_getattr_generic(Reference)
def _field(context: Any, builder: Any, kind: Reference, value: Any, name: str) -> Any:
    at = kind.of.fields.index(name)
    found = builder.load(cgutils.gep_inbounds(builder, value, 0, at))
    found.set_metadata("tbaa", _constant(builder.module))
    return impl_ret_borrowed(context, builder, kind.of.types[at], found)


def _constant(module: Any) -> Any:
    """The metadata that says of a load that nothing in sight writes there."""
    of_all = module.add_metadata(["fields of kernels"])
    kind = module.add_metadata(["field", of_all, ir.Constant(ir.IntType(64), 0)])
    numbers = [ir.Constant(ir.IntType(64), number) for number in (0, 1)]
    return module.add_metadata([kind, kind, *numbers])


@unbox(Reference)
def _from_python(kind: Reference, given: Any, c: Any) -> Any:
    values = c.unbox(kind.of, given)
    there = cgutils.alloca_once_value(c.builder, values.value)
    # Nothing in sight: where they are written the compiler must not know that this is the place.
    same = ir.FunctionType(there.type, [there.type])
    there = c.builder.asm(same, "", "=r,0,~{memory}", [there], True)
    return NativeValue(there, is_error=values.is_error, cleanup=values.cleanup)


def by_reference(fields: Fields) -> Fields:
    """``fields``, a `NamedTuple`, whose instances kernels take by reference."""

    @typeof_impl.register(fields)
    def _kind(value: Any, c: Any) -> Reference:
        kinds = [typeof_impl(one, c) for one in value]
        kinds = [Field(one) if isinstance(one, types.Array) else one for one in kinds]
        return Reference(types.BaseTuple.from_types(kinds, fields))

    return fields
