"""Chakra's messages as they stand in a file: nodes and attributes, read strictly.

The schema is MLCommons' (mlcommons/chakra, ``schema/protobuf/et_def.proto``). Fields that it does
not have, and values of another type than its own, are refused: a newer schema may say with them
what a node means.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

from collectives.workloads.chakra import protobuf
from collectives.workloads.workload import WorkloadError

INVALID, METADATA, LOAD, STORE, COMP, COMM_SEND, COMM_RECV, COMM_COLL = range(8)
"""``NodeType`` of the schema."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A value of a type that no attribute used here has, such as a list of numbers."""

    kind: str

    def __str__(self) -> str:
        return f"of the type {self.kind}"


Value = int | float | str | tuple[bool, ...] | Unread
"""What an attribute may say."""


@dataclass
class ChakraNode:
    """A node of a trace, with the fields that are used here."""

    id: int = 0
    name: str = ""
    type: int = INVALID
    needs: list[int] = field(default_factory=list)
    micros: int = 0
    inputs: str = ""
    attributes: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"node {self.id} ({self.name!r:.60})"

    def number(self, name: str, default: int = 0) -> int:
        """The attribute ``name`` as an int, or ``default``.

        Raises `WorkloadError` if it is no whole number.
        """
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise WorkloadError(f"{name} of {self} is {_said(value)}; a whole number is expected")
        return value

    def text(self, name: str) -> str:
        """The attribute ``name`` as a str, ``""`` if it is missing.

        Raises `WorkloadError` if it is no text.
        """
        value = self.attributes.get(name, "")
        if not isinstance(value, str):
            raise WorkloadError(f"{name} of {self} is {_said(value)}; a text is expected")
        return value

    def needed(self, name: str) -> int:
        """The attribute ``name`` as an int.

        Raises `WorkloadError` if it is missing or no whole number.
        """
        if name not in self.attributes:
            raise WorkloadError(f"{self} has no {name}")
        return self.number(name)

    def flag(self, name: str) -> bool:
        """The attribute ``name`` as a bool, False if it is missing.

        Raises `WorkloadError` if not 0 or 1.
        """
        if self.number(name) not in (0, 1):
            raise WorkloadError(f"{name} of {self} is {self.number(name)}; 0 or 1 is expected")
        return bool(self.number(name))


def _said(value: Value) -> str:
    return str(value) if isinstance(value, Unread) else f"{value!r:.40}"


_NODE = {
    1: (protobuf.VARINT,), 2: (protobuf.BYTES,), 3: (protobuf.VARINT,),
    4: (protobuf.VARINT, protobuf.BYTES), 5: (protobuf.VARINT, protobuf.BYTES),
    6: (protobuf.VARINT,), 7: (protobuf.VARINT,), 8: (protobuf.BYTES,), 9: (protobuf.BYTES,),
    10: (protobuf.BYTES,),
}  # fmt: skip
"""The fields of ``Node`` and their wire types. Start time (6) and outputs (9) are not used."""

_METADATA = {1: (protobuf.BYTES,), 2: (protobuf.BYTES,)}
"""The fields of ``GlobalMetadata``: version and attributes."""


def check_metadata(message: bytes) -> None:
    """Raise `WorkloadError` unless the first message of a file is ``GlobalMetadata``."""
    for number, kind, _ in protobuf.fields(message):
        if kind not in _METADATA.get(number, ()):
            raise WorkloadError("it does not begin with the metadata of a Chakra trace")


def node_of(message: bytes) -> ChakraNode:
    """The node in a message; raises `WorkloadError` and `ProtobufError`."""
    node = ChakraNode()
    for number, kind, value in protobuf.fields(message):
        if kind not in _NODE.get(number, ()):
            raise WorkloadError(
                f"node {node.id} has a field {number} of wire type {kind}, which the schema has not"
            )
        if isinstance(value, int):
            _set_number(node, number, value)
        else:
            _set_bytes(node, number, value)
    if node.type > COMM_COLL:
        raise WorkloadError(f"node {node.id} is of type {node.type}; there are 0 to {COMM_COLL}")
    return node


def _set_number(node: ChakraNode, number: int, value: int) -> None:
    if number == 1:
        node.id = value
    elif number == 3:
        node.type = value
    elif number in (4, 5):
        node.needs.append(value)
    elif number == 7:
        node.micros = protobuf.signed(value)


def _set_bytes(node: ChakraNode, number: int, value: bytes) -> None:
    if number == 2:
        node.name = value.decode("utf-8", "replace")
    elif number in (4, 5):
        node.needs += _packed(value)
    elif number == 8:
        node.inputs = next(
            (_text(v) for n, _, v in protobuf.fields(value) if n == 1 and isinstance(v, bytes)), ""
        )
    elif number == 10:
        for name, found in attribute_of(value).items():
            if name in node.attributes and node.attributes[name] != found:
                raise WorkloadError(f"node {node.id} has the attribute {name!r:.40} twice")
            node.attributes[name] = found


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise WorkloadError(f"a text is not UTF-8: {value[:20]!r}") from None


def _packed(value: bytes) -> list[int]:
    at, found = 0, []
    while at < len(value):
        one, at = protobuf.read_varint(value, at)
        found.append(one)
    return found


def attribute_of(message: bytes) -> dict[str, Value]:
    """Name and value of an ``AttributeProto`` message, as a dict; empty if it has no value.

    Raises `WorkloadError` for a field that the schema does not have.
    """
    name, found = "", None
    for number, kind, value in protobuf.fields(message):
        if number in (1, 2) and isinstance(value, bytes):
            name = _text(value) if number == 1 else name  # 2 is documentation
        elif number in _VALUES and _VALUES[number][0] == kind:
            found = _VALUES[number][1](value)
        else:
            raise WorkloadError(
                f"an attribute ({name!r:.40}) has a field {number} of wire type {kind}, which the"
                " schema has not"
            )
    return {} if found is None else {name: found}


def _double(value: Any) -> float:
    return float(struct.unpack("<d", value.to_bytes(8, "little"))[0])


def _float(value: Any) -> float:
    return float(struct.unpack("<f", value.to_bytes(4, "little"))[0])


def _zigzag(value: Any) -> int:
    return int(value >> 1) ^ -int(value & 1)


def _bools(value: Any) -> tuple[bool, ...]:
    found: list[int] = []
    for number, _, each in protobuf.fields(value):
        if number == 1:
            found += [each] if isinstance(each, int) else _packed(each)
    return tuple(map(bool, found))


_LISTS = (
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes",
)  # fmt: skip

_VALUES: dict[int, tuple[int, Any]] = {
    4 + 2 * place: (protobuf.BYTES, lambda _, name=name: Unread(f"{name}_list"))
    for place, name in enumerate(_LISTS)
} | {
    3: (protobuf.FIXED64, _double), 5: (protobuf.FIXED32, _float),
    7: (protobuf.VARINT, protobuf.signed), 9: (protobuf.VARINT, protobuf.signed),
    11: (protobuf.VARINT, int), 13: (protobuf.VARINT, int), 15: (protobuf.VARINT, _zigzag),
    17: (protobuf.VARINT, _zigzag), 19: (protobuf.FIXED32, int), 21: (protobuf.FIXED64, int),
    23: (protobuf.FIXED32, lambda v: protobuf.signed(v, 32)),
    25: (protobuf.FIXED64, protobuf.signed), 27: (protobuf.VARINT, int),
    28: (protobuf.BYTES, _bools), 29: (protobuf.BYTES, _text),
    31: (protobuf.BYTES, lambda _: Unread("bytes")),
}  # fmt: skip
"""The ``oneof value`` of an attribute by field number: wire type, and how its value is read."""
