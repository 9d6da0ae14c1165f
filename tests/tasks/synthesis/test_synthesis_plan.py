"""The plan of a synthesis against what then happens."""

from pathlib import Path as File

from storage.open_store import Store, open_store
from tasks.asking import Asking
from tasks.rules.ladder.ladder import build_ladder
from tasks.settings import Settings
from tasks.synthesis.synthesis_plan import SynthesisPlan, plan_synthesis
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import (
    MODEL,
    always_right,
    always_wrong,
    guidelines,
    question,
    settings,
)
from tests.fakes.scripted_engine import Script, ScriptedEngine, TextRenderer, marked_prompts

QUESTIONS = [question(number) for number in range(6)]


def plan(store: Store, chosen: Settings) -> SynthesisPlan:
    ladder = build_ladder(chosen, MODEL.id, marked_prompts(), guidelines(), 1)
    return plan_synthesis(store, ladder, QUESTIONS, chosen.selection)


def run(store: Store, chosen: Settings, script: Script = always_right) -> dict[str, int]:
    with Judge() as judge:
        report = synthesize_paths(
            Asking(
                store,
                ScriptedEngine(script),
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=chosen,
                draw=1,
            ),
            QUESTIONS,
            guidelines(),
        )
    return dict(report.generated)


def test_the_plan_says_exactly_what_a_run_without_early_stops_generates(tmp_path: File) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'a.duckdb'}")
    chosen = settings("official-code", hinted_retry=False)

    planned = plan(store, chosen)

    assert planned.to_generate == run(store, chosen)
    assert sum(planned.to_generate.values()) == 6 * 245
    after = plan(store, chosen)
    assert after.to_generate == {}
    assert after.finished_questions == 6
    assert after.ended == after.candidates == 6 * 45


def test_a_changed_path_sampling_plans_to_reuse_everything_above(tmp_path: File) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'a.duckdb'}")
    run(store, settings("paper", hinted_retry=False))
    hotter = settings("paper", hinted_retry=False, path={"temperature": 1.0})

    planned = plan(store, hotter)

    assert planned.reused == {"adapted_guideline": 150, "structure": 150}
    assert planned.to_generate == {"path": 150} == run(store, hotter)


def test_unsolved_questions_are_planned_a_hinted_retry(tmp_path: File) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'a.duckdb'}")
    run(store, settings(hinted_retry=False, chains_per_question=2), always_wrong)

    planned = plan(store, settings(hinted_chains=3, chains_per_question=2))

    assert planned.to_generate == {}
    assert planned.hinted_at_most == {
        "adapted_guideline": 18,
        "structure": 18,
        "path": 18,
        "close": 18,
    }
    assert any("at most 72" in line for line in planned.lines())
