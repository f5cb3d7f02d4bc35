"""Processes of torch are killed, and the others go on, or are started anew: `torch_shrinking`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.torch_world import PATIENCE, PROGRAMS, environment, said

PROGRAM = str(PROGRAMS / "torch_shrinking.py")
RUN = "import sys; from bench.cli import main; sys.exit(main())"
GOES_ON = "--sync", "eager", "--on-loss", "shrink"
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def worlds() -> dict[str, dict[int, Any]]:
    """What each rank said of each world; of six ranks four are killed."""
    ended = said("torch_shrinking.py", 6)
    errors = [errors for _, _, errors in ended]
    assert [code for code, _, _ in ended] == [KILLED, KILLED, KILLED, 0, KILLED, 0], errors
    found: dict[str, dict[int, Any]] = {}
    for rank, (_, lines, _) in enumerate(ended):
        for world, *what in lines:
            found.setdefault(world, {})[rank] = what
    return found


def without(missing: int, *more: object) -> dict[int, list[Any]]:
    """What ranks say of a world of six that goes on without one: sum, place, size."""
    left = [rank for rank in range(6) if rank != missing]
    whole = float(sum(1 << rank for rank in left))
    return {rank: [whole, place, 5, *more] for place, rank in enumerate(left)}


def test_living_ranks_are_excluded_where_a_loss_ends_the_world(worlds: dict[str, Any]) -> None:
    assert worlds["alive"] == {**without(5), 5: ["left"]}


def test_a_rank_that_aborts_its_group_is_lost_to_the_others(worlds: dict[str, Any]) -> None:
    assert worlds["aborted"] == {**without(1), 1: ["gone"]}


def test_torchs_own_shrink_group_takes_the_lost_rank_out(worlds: dict[str, Any]) -> None:
    assert worlds["named"] == without(2, "default:shrunken")


def test_all_reduces_go_on_after_each_of_three_kills(worlds: dict[str, Any]) -> None:
    seen = [[0, 1, 2, 3, 4], [0, 1, 2, 4], [1, 2, 4], [2, 4]]
    assert worlds["loop"] == {3: [seen, [2.0] * 3, 0, 2], 5: [seen, [2.0] * 3, 1, 2]}


def ran(*command: str) -> list[Any]:
    """What the ranks of a command said, in order; it ends by itself, and well."""
    process = subprocess.Popen(
        [sys.executable, *command], env=environment(), stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        told, errors = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"not over in time: {process.communicate()}") from None
    assert process.returncode == 0, errors
    return sorted(map(json.loads, told.splitlines()))


def test_a_new_process_group_is_made_of_those_that_are_left(tmp_path: Path) -> None:
    told = ran("-c", RUN, "run", "-n", "3", *GOES_ON, PROGRAM, "again", str(tmp_path))
    assert told == [["again", 0, 5.0, 0, 2], ["again", 2, 5.0, 1, 2]]


def test_torchrun_starts_all_anew(tmp_path: Path) -> None:
    told = ran("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "--max-restarts", "1", PROGRAM, "restarted", str(tmp_path))  # fmt: skip
    assert told == [["restarted", 0, 2.0, 1], ["restarted", 1, 2.0, 1]]
