"""`MachineSpec`: one value of everything about a machine, in Python, JSON and answers."""

import json
import math
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bench.cli import main
from bench.collectives import measure, real_ranks
from bench.options import Flags
from collectives import init
from collectives.algorithms.alltoall import pairwise
from fabric.classes.table import TrafficClass
from fabric.failure import WorldError
from fabric.launching.agreement import compare, description
from fabric.launching.current import member
from fabric.launching.launch import launch
from fabric.machine import MachineError, MachineSpec, MachineWarning
from fabric.settings import Settings
from fabric.timeline.value import Timeline
from topology import TopologyError, TriplaneError
from topology.presets.nvidia import dgx_h800

NAMES = st.text("abcxyz.*:-_/é 0123456789", min_size=1, max_size=12)
OPTIONS = st.dictionaries(
    NAMES,
    st.none() | st.booleans() | NAMES | st.integers(-(2**63), 2**63 - 1) | st.floats(
        allow_nan=False, allow_infinity=False
    ),
    max_size=3,
)  # fmt: skip
CLASSES = st.builds(
    TrafficClass, name=NAMES, number=st.integers(1, 65535), priority=st.integers(-128, 127),
    weight=st.floats(1e-6, 1e6), rate_limit=st.just(math.inf) | st.floats(1e-300, 1e300),
).filter(lambda one: one.name != "default")  # fmt: skip
SPECS = st.builds(
    MachineSpec,
    system=NAMES,
    software=st.none() | NAMES,
    engine=NAMES,
    engine_options=OPTIONS,
    routing=NAMES,
    planes=st.none() | st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    placement=st.none() | NAMES | st.lists(st.integers(0, 9999), max_size=5).map(tuple),
    without=st.lists(NAMES, max_size=3).map(tuple),
    classes=st.lists(CLASSES, max_size=3, unique_by=(lambda c: c.name, lambda c: c.number)).map(
        tuple
    ),
    tolerance=st.none() | st.floats(0, 1),
    seed=st.none() | st.integers(0, 2**63 - 1),
    system_options=OPTIONS,
)

ODD = MachineSpec(
    "supernode:16", "raw", routing="hash", planes=("rdma",), placement=(9, 4, 0, 17, 30),
    without=("rdma.leaf0",), tolerance=0.0, classes=(TrafficClass("kv", 1, -1, 2.0, 25e9, ("x",)),),
)  # fmt: skip
"""A machine that differs from the default in every field that the flow engine has."""


@given(SPECS)
def test_a_machine_comes_back_from_json_from_text_and_from_another_process(
    spec: MachineSpec,
) -> None:
    plain = json.loads(json.dumps(spec.to_json()))
    assert MachineSpec.from_json(plain) == spec
    assert MachineSpec.from_json(spec.to_short_json()) == spec
    assert MachineSpec.from_text(spec.to_text()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(MachineSpec.from_json(plain)) == hash(spec)


@given(spec=SPECS)
def test_a_machine_comes_back_from_its_file(
    tmp_path_factory: pytest.TempPathFactory, spec: MachineSpec
) -> None:
    path = tmp_path_factory.getbasetemp() / "machine.json"
    spec.save(path)
    assert MachineSpec.load(path) == spec
    assert MachineSpec.from_text(str(path)) == spec


def test_what_a_person_leaves_out_has_its_default() -> None:
    assert MachineSpec.from_json({}) == MachineSpec()
    assert MachineSpec.from_text('{"system": "star:8"}') == MachineSpec("star:8")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"sofware": "raw"}, "no key 'sofware'; there are format, system, .*near it: software"),
        ({"system": 8}, "system is 8; it has to be a text$"),
        ({"software": ["raw"]}, "software is .*raw.*; it has to be a text or null$"),
        ({"planes": "ub"}, "planes is 'ub'; it has to be a list or null$"),
        ({"planes": ["ub", 3]}, r"planes\[1\] is 3"),
        ({"placement": [0, -1]}, r"placement\[1\] is -1"),
        ({"placement": {}}, "placement is .*; it has to be a text or a list or null"),
        ({"without": "node1"}, "without is 'node1'; it has to be a list$"),
        ({"tolerance": "0.1"}, "tolerance is '0.1'; it has to be a number or null"),
        ({"seed": True}, "seed is true; it has to be an integer or null"),
        ({"seed": -1}, "seed is -1"),
        ({"engine_options": {"a": [1]}}, "engine_options.*'a'.*it has to be a text, a finite"),
        ({"classes": [{"name": "kv"}]}, r"classes\[0\]: key 'number' is missing"),
        ({"classes": {"kv": 1}}, "classes is .*; it has to be a list"),
        ({"classes": [{"name": "kv", "number": 1, "wait": 2}]}, "no key 'wait'; .*near it: weight"),
        ({"classes": [{"name": "kv", "number": 1, "rate_limit": 9}]}, "9 is no bandwidth"),
        ({"classes": [{"name": n, "number": 1} for n in "ab"]}, "classes have the number 1"),
        ({"faults": ["l2.0"]}, r"faults\[0\] is 'l2.0'; it has to be a table of what, kind"),
        ({"format": 2}, "format is 2; known is 1"),
        ({"format": "1"}, "format is '1'; it has to be an integer"),
        ([], "a machine is an object with keys, not"),
    ],
)  # fmt: skip
def test_json_is_refused_by_key_and_value(values: Any, why: str) -> None:
    with pytest.raises(TriplaneError, match=why) as caught:
        MachineSpec.from_json(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"system": "star:8", "system": "star:9"}', "the key 'system' comes twice"),
        ('{"tolerance": NaN}', "NaN is no number"),
        ("{", "is no JSON"),
        ('{"seed": -1}', "seed is -1"),
        ('[{"op": "dispatch"}]', "an answer without a machine"),
        ('[{"machine": {"seed": 1}}, {"machine": {"seed": 2}}]', "an answer of 2 machines"),
        ("[]", "an object with keys"),
        ('{"traceEvents": [], "otherData": 5}', "an answer without a machine"),
    ],
)  # fmt: skip
def test_a_file_is_refused_by_its_name_and_fault(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(text)
    with pytest.raises(MachineError, match=why) as caught:
        MachineSpec.load(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(MachineError, match=r"gone\.json cannot be read"):
        MachineSpec.load(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"system": "cloudmatrix38"}, "no system 'cloudmatrix38'"),
        ({"software": "can-ep"}, "can-ep"),
        ({"engine": "packets"}, "no engine 'packets'; there are flow"),
        ({"routing": "sprey"}, "'sprey'; there are spray"),
        ({"planes": ("ubb",)}, "ubb"),
        ({"without": ("node99",)}, "node99"),
        ({"placement": (0, 99)}, "rank 1 is placed on endpoint 99, outside 0..7"),
        ({"placement": "gone.json"}, "gone.json"),
        ({"tolerance": 1.5}, "1.5"),
        ({"engine_options": {"mtu": 4096}}, "mtu"),
        ({"seed": 3}, "seed"),
        ({"system_options": {"rdma": "ib"}}, "system 'star:8' has no option 'rdma'; it has"),
        ({"system": "x.toml", "system_options": {"rdma": "ib"}}, "no option 'rdma'; it has none"),
        ({"system": "h800", "system_options": {"rmda": "ib"}}, "near it: rdma"),
        ({"system": "h800", "system_options": {"rdma": "x"}}, "rdma is 'x', not one of roce, ib"),
        ({"system": "h800", "system_options": {"spines": "a"}}, "system_options of 'h800'"),
    ],
)  # fmt: skip
def test_names_that_do_not_exist_are_refused_when_it_is_built(
    changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(TriplaneError, match=why):
        MachineSpec(**{"system": "star:8", **changed}).build()


def test_a_preset_takes_the_options_of_its_system() -> None:
    spec = MachineSpec("h800:4", system_options={"rdma": "ib"})
    assert spec.build().topology.equals(dgx_h800(4, rdma="ib"))
    assert spec.changed(routing="hash").system_options == {"rdma": "ib"}
    assert spec.changed(system="h800:4") == spec
    assert spec.changed(system="h100:4") == MachineSpec("h100:4")


def test_another_system_of_the_environment_has_no_options_of_the_first() -> None:
    spec = MachineSpec("h800:4", system_options={"rdma": "ib"})
    given = {"TRIPLANE_MACHINE": spec.to_text(), "TRIPLANE_SYSTEM": "star:2"}
    assert Settings.from_environment(given).machine == MachineSpec("star:2")


STAR = """
name = "mine"
planes = ["package", "ub"]
endpoints = [{ kind = "npu", names = ["a", "b"] }]

[[links]]
plane = "ub"
from = "a"
to = "b"
bandwidth = "1 GB/s"
latency = "1 us"
both = true
"""


def test_a_file_that_names_no_family_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STAR)
    with pytest.warns(MachineWarning, match=r"mine\.toml does not say .*\(cloudmatrix, "):
        fabric = MachineSpec(str(path)).build()
    assert fabric.software.name == "raw"
    MachineSpec(str(path), "raw").build()  # a warning would be an error
    path.write_text(STAR + '[provenance]\nfamily = "cloudmatrix"\n')
    assert MachineSpec(str(path)).build().software.stack("dispatch") == "cann-ep"
    MachineSpec("star:2").build()  # what a preset made has said so


@pytest.mark.filterwarnings("default")
def test_the_command_line_warns_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(STAR)
    said = ["bench", "all_reduce", "--ranks", "2", "-b", "64", "-e", "64", "--system", str(path)]
    shown = CliRunner().invoke(main, said)
    assert shown.exit_code == 0, shown.output
    (line,) = shown.stderr.splitlines()
    assert line.startswith(f"triplane: warning: {path} does not say of which family")


def test_the_fabric_is_what_was_described() -> None:
    fabric = ODD.build()
    assert fabric.spec == ODD
    assert fabric.router.policy == "hash"
    assert fabric.router.planes == ("rdma",)
    assert fabric.tolerance == 0.0
    assert fabric.topology.removed == ("rdma.leaf0",)
    whole = MachineSpec("supernode:16").build().topology
    names = [whole.vertex_names[at] for at in (9, 4, 0, 17, 30)]
    assert [fabric.topology.vertex_names[at] for at in fabric.places] == names
    assert pickle.loads(pickle.dumps(fabric)).spec == ODD


def test_a_timeline_holds_its_machine_and_gives_it_back(tmp_path: Path) -> None:
    spec = MachineSpec("star:8", "raw", without=("host3",))
    timeline = spec.build().simulate(pairwise(4, 1 << 16))
    path, trace = tmp_path / "t.npz", tmp_path / "t.json"
    timeline.save(path)
    timeline.to_perfetto(trace)
    again = Timeline.load(path)
    assert timeline.machine == again.machine == spec.to_json()
    assert MachineSpec.load(path) == MachineSpec.load(trace) == spec
    rerun = MachineSpec.load(path).build().simulate(pairwise(4, 1 << 16))
    np.testing.assert_array_equal(rerun.finish, timeline.finish)


def test_a_placement_on_what_is_taken_out_is_refused() -> None:
    with pytest.raises(TopologyError, match="host3"):
        MachineSpec("star:8", placement=(0, 3), without=("host3",)).build()


TRIPLANE = str(Path(sys.executable).parent / "triplane")
SMALL = ("--ranks", "4", "-b", "64K", "-e", "64K", "--algorithm", "ring")
SAYS = (
    "--system", "supernode:16", "--software", "raw", "--engine", "flow", "--routing", "hash",
    "--planes", "ub,rdma", "--without", "l2.3", "--rank-table", "9, 4,0,17",
)  # fmt: skip
SAID = MachineSpec(
    "supernode:16", "raw", routing="hash", planes=("ub", "rdma"), without=("l2.3",),
    placement=(9, 4, 0, 17),
)  # fmt: skip
"""What `SAYS` says."""


def answer(*arguments: str) -> Any:
    shown = CliRunner().invoke(main, ["bench", *arguments, "--format", "json"])
    assert shown.exit_code == 0, shown.output
    rows = json.loads(shown.stdout)
    return [{k: v for k, v in row.items() if not k.startswith(("host_", "wall"))} for row in rows]


@pytest.mark.parametrize(
    "arguments", [("all_reduce", *SMALL), ("moe", "--ep", "4", "--tokens", "4"), ("paced",)]
)
def test_an_answer_holds_the_machine_with_which_it_comes_again(
    arguments: tuple[str, ...], tmp_path: Path
) -> None:
    kept = tmp_path / "answer.json"
    if arguments[0] == "paced":  # late or not: the emulated time of a transfer is the same
        arguments = ("paced", "--transfers", "1", "--size", "4K", "--transport", "inproc")
    rows = answer(*arguments, *SAYS)
    assert [MachineSpec.from_json(row["machine"]) for row in rows] == [SAID] * len(rows)
    assert [list(row)[-1] for row in rows] == ["machine"] * len(rows)
    kept.write_text(json.dumps(rows))
    again = answer(*arguments, "--machine", str(kept))
    late = ("early", "late_")
    for one, other in zip(rows, again, strict=True):
        for key in one.keys() | other.keys():
            assert one[key] == other[key] or key.startswith(late), key


def test_single_options_override_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    SAID.save(file)
    (row,) = answer(
        "all_reduce", *SMALL, "--machine", str(file), "--routing", "spray", "--without", "l2.1",
        "--without", "l2.2", "--placement", "1,2,3,4",
    )  # fmt: skip
    changed = replace(SAID, routing="spray", without=("l2.1", "l2.2"), placement=(1, 2, 3, 4))
    assert MachineSpec.from_json(row["machine"]) == changed
    assert (row["system"], row["routing"]) == ("supernode:16", "spray")


def test_the_report_of_nccl_tests_holds_the_machine_as_a_variable(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    shown = CliRunner().invoke(main, ["bench", "all_reduce", *SMALL, *SAYS, "-J", str(report)])
    assert shown.exit_code == 0, shown.output
    assert MachineSpec.load(report) == SAID


def test_other_files_are_refused_in_one_line_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    file.write_text('{"sistem": "star:8"}')
    shown = CliRunner().invoke(main, ["bench", "all_reduce", "--machine", str(file)])
    assert shown.exit_code == 2
    assert "m.json: a machine has no key 'sistem'; there are" in shown.output
    assert "near it: system" in shown.output


LOOKED_AT = MachineSpec(
    "supernode:16", "raw", routing="hash", planes=("rdma", "ub"), without=("l2.3",),
    placement=(0, 23, 5),
)  # fmt: skip
"""What commands see that only look at the machine."""


def looked(command: str, *arguments: str) -> str:
    """What ``triplane COMMAND`` prints; the run of it must succeed."""
    shown = CliRunner().invoke(main, [*command.split(), *arguments])
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def test_a_machine_is_shown_with_its_planes_faults_and_ranks(tmp_path: Path) -> None:
    file, answer = tmp_path / "m.json", tmp_path / "answer.json"
    LOOKED_AT.save(file)
    lines = looked("topo show --machine", str(file)).splitlines()
    assert "  without    l2.3" in lines
    assert "  placed     3 ranks on 3 endpoints of 2 nodes" in lines
    rows = json.loads(looked("topo show --format json --machine", str(file)))
    assert [row["plane"] for row in rows] == ["rdma", "ub"]
    assert {MachineSpec.from_json(row["machine"]) for row in rows} == {LOOKED_AT}
    answer.write_text(json.dumps(rows))
    again = json.loads(looked("topo show --format json --machine", str(answer)))
    assert again == rows
    alone = json.loads(looked("topo show supernode:16 --without l2.3 --format json"))
    by_plane = {row["plane"]: row for row in alone}
    for row in rows:
        assert {**row, "machine": None} == {**by_plane[row["plane"]], "machine": None}


def test_a_system_and_parts_override_the_machine_that_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    MachineSpec("supernode:16", without=("l2.3",)).save(file)
    for command in ("topo show", "topo export"):
        assert looked(f"{command} star:3 --without host1 --machine", str(file)) == looked(
            f"{command} star:3 --without host1"
        ).replace('"l2.3"', "")
        assert looked(f"{command} --machine", str(file)) == looked(
            f"{command} supernode:16 --without l2.3"
        )


def test_a_machine_is_drawn_with_its_ranks_standing_out(tmp_path: Path) -> None:
    file, ours, theirs = tmp_path / "m.json", tmp_path / "ours.svg", tmp_path / "theirs.svg"
    LOOKED_AT.save(file)
    names = LOOKED_AT.topology().vertex_names
    at = [word for place in (0, 23, 5) for word in ("--highlight", names[place])]
    looked("topo draw --machine", str(file), "-o", str(ours))
    looked(
        "topo draw supernode:16 --plane rdma --plane ub --without l2.3", *at, "-o", str(theirs)
    )  # fmt: skip
    assert ours.read_text() == theirs.read_text()


def test_the_page_of_a_machine_shows_what_it_takes_out(tmp_path: Path) -> None:
    file, ours, theirs = tmp_path / "m.json", tmp_path / "ours.html", tmp_path / "theirs.html"
    LOOKED_AT.save(file)
    looked("view --machine", str(file), "-o", str(ours))
    looked("view supernode:16 --without l2.3 -o", str(theirs))
    assert ours.read_text() == theirs.read_text()


def test_a_timeline_takes_no_other_machine(tmp_path: Path) -> None:
    file, timeline = tmp_path / "m.json", tmp_path / "t.npz"
    LOOKED_AT.save(file)
    MachineSpec("star:2").build().simulate([]).save(timeline)
    said = ["view", str(timeline), "--machine", str(file), "-o", str(tmp_path / "x.html")]
    shown = CliRunner().invoke(main, said)
    assert shown.exit_code == 2
    assert "what it ran on cannot be changed any more" in shown.output


@pytest.mark.parametrize("command", ["topo show", "topo draw -o x.svg", "topo export", "view -o x"])
def test_a_system_or_a_machine_is_needed(command: str) -> None:
    shown = CliRunner().invoke(main, command.split())
    assert shown.exit_code == 2
    assert "Missing argument 'SYSTEM" in shown.output


def test_ranks_on_what_is_taken_out_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    MachineSpec("star:3", placement=(0, 1), without=("host1",)).save(file)
    for command in ("topo show", "topo draw -o x.svg"):
        shown = CliRunner().invoke(main, [*command.split(), "--machine", str(file)])
        assert shown.exit_code == 2
        assert "host1" in shown.output


APART = MachineSpec("supernode:32", "raw", placement=(0, 23, 45, 61))
"""Ranks in four nodes, so that each of a machine's properties sets their time."""


@pytest.mark.parametrize(
    ("transport", "changed"),
    [
        ("inproc", {"routing": "hash"}), ("inproc", {"planes": ("rdma",)}),
        ("inproc", {"without": ("node1.l1.[0-5]",)}), ("inproc", {"placement": (0, 1, 2, 3)}),
        ("inproc", {"software": "hccl"}),
        ("zmq", {"routing": "hash", "without": ("l2.3",)}),
        ("mpi", {"routing": "hash", "without": ("l2.3",)}),
    ],
    ids=str,
)  # fmt: skip
def test_real_ranks_take_the_simulations_time_of_any_machine(
    transport: str, changed: dict[str, Any]
) -> None:
    spec = replace(APART, **changed)
    flags = Flags(ranks=4, minbytes=1 << 16, maxbytes=1 << 16, iters=1, warmup_iters=0)

    def prepared(machine: MachineSpec, over: str) -> measure.Benchmark:
        return measure.prepare("all_to_all", flags, machine, environment={}, transport=over)

    (row,) = real_ranks.sweep(prepared(spec, transport))
    (simulated,) = measure.sweep(prepared(spec, "sim"))
    (other,) = measure.sweep(prepared(APART, "sim"))
    assert row.time == pytest.approx(simulated.time, rel=1e-6)
    assert row.time != pytest.approx(other.time, rel=1e-3)


def machine_of_a_rank() -> MachineSpec | None:
    with init() as comm:
        comm.barrier()
        return member().settings.machine


@pytest.mark.parametrize("transport", ["inproc", "zmq", "mpi"])
def test_every_rank_knows_the_whole_machine(transport: str) -> None:
    assert launch(machine_of_a_rank, 2, ODD, transport) == [ODD] * 2


def test_launch_takes_the_software_beside_a_machine() -> None:
    found = launch(machine_of_a_rank, 2, SAID, software="hccl")
    assert found == [replace(SAID, software="hccl")] * 2


@given(st.none() | SPECS)
def test_a_machine_survives_the_environment(spec: MachineSpec | None) -> None:
    given = Settings(spec, sync="eager")
    assert Settings.from_environment(given.environment()) == given
    assert Settings.from_json(json.loads(json.dumps(given.as_json()))) == given


def test_variables_of_one_thing_override_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    SAID.save(file)
    env = {"TRIPLANE_MACHINE": str(file), "TRIPLANE_SYSTEM": "supernode:32"}
    found = Settings.from_environment({**env, "TRIPLANE_SOFTWARE": ""}).machine
    assert found == replace(SAID, system="supernode:32", software=None)
    assert Settings.from_environment({**env, "TRIPLANE_SYSTEM": ""}).machine is None
    assert Settings.from_environment({"TRIPLANE_MACHINE": "none"}).machine is None
    assert Settings.from_environment({"TRIPLANE_MACHINE": ""}).machine == MachineSpec()
    with pytest.raises(WorldError, match=r"TRIPLANE_MACHINE: .*gone\.json cannot be read"):
        Settings.from_environment({"TRIPLANE_MACHINE": str(tmp_path / "gone.json")})


def test_ranks_of_two_machines_are_not_of_one_job(tmp_path: Path) -> None:
    file = tmp_path / "m.json"
    SAID.save(file)
    by_file = description({"TRIPLANE_MACHINE": str(file)}, 0, programs=False)
    by_text = description({"TRIPLANE_MACHINE": SAID.to_text()}, 1, programs=False)
    file.unlink()  # on another host there may be none
    compare([by_file, by_text], Settings(SAID))
    other = description({"TRIPLANE_MACHINE": ODD.to_text()}, 1, programs=False)
    with pytest.raises(WorldError, match=r"TRIPLANE_MACHINE is .*rdma\.leaf0.* at rank 1"):
        compare([by_file, other], Settings(SAID))
    lost = description({"TRIPLANE_MACHINE": str(file)}, 1, programs=False)
    with pytest.raises(WorldError, match="cannot be read"):
        compare([by_file, lost], Settings(SAID))


@pytest.mark.parametrize("transport", ["inproc", "zmq", "mpi"])
def test_a_program_runs_on_the_machine_of_a_file(transport: str, tmp_path: Path) -> None:
    file, program = tmp_path / "m.json", tmp_path / "p.py"
    SAID.save(file)
    program.write_text(
        "import numpy as np\nfrom collectives import init\n"
        "with init() as comm:\n    comm.all_to_all(np.zeros(4 << 14, 'u1'), np.ones(4 << 14, 'u1'))"
        "\n    print(f'{comm.now():.9e}\\n', end='')\n"
    )
    shown = subprocess.run(
        [TRIPLANE, "run", "-n", "4", "--transport", transport, "--machine",
         str(file), "--planes", "ub", str(program)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    spec = replace(SAID, planes=("ub",))
    flags = Flags(ranks=4, minbytes=4 << 14, maxbytes=4 << 14)
    (row,) = measure.sweep(measure.prepare("all_to_all", flags, spec, environment={}))
    assert max(map(float, shown.stdout.split())) == pytest.approx(row.time, rel=1e-6)
