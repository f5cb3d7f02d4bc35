"""The documentation as a site: strictly built, searchable, and without a request elsewhere."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from playwright.sync_api import Browser, Page

from bench.cli import BENCHMARKS, COMMANDS
from tests.support.browser import browser
from tests.support.pages import blocks

ROOT = Path(__file__).parents[1]
PATIENCE = 60_000
"""Milliseconds that a page may take on a busy host."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as ``make docs`` builds it; any warning of mkdocs ends that."""
    folder = tmp_path_factory.mktemp("sites") / "9.10.0"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def translations() -> ModuleType:
    return loaded("translations")


@pytest.fixture(scope="module")
def versions() -> ModuleType:
    return loaded("versions")


def loaded(name: str) -> ModuleType:
    """A program of docs/build, which is no package."""
    path = ROOT / "docs" / "build" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def opened(chromium: Browser, path: Path) -> tuple[Page, list[str]]:
    """A page of the site, and what it asks for beside files of this host."""
    page, asked = chromium.new_page(), list[str]()
    local = ("file:", "data:", "blob:", "about:")
    page.on("request", lambda one: None if one.url.startswith(local) else asked.append(one.url))
    page.goto(path.as_uri(), timeout=PATIENCE)
    return page, asked


def test_the_first_page_shows_the_machine_and_asks_nobody(site: Path, chromium: Browser) -> None:
    page, asked = opened(chromium, site / "index.html")
    machine = page.frame_locator("iframe[src='machine.html']")
    machine.locator("canvas").first.wait_for(timeout=PATIENCE)
    page.wait_for_load_state("networkidle")
    assert not asked
    page.close()


def test_it_can_be_searched_without_a_server(site: Path, chromium: Browser) -> None:
    page, asked = opened(chromium, site / "index.html")
    page.locator("input.md-search__input").focus()
    page.keyboard.type("as-part-of")
    found = page.locator(".md-search-result__link[href*='running.html']").first
    found.wait_for(timeout=PATIENCE)
    assert not asked
    page.close()


def test_versions_stand_beside_each_other(
    site: Path, chromium: Browser, versions: ModuleType
) -> None:
    other = site.parent / "9.9.1"
    other.mkdir()
    (other / "index.html").write_text("<!doctype html><title>older</title>")
    versions.write_index(site.parent)
    assert versions.there(site.parent) == ["9.10.0", "9.9.1"]
    page, asked = opened(chromium, site.parent / "index.html")
    page.wait_for_url("**/9.10.0/index.html", timeout=PATIENCE)
    page.goto((site / "zh" / "concepts.html").as_uri())
    choice = page.locator("#versions")
    choice.wait_for(timeout=PATIENCE)
    assert choice.input_value() == "9.10.0"
    choice.select_option("9.9.1")
    page.wait_for_url("**/9.9.1/index.html", timeout=PATIENCE)
    assert page.title() == "older"
    assert not asked
    page.close()


def test_every_command_is_listed(site: Path) -> None:
    text = (site / "commands.html").read_text(encoding="utf-8")
    titles = set(re.findall(r'<h\d id="([^"]+)"', text))
    assert {f"triplane-{name}" for name in COMMANDS} <= titles
    assert {f"triplane-bench-{name}" for name in BENCHMARKS} <= titles


def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f'href="{page.stem}.html"' in text, page.name


def test_translations_have_the_code_of_their_originals(translations: ModuleType) -> None:
    """Whose blocks are run; what a page says around them is for who reads both languages."""
    pages = sorted((ROOT / "docs" / "zh").glob("*.md"))
    assert pages
    for page in pages:
        original = translations.original(page)
        assert original is not None, page.name
        mine, theirs = ([(b.language, b.text) for b in blocks(one)] for one in (page, original[0]))
        assert mine == theirs, page.name


def test_the_chinese_readme_has_blocks_of_the_english_one(translations: ModuleType) -> None:
    page = ROOT / "README.zh.md"
    original = translations.original(page)
    assert original is not None
    assert original[0].samefile(ROOT / "README.md")
    theirs = [block.text for block in blocks(ROOT / "README.md")]
    mine = [block.text for block in blocks(page)]
    assert mine
    assert [text for text in theirs if text in mine] == mine


def test_a_translation_older_than_its_original_is_named(
    translations: ModuleType, tmp_path: Path
) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs" / "zh", docs / "zh")
    for name in (docs / "zh").glob("*.md"):
        shutil.copy(ROOT / "docs" / name.name, docs)
        translations.renew(name, docs)
    page = docs / "zh" / "first_answer.md"
    assert translations.older(docs) == []
    (docs / "first_answer.md").write_text("# Another answer\n", encoding="utf-8")
    assert translations.older(docs) == [page]
    translations.renew(page, docs)
    assert translations.older(docs) == []
