"""The browser of these tests: it shows a page, runs its scripts, and reaches no other machine."""

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import PHONE, Visit

PAGE = """<meta name=viewport content="width=device-width"><p id=said>not yet</p><script>
document.getElementById('said').textContent = innerWidth;
fetch('http://example.org/').catch(() => { document.title = 'alone' });
</script>"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "index.html").write_text(PAGE, "utf-8")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_browser_shows_a_page_as_wide_as_a_phone_and_reaches_no_other_machine(
    visit: Callable[..., Visit], served: str, screenshot: Callable[..., Path]
) -> None:
    seen = visit(served, size=PHONE)

    seen.page.wait_for_function("document.title === 'alone'")
    assert seen.page.inner_text("#said") == "390"
    assert seen.foreign == ["http://example.org/"]
    assert screenshot(seen.page, "page").read_bytes().startswith(b"\x89PNG")
