"""A real browser for tests: the system's Chromium, driven by Playwright, and what a page did in it."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: Where Debian and others have it.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

#: Text that is seen -> the contrast of its colour with what lies behind it, by WCAG 2's formula.
CONTRASTS = """() => {
  const parse = (text) => {
    const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
  const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const weights = [0.2126, 0.7152, 0.0722];
  const light = (c) => weights.reduce((sum, share, i) => sum + share * linear(c[i] / 255), 0);
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const texts = [...element.childNodes].filter((node) => node.nodeType === 3);
    const own = texts.map((node) => node.data.trim()).join("");
    const box = element.getBoundingClientRect();
    if (!own || !box.width || !box.height || element.closest("script, style, noscript, option")) continue;
    if (!element.checkVisibility({ checkVisibilityCSS: true })) continue;
    let behind = [255, 255, 255, 1];
    const papers = [];
    for (let one = element; one; one = one.parentElement) papers.unshift(getComputedStyle(one));
    for (const { backgroundColor } of papers) behind = over(parse(backgroundColor), behind);
    const { fill, color } = getComputedStyle(element);
    const ink = over(parse(element instanceof SVGElement ? fill : color), behind);
    const [high, low] = [light(ink), light(behind)].sort((a, b) => b - a);
    found[element.tagName + ": " + own.slice(0, 60)] = (high + 0.05) / (low + 0.05);
  }
  return found;
}"""
#: Controls without a name.
UNLABELLED = """() => [...document.querySelectorAll("input, select, button, a")]
  .filter((one) => one.checkVisibility() && !one.labels?.length)
  .filter((one) => !one.getAttribute("aria-label") && !one.textContent.trim())
  .map((one) => one.outerHTML)"""


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """The browser; skips the test where it, or Playwright, is missing."""
    api = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass(slots=True, kw_only=True)
class Visit:
    """A `page` that was opened, the addresses that it asked for, and what went wrong in it."""

    page: Any
    asked: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def elsewhere(self, origin: str) -> list[str]:
        """Requests for anything that is not of `origin`, nor in the page itself."""
        return [address for address in self.asked if not address.startswith((origin, "data:", "blob:"))]


def until(page: Any, expression: str, seconds: float = 20.0) -> None:
    """Waits for an expression to be true; Playwright's own way to wait needs a page that allows `eval`."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never true: {expression}"
        page.wait_for_timeout(50)


@contextlib.contextmanager
def visiting(browser: Any, address: str, **context: Any) -> Iterator[Visit]:
    """The page at `address` in a fresh window; `context` is as Playwright's `new_context` takes it."""
    with contextlib.closing(browser.new_context(**context)) as window:
        window.add_init_script("window.harmed = 0")
        visit = Visit(page=window.new_page())
        visit.page.set_default_timeout(20_000)
        visit.page.on("request", lambda request: visit.asked.append(request.url))
        visit.page.on("pageerror", lambda error: visit.wrong.append(str(error)))
        visit.page.on(
            "dialog", lambda dialog: (visit.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        visit.page.on(
            "console",
            lambda said: visit.wrong.append(said.text) if said.type in ("error", "warning") else None,
        )
        visit.page.goto(address)
        yield visit


def renderer_bytes() -> int:
    """Memory in which pages live: that of the renderers that this process started, and their part of what
    they share with others, on Linux."""
    parents, memory = {}, {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                rollup = (folder / "smaps_rollup").read_text()
                memory[number] = 1024 * int(rollup.partition("\nPss:")[2].split()[0])

    def is_ours(number: int) -> bool:
        while number > 1:
            if number == os.getpid():
                return True
            number = parents.get(number, 0)
        return False

    return sum(size for number, size in memory.items() if is_ours(number))
