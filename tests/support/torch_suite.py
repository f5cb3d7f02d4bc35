"""torch's own `DistributedTest` over this backend: its tests, and the ranks that run them."""

import importlib.util
import json
import os
import re
import select
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.torch_world import ROOT, end, forked

PATIENCE = 400.0
"""Seconds that a test may take at all ranks: more than the longest time-out in one."""

ALONE = ("timeout", "monitored", "destroy", "shutdown", "init_process_group", "has_finalized",
         "across_ranks")  # fmt: skip
"""Tests with this in their names break their world or leave it, so it must be their own."""


EXCLUDED = {
    r"_cuda|_nccl|_gpu": "needs CUDA",
    r"isend_irecv_(op|mixed_backend)_err$": "needs CUDA: it asks for the devices of the ranks",
    r"^test_SyncBatchNorm_process_group$": "needs torchvision",
}
"""What is not run, as patterns of names, and why not. What runs may still find that it cannot."""

NEVER = {
    "torch skips them everywhere, with a link to an issue of its own": "^https://|, see https://",
    "needs torchvision": "torchvision",
    "needs CUDA: tensors or models on a GPU, or NCCL": "CUDA|GPU|(?i:nccl)",
}
"""Rows of docs/torch.md for tests that run as no backend, and what the reasons for that say."""

AS_ITSELF = ("test_get_backend",)
"""Tests about the name of the backend, which mean nothing where it goes by another one."""


def names() -> list[str]:
    """All tests of the suite, which is not imported: that needs to know the backend first."""
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return []
    path = Path(torch.origin).parent / "testing/_internal/distributed/distributed_test.py"
    code = path.read_text(encoding="utf-8").partition("class _DistTestBase")[2]
    code = re.sub(r'"""[\s\S]*?"""', '""', code)  # some are commented out in such a text
    return sorted(set(re.findall(r"^        def (test_\w+)\(", code, re.MULTILINE)))


def is_alone(test: str) -> bool:
    """Whether a test needs a world of its own."""
    return any(part in test for part in ALONE)


def excluded(test: str, name: str) -> str:
    """Why a test is not run as the backend ``name``, if so."""
    if test in AS_ITSELF and name != "triplane":
        return "is about the backend's name"
    return next((why for pattern, why in EXCLUDED.items() if re.search(pattern, test)), "")


class Outcome(NamedTuple):
    """How a test went: "passed", "failed" or "skipped"; what that was about."""

    how: str
    why: str


def never(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, int]:
    """How many tests ran as no backend at all, by the row of `NEVER`; else by the bare reason."""
    skipped = [each for each in outcomes.values() if all(one.how == "skipped" for one in each)]
    return dict(Counter(_row([one.why for one in each]) for each in skipped))


def _row(reasons: Sequence[str]) -> str:
    for row, pattern in NEVER.items():
        if any(re.search(pattern, why) for why in reasons):
            return row
    return reasons[0]


def documented() -> dict[str, int]:
    """What docs/torch.md says of the tests that are never run: the rows of its table."""
    text = (ROOT / "docs/torch.md").read_text(encoding="utf-8")
    table = text.partition("| why | tests |\n")[2].partition("\n\n")[0]
    return {why: int(number) for why, number in re.findall(r"^\| (.+) \| (\d+) \|$", table, re.M)}


class Suite:
    """``ranks`` processes that run the tests, as the backend ``name``."""

    def __init__(self, name: str, ranks: int, folder: Path) -> None:
        self._name, self._folder = name, folder
        self._ranks = range(ranks)
        self._start()

    def run(self, test: str, patience: float = PATIENCE) -> Outcome:
        """Run a test at all ranks, which are other processes than before if one was lost."""
        if self._lost:
            self.close(0)
            self._start()
        alone = is_alone(test)
        for ask in self._asks:
            with suppress(BrokenPipeError):  # it has ended, and so says nothing
                ask.write(json.dumps([test, alone or self._fresh]) + "\n")
                ask.flush()
        deadline = time.monotonic() + patience
        found = [self._heard(rank, deadline) for rank in self._ranks]
        for how in ("failed", "passed", "skipped"):
            those = [(rank, each.why) for rank, each in enumerate(found) if each.how == how]
            if those:
                self._fresh = alone or how == "failed"
                everybody = "\n".join(f"rank {rank}: {why}" for rank, why in those)
                return Outcome(how, those[0][1] if how == "skipped" else everybody)
        raise ValueError(f"{test} ended as nothing that is known: {found}")

    def close(self, grace: float = 30.0) -> bool:
        """End the ranks, whatever they do, in so many seconds; whether all ended well before."""
        for ask in self._asks:
            with suppress(BrokenPipeError):
                ask.close()
        codes = end(self._process, grace)
        for tell in self._tells:
            tell.close()
        return codes == [0] * len(self._ranks)

    def _start(self) -> None:
        self._fresh, self._lost = True, False
        asks, tells = ([os.pipe() for _ in self._ranks] for _ in range(2))
        theirs = [(ask[0], tell[1]) for ask, tell in zip(asks, tells, strict=True)]
        self._process = forked("torch_suite_ranks.py", theirs, self._folder, self._name)
        for each in theirs:
            os.close(each[0])
            os.close(each[1])
        self._asks = [os.fdopen(ask[1], "w") for ask in asks]
        self._tells = [os.fdopen(tell[0]) for tell in tells]

    def _heard(self, rank: int, deadline: float) -> Outcome:
        """What a rank says of its test, if it does so until the deadline."""
        tell = self._tells[rank]
        in_time = select.select([tell], [], [], max(deadline - time.monotonic(), 0))[0]
        line = tell.readline() if in_time else ""
        if line:
            return Outcome(*json.loads(line))
        self._lost = True
        files = [self._folder / "errors", self._folder / f"errors{rank}"]
        errors = "\n".join(each.read_text()[-4000:] for each in files if each.exists())
        return Outcome("failed", f"it {'has ended' if in_time else 'is not over'}\n{errors}")


@contextmanager
def suite(name: str, ranks: int) -> Iterator[Suite]:
    """The ranks, to the end of the block; raises where they do not end well."""
    with tempfile.TemporaryDirectory() as folder:
        made, well = Suite(name, ranks, Path(folder)), False
        try:
            yield made
        finally:
            well = made.close()
        if not well:
            raise AssertionError("a rank was lost, or could not leave its world")
