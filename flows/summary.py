"""The morning's summary of the night's runs and rounds, as one Prefect artifact."""

from typing import Annotated

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.settings import PREFECT_UI_URL
from prefect.types import DateTime
from pydantic import Field

from flows.runs.results import Result, named_after_outcome
from storage.environment import read_environment
from storage.open_store import open_store
from tasks.rounds.pause import rounds_since
from tasks.rules.nights.night_summary import RunLine, summary_markdown

Hours = Annotated[float, Field(gt=0, le=24 * 31)]
WELL = (StateType.COMPLETED, StateType.RUNNING, StateType.PENDING, StateType.SCHEDULED)


@flow(name="summarise", flow_run_name="summary of {hours} hours")
@named_after_outcome
def summarise(hours: Hours = 24) -> Result:
    """Write what the last hours tried, gained, spent and refused.

    Args:
        hours: How far back to look
    """
    since = DateTime.now("UTC").subtract(seconds=round(hours * 3600))
    with get_client(sync_client=True) as client:
        runs = runs_since(client, since)
    rounds = rounds_since(open_store(read_environment().store_url), since)
    text = summary_markdown(rounds, runs, hours)
    create_markdown_artifact(text, key="morning-summary", description=f"The last {hours:g} hours")
    return Result("summarised", text, {"runs": len(runs), "rounds": len(rounds)})


def runs_since(client: SyncPrefectClient, since: DateTime) -> list[RunLine]:
    """Every run of a deployment that was due since then, oldest first, planned ones left out."""
    ours = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        expected_start_time=FlowRunFilterExpectedStartTime(
            after_=since, before_=DateTime.now("UTC")
        ),
    )
    names = {one.id: one.name for one in client.read_deployments(limit=200)}
    found = client.read_flow_runs(flow_run_filter=ours, limit=200)
    found.sort(key=lambda run: str(run.expected_start_time))
    return [
        _line(run, names.get(run.deployment_id, "") if run.deployment_id else "") for run in found
    ]


def _line(run: FlowRun, deployment: str) -> RunLine:
    state, link = run.state, f"{PREFECT_UI_URL.value()}/runs/flow-run/{run.id}"
    if state is None:
        return RunLine(run.name, deployment, "unknown", "", link, is_well=False)
    well = state.type in WELL and state.name != "Late"
    return RunLine(run.name, deployment, str(state.name), state.message or "", link, well)
