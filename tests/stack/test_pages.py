"""What a page says: JSON that a webhook can read, whatever the cause's text holds."""

import json
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from prefect.server.utilities import user_templates

from flows.stack.automations import Patience, automations

HOSTILE = 'boom "quoted"\n{{ 7 * 7 }} </script>'
API = "http://127.0.0.1:4200/api"


def pages(webhook: UUID) -> dict[str, str]:
    found = {
        one.name: getattr(one.actions[0], "payload", "")
        for one in automations(webhook, API, Patience())
    }
    return {name: payload for name, payload in found.items() if payload}


@pytest.mark.parametrize("name", sorted(pages(uuid4())))
def test_a_page_is_json_with_cause_link_and_the_command_that_goes_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = user_templates._sync_template_environment
    monkeypatch.setitem(environment.filters, "ui_url", lambda run: f"http://ui/{run.id}")
    thing = SimpleNamespace
    context = {
        "flow_run": thing(id="1", state=thing(message=HOSTILE)),
        "flow": thing(name="improve"),
        "deployment": thing(name="nightly-all"),
        "event": thing(
            occurred="now",
            payload={"cause": HOSTILE, "link": "http://ui/d", "deployment": "improve/x"},
        ),
    }

    page = json.loads(user_templates.render_user_template_sync(pages(uuid4())[name], context))

    assert page["incident"] == name
    assert page["link"].startswith("http://ui/")
    assert page["continue"].startswith(f"PREFECT_API_URL={API} prefect deployment ")
    assert page["cause"] in page["text"]
    assert "7 * 7" in page["cause"] or "49" not in page["cause"]


def test_without_a_webhook_the_automations_still_act_and_page_nobody() -> None:
    assert pages(None) == {}  # type: ignore[arg-type]
    acts = [one.actions[0].type for one in automations(None, API, Patience())]
    assert acts.count("change-flow-run-state") == 2
