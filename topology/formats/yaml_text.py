"""YAML out: mappings, lists and scalars in block style, in which no text can mean anything else."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
"""Texts that may stand without quotes, unless they are one of `_WORDS`."""

_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"})
"""What readers of YAML 1.1 or 1.2 take for no text, in small letters."""


def yaml_text(*documents: Any) -> str:
    """``documents`` as YAML, with ``---`` between them, ending in a newline.

    They are mappings with keys of text (100 characters at most: readers limit them), lists, texts,
    integers, floats, booleans and None, inside one another. Keys stay in their order.

    Raises `TypeError` for another type.
    """
    return "---\n".join("".join(f"{line}\n" for line in _lines(each)) for each in documents)


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _under(f"{_scalar(key)}:", inner)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for inner in value:
            first, *others = _lines(inner)
            yield f"- {first}"
            yield from (f"  {line}" for line in others)
    else:
        yield _scalar(value)


def _under(key: str, value: Any) -> Iterator[str]:
    """A key and its value: beside it, or on lines of their own further to the right."""
    if isinstance(value, Mapping | list | tuple) and value:
        yield key
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    if value is None or isinstance(value, bool | int | float):
        plain = json.dumps(value, allow_nan=False)
        # 1e+16 is a text to readers of YAML 1.1, and 1.0e+16 a number to all.
        return re.sub(r"^(-?\d+)(e[-+])", r"\1.0\2", plain)
    raise TypeError(f"YAML of a {type(value).__name__}")


def _quoted(text: str) -> str:
    """A text as it is where that is clear, else in double quotes, with ASCII alone."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if 0x20 <= code < 0x7F:
        return character
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
