"""Where the numbers of a topology come from, as the presets document their constants.

A preset's module documents each constant in the text below it. That text is read here, from the
module's source, so the page says what the preset says and cannot drift from it. A number whose
value is not that of a constant gets no source.
"""

import ast
import inspect
import re
from collections.abc import Mapping
from itertools import pairwise
from types import ModuleType
from typing import Any

from topology.graph import Topology
from topology.presets.catalogue import module_of

PAPER = "arXiv 2506.12708v2"
"""What the preset calls P2: the paper that describes CloudMatrix384."""


def sources(topology: Topology) -> list[dict[str, Any]]:
    """The sources of the bandwidths and latencies of a preset, a list of records.

    ``plane``: its number; ``kind``: the kind of vertex at an end of the link, ``""`` for any;
    ``quantity``: ``"bandwidth"`` or ``"latency"``; ``value``: the number (bytes per second, or
    seconds); ``text``: the constant's docstring and its module. Empty if the topology is not a
    preset's.
    """
    module = module_of(topology)
    if module is None:
        return []
    told, made_by = constants(module), topology.provenance.preset
    return [
        {
            "plane": topology.planes.index(rule.plane), "kind": rule.kind,
            "quantity": rule.quantity, "value": getattr(module, rule.constant) / rule.parts,
            "text": f"{told[rule.constant]} ({_where(module)})",
        }
        for rule in getattr(module, "SOURCES", ())
        if rule.plane in topology.planes
        and rule.constant in told
        and rule.preset in ("", made_by)
    ]  # fmt: skip


def plane_notes(topology: Topology, plane: int) -> str:
    """A sentence on what plane number ``plane`` of ``topology`` is, ``""`` if nothing is known."""
    module = module_of(topology)
    notes: Mapping[str, str] = getattr(module, "PLANE_NOTES", {})
    return notes.get(topology.planes[plane], "")


def constants(module: ModuleType) -> dict[str, str]:
    """The docstrings below the constants of a module, each on one line, by the constant's name."""
    try:
        body = ast.parse(inspect.getsource(module)).body
    except OSError:  # installed without its source: there is nothing to read
        return {}
    found = {}
    for first, second in pairwise(body):
        text = _text(second)
        if isinstance(first, ast.Assign) and isinstance(first.targets[0], ast.Name) and text:
            found[first.targets[0].id] = re.sub(r"\bP2\b", PAPER, " ".join(text.split()))
    return found


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""


def _where(module: ModuleType) -> str:
    return f"{module.__name__.replace('.', '/')}.py"
