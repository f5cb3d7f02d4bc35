import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from topology import (
    NOWHERE,
    Topology,
    TopologyError,
    cloudmatrix384,
    dgx_h800,
    fat_tree,
    from_networkx,
    from_toml,
    load,
    ring,
    save,
    star,
    supernode,
    system,
    to_networkx,
    to_toml,
)
from topology.units import GB, US, Gbit

ROOT = Path(__file__).parents[1]

BY_HAND = """
name = "my star"
planes = ["net"]

[[endpoints]]
kind = "host"
names = ["a", "b", "c"]
node = [0, 1, 2]

[[switches]]
kind = "switch"
names = "hub"

[[links]]
plane = "net"
from = ["a", "b", "c"]
to = "hub"
bandwidth = "400 Gbit/s"
latency = "1.2 us"
both = true
back_latency = "0 ns"
count = 2
"""

AWKWARD = "ab.0\"'\\\x00\x7f\n\r\t #=[]<-é字🙂\u2028"
NAMES = st.text(AWKWARD, min_size=1, max_size=4)
RATES = st.sampled_from([28 * GB, 160 * GB / 7, 400 * Gbit, np.inf]) | st.floats(1e-3, 1e15)
TIMES = st.sampled_from([0.0, 187.5e-9, 3.6 * US]) | st.floats(0, 10)


def ids(rows: int) -> st.SearchStrategy[list[int] | None]:
    """The ids of so many rows: none given, or any that go up."""
    any_ids = st.integers(0, 20) | st.integers(0, (1 << 62) - 1)
    return st.none() | st.lists(any_ids, min_size=rows, max_size=rows, unique=True).map(sorted)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Any sound topology, of at most eight vertices and twelve links."""
    names = draw(st.lists(NAMES, min_size=2, max_size=8, unique=True))
    size = len(names)
    planes = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    endpoints = draw(st.integers(1, size))
    able = [0] * endpoints + [draw(st.integers(0, 3)) for _ in range(size - endpoints)]
    place = st.lists(st.integers(NOWHERE, 3), min_size=size, max_size=size)
    vertex = st.integers(0, size - 1)
    link = st.tuples(vertex, vertex, st.integers(0, len(planes) - 1), RATES, TIMES)
    links = draw(st.lists(link.filter(lambda row: row[0] != row[1]), max_size=12))
    if draw(st.booleans()):  # the shapes that the writer shortens: parallel, and both ways
        links = [row for row in links for _ in range(2)]
        links += [(b, a, *rest) for a, b, *rest in links]
    columns = [np.array(column) for column in zip(*links, strict=True)] or [np.array([])] * 5
    return Topology(
        draw(NAMES), tuple(names), tuple(draw(st.lists(NAMES, min_size=size, max_size=size))),
        endpoints, np.array(draw(place)), np.array(draw(place)), tuple(planes),
        *columns, removed=tuple(draw(st.lists(st.text(AWKWARD, max_size=5), max_size=2))),
        rack=np.array(draw(place)), supernode=np.array(draw(place)),
        vertex_id=draw(ids(size)), link_id=draw(ids(len(links))), in_switch=np.array(able),
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(topologies())
def test_toml_gives_every_column_back(made: Topology) -> None:
    assert from_toml(to_toml(made)).equals(made)


@settings(max_examples=50, deadline=None)
@given(topologies())
def test_networkx_gives_every_column_back(made: Topology) -> None:
    assert from_networkx(to_networkx(made)).equals(made)


@pytest.mark.parametrize(
    "made",
    [star(1), ring(5), fat_tree(4), supernode(16), dgx_h800(3), cloudmatrix384(),
     supernode(32).without("l2.3.1", "node0.l1.2->l2.2.0", "node1.die3")],
    ids=lambda made: made.name,
)  # fmt: skip
def test_a_file_gives_every_column_back(made: Topology, tmp_path: Path) -> None:
    save(made, tmp_path / "system.toml")
    assert load(tmp_path / "system.toml").equals(made)
    assert system(str(tmp_path / "system.toml")).equals(made)
    assert system(tmp_path / "system.toml").equals(made)


def test_a_file_by_hand() -> None:
    made = from_toml(BY_HAND)
    assert made.name == "my star"
    assert made.n_links == 12
    assert made.link_name(0) == made.link_name(1) == "a->hub (net)"
    assert made.link_name(6) == "hub->a (net)"
    assert set(made.link_bandwidth) == {50 * GB}
    assert made.link_latency.tolist() == [1.2 * US] * 6 + [0] * 6
    assert made.node.tolist() == [0, 1, 2, NOWHERE]


def test_a_file_reads_like_the_data_sheet() -> None:
    text = to_toml(cloudmatrix384())
    assert 'bandwidth = "28 GB/s"' in text
    assert 'latency = "187.5 ns"' in text
    assert 'bandwidth = "270 GB/s"' in text
    assert text.count("[[links]]") == 8
    assert max(map(len, text.splitlines())) < 200


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('to = "hub"', 'to = "hup"', "number 1: 'to' names no vertex: 'hup'; near it: hub"),
        ('"a", "b", "c"]\nto', '"a", "d"]\nto', "'from' names no vertex: 'd'"),
        ('"400 Gbit/s"', '"-400 Gbit/s"', r"a->hub \(net\) has bandwidth -"),
        ('"400 Gbit/s"', '"400"', "number 1: bandwidth: '400' is no bandwidth"),
        ('"400 Gbit/s"', "400", "bandwidth: 400 is no bandwidth"),
        ('"400 Gbit/s"', '"400 us"', "Gbit/s"),
        ('"1.2 us"', '"1.2 GB/s"', "latency: '1.2 GB/s' is no time"),
        ('"0 ns"', '"0"', "back_latency: '0' is no time"),
        ('names = "hub"', 'names = ["hub", "a"]', "two vertices are called 'a'"),
        ('names = "hub"', 'names = "hub"\ncolour = "red"', "unknown key 'colour'"),
        ('latency = "1.2 us"\n', "", "key 'latency' is missing"),
        ("latency =", "latncy =", "unknown key 'latncy'.*near it: latency"),
        ('kind = "host"\n', "", r"\[\[endpoints\]\] number 1: key 'kind' is missing"),
        ('name = "my star"\n', "", "the file: key 'name' is missing"),
        ('name = "my star"', "name = 7", "name is 7, not a text"),
        ('plane = "net"', 'plane = "nte"', "no plane 'nte'; planes are net"),
        ('planes = ["net"]', "planes = [1]", r"planes is \[1\]"),
        ("count = 2", "count = 0", "count is 0"),
        ("count = 2", "count = true", "line 14, .*number 1: count is true"),
        ("both = true", "both = 1", "both is 1"),
        ("both = true\n", "", "needs both"),
        ("node = [0, 1, 2]", "node = [0, 1]", "2 numbers in 'node' for 3 names"),
        ("node = [0, 1, 2]", "node = -1", "leave it out"),
        ("node = [0, 1, 2]", 'node = "x"', "node is 'x'"),
        ('to = "hub"', 'to = ["hub", "a"]', "3 names in 'from' and 2 in 'to'"),
        ("[[switches]]", "[switches]", r"write \[\[switches\]\]"),
        ("[[switches]]", "[[switches]", "not TOML: .*line 10"),
        ('name = "my star"', 'name = "my star', "not TOML: .*line 2"),
        ('kind = "switch"', 'kind = "switch"\nkind = "x"', "not TOML: .*line 12"),
    ],
)
def test_a_bad_file_is_refused_and_the_fault_named(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert old in BY_HAND
    path = tmp_path / "bad.toml"
    path.write_text(BY_HAND.replace(old, new, 1))
    with pytest.raises(TopologyError, match=message) as refusal:
        load(path)
    assert str(path) in str(refusal.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"none\.toml cannot be read: No such file"):
        system("none.toml")
    with pytest.raises(TopologyError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"name = \xff")
    with pytest.raises(TopologyError, match="not UTF-8"):
        load(tmp_path / "binary.toml")


def test_a_file_of_cloudmatrix384_is_quick() -> None:
    begin = time.perf_counter()
    from_toml(to_toml(cloudmatrix384()))
    assert time.perf_counter() - begin < 2


FILE = 'name = "x"\nplanes = []\nendpoints = []\n'


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        f"{FILE}[[switches]]\nx = 1",
        f"{FILE}[[links]]\nx = 1",
        f"{FILE}[provenance]\nx = 1",
    ],
)
def test_the_page_of_formats_names_every_key(text: str) -> None:
    with pytest.raises(TopologyError, match="known are") as caught:
        from_toml(text)
    keys = str(caught.value).partition("known are ")[2].split(", ")
    page = (ROOT / "docs" / "formats.md").read_text()
    section = page.split("\n## A topology\n")[1].split("\n## ")[0]
    assert len(keys) >= 4
    for key in keys:
        assert re.search(rf"`\[*{key}\]*`", section), key
