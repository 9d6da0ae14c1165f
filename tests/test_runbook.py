"""The runbook has an entry for every automation and every page that the code can send, and for
nothing else.
"""

import re
from pathlib import Path

from flows.stack.automations import Patience, automations

ROOT = Path(__file__).parent.parent


def entries() -> list[str]:
    return re.findall(
        r"^## (.+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), flags=re.MULTILINE
    )


def pages_of_the_supervisor() -> set[str]:
    text = (ROOT / "flows" / "stack" / "supervisor.py").read_text("utf-8")
    return set(re.findall(r'page\(\s*"([a-z ]+)"', text))


def test_every_automation_and_page_has_one_entry_and_no_entry_is_about_nothing() -> None:
    wanted = {one.name for one in automations(None, "", Patience())} | pages_of_the_supervisor()

    assert sorted(entries()) == sorted(wanted)


def test_a_page_leads_to_its_entry() -> None:
    from uuid import uuid4

    for one in automations(uuid4(), "http://127.0.0.1:4200/api", Patience()):
        payload = getattr(one.actions[0], "payload", "")
        if payload:
            assert f"docs/runbook.md#{one.name.replace(' ', '-')}" in payload


def test_no_automation_pages_for_a_round_that_was_refused() -> None:
    from uuid import uuid4

    for one in automations(uuid4(), "", Patience()):
        if one.trigger.posture.value == "Reactive":
            assert not {"prefect.flow-run.refused", "prefect.flow-run.inconclusive"} & set(
                one.trigger.expect
            )
