"""A timeline in a file: the same when it comes back, and a fault in it is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectives.algorithms import allreduce
from fabric import Fabric, Step, Timeline
from fabric.timeline.file import TimelineError
from topology import Topology, fat_tree, ring, star, supernode

SYSTEMS = {
    "star": star(8), "tree": fat_tree(4), "ring": ring(9),
    "hurt": supernode(16).without("node0.l1.3", "node1.l1.2->l2.2.*"),
}  # fmt: skip
COLUMNS = ("src", "dst", "size", "step", "start", "finish", "rank_finish", "places",
           "resource_bytes", "link_bytes", "link_busy")  # fmt: skip
TEXTS = ("labels", "bound", "bottleneck", "software", "operation", "title", "duration", "ranks")


def same(one: Timeline, other: Timeline) -> bool:
    return (
        all(np.array_equal(getattr(one, name), getattr(other, name)) for name in COLUMNS)
        and all(getattr(one, name) == getattr(other, name) for name in TEXTS)
        and one.topology.equals(other.topology)
        and (one.router.policy, one.router.planes) == (other.router.policy, other.router.planes)
    )


@given(
    st.sampled_from(sorted(SYSTEMS)), st.sampled_from(["spray", "hash", "adaptive"]),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 1 << 20)), max_size=30),
    st.text(max_size=20),
)  # fmt: skip
@settings(derandomize=True, deadline=None, max_examples=15)
def test_it_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    where: str,
    policy: str,
    rows: list[tuple[int, int, int]],
    label: str,
) -> None:
    src, dst, size = np.array(rows, np.int64).reshape(-1, 3).T
    fabric = Fabric(SYSTEMS[where], routing=policy, endpoint="raw")
    steps = [Step(src, dst, size, label=label), *allreduce.ring(4, 1000)]
    timeline = fabric.simulate(steps, operation="dispatch")
    path = tmp_path_factory.mktemp("timelines") / "any name"
    timeline.save(path)
    assert same(Timeline.load(path), timeline)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "run.npz"
    steps = [Step([0, 1, 2], [1, 2, 0], [5, 6, 7], label="first"), Step(0, 2, 9)]
    Fabric(star(4)).simulate(steps).save(path)
    return path


def changed(path: Path, **columns: Any) -> Path:
    """The same file with some arrays other, or for None away."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files} | columns
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def about(path: Path, **values: object) -> np.ndarray[Any, Any]:
    with np.load(path) as file:
        texts = json.loads(file["about"].tobytes())
    return np.frombuffer(json.dumps(texts | values).encode(), np.uint8)


def test_numpy_alone_reads_it(saved: Path) -> None:
    timeline = Timeline.load(saved)
    with np.load(saved, allow_pickle=False) as file:
        np.testing.assert_array_equal(file["link_bytes"], timeline.link_bytes)
        np.testing.assert_array_equal(file["link_busy"], timeline.link_busy)
        assert file["size"].tolist() == [5, 6, 7, 9]
        assert 'name = "star(4)"' in file["topology"].tobytes().decode()
        assert json.loads(file["about"].tobytes())["labels"] == ["first", ""]


def test_it_is_traced_and_drawn_as_before(saved: Path, tmp_path: Path) -> None:
    timeline = Timeline.load(saved)
    timeline.to_perfetto(tmp_path / "a.json")
    steps = [Step([0, 1, 2], [1, 2, 0], [5, 6, 7], label="first"), Step(0, 2, 9)]
    Fabric(star(4)).simulate(steps).to_perfetto(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"dst": None}, "it has no array 'dst'"),
        ({"src": np.zeros(3, np.int64)}, "dst has 4 rows, src has 3"),
        ({"src": np.array([0, 1, 2, 3])}, "src has a value outside 0..2"),
        ({"src": np.zeros(4)}, r"src is float64\[4\], not int64"),
        ({"size": np.zeros((2, 2), np.int64)}, r"size is int64\[2, 2\]"),
        ({"finish": np.array([1.0, np.nan, 1, 1])}, "finish has a value that is negative or no"),
        ({"size": np.array([1, 1, -1, 1])}, "size has a value that is negative"),
        ({"places": np.zeros(1, np.int32)}, "3 ranks on 1 places"),
        ({"places": np.array([0, 1, 9], np.int32)}, "places has a value outside 0..3"),
        ({"resource_bytes": np.zeros(2)}, "resource_bytes has 2 rows; .* 8 resources"),
        ({"topology": np.zeros(3, np.uint8)}, "not TOML"),
        ({"about": np.frombuffer(b"[1]", np.uint8)}, "is no timeline file"),
        ({"about": np.frombuffer(b"{", np.uint8)}, "is no timeline file"),
        ({"about": np.frombuffer(b"{}", np.uint8)}, "is no timeline file: 'format'"),
    ],
)
def test_a_fault_is_named(saved: Path, columns: dict[str, Any], fault: str) -> None:
    with pytest.raises(TimelineError, match=fault) as error:
        Timeline.load(changed(saved, **columns))
    assert str(saved) in str(error.value)


def test_other_faults_of_the_text(saved: Path) -> None:
    for values, fault in [
        ({"format": 9}, "its format is 9; known is 1"),
        ({"routing": "best"}, "no routing policy 'best'"),
        ({"planes": ["ub"]}, "has no plane 'ub'"),
        ({"labels": ["one"]}, "step has a value outside 0..0"),
    ]:
        with pytest.raises(TimelineError, match=fault):
            Timeline.load(changed(saved, about=about(saved, **values)))
        changed(saved, about=about(saved, format=1, routing="spray", planes=["net"],
                                   labels=["first", ""]))  # fmt: skip
    assert Timeline.load(saved).duration > 0


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TimelineError, match=r"none\.npz cannot be read: No such file"):
        Timeline.load(tmp_path / "none.npz")
    for name, content in [("text", b"hello"), ("empty", b""), ("zip", b"PK\x03\x04rest")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TimelineError, match=f"{name} is no timeline file"):
            Timeline.load(tmp_path / name)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(TimelineError, match="it is a numpy array"):
        Timeline.load(tmp_path / "one.npy")
    np.savez(tmp_path / "pickled.npz", src=np.array([object()], object), allow_pickle=True)
    with pytest.raises(TimelineError, match=r"pickled.npz is no timeline file"):
        Timeline.load(tmp_path / "pickled.npz")


def test_a_label_may_be_anything(tmp_path: Path) -> None:
    name = 'x"</script>\u2028\u202e' + "long" * 100_000
    odd: Topology = SYSTEMS["star"]
    timeline = Fabric(odd).simulate([Step(0, 1, 1, label=name)])
    timeline.save(tmp_path / "t")
    assert Timeline.load(tmp_path / "t").labels == (name,)
