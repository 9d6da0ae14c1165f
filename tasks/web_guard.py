"""Guards before our web servers: foreign host names, web pages and users are refused.

A browser lets any page send requests to this machine, and a page whose own name is made to resolve
to this machine (DNS rebinding) even read the answers. Both show in the headers Host and Origin,
which a page cannot choose. Another user of the machine is no page, so there is a key to be shown as
well. Plain ASGI, for web sockets too.
"""

import base64
import hmac
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from storage.environment import secret
from storage.errors import InputError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Another site's name can be made to lead to 127.0.0.1 (DNS rebinding). The browser then still sends
# that name as Host, which is none of these.
LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = (LOOPBACK, "localhost", "::1")
EVERY_NAME = "*"
HEALTH = "/health"
ENGINE_KEY = "VLLM_API_KEY"


class WebGuard:
    """An app that answers only under these host names, and only to pages that it serves itself."""

    def __init__(self, app: App, names: Collection[str] = LOOPBACK_NAMES) -> None:
        self._app = app
        self._names = {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (why := self._refusal(scope["headers"])):
            await _refuse(scope["type"], 403, why, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        if EVERY_NAME in self._names:
            return ""
        given = [(name.lower(), value.decode("latin-1")) for name, value in headers]
        hosts = [_place(f"//{value}") for name, value in given if name == b"host"]
        # none or two Host headers are no browser's
        if len(hosts) != 1 or hosts[0] is None or hosts[0][0] not in self._names:
            return "This server does not know itself under that host name."
        origins = [_place(value) for name, value in given if name == b"origin"]
        ours = all(
            one is not None and one[0] in self._names and one[1] == hosts[0][1] for one in origins
        )
        return "" if ours else "Pages of other origins may not ask this server."


class KeyGuard:
    """An app that answers who shows this `Authorization`, and everybody about its health alone."""

    def __init__(self, app: App, authorization: str) -> None:
        self._app = app
        self._wanted = authorization.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] == HEALTH):
            await self._app(scope, receive, send)
            return
        shown = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        # compare_digest takes the same time wherever the first difference is
        if len(shown) == 1 and hmac.compare_digest(shown[0], self._wanted):
            await self._app(scope, receive, send)
            return
        # at Basic a browser asks its user
        asked = self._wanted.partition(b" ")[0] + b' realm="regenesis"'
        await _refuse(
            scope["type"], 401, "This server wants its key.", send, (b"www-authenticate", asked)
        )


class EngineGuard(KeyGuard):
    """Guards vLLM, whose own key leaves open what is not below /v1, such as its workers."""

    def __init__(self, app: App) -> None:
        key = secret(ENGINE_KEY)
        if not key:
            raise InputError(
                f"The engine's server answers nobody without a key; {ENGINE_KEY} is not set."
            )
        super().__init__(app, f"Bearer {key}")


def in_url(host: str) -> str:
    """The host as a URL has it: an address of IPv6 stands in brackets, as in http://[::1]:4200."""
    return f"[{host}]" if ":" in host else host


def basic(user_and_password: str) -> str:
    """The header for USER:PASSWORD."""
    return "Basic " + base64.b64encode(user_and_password.encode()).decode()


def _place(url: str) -> tuple[str, int | None] | None:
    """Host name and port of a URL; None where it is no plain one of http."""
    try:
        parts = urlsplit(url)
        if (
            parts.scheme not in ("", "http")
            or parts.path
            or parts.query
            or parts.fragment
            or parts.username
        ):
            return None
        return (parts.hostname, parts.port) if parts.hostname else None
    except ValueError:
        return None


async def _refuse(kind: str, status: int, why: str, send: Send, *more: tuple[bytes, bytes]) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
