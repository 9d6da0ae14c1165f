"""The watch: a concurrency slot that no live run holds is freed, and an event says so.

A slot stays taken when a run's end never reached the server. It is freed when two looks in a row
find it so, which leaves a run between two states alone.
"""

import sys
import time
from collections import Counter
from contextlib import suppress
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse

from flows.runs.deployment_events import tell_of_deployment
from flows.runs.outcomes import SLOT_FREED

# states in which a run may hold a slot
LIVE = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING, StateType.PAUSED]
LOOK_SECONDS = 60.0


def watch(look_seconds: float) -> None:
    """Look for ever; a server that is away for a moment is asked again."""
    before: Counter[UUID] = Counter()
    while True:
        with suppress(HTTPError, OSError, RuntimeError), get_client(sync_client=True) as client:
            before = look(client, before)
        time.sleep(look_seconds)


def look(client: SyncPrefectClient, before: Counter[UUID]) -> Counter[UUID]:
    """Free slots that were abandoned at the last look and still are; returns those of now."""
    abandoned = abandoned_slots(client)
    for deployment, slots in abandoned:
        # as many as were abandoned at both looks: a run that is just ending is no more than a look
        # long
        if again := min(slots, before[deployment.id]):
            _free(client, deployment, again)
    return Counter({deployment.id: slots for deployment, slots in abandoned})


def abandoned_slots(client: SyncPrefectClient) -> list[tuple[DeploymentResponse, int]]:
    """Deployments whose limit counts more slots than they have live runs, and how many more."""
    taken = [
        (one, limit.active_slots)
        for one in client.read_deployments(limit=200)
        if (limit := one.global_concurrency_limit) and limit.active_slots
    ]
    if not taken:
        return []
    living = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=LIVE)))
    live = Counter(
        run.deployment_id for run in client.read_flow_runs(flow_run_filter=living, limit=200)
    )
    return [(one, slots - live[one.id]) for one, slots in taken if slots > live[one.id]]


def _free(client: SyncPrefectClient, deployment: DeploymentResponse, slots: int) -> None:
    client.release_concurrency_slots([f"deployment:{deployment.id}"], slots, occupancy_seconds=1.0)
    flow = client.read_flow(deployment.flow_id)
    cause = (
        f"{slots} concurrency slot of {deployment.name} was held by no live run; it is free again."
    )
    print(cause, file=sys.stderr, flush=True)
    tell_of_deployment(SLOT_FREED, deployment.id, f"{flow.name}/{deployment.name}", cause)


if __name__ == "__main__":
    watch(float(sys.argv[1]) if len(sys.argv) > 1 else LOOK_SECONDS)
