"""A real stack, as a user has it.

Postgres, Prefect's server, MLflow, and a worker whose engine is scripted.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from httpx import HTTPError

from tests.fakes.scripted_flows import CONTROL
from tests.fakes.small_round import small_settings

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

CHECKOUT = Path(__file__).parents[2]
T = TypeVar("T")
PATIENCE_SECONDS = (
    300.0  # a run on two busy cores begins in 20 s, and waits for a crashed one to be noticed
)
TIMEZONE = "Asia/Kolkata"  # nobody's who runs the tests, and half an hour off
# A day is half a minute here; the heartbeat itself cannot be less than 30 s, and a busy machine
# starts a run in 20.
SHORT_CLOCK = {
    "heartbeat_lost_seconds": 40,
    "pending_lost_seconds": 25,
    "finish_hours": 0.05,
    "quiet_hours": 0.001,
}


class Pager:
    """A webhook that remembers what it was sent."""

    def __init__(self) -> None:
        self.pages: list[dict[str, Any]] = []
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                pages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class RealStack:
    """The stack of a home, as a user has it."""

    home: Path
    deployments: Path
    pager: Pager
    settings: str
    clock: Mapping[str, float]  # how long the automations wait, where it is not what is shipped
    patience_seconds: float = PATIENCE_SECONDS
    described: dict[str, str] = field(default_factory=dict)

    def regenesis(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "flows.cli.main", *words, "--home", str(self.home)],
            capture_output=True,
            text=True,
            check=False,
            cwd=CHECKOUT,
            env=self.environment(),
            timeout=900,
        )

    def up(self) -> None:
        """Start it, on any ports, and wait until it is ready."""
        ports = [
            word for name in ("prefect", "mlflow", "explore") for word in (f"--{name}-port", "0")
        ]
        done = self.regenesis(
            "up", "--background", *ports, "--deployments", str(self.deployments), "--json"
        )
        assert done.returncode == 0, done.stderr + self.log("up")
        self.described = json.loads(done.stdout)

    def environment(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": str(CHECKOUT),
            "REGENESIS_PAGE_URL": self.pager.url,
            "PREFECT_LOGGING_LEVEL": "INFO",
            "REGENESIS_PATIENCE": json.dumps(self.clock),
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "REGENESIS_TIMEZONE": TIMEZONE,
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "25",
        }
        foreign = (
            "PREFECT_API_URL",
            "PREFECT_API_AUTH_STRING",
            "PREFECT_SERVER_API_AUTH_STRING",
            "REGENESIS_HOME",
            "REGENESIS_STORE",
            "REGENESIS_ENDPOINTS",
            "REGENESIS_CONFIG",
        )
        return {name: value for name, value in os.environ.items() if name not in foreign} | own

    def script(self, **how: object) -> None:
        """How the engine of the runs that begin from now on behaves."""
        (self.home / CONTROL).write_text(json.dumps(how), "utf-8")

    def client(self) -> "SyncPrefectClient":
        from prefect.client.orchestration import SyncPrefectClient

        access = self.access()
        return SyncPrefectClient(
            access["PREFECT_API_URL"], auth_string=access["PREFECT_API_AUTH_STRING"]
        )

    def access(self) -> dict[str, str]:
        """The environment with which a program asks this stack's Prefect."""
        password = Path(self.described["password"]).read_text("utf-8")
        return {
            "PREFECT_API_URL": f"{self.described['Prefect']}/api",
            "PREFECT_API_AUTH_STRING": password,
        }

    def start_run(self, deployment: str = "improve/nightly-all", **parameters: object) -> "FlowRun":
        """What the button "Quick run" does."""
        with self.client() as client:
            found = client.read_deployment_by_name(deployment)
            return client.create_flow_run_from_deployment(found.id, parameters=dict(parameters))

    def run(self, identity: object) -> "FlowRun":
        with self.client() as client:
            return client.read_flow_run(identity)  # type: ignore[arg-type]

    def await_state(self, identity: object, *names: str) -> "FlowRun":
        """The run, when its state has one of these names."""
        return self.await_(
            lambda: self.run(identity),
            lambda run: run.state is not None and run.state.name in names,
        )

    def await_(self, read: Callable[[], T], good: Callable[[T], object]) -> T:
        """What `read` gives when it is good."""
        deadline = time.monotonic() + self.patience_seconds
        while time.monotonic() < deadline:
            with suppress(OSError, HTTPError):  # the server may be away
                if good(found := read()):
                    return found
            time.sleep(0.5)
        raise AssertionError(
            f"waited {self.patience_seconds} s; found"
            f" {read()!r}\n{self.log('worker')}\n{self.log('up')}"
        )

    def pages_of(self, run: "FlowRun") -> list[dict[str, Any]]:
        return [page for page in self.pager.pages if str(run.id) in page["link"]]

    def log(self, name: str) -> str:
        file = self.home / "logs" / f"{name}.log"
        return file.read_text("utf-8", "replace")[-3000:] if file.is_file() else ""

    def processes(self, *words: str) -> list[int]:
        """Processes of this home whose command line has all these words."""
        return [pid for pid, line in processes_of(self.home) if all(word in line for word in words)]


def processes_of(home: Path) -> list[tuple[int, str]]:
    """Every living process that this home's stack started: its environment or its command line
    names the home.
    """
    found: list[tuple[int, str]] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (
                (entry / "cmdline")
                .read_bytes()
                .replace(b"\0", b" ")
                .decode(errors="replace")
                .strip()
            )
            if (
                line
                and int(entry.name) != os.getpid()
                and (str(home).encode() in (entry / "environ").read_bytes() or str(home) in line)
            ):
                found.append((int(entry.name), line))
        except OSError:
            continue
    return found


def deployments_with(settings: str, folder: Path, scripted: bool) -> Path:
    """The shipped prefect.yaml, its rounds with these settings, on scripted machinery or on the
    real one.
    """
    content = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))
    content.pop("definitions")
    for deployment in content["deployments"]:
        if deployment["entrypoint"] == "flows.improve.improve":
            if scripted:
                deployment["entrypoint"] = "tests.fakes.scripted_flows.improve"
            parameters = deployment.setdefault("parameters", {})
            parameters["settings_toml"] = settings
            parameters.pop("until", None)  # whatever the time is
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(content), "utf-8")
    return file


@contextmanager
def real_stack(
    real_engine_settings: str = "",
    clock: Mapping[str, float] = SHORT_CLOCK,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Generator[RealStack]:
    """Up while the block runs; a block that ends it brings it up again.

    Postgres' user can enter the folder.

    With settings for it the engine is the real one, else a scripted one.
    """
    folder = Path(tempfile.mkdtemp(prefix="regenesis-stack-"))
    folder.chmod(0o755)
    pager = Pager()
    settings = real_engine_settings or small_settings(folder)
    deployments = deployments_with(settings, folder, scripted=not real_engine_settings)
    running = RealStack(folder / "home", deployments, pager, settings, clock, patience_seconds)
    try:
        running.up()
        yield running
    finally:
        running.regenesis("down")
        pager.close()
        left = processes_of(running.home)
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        assert left == []
