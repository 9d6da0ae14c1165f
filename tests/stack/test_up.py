"""`regenesis up`: the whole stack is there, on Postgres, with every deployment and automation.

Killed, it leaves nothing behind, and the next one finds it all again.
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from flows.stack.automations import Patience, automations
from flows.stack.registration import still_paused
from tasks.web_guard import basic
from tests.fakes.real_stack import CHECKOUT, TIMEZONE, RealStack, processes_of

DEPLOYMENTS = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text("utf-8"))["deployments"]


@pytest.mark.slow
def test_every_deployment_is_registered_with_its_schedule_and_one_queue_for_the_engine(
    stack: RealStack,
) -> None:
    with stack.client() as client:
        found = {one.name: one for one in client.read_deployments()}

    assert set(found) == {one["name"] for one in DEPLOYMENTS}
    for wanted in DEPLOYMENTS:
        made = found[wanted["name"]]
        assert made.work_queue_name == wanted["work_pool"]["work_queue_name"]
        crons = [(one.schedule.cron, one.schedule.timezone) for one in made.schedules]  # type: ignore[union-attr]
        assert crons == [(one["cron"], TIMEZONE) for one in wanted.get("schedules", [])]


@pytest.mark.slow
def test_every_automation_is_registered_and_pages_through_the_webhook(stack: RealStack) -> None:
    with stack.client() as client:
        found = {
            one["name"]: one
            for one in client.request("POST", "/automations/filter", json={}).json()
        }

    assert set(found) == {one.name for one in automations(None, "", Patience())}
    acts = {name: one["actions"][0]["type"] for name, one in found.items()}
    assert {name for name, act in acts.items() if act == "change-flow-run-state"} == {
        "heartbeat lost",
        "start lost",
    }
    assert set(acts.values()) == {"change-flow-run-state", "call-webhook"}


@pytest.mark.slow
def test_prefect_stands_on_a_postgres_that_is_not_root_and_listens_on_loopback(
    stack: RealStack,
) -> None:
    [server] = [
        pid
        for pid in stack.processes("bin/postgres", "-D")
        if Path(f"/proc/{pid}").stat().st_uid or os.geteuid()
    ]

    assert stack.described["database"].startswith("Postgres")
    assert "listen_addresses=127.0.0.1" in Path(f"/proc/{server}/cmdline").read_text()
    assert (stack.home / "stack" / "postgres.password").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_stack_that_is_killed_leaves_nothing_and_the_next_one_finds_it_all_again(
    stack: RealStack,
) -> None:
    run = stack.start_run("verify/verify")
    stack.await_state(run.id, "verified")
    with stack.client() as client:
        paused = client.read_deployment_by_name("improve/nightly-gcd")
        client.pause_deployment(paused.id)
    owner = int((stack.home / "stack" / "up.lock").read_text())

    os.kill(owner, signal.SIGKILL)

    stack.await_(lambda: processes_of(stack.home), lambda left: not left)
    as_an_earlier_version_left(stack.home)
    stack.up()
    for private in (
        stack.home / "logs",
        stack.home / "prefect",
        stack.home / "stack" / "prefect.password",
    ):
        assert private.stat().st_mode & 0o077 == 0
    assert stack.run(run.id).state_name == "verified"
    with stack.client() as client:
        assert client.read_deployment(paused.id).paused
        client.resume_deployment(paused.id)


REGISTERS = """
import asyncio, sys
from pathlib import Path
from flows.stack.registration import PrefectClient, register

async def killed(*_):
    sys.exit("killed before it could pause anything")

PrefectClient.pause_deployment = killed
asyncio.run(register(Path(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_paused_deployment_does_not_run_for_a_moment_when_it_is_registered_again(
    stack: RealStack,
) -> None:
    environment = stack.environment() | stack.access() | {"REGENESIS_HOME": str(stack.home)}
    with stack.client() as client:
        names = ("improve/nightly-gcd", "verify/verify")
        paused = [client.read_deployment_by_name(name).id for name in names]
        for one in paused:
            client.pause_deployment(one)

        subprocess.run(
            [sys.executable, "-c", REGISTERS, str(stack.deployments)], check=True, env=environment
        )

        found = {one.name for one in client.read_deployments() if one.paused}
        for one in paused:
            client.resume_deployment(one)
    assert found == {"nightly-gcd", "verify"}


@pytest.mark.parametrize(
    ("paused", "marked"),
    [
        ({("one", "a.f")}, [True, False, False]),
        ({("one", "old.f")}, [True, False, False]),  # its entrypoint has moved
        ({("two", "a.g")}, [False, True, False]),  # there are two of the name
        ({("two", "old.g")}, [False, False, False]),
        ({("three", "a.f")}, [False, False, False]),
    ],
)
def test_what_is_paused_is_told_by_name_and_entrypoint(
    paused: set[tuple[str, str]], marked: list[bool]
) -> None:
    file = {
        "name": "x",
        "deployments": [
            {"name": name, "entrypoint": entry}
            for name, entry in (("one", "a.f"), ("two", "a.g"), ("two", "a.h"))
        ],
    }

    written = still_paused(file, paused)

    assert [one.get("paused", False) for one in written["deployments"]] == marked
    assert written["name"] == "x"


def as_an_earlier_version_left(home: Path) -> None:
    """A home of a stack without a password, whose logs anybody could read."""
    (home / "stack" / "prefect.password").unlink()
    for folder in (home / "logs", home / "prefect"):
        folder.chmod(0o755)


@pytest.mark.slow
def test_a_second_up_says_what_runs_and_starts_nothing(stack: RealStack) -> None:
    before = sorted(processes_of(stack.home))

    said = stack.regenesis("up", "--json")

    assert json.loads(said.stdout) == stack.described
    assert sorted(processes_of(stack.home)) == before


def test_the_page_on_nights_names_no_command_that_is_not_typed_here() -> None:
    page = (CHECKOUT / "docs" / "nightly.md").read_text("utf-8")
    typed = {
        line.partition("#")[0].strip()
        for line in page.splitlines()
        if line.startswith("regenesis ")
    }

    assert typed == {"regenesis up --background", "regenesis up", "regenesis down"}


@pytest.mark.slow
def test_the_pages_of_prefect_and_mlflow_answer(stack: RealStack) -> None:
    shown = {
        "Authorization": basic(stack.access()["PREFECT_API_AUTH_STRING"])
    }  # as a browser does, once asked
    for name in ("Prefect", "MLflow"):
        with urllib.request.urlopen(
            urllib.request.Request(stack.described[name], headers=shown), timeout=60
        ) as reply:
            assert b"<title>" in reply.read()
