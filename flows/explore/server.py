"""`regenesis explore`: serves the pages on a loopback port until it is interrupted.

Only this machine reaches it, only with the token in its address, and only under a loopback name: a
foreign web page that the browser has open can neither read the store nor rate a path.
"""

import os
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import resources, util
from typing import Any

from storage.errors import InputError, PermanentError
from tasks.web_guard import App, WebGuard

HOST = "127.0.0.1"
INTERRUPTED = 130  # the exit code


def serve_pages(port: int, say: Callable[[str], None]) -> None:
    """Serve until interrupted; port 0 is any free one.

    Raises InputError where marimo or the port is not to be had.
    """
    if util.find_spec("marimo") is None:
        raise InputError(
            "The pages need marimo, which is not installed. Run: make setup, or pip install"
            " 'regenesis[explore]'"
        )
    import uvicorn

    token = secrets.token_urlsafe(16)
    with _listening(port) as listener:
        port = listener.getsockname()[1]
        guarded = WebGuard(made_pages(token, port))
        say(f"The store's pages are at http://{HOST}:{port}/?access_token={token}")
        say(
            "Ctrl-C ends it. Another machine reaches it through ssh: ssh -L PORT:127.0.0.1:PORT"
            " THIS-MACHINE"
        )
        server = uvicorn.Server(
            uvicorn.Config(guarded, log_level="warning", timeout_graceful_shutdown=1)
        )
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    if not server.started:
        raise PermanentError(
            "The server of the pages ended before it answered. The lines above say why."
        )
    say("Interrupted. Every verdict that was given is stored.")
    sys.stderr.flush()
    # marimo's threads of pages that were closed wait for ever, and would keep the process
    os._exit(INTERRUPTED)


def made_pages(token: str, port: int) -> App:
    """The app of the pages; its cookie bears the port's number.

    A browser sends a cookie to every port of a machine, so two explorers whose cookies had one name
    would take turns at throwing each other's user out.
    """
    from marimo import create_asgi_app

    def at_port(app: Any) -> Any:
        app.state.port = port  # marimo names the cookie by it
        return app

    root = str(resources.files("flows.explore").joinpath("app.py"))
    builder = create_asgi_app(quiet=True, token=token)
    return builder.with_app(path="", root=root, middleware=[at_port]).build()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # so that who opens the address at once waits for the answer
    except OSError as error:
        listener.close()
        raise InputError(
            f"Port {port} can't be used ({error.strerror}). Name another: --port 0 takes a free"
            " one."
        ) from error
    return listener
