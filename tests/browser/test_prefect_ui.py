"""Prefect's and MLflow's pages on the real stack, in a real browser, as somebody uses them who
opens no terminal.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.rounds.round_row import settings_of
from tests.browser.conftest import Visit
from tests.fakes.real_stack import RealStack
from tests.fakes.seven_nights import rounds_of, rows_of, store_of

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow
Screenshot = Callable[..., Path]


def field(page: "Page", name: str) -> "Locator":
    """The input of a parameter in a deployment's form."""
    label = page.get_by_text(f"{name} (Optional)", exact=True)
    return (
        page.locator("div.schema-form-property").filter(has=label).locator("input, textarea").first
    )


def open_form(stack: RealStack, visit: Callable[..., Visit], deployment: str) -> "Page":
    with stack.client() as client:
        found = client.read_deployment_by_name(deployment)
    page = visit(f"{stack.described['Prefect']}/deployments/deployment/{found.id}/run").page
    field(page, "train_questions").wait_for()
    return page


def newest_run(stack: RealStack, deployment: str) -> object:
    """The run that the form made, once the server has it."""
    with stack.client() as client:
        identity = client.read_deployment_by_name(deployment).id
        wanted = {
            "deployments": {"id": {"any_": [str(identity)]}},
            "sort": "EXPECTED_START_TIME_DESC",
        }
        found = client.request("POST", "/flow_runs/filter", json=wanted).json()
    return next(
        (
            one["id"]
            for one in found
            if one["state_type"] != "SCHEDULED" or not one["auto_scheduled"]
        ),
        None,
    )


def report_link(stack: RealStack, run: object) -> str:
    """What the artifact of the run links to."""
    wanted = {"artifacts": {"key": {"any_": ["report"]}, "flow_run_id": {"any_": [str(run)]}}}
    with stack.client() as client:
        [found] = client.request("POST", "/artifacts/filter", json=wanted).json()
    return re.findall(r"\((http://[^)]+)\)", found["data"])[0]


def submit(page: "Page") -> None:
    page.get_by_role("button", name="Submit").click()


def test_a_form_shows_the_deployments_own_defaults_and_refuses_a_wrong_value_in_one_line(
    stack: RealStack, visit: Callable[..., Visit], screenshot: Screenshot
) -> None:
    page = open_form(stack, visit, "improve/nightly-gcd")
    assert field(page, "name").input_value() == "gcd"
    assert field(page, "question_sets").input_value() == "gcd"

    field(page, "train_questions").fill("-1")
    submit(page)

    refused = page.get_by_text(
        "Validation failed for field 'train_questions'. Failure reason: -1 is less than"
    )
    refused.first.wait_for()
    screenshot(page, "refused")
    assert page.url.endswith("/run")


def test_a_round_started_from_a_form_has_its_values_and_shows_progress_report_and_champion(
    stack: RealStack, visit: Callable[..., Visit], screenshot: Screenshot
) -> None:
    stack.script()
    page = open_form(stack, visit, "improve/nightly-gcd")
    for name, value in (
        ("name", "browsed"),
        ("train_questions", "5"),
        ("settings_toml", f"seed = 7\n{stack.settings}"),
    ):
        field(page, name).fill(value)
    field(page, "question_sets").fill("chain_sum")
    before = newest_run(stack, "improve/nightly-gcd")
    submit(page)
    run = stack.await_(
        lambda: newest_run(stack, "improve/nightly-gcd"), lambda found: found and found != before
    )
    stack.await_state(run, "promoted", "Failed", "Crashed")

    [record] = rounds_of(stack, "browsed")
    settings = settings_of(record)
    assert (settings.seed, settings.questions.train_per_set, settings.questions.in_domain) == (
        7,
        5,
        ("chain_sum",),
    )
    page.goto(f"{stack.described['Prefect']}/runs/flow-run/{run}")
    page.get_by_text("promoted", exact=True).first.wait_for()
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("Writing reasoning paths").first.wait_for()
    screenshot(page, "run")
    login = stack.access()["PREFECT_API_AUTH_STRING"]
    report = visit(report_link(stack, run), login=login).page
    report.frame_locator("iframe").get_by_text("Challenger promoted").first.wait_for()
    screenshot(report, "report")
    models = visit(
        f"{stack.described['MLflow']}/#/models/{record.line.replace('/', '-')}", login=login
    ).page
    models.get_by_text("champion").first.wait_for()
    screenshot(models, "champion")


def test_a_round_cancelled_in_the_ui_ends_cleanly_and_the_next_run_goes_on_with_it(
    stack: RealStack, visit: Callable[..., Visit], screenshot: Screenshot
) -> None:
    stack.script(delay=0.2)
    run = stack.start_run("improve/nightly-products", name="browsed-away")
    stack.await_(
        lambda: rounds_of(stack, "browsed-away"),
        lambda found: found and rows_of(store_of(stack), found[0].number),
    )
    page = visit(f"{stack.described['Prefect']}/runs/flow-run/{run.id}").page

    page.get_by_role("button", name="Cancel").first.click()
    page.get_by_role("button", name="Confirm").click()

    stack.await_state(run.id, "Cancelled")
    page.get_by_text("Cancelled", exact=True).first.wait_for()
    screenshot(page, "cancelled")
    stack.script()
    stack.await_state(
        stack.start_run("improve/nightly-products", name="browsed-away").id, "promoted"
    )
    assert [one.status for one in rounds_of(stack, "browsed-away")] == ["finished"]
