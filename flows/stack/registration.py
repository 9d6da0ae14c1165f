"""What a Prefect server must know: work pool, queues, deployments, webhook, automations.

Run as a program against PREFECT_API_URL, with a prefect.yaml or our own. Doing it again changes
only what differs: a deployment that was paused stays paused.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import WorkQueue
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from prefect.workers.process import ProcessWorker
from pydantic import SecretStr

from flows.runs.prefect_server import CLIENT_AUTH, password_file
from flows.stack.automations import Patience, automations
from flows.stack.plan import OWN_DEPLOYMENTS, PAGE_URL
from storage.environment import read_environment, secret, time_zone
from storage.errors import PermanentError

# the worker's pool; its queues bound what runs at once
POOL = "regenesis"
QUEUES = {"engine": 1, "default": None}  # one home has one engine; a summary need not wait for it
PATIENCE, WEBHOOK = "REGENESIS_PATIENCE", "regenesis-page"


async def register(prefect_file: Path) -> list[str]:
    """Make the server know all of it; returns lines for the person."""
    async with get_client() as client:
        await _make_pool(client)
        # read before deploying, which would start them again
        paused = [one for one in await client.read_deployments(limit=200) if one.paused]
        _deploy(prefect_file, {(one.name, one.entrypoint or "") for one in paused})
        webhook = await _webhook()
        patience = Patience.of(secret(PATIENCE) or "")
        wanted = automations(webhook, str(client.api_url).rstrip("/"), patience, _password_file())
        for one in wanted:
            await _put_automation(client, one)
    lines = [f"{len(wanted)} automations are registered."]
    if webhook is None:
        lines.append(f"Nobody is paged: set {PAGE_URL} to a webhook and start again.")
    return lines + [
        f"The deployment {one.name} is paused: docs/runbook.md#deployment-paused" for one in paused
    ]


async def _make_pool(client: PrefectClient) -> None:
    try:
        await client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        await client.create_work_pool(
            WorkPoolCreate(name=POOL, type="process", base_job_template=template)
        )
    known: dict[str, WorkQueue] = {
        queue.name: queue for queue in await client.read_work_queues(work_pool_name=POOL)
    }
    for name, limit in QUEUES.items():
        if name not in known:
            await client.create_work_queue(name=name, work_pool_name=POOL, concurrency_limit=limit)


def _deploy(prefect_file: Path, paused: Collection[tuple[str, str]]) -> None:
    """Register the file's deployments; paused ones never run in between."""
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "prefect.yaml"
        content = yaml.safe_load(prefect_file.read_text("utf-8"))
        # A paused deployment is written as paused before it is registered, so it never runs in
        # between.
        written.write_text(yaml.safe_dump(still_paused(content, paused), sort_keys=False), "utf-8")
        command = [
            "-m",
            "prefect",
            "--no-prompt",
            "deploy",
            "--all",
            "--prefect-file",
            str(written),
        ]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=prefect_file.parent,
            capture_output=True,
            text=True,
            check=False,
            # its folder holds modules of ours
            env=os.environ
            | {
                "COLUMNS": "200",
                "PYTHONSAFEPATH": "1",
                "REGENESIS_TIMEZONE": time_zone().key,
            },
        )
    print(done.stdout, done.stderr, flush=True)
    if done.returncode:
        raise PermanentError(
            f"The deployments of {str(prefect_file)!r} cannot be registered; see the lines above."
        )


def still_paused(content: Mapping[str, Any], paused: Collection[tuple[str, str]]) -> dict[str, Any]:
    """A prefect.yaml's content, in which these deployments (name and entrypoint) are paused.

    Prefect starts a deployment that is registered again without a word about it. A name that stands
    once in the file means the same deployment, also where its entrypoint has moved.
    """
    deployments: list[dict[str, Any]] = content["deployments"]
    names = Counter(one["name"] for one in deployments)
    known = {name for name, _ in paused}

    def is_paused(one: Mapping[str, Any]) -> bool:
        return (one["name"], one["entrypoint"]) in paused or (
            one["name"] in known and names[one["name"]] == 1
        )

    marked = [one | {"paused": True} if is_paused(one) else one for one in deployments]
    return {**content, "deployments": marked}


async def _webhook() -> UUID | None:
    """The page's address as a block, encrypted in Prefect's database; None for no page."""
    url = secret(PAGE_URL)
    if not url:
        return None
    return await Webhook(method="POST", url=SecretStr(url)).asave(WEBHOOK, overwrite=True)


def _password_file() -> Path | None:
    """The file of this home that holds the API's password; None where the environment has it."""
    file = password_file(read_environment().home)
    return (
        file if file.is_file() and file.read_text("utf-8").strip() == secret(CLIENT_AUTH) else None
    )


async def _put_automation(client: PrefectClient, wanted: AutomationCore) -> None:
    """Make it, or correct it where it differs; an unchanged one keeps what it has counted."""
    for known in await client.read_automations_by_name(wanted.name):
        if AutomationCore(**known.model_dump(include=set(AutomationCore.model_fields))) == wanted:
            return
        await client.delete_automation(known.id)
    await client.create_automation(wanted)


if __name__ == "__main__":
    try:
        for line in asyncio.run(
            register(Path(sys.argv[1]).absolute() if sys.argv[1:] else OWN_DEPLOYMENTS)
        ):
            print(line, file=sys.stderr)
    except PermanentError as error:
        sys.exit(str(error))
