"""Each container of the base as a process, with its exact command, user, environment and mounts.

Its probes are asked too, in a network of its own with a real Postgres. It does not run as root, and
the file system is read-only except where its manifest lets it write.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.stack.postgres import find_programs
from storage.care.check_and_gc import check_store
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from storage.records import Round
from tests.deploy.cluster import Cluster, Started
from tests.deploy.manifests import BASE, Container, container
from tests.fakes.real_stack import deployments_with
from tests.fakes.small_round import small_settings

SECRETS = {
    "postgres-password": "of-postgres",
    "auth-string": "admin:of-prefect",
    "mlflow-password": "long-enough-for-mlflow",
    "mlflow-session-key": "of-sessions",
    "object-store-key-id": "regenesis",
    "object-store-secret": "of-objects",
    "page-url": "http://localhost:9/page",
}
NEEDED = ("unshare", "nsenter", "setpriv", "chroot", "ip")
missing = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mount and network namespaces are root's"),
    pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}"),
    pytest.mark.skipif(find_programs() is None, reason="no Postgres is installed"),
]


def basic(user_and_password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(user_and_password.encode()).decode()}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Postgres, filled as its image would, and Prefect's server, with the password that the chart
    gives it.
    """
    folder = Path(tempfile.mkdtemp(prefix="regenesis-cluster-"))
    folder.chmod(0o755)
    with Cluster(folder, SECRETS) as running:
        _postgres(running, folder)
        prefect = running.beside(
            "prefect",
            [
                sys.executable,
                "-m",
                "flows.runs.prefect_server",
                "127.0.0.1",
                "4200",
                "prefect-server",
            ],
            {
                "PREFECT_API_DATABASE_CONNECTION_URL": (
                    "postgresql+asyncpg://regenesis:of-postgres@127.0.0.1:5432/prefect"
                ),
                "PREFECT_SERVER_API_AUTH_STRING": SECRETS["auth-string"],
                "PREFECT_HOME": str(folder / "prefect"),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
                "PREFECT_UI_ENABLED": "false",
            },
        )
        running.await_(lambda: running.get("http://127.0.0.1:4200/api/health") == 200, prefect)
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def _postgres(running: Cluster, folder: Path) -> None:
    programs = find_programs()
    assert programs is not None
    data = folder / "postgres"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    (folder / "password").write_text("of-postgres", "utf-8")
    subprocess.run(
        [
            *as_postgres,
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "regenesis",
            "--auth=scram-sha-256",
            f"--pwfile={folder / 'password'}",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
    )
    server = [
        str(programs / "postgres"),
        "-D",
        str(data),
        "-c",
        "unix_socket_directories=",
        "-c",
        "fsync=off",
        "-c",
        "max_connections=300",
    ]
    started = running.beside("postgres", [*as_postgres, *server])
    psql = [
        *running.enter(),
        str(programs / "psql"),
        "-h",
        "127.0.0.1",
        "-U",
        "regenesis",
        "-v",
        "ON_ERROR_STOP=1",
    ]
    password = os.environ | {"PGPASSWORD": "of-postgres"}

    def ask(database: str, *words: str) -> bool:
        done = subprocess.run(
            [*psql, "-d", database, *words], env=password, capture_output=True, check=False
        )
        return done.returncode == 0

    running.await_(lambda: ask("postgres", "-c", "SELECT 1"), started)
    assert ask("postgres", "-c", "CREATE DATABASE lake")
    assert ask("lake", "-f", str(BASE / "databases.sql"))


def ended(running: Cluster, started: Started) -> str:
    """What it said, when it has ended well."""
    running.await_(lambda: started.process.poll() is not None)
    assert started.process.returncode == 0, started.said()[-4000:]
    return started.said()


def file_store(one: Container) -> dict[str, str]:
    """A file in the home in place of the lake, and records there in place of MLflow's server."""
    home = one.environment(SECRETS)["REGENESIS_HOME"]
    return {"REGENESIS_STORE": f"duckdb:///{home}/regenesis.duckdb", "REGENESIS_MLFLOW": ""}


def test_a_container_can_write_where_its_manifest_says_and_nowhere_else(cluster: Cluster) -> None:
    worker = container("worker")
    script = (
        "id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/self/status; for name in regenesis"
        " prefect mlflow; do command -v $name; done; for place in / /etc /usr /opt/regenesis"
        " /opt/regenesis/bin /src/flows /var /var/lib /root; do touch $place/probe 2>/dev/null &&"
        f" echo WROTE $place; done; for place in {' '.join(worker.mounts)}; do touch $place/probe"
        " && echo may $place; done"
    )
    jailed = Container(
        "jail", worker.pod, worker.spec | {"name": "jail", "command": ["sh", "-c", script]}
    )

    said = ended(cluster, cluster.run(jailed)).split("\n")

    assert said[:2] == ["10001", "10001"]
    assert {"CapEff:\t0000000000000000", "NoNewPrivs:\t1"} <= set(said)
    assert {f"/opt/regenesis/bin/{name}" for name in ("regenesis", "prefect", "mlflow")} <= set(
        said
    )
    assert {f"may {mount}" for mount in worker.mounts} <= set(said)
    assert not any("WROTE" in line for line in said)


def test_mlflow_answers_its_probes_and_asks_for_a_password(cluster: Cluster) -> None:
    mlflow = container("mlflow")
    started = cluster.run(mlflow)
    cluster.await_(lambda: cluster.probe(mlflow, "startupProbe"), started)
    page = "http://mlflow:5000/api/2.0/mlflow/experiments/search?max_results=1".replace(
        "mlflow:", "127.0.0.1:"
    )

    assert cluster.probe(mlflow, "livenessProbe")
    assert cluster.probe(mlflow, "readinessProbe")
    assert cluster.get(page) == 401
    assert cluster.get(page, basic("admin:wrong")) == 401
    assert cluster.get(page, basic(f"admin:{SECRETS['mlflow-password']}")) == 200


def test_prefects_server_asks_for_a_password(cluster: Cluster) -> None:
    page = "http://127.0.0.1:4200/api/admin/version"

    assert cluster.get(page) == 401
    assert cluster.get(page, basic(SECRETS["auth-string"])) == 200


def test_register_makes_pool_deployments_and_automations(cluster: Cluster) -> None:
    said = ended(cluster, cluster.run(container("register")))

    assert "automations are registered" in said
    found = _prefect(cluster, "print([d.name for d in client.read_deployments()])")
    assert "nightly-all" in found


def _prefect(cluster: Cluster, line: str) -> str:
    """What a line prints that has a client of Prefect's server."""
    code = (
        "from prefect.client.orchestration import get_client\nwith get_client(sync_client=True) as"
        " client:\n    " + line
    )
    done = subprocess.run(
        [*cluster.enter(), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "PREFECT_API_URL": "http://127.0.0.1:4200/api",
            "PREFECT_API_AUTH_STRING": SECRETS["auth-string"],
        },
    )
    return done.stdout


def test_watch_runs_and_ends_within_its_grace(cluster: Cluster) -> None:
    watch = container("watch")
    started = cluster.run(watch)
    time.sleep(3)
    assert started.process.poll() is None, started.said()

    started.terminate(watch.grace_seconds)

    assert "Traceback" not in started.said()


def test_a_worker_that_is_told_to_end_commits_frees_the_engine_and_ends_within_its_grace(
    cluster: Cluster,
) -> None:
    """A scripted engine; the round is amid its paths, and the next worker continues it."""
    worker = container("worker")
    home = cluster.volume("worker", "/var/lib/regenesis") / "home"
    migrated = container("migrate")
    ended(cluster, cluster.run(migrated, **file_store(migrated)))
    register = container("register")
    state = cluster.volume("register", "/var/lib/regenesis")
    settings = small_settings(home).replace(
        str(home), worker.environment(SECRETS)["REGENESIS_HOME"]
    )
    state.mkdir(parents=True, exist_ok=True)
    deployments_with(settings, state, scripted=True)
    ended(cluster, cluster.run(register, "/var/lib/regenesis/prefect.yaml"))
    _script(home, delay=0.3)

    started = cluster.run(worker, **file_store(worker))
    cluster.await_(lambda: cluster.probe(worker, "startupProbe"), started)
    _prefect(
        cluster,
        "print(client.create_flow_run_from_deployment(client.read_deployment_by_name('improve/improve').id).id)",
    )
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    cluster.await_(lambda: len(store.select(RecordedPath)) > 2, started)
    before = {path.id for path in store.select(RecordedPath)}

    started.terminate(worker.grace_seconds)

    cluster.await_(lambda: cluster.processes(worker) == [])
    kept = {path.id for path in store.select(RecordedPath)}
    assert before <= kept
    assert [one.status for one in store.select(Round)] == ["running"]
    assert check_store(store) == []

    _script(home, delay=0.0)
    ended(cluster, cluster.run(migrated, **file_store(migrated)))
    again = cluster.run(worker, **file_store(worker))
    _prefect(
        cluster,
        "print(client.create_flow_run_from_deployment(client.read_deployment_by_name('improve/improve').id).id)",
    )
    cluster.await_(lambda: [one.status for one in store.select(Round)] == ["finished"], again)
    assert kept <= {path.id for path in store.select(RecordedPath)}
    again.terminate(worker.grace_seconds)


def _script(home: Path, **how: float) -> None:
    (home / "scripted.json").write_text(json.dumps(how), "utf-8")
