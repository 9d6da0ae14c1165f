"""One long-running program: started under a watchdog, checked, ended with its children.

The watchdog ends the program when its supervisor dies, however that happens.
"""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import PermanentError
from tasks.engines.watchdog import session_members

# between two questions whether a program that starts is well
POLL_SECONDS = 0.2
# what the watchdog has to end its children, before it is killed with them
WATCHDOG_SECONDS = 15.0


@dataclass(frozen=True)
class Service:
    """What to start and how to tell that it works."""

    name: str
    command: tuple[str, ...]
    is_well: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    stop_signal: signal.Signals = signal.SIGTERM
    start_seconds: float = 240.0
    grace_seconds: float = 10.0  # from the signal to the kill


class RunningService:
    """A service that was started; it can be started again with the same command."""

    def __init__(self, service: Service, logs: Path, scratch: Path) -> None:
        self.service = service
        self.log_file = logs / f"{service.name}.log"
        self._scratch = scratch / service.name
        self._watchdog: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; does not wait until it answers."""
        command = [
            sys.executable,
            "-m",
            "tasks.engines.watchdog",
            str(os.getpid()),
            str(self._scratch),
        ]
        with self.log_file.open("ab") as log:
            self._watchdog = subprocess.Popen(
                [*command, *self.service.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.service.environment,
                start_new_session=True,
            )

    @property
    def session(self) -> int:
        """The session of all its processes; 0 before its start."""
        return self._watchdog.pid if self._watchdog else 0

    def await_well(self) -> None:
        """Return when it works; raise with its log's place when it ends or never does."""
        deadline = time.monotonic() + self.service.start_seconds
        while self.is_alive() and time.monotonic() < deadline:
            if self.service.is_well():
                return
            time.sleep(POLL_SECONDS)
        what = "does not answer" if self.is_alive() else "ended at once"
        raise PermanentError(
            f"{self.service.name} {what} (waited {self.service.start_seconds:.0f} s at most). Its"
            f" last words: {last_line(self.log_file)!r}. All of them: {self.log_file}"
        )

    def is_alive(self) -> bool:
        """Whether its watchdog still runs, which ends with it."""
        return self._watchdog is not None and self._watchdog.poll() is None

    def stop(self) -> None:
        """Ask it to end, wait for its grace, then end all of its session."""
        if self._watchdog is None:
            return
        # the program itself and not its watchdog, which would send another signal than
        # `stop_signal`
        for program in _children(self._watchdog.pid):
            with suppress(ProcessLookupError):
                os.kill(program, self.service.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self._watchdog.wait(self.service.grace_seconds)
        # after the grace: the watchdog now ends what is left of the session
        self._watchdog.terminate()
        try:
            self._watchdog.wait(WATCHDOG_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._watchdog.pid, signal.SIGKILL)
            self._watchdog.wait()
        self._watchdog = None


def answers(url: str) -> Callable[[], bool]:
    """A check that the URL answers with success."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status < 400
        except (urllib.error.URLError, OSError, ValueError):
            return False

    return check


def last_line(log_file: Path) -> str:
    """The last line of a log that says something."""
    with suppress(OSError):
        tail = log_file.read_bytes()[-4000:].decode("utf-8", "replace")
        return next((line.strip() for line in reversed(tail.splitlines()) if line.strip()), "")
    return ""


def _children(parent: int) -> list[int]:
    """The programs that a watchdog started."""
    found: list[int] = []
    for pid in session_members(parent) - {parent}:
        with suppress(OSError):
            fields = (
                Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            )
            if int(fields[1]) == parent:
                found.append(pid)
    return found
