"""From stored paths to a training set: every path has its row; a rerun writes nothing."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path as Folder
from typing import Any

import pytest

from storage.errors import InputError, PermanentError
from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import (
    Path,
    Question,
    Round,
    Selection,
    Strategy,
    TrainingExample,
    TrainingSet,
    Verdict,
)
from tasks.prompt_files import load_prompts, prompt_record
from tasks.rules.ladder.prompts import Turns
from tasks.settings import Settings, load_settings
from tasks.training.select_examples import SelectionPlan, select_examples
from tests.storage.examples import make

SET = content_id("question_sets", "sums")
# Texts here are a few words: what a path must hold to be accepted is asked of
# tests/rules/test_acceptance.py.
ANY_WORK = {"min_work_words": 0, "answer_in_work": False}
SETTINGS = load_settings(
    overrides={"selection": ANY_WORK | {"keep_per_question": 2, "max_hinted_share": 1}}
)
ROUND = make(Round, "one", number=1, line="base/test")


@pytest.fixture
def store(tmp_path: Folder) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")


def ask(store: Store, name: str, part: str = "train", draw: int = 1, **values: Any) -> Question:
    question = make(
        Question,
        name,
        question_set_id=SET,
        part=part,
        draw=draw,
        text=f"What is {name}?",
        answer="4",
        answer_kind="number",
        **values,
    )
    store.append([question])
    return question


def answer(
    store: Store, question: Question, text: str, *, verdict: str = "correct", **values: Any
) -> Path:
    path = make(
        Path,
        (question.id, text),
        question_id=question.id,
        text=text,
        draw=question.draw or 1,
        strategy="regenesis",
        completion_tokens=9,
    )
    path = replace(path, **values)
    reason = "equal" if verdict == "correct" else "answer_differs"
    judged = make(
        Verdict,
        path.id,
        path_id=path.id,
        draw=path.draw,
        verifier="reference",
        verifier_version="1",
        verdict=verdict,
        reason=reason,
        details="{}",
    )
    store.append([path, judged])
    return path


def select(
    store: Store, settings: Settings = SETTINGS, strategy: Strategy | None = None, **values: Any
) -> TrainingSet:
    plan = SelectionPlan.of_round(ROUND, settings, load_prompts(), **values)
    return select_examples(store, plan, round=ROUND, question_set_ids=[SET], strategy=strategy)


def reasons(store: Store) -> dict[str, int]:
    return Counter(selection.reason for selection in store.select(Selection))


def test_each_path_has_a_row_and_each_kept_one_an_example(store: Store) -> None:
    question = ask(store, "2 + 2")
    for text in ("It is 4.", "Two more is 4.", "4 of course", "it is  4."):
        answer(store, question, text)
    answer(store, question, "It is 5.", verdict="wrong")
    chosen = select(store)
    assert reasons(store).keys() <= {"kept", "over_keep", "duplicate", "answer_differs"}
    assert sum(reasons(store).values()) == 5
    assert chosen.examples == len(store.select(TrainingExample)) == reasons(store)["kept"] == 2


def test_an_example_asks_as_evaluation_does_and_teaches_the_path(store: Store) -> None:
    question = ask(store, "Water is", choices=["wet", "dry"])
    question = replace(
        question,
        answer="A",
        answer_kind="choice",
        id=content_id("questions", "other"),
        text="Is it?",
    )
    store.append([question])
    path = answer(store, question, "\nThe answer is A.\n")
    select(store)
    (example,) = store.select(TrainingExample)
    assert (example.path_id, example.completion) == (path.id, "The answer is A.")
    assert "Is it?\nA. wet\nB. dry" in example.prompt
    assert "letter" in example.prompt


def test_words_that_the_answer_prompt_begins_are_not_taught_a_second_time(store: Store) -> None:
    answer(store, ask(store, "2 + 2"), "Work: 2 + 2 = 4.")
    answer(store, ask(store, "1 + 3"), "One and three are 4.")
    prompts = load_prompts() | {
        "answer": prompt_record("answer", "[user]\n{question}\n[assistant]\nWork:")
    }
    select_examples(
        store, SelectionPlan.of_round(ROUND, SETTINGS, prompts), round=ROUND, question_set_ids=[SET]
    )
    assert {one.completion for one in store.select(TrainingExample)} == {
        "2 + 2 = 4.",
        "One and three are 4.",
    }


@pytest.mark.parametrize("section", ["system", "assistant"])
@pytest.mark.parametrize("name", ["form", "question"])
def test_an_answer_prompt_that_each_question_would_begin_otherwise_is_refused(
    section: str, name: str
) -> None:
    texts = {"system": "Be brief.", "user": "{question}", "assistant": "So:"}
    texts[section] += f" {{{name}}}"
    with pytest.raises(InputError, match=rf"\[{section}\]"):
        prompt_record("answer", "\n".join(f"[{key}]\n{text}" for key, text in texts.items()))


def test_the_text_that_is_trained_on_keeps_every_brace_and_no_task_is_called_mathematics(
    store: Store,
) -> None:
    text = "Half is \\boxed{\\frac{1}{2}}, a set is {1, {2}}. The answer is \\boxed{4}}."
    answer(store, ask(store, "2 + 2"), text)
    select(store)
    (example,) = store.select(TrainingExample)
    assert example.completion == text
    assert "math" not in example.prompt.lower()


def test_selecting_again_gives_the_same_set_and_writes_nothing(store: Store) -> None:
    answer(store, ask(store, "2 + 2"), "It is 4.")
    first = select(store)
    assert select(store) == first
    assert len(store.select(TrainingSet)) == len(store.select(Selection)) == 1


def test_from_the_base_all_draws_of_the_line_count_and_none_of_another(store: Store) -> None:
    other_line = make(Round, "elsewhere", number=2, line="base/other")
    store.append([ROUND, other_line, make(Round, "three", number=3, line="base/test")])
    for draw in (1, 2, 3):
        answer(store, ask(store, f"{draw} + 1", draw=draw), "It is 4.")
    third = replace(ROUND, id=content_id("rounds", "three"), number=3)
    plan = SelectionPlan.of_round(third, SETTINGS, load_prompts())
    chosen = select_examples(store, plan, round=third, question_set_ids=[SET])
    assert chosen.examples == 2
    assert json.loads(chosen.settings)["draws"] == [1, 3]


def test_the_control_takes_as_many_direct_paths_whether_right_or_wrong(store: Store) -> None:
    for number in range(12):
        question = ask(store, f"{number} + 1")
        answer(store, question, "It is 5.", verdict="wrong", strategy="direct")
        answer(store, question, "It is 4.")
    settings = load_settings(overrides={"selection": ANY_WORK | {"accept": "any"}})
    chosen = select(store, settings, method="random", strategy="direct", count=7)
    assert (chosen.examples, chosen.method) == (7, "random")
    assert reasons(store) == {"kept": 7, "over_count": 5}


def test_an_example_over_the_training_limit_is_refused(store: Store) -> None:
    answer(store, ask(store, "2 + 2"), "It is 4.")
    answer(store, ask(store, "1 + 3"), "word " * 600)

    def count_words(turns: Turns, completion: str) -> int:
        return len(completion.split())

    select(store, count_tokens=count_words)
    assert reasons(store) == {"kept": 1, "over_length": 1}


def test_a_self_check_that_said_no_refuses_the_path(store: Store) -> None:
    path = answer(store, ask(store, "2 + 2"), "It is 4.")
    (verdict,) = store.select(Verdict, path_id=path.id)
    store.update(replace(verdict, details=json.dumps({"self_check": False})))
    select(store)
    assert reasons(store) == {"self_check_no": 1}


def test_a_newer_verdict_stands_over_an_older_one(store: Store) -> None:
    path = answer(store, ask(store, "2 + 2"), "It is 4.", verdict="wrong")
    newer = make(
        Verdict,
        "newer",
        path_id=path.id,
        draw=1,
        verifier="reference",
        verifier_version="2",
        verdict="correct",
        reason="equal",
        details="{}",
    )
    store.append([newer])
    select(store)
    assert [(row.reason, row.verdict_id) for row in store.select(Selection)] == [("kept", newer.id)]


def test_a_question_that_is_held_out_is_contaminated_and_the_pair_is_kept(store: Store) -> None:
    for number in range(30):
        answer(store, ask(store, f"{number} + 1"), "It is 4.")
    held_out = ask(store, "29  + 1", part="gate")
    chosen = select(store)
    assert reasons(store) == {"kept": 29, "contaminated": 1}
    (pair,) = json.loads(chosen.settings)["contaminated"]
    assert pair["held_out_id"] == str(held_out.id)


def test_a_set_of_which_too_much_is_contaminated_is_blocked(store: Store) -> None:
    answer(store, ask(store, "2 + 2"), "It is 4.")
    ask(store, "2  + 2", part="final", draw=0)
    with pytest.raises(PermanentError, match="overlap held-out questions"):
        select(store)
    assert not store.select(TrainingSet)
