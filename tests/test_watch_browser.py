"""The page of a run in a real headless Chromium, while the run goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import browser as running_browser
from tests.support.screen import Screen
from tests.support.watching import running
from topology import supernode

FAULT = """
detection = "10 us"

[[faults]]
what = "l2.0.0"
from = "200 us"
"""

LIVE = "triplane.app.scenes[0].traffic.live"
LABEL = "document.getElementById('play').ariaLabel"
TRAFFIC = "triplane.app.scenes[0].traffic"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


def opened(chromium: Browser, address: str) -> Screen:
    context = chromium.new_context(viewport={"width": 1000, "height": 600})
    context.set_default_timeout(60_000)
    return Screen(context.new_page(), address).visit(address)


def test_a_run_of_eight_processes_is_seen_while_it_goes_on(
    chromium: Browser, tmp_path: Path
) -> None:
    (tmp_path / "faults.toml").write_text(FAULT)
    machine = ("--system", "supernode:64", "--faults", str(tmp_path / "faults.toml"))
    with running(tmp_path, *machine, ranks=8) as (process, address, stop):
        shown, second = opened(chromium, address), opened(chromium, address)
        it_lights_up_and_grows(shown)
        the_fault_has_come(shown)
        it_stops_and_goes_back(shown)
        second.until(f"{LIVE}.calls > 0")
        second.page.context.close()  # which nobody misses
        now = shown.js(f"{LIVE}.now")
        shown.page.keyboard.press("n")
        shown.until(f"triplane.state.time > {now}")
        stop.touch()
        shown.until(f"{LIVE}.end !== null")
        assert process.wait(60) == 0
    shown.says("#live", "the run has ended")
    shown.page.keyboard.press(",")  # it stays, to look at
    shown.settled()
    assert shown.js("triplane.state.time") < shown.js(f"{LIVE}.now")
    assert shown.said == []
    shown.page.context.close()


def it_lights_up_and_grows(shown: Screen) -> None:
    shown.page.click("#lanes-toggle")
    shown.until(f"{LIVE}.calls > 20")
    shown.says("#live", "live · ")
    shown.until(f"{TRAFFIC}.utilisation.some((x) => x)")
    lit = shown.js(f"[...{TRAFFIC}.link_bytes].flatMap((x, e) => x ? [e] : [])")
    graph = supernode(64)
    ends = {graph.vertex_names[v] for e in lit for v in (graph.link_src[e], graph.link_dst[e])}
    assert {f"node0.die{rank}" for rank in range(8)} <= ends
    assert not any(name.startswith("node1.") for name in ends)  # 8 ranks are one node's
    ranks = shown.js(f"[...new Set({TRAFFIC}.lanes.rank)].sort()")
    assert ranks == list(range(8))
    before = [shown.js(f"{LIVE}.{what}") for what in ("now", "calls")]
    shown.until(f"{LIVE}.now > {before[0]} && {LIVE}.calls > {before[1]}")
    shown.says("#lanes-head", "all_to_all")
    shown.until(f"triplane.state.time > {before[0]}")


def the_fault_has_come(shown: Screen) -> None:
    shown.until(f"{LIVE}.marks.length")
    shown.until(f"triplane.state.time > {LIVE}.marks[0].at")
    mark = shown.js(f"{LIVE}.marks[0]")
    assert mark["at"] == pytest.approx(200e-6)
    shown.page.click("#tab-traffic")
    shown.says("#marks", "l2.0.0 dead")
    graph = supernode(64)
    chip = graph.index["l2.0.0"]
    links = set(shown.js(f"Object.values({LIVE}.marks[0].links)"))
    assert links == {
        e for e in range(graph.n_links) if chip in (graph.link_src[e], graph.link_dst[e])
    }
    dead = f"{LIVE}.dead.of[{min(links)}]"
    shown.until(f"{dead} === 2")
    shown.js("triplane.set({ time: 100e-6, following: false })")
    shown.until(f"{dead} === 0")  # before it came
    shown.page.keyboard.press("n")
    shown.until(f"{dead} === 2")


def it_stops_and_goes_back(shown: Screen) -> None:
    shown.page.click("#play")
    shown.until(f"{LABEL} === 'Play'")
    time, now = shown.js("triplane.state.time"), shown.js(f"{LIVE}.now")
    shown.until(f"{LIVE}.now > {now}")  # it goes on collecting
    assert shown.js("triplane.state.time") == time
    shown.page.locator("#scrub").fill("100")
    assert shown.js("triplane.state.time") < time
    assert shown.js("triplane.state.following") is False
    shown.page.click("#play")
    shown.until(f"{LABEL} === 'Pause'")


@pytest.mark.parametrize("mode", ["torch", "raise"])
def test_torch_and_what_a_program_says(mode: str, chromium: Browser, tmp_path: Path) -> None:
    if mode == "torch":
        pytest.importorskip("torch")
    with running(tmp_path, "--system", "star:2", mode=mode) as (process, address, stop):
        shown = opened(chromium, address)
        shown.until(f"{LIVE}.calls > 5")
        word = "all_reduce" if mode == "torch" else "all_to_all"
        shown.until(f"{TRAFFIC}.labels.includes('{word}')")
        stop.touch()
        shown.until(f"{LIVE}.end !== null")
        assert process.wait(60) == (mode == "raise")
    if mode == "raise":
        shown.says("#live", "raised ValueError: <img src=x onerror=")
    assert shown.js("[window.owned, document.images.length]") == [None, 0]
    assert shown.said == []
    shown.page.context.close()


def test_a_launcher_that_is_killed_is_missed_by_the_page(chromium: Browser, tmp_path: Path) -> None:
    with running(tmp_path, "--system", "star:2") as (process, address, _):
        shown = opened(chromium, address)
        shown.until(f"{LIVE}.calls > 0")
        process.kill()
        shown.until(f"{LIVE}.end !== null")
    shown.says("#live", "the launcher is gone")
    assert shown.said == []
    shown.page.context.close()
