"""The house's rules that a machine can check, over every file and inside functions too."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

import networkx as nx

ROOT = Path(__file__).parents[1]
LAYERS = ("topology", "fabric", "collectives", "bench")
"""Imports run one way: each may import itself and those before it."""

ROOMS = {
    "topology": (
        "text", "errors", "labels", "files", "arguments", "units", "background",
        "kernels_only by_reference prefetch", "compiled", "stirring",
        "names provenance faults graph summary", "draft", "formats", "presets", "routing",
        "analysis", "placement", "draw",
    ),
    "fabric": (
        "failure", "host", "schedule", "classes", "faults", "endpoint", "timeline",
        "engines.columns engines.in_switch engines.paths", "engines.bounds", "engines",
        "engines.flow", "engines.packet", "fabric", "machine_json rank_places machine", "run_log",
        "clock", "settings", "transports", "transports.mpi", "transports.zmq", "memory", "world",
        "ranks", "launching", "launch",
    ),
    "collectives": (
        "algorithms", "calls", "moe.tensors", "moe.routing", "moe.schedules", "moe.oracle",
        "moe.tokens", "moe", "memory.pool.core",
        "memory.pool.tier_memory memory.pool.access memory.pool.local memory.pool.members"
        " memory.pool.commit_log memory.pool.directory",
        "memory.pool.hosted", "memory.pool", "memory.pool.emulated", "memory",
        "workloads.circle workloads.workload workloads.mailbox", "workloads.stuck",
        "workloads.chakra", "workloads", "adapters",
    ),
    "bench": (
        "new_files numbers streams transport_choice",
        "options machine_options background_option machine",
        "records", "background faulted packets",
        "cases", "published", "measured", "measurement", "sensitivity workload_standing", "plot",
        "heatmap written_files", "view.packing view.sources",
        "view.topology_payload view.packets_payload", "view.film_payload", "view.page",
        "view.live", "live_options",
        "collectives", "moe", "isolation", "contrast", "memory", "faults", "serving", "pool",
        "validation", "results",
        "topology_tables", "cli", "view", "compare", "sweep", "schedules", "doctor", "completion",
        "run replay topo place cost_matrix route placement trace __main__",
    ),
}  # fmt: skip
"""The rooms of each package in order: each may import itself and those before it. A room is a
folder, or files beside each other; where a folder is named after a part of it, it is the rest. The
package's own file comes last: it offers what is inside to others."""

PACKAGED = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
EVERYTHING = PACKAGED + sorted(
    path for folder in ("tests", "examples", ".ci") for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_SUFFIX = re.compile("_" + r"gbps\b")


@cache
def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def _parsed(source: str) -> tuple[list[ast.AST], list[str]]:
    """What the rules look at, also inside functions; and the names of a file's own classes."""
    looked_at, tree = (ast.Import, ast.ImportFrom, ast.Call, ast.If), ast.parse(source)
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node for node in ast.walk(tree) if isinstance(node, looked_at)], classes


def _nodes(source: str) -> list[ast.AST]:
    return _parsed(source)[0]


def module_of(path: Path) -> str:
    """The dotted name of a file of the packages."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in PACKAGED}


def room_of(module: str) -> int:
    """The number of a module's room among those of its package; -1 where it is in none."""
    package, _, inside = module.partition(".")
    rooms = ROOMS[package]
    if not inside:
        return len(rooms)
    fitting = [
        (len(place), number) for number, room in enumerate(rooms) for place in room.split()
        if f"{inside}.".startswith(f"{place}.")
    ]  # fmt: skip
    return max(fitting, default=(0, -1))[1]


def in_package(source: str) -> Iterator[tuple[int, str]]:
    """Line and module of what a file imports of its own package, also inside functions.

    Without what only type checkers import.
    """
    nodes = _nodes(source)
    hidden = _only_for_types(nodes)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.lineno not in hidden:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else str(node.module)
        elif isinstance(node, ast.Import) and node.lineno not in hidden:
            yield from ((node.lineno, alias.name) for alias in node.names)


def _only_for_types(nodes: list[ast.AST]) -> set[int]:
    return {
        inner.lineno
        for node in nodes
        if isinstance(node, ast.If) and _name(node.test) == "TYPE_CHECKING"
        for body in node.body
        for inner in ast.walk(body)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }


def back_to_later_rooms(module: str, source: str) -> list[str]:
    """What a file imports of its package and must not, since it is in a later room.

    What only type checkers import is left out: a value may name the type that is made of it.
    """
    package, mine = module.partition(".")[0], room_of(module)
    return [
        f"line {line}: {other}"
        for line, other in in_package(source)
        if other in MODULES and other.partition(".")[0] == package and room_of(other) > mine
    ]


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Line and module of every import, also of `import_module` and of ``"module:attribute"``."""
    for node in _nodes(source):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield node.lineno, first.value


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def upward_imports(layer: str, source: str) -> list[str]:
    """What a file of ``layer`` imports and must not: later layers, or by a relative path."""
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    return [
        f"line {line}: {module}"
        for line, module in imported(source)
        if module.startswith(".") or (module.split(".")[0] in set(LAYERS) - set(allowed))
    ]


SEAM = "fabric.engines"
"""Nobody outside knows an engine by name, and no engine knows who lets time go on."""


def across_the_seam(file: Path, source: str) -> list[str]:
    """What a file imports of one engine's inside, or, as part of an engine, of its users."""
    inside = file.is_relative_to(ROOT / "fabric" / "engines")
    barred = ("fabric.clock", "fabric.fabric", "fabric.world") if inside else (f"{SEAM}.flow",)
    return [
        f"line {line}: {module}"
        for line, module in imported(source)
        if any(module == name or module.startswith(f"{name}.") for name in barred)
    ]


def prints(source: str) -> list[int]:
    """The lines on which something is printed."""
    return [
        node.lineno
        for node in _nodes(source)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def star_imports(source: str) -> list[int]:
    """The lines with ``from ... import *``."""
    return [
        node.lineno
        for node in _nodes(source)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]


def complaints(
    paths: list[Path], rule: Callable[[Path], Sequence[int | str]]
) -> dict[str, Sequence[int | str]]:
    """What a rule finds, by the files in which it finds something."""
    found = {str(path.relative_to(ROOT)): rule(path) for path in paths}
    return {path: what for path, what in found.items() if what}


def test_there_is_something_to_check() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in PACKAGED} == set(LAYERS)


def test_imports_run_one_way() -> None:
    def broken(path: Path) -> list[str]:
        return upward_imports(path.relative_to(ROOT).parts[0], _source(path))

    assert complaints(PACKAGED, broken) == {}


def test_engines_are_behind_their_seam() -> None:
    assert complaints(PACKAGED, lambda path: across_the_seam(path, _source(path))) == {}


def test_a_room_imports_no_later_one() -> None:
    assert [module for module in MODULES if room_of(module) < 0] == []  # those in no room of ROOMS
    broken = complaints(PACKAGED, lambda path: back_to_later_rooms(module_of(path), _source(path)))
    assert broken == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    """But for types: a file may name a type that is made of it."""
    imports = {
        module: {
            other for _, other in in_package(_source(path))
            if other in MODULES and other != module
        }
        for module, path in MODULES.items()
    }  # fmt: skip
    assert [loop for loop in nx.strongly_connected_components(nx.DiGraph(imports))
            if len(loop) > 1] == []  # fmt: skip


def test_only_bench_prints() -> None:
    others = [path for path in PACKAGED if path.relative_to(ROOT).parts[0] != "bench"]
    assert complaints(others, lambda path: prints(_source(path))) == {}


def test_no_star_imports() -> None:
    assert complaints(EVERYTHING, lambda path: star_imports(_source(path))) == {}


def test_nobody_says_gigabits_or_gigabytes_by_the_ambiguous_suffix() -> None:
    """It has to be _GBps or _Gbit_per_s."""
    assert complaints(EVERYTHING, lambda path: FORBIDDEN_SUFFIX.findall(_source(path))) == {}


def test_the_rules_catch_what_breaks_them() -> None:
    hidden = (
        "def f():\n    from bench.cli import main\n    import fabric.schedule.step\n    print(1)\n"
    )
    assert upward_imports("fabric", hidden) == ["line 2: bench.cli"]
    assert upward_imports("topology", hidden) == [
        "line 2: bench.cli",
        "line 3: fabric.schedule.step",
    ]
    assert upward_imports("topology", "import importlib\nimportlib.import_module('fabric')") != []
    assert upward_imports("bench", hidden) == []
    assert upward_imports("bench", "from . import cli") == ["line 1: ."]
    assert prints(hidden) == [4]
    engine, user = ROOT / "fabric/engines/flow/live.py", ROOT / "fabric/clock/modes.py"
    inner, clock = "from fabric.engines.flow.live import Live", "import fabric.clock.calls"
    assert across_the_seam(engine, clock) == ["line 1: fabric.clock.calls"]
    assert across_the_seam(user, inner) == ["line 1: fabric.engines.flow.live"]
    assert across_the_seam(engine, inner) == across_the_seam(user, clock) == []
    assert star_imports("from numpy import *") == [1]
    assert FORBIDDEN_SUFFIX.search("link" + "_gb" + "ps = 1")
    assert not FORBIDDEN_SUFFIX.search("busbw_GBps = 1")


def test_no_two_public_classes_have_one_name() -> None:
    """A name says one thing in the whole house."""
    where: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        if "shadow" not in path.parts:
            for name in _parsed(_source(path))[1]:
                if not name.startswith("_"):
                    where.setdefault(name, []).append(module)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}
