"""The page as a file: what is in it, how small it is, and that only its own script can act."""

import base64
import gzip
import hashlib
import html
import json
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.view.command import command
from bench.view.packing import narrow, pack
from bench.view.page import Exhibit, page
from bench.view.sources import constants, sources
from bench.view.topology_payload import shown
from fabric import Fabric, Step
from fabric.timeline.film import film_of
from topology import Topology, TopologyError, cloudmatrix384, fat_tree, star, supernode, system
from topology.draw.groups import groups
from topology.labels import LONGEST, label
from topology.presets import cloudmatrix as preset
from topology.presets import nvidia
from topology.presets.catalogue import whole_of
from topology.provenance import UNKNOWN

WEB = Path(__file__).parents[1] / "bench" / "view" / "web"
SMALL = supernode(16)


def unpacked(text: str) -> Any:
    """What `pack` wrote, read as its docstring says."""
    block = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(block[:4], "little")
    start = -(-(4 + length) // 8) * 8

    def column(value: dict[str, Any]) -> Any:
        if list(value) != ["$"]:
            return value
        kind, at, size = value["$"]
        return np.frombuffer(block, f"<{kind}", size, start + at)

    return json.loads(block[4 : 4 + length], object_hook=column)


def data_of(document: str) -> Any:
    found = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', document)
    assert found
    return unpacked(found[1])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 2**32 - 1), max_size=9),
    st.lists(st.floats(allow_nan=False), max_size=9),
    st.text(), st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
)  # fmt: skip
def test_packed_columns_come_back(
    whole: list[int], real: list[float], text: str, signed: list[int]
) -> None:
    document = {
        "a": np.array(whole, np.uint32), "b": {"c": [np.array(real), text]},
        "d": narrow(np.array(signed, np.int64)), "e": None,
    }  # fmt: skip
    back = unpacked(pack(document))
    assert back["a"].tolist() == whole
    assert back["b"]["c"][0].tolist() == real
    assert back["b"]["c"][1] == text
    assert back["d"].tolist() == signed
    assert back["e"] is None


def test_what_cannot_be_packed_is_named() -> None:
    with pytest.raises(TypeError, match="a column of int64 cannot be packed; u1, u2"):
        pack({"a": np.zeros(2, np.int64)})


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=3 * LONGEST))
def test_labels_are_short_and_have_no_effect(name: str) -> None:
    shown = label(name)
    assert all(unicodedata.category(c)[0] != "C" for c in shown)
    assert not {"\u2028", "\u2029"} & set(shown)
    if len(name) <= LONGEST and name.isprintable():
        assert shown == name
    assert len(shown) <= 10 * (LONGEST + 30)


def test_a_very_long_name_keeps_its_ends_and_says_its_length() -> None:
    shown = label("abc" + "n" * 10**6 + "xyz")
    assert shown.startswith("abcn")
    assert shown.endswith("nxyz")
    assert "1000006 characters" in shown


def test_the_page_is_small_and_its_columns_are_the_topologys() -> None:
    graph = cloudmatrix384()
    document = page(graph)
    assert len(document.encode()) < 2_000_000  # 5 MB is the limit that was promised
    (part,) = data_of(document)["topologies"]
    assert part["vertices"]["names"] == list(graph.vertex_names)
    links = part["links"]
    for column in ("src", "dst", "plane"):
        assert links[column].tolist() == getattr(graph, f"link_{column}").tolist()
    assert np.array_equal(np.array(links["bandwidths"])[links["bandwidth"]], graph.link_bandwidth)
    assert np.array_equal(np.array(links["latencies"])[links["latency"]], graph.link_latency)
    assert not links["gone"].any()


def test_only_its_own_script_and_style_may_act() -> None:
    document = page(star(3))
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', document)[1])  # type: ignore[index]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data: blob:"
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", document, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    body = document.replace((WEB / "built" / "page.js").read_text(), "")
    assert not re.search(r'\b(src|href)="?(https?:)?//', body)


def test_names_cannot_leave_the_place_they_are_put_in() -> None:
    name = "</title></script><!--<script>%%DATA%%\u2028"
    graph = Topology(
        name, ("a", "b"), ("host", "switch"), 1, np.array([0, -1]), np.array([0, -1]), ("net",),
        np.array([0]), np.array([1]), np.array([0]), np.array([1.0]), np.array([0.0]),
    )  # fmt: skip
    document = page(graph)
    assert document.count("<script") == page(star(3)).count("<script")
    assert "</title></script>" not in document
    assert data_of(document)["title"].startswith("</title>")


def test_what_is_gone_is_marked_in_the_whole() -> None:
    left = SMALL.without("l2.3.0", "node1.die3->node1.l1.2")
    part = data_of(page(Exhibit(left, None, SMALL)))["topologies"][0]
    gone = part["vertices"]["gone"].astype(bool)
    assert [SMALL.vertex_names[v] for v in np.flatnonzero(gone)] == ["l2.3.0"]
    there = ~part["links"]["gone"].astype(bool)
    assert np.array_equal(SMALL.link_bandwidth[there], left.link_bandwidth)
    names = np.array(SMALL.vertex_names)
    assert (names[SMALL.link_src[there]] == np.array(left.vertex_names)[left.link_src]).all()
    assert part["removed"] == ["l2.3.0", "node1.die3->node1.l1.2"]
    with pytest.raises(TopologyError, match=r"supernode.24. without l2.3.0, node1.die3->"):
        shown(left, supernode(24))


def test_traffic_of_another_topology_is_refused() -> None:
    moved = film_of(Fabric(star(4)).simulate([Step(np.arange(4), np.arange(4)[::-1], 100)]))
    with pytest.raises(TopologyError, match="traffic over 8 links cannot be shown on star"):
        page(Exhibit(star(3), moved))


def test_two_runs_on_one_topology_share_it() -> None:
    moved = film_of(Fabric(star(4)).simulate([Step(np.arange(4), np.arange(4)[::-1], 100)]))
    data = data_of(page(Exhibit(star(4), moved), Exhibit(star(4))))
    assert len(data["topologies"]) == 1
    assert [run["topology"] for run in data["runs"]] == [0, 0]
    assert ["traffic" in run for run in data["runs"]] == [True, False]
    assert len(data_of(page(Exhibit(star(4)), Exhibit(star(5))))["topologies"]) == 2


def test_boxes_are_nodes_racks_and_sub_planes() -> None:
    boxes = groups(cloudmatrix384())
    assert boxes.kinds.count("node") == 48
    assert len(set(boxes.rack.tolist()) - {-1}) == 12
    assert [name for name in boxes.names if name.startswith("sub-plane")] == [
        f"sub-plane {s}" for s in range(7)
    ]
    assert boxes.names[-3:] == ("rdma-leaf", "rdma-spine", "vpc-leaf")
    sizes = np.bincount(boxes.of)
    assert sizes[boxes.names.index("sub-plane 3")] == 16
    assert sizes[0] == 16 + 4 + 7 + 1
    tree = groups(fat_tree(4))
    assert "pod0 edge" in tree.names
    assert set(tree.rack.tolist()) == {-1}


def test_sources_are_what_the_preset_says() -> None:
    told = constants(preset)
    assert "224 Gbit/s a transceiver (arXiv 2506.12708v2 section 3.3.1)" in told["UB_LINK"]
    graph = cloudmatrix384()
    found = sources(graph)
    values = {
        (graph.planes[row["plane"]], row["kind"], row["quantity"]): row["value"] for row in found
    }
    assert values["ub", "die", "bandwidth"] == preset.UB_LINK
    assert values["rdma", "die", "bandwidth"] == preset.RDMA_PORT
    assert sources(star(3)) == []
    for row in found:  # every source is of a value that some link has
        column = getattr(graph, f"link_{row['quantity']}")[graph.link_plane == row["plane"]]
        assert np.isclose(column, row["value"]).any(), row
    said = constants(nvidia)["H800_NVLINK"]
    assert {row["text"] for row in sources(system("h800"))} >= {
        f"{said} (topology/presets/nvidia.py)"
    }


@pytest.mark.parametrize("name", ["cloudmatrix384", "supernode:16", "star:5", "h800:3"])
def test_the_fault_free_system_is_found_again(name: str) -> None:
    graph = system(name)
    left = graph.without(graph.vertex_names[-1])
    found = whole_of(left)
    assert found is not None
    assert found.equals(graph)
    assert whole_of(graph) is None


def test_no_whole_is_made_up_for_a_topology_of_the_users_own() -> None:
    graph = supernode(16).made_by(UNKNOWN)
    assert whole_of(graph.without("l2.0.0")) is None


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, list(arguments))


def test_view_writes_pages_of_systems_and_timelines(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    assert run("star:4", "-o", str(target)).exit_code == 0
    assert data_of(target.read_text())["title"] == "star(4)"
    timeline = Fabric(star(4)).simulate([Step(np.arange(4), np.arange(4)[::-1], 100)])
    for file in ("a.npz", "b.timeline"):
        timeline.save(tmp_path / file)
    files = [str(tmp_path / file) for file in ("a.npz", "b.timeline")]
    assert run(*files, "-o", str(target)).exit_code == 0
    first, second = data_of(target.read_text())["runs"]
    assert first["traffic"]["duration"] == timeline.duration
    assert np.array_equal(first["traffic"]["link_bytes"], second["traffic"]["link_bytes"])
    assert run("supernode:16", "--without", "l2.3.*", "-o", str(target)).exit_code == 0
    assert data_of(target.read_text())["topologies"][0]["removed"] == ["l2.3.*"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "no system 'nothing'; there are cloudmatrix384"),
        (["missing.npz"], "there is no file missing.npz"),
        (["star:4", "star:4", "star:4"], "one or two can be shown, not 3"),
    ],
)
def test_view_says_what_is_wrong(arguments: list[str], words: str, tmp_path: Path) -> None:
    found = run(*arguments, "-o", str(tmp_path / "x.html"))
    assert found.exit_code != 0
    assert words in found.output + str(found.exception)
    assert not (tmp_path / "x.html").exists()


def test_the_committed_script_is_what_its_sources_build_to() -> None:
    """Where node and the packages of package-lock.json are there (make page brings them)."""
    if shutil.which("node") is None:
        pytest.skip("node is not on PATH: the page's script cannot be built to compare it")
    missing = [
        name for name in ("esbuild", "@deck.gl") if not (WEB / "node_modules" / name).exists()
    ]
    if missing:
        pytest.skip(f"no {', '.join(missing)} in bench/view/web/node_modules: make page gets it")
    built = subprocess.run(
        ["node", "build.mjs", "--check"], cwd=WEB, capture_output=True, text=True, timeout=120
    )
    assert (built.returncode, built.stderr) == (0, "")


def test_the_licences_of_what_is_in_it_are_kept() -> None:
    text = (WEB / "built" / "page.licences.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^(\S+) \d\S* \(([^)]*)\)$", text, re.MULTILINE)
    assert {"@deck.gl/core", "@deck.gl/layers", "@luma.gl/core"} <= {name for name, _ in packages}
    assert {licence for _, licence in packages} <= {"MIT", "ISC", "BSD-2-Clause", "Apache-2.0"}
    assert "No licence file" not in text
