"""Every code block of README and docs runs as it stands, and prints what is shown below it.

What does not run here is listed with the reason; ``make test-pages`` runs what only takes long.
``python -m tests.test_docs`` shows the outputs that are no longer right, and writes them anew.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.sweep.study import load as load_study
from fabric.classes.file import load_classes
from fabric.faults.file import load_faults
from fabric.machine import MachineSpec
from tests.support.pages import (
    NAMED,
    PAGES,
    ROOT,
    Block,
    blocks,
    matches,
    printed_by,
    printed_from,
    rewritten,
    written,
)
from topology import Router, system

LONG = "takes long: make test-pages runs it"
ENGINE = "needs an engine's environment: make test-engines makes the same calls"
SETS_UP = "sets up an environment from the package registry"
HOSTS = "needs several hosts, or addresses that belong to one"
MPI = "needs mpiexec, of which the tests have two: tests/test_mpi.py starts programs with both"
TORCHRUN = "starts eight processes with torch: tests/test_torch_backend.py and test_run.py do"
OUTPUT = "shows what the programs above it print, which make test-engines runs"

NOT_HERE = {
    ("README.md", "pip install"): SETS_UP,
    ("README.md", "make demo     # sets up"): "tests/test_examples.py runs the demo",
    ("README.md", "make test     # sets up"): "this is it",
    ("README.md", "make docs     # sets up"): "tests/test_site.py builds the site",
    ("benchmarks/README.md", "python benchmarks/"): "measures for minutes to hours",
    ("benchmarks/README.md", "apt install"): SETS_UP,
    ("benchmarks/README.md", "python -m venv"): SETS_UP,
    ("benchmarks/README.md", "/tmp/simgrid/bin/pip"): SETS_UP,
    ("benchmarks/README.md", "export LD_LIBRARY_PATH"): SETS_UP,
    ("docs/ascend.md", "python -m collectives.adapters.torch_npu"):
        "tests/test_torch_npu_standin.py runs such a program",
    ("docs/deep_ep.md", "cd ../DeepEP"): "needs a checkout of DeepEP: make test-deep-ep",
    ("docs/deep_ep.md", "python -m collectives.adapters.deep_ep --upstream"):
        "needs a checkout of DeepEP: make test-deep-ep",
    ("docs/deep_ep.md", "git clone"): "needs a checkout of DeepEP: make test-deep-ep",
    ("docs/deep_ep.md", "git -C ../DeepEP"): "needs a checkout of DeepEP: make test-deep-ep",
    ("docs/deep_ep.md", "make test-deep-ep"): "needs a checkout of DeepEP: make test-deep-ep",
    ("docs/first_answer.md", "pip install"): SETS_UP,
    ("docs/install.md", "pip install"): SETS_UP,
    ("docs/install.md", "docker"): "needs a registry of images",
    ("docs/memory.md", "make test-"): "needs checkouts of Mooncake and of NIXL",
    ("docs/moe.md", "triplane bench moe --software cann-ep --ep 320"): LONG,
    ("docs/mpi.md", "pip install"): SETS_UP,
    ("docs/mpi.md", "mpiexec"): MPI,
    ("docs/mpi.md", ".venv/"): MPI,
    ("docs/mpi.md", "PYTHONPATH=. .venv/bin/mpiexec"): MPI,
    ("docs/pictures.md", "triplane topo draw cloudmatrix384 -o hurt.png"): LONG,
    ("docs/pictures.md", "triplane topo draw cloudmatrix384 -o ub.png"): LONG,
    ("docs/replay.md", "from collectives.adapters.routing_hook"): ENGINE,
    ("docs/routing.md", "triplane bench faults --kind l2,sub-plane"): LONG,
    ("docs/scale.md", "triplane bench all_to_all"): LONG,
    ("docs/scale.md", "triplane bench all_reduce"): LONG,
    ("docs/scale.md", "python benchmarks/"): "measures for minutes to hours",
    ("docs/running.md", "triplane run -n 8 program.py"): LONG,  # as one of README's
    ("docs/running.md", "triplane run -n 8 --transport mpi"): MPI,
    ("docs/running.md", "mpiexec"): MPI,
    ("docs/running.md", "torchrun"): TORCHRUN,
    ("docs/running.md", "triplane run -n 16 --nnodes 2"): HOSTS,
    ("docs/serving.md", "triplane bench decode --published --deployment"):
        "tests/test_serving_bench.py makes the same rows",
    ("docs/serving.md", "triplane bench prefill --published --deployment"):
        "tests/test_serving_bench.py makes the same rows",
    ("docs/sweeps.md", "mpiexec"): "tests/test_sweep_executors.py runs it with both MPIs",
    ("docs/sweeps.md", "dask"): "needs a cluster: tests/test_sweep_executors.py has one",
    ("docs/sweeps.md", "triplane sweep study.toml --executor dask"):
        "needs a cluster: tests/test_sweep_executors.py has one",
    ("docs/torch.md", "torchrun"): TORCHRUN,
    ("docs/torch.md", "triplane run -n 8 --sync eager program.py"): TORCHRUN,
    ("docs/torch.md", "from collectives.adapters.torch import lost"):
        "loses a rank: tests/test_torch_shrink.py does",
    ("docs/transformers.md", "pip install"): SETS_UP,
    ("docs/transformers.md", "triplane run"): ENGINE,
    ("docs/transformers.md", "rank 0 generates"): OUTPUT,
    ("docs/transformers.md", "import torch.distributed"): ENGINE,
    ("docs/transformers.md", "model = "): ENGINE,
    ("docs/transformers.md", "from collectives.adapters.transformers"): ENGINE,
    ("docs/view.md", "triplane view ep64.npz ep320.npz"): LONG,
    ("docs/vllm.md", "python3 -m venv"): SETS_UP,
    ("docs/vllm.md", ".venv-vllm/bin/pip"): SETS_UP,
    ("docs/vllm.md", ".venv-vllm/bin/python"): ENGINE,
    ("docs/vllm.md", "from fetched KV"): OUTPUT,
    ("docs/vllm.md", "TRIPLANE_VLLM=1 TRIPLANE_RECORD"): ENGINE,
    ("docs/vllm.md", "triplane replay"): ENGINE,
    ("docs/vllm.md", "for rank in 0 1; do"): ENGINE,
    ("docs/vllm.md", "# one process for each data-parallel rank"): ENGINE,
    ("docs/vllm.md", "KVTransferConfig("): ENGINE,
    ("docs/vllm.md", "from collectives.memory.pool.hosted.serving"): ENGINE,
    ("docs/vllm.md", "chat 0, turn 0"): OUTPUT,
    ("docs/vllm.md", "from collectives.adapters.step_log"): ENGINE,
}  # fmt: skip
"""By page and how a block or a command begins: why it is not run here."""

ALL = bool(os.environ.get("TRIPLANE_ALL_PAGES"))
"""Whether what takes long is run, too."""

TENSORS = """
import torch
x, out = torch.arange(4.0), torch.empty(4)
"""
INITIALISED = """
import torch.distributed as dist
import collectives.adapters.torch
dist.init_process_group("triplane")
"""
BEFORE = {
    ("README.md", "import torch.distributed as dist"): TENSORS,
    ("docs/torch.md", "import torch.distributed as dist"): "",
    ("docs/torch.md", "from collectives.adapters.torch import communicator, times"):
        TENSORS + INITIALISED,
    ("docs/torch.md", "from collectives.adapters.torch import empty"): TENSORS + INITIALISED,
}  # fmt: skip
"""Blocks about torch.distributed: by page and first line what a program has before them."""

SHOWN_IN = {"README.md": "examples/all_reduce.py"}
"""Pages whose block of ranks is the program of this file."""


def reason(page: str, line: str) -> str | None:
    """Why what begins so is not run here."""
    found = [why for (where, first), why in NOT_HERE.items()
             if where == page and line.startswith(first)]  # fmt: skip
    return None if not found or (ALL and found[0] == LONG) else found[0]


def is_run(page: str, line: str) -> bool:
    return reason(page, line) is None


def key(block: Block) -> tuple[str, str]:
    return block.page, block.first


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_as_it_stands(page: Path, tmp_path: Path) -> None:
    printed = ""
    for block in blocks(page):
        path = written(block, tmp_path)
        left_out = block.language in ("python", "") and not is_run(block.page, block.first)
        if block.language == "text":
            assert matches(printed, block.text), (block.first, printed)
        elif block.language == "csv" or left_out:
            continue
        elif block.language == "json":
            assert MachineSpec.from_json(json.loads(block.text)) == MachineSpec()
        elif block.language == "toml" and path is not None:
            READERS.get(path.name, read_system)(path)
        elif block.language == "python":
            printed = run_python(block, tmp_path)
        else:
            assert block.language in ("sh", "console", ""), f"{block}: what runs that?"
            run_commands(block, tmp_path)


def read_system(path: Path) -> None:
    assert system(str(path)).n_endpoints


def read_tables(path: Path) -> None:
    assert Router(system("cloudmatrix384"), f"static:{path}").rule


def read_study(path: Path) -> None:
    assert load_study(path).points


READERS: dict[str, Callable[[Path], object]] = {
    "classes.toml": load_classes, "tables.toml": read_tables, "faults.toml": load_faults,
    "study.toml": read_study,
}  # fmt: skip
"""What reads the files that blocks of TOML stand for, by name; all others are topologies."""


def run_commands(block: Block, folder: Path) -> None:
    where = ROOT if ". .venv" in block.text else folder
    for command in block.commands:
        if reason(block.page, command.line) is None:
            printed = printed_by(command.line, where)
            assert command.shown is None or matches(printed, command.shown), printed


def run_python(block: Block, folder: Path) -> str:
    """What a Python block prints."""
    if NAMED.match(block.text):  # a file for the commands after it
        return ""
    if key(block) in BEFORE:  # below, in one world of processes
        return ""
    if "init()" in block.text:
        (folder / "block.py").write_text(block.text, "utf-8")
        line = "triplane run -n 8 --transport inproc block.py"
        printed = printed_by(line, folder)
        if block.page in SHOWN_IN:
            assert printed == printed_by(line.replace("block.py", SHOWN_IN[block.page]), folder)
        return printed
    return printed_from(block.text, folder)


def test_blocks_about_torch_run_between_processes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    parts = [block for page in PAGES for block in blocks(page) if key(block) in BEFORE]
    names = []
    for number, block in enumerate(parts):
        part = {"name": "/".join(key(block)), "before": BEFORE[key(block)], "block": block.text}
        (tmp_path / f"{number}.json").write_text(json.dumps(part), "utf-8")
        names.append(f"{number}.json")
    program = ROOT / "tests" / "programs" / "page_ranks.py"
    printed = printed_by(f"triplane run -n 2 --sync eager {program} {' '.join(names)}", tmp_path)
    for block in parts:
        assert printed.count("/".join(key(block))) == 2


def test_what_is_said_of_blocks_is_of_blocks_that_there_are() -> None:
    every = [block for page in PAGES for block in blocks(page)]
    begins = [(block.page, block.first) for block in every]
    begins += [(block.page, command.line) for block in every for command in block.commands]
    for where, first in [*NOT_HERE, *BEFORE]:
        assert any(page == where and line.startswith(first) for page, line in begins), (
            where,
            first,
        )
    for page in PAGES:  # what is indented as code is not seen here
        assert page.read_text("utf-8").count("\n```") % 2 == 0


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("a 12.5 b\n", "a 12.5 b\n", True), ("a 12.5 b\n", "a 12.4 b\n", False),
        ("a 12.5 b\n", "a ... b\n", True), ("a 12.5 c\n", "a ... b\n", False),
        ("1\n2\n3\n", "1\n...\n3\n", True), ("1\n3\n", "1\n...\n3\n", True),
        ("1\n2\n", "1\n", False), ("1 \n", "1\n", False), ("1", "1\n", False),
    ],
)  # fmt: skip
def test_only_dots_stand_for_anything(printed: str, shown: str, same: bool) -> None:
    assert matches(printed, shown) is same


if __name__ == "__main__":
    for one in PAGES:
        with tempfile.TemporaryDirectory() as scratch:
            for before, after in rewritten(one, Path(scratch), is_run):
                sys.stdout.write(f"{one.name}:\n{after}\n")
                one.write_text(one.read_text("utf-8").replace(before, after), "utf-8")
