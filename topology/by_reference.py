"""`by_reference`: tuples of arrays that kernels pass on as one pointer.

numba passes a named tuple field by field, and an array as seven numbers: a kernel with dozens of
them takes hundreds of arguments, which costs a compiler more than what the kernel does, at each
call. By reference, it is one; the fields lie in memory, where whoever needs one reads it.

    @by_reference
    class State(NamedTuple):
        n: Longs
        ...
"""

import hashlib
from typing import Any, TypeVar

from numba.core import types
from numba.core.cgutils import alloca_once_value, gep_inbounds
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    register_model,
    typeof_impl,
    unbox,
)

Fields = TypeVar("Fields", bound=type)


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
    found = builder.load(gep_inbounds(builder, value, 0, at))
    return impl_ret_borrowed(context, builder, kind.of.types[at], found)


@unbox(Reference)
def _from_python(kind: Reference, given: Any, c: Any) -> Any:
    values = c.unbox(kind.of, given)
    there = alloca_once_value(c.builder, values.value)
    return NativeValue(there, is_error=values.is_error, cleanup=values.cleanup)


def by_reference(fields: Fields) -> Fields:
    """``fields``, a `NamedTuple`, whose instances kernels take by reference."""

    @typeof_impl.register(fields)
    def _kind(value: Any, c: Any) -> Reference:
        kinds = [typeof_impl(one, c) for one in value]
        return Reference(types.BaseTuple.from_types(kinds, fields))

    return fields
