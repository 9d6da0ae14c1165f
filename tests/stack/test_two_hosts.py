"""Two hosts with homes of their own.

A worker each at one Prefect server, one lake on one Postgres, sets of their own.

A host here is a home, and a worker that knows no other; both are processes of this machine.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from storage.care.check_and_gc import check_store
from storage.open_store import Store, open_store
from storage.records import Round
from tests.conftest import empty_store
from tests.fakes.real_stack import RealStack, processes_of
from tests.fakes.scripted_flows import ASKED, CONTROL
from tests.fakes.seven_nights import rows_of, seeds_of

pytestmark = pytest.mark.soak
SETS = {"host-a": "chain_sum", "host-b": "gcd"}


@contextmanager
def host(stack: RealStack, name: str, home: Path, store_url: str) -> Iterator[None]:
    """A worker of a pool of its own, with a deployment that runs the host's question set."""
    home.mkdir()
    (home / CONTROL).write_text(json.dumps({"delay": 0.15}), "utf-8")
    own = stack.access() | {
        "PREFECT_HOME": str(home / "prefect"),
        "REGENESIS_HOME": str(home),
        "REGENESIS_STORE": store_url,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    command = [
        sys.executable,
        "-m",
        "prefect",
        "worker",
        "start",
        "--pool",
        name,
        "--type",
        "process",
    ]
    with (home / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, env=stack.environment() | own, stdout=log, stderr=log)
    try:
        _deploy(stack, name)
        yield
    finally:
        kill(home)
        worker.wait()


def _deploy(stack: RealStack, name: str) -> None:
    with stack.client() as client:
        stack.await_(
            lambda: client.request("GET", f"/work_pools/{name}"),
            lambda reply: reply.status_code == 200,
        )
        shipped = client.read_deployment_by_name("improve/improve")
        client.create_deployment(
            shipped.flow_id,
            name,
            work_pool_name=name,
            entrypoint=shipped.entrypoint,
            path=shipped.path,
            pull_steps=shipped.pull_steps,
            parameter_openapi_schema=shipped.parameter_openapi_schema,
            parameters={
                "name": name,
                "question_sets": [SETS[name]],
                "settings_toml": stack.settings,
            },
        )


def kill(home: Path) -> None:
    """The whole host at once."""
    for pid, _ in processes_of(home):
        os.kill(pid, signal.SIGKILL)


def round_of(store: Store, name: str) -> Round | None:
    return next((one for one in store.select(Round) if one.line.endswith(f"/{name}")), None)


def begun(store: Store, name: str) -> bool:
    found = round_of(store, name)
    return found is not None and bool(rows_of(store, found.number))


def test_two_hosts_work_at_once_and_when_one_is_killed_the_other_goes_on_with_its_round(
    stack: RealStack, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = empty_store(request, "postgres", tmp_path / "lake")
    store = open_store(url)
    homes = {name: tmp_path / name for name in SETS}
    with ExitStack() as hosts:
        for name, home in homes.items():
            hosts.enter_context(host(stack, name, home, url))
        runs = {name: stack.start_run(f"improve/{name}") for name in SETS}
        stack.await_(lambda: [begun(store, name) for name in SETS], all)

        kill(homes["host-b"])

        stack.await_state(runs["host-a"].id, "promoted")
        left = round_of(store, "host-b")
        assert left is not None
        assert left.status == "running"
        kept, seeds = rows_of(store, left.number), seeds_of(store, left.number)
        asked = (homes["host-a"] / ASKED).read_text("utf-8").split()
        (homes["host-a"] / CONTROL).write_text("{}", "utf-8")
        again = stack.start_run("improve/host-a", name="host-b", question_sets=[SETS["host-b"]])
        stack.await_state(again.id, "promoted")

    assert [one.status for one in store.select(Round)] == ["finished", "finished"]
    assert kept <= rows_of(store, left.number)
    later = {
        int(seed) for seed in (homes["host-a"] / ASKED).read_text("utf-8").split()[len(asked) :]
    }
    assert seeds & later == set(), "tokens were paid for twice"
    assert check_store(store) == []
