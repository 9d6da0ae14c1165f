"""Runs of deployments on the real stack: their outcome, a refused form, a cancel, a kill, a slot that nobody holds."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Pending, Scheduled

from flows.stack.slots import abandoned_slots
from tests.fakes.real_stack import RealStack
from tests.fakes.seven_nights import rounds_of

pytestmark = pytest.mark.slow


def test_a_round_of_a_deployment_ends_in_a_state_that_is_named_after_its_outcome(stack: RealStack) -> None:
    stack.script()

    run = stack.await_state(stack.start_run().id, "promoted", "Failed", "Crashed")

    assert (run.state_type.value, run.state_name) == ("COMPLETED", "promoted")  # type: ignore[union-attr]
    assert "Promoted" in (run.state.message or "")  # type: ignore[union-attr]
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


def test_a_slot_that_no_live_run_holds_is_freed_and_said(stack: RealStack) -> None:
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/improve")
        client.increment_concurrency_slots([f"deployment:{deployment.id}"], slots=1, mode="concurrency")
        assert [(one.name, slots) for one, slots in abandoned_slots(client)] == [("improve", 1)]

        # In a process of its own, as on the stack: events of this one may go where an earlier test's server was.
        watch = subprocess.Popen(
            [sys.executable, "-m", "flows.stack.slots", "0.5"],
            env=os.environ | {"PREFECT_API_URL": f"{stack.described['Prefect']}/api"},
        )
        try:
            [page] = stack.await_(
                lambda: [page for page in stack.pager.pages if page["incident"] == "slot freed"], lambda pages: pages
            )
        finally:
            watch.terminate()
            watch.wait()
        assert abandoned_slots(client) == []
    assert "held by no live run" in page["cause"]


def test_a_night_that_was_missed_is_run_once_by_the_newest_run_that_is_due(stack: RealStack) -> None:
    stack.script()
    now = datetime.now(UTC)
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-chain-sum")
        runs = [
            client.create_flow_run_from_deployment(
                deployment.id, tags=["auto-scheduled"], state=Scheduled(scheduled_time=now - timedelta(days=days))
            )
            for days in (2, 1)
        ]

    ended = [stack.await_state(run.id, "skipped", "Cancelled", "promoted", "Failed", "Crashed") for run in runs]

    left_out, ran = sorted((str(run.state_name) for run in ended), key=lambda name: name == "promoted")
    assert ran == "promoted"
    assert left_out in ("skipped", "Cancelled")  # by the run itself, or by the limit of one at a time
    assert len(rounds_of(stack, "chain_sum")) == 1


def test_a_deployment_whose_rounds_are_refused_pauses_itself_and_says_so_once(stack: RealStack) -> None:
    stack.script(trained_share=0.0)
    impatient = stack.settings + "[gate]\npause_after_refused = 1\n"

    run = stack.start_run("improve/nightly-letter-counting", settings_toml=impatient)

    assert stack.await_state(run.id, "refused", "inconclusive", "promoted", "Failed").state_name == "refused"
    with stack.client() as client:
        deployment = client.read_deployment_by_name("improve/nightly-letter-counting")
        assert deployment.paused
        client.resume_deployment(deployment.id)
    [page] = stack.await_(
        lambda: [page for page in stack.pager.pages if page["incident"] == "deployment paused"], lambda pages: pages
    )
    assert "refused, one after the other" in page["cause"]
    assert page["continue"].endswith('prefect deployment resume "improve/nightly-letter-counting"')
    assert stack.pages_of(run) == []
