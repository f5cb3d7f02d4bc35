"""The house's rules that a machine can check, over every file and inside functions too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("topology", "fabric", "collectives", "bench")
"""Imports run one way: each may import itself and those before it."""

PACKAGED = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
EVERYTHING = PACKAGED + sorted(
    path for folder in ("tests", "examples", ".ci") for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_SUFFIX = re.compile("_" + r"gbps\b")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and module of every import, also of `import_module` and of ``"module:attribute"``."""
    for node in ast.walk(tree):
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
        for line, module in imported(ast.parse(source))
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
        for line, module in imported(ast.parse(source))
        if any(module == name or module.startswith(f"{name}.") for name in barred)
    ]


def prints(source: str) -> list[int]:
    """The lines on which something is printed."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def star_imports(source: str) -> list[int]:
    """The lines with ``from ... import *``."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]


def _ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_there_is_something_to_check() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in PACKAGED} == set(LAYERS)


@pytest.mark.parametrize("path", PACKAGED, ids=_ids(PACKAGED))
def test_imports_run_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    assert upward_imports(layer, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PACKAGED, ids=_ids(PACKAGED))
def test_engines_are_behind_their_seam(path: Path) -> None:
    assert across_the_seam(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", PACKAGED, ids=_ids(PACKAGED))
def test_only_bench_prints(path: Path) -> None:
    if path.relative_to(ROOT).parts[0] != "bench":
        assert prints(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=_ids(EVERYTHING))
def test_no_star_imports(path: Path) -> None:
    assert star_imports(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", EVERYTHING, ids=_ids(EVERYTHING))
def test_nobody_says_gigabits_or_gigabytes_by_the_ambiguous_suffix(path: Path) -> None:
    found = FORBIDDEN_SUFFIX.search(path.read_text(encoding="utf-8"))
    assert found is None, "say _GBps or _Gbit_per_s"


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
