"""Selection reads a line a few questions at a time; it gives what reading all at once gave."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path as Folder
from typing import Any

import pytest

from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import Path, Question, Round, Selection, TrainingExample, Verdict
from tasks.prompt_files import load_prompts
from tasks.rules.ladder.leak import mentions_given_answer
from tasks.rules.ladder.prompts import Turns, ask_question, parse_prompt
from tasks.rules.training.contamination import find_overlaps
from tasks.rules.training.selection import Candidate, Choice, rank
from tasks.settings import load_settings
from tasks.training import candidates, training_set_rows
from tasks.training.candidates import read_held_out
from tasks.training.select_examples import SelectionPlan, select_examples
from tests.fakes.line_of_paths import LINE, SETS, line_of_paths
from tests.fakes.selecting import select_paths

ANY_WORK = {"min_work_words": 0, "answer_in_work": False, "contamination_block_share": 1}


def count_words(turns: Turns, completion: str) -> int:
    return len(completion.split()) * 33


VARIANTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"contamination_block_share": 1}, {}),
    (ANY_WORK | {"keep_per_question": 1, "max_hinted_share": 0.2}, {}),
    (ANY_WORK | {"accept": "majority"}, {"method": "voted"}),
    (ANY_WORK | {"accept": "any", "max_answer_ratio": 1.0, "max_hinted_share": 1}, {"count": 20}),
    (ANY_WORK | {"accept": "any", "accept_cut": True}, {"count_tokens": count_words}),
    (ANY_WORK | {"require_boxed": True}, {}),
)


@pytest.mark.parametrize(("start", "seed"), [("base", 1), ("champion", 2)])
def test_a_line_read_in_parts_gives_the_set_of_a_line_read_whole(
    start: str, seed: int, tmp_path: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "QUESTIONS_AT_ONCE", 8)
    monkeypatch.setattr(candidates, "PAGE", 15)
    monkeypatch.setattr(training_set_rows, "PAGE", 11)
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    newest = line_of_paths(store, seed)
    for selection, more in VARIANTS:
        settings = load_settings(overrides={"selection": selection, "training": {"start": start}})
        plan = SelectionPlan.of_round(newest, settings, load_prompts(), **more)

        chosen = select_examples(store, plan, round=newest, question_set_ids=SETS)

        identity, digest, reasons, examples = whole(store, newest, plan)
        assert (chosen.id, chosen.digest) == (identity, digest)
        rows = store.select(Selection, training_set_id=chosen.id, order_by="path_id")
        assert [(row.path_id, row.verdict_id, row.draw, row.reason) for row in rows] == reasons
        assert all(row.kept == (row.reason == "kept") for row in rows)
        assert all(row.id == content_id("selections", chosen.id, row.path_id) for row in rows)
        told = store.select(TrainingExample, training_set_id=chosen.id, order_by="position")
        assert [asdict(one) for one in told] == examples


def whole(store: Store, newest: Round, plan: SelectionPlan) -> tuple[Any, ...]:
    """The set's id and digest, the reason of each candidate and the examples, all at once."""
    draws = [
        one.number
        for one in store.select(Round, line=LINE, order_by="number")
        if plan.settings.training.start == "base" or one.id == newest.id
    ]
    every, held_out = read_whole(store, draws, plan), read_held_out(store, draws)
    selection = plan.settings.selection
    identity = content_id(
        "training_sets",
        plan.method,
        selection.model_dump(mode="json"),
        plan.settings.training.max_tokens,
        plan.seed,
        plan.count,
        plan.answer_prompt.id,
        draws,
        "regenesis",
        [str(one.path.id) for one in every],
        [str(one.verdict.id) if one.verdict else "" for one in every],
        sorted(str(one.id) for one in held_out),
    )
    choices = decided(every, held_out, plan)
    reasons = [
        (
            one.candidate.path.id,
            one.candidate.verdict.id if one.candidate.verdict else None,
            one.candidate.path.draw,
            one.reason,
        )
        for one in choices
    ]
    examples = taught(identity, [one.candidate for one in choices if one.kept], plan)
    text = json.dumps([[one["prompt"], one["completion"]] for one in examples])
    return identity, hashlib.sha256(text.encode()).hexdigest(), reasons, examples


def read_whole(store: Store, draws: list[int], plan: SelectionPlan) -> list[Candidate]:
    """Every candidate with the verdict that counts, in order of path id."""
    by_vote = plan.settings.selection.accept == "majority"
    questions = {
        one.id: one for one in store.select(Question, part="train") if one.question_set_id in SETS
    }
    verdicts = store.select(Verdict, draw=draws)
    found: list[Candidate] = []
    for path in sorted(
        store.select(Path, draw=draws, strategy="regenesis"), key=lambda one: one.id.bytes
    ):
        own = [one for one in verdicts if one.path_id == path.id]
        counting = [
            one
            for one in own
            if one.verifier in (("majority",) if by_vote else ("reference", "human"))
        ]
        said = [json.loads(one.details).get("self_check") for one in own]
        found.append(
            Candidate(
                path,
                max(
                    counting,
                    key=lambda one: (one.verifier == "human", one.created_at),
                    default=None,
                ),
                questions[path.question_id],
                next((one for one in said if one is not None), None),
            )
        )
    return found


def decided(every: list[Candidate], held_out: list[Question], plan: SelectionPlan) -> list[Choice]:
    """One choice per candidate, from the rules alone."""
    selection, template = plan.settings.selection, parse_prompt(plan.answer_prompt.text)
    questions = {one.question.id: one.question for one in every}
    overlaps = find_overlaps(
        list(questions.values()),
        held_out,
        selection.contamination_share,
        selection.contamination_template_questions,
    )
    refused = {one.path.id: "contaminated" for one in every if one.question.id in overlaps}
    assert refused
    if plan.count_tokens:
        refused |= {
            one.path.id: "over_length"
            for one in every
            if plan.count_tokens(ask_question(template, one.question), one.path.text)
            > plan.settings.training.max_tokens
        }
    return select_paths(
        every,
        selection,
        plan.seed,
        refused=refused,
        leaks=lambda one: mentions_given_answer(one.path.text, one.question.answer),
        count=plan.count,
    )


def taught(identity: Any, kept: list[Candidate], plan: SelectionPlan) -> list[dict[str, object]]:
    """The examples in their seeded order."""
    template = parse_prompt(plan.answer_prompt.text)
    in_turn = sorted(kept, key=lambda one: rank(plan.seed, one.path.id))
    return [
        asdict(
            TrainingExample(
                id=content_id("training_examples", identity, one.path.id),
                training_set_id=identity,
                path_id=one.path.id,
                question_id=one.question.id,
                position=position,
                prompt=ask_question(template, one.question).user,
                completion=one.path.text.strip(),
                draw=one.path.draw,
            )
        )
        for position, one in enumerate(in_turn)
    ]
