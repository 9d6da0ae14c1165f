"""A temporary Prefect server that a run owns: started beside it, its database kept under the home, dead with it.

Prefect's own temporary server outlives an owner that is killed; this one watches its owner and leaves within a
second. Started before Prefect is imported, so that its start costs as little waiting as possible. With
PREFECT_API_URL set, nothing is started and that server is used.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from storage.errors import PermanentError

START_TIMEOUT_SECONDS = 180.0
OFF = ("SCHEDULER", "LATE_RUNS", "CANCELLATION_CLEANUP", "PAUSE_EXPIRATIONS", "FOREMAN", "TRIGGERS", "EVENT_LOGGER")


@contextmanager
def prefect_server(home: Path) -> Generator[str]:
    """The API's URL while the block runs; `await_server` says when it answers."""
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield given
        return
    _set_environment(home)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
    log_file = home / "logs" / "prefect.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "flows.temporary_server", str(listener.fileno()), str(os.getpid())]
    with log_file.open("ab") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[listener.fileno()],
            env=os.environ | {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in OFF},
            start_new_session=True,
        )  # fmt: skip
    listener.close()
    try:
        yield os.environ["PREFECT_API_URL"]
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        server.terminate()
        try:
            server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def await_server(url: str, home: Path) -> None:
    """Return when the server answers; raise with its log's place when it does not."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=START_TIMEOUT_SECONDS):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise PermanentError(
        f"The Prefect server at {url!r} does not answer after {START_TIMEOUT_SECONDS:.0f} s. "
        f"A temporary one tells why in {home / 'logs' / 'prefect.log'}; to use another, set PREFECT_API_URL."
    )


def _set_environment(home: Path) -> None:
    """Prefect's own settings, where the user has not set them; read by it at import."""
    folder = home / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)


def _leave_with(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(0.5)
    os._exit(0)


def _main(descriptor: int, owner: int) -> None:
    threading.Thread(target=_leave_with, args=(owner,), daemon=True).start()
    os.nice(5)  # the round's own work goes first
    import uvicorn
    from prefect.server.api.server import create_app

    uvicorn.run(create_app(), fd=descriptor, log_level="error", lifespan="on")


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
