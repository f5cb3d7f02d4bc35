"""The file of what breaks in a machine, TOML.

By hand::

    detection = "software"         # when routes follow: hardware, software, or a time
    seed = 1                       # of the times that are drawn

    [[faults]]
    what = "l2.3.4"                # a chip is dead for a while
    from = "40 us"
    until = "90 us"

    [[faults]]
    what = "node0.l1.0<->l2.0.*"   # each of these cables breaks again and again
    kind = "degraded"
    share = 0.5
    mtbf = "20 ms"
    mttr = "1 ms"
    until = "1 s"
"""

from pathlib import Path

from fabric.faults.table import KEYS, FaultError, FaultPlan, fault_of, planned
from topology.errors import TriplaneError
from topology.files.reading import read_text
from topology.formats.toml_tables import check_keys, tables, toml_of

MOST = 1 << 20
"""Bytes of a file at most."""

_KEYS = {key: key == "what" for key in KEYS}


def load_faults(path: str | Path) -> FaultPlan:
    """The faults in the TOML file at ``path``; raises `FaultError` naming file and fault."""
    text = read_text(path, FaultError, MOST)
    try:
        return faults_of_toml(text)
    except TriplaneError as error:
        raise FaultError(f"{path}: {error}") from None


def faults_of_toml(text: str) -> FaultPlan:
    """The faults that the TOML ``text`` describes, in its order; raises `FaultError`."""
    file = toml_of(text, FaultError)
    known = {"faults": True, "detection": False, "seed": False}
    check_keys(file, known, "the file", FaultError)
    found = tables(file, "faults", _KEYS, text, FaultError)
    return planned(file, tuple(fault_of(table, where) for where, table in found))
