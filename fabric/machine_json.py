"""The JSON of a machine: its keys and types, and where files of answers hold one.

What is made of it is a `fabric.machine.MachineSpec`; faults are errors of the caller's type.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, NoneType

from topology.files.arrays import is_npz, read_npz
from topology.files.reading import Error, json_of, read_json
from topology.files.reading import shown as as_written
from topology.names import near

FORMAT = 1
"""The version of the JSON."""

VARIABLE = "TRIPLANE_MACHINE"
"""The environment variable that holds a machine as JSON, or the path of its file."""

_TEXT, _TEXT_OR_NULL, _LIST = (str,), (str, NoneType), (list,)
KINDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        "format": (int,), "system": _TEXT, "software": _TEXT_OR_NULL, "engine": _TEXT,
        "engine_options": (dict,), "routing": _TEXT, "planes": (list, NoneType),
        "placement": (str, list, NoneType), "without": _LIST, "classes": _LIST,
        "faults": (list, dict), "tolerance": (int, float, NoneType), "seed": (int, NoneType),
        "system_options": (dict,),
    }
)  # fmt: skip
"""The keys of the JSON, and of which types their values may be."""

_WORDS = {str: "a text", list: "a list", dict: "an object", int: "an integer", NoneType: "null"}


def check_key(key: str, value: object, error: Error) -> None:
    """Raise ``error`` if a machine's JSON has no such key, or not of such a value."""
    if key not in KINDS:
        raise error(
            f"a machine has no key {as_written(key)}; there are {', '.join(KINDS)}"
            f"{near(str(key), KINDS)}"
        )
    kinds = KINDS[key]
    if type(value) not in kinds:
        words = [
            _WORDS.get(kind, "a number") for kind in kinds if not (kind is int and float in kinds)
        ]
        raise error(f"{key} is {as_written(value)}; it has to be {' or '.join(words)}")


def contents_of(path: str | Path, error: Error) -> object:
    """The JSON in a file; of a timeline a list of one record, what it says about itself.

    Raises ``error`` for a file that cannot be read.
    """
    if not is_npz(path):
        return read_json(path, error)
    about = read_npz(path, error, "timeline").get("about")
    if about is None:
        raise error(f"{path} is no timeline: it has no array 'about'")
    return [json_of(about.tobytes().decode("utf-8", "replace"), f"{path}: about", error)]


def machines_in(contents: object, error: Error) -> Iterator[object]:
    """The machines in an answer, None for a record without; nothing where it is no answer.

    Raises ``error`` for one that is no JSON.
    """
    if isinstance(contents, list):
        for record in contents:
            yield record.get("machine") if isinstance(record, Mapping) else None
    elif isinstance(contents, Mapping) and "traceEvents" in contents:
        other = contents.get("otherData")
        line = other.get("machine") if isinstance(other, Mapping) else None
        yield json_of(line, "machine", error) if isinstance(line, str) else line
    elif isinstance(contents, Mapping) and isinstance(contents.get("env"), list):
        for line in contents["env"]:  # the report of nccl-tests
            found = re.match(rf"{VARIABLE}=(\{{.*)", str(line), re.DOTALL)
            if found:
                yield json_of(found[1], VARIABLE, error)
    elif isinstance(contents, Mapping) and "machine" in contents:
        yield contents["machine"]
