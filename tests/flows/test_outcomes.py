"""Every end of a flow is a state's name, and one that the automations wait for."""

import ast
from pathlib import Path

import flows
from flows.runs.outcomes import OUTCOMES
from flows.stack.automations import ENDS
from flows.stages import verify

ONLY_SAID = {
    "listed",
    "planned",
    "fetches",
    "exported",
}  # by the command line, in which no flow runs


def named_outcomes() -> set[str]:
    """The outcomes that are written into a Result anywhere in flows."""
    calls = [
        node
        for file in Path(flows.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Result"
    ]
    return {one.args[0].value for one in calls if isinstance(one.args[0], ast.Constant)}


def test_the_automations_know_every_way_in_which_a_flow_ends() -> None:
    assert named_outcomes() - ONLY_SAID <= set(OUTCOMES)
    assert {f"prefect.flow-run.{name}" for name in OUTCOMES} <= ENDS


def test_a_stage_ends_in_a_state_that_is_named_after_what_it_did(home: Path) -> None:
    state = verify(return_state=True)

    assert (state.name, state.is_completed()) == ("verified", True)
    assert "0 paths judged" in (state.message or "")
