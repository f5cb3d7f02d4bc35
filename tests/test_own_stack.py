"""A user's own stack: the constants that made the measurements are found again, and used."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from bench.cli import main
from bench.measured.setting import MeasuredError
from bench.published.case import draws
from bench.published.errors import own_errors
from bench.validation.own_rows import LEAST, by_operation
from collectives.algorithms.table import schedule
from collectives.moe import dispatch_size
from fabric import Fabric
from fabric.endpoint.costs import Costs, EndpointError
from fabric.endpoint.presets import preset
from fabric.endpoint.records import record_of
from fabric.machine import MachineSpec
from topology import system
from topology.units import GB, US

TRUTH = """
format = "triplane-stack 1"
planes = ["nvlink", "rdma"]
algorithms = { all_gather = ["ring"] }
[costs.all_gather]
launch_us = 7
latency_us = 1.5
efficiency = { nvlink = 0.6 }
"""
BARE = ("op,ranks,size,value,unit,mode\n", ",ring\n")
SIZES = [1 << at for at in range(10, 31, 4)]


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("truth.toml").write_text(TRUTH, "utf-8")


def triplane(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def times(software: str, ranks: int, sizes: list[int] = SIZES) -> list[float]:
    """What a stack takes for a ring all-gather of nccl-tests' S on an h100, microseconds."""
    fabric = Fabric(system("h100"), endpoint=software)
    found = []
    for size in sizes:
        block = max(1, size // ranks)
        steps = schedule("all_gather", ranks, block, "ring")
        operation = fabric.software.regime("all_gather", block)
        found.append(fabric.simulate(steps, operation=operation, ranks=ranks).duration / US)
    return found


def rows(scale: "np.random.Generator | None" = None, noise: float = 0.0) -> str:
    """A CSV of what the stack truth.toml takes on 2, 4 and 8 GPUs, with noise of that share."""
    lines = []
    for ranks in (2, 4, 8):
        for size, time in zip(SIZES, times("truth.toml", ranks), strict=True):
            factor = 1.0 if scale is None else float(np.exp(scale.normal(0.0, noise)))
            lines.append(f"all_gather,{ranks},{size},{time * factor!r},us,ring\n")
    return BARE[0] + "".join(lines)


def calibrated(*words: str) -> list[dict[str, float | str]]:
    line = ("bench", "calibrate", "--rows", "mine.csv", "--name", "mine", "--system", "h100")
    found = triplane(*line, "--format", "json", *words)
    assert found.exit_code == 0, found.stderr
    records: list[dict[str, float | str]] = json.loads(found.stdout)
    return records


def test_the_constants_that_made_the_rows_are_found_again() -> None:
    Path("mine.csv").write_text(rows(), "utf-8")
    found = {one["constant"]: one["value"] for one in calibrated("--like", "none")}
    assert found == {
        "launch": pytest.approx(7, rel=2e-3), "latency": pytest.approx(1.5, rel=2e-3),
        "efficiency.nvlink": pytest.approx(0.6, rel=2e-3),
    }  # fmt: skip
    assert times("mine.toml", 8) == pytest.approx(times("truth.toml", 8), rel=2e-3)
    assert times("mine.toml", 6) == pytest.approx(times("truth.toml", 6), rel=2e-3)  # not measured


def test_software_that_names_no_algorithms_is_fitted_with_those_that_answers_take() -> None:
    """A preset of no software, whose answers are of the fastest of all algorithms."""
    cost = "[costs.all_reduce]\nlaunch_us = 20\nefficiency = { net = 0.8 }\n"
    Path("wire.toml").write_text(f'format = "triplane-stack 1"\nsource = "a test"\n{cost}', "utf-8")
    measured = _all_reduces("wire.toml")
    lines = [f"all_reduce,6,{size},{time!r},us\n" for size, time in measured.items()]
    Path("mine.csv").write_text("op,ranks,size,value,unit\n" + "".join(lines), "utf-8")
    said = ("--rows", "mine.csv", "--name", "mine", "--system", "star:6", "--format", "json")
    found = triplane("bench", "calibrate", *said)
    assert found.exit_code == 0, found.stderr
    constants = {one["constant"]: one["value"] for one in json.loads(found.stdout)}
    assert constants["launch"] == pytest.approx(20, rel=0.02)
    assert constants["efficiency.net"] == pytest.approx(0.8, rel=0.02)
    assert _all_reduces("mine.toml") == pytest.approx(measured, rel=0.02)


def _all_reduces(software: str) -> dict[int, float]:
    """What `bench all_reduce` answers of 6 ranks: microseconds by bytes."""
    found = triplane(
        "bench", "all_reduce", "--ranks", "6", "-b", "16K", "-e", "64M", "-f", "8", "--system",
        "star:6", "--software", software, "--format", "json",
    )  # fmt: skip
    assert found.exit_code == 0, found.stderr
    return {one["size_bytes"]: one["time_us"] for one in json.loads(found.stdout)}


def test_noise_ends_in_the_errors_and_the_constants_stay_within_them() -> None:
    Path("mine.csv").write_text(rows(np.random.default_rng(5), 0.04), "utf-8")
    records = calibrated("--like", "none")
    truth = {"launch": 7.0, "latency": 1.5, "efficiency.nvlink": 0.6}
    assert {one["constant"] for one in records} == truth.keys()
    for one in records:
        off = 100 * abs(float(one["value"]) / truth[str(one["constant"])] - 1)
        assert off < 3 * float(one["error_percent"])
        assert 0.3 < float(one["error_percent"]) < 15
    held_out = [row for row in own_errors("mine.toml") if row.use == "validate"]
    assert len(held_out) == round(0.2 * 18)
    mean = np.mean([abs(row.error_percent or 0.0) for row in held_out])
    assert 1 < mean < 8  # of noise of 4%


def test_rows_of_one_size_do_not_tell_a_bandwidth_from_a_launch() -> None:
    lines = [f"all_gather,2,{size},{9 + at},us,ring\n" for at, size in enumerate([64, 65, 66, 67])]
    Path("mine.csv").write_text("".join([BARE[0], *lines]), "utf-8")
    found = triplane("bench", "calibrate", "--rows", "mine.csv", "--name", "mine", "--system",
                     "h100", "--like", "none")  # fmt: skip
    assert found.exit_code == 0, found.stderr
    assert [line.split()[2] for line in found.stdout.splitlines()[1:-1] if line[0] != "#"] == [
        "launch"
    ]
    assert "all_gather.efficiency.nvlink is not fitted: no row follows it" in found.stdout
    assert re.search(
        r"all_gather.latency is not fitted: 3 rows are too few for 2 con", found.stdout
    )


def test_a_known_stack_keeps_what_no_row_tells() -> None:
    Path("truth.toml").write_text(
        'format = "triplane-stack 1"\nconstants_of = "nccl"\nwhy = "of this test"\n'
        '[costs.default]\nlaunch_us = 28.4\n[costs."default:small"]\nlaunch_us = 20\n', "utf-8",
    )  # fmt: skip
    sizes = SIZES[:5]
    Path("mine.csv").write_text(
        BARE[0] + "".join(
            f"all_gather,{ranks},{size},{time!r},us,ring\n" for ranks in (4, 8)
            for size, time in zip(sizes, times("truth.toml", ranks, sizes), strict=True)
        ), "utf-8",
    )  # fmt: skip
    found = {one["constant"]: one["value"] for one in calibrated()}
    nccl, mine = preset("nccl"), preset("mine.toml")
    assert found["launch"] == pytest.approx(20, rel=0.01)
    assert mine.costs("all_to_all").launch == nccl.costs("all_to_all").launch
    assert list(mine.costs("all_gather:small").protocol_latency) == ["ll", "ll128"]
    assert mine.small_of == nccl.small_of
    assert mine.algorithms == nccl.algorithms
    assert "nccl where no row tells a constant" in record_of("mine.toml").source


def test_dispatch_and_combine_of_a_table(tmp_path: Path) -> None:
    """Rows made with launches 10 us longer than cann-ep's give these back, and nothing else."""
    lines = ["op,ranks,tokens,value,unit\n"]
    for ranks in (8, 16, 32, 64):
        known = [
            json.loads(triplane(
                "bench", "moe", "--ep", str(ranks), "--software", "cann-ep", "--seed", str(seed),
                "--format", "json",
            ).stdout)
            for seed in range(draws(ranks * 128 * 8))
        ]  # fmt: skip
        for of_seeds in zip(*known, strict=True):
            time = sum(one["time_us"] for one in of_seeds) / len(of_seeds)
            lines.append(f"{of_seeds[0]['op']},{ranks},128,{time + 10!r},us\n")
    Path("mine.csv").write_text("".join(lines), "utf-8")
    found = triplane("bench", "calibrate", "--rows", "mine.csv", "--name", "mine")
    assert found.exit_code == 0, found.stderr
    base, mine = preset("cann-ep"), preset("mine.toml")
    for op in ("dispatch", "combine"):
        start = [one.costs(op).start(32) for one in (base, mine)]
        assert start[1] - start[0] == pytest.approx(10 * US, rel=0.02)
    assert dispatch_size(7168, "mine.toml", "int8") == dispatch_size(7168, "cann-ep", "int8")


def test_answers_by_it_say_what_they_stand_on() -> None:
    Path("mine.csv").write_text(rows(), "utf-8")
    calibrated("--like", "none")
    asked = ("bench", "all_gather", "--system", "h100", "--software", "mine.toml")
    inside = triplane(*asked, "--ranks", "8", "-b", "1M", "-e", "1M").stdout
    assert "software mine.toml engine flow" in inside
    assert re.search(r"# mine.toml all_gather: inside 1K-1G bytes, 2-8 ranks; nearest", inside)
    beyond = triplane(*asked, "--ranks", "16", "-b", "1M", "-e", "1M").stdout
    assert "all_gather: extrapolated above 8 ranks, from node to beyond" in beyond
    machine = MachineSpec("h100", "mine.toml")
    assert MachineSpec.from_text(machine.to_text()).build().software.name.startswith("mine.toml")


def test_rows_say_themselves_what_is_held_out() -> None:
    text = rows().replace(",mode\n", ",mode,use\n")
    lines = [
        line.rstrip("\n") + (",validate\n" if at % 6 == 5 else ",calibrate\n")
        for at, line in enumerate(text.splitlines(keepends=True)[1:])
    ]
    Path("mine.csv").write_text(BARE[0].replace("\n", ",use\n") + "".join(lines), "utf-8")
    calibrated("--like", "none")
    held_out = [row.size for row in own_errors("mine.toml") if row.use == "validate"]
    assert held_out == [SIZES[-1]] * 3


@pytest.mark.parametrize("count", range(1, 12))
def test_enough_rows_are_left_to_fit_to(count: int) -> None:
    from bench.measured.setting import Setting

    made = [Setting("h100", ranks=4).row("f", at, 3.0, op="all_reduce", size=1 << at)
            for at in range(1, count + 1)]  # fmt: skip
    if count < LEAST:
        with pytest.raises(MeasuredError, match=f"{count} row.* at least 3 .* and large sizes"):
            by_operation(made, 0.2)
        return
    (one,) = by_operation(made, 0.2)
    assert len(one.fitted) >= LEAST
    assert len(one.held_out) == {3: 0, 4: 1}.get(count, max(1, round(0.2 * count)))
    assert {made[0].id, made[-1].id} <= {row.id for row in one.fitted}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "mine"], "--name goes with --rows FILE"),
        (["--rows", "mine.csv"], "--rows needs --name NAME"),
        (["--rows", "mine.csv", "--name", "a,b"], "without .toml and commas"),
        (["--rows", "mine.csv", "--name", "x", "--write"], "do not go with --targets"),
        (["--rows", "mine.csv", "--name", "no/x"], "there is no folder 'no'"),
        (["--rows", "mine.csv", "--name", "x", "--like", "ncc"], "no stack 'ncc' to be like"),
        (["--rows", "mine.csv", "--name", "x", "--system", "h1000"], "no system 'h1000'"),
        (["--rows", "mine.csv", "--name", "x", "--system", "h100", "--like", "cann-ep"],
         "cann-ep has no constants for all_gather: it has combine, dispatch"),
    ],
)  # fmt: skip
def test_wrong_questions_are_refused(words: list[str], said: str) -> None:
    Path("mine.csv").write_text("".join(rows().splitlines(keepends=True)[:9]), "utf-8")
    found = triplane("bench", "calibrate", *words)
    assert found.exit_code == 2
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def test_rows_that_the_machine_cannot_have_measured_are_named() -> None:
    Path("mine.csv").write_text(BARE[0] + "all_gather,300,1K,5,us,ring\n" * 4, "utf-8")
    found = triplane("bench", "calibrate", "--rows", "mine.csv", "--name", "x", "--system",
                     "dgx_h800:2")  # fmt: skip
    assert "mine.csv:2: 300 ranks do not fit on" in found.stderr


def test_rows_that_beat_the_links_of_the_machine_are_named() -> None:
    """5/6 of 600 MB at 196 GB/s take 2551 us, and each of the 5 steps 1 us of latency more."""
    sizes = {60_000: 30.0, 600_000: 31.0, 6_000_000: 44.0, 60_000_000: 120.0, 600_000_000: 900.0}
    lines = [f"all_gather,6,{size},{time},us,ring\n" for size, time in sizes.items()]
    Path("mine.csv").write_text(BARE[0] + "".join(lines), "utf-8")
    found = triplane(
        "bench", "calibrate", "--rows", "mine.csv", "--name", "x", "--system", "star:6"
    )
    assert found.exit_code == 2
    wire = 600e6 * 5 / 6 / 196e9 * 1e6 + 5
    said = re.search(
        r"mine.csv:6 took 900 us, for which .* star:6 alone take (\S+) us", found.stderr
    )
    assert said
    assert float(said[1]) == pytest.approx(wire, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'is no software stack: it has no line format = "triplane-stack 1"'),
        ('format = "triplane-stack 1"\n', "has no constants: neither costs nor constants_of"),
        ('format = "triplane-stack 1"\nfree = []\n', "no key 'free'; there are format, source"),
        ('format = "triplane-stack 1"\nconstants_of = "ncl"\n', "constants_of is 'ncl'.*near it"),
        ('format = "triplane-stack 1"\n[costs.x]\nlaunch = 3\n', "no constant 'launch'"),
        ('format = "triplane-stack 1"\n[costs.x]\nlaunch_us = -3\n', "t.toml: launch is -3e-06"),
        ('format = "triplane-stack 1"\n[costs.x]\nlaunch_us = "3"\n', "has to be a number"),
        ('format = "triplane-stack 1"\nplanes = [3]\n[costs.x]\n', "planes has to be lists of"),
        ('format = "triplane-stack 1"\nrows = 3\n[costs.x]\n', "rows is 3; it has to be tables"),
        ('format = "triplane-stack 1"\n[costs\n', "t.toml: not TOML: line 2, column 7"),
    ],
)
def test_wrong_stacks_are_named(text: str, said: str) -> None:
    Path("t.toml").write_text(text, "utf-8")
    with pytest.raises(EndpointError, match=said):
        preset("t.toml")


def test_rows_of_a_stack_are_checked_when_they_are_asked_for() -> None:
    Path("t.toml").write_text(TRUTH + "[[rows]]\nsize = 1.5\n", "utf-8")
    with pytest.raises(EndpointError, match=r"t.toml: rows\[0\]: size is 1.5; it cannot be"):
        own_errors("t.toml")


def test_a_stack_is_read_again_when_it_has_changed() -> None:
    assert preset("truth.toml").costs("all_gather") == Costs(
        launch=7 * US, latency=1.5 * US, efficiency={"nvlink": 0.6}
    )
    Path("truth.toml").write_text(TRUTH.replace("= 7", "= 71"), "utf-8")
    assert preset("truth.toml").costs("all_gather").launch == 71 * US
    with pytest.raises(EndpointError, match=r"no software 'no.toml': No such file"):
        preset("no.toml")


def test_a_stack_written_by_hand_is_joined_with_others() -> None:
    Path("slow.toml").write_text(
        'format = "triplane-stack 1"\nconstants_of = "cann-ep"\nwhy = "of this test"\n'
        "[costs.dispatch]\nlaunch_us = 99\ninitiator_bandwidth_GBps = 50\n", "utf-8",
    )  # fmt: skip
    software = Fabric(system("cloudmatrix384"), endpoint="slow.toml,hccl").software
    assert software.costs("dispatch").launch == 99 * US
    assert software.costs("dispatch").initiator_bandwidth == 50 * GB
    assert software.costs("combine") == preset("cann-ep").costs("combine")
    assert software.stack("all_reduce") == "hccl"
