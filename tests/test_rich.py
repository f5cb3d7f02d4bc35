"""What notebooks show: tables in which every name is only text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from bench.results import Results, collective, moe
from collectives.algorithms import allreduce
from fabric import Fabric, Step
from topology import Topology, TriplaneError, cloudmatrix384, star
from topology.files.html import bars, cell, facts, table


class Tags(HTMLParser):
    """The tags, attributes and texts of a page; every tag that opens closes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shown(value: object) -> Tags:
    return Tags(value._repr_html_())  # type: ignore[attr-defined]


HARMLESS = {"div", "strong", "table", "tr", "td", "th", "span"}
HOSTILE = "<script>alert(1)</script>\"'&\u202e" + "x" * 1_000_000


def hostile() -> Topology:
    names = (HOSTILE, "b", "<img src=x onerror=y>")
    return Topology(
        HOSTILE, names, ("<b>", "x", "</table>"), 2, np.array([0, 1, -1]), np.array([-1] * 3),
        ("<i>",), np.array([0, 2, 1, 2]), np.array([2, 1, 2, 0]), np.zeros(4), np.ones(4) * 1e9,
        np.zeros(4), ("<u>",),
    )  # fmt: skip


def test_a_topology() -> None:
    page = shown(cloudmatrix384())
    assert "768 die, 192 cpu" in page.texts
    assert "27744, one way each" in page.texts
    for number in ("768", "24192", "2304", "480"):
        assert number in page.texts
    assert set(page.tags) <= HARMLESS


def test_a_timeline() -> None:
    timeline = Fabric(star(4)).simulate(allreduce.ring(4, 1 << 20))
    page = shown(timeline)
    assert f"{timeline.duration * 1e6:,.4f} us" in page.texts
    assert str(timeline.bottleneck) in page.texts
    assert "star(4)" in page.texts
    shares = [float(text[:-1]) for text in page.texts if re.fullmatch(r"[\d.]+%", text)]
    busiest = timeline.link_busy.max() / timeline.duration * 100
    assert max(shares) == pytest.approx(busiest, abs=0.1)
    assert set(page.tags) <= HARMLESS


def test_nothing_at_all_is_shown_too() -> None:
    assert "0.0000 us" in shown(Fabric(star(2)).simulate([])).texts


def test_hostile_names_are_text() -> None:
    topology = hostile()
    timeline = Fabric(topology).simulate([Step(0, 1, 10)], operation="<script>")
    for value in (topology, timeline, Results(({HOSTILE: HOSTILE},), HOSTILE)):
        source = value._repr_html_()
        page = Tags(source)
        assert set(page.tags) <= HARMLESS
        assert page.attributes <= {"style"}
        assert len(source) < 20_000
        assert "\u202e" not in source
        assert any("<script>" in text for text in page.texts)


def test_results_of_a_collective() -> None:
    found = collective("all_gather", ranks=4, sizes=[1 << 10, 1 << 20], system="star:4")
    page = shown(found)
    assert len(found) == 2
    assert found.column("size_bytes") == [1 << 10, 1 << 20]
    expected = {f"{time:,.5g}" for time in found.column("time_us")}
    assert expected <= set(page.texts)
    assert "time us" in page.texts
    assert "all_gather on star:4" in page.texts
    assert str(found).splitlines()[0].startswith("op")
    with pytest.raises(TriplaneError, match="no algorithm 'best'"):
        collective("all_gather", ranks=4, system="star:4", algorithm="best")


def test_results_of_moe() -> None:
    found = moe([8], system="cloudmatrix384")
    assert found.column("op") == ["dispatch", "combine"]
    assert "MoE low-latency on cloudmatrix384 with cann-ep" in shown(found).texts
    for row in found:
        assert row["published_us"] is not None


def test_pieces() -> None:
    assert cell(None) == "-"
    assert cell(1234.5678) == "1,234.6"
    assert cell("<") == "&lt;"
    assert "width:120.0px" in bars([("a", 7.0)])
    assert "width:0.0px" in bars([("a", -1.0)])
    assert Tags(facts([("a", 1)], "t")).texts == ["t", "a", "1"]
    assert Tags(table([{"a": 1}, {"b": "x"}])).texts == ["a", "b", "1", "-", "-", "x"]
