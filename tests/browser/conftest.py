"""Debian's Chromium, driven by playwright, for whatever page a test starts on a loopback port.

The browser reaches no other machine: whatever a page asks of the network fails, and is listed in
`Visit.foreign`.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE_MS = 60_000
LOOPBACK = ("127.0.0.1", "localhost", "")


@dataclass
class Visit:
    """A page in the browser, with its requests to other machines and its scripts' errors."""

    page: "Page"
    foreign: list[str] = field(default_factory=list)
    script_errors: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Begin to note."""
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.script_errors.append(str(error)))

    def _note(self, request: "Request") -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            self.foreign.append(request.url)


# One for each module, not for the session: while playwright runs, no asyncio test can run in the
# same thread.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The browser; tests skip where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed. To have it: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            ],
        )
        try:
            yield running
        finally:
            running.close()


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Callable[..., Visit]]:
    """`visit(url)` opens it in a window of its own; `size=PHONE` in one as wide as a phone's.

    `login` is USER:PASSWORD, which the browser gives to a server that asks for it.
    """
    contexts = []

    def open_page(url: str, size: tuple[int, int] = DESKTOP, login: str = "") -> Visit:
        width, height = size
        user, _, password = login.partition(":")
        context = browser.new_context(
            viewport={"width": width, "height": height},
            has_touch=size == PHONE,
            is_mobile=size == PHONE,
            http_credentials={"username": user, "password": password} if login else None,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        visit = Visit(context.new_page())
        visit.listen()
        visit.page.goto(url)
        return visit

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def screenshot(tmp_path: Path) -> "Callable[[Page, str], Path]":
    """`screenshot(page, name)` saves the whole page as PNG in the test's folder for a look."""

    def save(page: "Page", name: str) -> Path:
        target = tmp_path / f"{name}.png"
        page.screenshot(path=target, full_page=True)
        return target

    return save
