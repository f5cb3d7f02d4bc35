"""What is installed from a wheel: nothing is missing in it, and what it needs is said.

``make test-package`` builds it, and installs and runs it in empty environments of every Python.
"""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ("topology", "fabric", "collectives", "bench")


def test_every_file_that_is_read_lies_in_a_package() -> None:
    """The wheel has the four packages whole: their data are below them, and no link leads out."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert tuple(wheel["packages"]) == PACKAGES
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            assert not path.is_symlink(), path
    outside = re.compile(r"parents?\[\d\]\s*/\s*['\"](docs|examples|tests|benchmarks)")
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    found = [path.relative_to(ROOT).as_posix() for path in files
             if outside.search(path.read_text("utf-8"))]  # fmt: skip
    assert found == ["bench/validation/page.py"]  # `validate --write`, which is of a checkout


def test_what_is_imported_at_the_top_is_needed_and_no_more() -> None:
    """But for adapters and MPI, what stands at the top of a file is there after an installation."""
    lines = PROJECT["project"]["dependencies"]
    needed = {Requirement(line).name.replace("-", "_") for line in lines}
    modules = {"pyzmq": "zmq"}
    allowed = {modules.get(name, name) for name in needed} | set(PACKAGES) | sys.stdlib_module_names
    allowed |= {"llvmlite"}  # numba's own
    optional = ("collectives/adapters/", "fabric/transports/mpi/")
    found = []
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(optional):
                continue
            for node in ast.parse(path.read_text("utf-8")).body:
                names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                found += [f"{name}: {one}" for one in names if one.split(".")[0] not in allowed]
    assert found == []


def test_extras_are_those_that_errors_and_pages_name() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    texts = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")] + pages
    for path in texts:
        for names in re.findall(r"triplane\[([a-z,]+)\]", path.read_text("utf-8")):
            assert set(names.split(",")) <= extras, path


def test_versions_agree() -> None:
    version = PROJECT["project"]["version"]
    assert metadata.version("triplane") == version
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert cited is not None
    assert cited[1] == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_every_python_that_is_declared_is_one_that_is_supported() -> None:
    declared = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"]
                if re.search(r"Python :: 3\.\d+$", line)]  # fmt: skip
    assert declared == ["3.11", "3.12", "3.13", "3.14"]
    assert PROJECT["project"]["requires-python"] == ">=3.11"


@pytest.mark.parametrize("name", ["Dockerfile", "SECURITY.md", "CONTRIBUTING.md", "CITATION.cff"])
def test_what_those_files_name_is_there(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    paths = re.findall(r"\b((?:bench|fabric|topology|collectives|docs|tests)/[\w./-]+\.\w+)", text)
    for path in paths:
        assert "NAME" in path or (ROOT / path).exists(), path
