"""Figures: what is in the file is what was asked for, and names are only text."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cli import main
from bench.heatmap import CELLS, matrices
from bench.records import size_text
from bench.topology_tables import tier_records, write
from fabric import Fabric, Step
from topology import Topology, TopologyError, fat_tree, from_toml, ring, star, supernode
from topology.draw.figure import draw
from topology.draw.figure_style import OKABE_ITO, colours, text
from topology.draw.figure_units import LEVELS, units, wires
from topology.units import GB

SYSTEMS = {
    "star": star(4), "ring": ring(5), "tree": fat_tree(4), "supernode": supernode(16),
    "hurt": supernode(16).without("node0.l1.3", "node1.l1.2->l2.2.*"),
}  # fmt: skip


def svg_text(path: Path) -> str:
    root = ElementTree.parse(path).getroot()
    return "\n".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("where", SYSTEMS)
def test_every_system_is_drawn_at_every_level(tmp_path: Path, where: str, level: str) -> None:
    topology = SYSTEMS[where]
    draw(topology, tmp_path / "x.svg", level=level)
    said = svg_text(tmp_path / "x.svg")
    assert topology.name in said
    for plane in topology.planes:
        links = int((topology.link_plane == topology.plane(plane)).sum())
        assert f"{plane}: {links} links" in said


@pytest.mark.parametrize("suffix", ["png", "pdf", "SVG"])
def test_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    draw(star(3), tmp_path / f"x.{suffix}")
    begins = {"png": b"\x89PNG", "pdf": b"%PDF", "SVG": b"<?xml"}
    assert (tmp_path / f"x.{suffix}").read_bytes().startswith(begins[suffix])


def test_a_picture_is_not_blank(tmp_path: Path) -> None:
    from matplotlib.image import imread

    draw(supernode(16), tmp_path / "x.png")
    pixels = np.asarray(imread(tmp_path / "x.png"))[..., :3]
    for plane, colour in colours(supernode(16).planes).items():
        if plane != "package":
            rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
            assert (np.abs(pixels - rgb).max(axis=-1) < 0.02).sum() > 100, plane
    assert (pixels.min(axis=-1) > 0.99).mean() > 0.3


def test_planes_are_chosen(tmp_path: Path) -> None:
    draw(supernode(16), tmp_path / "x.svg", planes=["rdma"])
    said = svg_text(tmp_path / "x.svg")
    assert "rdma: " in said
    assert "ub: " not in said


def test_what_is_highlighted_and_what_is_lost_stand_out(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.svg", tmp_path / "other.svg"
    for level, named in (("link", "l2.3.0"), ("node", "of 2 taken out")):
        draw(supernode(16), plain, level=level)
        draw(supernode(16), other, level=level, highlight=["node1"], without=["l2.3.0"])
        assert plain.read_bytes() != other.read_bytes()
        assert named in svg_text(other)
        assert "without l2.3.0" in svg_text(other)
        assert "#b00020" in other.read_text().lower()


def test_links_add_up_in_wires() -> None:
    topology = supernode(16)
    for level in ("rack", "node"):
        boxes = units(topology, level)
        found = wires(topology, boxes.of, np.ones(topology.n_links, np.bool_))
        outside = boxes.of[topology.link_src] != boxes.of[topology.link_dst]
        assert 2 * found.links.sum() == outside.sum()
        total = topology.link_bandwidth[outside].sum()
        assert 2 * found.bandwidth.sum() == pytest.approx(total)
    assert len(units(topology, "rack")) < len(units(topology, "node"))


HOSTILE = """
name = "<script>alert(1)</script>"
planes = ["$x^2$ <b>"]
[[endpoints]]
kind = "<i>"
names = ["<script>a</script>", "\\u202eright", "$\\\\frac{", "\\u4e2d\\U0001F600 & ' \\" ", "LONG"]
[[switches]]
kind = "hub"
names = "hub\\nline"
[[links]]
plane = "$x^2$ <b>"
from = ["<script>a</script>", "\\u202eright", "$\\\\frac{", "\\u4e2d\\U0001F600 & ' \\" ", "LONG"]
to = "hub\\nline"
bandwidth = "1 GB/s"
latency = "1 us"
both = true
"""


@pytest.mark.parametrize("level", LEVELS)
def test_hostile_names_are_text(tmp_path: Path, level: str) -> None:
    topology = from_toml(HOSTILE.replace("LONG", "x" * 1_000_000))
    draw(topology, tmp_path / "x.svg", level=level, highlight=["\u202eright"])
    source = (tmp_path / "x.svg").read_text()
    assert "<script" not in source
    assert len(source) < 1_000_000
    said = svg_text(tmp_path / "x.svg")
    assert "<script>alert(1)</script>" in said
    assert "\u202e" not in said
    assert "$x^2$ <b>" in said
    draw(topology, tmp_path / "x.png", level=level)


def test_what_the_font_has_no_letter_for_is_shown_by_number() -> None:
    assert text("é Ж \u4e2d \u202e") == "é Ж \\u4e2d \\u202e"


def test_what_cannot_be_drawn_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match=r"must end in \.png, \.svg, \.pdf"):
        draw(star(2), tmp_path / "x.gif")
    with pytest.raises(TopologyError, match="no level 'nod'; there are rack, node, link"):
        draw(star(2), tmp_path / "x.svg", level="nod")
    with pytest.raises(TopologyError, match="no plane 'ub'; it has net"):
        draw(star(2), tmp_path / "x.svg", planes=["ub"])
    with pytest.raises(TopologyError, match="nothing called 'hosd1'"):
        draw(star(2), tmp_path / "x.svg", highlight=["hosd1"])
    assert list(tmp_path.iterdir()) == []


def test_colours_can_be_told_apart() -> None:
    planes = ("package", *(f"p{i}" for i in range(9)))
    found = colours(planes)
    assert [found[f"p{i}"] for i in range(8)] == list(OKABE_ITO)
    assert found["package"] not in OKABE_ITO


# The command line.


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments), prog_name="triplane")
    assert result.exit_code == code, result.output
    return result.output


def test_topo_draw(tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    run("topo", "draw", "supernode:16", "-o", str(path), "--plane", "ub", "--level", "link",
        "--highlight", "node1.die3", "--without", "l2.0.0")  # fmt: skip
    said = svg_text(path)
    assert "node1.die3" in said
    assert "l2.0.0" in said
    assert "must end in" in run("topo", "draw", "star:2", "-o", str(tmp_path / "x.gif"), code=2)


def test_topo_show_has_bandwidth_by_tier() -> None:
    records = {(r["from"], r["to"]): r for r in tier_records(supernode(384))}
    assert records["die", "l1"]["links"] == 768 * 7
    assert records["die", "l1"]["total_GBps"] == pytest.approx(768 * 196)
    assert records["l1", "l2"]["total_GBps"] == pytest.approx(336 * 16 * 28)
    assert records["die", "die"]["links"] == 384
    shown = json.loads(run("topo", "show", "supernode:384", "--format", "json"))
    assert {r["plane"]: r["oversubscription"] for r in shown}["ub"] == pytest.approx(1)
    assert re.search(r"ub +l1 +l2 +5376 +28", run("topo", "show", "supernode:384"))


def test_links_that_are_unlike_are_rows_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "unlike.toml"
    path.write_text(
        'name = "unlike"\nplanes = ["net"]\n'
        '[[endpoints]]\nkind = "gpu"\nnames = ["a", "b", "c"]\n'
        '[[switches]]\nkind = "switch"\nnames = ["s"]\n'
        + "".join(
            f'[[links]]\nfrom = "{end}"\nto = "s"\nplane = "net"\nbandwidth = "{speed} GB/s"\n'
            'latency = "1 us"\n'
            for end, speed in (("a", 50), ("b", 100), ("c", 100))
        )
    )
    shown = run("topo", "show", str(path))
    assert re.search(r"net +gpu +switch +1 +50 +50 +1000\n", shown)
    assert re.search(r"net +gpu +switch +2 +100 +200 +1000\n", shown)


def test_a_terminal_gets_rich_tables(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    class Terminal:
        encoding = "utf-8"

        @staticmethod
        def isatty() -> bool:
            return True

        @staticmethod
        def write(words: str) -> int:
            return sys.stdout.write(words)

        @staticmethod
        def flush() -> None:
            sys.stdout.flush()

    plane = json.loads(run("topo", "show", "star:2", "--format", "json"))[0]
    capsys.readouterr()
    odd = {**plane, "plane": "[bold]x", "non_blocking": "not proved: [red]why"}
    write(Terminal(), ["name"], [plane, odd], tier_records(star(2)))  # type: ignore[arg-type]
    said = capsys.readouterr().out
    assert "[bold]x" in said
    assert "[red]why" in said
    assert "Planes" in said


# Plots and heat maps.


def test_a_heat_map_adds_up() -> None:
    steps = [Step([0, 0, 2], [1, 1, 0], [5, 7, 11]), Step(1, 2, 100)]
    timeline = Fabric(star(3)).simulate(steps)
    size, time = matrices(timeline)
    assert size.tolist() == [[0, 12, 0], [0, 0, 100], [11, 0, 0]]
    last = timeline.finish[3] - timeline.start[3]
    assert time[1, 2] == last
    assert time[0, 1] == timeline.finish[:2].max() - timeline.start[:2].min()


def test_a_heat_map_of_many_ranks_is_folded() -> None:
    ranks = 2 * CELLS + 6
    fabric = Fabric(star(ranks))
    timeline = fabric.simulate([Step([0, 1, ranks - 1], [ranks - 1, 4, 3], 10)])
    size, _ = matrices(timeline)
    assert size.shape == (344, 344)
    assert size.sum() == 30
    assert size[0, -1] == size[0, 1] == size[-1, 1] == 10


def test_files_of_a_benchmark(tmp_path: Path) -> None:
    names = {"--plot": "p.svg", "--heatmap": "h.svg", "--timeline": "t.npz", "--trace": "t.json"}
    files = [part for option, name in names.items() for part in (option, str(tmp_path / name))]
    run("bench", "all_gather", "--ranks", "16", "-b", "64K", "-e", "1M", "-f", "4",
        "--algorithm", "ring,bruck", *files)  # fmt: skip
    said = svg_text(tmp_path / "p.svg")
    for part in ("ring", "bruck", "published", "time (us); dashed: bound", "256K", "100"):
        assert part in said
    said = svg_text(tmp_path / "h.svg")
    assert "from rank" in said
    assert "MB sent" in said
    from fabric import Timeline

    assert Timeline.load(tmp_path / "t.npz").ranks == 16
    assert "--heatmap x.gif: the name must end in" in run(
        "bench", "moe", "--ep", "8", "--heatmap", "x.gif", code=2
    )


def test_a_live_benchmark_writes_what_its_ranks_did(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    run("bench", "all_reduce", "--system", "star:4", "--ranks", "2", "-b", "1K", "-e", "1K",
        "--transport", "inproc", "-n", "1", "-w", "0", "--trace", str(path))  # fmt: skip
    names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert any(name.startswith("all_reduce(sum, float32[256]") for name in names)


def test_sizes_as_the_options_name_them() -> None:
    sizes = (1, 1000, 4096, 3 << 19, 1 << 30)
    assert [size_text(size) for size in sizes] == ["1", "1000", "4K", "1.5M", "1G"]


def test_published_points_of_this_and_of_others_are_drawn(tmp_path: Path) -> None:
    path = tmp_path / "moe.svg"
    run("bench", "moe", "--ep", "8", "--plot", str(path))
    said = svg_text(path)
    assert "cloudmatrix384 cann-ep" in said
    assert "published: h800 deepep-v1" in said


def test_a_plane_is_as_wide_as_its_links(tmp_path: Path) -> None:
    odd = Topology(
        "odd", ("a", "b"), ("x", "x"), 2, np.array([0, 1]), np.array([-1, -1]), ("net",),
        np.array([0, 0, 1]), np.array([1, 1, 0]), np.zeros(3), np.array([2, 3, 1]) * GB,
        np.zeros(3),
    )  # fmt: skip
    boxes = units(odd, "node")
    found = wires(odd, boxes.of, np.ones(3, np.bool_))
    assert found.links.tolist() == [2]
    assert found.bandwidth.tolist() == [5 * GB]
    for level in LEVELS:
        draw(odd, tmp_path / "x.svg", level=level)
        assert "net: 3 links" in svg_text(tmp_path / "x.svg")


def test_matplotlib_needs_no_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = subprocess.run(
        [sys.executable, "-c", "from topology.draw.figure_style import library; library()"],
        capture_output=True, text=True, check=True,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path / "file" / "below")},
    )  # fmt: skip
    assert shown.stderr.count("\n") == 1
    assert "matplotlib can keep nothing in" in shown.stderr
