"""What a scheduled night adds to a round: a state, no second run, and a pause.

A missed night is not run twice, the state tells the outcome, and a deployment that gets nowhere
pauses itself and says why.
"""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, cast
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import State, StateType
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Completed
from prefect.types import DateTime

from flows.runs.deployment_events import tell_of_deployment
from flows.runs.outcomes import SKIPPED, STOPPED_ITSELF
from flows.runs.results import Result, completed
from storage.environment import read_environment
from storage.open_store import open_store
from tasks.rounds.pause import pause_reason

SCHEDULED = "auto-scheduled"  # Prefect's own tag of what a schedule made
P = ParamSpec("P")


def as_a_night(flow: "Callable[P, Result | State[Result]]") -> "Callable[P, State[Result]]":
    """The flow's function, with its outcome as the state's name."""

    @wraps(flow)
    def run(*arguments: P.args, **named: P.kwargs) -> "State[Result]":
        later = _later_night()
        if later:
            return Completed(name=SKIPPED, message=later, data=Result(SKIPPED, later))
        result = flow(*arguments, **named)
        if isinstance(result, State):  # a limit ended the run; it says so itself
            return result
        _pause_where_it_gets_nowhere(result)
        return completed(result)

    return run


def planned_start() -> datetime | None:
    """The moment for which this flow run was planned; None outside a flow run."""
    return cast("datetime", flow_run.scheduled_start_time) if flow_run.id else None


def _later_night() -> str:
    """Why a scheduled run is not worth doing: a newer one is due already; empty if it is."""
    if not deployment.id or SCHEDULED not in (flow_run.tags or []):
        return ""
    own = cast("DateTime", flow_run.scheduled_start_time)
    # scheduled for later than this one, and due by now: this one waited too long
    due = FlowRunFilter(
        expected_start_time=FlowRunFilterExpectedStartTime(after_=own, before_=DateTime.now("UTC")),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    # of this deployment: other lines have nights of their own
    mine = DeploymentFilter(id=DeploymentFilterId(any_=[UUID(str(deployment.id))]))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(flow_run_filter=due, deployment_filter=mine)
    if not any(SCHEDULED in run.tags and str(run.id) != flow_run.id for run in found):
        return ""
    return (
        f"The night of {own:%Y-%m-%d %H:%M} was missed and a newer one is due; that one runs, once."
    )


def _pause_where_it_gets_nowhere(result: Result) -> None:
    number = result.figures.get("round")
    if not deployment.id or not isinstance(number, int):
        return
    reason = pause_reason(open_store(read_environment().store_url), number)
    if reason:
        _pause(UUID(str(deployment.id)), f"{flow_run.flow_name}/{deployment.name}", reason)


def _pause(identity: UUID, name: str, reason: str) -> None:
    """Run no more nights of this deployment until it is resumed; said by log, event and page."""
    cause = f"{name} has paused itself: {reason} To resume it: prefect deployment resume {name}"
    get_run_logger().warning(cause)
    with get_client(sync_client=True) as client:
        client.pause_deployment(identity)
    tell_of_deployment(STOPPED_ITSELF, identity, name, cause)
