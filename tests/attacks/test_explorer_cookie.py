"""The explorer's cookie: a browser sends it to every port of the machine."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from http.cookies import SimpleCookie
from multiprocessing import get_context
from typing import Any

from flows.explore.server import made_pages


def visited(pages: Any, path: str, cookies: dict[str, str]) -> int:
    """The status of the answer, redirects not followed; its cookies are kept among the others."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    shown = "; ".join(f"{name}={value}" for name, value in cookies.items())
    place, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": place,
        "raw_path": place.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"127.0.0.1"), (b"cookie", shown.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(pages(scope, receive, send))
    for name, value in sent[0]["headers"]:
        if name == b"set-cookie":
            for one in SimpleCookie(value.decode()).values():
                cookies[one.key] = one.value
    return int(sent[0]["status"])


def visits_of_two_explorers() -> dict[str, Any]:
    """What a browser that opened both keeps and is told."""
    tokens = {8101: "first" * 4, 8102: "second" * 4}
    explorers = {port: made_pages(token, port) for port, token in tokens.items()}
    cookies: dict[str, str] = {}
    opened = [
        visited(explorers[port], f"/?access_token={token}", cookies)
        for port, token in tokens.items()
    ]
    others = {"session_8102": cookies["session_8101"], "session": cookies["session_8102"]}
    return {
        "opened": opened,
        "cookies": sorted(cookies),
        "again": [visited(one, "/", cookies) for one in explorers.values()],
        "with the other's": visited(explorers[8102], "/", others),
    }


def test_two_explorers_on_one_machine_keep_their_users_and_know_only_their_own() -> None:
    # a process of its own: where marimo is loaded, transformers takes the process for a notebook
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:
        seen = elsewhere.submit(visits_of_two_explorers).result()

    assert all(status < 400 for status in seen["opened"])
    assert seen["cookies"] == ["session_8101", "session_8102"]
    assert seen["again"] == [200, 200]
    assert seen["with the other's"] in (303, 401)
