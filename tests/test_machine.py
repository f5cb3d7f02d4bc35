"""`MachineSpec`: one value of everything about a machine, in Python, JSON and answers."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectives.algorithms.alltoall import pairwise
from fabric.machine import MachineError, MachineSpec
from fabric.timeline.value import Timeline
from topology import TopologyError, TriplaneError

NAMES = st.text("abcxyz.*:-_/é 0123456789", min_size=1, max_size=12)
OPTIONS = st.dictionaries(
    NAMES,
    st.none() | st.booleans() | NAMES | st.integers(-(2**63), 2**63 - 1) | st.floats(
        allow_nan=False, allow_infinity=False
    ),
    max_size=3,
)  # fmt: skip
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
    tolerance=st.none() | st.floats(0, 1),
    seed=st.none() | st.integers(0, 2**63 - 1),
)

ODD = MachineSpec(
    "supernode:16", "raw", routing="hash", planes=("rdma",), placement=(9, 4, 0, 17, 30),
    without=("rdma.leaf0",), tolerance=0.0,
)  # fmt: skip
"""A machine that differs from the default in every field that the flow engine has."""


@given(SPECS)
def test_a_machine_comes_back_from_json_from_text_and_from_another_process(
    spec: MachineSpec,
) -> None:
    plain = json.loads(json.dumps(spec.to_json()))
    assert MachineSpec.from_json(plain) == spec
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
        ({"classes": [{"name": "kv"}]}, "classes has .*no engine has traffic classes yet"),
        ({"faults": ["l2.0"]}, "faults has .*no engine has faults in time yet"),
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
    ],
)  # fmt: skip
def test_names_that_do_not_exist_are_refused_when_it_is_built(
    changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(TriplaneError, match=why):
        MachineSpec(**{"system": "star:8", **changed}).build()


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
    assert timeline.machine == again.machine == spec
    assert MachineSpec.load(path) == MachineSpec.load(trace) == spec
    rerun = MachineSpec.load(path).build().simulate(pairwise(4, 1 << 16))
    np.testing.assert_array_equal(rerun.finish, timeline.finish)


def test_a_placement_on_what_is_taken_out_is_refused() -> None:
    with pytest.raises(TopologyError, match="host3"):
        MachineSpec("star:8", placement=(0, 3), without=("host3",)).build()
