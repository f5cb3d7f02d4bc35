"""A recorded run, replayed: the times of running its program there, to the tick."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectives import init
from collectives.memory import Window
from collectives.workloads.recorded.remade import ReplayError
from collectives.workloads.recorded.replay import ReplayedRun, replay
from collectives.workloads.recorded.tables import Tables
from fabric import launch
from fabric.failure import WorldError
from fabric.machine import MachineSpec
from fabric.run_log.file import RunLogError, load, save
from fabric.run_log.value import RunLog
from tests.support.recorded_programs import Told, every_call, only_scaled
from topology.errors import ArgumentError, TriplaneError

PATIENCE = 60.0
TRIPLANE = Path(sys.executable).with_name("triplane")
Wanted = list[Told]
"""What each rank returns."""


def ran(main: Any, ranks: int, system: Any = "cloudmatrix384", **options: Any) -> Wanted:
    found: Wanted = launch(main, ranks, system, timeout=PATIENCE, **options)
    return found


def agree(run: ReplayedRun, wanted: Wanted) -> None:
    """Every rank ends when it ended there, and its calls begin and end when they did there."""
    assert run.clock.tolist() == [clock for clock, _ in wanted]
    parts = run.log.parts
    for rank, (_, times) in enumerate(wanted):
        mine = parts.rank == rank
        have = set(zip(run.begin[mine].tolist(), run.end[mine].tolist(), strict=True))
        assert have.issuperset(times)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunLog, Wanted]:
    path = tmp_path_factory.mktemp("run") / "run.npz"
    wanted = ran(every_call, 4, record=path)
    return load(path), wanted


def test_replay_on_the_machine_that_recorded_gives_its_times_to_the_tick(
    recorded: tuple[RunLog, Wanted],
) -> None:
    log, wanted = recorded
    run = replay(log, MachineSpec().build())
    agree(run, wanted)
    assert np.array_equal(run.begin, log.parts.begin)
    assert np.array_equal(run.end, log.parts.end)
    assert run.is_whole
    assert run.clock.tolist() == log.clock.tolist()


def test_recording_changes_no_time(recorded: tuple[RunLog, Wanted]) -> None:
    assert ran(every_call, 4) == recorded[1]


OTHERS = {
    "another system": MachineSpec("h800:2"),
    "another placement": MachineSpec(placement=(0, 17, 40, 383)),
    "another plane": MachineSpec(planes=("rdma",)),
    "another routing": MachineSpec(routing="hash:seed=3", placement=(0, 17, 40, 383)),
    "another engine": MachineSpec("h800:2", engine="packet"),
    "another stack": MachineSpec(software="raw"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_replay_on_another_machine_is_as_running_there(
    name: str, recorded: tuple[RunLog, Wanted]
) -> None:
    wanted = ran(every_call, 4, OTHERS[name])
    assert wanted != recorded[1]
    agree(replay(recorded[0], OTHERS[name].build()), wanted)


@pytest.mark.parametrize("system", ["cloudmatrix384", "h800:8"])
def test_replay_as_part_of_many_is_as_running_so(system: str, tmp_path: Path) -> None:
    ran(only_scaled, 4, record=tmp_path / "run.npz")
    wanted = ran(only_scaled, 4, system, as_part_of=32, record=tmp_path / "many.npz")
    fabric = MachineSpec(system).build()
    agree(replay(load(tmp_path / "run.npz"), fabric, as_part_of=32), wanted)
    many = load(tmp_path / "many.npz")
    assert many.as_part_of == 32
    agree(replay(many, fabric, as_part_of=32), wanted)
    agree(replay(many, fabric), ran(only_scaled, 4, system))


CALL = st.tuples(st.sampled_from(["all_reduce", "all_gather", "barrier", "compute"]),
                 st.integers(1, 5000), st.booleans())  # fmt: skip


def random_calls(calls: list[tuple[str, int, bool]]) -> Told:
    """These calls in order, some of them not waited for until the end."""
    comm, open_, works = init(), [], []
    for op, size, later in calls:
        if op == "compute":
            comm.compute(1e-9 * size * comm.rank)
            continue
        x = np.ones(size, np.float32)
        out = {"out": np.empty(size * comm.size, np.float32), "x": x}
        what = {"all_reduce": {"x": x}, "all_gather": out, "barrier": {}}[op]
        works.append(getattr(comm, op)(async_op=later, **what))
        open_ += [works[-1]] if later else []
    for work in open_:
        work.wait()
    return comm.now(), [work.times() for work in works]


@given(st.lists(CALL, max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow,
          HealthCheck.function_scoped_fixture])  # fmt: skip
def test_random_programs_replay_as_they_run(
    tmp_path: Path, calls: list[tuple[str, int, bool]]
) -> None:
    path = tmp_path / "run.npz"
    ran(random_calls, 3, "h800:1", args=[calls], record=path)
    wanted = ran(random_calls, 3, args=[calls])
    agree(replay(load(path), MachineSpec().build()), wanted)


def test_a_file_keeps_everything(recorded: tuple[RunLog, Wanted], tmp_path: Path) -> None:
    log = recorded[0]
    save(log, tmp_path / "again.npz")
    again = load(tmp_path / "again.npz")
    for one, other in ((log.parts, again.parts), (log.entries, again.entries)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert (log.kinds, log.facts, log.spans) == (again.kinds, again.facts, again.spans)
    assert [rows.digest for rows in log.rows] == [rows.digest for rows in again.rows]
    for mine, theirs in zip(log.routings, again.routings, strict=True):
        assert np.array_equal(mine.topk_idx, theirs.topk_idx)
        assert np.array_equal(mine.weights, theirs.weights)
        assert mine[2:] == theirs[2:]


def test_the_routing_of_every_dispatch_is_kept(recorded: tuple[RunLog, Wanted]) -> None:
    log = recorded[0]
    chances = [np.random.default_rng(rank) for rank in range(4)]
    wanted = []
    for rank, mine in enumerate(chances):
        chosen = np.argsort(mine.random((16 - rank % 3, 8)), axis=1)[:, :3]
        chosen[0, 0] = -1
        wanted.append((chosen, mine.random(chosen.shape).astype(np.float32)))
    parts = log.parts
    having = parts.routing >= 0
    assert np.bincount(parts.rank[having]).tolist() == [3] * 4
    for rank, number in zip(parts.rank[having], parts.routing[having], strict=True):
        found = log.routings[number]
        assert found.experts == 8
        assert np.array_equal(found.topk_idx, wanted[rank][0])
        assert found.weights is not None
        assert np.array_equal(found.weights, wanted[rank][1])


def test_tables_add_up(recorded: tuple[RunLog, Wanted]) -> None:
    tables = Tables(replay(recorded[0], MachineSpec().build()))
    whole = sum(one.time for one in tables.by_kind())
    for table in (tables.by_call(), tables.by_layer(), tables.by_step()):
        assert sum(one.time for one in table) == pytest.approx(whole, rel=1e-12)
    in_layers = {one.key[0]: one.calls for one in tables.by_layer() if one.key[1] == "all_reduce"}
    assert in_layers == {"layer 0": 1, "layer 1": 1, "": 1}
    late = next(one for one in tables.by_call() if one.key[1] == "layer 0")
    assert late.wait == pytest.approx(np.mean([6e-6 - 3e-6 * (7 * r % 3) for r in range(4)]))
    assert [one.recorded for one in tables.by_kind()] == [one.time for one in tables.by_kind()]


def test_times_of_computing_can_be_scaled(tmp_path: Path) -> None:
    ran(only_scaled, 4, record=tmp_path / "run.npz")
    log, fabric = load(tmp_path / "run.npz"), MachineSpec().build()
    once, twice = (replay(log, fabric, compute_scale=scale) for scale in (1.0, 2.0))
    rows = [row[3] for row in Tables(twice).by_rank()]
    assert rows == pytest.approx([2e-6 * rank for rank in range(4)])
    assert twice.clock.max() - once.clock.max() == pytest.approx(3e-6)


def test_processes_are_recorded_and_replayed_from_a_shell(tmp_path: Path) -> None:
    program, file = tmp_path / "program.py", tmp_path / "run.npz"
    program.write_text(
        "import sys\nfrom tests.support.recorded_programs import every_call\n"
        "sys.stdout.write(f'{every_call()[0]!r}\\n')\n"
    )
    run = [TRIPLANE, "run", "-n", "4", "--record", file, program]
    home = str(Path(__file__).parents[1])
    said = subprocess.run(
        run, capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=home,
        env={**os.environ, "PYTHONPATH": home},
    )  # fmt: skip
    clocks = sorted(map(float, said.stdout.split()))
    told = subprocess.run(
        [TRIPLANE, "replay", file, "--by", "rank", "--format", "json"],
        capture_output=True, text=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    *ranks, last = json.loads(told.stdout)
    assert sorted(row["time_us"] for row in ranks) == [clock / 1e-6 for clock in clocks]
    assert last["whole_run"]
    assert last["time_us"] == last["recorded_us"]


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    with pytest.raises(WorldError, match=r"record is .*clock is 'paced'"):
        ran(every_call, 2, record=path, clock="paced")
    with pytest.raises(WorldError, match=r"record is .*on_loss is 'shrink'"):
        ran(every_call, 2, record=path, on_loss="shrink")
    with pytest.raises(ArgumentError, match="is not there where a run is recorded"):
        ran(registers, 2, record=path)
    with pytest.raises(WorldError, match="there is no folder"):
        ran(every_call, 2, record=tmp_path / "none" / "run.npz")


def registers() -> None:
    Window(init(), np.zeros(8))


def test_what_cannot_be_replayed_is_refused(recorded: tuple[RunLog, Wanted]) -> None:
    log, fabric = recorded[0], MachineSpec().build()
    with pytest.raises(ReplayError, match=r"all_to_all_v.*cannot be timed as a call of 8 ranks"):
        replay(log, fabric, as_part_of=8)
    with pytest.raises(ReplayError, match="as_part_of is 6"):
        replay(log, fabric, as_part_of=6)
    with pytest.raises(WorldError, match="4 ranks are more than the 2 endpoints"):
        replay(log, MachineSpec(placement=(0, 1)).build())
    with pytest.raises(TriplaneError):
        replay(log, MachineSpec(without=("no such switch",)).build())


def test_a_run_without_a_machine_is_recorded_too(tmp_path: Path) -> None:
    launch(calls_without_times, 2, None, record=tmp_path / "run.npz", timeout=PATIENCE)
    log = load(tmp_path / "run.npz")
    assert log.machine is None
    assert np.isnan(log.clock).all()
    clocks = launch(calls_without_times, 2, timeout=PATIENCE)
    assert replay(log, MachineSpec().build()).clock.tolist() == clocks


def calls_without_times() -> float:
    comm = init()
    comm.compute(1e-6)
    comm.all_reduce(np.ones(1000))
    return comm.now()


def test_a_run_that_ends_within_a_call_is_kept_so_far(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="out of order"):
        ran(raises, 2, record=tmp_path / "run.npz")
    run = replay(load(tmp_path / "run.npz"), MachineSpec().build())
    assert not run.is_whole
    assert [one.key for one in Tables(run).by_kind()] == [("barrier()",)]


def raises() -> None:
    comm = init()
    if not comm.rank:
        comm.isend(np.ones(10), 1)
    comm.barrier()
    if comm.rank:
        raise ValueError("out of order")


def test_a_file_that_is_none_is_refused_in_a_line(
    recorded: tuple[RunLog, Wanted], tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    path.write_text("nothing")
    with pytest.raises(RunLogError, match=r"run\.npz is no record of a run"):
        load(path)
    save(recorded[0], path)
    whole = dict(np.load(path))
    for name, value, words in (
        ("part_rows", whole["part_rows"] + 10_000, "part_rows has a number outside"),
        ("entry_rank", whole["entry_rank"] - 1, "entry_rank has a number outside"),
        ("rows_edge", whole["rows_edge"] + 1, "rows_edge does not divide"),
        ("rows_size", -whole["rows_size"], "too low or too high"),
        ("entry_value", np.full_like(whole["entry_value"], np.inf), "has a "),
        ("clock", whole["clock"][:1], "clock has 1 rows"),
        ("kind", whole["kind"].astype(np.float64), "kind is float64"),
        ("about", np.frombuffer(b"{}", np.uint8), "about is"),
        ("topk_idx", whole["topk_idx"][1:], "routing_shape does not divide"),
    ):
        np.savez(path, **{**whole, name: value})
        with pytest.raises(RunLogError, match=words):
            load(path)
    del whole["part_end"]
    np.savez(path, **whole)
    with pytest.raises(RunLogError, match="it has no array 'part_end'"):
        load(path)
