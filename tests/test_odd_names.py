"""Names with every kind of odd character, in everything that is written, and read back."""

import csv
import io
import json
import os
import subprocess
import sys
import tomllib
import unicodedata
import xml.etree.ElementTree as ET
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import topology_tables
from bench.cli import main
from bench.records import as_text
from bench.topo import exported, plane_record
from fabric.failure import RankFailed
from topology import Topology, TopologyError, TriplaneError, from_toml, save, to_toml
from topology.text import one_line, visible, visible_lines

ODD = (
    "".join(map(chr, range(0x20)))
    + "\x7f\x80\x85\x9b\x9f\u200b\u2028\u2029\u202e\u2066\ufeff\ufffe"
)
NAMES = (
    f"a{ODD}z", 'q"u\'o<b>t</b>&amp;e,;]]>', "ネット\U0001f468\u200d\U0001f469 Übung",
    "=1+1\\u001b\x1b[5m", "x\r\ny", "  blanks  ",
)  # fmt: skip
"""Of endpoints, of a kind, of a switch, of a plane, of the system."""


def odd(names: tuple[str, ...] = NAMES) -> Topology:
    """Two endpoints on a switch, of these names."""
    first, second, switch, kind, plane, system = names
    return Topology(
        system, (first, second, switch), (kind, kind, "sw"), 2, np.array([0, 1, -1]),
        np.full(3, -1), (plane,), np.array([0, 2, 1, 2]), np.array([2, 1, 2, 0]),
        np.zeros(4, np.int32), np.full(4, 1e9), np.full(4, 1e-6),
    )  # fmt: skip


def has_effect(text: str, but: str = "\n") -> bool:
    return any(unicodedata.category(c)[0] == "C" and c not in but for c in text)


ANY_NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: "->" not in name
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ANY_NAME, min_size=6, max_size=6, unique=True))
@example(list(NAMES))
def test_what_is_written_is_read_back(names: list[str]) -> None:
    topology = odd(tuple(names))
    toml = to_toml(topology)
    assert from_toml(toml).equals(topology)  # nothing is lost
    assert not has_effect(toml)
    assert tomllib.loads(toml)["name"] == names[-1]

    graph = nx.node_link_graph(json.loads(exported(topology, "json")), edges="edges")
    assert set(graph) == set(topology.vertex_names)

    shown = [visible(name) for name in names[:3]]
    if len(set(shown)) == len(shown):
        xml = exported(topology, "graphml")
        assert not has_effect(xml)
        read = nx.read_graphml(io.BytesIO(xml.encode()), force_multigraph=True)
        assert set(read) == set(shown)
        assert {data["plane"] for *_, data in read.edges(data=True)} == {visible(names[4])}

    row = dict(zip("abcdef", names, strict=True))
    (back,) = csv.DictReader(io.StringIO(as_text([row], "csv"), newline=""))
    assert list(back.values()) == [visible(name) for name in names]
    assert json.loads(as_text([row], "json")) == [row]
    table = as_text([row], "table")
    assert table.count("\n") == 2
    assert not has_effect(table)


@given(st.text(st.characters(), max_size=12))
@example("first\nsecond\x1b[31mred\x1b]0;title\x07 \ud800")
def test_a_message_is_one_line(text: str) -> None:
    for line in (one_line(text), str(TriplaneError(text)), str(RankFailed(text, 1))):
        assert not has_effect(line)
        assert len(line.splitlines()) <= 1
        line.encode()
        assert one_line(line) == line
    assert not has_effect(visible_lines(text), "\n\t")


def test_names_that_one_format_cannot_tell_apart_are_refused() -> None:
    topology = odd(("a\x1b", "a\\u001b", *NAMES[2:]))
    assert len(from_toml(to_toml(topology)).index) == 3
    with pytest.raises(TopologyError, match="cannot tell names apart"):
        exported(topology, "graphml")


def test_half_a_surrogate_pair_is_no_name() -> None:
    for place in range(6):
        names = [*NAMES]
        names[place] = "a\ud800"
        with pytest.raises(TopologyError, match="surrogate") as refused:
            odd(tuple(names))
        str(refused.value).encode()


def ran(charset: str, *arguments: str) -> Result:
    return CliRunner(charset=charset).invoke(main, arguments)


@pytest.mark.parametrize("charset", ["ascii", "utf-8"])
def test_no_command_lets_a_name_act(charset: str, tmp_path: Path) -> None:
    """On standard output and error, in tables, notes, records, help, errors; any encoding."""
    system = str(tmp_path / "ネット\x1b[31m.toml")
    save(odd(), system)
    collective = ["--system", system, "--ranks", "2", "-b", "64", "-e", "64", "--software", "raw"]
    for code, arguments in (
        (0, ["topo", "show", system]),
        (0, ["topo", "show", system, "--format", "csv"]),
        (0, ["topo", "export", system]),
        (0, ["topo", "export", system, "--format", "graphml"]),
        (0, ["bench", "all_reduce", *collective]),
        (0, ["bench", "all_reduce", *collective, "--format", "csv"]),
        (0, ["bench", "all_to_all", *collective, "--algorithm", "all"]),
        (0, ["bench", "barrier", *collective, "--transport", "inproc", "-J",
             f"{tmp_path}/\x1b[31mネ.json"]),
        (0, ["bench", "moe", "--ep", "2", "--hidden", "64", "--tokens", "2", "--system", system,
             "--software", "raw"]),
        (2, ["bench", "all_reduce", *collective, "--without", "nosuch\x1b]0;x\x07ネ"]),
        (2, ["bench", "all_reduce", *collective, "--algorithm", "\x1bネ"]),
        (2, ["bench", "all_reduce", *collective, "--format", "\x1bネ"]),
        (2, ["bench", "\x1b[31mネ\x9b"]),
        (2, ["topo", "show", f"{system}\x1b\udcff"]),
        (2, ["view", f"{system}\x1b.npz", "-o", f"{tmp_path}/x.html"]),
        (2, ["bench", "moe", "--skew", "file:\x1bネ", "--system", system, "--ep", "2"]),
        (2, ["bench", "trace", "\x1bネ.goal"]),
        (2, ["topo", "draw", system, "-o", f"{tmp_path}/x\x1b.bmp"]),
    ):  # fmt: skip
        done = ran(charset, *arguments)
        assert done.exit_code in (code, 1 if code else 0), (arguments, done.output, done.exception)
        assert isinstance(done.exception, SystemExit | None), (arguments, done.exception)
        assert not has_effect(done.output), (arguments, done.output)
        if code:
            assert done.stderr.startswith("triplane: error: ")
            assert done.stderr.count("\n") == 1


def test_a_terminal_gets_no_names_that_act() -> None:
    topology, file = odd(), io.StringIO()
    planes = [plane_record(topology, plane) for plane in topology.planes]
    for each in (planes, [{**planes[0], "non_blocking": f"not proved: {ODD}"}]):
        topology_tables._write_rich(
            file, topology_tables.about(topology), each, topology_tables.tier_records(topology)
        )
    assert "x\\u000d\\u000ay" in file.getvalue()
    assert not has_effect(file.getvalue())


def test_pictures_pages_and_traces_of_odd_names(tmp_path: Path) -> None:
    system = str(tmp_path / "t.toml")
    save(odd(), system)
    files = {kind: tmp_path / f"x.{kind}" for kind in ("svg", "html", "json", "npz")}
    heat, plot = tmp_path / "h.svg", tmp_path / "p.svg"
    for arguments in (
        ["topo", "draw", system, "--level", "link", "-o", str(files["svg"])],
        ["bench", "all_gather", "--ranks", "2", "--system", system, "--software", "raw", "-b", "64",
         "-e", "64", "--trace", str(files["json"]), "--timeline", str(files["npz"]),
         "--heatmap", str(heat), "--plot", str(plot)],
        ["view", str(files["npz"]), "-o", str(files["html"])],
    ):  # fmt: skip
        done = ran("utf-8", *arguments)
        assert done.exit_code == 0, done.output
    for picture in (files["svg"], heat, plot):
        text = "".join(ET.parse(picture).getroot().itertext())
        assert not has_effect(text, "\n\t")
    trace = json.loads(files["json"].read_text("utf-8"), parse_constant=pytest.fail)
    assert trace["otherData"]["system"] == NAMES[-1]
    assert not has_effect(files["json"].read_text("utf-8"))
    assert "\x1b" not in files["html"].read_text("utf-8")


SHELL = f"""
t() {{ {sys.executable} -c 'from bench.cli import main; main()' "$@"; }}
set +e
t topo list >&- 2>e1; echo $? >>e1
t topo list 2>e2 | true; echo $? >>e2
t topo list >/dev/full 2>e3; echo $? >>e3
PYTHONUNBUFFERED=1 t topo list >/dev/full 2>>e3; echo $? >>e3
t run -n 2 --transport inproc p.py >&- 2>e4 <&-; echo $? >>e4
t topo list --format json --output o.json >&- 2>&- <&-
PYTHONIOENCODING=latin-1 t topo show none-ネ 2>e5; echo $? >>e5
"""


def test_streams_that_are_closed_full_or_narrow(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("import sys\nprint('x', sys.stdin)\n", "utf-8")
    root = str(Path(__file__).parents[1])
    subprocess.run(
        ["bash", "-c", SHELL], cwd=tmp_path, timeout=300, check=True,
        env={**os.environ, "PYTHONPATH": root, "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    said = [(tmp_path / f"e{number}").read_text("latin-1").splitlines() for number in range(1, 6)]
    assert said[0] == ["triplane: error: standard output: it is closed", "1"]
    assert said[1] == ["0"]
    assert said[2] == ["triplane: error: standard output: No space left on device", "1"] * 2
    assert said[3] == ["0"]
    assert len(said[4]) == 2
    assert said[4][0].startswith("triplane: error: no system 'none-\\u30cd'; "), said[4]
    assert len(json.loads((tmp_path / "o.json").read_text("utf-8"))) > 2
