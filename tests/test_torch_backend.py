"""The backend of torch.distributed: what `torch_checks` finds, and every way to launch it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.torch_world import PATIENCE, PROGRAMS, environment, said
from tests.support.worlds import free_port

RANKS = 4
CHECKS = re.findall(r"^@check\ndef (\w+)", (PROGRAMS / "torch_checks.py").read_text(), re.MULTILINE)
PROGRAM = """
import os, sys
import torch, torch.distributed as dist
import collectives.adapters.torch as adapter

def main(rank=-1, ranks=-1, store=None):
    dist.init_process_group("triplane", rank=rank, world_size=ranks, store=store and store(rank))
    x = torch.full((1000,), float(dist.get_rank()))
    dist.all_reduce(x)
    clock = adapter.communicator().now()
    if dist.get_rank() == 0:
        print(dist.get_world_size(), x[0].item(), x[-1].item(), 0 < clock < 1e-3)
    dist.destroy_process_group()

def tcp(rank):
    return dist.TCPStore("127.0.0.1", int(sys.argv[1]), 2, is_master=rank == 0)

if __name__ == "__main__":
    if len(sys.argv) > 1:
        torch.multiprocessing.spawn(main, (2, tcp), nprocs=2)
    else:
        main()
"""


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    """What went wrong in each check, at each rank."""
    ended = said("torch_checks.py", RANKS)
    assert [code for code, _, _ in ended] == [0] * RANKS, ended
    wrong: dict[str, list[str]] = {}
    for _, lines, _ in ended:
        for name, what in lines:
            wrong.setdefault(name, []).append(what)
    return wrong


@pytest.mark.parametrize("check", CHECKS)
def test_check(found: dict[str, list[str]], check: str) -> None:
    assert found[check] == [""] * RANKS


def test_there_are_checks() -> None:
    assert len(CHECKS) > 20


TRIPLANE = "import sys; from bench.cli import main; sys.exit(main())"
LAUNCHES = {
    "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "triplane run": ["-c", TRIPLANE, "run", "-n", "2", "--sync", "eager"],
    "spawn": [],
}


@pytest.mark.parametrize("launcher", LAUNCHES)
def test_every_launcher(launcher: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    port = [str(free_port())] if launcher == "spawn" else []
    command = [sys.executable, *LAUNCHES[launcher], str(program), *port]
    ended = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert ended.stdout.split() == ["2", "1.0", "1.0", "True"], ended.stderr
    assert ended.returncode == 0


def test_odd_arguments_have_the_outcome_that_gloo_has_or_are_refused() -> None:
    for code, (*wrong, cases), errors in said("torch_odd.py", 2):
        assert (code, wrong) == (0, []), errors
        assert cases >= 200
