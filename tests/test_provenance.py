"""A topology says which preset made it, with what, or which file; every form of it keeps that."""

import pickle
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from fabric import Fabric, Step
from fabric.timeline.value import Timeline
from topology import (
    Node,
    Topology,
    TopologyError,
    cloudmatrix384,
    cluster,
    dgx_h800,
    from_networkx,
    from_toml,
    load,
    save,
    star,
    supernode,
    system,
    to_networkx,
    to_toml,
)
from topology.presets.catalogue import module_of, parameters, short_name, whole_of
from topology.provenance import UNKNOWN, Provenance

MADE: dict[str, tuple[Callable[[], Topology], Provenance]] = {
    "plain": (cloudmatrix384, Provenance("cloudmatrix", "cloudmatrix384")),
    "sized": (lambda: star(np.int64(4)), Provenance("", "star", {"n": 4})),
    "named": (
        lambda: supernode(16, l2_chips=32, name="mine"),
        Provenance("cloudmatrix", "supernode", {"npus": 16, "l2_chips": 32, "name": "mine"}),
    ),
    "wired otherwise": (
        lambda: dgx_h800(2, rdma="ib", oversubscription=2.0),
        Provenance("dgx", "dgx_h800", {"nodes": 2, "rdma": "ib", "oversubscription": 2.0}),
    ),
    "by the catalogue": (
        lambda: system("cloudmatrix192"),
        Provenance("cloudmatrix", "supernode", {"npus": 192, "name": "cloudmatrix192"}),
    ),
    "a cluster": (
        lambda: cluster(2, kind="x"),
        Provenance("", "cluster", {"nodes": 2, "kind": "x"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", MADE)
def test_a_preset_says_what_it_was_given(how: str) -> None:
    make, expected = MADE[how]
    found = make().provenance
    assert found == expected
    assert all(type(value) in (int, str, float) for value in found.arguments.values())


@pytest.mark.parametrize(
    "back",
    [lambda made: from_toml(to_toml(made)), lambda made: from_networkx(to_networkx(made)),
     lambda made: pickle.loads(pickle.dumps(made)), lambda made: made.without("host1")],
    ids=["toml", "networkx", "pickle", "without"],
)  # fmt: skip
def test_every_form_of_a_topology_keeps_its_provenance(
    back: Callable[[Topology], Topology],
) -> None:
    odd = {"text": 'a "b"', "list": [1, 2.5], "on": True, "inside": {"x": 1e-300}}
    made = star(3).made_by(Provenance("kind", "maker", MappingProxyType(odd)))
    assert back(made).provenance == made.provenance


def test_a_timelines_file_keeps_the_provenance(tmp_path: Path) -> None:
    timeline = Fabric(star(3)).simulate([Step([0], [1], 8)])
    timeline.save(tmp_path / "one.npz")
    assert Timeline.load(tmp_path / "one.npz").topology.provenance == star(3).provenance


def test_a_file_that_says_nothing_is_the_provenance_itself(tmp_path: Path) -> None:
    save(star(2).made_by(UNKNOWN), tmp_path / "mine.toml")
    assert load(tmp_path / "mine.toml").provenance == Provenance(file=str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    "make",
    [MADE["plain"][0], MADE["named"][0], MADE["wired otherwise"][0], MADE["by the catalogue"][0],
     lambda: supernode(16, node=Node(cpus=2, uplinks=4))],
)  # fmt: skip
def test_the_whole_of_any_preset_is_made_again(make: Callable[[], Topology]) -> None:
    whole = make()
    found = whole_of(whole.without("node1"))
    assert found is not None
    assert found.equals(whole)


@pytest.mark.parametrize(
    "provenance",
    [UNKNOWN, Provenance(preset="leaf_spine"), Provenance(preset="star", arguments={"m": 3}),
     Provenance(preset="star", arguments={"n": "many"}),
     Provenance(preset="star", arguments={"n": 4}),
     Provenance(preset="supernode", arguments={"npus": 8, "node": {"colour": 1}})],
)  # fmt: skip
def test_what_does_not_make_it_is_no_whole(provenance: Provenance) -> None:
    assert whole_of(star(3).made_by(provenance).without("host1")) is None


BY_HAND = """
name = "mine"
planes = ["net"]
[provenance]
family = "cloudmatrix"
[[endpoints]]
kind = "host"
names = ["a", "b"]
"""


def test_a_file_by_hand_can_state_its_family() -> None:
    made = from_toml(BY_HAND)
    module = module_of(made)
    assert module is not None
    assert module.__name__ == "topology.presets.cloudmatrix"
    assert module_of(made.made_by(Provenance("no such"))) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [('familiy = "x"', "unknown key 'familiy' of provenance; .*near it: family"),
     ("family = 3", "family of provenance is 3, not a text"),
     ("arguments = 3", "arguments of provenance are 3"),
     ("arguments = {x = 2020-01-01}", "arguments of provenance are"),
     ("arguments = {x = [[[[[1]]]]]}", "arguments of provenance are")],
)  # fmt: skip
def test_a_provenance_that_cannot_be_is_refused(line: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        from_toml(BY_HAND.replace('family = "cloudmatrix"', line))


def test_a_graph_with_a_provenance_that_is_no_json_is_refused() -> None:
    graph = to_networkx(star(2))
    graph.graph["provenance"] = "{"
    with pytest.raises(TopologyError, match=r"provenance is '\{', not JSON"):
        from_networkx(graph)


def test_the_catalogue_knows_what_publications_say() -> None:
    assert [short_name(name) for name in ("dgx_h800", "dgx_h100:4", "star:3", "x.toml")] == [
        "h800", "h100:4", "star:3", "x.toml"
    ]  # fmt: skip
    assert "rdma" in parameters("h800:3")
    assert parameters("x.toml") == ()
    assert system("h800:2", rdma="ib").equals(dgx_h800(2, rdma="ib"))
