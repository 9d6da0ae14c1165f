"""Ends a stack's runs before the stack: cancelled as in the UI, so that they can go on later.

Run as a program against PREFECT_API_URL.
"""

import sys
import time

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Cancelled, Cancelling

# time for a run to commit and to end its engine
GRACE_SECONDS = 40.0


def cancel_live_runs(client: SyncPrefectClient, why: str, worker: str = "") -> int:
    """Cancel runs that are alive or about to start, and wait; returns how many.

    Those of one worker alone, where one is named.
    """
    runs = _live(client, worker)
    for run in runs:
        began = run.state is not None and run.state.type == StateType.RUNNING
        client.set_flow_run_state(
            # a run that has not begun has nothing to end
            run.id,
            Cancelling(message=why) if began else Cancelled(message=why),
        )
    deadline = time.monotonic() + GRACE_SECONDS
    while _live(client, worker) and time.monotonic() < deadline:
        time.sleep(0.5)
    return len(runs)


def _live(client: SyncPrefectClient, worker: str) -> list[FlowRun]:
    live = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING, StateType.CANCELLING])
    ours = FlowRunFilter(
        state=FlowRunFilterState(type=live), deployment_id=FlowRunFilterDeploymentId(is_null_=False)
    )
    found = client.read_flow_runs(flow_run_filter=ours, limit=200)
    return [run for run in found if not worker or run.labels.get("prefect.worker.name") == worker]


if __name__ == "__main__":
    with get_client(sync_client=True) as found:
        cancelled = cancel_live_runs(found, "regenesis down")
    print(
        f"{cancelled} runs were cancelled; the next ones go on with their rounds."
        if cancelled
        else "",
        file=sys.stderr,
    )
