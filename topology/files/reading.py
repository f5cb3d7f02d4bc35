"""The one way in which files from others are read: opened, bounded, decoded, refused with a reason.

Every reader of the project begins here, so all of them take a byte order mark and either kind of
line ends, refuse what is no file, too large, or not UTF-8, and name file, line and column.
``error`` is the caller's own type of error; its message is one line.
"""

import json
import math
import os
import re
import stat
from collections import Counter
from datetime import date, time
from pathlib import Path
from typing import Any

from topology.errors import TriplaneError

Error = type[TriplaneError]

MOST = 1 << 28
"""Bytes of a file that is read as text at most: a text of so many numbers fills 10 GiB."""

DEEPEST = 64
"""Lists and objects of JSON inside one another at most; no format here has more than five."""

_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"),
)  # fmt: skip
"""How files in other encodings begin."""

_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}  # fmt: skip


def read_bytes(path: str | Path, error: Error, most: int = MOST) -> bytes:
    """The bytes of the file or pipe at ``path``.

    Raises ``error`` if it cannot be read, is a device or a folder, or has more than ``most`` bytes.
    """
    try:
        with Path(path).open("rb") as file:
            kind = _KINDS.get(stat.S_IFMT(os.fstat(file.fileno()).st_mode))
            if kind:
                raise error(f"{path} cannot be read: it is {kind}, not a file")
            data = file.read(most + 1)
    except OSError as fault:
        raise error(f"{path} cannot be read: {fault.strerror or 'it fails'}") from None
    except ValueError as fault:
        if isinstance(fault, TriplaneError):
            raise
        raise error(f"{str(path)!r} cannot be read: no file has such a name") from None
    if len(data) > most:
        raise error(f"{path} has more than {most} bytes, which is more than is read here")
    return data


def read_text(path: str | Path, error: Error, most: int = MOST) -> str:
    r"""The text in the UTF-8 file at ``path``, with ``\n`` for every kind of line end.

    Raises ``error`` as `read_bytes`, and for another encoding, naming line and byte.
    """
    data = read_bytes(path, error, most)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            raise error(f"{path} is no text that is read here: it is {encoding}, not UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        begin = data.rfind(b"\n", 0, fault.start) + 1
        line, column = data.count(b"\n", 0, begin) + 1, fault.start - begin + 1
        raise error(
            f"{path} is no text that is read here: line {line}, byte {column} of it, "
            f"0x{data[fault.start]:02x}, is not UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def place(text: str, at: int) -> str:
    """The position of character number ``at`` of ``text``, as ``line 3, column 7``."""
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def read_json(path: str | Path, error: Error, most: int = MOST) -> Any:
    """The Python value of the JSON file at ``path``.

    Raises ``error`` as `read_text` and `json_of` do.
    """
    return json_of(read_text(path, error, most), str(path), error)


def json_of(text: str, name: str, error: Error) -> Any:
    """The Python value of the JSON ``text``; ``name``: what errors call the text.

    Stricter than Python: no number is NaN, infinite or of thousands of digits, no key comes twice
    in an object, and there are at most `DEEPEST` levels. Raises ``error`` with line and column.
    """
    _check_depth(text, name, error)
    try:
        found = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once
        )
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(found, ensure_ascii=False).encode()
    except _RefusedError as fault:
        at = max(text.find(fault.text), 0)
        raise error(f"{name}: {place(text, at)}: {fault}") from None
    except json.JSONDecodeError as fault:
        where = f"line {fault.lineno}, column {fault.colno}"
        raise error(f"{name} is no JSON: {where}: {_expected(text, fault)}") from None
    except UnicodeEncodeError:
        half = re.search(r"\\u[dD][89a-fA-F]", text)
        raise error(
            f"{name}: {place(text, half.start() if half else 0)}: half of a character"
        ) from None
    except ValueError:  # int() of thousands of digits
        digits = re.search(r"[0-9]{1000,}", text)
        where = place(text, digits.start() if digits else 0)
        raise error(f"{name}: {where}: a number has thousands of digits") from None
    return found


class _RefusedError(ValueError):
    """A part of JSON that Python takes and this package does not; ``text``: how it is written."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(why)
        self.text = text


def _no_constant(text: str) -> float:
    raise _RefusedError(text, f"{text} is no number of JSON; a finite number is expected")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _RefusedError(text, f"{text[:40]} is too large for a number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise _RefusedError(json.dumps(twice), f"the key {shown(twice)} comes twice in an object")
    return found


def _check_depth(text: str, name: str, error: Error) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for found in re.finditer(r'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', text, re.DOTALL):
        mark = found[0]
        depth += 1 if mark in ("[", "{") else -1 if mark in ("]", "}") else 0
        if depth > DEEPEST:
            raise error(
                f"{name}: {place(text, found.start())}: more than {DEEPEST} lists and objects"
                " inside one another"
            )


_EXPECTED = {
    "Expecting value": "a value is expected",
    "Expecting property name enclosed in double quotes": "a key in double quotes is expected",
    "Expecting ':' delimiter": "':' is expected",
    "Expecting ',' delimiter": "',' or the end of the list or object is expected",
    "Extra data": "the end is expected",
    "Unterminated string starting at": "a text begins that never ends",
    "Invalid control character at": "a text has a control character",
    "Invalid \\escape": "a text has an unknown escape",
    "Invalid \\uXXXX escape": "a text has an unknown escape",
}
"""What Python's parser says, in our words."""


def _expected(text: str, fault: json.JSONDecodeError) -> str:
    what = _EXPECTED.get(fault.msg.removesuffix(": "), "this is not allowed here")
    there = text[fault.pos : fault.pos + 20]
    return f"{what}, not {there!r}" if there else f"{what}, not the end of the file"


def shown(value: object, most: int = 60) -> str:
    """``value`` of a file, for error messages: null and true as in JSON, texts in quotes.

    It is cut after ``most`` characters, and lists after three levels. Values that a program passes
    are shown as Python has them: `topology.arguments.shown`.
    """
    text = _shown(value, 3, most)
    return text if len(text) <= most else f"{text[:most]}..."


def _shown(value: object, depth: int, most: int) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return repr(value[:most])
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else "a number of dozens of digits"
    if isinstance(value, list | tuple):
        if not depth:
            return "[...]"
        return f"[{', '.join(_shown(each, depth - 1, most) for each in value[:20])}]"
    if isinstance(value, dict):
        pairs = list(value.items())[:20] if depth else []
        inside = (f"{_shown(k, 0, most)}: {_shown(v, depth - 1, most)}" for k, v in pairs)
        return f"{{{', '.join(inside) if depth else '...'}}}"
    if isinstance(value, float | date | time):
        return str(value)
    return f"a {type(value).__name__}"


def whole(value: object, low: int, high: int) -> int | None:
    """``value`` as an int, if it is a whole number or its digits, from ``low`` to ``high``.

    Else None.

    True, 2.0 and "2.0" are not taken for numbers, since the author may have meant something else.
    """
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9]{1,19}\s*", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if low <= value <= high else None
