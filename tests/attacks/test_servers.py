"""Every server that `regenesis up` starts, asked as a hostile web page, a foreign host name and
another user would.
"""

import base64
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import PrefectHTTPStatusError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.fakes.real_stack import RealStack, processes_of

pytestmark = pytest.mark.slow
EVIL = "https://evil.example"
# "10.evil.example" begins like an address of a private network.
FOREIGN_NAMES = (
    "evil.example",
    "10.evil.example",
    "192.168.evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil",
)
SERVERS = ("Prefect", "MLflow", "explore")
OPEN = {("get", "/api/health"), ("get", "/api/ready")}  # what a container's probes ask


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: str


def ask(url: str, method: str = "GET", body: str | None = None, **headers: str) -> Reply:
    """What the server answers; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(
        url, body.encode() if body is not None else None, named, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return Reply(reply.status, dict(reply.headers), reply.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        return Reply(error.code, dict(error.headers), error.read().decode("utf-8", "replace"))


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def addresses(stack: RealStack) -> dict[str, str]:
    """Where each server listens; the explorer is there once there is a store."""
    run = stack.start_run("verify/verify")
    stack.await_state(run.id, "verified", "Failed", "Crashed")
    token_page = stack.await_(
        lambda: re.findall(r"http://\S+access_token=\S+", stack.log("explore")), bool
    )[-1]
    return {name: stack.described[name] for name in ("Prefect", "MLflow")} | {
        "explore": token_page.partition("/?")[0]
    }


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("name", FOREIGN_NAMES)
def test_a_foreign_name_that_resolves_to_this_machine_is_refused(
    addresses: dict[str, str], server: str, name: str
) -> None:
    port = addresses[server].rpartition(":")[2]
    path = {
        "Prefect": "/api/admin/version",
        "MLflow": "/api/2.0/mlflow/experiments/get?experiment_id=0",
    }
    for page in ("/", path.get(server, "/")):
        assert ask(addresses[server] + page, Host=f"{name}:{port}").status in (400, 403)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://127.0.0.1.evil.example", "http://localhost.evil"]
)
def test_a_foreign_page_may_not_read_or_prepare_anything(
    addresses: dict[str, str], server: str, origin: str
) -> None:
    path = {
        "Prefect": "/api/flows/",
        "MLflow": "/api/2.0/mlflow/experiments/create",
        "explore": "/",
    }[server]
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,authorization",
    }

    preflight = ask(addresses[server] + path, "OPTIONS", Origin=origin, **asked)
    plain = ask(addresses[server] + path, Origin=origin)

    for reply in (preflight, plain):
        allowed = {name.lower(): value for name, value in reply.headers.items()}.get(
            "access-control-allow-origin"
        )
        assert allowed is None


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"]
)
def test_a_simple_post_of_a_foreign_page_changes_nothing(
    stack: RealStack, addresses: dict[str, str], kind: str
) -> None:
    flow = json.dumps({"name": "of a foreign page"})
    experiment = json.dumps({"name": f"of a foreign page, {kind}"})

    prefect = ask(
        addresses["Prefect"] + "/api/flows/", "POST", flow, Origin=EVIL, Content_Type=kind
    )
    mlflow = ask(
        addresses["MLflow"] + "/api/2.0/mlflow/experiments/create",
        "POST",
        experiment,
        Origin=EVIL,
        Content_Type=kind,
    )

    assert prefect.status in (401, 403)
    assert ask(addresses["Prefect"] + "/api/flows/", "POST", flow, Content_Type=kind).status == 401
    assert mlflow.status == 403
    with stack.client() as client, pytest.raises(PrefectHTTPStatusError, match="404"):
        client.request("GET", "/flows/name/of a foreign page")  # type: ignore[arg-type]


def test_nothing_of_prefects_api_answers_without_the_password(addresses: dict[str, str]) -> None:
    """Every path and method that the server's own description names."""
    paths = json.loads(ask(addresses["Prefect"] + "/openapi.json").body)["paths"]
    named = {(method, f"/api{path}") for path, methods in paths.items() for method in methods}
    assert len(named) > 150

    answered = {
        (method, path)
        for method, path in named
        if ask(
            addresses["Prefect"] + re.sub(r"\{\w+\}", "health", path), method.upper(), "{}"
        ).status
        != 401
    }

    assert answered <= OPEN


def wrong_credentials(right: str) -> Iterator[str]:
    user, _, password = right.partition(":")
    yield from (
        "",
        "Basic",
        "Basic !",
        f"Bearer {right}",
        f"Bearer {password}",
        right,
        basic("").strip(),
    )
    yield from (
        basic(one)
        for one in (":", user, f"{user}:", password, right[:-1], right + " ", right.upper())
    )
    yield basic(right).replace("Basic", "basic ,")


def test_only_the_whole_password_opens_prefects_api(
    stack: RealStack, addresses: dict[str, str]
) -> None:
    right = stack.access()["PREFECT_API_AUTH_STRING"]
    page = addresses["Prefect"] + "/api/admin/version"

    assert {ask(page, Authorization=wrong).status for wrong in wrong_credentials(right)} == {401}
    assert ask(page, Authorization=basic(right)).status == 200


def routes_of_mlflow() -> set[tuple[str, str]]:
    """Every method and path that MLflow serves, by its own lists.

    Those of Flask, of FastAPI, and of its pages.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.server import app as flask
        from mlflow.server.fastapi_app import app as fast
    routes = [(one.rule, one.methods or ()) for one in flask.url_map.iter_rules()]
    routes += [
        (getattr(one, "path", "/"), getattr(one, "methods", None) or {"GET"}) for one in fast.routes
    ]
    return {
        (method, re.sub(r"<[^>]*>|{[^}]*}", "x", path))
        for path, methods in routes
        for method in methods
    }


def test_nothing_of_mlflow_answers_without_the_password(
    stack: RealStack, addresses: dict[str, str]
) -> None:
    right = stack.access()["PREFECT_API_AUTH_STRING"]
    routes = {(method, path) for method, path in routes_of_mlflow() if path != "/health"}
    assert len(routes) > 300

    assert {ask(addresses["MLflow"] + path, method, "{}").status for method, path in routes} == {
        401
    }
    page = addresses["MLflow"] + "/api/2.0/mlflow/experiments/search?max_results=1"
    assert {ask(page, Authorization=wrong).status for wrong in wrong_credentials(right)} == {401}
    assert ask(page, Authorization=basic(right)).status == 200
    asked = {name.lower(): value for name, value in ask(addresses["MLflow"]).headers.items()}
    assert (
        asked["www-authenticate"] == 'Basic realm="regenesis"'
    )  # at which a browser asks its user


READS = """
import mlflow
print(len(mlflow.MlflowClient().search_experiments()))
"""


def test_mlflows_own_client_gives_the_password_by_its_own_variables(stack: RealStack) -> None:
    user, _, password = stack.access()["PREFECT_API_AUTH_STRING"].partition(":")
    own = {"MLFLOW_TRACKING_URI": stack.described["MLflow"], "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    named = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}

    def read(**more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", READS],
            env=stack.environment() | own | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    assert int(read(**named).stdout) >= 1
    assert "401" in read().stderr


@pytest.mark.parametrize(
    "path",
    [
        "events/in",
        "events/out",
        "logs/out",
        "task_runs/subscriptions/scheduled",
        "work_pools/regenesis/workers/connect",
    ],
)
@pytest.mark.parametrize(
    "first",
    [None, {"type": "auth", "token": ""}, {"type": "auth", "token": "x:y"}, {"type": "filter"}],
)
def test_a_web_socket_without_the_password_is_closed(
    addresses: dict[str, str], path: str, first: "dict[str, Any] | None"
) -> None:
    """Web sockets know no CORS: any page may open one."""
    url = addresses["Prefect"].replace("http:", "ws:") + f"/api/{path}"
    spoken = [Subprotocol("prefect")] if first else None

    with pytest.raises((ConnectionClosed, InvalidStatus)):
        talk(url, spoken, first)


def talk(url: str, spoken: "list[Subprotocol] | None", first: "dict[str, Any] | None") -> None:
    """Open a web socket as a foreign page does, say this, and hear two messages."""
    with connect(url, origin=Origin(EVIL), subprotocols=spoken, open_timeout=30) as socket:
        if first:
            socket.send(json.dumps(first))
        for _ in range(2):
            socket.recv(timeout=30)


def secrets_of(stack: RealStack) -> dict[str, str]:
    """What may be known to the stack's own user alone."""
    folder = stack.home / "stack"
    found = {
        name: (folder / name).read_text("utf-8")
        for name in ("prefect.password", "postgres.password")
    }
    found["prefect.password"] = found["prefect.password"].partition(":")[2]
    found["token"] = re.findall(r"access_token=(\S+)", stack.log("explore"))[-1]
    return found


def test_a_secret_stands_in_its_own_file_and_in_no_command_line(
    stack: RealStack, addresses: dict[str, str]
) -> None:
    files = [path for path in stack.home.rglob("*") if path.is_file()]
    lines = "\n".join(line for _, line in processes_of(stack.home))
    assert lines

    for name, secret in secrets_of(stack).items():
        assert len(secret) > 15
        assert secret not in lines
        holders = {path for path in files if secret.encode() in path.read_bytes()}
        assert holders == {
            stack.home / ("logs/explore.log" if name == "token" else f"stack/{name}")
        }


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is made by root")
def test_another_user_of_the_machine_reads_no_secret(
    stack: RealStack, addresses: dict[str, str]
) -> None:
    secrets = secrets_of(stack)
    names = [
        path.stat().st_mode & 0o777
        for path in (stack.home / "stack" / name for name in secrets if name != "token")
    ]

    assert names == [0o600, 0o600]
    assert found_by_nobody(stack.home, list(secrets.values())) == []


def found_by_nobody(home: Path, secrets: list[str]) -> list[str]:
    """Files and environments of processes in which the user `nobody` finds one of the secrets."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # only system calls and plain reading from here on
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, json.dumps(_search(home, secrets)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    return json.loads(told)


def _search(home: Path, secrets: list[str]) -> list[str]:
    found: list[str] = []
    environments = [f"/proc/{name}/environ" for name in os.listdir("/proc") if name.isdigit()]
    files = [os.path.join(folder, name) for folder, _, names in os.walk(home) for name in names]
    for path in [*files, *environments]:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if any(secret.encode() in content for secret in secrets):
            found.append(path)
    return found
