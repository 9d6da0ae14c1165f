"""The text shown for a generated record is the text that was sent for it."""

from itertools import product
from pathlib import Path as File

import pytest

from storage.errors import InputError
from storage.open_store import Store, open_store
from storage.records import AdaptedGuideline, Path, Prompt, Round, Structure
from tasks.asking import Asking
from tasks.guidelines import builtin_guidelines
from tasks.prompt_files import load_prompts
from tasks.settings import Settings
from tasks.synthesis.prompts_sent import prompt_sent
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import MODEL, question, settings
from tests.fakes.scripted_engine import Asked, ScriptedEngine, TextRenderer
from tests.storage.examples import make

FEW = {"chains_per_question": 2, "hinted_chains": 1}
STRATEGIES = ("regenesis", "no_adaptation", "no_structure", "no_adaptation_no_structure", "direct")
CASES = [("paper", "regenesis"), *product(("default", "official-code"), STRATEGIES)]
TABLES = (AdaptedGuideline, Structure, Path)


def script(asked: Asked) -> str:
    """Never right, so that the hinted retry follows; a selection names numbers 3 and 17."""
    return f"Of 3 and 17 the seed is {asked.seed}. The answer is -1."


def synthesized(folder: File, chosen: Settings) -> tuple[Store, dict[int, str]]:
    """A store with all chains of one question, and the text sent under each seed."""
    store = open_store(f"duckdb:///{folder / 'regenesis.duckdb'}")
    round = make(Round, 1, number=1, settings=chosen.model_dump_json())
    engine = ScriptedEngine(script)
    store.append([round, question(1), MODEL])
    with Judge() as judge:
        prompts = load_prompts(chosen.synthesis.prompts)
        asking = Asking(store, engine, TextRenderer(), judge, MODEL, prompts, chosen, round, draw=1)
        synthesize_paths(asking, [question(1)], builtin_guidelines())
    return store, {asked.seed: asked.prompt for asked in engine.asked}


@pytest.mark.parametrize(("preset", "strategy"), CASES)
def test_the_text_shown_for_each_stage_of_each_preset_is_the_text_sent(
    tmp_path: File, preset: str, strategy: str
) -> None:
    selects = preset == "official-code" and strategy != "direct"
    more = {"guideline_selections": 1} if selects else {}
    store, sent = synthesized(tmp_path, settings(preset, strategy=strategy, **FEW, **more))
    rows = [row for table in TABLES for row in store.select(table)]

    shown = {row.id: prompt_sent(store, str(row.id)).turns for row in rows}

    assert {row.hinted for row in rows} == {False, True}
    assert selects == any(
        store.get(Prompt, row.prompt_id).name == "select_guidelines" for row in rows
    )
    render = TextRenderer().prompt_ids
    wrong = [row for row in rows if "".join(map(chr, render(shown[row.id]))) != sent[row.seed]]
    assert wrong == []


def test_a_selection_whose_list_was_not_kept_is_refused_and_nothing_is_made_up(
    tmp_path: File,
) -> None:
    store, _ = synthesized(tmp_path, settings("official-code", guideline_selections=1, **FEW))
    prompts = {prompt.id: prompt.name for prompt in store.select(Prompt)}
    selection = next(
        row
        for row in store.select(AdaptedGuideline)
        if prompts[row.prompt_id] == "select_guidelines"
    )
    before = make(
        AdaptedGuideline,
        "before",
        question_id=selection.question_id,
        guideline_id=selection.guideline_id,
        prompt_id=selection.prompt_id,
        sampling='{"temperature": 1.2}',
    )
    store.append([before])

    with pytest.raises(
        InputError, match=r"list of guidelines.*versions before 0\.2 did not keep it"
    ):
        prompt_sent(store, str(before.id))
