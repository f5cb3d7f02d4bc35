"""A page in a browser, as tests use it: what it shows, and everything that it complains about."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread
from playwright.sync_api import Page

PIXELS = "GPU stall due to ReadPixels"
"""What Chromium says of itself when it puts WebGL on a page that is drawn without."""


class Screen:
    """A page that is open, and everything that it has complained about."""

    def __init__(self, page: Page, server: str = "") -> None:
        self.page, self.said, self._server = page, list[str](), server
        page.on("console", lambda message: self.hear(message.type, message.text))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.asked(request.url))

    def hear(self, kind: str, text: str) -> None:
        if PIXELS not in text:
            self.said.append(f"{kind}: {text}")

    def asked(self, url: str) -> None:
        own = bool(self._server) and url.startswith(self._server)
        if not own and not url.startswith(("file:", "data:", "blob:")):
            self.said.append(f"request: {url}")

    def open(self, path: Path, fragment: str = "") -> "Screen":
        return self.visit(f"{path.as_uri()}{fragment}")

    def visit(self, address: str) -> "Screen":
        self.page.goto(address)
        self.until("window.triplane")
        self.js("triplane.ready")
        self.js("window.opened = { ...triplane.state }")
        return self

    def until(self, expression: str) -> None:
        """Wait for an expression to hold; Playwright's own way is an eval, which is forbidden."""
        deadline = time.monotonic() + 60
        while not self.js(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never: {expression}"
            time.sleep(0.02)

    def js(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def settled(self) -> None:
        """Everything that a change brings about is on the screen."""
        self.js("triplane.settled()")

    def as_opened(self) -> "Screen":
        """Back in the state in which it has been opened: sooner than to open it again."""
        self.page.mouse.move(0, 0)
        self.js(
            "(document.activeElement?.blur(), document.getElementById('keys').close(),"
            " document.getElementById('query').value = '', triplane.set({ ...window.opened,"
            " hidden: new Set(window.opened.hidden) }))"
        )
        self.settled()
        return self

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def says(self, selector: str, words: str) -> None:
        """Wait for words in an element: what has changed is drawn in a later frame."""
        self.until(
            f"document.querySelector('{selector}')?.textContent.includes({json.dumps(words)})"
        )

    def picture(self, selector: str = "#map") -> "np.ndarray[Any, np.dtype[np.float64]]":
        self.settled()
        png = self.page.locator(selector).screenshot(animations="disabled")
        return np.asarray(imread(io.BytesIO(png)))[..., :3]


def coloured(picture: Any, rgb: tuple[int, int, int], within: float = 0.12) -> int:
    """Pixels near a colour."""
    return int((np.abs(picture - np.array(rgb) / 255).max(axis=-1) < within).sum())


def colours(picture: Any) -> int:
    """How many colours there are, coarsely: one where nothing is drawn."""
    return len(np.unique((picture * 15).astype(int).reshape(-1, 3), axis=0))
