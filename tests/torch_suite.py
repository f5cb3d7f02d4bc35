"""torch's own `DistributedTest` over this backend: its tests, and the ranks that run them."""

import importlib.util
import json
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PATIENCE = 400.0
"""Seconds that a test may take: more than the longest time-out in one."""

ALONE = ("timeout", "monitored", "destroy", "shutdown", "init_process_group", "has_finalized",
         "across_ranks")  # fmt: skip
"""Tests with this in their names break their world or leave it, so it must be their own."""


EXCLUDED = {
    r"_cuda|_nccl|_gpu": "needs CUDA",
    r"isend_irecv_(op|mixed_backend)_err$": "needs CUDA: it asks for the devices of the ranks",
    r"^test_SyncBatchNorm_process_group$": "needs torchvision",
}
"""What is not run, as patterns of names, and why not. What runs may still find that it cannot."""

AS_ITSELF = ("test_get_backend",)
"""Tests about the name of the backend, which mean nothing where it goes by another one."""


def names() -> list[str]:
    """All tests of the suite, which is not imported: that needs to know the backend first."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return []
    path = Path(torch.origin).parent / "testing/_internal/distributed/distributed_test.py"
    code = path.read_text(encoding="utf-8").partition("class _DistTestBase")[2]
    return sorted(set(re.findall(r"^        def (test_\w+)\(", code, re.MULTILINE)))


def excluded(test: str, name: str) -> str:
    """Why a test is not run as the backend ``name``, if so."""
    if test in AS_ITSELF and name != "triplane":
        return "is about the backend's name"
    return next((why for pattern, why in EXCLUDED.items() if re.search(pattern, test)), "")


class Outcome(NamedTuple):
    """How a test went: "passed", "failed" or "skipped"; what that was about."""

    how: str
    why: str


class Suite:
    """``ranks`` processes that run the tests, as the backend ``name``."""

    def __init__(self, name: str, ranks: int, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "OMP_NUM_THREADS": "1"}
        self._fresh = True
        self._errors = [folder / f"errors{rank}" for rank in range(ranks)]
        self._ranks = []
        for rank, errors in enumerate(self._errors):
            with errors.open("w") as stderr:
                command = [sys.executable, str(HERE / "torch_suite_ranks.py"), str(rank)]
                self._ranks.append(
                    subprocess.Popen(
                        [*command, str(ranks), str(folder), name], env=environment, text=True,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                    )
                )  # fmt: skip

    def run(self, test: str) -> Outcome:
        """Run a test at all ranks."""
        alone = any(part in test for part in ALONE)
        for rank in self._ranks:
            if rank.stdin is None or rank.poll() is not None:
                return Outcome("failed", f"a rank has ended with exit code {rank.returncode}")
            rank.stdin.write(json.dumps([test, alone or self._fresh]) + "\n")
            rank.stdin.flush()
        found = [self._heard(number) for number in range(len(self._ranks))]
        for how in ("failed", "passed", "skipped"):
            those = [(rank, each.why) for rank, each in enumerate(found) if each.how == how]
            if those:
                self._fresh = alone or how == "failed"
                everybody = "\n".join(f"rank {rank}: {why}" for rank, why in those)
                return Outcome(how, those[0][1] if how == "skipped" else everybody)
        raise ValueError(f"{test} ended as nothing that is known: {found}")

    def close(self) -> None:
        """End the ranks, whatever they do."""
        for rank in self._ranks:
            if rank.stdin is not None:
                rank.stdin.close()
        for rank in self._ranks:
            try:
                rank.wait(30)
            except subprocess.TimeoutExpired:
                rank.kill()
                rank.wait()
            if rank.stdout is not None:
                rank.stdout.close()

    def _heard(self, number: int) -> Outcome:
        stdout = self._ranks[number].stdout
        if stdout is None or not select.select([stdout], [], [], PATIENCE)[0]:
            self._ranks[number].kill()
            return Outcome("failed", f"it has not ended within {PATIENCE:g} s")
        line = stdout.readline()
        if not line:
            return Outcome("failed", self._errors[number].read_text()[-4000:])
        return Outcome(*json.loads(line))


@contextmanager
def suite(name: str, ranks: int) -> Iterator[Suite]:
    """The ranks, to the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        made = Suite(name, ranks, Path(folder))
        try:
            yield made
        finally:
            made.close()
