"""The page in a real headless Chromium with the network off: what people see and do."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.sync_api import Browser

from bench.view.page import Exhibit, page
from fabric import Fabric, Step
from fabric.classes.table import TrafficClass
from fabric.timeline.film import film_of
from fabric.timeline.value import Timeline
from tests.support.browser import browser as running_browser
from tests.support.screen import Screen, coloured, colours
from topology import Router, Topology, cloudmatrix384, fat_tree, star, supernode
from topology.draw.groups import groups

WIDE, PHONE = (1280, 800), (390, 844)
RACKS, TIERS = "#picture=racks", "#picture=tiers"
"""What tests open: the racks, unless they say otherwise; the second is the page's first view."""
HEALTHY = cloudmatrix384()
DEAD = HEALTHY.without("l2.3.0", "l2.3.1", "node7.die3", "node0.die0->node0.l1.2")
SMALL = supernode(64)
HURT = SMALL.without("l2.3.0", "l2.3.1")


@cache
def run(hurt: bool = False) -> Any:
    """A run with three named steps: two rotations, then everybody to rank 0."""
    topology, ranks = HURT if hurt else SMALL, 64
    me = np.arange(ranks)
    steps = [Step(me, (me + k) % ranks, 1 << 20, label=f"turn {k}") for k in (1, 17)]
    steps.append(Step(me[1:], 0, 1 << 18, label="gather"))
    return Fabric(topology).simulate(steps, operation="turns")


@cache
def packets() -> Timeline:
    """Two classes go to one die over RoCE, whose switches drop and stop."""
    options = {"mtu": 1000, "statistics": True, "roce": "net", "buffer": 200_000, "window": 64,
               "pfc_xoff": 20_000, "pfc_headroom": 1_000, "timeout_us": 400.0}  # fmt: skip
    made = Fabric(
        star(6, bandwidth=1e9), engine="packet", engine_options=options,
        classes=(TrafficClass("heavy", 1), TrafficClass("light", 2, priority=1)),
    )  # fmt: skip
    return made.simulate(
        [Step(np.arange(1, 6), 0, 1_000_000, traffic_class=np.array([1, 2, 1, 1, 1]))]
    )


@dataclass(frozen=True)
class Files:
    """The pages that the tests open, each made once."""

    folder: Path

    def path(self, name: str) -> Path:
        path = self.folder / f"{name}.html"
        if not path.exists():
            path.write_text(self.made(name), encoding="utf-8")
        return path

    def made(self, name: str) -> str:
        if name == "machine":
            return page(HEALTHY)
        if name == "big":
            return page(supernode(8192))
        if name == "routes":
            return page(Exhibit(DEAD, None, HEALTHY), Exhibit(fat_tree(4)))
        before = Exhibit(SMALL, film_of(run(), title="healthy"))
        if name == "traffic":
            return page(before)
        if name == "packets":
            return page(Exhibit(packets().topology, film_of(packets())))
        assert name == "compare"
        return page(before, Exhibit(HURT, film_of(run(hurt=True), title="two chips dead"), SMALL))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


KEPT = ("machine", "traffic")
"""Pages that many tests open in one view. An open page takes time of the processor even where
nothing moves, for it asks for every frame: those that one test opens are closed after it."""


@pytest.fixture(scope="module")
def kept() -> dict[Path, Screen]:
    """Pages that are open in their first view, which tests of it use one after the other."""
    return {}


@pytest.fixture
def screen(chromium: Browser, kept: dict[Path, Screen]) -> Iterator[Any]:
    """Opens pages; whatever they have complained about fails the test at its end."""
    opened: list[Screen] = []

    def show(
        path: Path, fragment: str = "", size: tuple[int, int] = WIDE, scheme: str = "light"
    ) -> Screen:
        if fragment or path.stem not in KEPT or (size, scheme) != (WIDE, "light"):
            opened.append(fresh(path, "" if fragment == TIERS else fragment or RACKS, size, scheme))
            return opened[-1]
        if path in kept:
            kept[path].as_opened()
        else:
            kept[path] = fresh(path, RACKS, size, scheme)
        return kept[path]

    def fresh(path: Path, fragment: str, size: tuple[int, int], scheme: str) -> Screen:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, offline=True
        )  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        return Screen(context.new_page()).open(path, fragment)

    yield show
    said = [words for one in (*opened, *kept.values()) for words in one.said]
    for one in opened:
        one.page.context.close()
    for one in kept.values():
        one.said.clear()
    assert said == []


UB = (0, 114, 178)
RDMA = (230, 159, 0)


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_it_opens_offline_and_counts_what_is_there(screen: Any, files: Files, size: Any) -> None:
    shown = screen(files.path("machine"), size=size)
    counts = shown.js("triplane.counts()")
    kinds = dict(zip(*np.unique(HEALTHY.vertex_kinds, return_counts=True), strict=True))
    assert counts["kinds"] == kinds
    assert counts["nodes"] == 48
    on_planes = np.bincount(HEALTHY.link_plane)
    assert counts["planes"] == dict(zip(HEALTHY.planes, on_planes.tolist(), strict=True))
    text = shown.text("#pane")
    for number in ("768", "192", "336", "112", "27,744"):
        assert number in text
    for plane, links in zip(HEALTHY.planes, on_planes.tolist(), strict=True):
        assert shown.text(f"[data-count={plane}]") == f"{links:,}"
    picture = shown.picture()
    assert coloured(picture, UB, 0.25) > 500
    assert colours(picture) > 30
    assert shown.text("#legend").split()[:4] == ["package", "UB", "RDMA", "VPC"]
    assert shown.js("document.documentElement.scrollWidth") <= size[0]


def test_every_link_is_drawn_at_the_finest_level(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"), "#level=link")
    ends = np.sort(np.stack([HEALTHY.link_src, HEALTHY.link_dst]), axis=0)
    pairs = np.unique(np.vstack([ends, HEALTHY.link_plane]), axis=1)
    assert shown.js("triplane.lines('link')") == pairs.shape[1]
    per_plane = shown.js(
        "Object.values([...triplane.app.scenes[0].levels.link.plane]"
        ".reduce((n, p) => ({...n, [p]: (n[p] || 0) + 1}), {}))"
    )
    assert per_plane == np.bincount(pairs[2]).tolist()
    assert per_plane[1] == 24192 // 2
    # node level: a bundle from every node to each of seven sub-planes, and one each elsewhere
    assert shown.js("triplane.lines('node')") == 48 * 7 + 48 + 48 + 1
    assert shown.js("triplane.lines('rack')") == 12 * 7 + 12 + 12 + 1


def test_a_plane_is_switched_by_mouse_and_key(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"))
    assert coloured(shown.picture(), UB, 0.25) > 500
    shown.page.click("[data-plane=ub]")
    without = shown.picture()
    assert coloured(without, UB, 0.25) < 100  # the legend
    assert coloured(without, RDMA, 0.3) > 50
    assert shown.page.get_attribute("[data-plane=ub]", "aria-pressed") == "false"
    shown.page.keyboard.press("2")
    assert coloured(shown.picture(), UB, 0.25) > 500


def test_search_finds_a_die_and_says_where_its_numbers_come_from(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"))
    shown.page.keyboard.press("/")
    shown.page.keyboard.type("NODE3.die11")
    assert shown.page.locator("#results li").count() == 1
    shown.page.keyboard.press("Enter")
    shown.settled()
    text = shown.text("#pane")
    assert "node3.die11" in text
    assert "NPU die" in text
    assert "7 × 28 GB/s" in text
    assert "1 × 270 GB/s" in text
    assert "arXiv 2506.12708v2 section 3.3.1" in text
    assert shown.js("triplane.state.selected") == {"type": "vertex", "id": 3 * 16 + 11}
    assert shown.js("triplane.level()") == "link"  # it has come near
    shown.page.keyboard.press("/")
    shown.page.keyboard.type("nothing like this")
    assert "nothing of that name" in shown.text("#results")


def place_of(shown: Screen, name: str) -> tuple[float, float]:
    """Where a vertex is drawn, in pixels of the window."""
    x, y = shown.js(
        f"""(() => {{
        const {{ map, scenes }} = triplane.app, v = scenes[0].model.index.get({json.dumps(name)});
        const {{ view }} = triplane.state, box = map.element.getBoundingClientRect();
        const at = [0, 1].map((c) => scenes[0].layout.position[2 * v + c]);
        return [box.left + map.size.width / 2 + (at[0] - view.x) * 2 ** view.zoom,
                box.top + map.size.height / 2 + (at[1] - view.y) * 2 ** view.zoom];
        }})()"""
    )
    return x, y


def test_clicks_tell_facts(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"))
    shown.page.mouse.click(*place_of(shown, "l2.3.12"))
    shown.settled()
    assert "l2.3.12" in shown.text("#pane h2 >> nth=0")
    assert "48 × 28 GB/s" in shown.text("#pane")
    shown.js("triplane.set({ level: 'link', selected: null })")
    shown.page.mouse.click(0, 0)
    ends = [place_of(shown, name) for name in ("node0.l1.3", "l2.3.0")]
    shown.page.mouse.click(*(np.array(ends) * [[0.35], [0.65]]).sum(axis=0))
    shown.settled()
    assert shown.js("triplane.state.selected.type") == "line"
    text = shown.text("#pane")
    assert " ↔ " in text
    assert "bandwidth of a link" in text
    shown.page.keyboard.press("Escape")
    shown.settled()
    assert shown.js("triplane.state.selected") is None


def spray(router: Router, src: int, dst: int) -> dict[int, float] | None:
    """What the router says: the share of the bytes on each link."""
    try:
        (path,) = router.paths(np.array([src]), np.array([dst]))
    except ValueError:
        return None
    table = router.table
    rows = range(table.begin[path], table.begin[path + 1])
    shares: dict[int, float] = {}
    for row in rows:
        links = router.links(int(table.resource[row]))
        shares |= {int(link): float(table.weight[row]) / len(links) for link in links}
    return shares


ROUTES = """([plane, a, b, run]) => {
    const found = triplane.routes(plane, a, b, run);
    if (!found) return null;
    return { links: [...found.links], count: found.count, latency: found.latency,
             weight: found.list.reduce((sum, r) => sum + r.weight, 0), listed: found.list.length };
}"""


def test_routes_are_those_of_the_router(screen: Any, files: Files) -> None:
    """On a machine with dead chips, numbered as the whole one; and on a fat tree."""
    shown = screen(files.path("routes"))
    number = [HEALTHY.index[name] for name in DEAD.vertex_names]
    links = shown.js(
        "(() => { const { gone } = triplane.app.scenes[0].model.links;"
        " return [...gone.keys()].filter((e) => !gone[e]); })()"
    )
    assert len(links) == DEAD.n_links
    rng = np.random.default_rng(5)
    tree = fat_tree(4)
    for plane in ("package", "ub", "rdma", "vpc", "net"):
        graph, run = (tree, 1) if plane == "net" else (DEAD, 0)
        first = DEAD.n_endpoints - 192 if plane == "vpc" else 0
        router = Router(graph, "spray", (plane,))
        for pair in (*rng.integers(first, graph.n_endpoints, (8, 2)), (first, first + 1)):
            a, b = (int(v) for v in pair)
            if a == b:
                continue
            wanted = spray(router, a, b)
            there = [a, b] if run else [number[a], number[b]]
            found = shown.page.evaluate(ROUTES, [plane, *there, run])
            if wanted is None:
                assert found is None
                continue
            own = wanted if run else {links[e]: share for e, share in wanted.items()}
            assert dict(found["links"]) == pytest.approx(own)
            if found["listed"] < 256:
                assert found["weight"] == pytest.approx(1)


def test_two_endpoints_show_every_route_between_them(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"))
    shown.page.keyboard.press("v")
    shown.settled()
    shown.page.mouse.click(*place_of(shown, "node0.die0"))
    shown.settled()
    shown.page.mouse.click(*place_of(shown, "node31.die4"))
    shown.settled()
    assert [shown.js(f"triplane.state.{end}") for end in ("from", "to")] == [0, 31 * 16 + 4]
    text = shown.text("#pane")
    assert "112" in text  # 7 sub-planes of 16 L2 chips
    assert "0.89 %" in text.replace("\n", " ") or shown.page.locator("summary").first.is_visible()
    shown.page.locator("summary").first.click()
    assert "node0.die0 → node0.l1.0 → l2.0.0 → node31.l1.0 → node31.die4" in shown.text("#pane")
    assert "no way on this plane" in text  # the package's
    assert coloured(shown.picture(), UB, 0.2) > 300


def test_it_plays_scrubs_and_colours(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"))
    assert f"/ {run().duration * 1e6:.1f} µs" in shown.text("#clock")
    shown.page.locator("#scrub").fill("0")
    start = shown.picture()
    shown.page.locator("#scrub").fill("100")
    assert shown.js("triplane.state.time") == pytest.approx(0.1 * run().duration)
    later = shown.picture()
    assert np.abs(start - later).max() > 0.3  # the first rotation is under way by then
    shown.page.click("#play")
    shown.until(f"triplane.state.time > {0.13 * run().duration}")
    assert shown.page.get_attribute("#play", "aria-label") == "Pause"
    shown.page.keyboard.press("Escape")
    shown.page.click("#play")
    stopped = shown.js("triplane.state.time")
    shown.settled()
    assert shown.js("triplane.state.time") == stopped
    shown.page.click("#title")
    shown.page.keyboard.press(".")
    assert shown.js("triplane.state.time") == pytest.approx(stopped + 0.01 * run().duration)
    for colour, word in (("queue", "queue"), ("class", "turn 17"), ("plane", "UB")):
        shown.page.select_option("#colour", colour)
        shown.settled()
        assert word in shown.text("#legend")


def test_the_hottest_links_are_those_of_the_timeline(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"), "#tab=traffic")
    busy = run().link_busy / run().duration
    first = shown.text(".hot li >> nth=0")
    assert f"{100 * busy.max():.0f} %" in first
    hottest = {SMALL.vertex_names[SMALL.link_dst[e]] for e in np.flatnonzero(busy == busy.max())}
    assert hottest == {"node0.die0"}  # everybody has sent to it
    assert "->node0.die0" in first
    assert "7 links alike" in first


def test_the_packets_of_a_run_have_a_tab(screen: Any, files: Files) -> None:
    found = packets().packets
    assert found is not None
    assert found.roce is not None
    shown = screen(files.path("packets"))
    shown.page.click("#tab-packets")
    shown.settled()
    pane = shown.text("#pane")
    for words in ("heavy", "light", "99% take at most", f"{found.packets[1]:,}",
                  f"{found.roce.marked[1]:,}"):  # fmt: skip
        assert words in pane
    drawn = "[...document.querySelectorAll('.course')].map((e) => e.dataset.field)"
    assert {"packets", "waited", "longest", "dropped", "resent", "marked", "pauses", "paused",
            "queue"} <= set(shown.js(drawn))  # fmt: skip
    assert found.deepest is not None
    assert packets().topology.link_name(found.deepest[0]) in shown.text("#queues li >> nth=0")
    course = "triplane.app.scenes[0].traffic.packets.course"
    assert shown.js(f"{course}.dropped.reduce((a, b) => a + b)") == found.roce.dropped.sum()
    assert shown.js("document.querySelectorAll('#pane svg path').length") > 9
    other = screen(files.path("traffic"), "#tab=packets")  # where nothing was counted
    assert other.js("document.getElementById('tab-packets')") is None


def test_ranks_over_time(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"))
    shown.page.click("#lanes-toggle")
    shown.settled()
    head = shown.text("#lanes-head")
    for words in ("turn 1", "gather", "waits for another rank", "critical path"):
        assert words in head
    picture = shown.picture("#lanes-map")
    assert colours(picture) > 8
    lanes = "triplane.app.scenes[0].traffic.lanes"
    assert shown.js(f"{lanes}.ranks") == 64
    assert shown.js(f"{lanes}.critical.some((c) => c)")
    box = shown.page.locator("#lanes-map").bounding_box()
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 9)
    assert "rank 0" in shown.text("#tip")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_two_runs_stand_side_by_side(screen: Any, files: Files, size: Any) -> None:
    shown = screen(files.path("compare"), "#tab=traffic", size=size)
    captions = shown.text("#captions")
    assert "healthy" in captions
    assert "two chips dead" in captions
    cells = shown.page.locator("#comparison tr >> nth=1").locator("td").all_inner_texts()
    assert [float(cell.split()[0]) for cell in cells[1:]] == pytest.approx(
        [run().duration * 1e6, run(hurt=True).duration * 1e6], rel=1e-3
    )
    both = shown.picture()
    for half in np.array_split(both, 2, axis=1 if size == WIDE else 0):
        assert colours(half) > 12
    shown.page.click("#compare-toggle")
    shown.settled()
    assert shown.js("triplane.state.compare") is False
    assert shown.text("#captions") == ""
    assert np.abs(shown.picture() - both).max() > 0.3


def test_what_is_taken_out_is_shown_as_such(screen: Any, files: Files) -> None:
    shown = screen(files.path("routes"), "#single=1&tab=machine")
    counts = shown.js("triplane.counts()")
    assert counts["goneLinks"] == HEALTHY.n_links - DEAD.n_links
    assert counts["goneVertices"] == 3
    assert counts["links"] == DEAD.n_links
    assert shown.text("#removed").split() == list(DEAD.removed)
    assert "taken out" in shown.text("#legend")
    x, y = place_of(shown, "l2.3.0")
    shown.page.mouse.click(x, y)
    shown.settled()
    assert "taken out" in shown.text("#pane")


def test_pictures_are_saved(screen: Any, files: Files, tmp_path: Path) -> None:
    shown = screen(files.path("machine"), "#level=link&hidden=vpc")
    with shown.page.expect_download() as png:
        shown.page.click("#png")
    png.value.save_as(tmp_path / "picture.png")
    picture = imread(tmp_path / "picture.png")[..., :3]
    assert png.value.suggested_filename == "cloudmatrix384.png"
    assert coloured(picture, UB, 0.25) > 200  # of which the swatch in its head has 64
    on_screen = shown.picture()
    assert picture.shape[0] > on_screen.shape[0]
    drawn = (np.abs(on_screen - picture[-on_screen.shape[0] :]).max(axis=-1) < 0.02).mean()
    assert drawn > 0.9  # all but the legend, which lies over the canvas
    with shown.page.expect_download() as svg:
        shown.page.click("#svg")
    svg.value.save_as(tmp_path / "picture.svg")
    root = ET.parse(tmp_path / "picture.svg").getroot()
    drawn = sum(
        path.get("d", "").count("M") for path in root.iter("{http://www.w3.org/2000/svg}path")
    )
    vpc = int((HEALTHY.link_plane == HEALTHY.plane("vpc")).sum()) // 2
    assert drawn == shown.js("triplane.lines('link')") - vpc
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "rack 0" in texts
    assert "cloudmatrix384" in texts


def test_a_link_restores_the_view(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"))
    shown.js(
        "triplane.set({ level: 'link', colour: 'queue', time: 2e-5, tab: 'routes', from: 3,"
        " to: 100, theme: 'dark', lanes: true, hidden: new Set(['rdma']), fitted: false,"
        " selected: { type: 'vertex', id: 7 }, view: { x: 120.5, y: 88.25, zoom: 1.25 } })"
    )
    shown.settled()
    shown.page.keyboard.press("c")
    shown.until("location.hash.includes('1.250')")
    fragment = shown.js("location.hash")
    again = screen(files.path("traffic"), fragment)
    for key in ("level", "colour", "time", "tab", "from", "to", "theme", "lanes", "fitted",
                "selected", "view"):  # fmt: skip
        assert again.js(f"triplane.state.{key}") == shown.js(f"triplane.state.{key}"), key
    assert again.js("[...triplane.state.hidden]") == ["rdma"]
    assert again.js("document.documentElement.dataset.theme") == "dark"
    broken = screen(
        files.path("traffic"), "#view=a,b&selected=vertex,99999&from=-1&t=1e99&level=x&hidden=%22"
    )
    assert broken.js("[triplane.state.selected, triplane.state.from, triplane.state.level]") == [
        None, None, "auto",
    ]  # fmt: skip
    assert broken.js("triplane.state.time") == pytest.approx(run().duration)


def test_light_and_dark(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"), scheme="dark")
    assert shown.picture().mean() < 0.35
    shown.page.click("#theme")
    assert shown.picture().mean() > 0.65


def test_the_keyboard_moves_zooms_and_helps(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"))
    before = shown.js("({...triplane.state.view})")
    for key in ("+", "ArrowRight", "ArrowDown"):
        shown.page.keyboard.press(key)
    after = shown.js("({...triplane.state.view})")
    assert after["zoom"] == before["zoom"] + 0.5
    assert after["x"] > before["x"]
    assert after["y"] > before["y"]
    shown.page.keyboard.press("0")
    shown.settled()
    assert shown.js("triplane.state.view") == pytest.approx(before)
    shown.page.keyboard.press("d")
    assert shown.js("triplane.state.level") == "rack"
    shown.page.keyboard.press("?")
    assert "next level of detail" in shown.text("#keys")
    shown.page.keyboard.press("Escape")
    shown.page.mouse.move(500, 400)
    shown.page.mouse.wheel(0, -300)
    shown.until(f"triplane.state.view.zoom > {before['zoom']}")


def test_eight_thousand_npus_open_by_aggregation(screen: Any, files: Files) -> None:
    shown = screen(files.path("big"))
    graph = supernode(8192)
    assert shown.js("triplane.counts().links") == graph.n_links
    assert shown.js("triplane.level()") == "rack"
    assert shown.js("triplane.lines()") < 5000
    assert colours(shown.picture()) > 20
    shown.js("triplane.app.choose({ type: 'vertex', id: 5000 })")
    shown.settled()
    assert shown.js("triplane.level()") == "link"
    drawn = shown.js("triplane.app.scenes[0].cache.rows.value.length")
    assert 0 < drawn < 80_000
    assert coloured(shown.picture(), (71, 84, 103), 0.05) > 500  # its dies


SCRIPT = "<script>window.owned = 1</script>"
HOSTILE = (
    SCRIPT,
    "</script><img src=x onerror='window.owned = 2'>",
    "\"'`${window.owned = 3}",
    "שרת-א",  # written from the right
    "a\u202egnp.exe\u2028b\x00",  # turns the writing direction; a line separator; NUL
    "n" * 1_000_000,
    "%%DATA%%",
)


def hostile() -> Topology:
    """A star whose every text is out to do something."""
    graph = fat_tree(2)
    names = [*HOSTILE, *graph.vertex_names][: graph.n_vertices]
    kinds = [SCRIPT if kind == "edge" else kind for kind in graph.vertex_kinds]
    return Topology(
        SCRIPT + "\u2028", tuple(names), tuple(kinds), graph.n_endpoints, graph.node, graph.package,
        (SCRIPT,), graph.link_src, graph.link_dst, graph.link_plane, graph.link_bandwidth,
        graph.link_latency,
    )  # fmt: skip


def test_hostile_names_are_text_and_do_nothing(screen: Any, tmp_path: Path) -> None:
    graph = hostile()
    assert graph.n_vertices == len(HOSTILE)
    path = tmp_path / "hostile.html"
    path.write_text(page(graph), encoding="utf-8")
    assert path.stat().st_size < 2_000_000
    shown = screen(path, "#level=link")
    assert shown.js("[window.owned, document.images.length]") == [None, 0]
    assert SCRIPT in shown.text("#title")
    assert shown.page.title().startswith(SCRIPT)
    assert SCRIPT in shown.text("#legend") or "<script>" in shown.text("#legend")
    for vertex, name in enumerate(HOSTILE):
        shown.js(f"triplane.app.choose({{ type: 'vertex', id: {vertex} }})")
        shown.settled()
        heading = shown.text("#pane h2 >> nth=0")
        assert len(heading) < 200
        assert heading[0] == name[0]
        shown.page.fill("#query", name[:40])
        shown.page.locator("#results li").first.wait_for()
        shown.page.keyboard.press("Escape")
    assert "\\u202e" in shown.js("triplane.app.scenes[0].model.names[4]")
    assert "1000000 characters" in shown.js("triplane.app.scenes[0].model.names[5]")
    shown.page.keyboard.press("v")
    shown.js("triplane.set({ from: 0, to: 1 })")
    shown.page.mouse.move(500, 300)
    shown.settled()
    assert SCRIPT in shown.text("#pane")
    shown.js("triplane.app && import('data:text/javascript,window.owned=4').catch(() => 0)")
    blocked = [said for said in shown.said if "Content Security Policy" in said]
    assert blocked, "the page's policy lets other scripts in"
    shown.said[:] = [said for said in shown.said if "Content Security Policy" not in said]
    assert shown.js("window.owned") is None


# By tiers, and what is shown in place of the map.


def bundles(graph: Topology, inside: bool) -> int:
    """Bundles between groups, by their definition; ``inside``: with those within each node."""
    boxes = groups(graph)
    ends = np.sort(boxes.of[np.stack([graph.link_src, graph.link_dst])], axis=0)
    node = np.array([kind == "node" for kind in boxes.kinds])
    drawn = (ends[0] != ends[1]) | (node[ends[0]] & inside)
    return np.unique(np.vstack([ends, graph.link_plane])[:, drawn], axis=1).shape[1]


def test_the_first_view_is_one_plane_by_tiers(screen: Any, files: Files) -> None:
    shown = screen(files.path("machine"), TIERS)
    assert shown.js("triplane.state.picture") == "tiers"
    assert shown.js("[...triplane.state.hidden]") == ["package", "rdma", "vpc"]
    assert shown.js("triplane.level()") == "node"
    lines = shown.js(
        "(({ source, target, a, b, plane }) => [source, target, a, b, plane].map((x) => [...x]))"
        "(triplane.app.scenes[0].levels.node)"
    )
    assert len(lines[4]) == bundles(HEALTHY, inside=True)
    starts, ends = np.array(lines[0]).reshape(-1, 2), np.array(lines[1]).reshape(-1, 2)
    boxes, ub = groups(HEALTHY), HEALTHY.plane("ub")
    kinds = np.array([kind == "node" for kind in boxes.kinds])
    between = (np.array(lines[4]) == ub) & (np.array(lines[2]) != np.array(lines[3]))
    assert between.sum() == 48 * 7
    assert (kinds[np.array(lines[2])] | kinds[np.array(lines[3])])[between].all()
    assert np.array_equal(starts[between, 0], ends[between, 0])  # upright ..
    assert len(np.unique(starts[between, 0])) == 48 * 7  # .. each at a place of its own
    assert coloured(shown.picture(), UB, 0.3) > 500
    y = shown.js("triplane.app.scenes[0].layout.groups.map((box) => box.y)")
    of = {name: y[number] for number, name in enumerate(boxes.names)}
    assert of["sub-plane 6"] < of["sub-plane 0"] < of["node0"] == of["node47"] < of["rdma-leaf"]
    shown.page.mouse.click(*place_of(shown, "l2.3.12"))
    shown.settled()
    assert "48 × 28 GB/s" in shown.text("#pane")
    shown.page.keyboard.press("m")
    shown.settled()
    assert shown.js("triplane.state.picture") == "racks"
    of = shown.js("triplane.app.scenes[0].layout.groups.map((box) => box.y)")
    assert len(set(of[:48])) > 1  # nodes in rows again


def test_a_machine_without_tiers_shows_its_nodes(screen: Any, files: Files) -> None:
    """512 nodes do not stand beside each other."""
    shown = screen(files.path("big"), TIERS)
    assert shown.js("triplane.state.picture") == "racks"
    assert shown.page.locator("#picture option").all_inner_texts() == ["racks"]


def test_the_matrix_has_what_each_rank_has_sent_to_each(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"), "#picture=matrix")
    wanted = np.zeros((64, 64))
    np.add.at(wanted, (run().src, run().dst), run().size)
    pairs = shown.js("[...triplane.app.scenes[0].traffic.pairs]")
    assert np.array_equal(np.reshape(pairs, (64, 64)), wanted)
    assert f"{(wanted > 0).sum()} of 4096 pairs have sent" in shown.text("#chart")
    box = shown.page.locator("#matrix").bounding_box()
    cell = box["width"] / 64
    shown.page.mouse.move(box["x"] + 18.5 * cell, box["y"] + 1.5 * cell)  # from 1 to 18
    assert "rank 1 to rank 18: 1.049 MB" in shown.text("#tip")
    picture = shown.picture("#matrix")
    n = len(picture) / 64
    at = [picture[int((a + 0.5) * n), int((b + 0.5) * n)] for a, b in ((1, 18), (2, 19), (1, 30))]
    assert np.abs(at[0] - at[1]).max() < 0.02
    assert np.abs(at[0] - at[2]).max() > 0.2


def test_bytes_by_tier_are_those_of_the_links(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"), "#picture=flow")
    graph, kind = SMALL, np.array(SMALL.vertex_kinds)
    ub = graph.link_plane == graph.plane("ub")

    def moved(a: str, b: str) -> float:
        mine = ub & (kind[graph.link_src] == a) & (kind[graph.link_dst] == b)
        return float(run().link_bytes[mine].sum())

    rows = {
        (cells[0], cells[1]): cells[2]
        for row in shown.page.locator("#flows tbody tr").all()
        for cells in [row.locator("td").all_inner_texts()]
    }
    said = {over: text for (plane, over), text in rows.items() if plane == "ub"}
    up, across = moved("die", "l1"), moved("l1", "l2")
    assert moved("l1", "die") == pytest.approx(up)
    for over, wanted in (
        ("L1 UB switch chip → L2 UB switch chip", across),
        ("L2 UB switch chip → L1 UB switch chip", across),
        ("L1 UB switch chip → L1 UB switch chip, turned", up - across),
        ("NPU die, CPU socket → L1 UB switch chip", up),
        ("L1 UB switch chip → NPU die, CPU socket", up),
    ):
        number, unit = said[over].split()
        scale = {"GB": 1e9, "MB": 1e6, "kB": 1e3}[unit]
        assert float(number) * scale == pytest.approx(wanted, rel=1e-3), over
    assert shown.page.locator("#chart path").count() == len(rows)


def faults_of(shown: Screen) -> list[str]:
    """What axe calls serious or critical, by its name and the element."""
    shown.js(axe_source())
    found = shown.js("axe.run(document)")
    assert len(found["passes"]) > 10
    return [
        f"{one['id']}: {node['html'][:120]}"
        for one in found["violations"] if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]  # fmt: skip


def axe_source() -> str:
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe-core is not here: pip install axe-playwright-python"
    )
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("fragment", "size", "scheme"),
    [
        ("#picture=tiers&ranks=1&tab=traffic", WIDE, "light"),
        ("#picture=flow&tab=machine", WIDE, "dark"),
        ("#picture=matrix&tab=routes&from=0&to=40", PHONE, "light"),
        ("#picture=racks&tab=details&selected=vertex,3&hidden=rdma", PHONE, "dark"),
    ],
)
def test_axe_finds_no_serious_fault(
    fragment: str, size: Any, scheme: str, screen: Any, files: Files
) -> None:
    shown = screen(files.path("traffic"), fragment, size=size, scheme=scheme)
    check_with_axe(shown, "die1")
    assert shown.js("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "dark"), (PHONE, "light")])
def test_axe_finds_no_serious_fault_with_packets(
    size: Any, scheme: str, screen: Any, files: Files
) -> None:
    shown = screen(files.path("packets"), "#tab=packets", size=size, scheme=scheme)
    assert shown.page.locator("#queues li").count() > 0
    check_with_axe(shown, "host1")
    assert shown.js("document.documentElement.scrollWidth") <= size[0]


def check_with_axe(shown: Screen, word: str) -> None:
    """Nothing serious as it is, nor while somebody looks for ``word``."""
    shown.settled()
    assert faults_of(shown) == []
    shown.page.keyboard.press("/")
    shown.page.keyboard.type(word)
    assert faults_of(shown) == []


def test_the_keyboard_reaches_everything(screen: Any, files: Files) -> None:
    """By the Tab key alone: each control once, then around; and the tabs by arrows."""
    shown = screen(files.path("traffic"), "#picture=tiers&tab=machine")
    seen: list[str] = []
    for _ in range(60):
        shown.page.keyboard.press("Tab")
        seen.append(shown.js("document.activeElement.id || document.activeElement.dataset.plane"))
    for control in ("query", "picture", "level", "fit", "theme", "png", "svg", "share", "help",
                    "map", "ub", "tab-machine", "pane", "play", "scrub", "speed", "colour",
                    "lanes-toggle"):  # fmt: skip
        assert control in seen, control
    shown.page.focus("#tab-machine")
    shown.page.keyboard.press("ArrowRight")
    shown.settled()
    assert shown.js("[triplane.state.tab, document.activeElement.id]") == ["details", "tab-details"]
    shown.page.fill("#query", "die1")
    active = shown.page.get_attribute("#query", "aria-activedescendant")
    assert shown.page.get_attribute(f"#{active}", "aria-selected") == "true"


def test_paper_gets_the_picture_and_the_facts(screen: Any, files: Files) -> None:
    shown = screen(files.path("traffic"), "#picture=tiers&tab=traffic&theme=dark")
    shown.page.emulate_media(media="print")
    shown.js("dispatchEvent(new Event('beforeprint'))")
    assert shown.page.locator("#printed svg path").count() > 0
    assert shown.page.locator("#printed svg").is_visible()
    for control in ("#tools", "#player", "#map", "#search"):
        assert not shown.page.locator(control).is_visible()
    assert shown.picture("#pane").mean() > 0.85  # on white
    assert "Hottest links" in shown.text("#pane")
    shown.js("dispatchEvent(new Event('afterprint'))")
    shown.page.emulate_media(media="screen")
    assert shown.page.locator("#printed svg").count() == 0
    assert shown.js("triplane.state.theme") == "dark"
    shown.settled()
