"""Runs of deployments on the real stack.

Their outcome, a refused form, a cancel, a kill, a slot that nobody holds.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Cancelled, Pending, Running, Scheduled

from flows.stack.automations import Patience, automations
from flows.stack.slots import abandoned_slots
from tests.fakes.real_stack import RealStack
from tests.fakes.seven_nights import rounds_of

pytestmark = pytest.mark.slow


def test_a_round_of_a_deployment_ends_in_a_state_that_is_named_after_its_outcome(
    stack: RealStack,
) -> None:
    stack.script()

    run = stack.await_state(stack.start_run().id, "promoted", "Failed", "Crashed")

    assert (run.state_type.value, run.state_name) == ("COMPLETED", "promoted")  # type: ignore[union-attr]
    assert "and promoted: " in (run.state.message or "")  # type: ignore[union-attr]
    assert rounds_of(stack, "embedded")[-1].outcome == "promoted"


def test_a_wrong_value_in_a_form_is_refused_before_anything_runs(stack: RealStack) -> None:
    with pytest.raises(PrefectHTTPStatusError, match=r"-1 is less than the minimum of 0"):
        stack.start_run(train_questions=-1)


def test_a_run_whose_worker_died_before_it_began_is_ended_and_paged_once(stack: RealStack) -> None:
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-all")
        run = client.create_flow_run_from_deployment(deployment.id, state=Pending())

    ended = stack.await_state(run.id, "Crashed")

    assert "Start lost" in (ended.state.message or "")  # type: ignore[union-attr]
    [page] = stack.await_(lambda: stack.pages_of(run), lambda pages: pages)
    assert "Start lost" in page["cause"]


def test_a_night_that_no_worker_takes_is_paged_once(stack: RealStack) -> None:
    with stack.client() as client, paused_queue(client):
        deployment = client.read_deployment_by_name("improve/nightly-products")
        due = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=1))
        run = client.create_flow_run_from_deployment(deployment.id, state=due)

        stack.await_state(run.id, "Late")
        [page] = stack.await_(lambda: stack.pages_of(run), lambda pages: pages)
        client.set_flow_run_state(run.id, Cancelled(), force=True)

    assert (page["incident"], page["deployment"]) == (
        "night not started",
        "improve/nightly-products",
    )
    assert "No worker took the run in time" in page["cause"]
    assert page["continue"].endswith('prefect deployment run "improve/nightly-products"')


def test_a_night_that_is_alive_for_too_long_is_paged_once_and_goes_on(stack: RealStack) -> None:
    """The shipped automation with seconds in place of hours, beside the stack's own."""
    api = f"{stack.described['Prefect']}/api"
    with stack.client() as client:
        webhook = client.read_block_document_by_name("regenesis-page", "webhook").id
        wanted = automations(webhook, api, Patience(finish_hours=10 / 3600))
        [shipped] = [one for one in wanted if one.name == "night not finished"]
        made = client.create_automation(shipped.model_copy(update={"name": "in seconds"}))
        deployment = client.read_deployment_by_name("improve/nightly-products")
        run = client.create_flow_run_from_deployment(deployment.id, state=Running())
        try:
            [page] = stack.await_(lambda: stack.pages_of(run), lambda pages: pages)
            state = stack.run(run.id).state_name
        finally:
            client.delete_automation(made)
            client.set_flow_run_state(run.id, Cancelled(), force=True)

    assert (page["incident"], state) == ("night not finished", "Running")
    assert "Still running after" in page["cause"]


@contextmanager
def paused_queue(client: SyncPrefectClient) -> Iterator[None]:
    """No worker takes what waits for the engine."""
    queue = client.read_work_queue_by_name("engine", work_pool_name="regenesis")
    client.update_work_queue(queue.id, is_paused=True)
    try:
        yield
    finally:
        client.update_work_queue(queue.id, is_paused=False)


def test_a_slot_that_no_live_run_holds_is_freed_and_said(stack: RealStack) -> None:
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/improve")
        client.increment_concurrency_slots(
            [f"deployment:{deployment.id}"], slots=1, mode="concurrency"
        )
        assert [(one.name, slots) for one, slots in abandoned_slots(client)] == [("improve", 1)]

        # In a process of its own, as on the stack: events of this one may go where an earlier
        # test's server was.
        watch = subprocess.Popen(
            [sys.executable, "-m", "flows.stack.slots", "0.5"],
            env=os.environ | stack.access(),
        )
        try:
            [page] = stack.await_(
                lambda: [page for page in stack.pager.pages if page["incident"] == "slot freed"],
                lambda pages: pages,
            )
        finally:
            watch.terminate()
            watch.wait()
        assert abandoned_slots(client) == []
    assert "held by no live run" in page["cause"]


def test_a_night_that_was_missed_is_run_once_by_the_newest_run_that_is_due(
    stack: RealStack,
) -> None:
    stack.script()
    now = datetime.now(UTC)
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-chain-sum")
        runs = [
            client.create_flow_run_from_deployment(
                deployment.id,
                tags=["auto-scheduled"],
                parameters={"budget_tokens": 1},  # it is over soon
                state=Scheduled(scheduled_time=now - timedelta(days=days)),
            )
            for days in (2, 1)
        ]

    ended = [
        stack.await_state(run.id, "skipped", "Cancelled", "budget spent", "Failed", "Crashed")
        for run in runs
    ]

    left_out, ran = sorted(
        (str(run.state_name) for run in ended), key=lambda name: name == "budget spent"
    )
    assert ran == "budget spent"
    assert left_out in (
        "skipped",
        "Cancelled",
    )  # by the run itself, or by the limit of one at a time
    assert len(rounds_of(stack, "chain_sum")) == 1


def test_a_night_whose_window_ended_while_it_waited_ends_at_once_and_nobody_is_paged_for_its_end(
    stack: RealStack,
) -> None:
    stack.script()
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-gcd")
        long_ago = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(days=2))
        run = client.create_flow_run_from_deployment(
            deployment.id, state=long_ago, parameters={"until": "06:15"}
        )

    ended = stack.await_state(run.id, "budget spent", "skipped", "promoted", "Failed", "Crashed")

    assert (ended.state_type.value, ended.state_name) == ("COMPLETED", "budget spent")  # type: ignore[union-attr]
    assert "its turn came after that" in (ended.state.message or "")  # type: ignore[union-attr]
    assert rounds_of(stack, "gcd") == []
    # that it waits for two days is late, and Prefect may see that before the worker takes it
    assert {page["incident"] for page in stack.pages_of(run)} <= {"night not started"}


def test_a_deployment_whose_rounds_are_refused_pauses_itself_and_says_so_once(
    stack: RealStack,
) -> None:
    stack.script(trained_share=0.0)
    impatient = stack.settings + "[gate]\npause_after_refused = 1\n"

    run = stack.start_run("improve/nightly-letter-counting", settings_toml=impatient)

    assert (
        stack.await_state(run.id, "refused", "inconclusive", "promoted", "Failed").state_name
        == "refused"
    )
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-letter-counting")
        assert deployment.paused
        client.resume_deployment(deployment.id)
    [page] = stack.await_(
        lambda: [page for page in stack.pager.pages if page["incident"] == "deployment paused"],
        lambda pages: pages,
    )
    assert "refused, one after the other" in page["cause"]
    assert page["continue"].endswith('prefect deployment resume "improve/nightly-letter-counting"')
    assert stack.pages_of(run) == []
