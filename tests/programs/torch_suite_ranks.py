"""A rank of torch's own `DistributedTest`, which ships inside torch, over this backend.

    python torch_forks.py torch_suite_ranks.py RANKS FOLDER PIPES NAME

runs the tests that are named on standard input, a line of JSON each with whether it wants a world
of its own, one after the other in this process, and says of each on standard output, as a line of
JSON, how it went ("passed", "failed", "skipped") and what that was about. The tests' own code is
not changed.
Which of them run depends on the name of the backend, so it goes by the NAME of one of torch's own
if asked to: "gloo" and "mpi" have tests that no other name has.
"""

import inspect
import json
import os
import sys
import time
import traceback
import unittest
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

ranks, folder, name = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
# The suite reads these while it is imported.
os.environ.update(
    BACKEND=name, WORLD_SIZE=str(ranks), TEMP_DIR=str(folder),
    INIT_METHOD=f"file://{folder / 'shared_init_file'}",
)  # fmt: skip

import torch.distributed as dist  # noqa: E402

import collectives.adapters.torch as adapter  # noqa: E402


def renamed(create: Callable[..., Any]) -> Callable[..., Any]:
    """``init_process_group`` or ``new_group``, for which this backend has the other name, too."""
    signature = inspect.signature(create)

    def called(*args: Any, **options: Any) -> Any:
        given = signature.bind(*args, **options)
        if given.arguments.get("backend") == name:
            given.arguments["backend"] = adapter.NAME
        return create(*given.args, **given.kwargs)

    return called


if name != adapter.NAME:
    dist.init_process_group = renamed(dist.init_process_group)  # type: ignore[assignment]
    dist.new_group = renamed(dist.new_group)  # type: ignore[assignment]
    # What torch itself asks before it makes a call that it thinks only gloo has.
    dist.distributed_c10d.get_backend = lambda group=None: dist.Backend(name)

from torch.testing._internal import common_distributed, common_utils  # noqa: E402

for feature in ("ddp", "subgroup", "plugin"):  # whether this backend is known to have them
    common_distributed.DistTestCases.backend_feature[feature].add(name)

from torch.testing._internal.distributed import distributed_test as suite  # noqa: E402

LOOK = 0.005
"""Seconds between two looks at who has come to a barrier of the tests. Torch's own takes 0.1 s, of
which most of its tests would consist."""


class Barrier(suite.Barrier):  # type: ignore[misc]
    """The same, with the same files; only that it looks more often."""

    @classmethod
    def sync(cls, wait_for: int | None = None, timeout: float = 10) -> None:
        """Wait for so many ranks, by default all."""
        cls.barrier_id += 1
        number, there = cls.barrier_id, Path(os.environ["TEMP_DIR"]) / "barrier"
        with suite._lock():
            (there / str(os.getpid())).write_text(str(number))
        deadline = time.monotonic() + timeout
        while cls._come(there, number) != (wait_for or dist.get_world_size()):
            if time.monotonic() > deadline:
                raise RuntimeError("barrier timeout")
            time.sleep(LOOK)

    @staticmethod
    def _come(there: Path, number: int) -> int:
        with suite._lock():
            return sum(int(each.read_text()) >= number for each in there.iterdir())


suite.Barrier = Barrier
REASONS = {skip.exit_code: skip.message for skip in common_distributed.TEST_SKIPS.values()}


class Ranked(suite.TestDistBackend, suite.DistributedTest._DistTestBase):  # type: ignore[misc]
    """The tests, at one rank."""


def prepared(rank: int, test: str, fresh: bool) -> Ranked:
    """The test of that name, in a folder of its own, in which the ranks find each other."""
    mine = folder / test
    for part in ("barrier", "test_dir", "init_dir"):
        (mine / part).mkdir(parents=True, exist_ok=True)
    os.environ["TEMP_DIR"] = str(mine)
    Barrier.barrier_id = 0
    case = Ranked(test)
    case.rank, case.file_name = rank, str(mine / "store")
    if fresh or not dist.is_initialized():
        limit = timedelta(seconds=suite.CUSTOM_PG_TIMEOUT.get(test, suite.default_pg_timeout))
        dist.init_process_group(
            name, init_method=f"file://{mine / 'store'}", world_size=ranks, rank=rank, timeout=limit
        )
    case._barrier(timeout=120)
    common_utils.set_rng_seed()
    return case


def outcome(rank: int, test: str, fresh: bool) -> tuple[str, str]:
    """How a test went, and what that was about."""
    marked = getattr(Ranked, test)
    if getattr(marked, "__unittest_skip__", False):  # what unittest's own runner looks at
        return "skipped", marked.__unittest_skip_why__
    try:
        case = prepared(rank, test, fresh)
        getattr(case, test)()
        case._barrier(timeout=120)
    except unittest.SkipTest as skip:
        return "skipped", str(skip)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else -1
        return ("skipped", REASONS[code]) if code in REASONS else ("failed", f"exit code {code}")
    except BaseException:
        return "failed", traceback.format_exc()
    return "passed", ""


def ended() -> str:
    """Leave the world, if there is one; what went wrong with that."""
    try:
        if dist.is_initialized():
            dist.destroy_process_group()
    except RuntimeError:
        return traceback.format_exc()
    return ""


def main(rank: int, ranks: int, folder: Path) -> None:
    """Run what standard input names, each in a world of its own where that says so."""
    said, sys.stdout = sys.stdout, sys.stderr  # what tests print is not for who reads the results
    for line in sys.stdin:
        test, fresh = json.loads(line)
        wrong = ended() if fresh else ""
        how, why = outcome(rank, test, fresh)
        if how != "failed" and (fresh or wrong):
            wrong += ended()
            how, why = ("failed", wrong) if wrong else (how, why)
        said.write(json.dumps([how, why]) + "\n")
        said.flush()
    if wrong := ended():
        raise RuntimeError(wrong)
