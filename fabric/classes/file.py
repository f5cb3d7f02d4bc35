"""The file of a table of traffic classes, TOML.

By hand::

    [[classes]]
    name = "dispatch"
    number = 1
    priority = 1                          # higher goes first; 0 where left out
    operations = ["dispatch", "combine"]  # what is of this class if it names no other

    [[classes]]
    name = "kv"
    number = 2
    weight = 0.5                          # of each transfer among those of its priority
    rate_limit = "25 GB/s"                # of all that one rank sends in this class
    guarantee = "5 GB/s"                  # of each rank's sending and receiving, before all others
"""

from pathlib import Path

from fabric.classes.table import KEYS, ClassError, TrafficClass, TrafficClasses, class_of
from topology.errors import TriplaneError
from topology.files.reading import read_text
from topology.formats.toml_tables import check_keys, tables, toml_of

MOST = 1 << 20
"""Bytes of a file at most."""

_KEYS = {key: key in ("name", "number") for key in KEYS}


def load_classes(path: str | Path) -> tuple[TrafficClass, ...]:
    """The traffic classes in the TOML file at ``path``; raises `ClassError` naming the fault."""
    text = read_text(path, ClassError, MOST)
    try:
        return classes_of_toml(text)
    except TriplaneError as error:
        raise ClassError(f"{path}: {error}") from None


def classes_of_toml(text: str) -> tuple[TrafficClass, ...]:
    """The traffic classes that the TOML ``text`` describes, in its order; raises `ClassError`."""
    file = toml_of(text, ClassError)
    check_keys(file, {"classes": True}, "the file", ClassError)
    found = tables(file, "classes", _KEYS, text, ClassError)
    return TrafficClasses(tuple(class_of(table, where) for where, table in found)).given
