"""The programs of a home's stack, in the order in which they start, and how each is run."""

import os
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from flows.runs.prefect_server import SERVER_AUTH, locked, password_file
from flows.stack.postgres import Postgres
from flows.stack.service import Service, answers
from storage.environment import secret, time_zone
from tasks.web_guard import EVERY_NAME, LOOPBACK, LOOPBACK_NAMES, in_url

OWN_DEPLOYMENTS = Path(__file__).parents[1] / "prefect.yaml"
# A webhook; its address is a secret, as everyone who knows it can send pages.
PAGE_URL = "REGENESIS_PAGE_URL"
# `--install-policy never`: a worker installs nothing at run time
WORKER = (
    "-m",
    "prefect",
    "worker",
    "start",
    "--pool",
    "regenesis",
    "--type",
    "process",
    "--with-healthcheck",
    "--install-policy",
    "never",
)
# Patience.heartbeat_lost_seconds is five of them
HEARTBEAT_SECONDS = 30
LATE_SECONDS = 7200  # nightly rounds of one home queue behind each other
# IPv4 and IPv6 for "listen at every address"; no address that a client could ask
EVERY_ADDRESS = ("0.0.0.0", "::")
# programs that listen at 127.0.0.1 alone are not at ::1, where somebody else may listen
_IPV4_NAMES = tuple(name for name in LOOPBACK_NAMES if ":" not in name)


@dataclass(frozen=True)
class Ports:
    """Where each program listens."""

    prefect: int = 4200
    mlflow: int = 5000
    explore: int = 2718
    worker: int = 0  # its health only
    postgres: int = 0


@dataclass(frozen=True)
class Stack:
    """A home, where its programs listen, and Prefect's database."""

    home: Path
    host: str
    ports: Ports
    postgres: Postgres | None

    @property
    def prefect_url(self) -> str:
        return f"http://{_reached(self.host)}:{self.ports.prefect}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.mlflow}"

    @property
    def explore_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.explore}"

    @property
    def password_file(self) -> Path:
        """Prefect's authentication string, USER:PASSWORD; made by `prepare_password`."""
        return password_file(self.home)

    def environment(self) -> dict[str, str]:
        """The environment of every program; the user's wins, except where Prefect is asked."""
        auth_string = secret(SERVER_AUTH) or self.password_file.read_text("utf-8").strip()
        forced = locked(self._origins(), auth_string) | {
            "PREFECT_API_URL": f"{self.prefect_url}/api",
            "REGENESIS_HOME": str(self.home),
        }
        own = {
            "PREFECT_UI_URL": self.prefect_url,
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
            # A server that starts again, or whose database does, must not end a running round.
            "PREFECT_CLIENT_MAX_RETRIES": "8",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
            "REGENESIS_TIMEZONE": time_zone().key,
            "REGENESIS_MLFLOW_UI_URL": self.mlflow_url,
            "DO_NOT_TRACK": "1",
        }
        # a user's own Prefect settings win, but a URL or password of another server would split the
        # stack
        return {name: os.environ.get(name, value) for name, value in own.items()} | forced

    def _origins(self) -> str:
        """Where Prefect's own pages come from; on loopback it has two names."""
        names = {_reached(self.host)} | (
            set(_IPV4_NAMES) if self.host in (*LOOPBACK_NAMES, *EVERY_ADDRESS) else set()
        )
        return ",".join(sorted(f"http://{name}:{self.ports.prefect}" for name in names))

    def database(self) -> list[Service]:
        """Postgres, where there is one: what must answer before Prefect's server starts."""
        return [self.postgres.service()] if self.postgres else []

    def servers(self) -> list[Service]:
        """What the rest speaks to."""
        return [self._prefect(), self._mlflow()]

    def clients(self) -> list[Service]:
        """The worker, the watch on slots, and the explorer."""
        watch = (sys.executable, "-m", "flows.stack.slots")
        explore = (sys.executable, "-m", "flows.stack.explorer", str(self.ports.explore))
        others = [Service("watch", watch, _always), Service("explore", explore, _always)]
        return [self._worker(), *(replace(one, environment=self.environment()) for one in others)]

    def _prefect(self) -> Service:
        folder = self.home / "prefect"
        database = (
            self.postgres.url if self.postgres else f"sqlite+aiosqlite:///{folder / 'stack.db'}"
        )
        own = {
            "PREFECT_API_DATABASE_CONNECTION_URL": database,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_UI_STATIC_DIRECTORY": str(folder / "ui"),
            # Leases in memory would die with the server, and a running round with its lease.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
                "prefect.server.concurrency.lease_storage.filesystem"
            ),
            "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": str(LATE_SECONDS),
            # What Prefect keeps is bounded: runs for a quarter of a year (events for a week is its
            # default).
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        }
        environment = self.environment() | {
            name: os.environ.get(name, value) for name, value in own.items()
        }
        # a machine's names are not known to itself
        names = EVERY_NAME if self.host in EVERY_ADDRESS else self.host
        command = (
            sys.executable,
            "-m",
            "flows.runs.prefect_server",
            self.host,
            str(self.ports.prefect),
            names,
        )
        return Service("prefect", command, answers(f"{self.prefect_url}/api/health"), environment)

    def _mlflow(self) -> Service:
        """On loopback in any case, behind the password of Prefect's API."""
        command = (
            sys.executable,
            "-m",
            "flows.stack.mlflow_server",
            str(self.home),
            str(self.ports.mlflow),
        )
        own = {
            SERVER_AUTH: self.environment()[SERVER_AUTH],
            # MLflow's own list has "10.*" and the like, which is also the beginning of foreign
            # names.
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(
                f"{name}:{self.ports.mlflow}" for name in _IPV4_NAMES
            ),
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": self.mlflow_url,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        return Service("mlflow", command, answers(f"{self.mlflow_url}/health"), own)

    def _worker(self) -> Service:
        command = (sys.executable, *WORKER, "--name", socket.gethostname())
        health = {
            "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
            "PREFECT_WORKER_WEBSERVER_PORT": str(self.ports.worker),
        }
        well = answers(f"http://{LOOPBACK}:{self.ports.worker}/health")
        return Service("worker", command, well, self.environment() | health, grace_seconds=5)


def free_port(wanted: int) -> int:
    """This port, or for 0 any that is free now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, wanted))
        return int(listener.getsockname()[1])


def _reached(host: str) -> str:
    return LOOPBACK if host in EVERY_ADDRESS else in_url(host)


def _always() -> bool:
    return True
