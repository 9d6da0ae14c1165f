"""The guard before our web servers, on headers of every kind, without a server."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.web_guard import ENGINE_KEY, EngineGuard, KeyGuard, WebGuard, basic

OWN = ("127.0.0.1", "localhost", "::1")
OWN_HOSTS = ("127.0.0.1:4200", "localhost:4200", "LOCALHOST:4200", "[::1]:4200")
FOREIGN_HOSTS = (
    "",
    "evil.example",
    "evil.example:4200",
    "127.0.0.1.evil.example",
    "localhost.evil",
    "10.0.0.1",
    "0.0.0.0",
    "*",
    "127.0.0.1@evil.example",
    "evil.example@127.0.0.1",
    "127.0.0.1/evil.example",
    "localhost:x",
    "[::1",
    "127.1",
    "localhost, evil.example",
    "evil.example#localhost",
)
FOREIGN_ORIGINS = (
    "null",
    "",
    "https://evil.example",
    "http://evil.example:4200",
    "http://localhost.evil:4200",
    "http://localhost",
    "http://localhost:4201",
    "file://",
    "https://localhost:4200",
    "chrome-extension://localhost:4200",
    "http://localhost:4200/path",
    "http://evil@localhost:4200",
    "http://[::1",
    "javascript:localhost:4200",
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """What is guarded."""
    await send({"type": "reached"})


def answer(kind: str = "http", names: tuple[str, ...] = OWN, **headers: str | list[str]) -> str:
    """`reached`, or how the request was refused."""
    return said_by(WebGuard(app, names), kind, "/", **headers)


def said_by(guard: Any, kind: str, path: str, **headers: str | list[str]) -> str:
    """The same of any guard."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read of a request that is refused")

    pairs = [
        (name, one)
        for name, value in headers.items()
        for one in ([value] if isinstance(value, str) else value)
    ]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in pairs]
    asyncio.run(guard({"type": kind, "path": path, "headers": encoded}, receive, send))
    return str(sent[0].get("status", sent[0]["type"]))


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_a_program_and_our_own_page_are_let_through(host: str) -> None:
    assert answer(host=host) == "reached"
    for own in OWN_HOSTS:
        assert answer(host=host, origin=f"http://{own}") == "reached"


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_a_host_name_that_is_not_ours_is_refused(host: str) -> None:
    assert answer(host=host) == "403"
    assert answer("websocket", host=host) == "websocket.close"


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_page_that_is_not_ours_is_refused(origin: str) -> None:
    assert answer(host="localhost:4200", origin=origin) == "403"
    assert answer("websocket", host="localhost:4200", origin=origin) == "websocket.close"


def test_headers_that_are_missing_or_doubled_are_refused() -> None:
    assert answer() == "403"
    assert answer(host=["localhost:4200", "evil.example"]) == "403"
    assert (
        answer(host="localhost:4200", origin=["http://localhost:4200", "https://evil.example"])
        == "403"
    )


@given(st.text(st.characters(max_codepoint=255), max_size=30))
def test_of_all_texts_only_our_names_are_taken(text: str) -> None:
    name = text.lower().partition(":")[0]
    if name not in OWN:
        assert answer(host=text) == "403"
        assert answer(host="localhost:4200", origin=text) == "403"


def test_a_server_for_every_name_asks_for_none() -> None:
    assert (
        answer(names=("*",), host="nights.example.org", origin="https://nights.example.org")
        == "reached"
    )


def test_the_start_and_end_of_a_server_are_let_through() -> None:
    assert answer("lifespan") == "reached"


KEY = "Bearer s3cret"
PATHS = st.sampled_from(
    [
        "/",
        "/v1/completions",
        "/collective_rpc",
        "/health/",
        "/health/x",
        "//health",
        "/healthz",
        "/Health",
    ]
)


@given(
    st.sampled_from(["http", "websocket"]),
    PATHS,
    st.text(st.characters(max_codepoint=255), max_size=20),
)
def test_of_all_headers_only_the_whole_key_opens(kind: str, path: str, text: str) -> None:
    guard = KeyGuard(app, KEY)
    refused = "401" if kind == "http" else "websocket.close"
    for wrong in {
        text,
        KEY + text,
        text + KEY,
        KEY[: len(text)],
        f"Bearer {text}",
        f"Basic {text}",
    } - {KEY}:
        assert said_by(guard, kind, path, authorization=wrong) == refused
    assert said_by(guard, kind, path) == refused
    assert said_by(guard, kind, path, authorization=[KEY, KEY]) == refused
    assert said_by(guard, kind, path, authorization=KEY) == "reached"


def test_only_health_is_for_everybody_and_only_by_http() -> None:
    assert said_by(KeyGuard(app, KEY), "http", "/health") == "reached"
    assert said_by(KeyGuard(app, KEY), "websocket", "/health") == "websocket.close"
    assert said_by(KeyGuard(app, KEY), "lifespan", "/") == "reached"


@given(st.text(max_size=20))
def test_a_password_of_any_letters_opens_as_a_browser_sends_it(password: str) -> None:
    assert (
        said_by(
            KeyGuard(app, basic(f"ada:{password}")),
            "http",
            "/",
            authorization=basic(f"ada:{password}"),
        )
        == "reached"
    )


@pytest.mark.parametrize("key", [None, ""])
def test_an_engine_without_a_key_does_not_start(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENGINE_KEY, raising=False)
    if key is not None:
        monkeypatch.setenv(ENGINE_KEY, key)
    with pytest.raises(InputError, match=ENGINE_KEY):
        EngineGuard(app)
