"""A message as a JSON list, and back: by the types of its class's fields.

The list has the class's name in lower case and then the values. A field may be a whole number from
0 to 2**64 - 1, a number, true or false, text, any of these or None, a tuple of one of these, a
`NamedTuple` of them, a JSON object, or any JSON. Whatever comes in is checked; `WireError` for what
does not fit.
"""

import contextlib
import functools
import json
import math
import operator
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from topology.errors import TriplaneError


class WireError(TriplaneError):
    """Bytes that were received are no message."""


def parsed(frame: bytes) -> list[Any]:
    """The list that ``frame`` holds as JSON; raises `WireError` for any other bytes."""
    try:
        value = json.loads(frame)
    except (ValueError, RecursionError) as error:
        raise WireError(f"not JSON: {error}") from None
    if not isinstance(value, list):
        raise WireError(f"{value!r:.80} is no list")
    return value


def tag(kind: type[tuple[Any, ...]]) -> str:
    """The text that a message of class ``kind`` begins with on the wire."""
    return kind.__name__.lstrip("_").lower()


class MessageKind(NamedTuple):
    """How messages of a class are read: ``make`` makes one from its values.

    ``read``: the check of each value in turn, which returns it or raises `_Unfit`.
    """

    make: Callable[[Iterable[Any]], Any]
    read: tuple[Callable[[Any], Any], ...]


class _Unfit(ValueError):
    """A ``value`` does not fit its field."""

    def __init__(self, value: object) -> None:
        super().__init__(f"{value!r:.40}")


def message_of(item: Any, kinds: Mapping[str, MessageKind]) -> Any:
    """The message that ``item``, read from a frame, stands for.

    Raises `WireError` if there is none.
    """
    if not (isinstance(item, list) and item and isinstance(item[0], str)):
        raise WireError(f"{item!r:.80} is no message")
    name, *values = item
    kind = kinds.get(name)
    if kind is None or len(values) != len(kind.read):
        raise WireError(f"there is no message {item!r:.80}")
    try:
        return kind.make(map(operator.call, kind.read, values))
    except _Unfit as error:
        raise WireError(f"{item!r:.80}: {error}") from None


def kinds_of(classes: Iterable[type[tuple[Any, ...]]], finite: bool) -> Mapping[str, MessageKind]:
    """A mapping from the tag of each of ``classes`` to how its messages are read.

    ``finite``: True if numbers have to be finite.
    """
    return {tag(kind): _kind(kind, finite) for kind in classes}


def _kind(kind: type[tuple[Any, ...]], finite: bool) -> MessageKind:
    hints: Any = get_type_hints(kind)
    make: Any = functools.partial(tuple.__new__, kind)  # `_make`, without its count of the values
    return MessageKind(make, tuple(_reader(hint, finite) for hint in hints.values()))


def _reader(hint: Any, finite: bool) -> Callable[[Any], Any]:
    """What checks a JSON value of a field of this type, and gives it as the type has it."""
    if isinstance(hint, types.UnionType):
        (inner,) = (_reader(one, finite) for one in get_args(hint) if one is not types.NoneType)
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is tuple:
        inner = _reader(get_args(hint)[0], finite)
        return lambda value: tuple(map(inner, _list(value)))
    if isinstance(hint, type) and issubclass(hint, tuple):
        return functools.partial(_record, _kind(hint, finite))
    simple: dict[Any, Callable[[Any], Any]] = {
        bool: _flag, int: _whole, float: _finite if finite else _number, str: _text,
        Sequence[Any]: _list, Mapping[str, Any]: _mapping, Any: lambda value: value,
    }  # fmt: skip
    return simple[hint]


def _record(kind: MessageKind, value: object) -> Any:
    """A `NamedTuple` within a message."""
    values = _list(value)
    if len(values) != len(kind.read):
        raise _Unfit(value)
    return kind.make(map(operator.call, kind.read, values))


def _whole(value: object) -> int:
    if type(value) is int and 0 <= value < 1 << 64:
        return value
    raise _Unfit(value)


def _number(value: object) -> float:
    if type(value) in (int, float):
        with contextlib.suppress(OverflowError):
            return float(value)  # type: ignore[arg-type]
    raise _Unfit(value)


def _finite(value: object) -> float:
    number = _number(value)
    if math.isfinite(number):
        return number
    raise _Unfit(value)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _Unfit(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise _Unfit(value)


def _list(value: object) -> list[Any]:
    if isinstance(value, list):
        return value
    raise _Unfit(value)


def _mapping(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Unfit(value)
