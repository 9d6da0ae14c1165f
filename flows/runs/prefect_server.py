"""Prefect's server as this platform runs it: behind a password, for known host names.

Prefect itself asks for no password, lets every web page read what it answers, and answers to every
host name. A web page that the browser has open could then start a process as this user. So could
another user of the machine. Started as a program: `python -m flows.runs.prefect_server HOST PORT
[NAME ...]`; `*` lets it answer to every name.
"""

import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.web_guard import LOOPBACK_NAMES, WebGuard

# Prefect's own names for the password on either side
SERVER_AUTH, CLIENT_AUTH = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"


def new_auth_string() -> str:
    """USER:PASSWORD as Prefect takes it; the name is for the person who reads it."""
    return f"regenesis:{secrets.token_urlsafe(32)}"


def password_file(home: Path) -> Path:
    """Where the stack of a home keeps its authentication string."""
    return home / "stack" / "prefect.password"


def temporary_database(home: Path) -> Path:
    """Where rounds that run without a stack keep what their temporary Prefect servers know."""
    return home / "prefect" / "prefect.db"


def locked(url: str, auth_string: str) -> dict[str, str]:
    """The environment of a server at this URL and of all its clients."""
    return {
        SERVER_AUTH: auth_string,
        CLIENT_AUTH: auth_string,
        # Prefect's default allows every origin
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": url,
    }


def prefect_app(names: Sequence[str] = LOOPBACK_NAMES) -> WebGuard:
    """Prefect's API and pages, under these names."""
    from prefect.server.api.server import create_app

    return WebGuard(create_app(final=True), names)


def _serve(host: str, port: int, names: Sequence[str]) -> None:
    """Serve until a signal comes, as `prefect server start` does."""
    import uvicorn
    from prefect.settings import get_current_settings

    server = get_current_settings().server
    uvicorn.run(
        prefect_app(names),
        host=host,
        port=port,
        log_level=server.logging_level.lower(),
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
    )


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]), [*LOOPBACK_NAMES, *sys.argv[3:]])
