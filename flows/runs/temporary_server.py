"""A temporary Prefect server that a run owns: its database is in the home, it dies with the run.

Its password is new each time and known to this process and its children alone.

Prefect's own temporary server outlives an owner that is killed; this one watches its owner and
leaves within a second. Started before Prefect is imported, so that its start costs as little
waiting as possible. With PREFECT_API_URL set, nothing is started and that server is used.
"""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.runs.prefect_server import locked, new_auth_string, prefect_app, temporary_database
from storage.environment import private_folder
from storage.errors import PermanentError

# on a busy machine importing Prefect's server alone takes long
START_TIMEOUT_SECONDS = 180.0
# services of Prefect's server that a single run does not need, and that cost its start seconds
OFF = (
    "SCHEDULER",
    "LATE_RUNS",
    "CANCELLATION_CLEANUP",
    "PAUSE_EXPIRATIONS",
    "FOREMAN",
    "TRIGGERS",
    "EVENT_LOGGER",
)


@dataclass(frozen=True)
class ServerAtWork:
    """A server of others, or one that was started here and may still be starting."""

    url: str
    log_file: Path
    process: "subprocess.Popen[bytes] | None" = None

    def await_answer(self) -> None:
        """Return when the server answers; raise with its log's path if it dies or never does."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and self._may_answer():
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=START_TIMEOUT_SECONDS):
                    return
            except OSError:  # of which urllib's and http's own errors are kinds
                time.sleep(0.1)
        if self._may_answer():
            raise PermanentError(
                f"The Prefect server at {self.url!r} does not answer after"
                f" {START_TIMEOUT_SECONDS:.0f} s. A temporary one tells why in {self.log_file}; to"
                " use another, set PREFECT_API_URL."
            )
        raise PermanentError(
            f"The temporary Prefect server ended before it answered. Why: {self.log_file}"
        )

    def _may_answer(self) -> bool:
        return self.process is None or self.process.poll() is None


@contextmanager
def prefect_server(home: Path) -> Generator[ServerAtWork]:
    """A server for the block, known to Prefect by the environment; see `await_answer`."""
    log_file = home / "logs" / "prefect.log"
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield ServerAtWork(given, log_file)
        return
    _set_environment(home)
    private_folder(log_file.parent)
    listener = socket.socket()
    # The port is bound here and handed to the child: no other program can take it in between, and
    # clients that come early wait in the queue of the socket.
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    own = locked(url, new_auth_string()) | {"PREFECT_API_URL": f"{url}/api"}
    with _environment(own):
        process = _started(listener, log_file)
        # the child's copy stays: what comes meanwhile waits, and is refused once the child is dead
        listener.close()
        try:
            yield ServerAtWork(own["PREFECT_API_URL"], log_file, process)
        finally:
            _end(process)


def _started(listener: socket.socket, log_file: Path) -> "subprocess.Popen[bytes]":
    command = [
        sys.executable,
        "-m",
        "flows.runs.temporary_server",
        str(listener.fileno()),
        str(os.getpid()),
    ]
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # the only descriptor besides the standard ones that the child gets
            pass_fds=[listener.fileno()],
            env=os.environ
            | {f"PREFECT_SERVER_SERVICES_{service}_ENABLED": "false" for service in OFF},
            start_new_session=True,
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def _environment(own: Mapping[str, str]) -> Generator[None]:
    """These variables while the block runs, and afterwards those that were there."""
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _set_environment(home: Path) -> None:
    """Prefect's own settings, where the user has not set them; read by it at import."""
    folder = home / "prefect"
    private_folder(folder)
    for name, value in {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{temporary_database(home)}",
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

    uvicorn.run(prefect_app(), fd=descriptor, log_level="error", lifespan="on")


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]))
