"""A Chromium for the tests of the page: which one there is, and how to get one.

``python tests/support/browser.py`` sees to it that there is one, in the ways that this machine
allows, and says in one line what came of it. It never fails: without a browser the page's tests are
skipped, and the line says why.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-compositing",
    "--disable-gpu-rasterization", "--no-sandbox",
)  # fmt: skip
"""Software rendering, so that WebGL works without a GPU, and what is no WebGL, which is slow by it,
is drawn without; and root has no sandbox."""

NAMED = "TRIPLANE_BROWSER"
"""The environment variable that names a browser; then no other is looked for or installed."""

LONGEST = 300.0
"""Seconds that one way of installing may take."""

HINT = (
    "no Chromium that starts: run `apt-get install chromium` or `playwright install --with-deps"
    f" chromium`, or put chromium or google-chrome on PATH, or name one in {NAMED}"
)


def candidates(play: Playwright) -> list[str]:
    """The browsers that there may be, best first."""
    named = os.environ.get(NAMED)
    if named:
        return [named]
    own = play.chromium.executable_path
    found = [shutil.which(name) for name in NAMES]
    return [path for path in (own if Path(own).exists() else None, *found) if path]


def start(play: Playwright) -> tuple[Browser | None, str]:
    """A browser that has come up, or `None` and why not."""
    reasons = []
    for path in candidates(play):
        try:
            return play.chromium.launch(executable_path=path, args=FLAGS), path
        except Error as error:
            reasons.append(f"{path}: {error.message.splitlines()[0]}")
    return None, "; ".join([HINT, *reasons])


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser; skips the test where there is none."""
    with sync_playwright() as play:
        found, why = start(play)
        if found is None:
            pytest.skip(why)
        try:
            yield found
        finally:
            found.close()


def ways() -> Iterator[Sequence[str]]:
    """Commands that install a browser, for who may run them."""
    if os.environ.get(NAMED):
        return
    yield (sys.executable, "-m", "playwright", "install", "chromium")
    if os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        yield ("apt-get", "install", "-y", "-qq", "chromium")
        yield ("sh", "-c", "apt-get update -qq && apt-get install -y -qq chromium")


def ready() -> tuple[bool, str]:
    """Whether a browser starts now, and which, or why not."""
    with sync_playwright() as play:
        found, text = start(play)
        if found is not None:
            found.close()
        return found is not None, text


def main() -> str:
    """Get a browser if there is none; what came of it, in a line."""
    done, text = ready()
    for command in ways():
        if done:
            break
        # What a way says of itself, or that it takes too long, matters only to who looks into it:
        # whether there is a browser now is what counts.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, capture_output=True, timeout=LONGEST, check=False, stdin=subprocess.DEVNULL
            )
        done, text = ready()
    return (
        f"browser for the page's tests: {text}" if done else f"the page's tests are skipped: {text}"
    )


if __name__ == "__main__":
    sys.stdout.write(main() + "\n")
