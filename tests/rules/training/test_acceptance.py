"""A path that may be trained on has work in it, reaches its answer by that work, and was not cut
off.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.records import AnswerKind, Path, Verdict
from tasks.rules.training.acceptance import refusal_of_path, states_reference, work_of
from tasks.settings import PRESETS, SelectionSettings, preset_settings
from tests.fakes.ladder_examples import question
from tests.storage.examples import make

STRICT = SelectionSettings(min_work_words=3, answer_in_work=True)


def judged(
    text: str,
    *,
    answer: str = "8",
    verdict: str = "correct",
    kind: AnswerKind = "number",
    **values: Any,
) -> str:
    one = replace(question(1, answer), answer_kind=kind)
    path = replace(make(Path, text, text=text, finish_reason="stop"), **values)
    return refusal_of_path(
        path, make(Verdict, text, verdict=verdict, extracted=answer), one, STRICT
    )


@pytest.mark.parametrize(
    ("text", "work"),
    [
        ("Work: 3 + 5 = 8\nThe answer is 8.", "3 + 5 = 8"),
        ("Work:\nThe answer is 8.", ""),
        ("The answer is 8.", ""),
        ("**Final Answer:** 8", ""),
        ("#### 8", ""),
        ("\\boxed{8}", ""),
        ("She sells 9 - 1 = 8, so the answer is 8.", "She sells 9 - 1 = 8,"),
        ("Find what the answer is. 3 + 5 = 8.\nAnswer: 8", "Find what the answer is. 3 + 5 = 8."),
        (
            "The answer is found by adding: 3 + 5 = 8. The answer is 8.",
            "The answer is found by adding: 3 + 5 = 8.",
        ),
        ("The answer is 8, because 3 + 5 = 8.", ""),
        ("Add 2.5 and 5.5.\nThat makes 8.", "Add 2.5 and 5.5."),
    ],
)
def test_the_work_of_a_path_is_what_stands_before_its_answer(text: str, work: str) -> None:
    assert work_of(text) == work


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("Work: 3 + 5 = 8\nThe answer is 8.", {}, ""),
        ("Work:\nThe answer is 8.", {}, "no_work"),
        ("Work: 1.\nThe answer is 8.", {}, "no_work"),
        ("Check if it is a sum.\nThe answer is 8.", {}, "answer_not_reached"),
        ("Work: 3 + 5 = 18\nThe answer is 8.", {}, "answer_not_reached"),
        ("Work: 3 + 5 = 8\nThe answer is 8.", {"cut": True, "closed": True}, "cut"),
        ("Work: 3 + 5 = 8\nThe answer is 8.", {"finish_reason": "length"}, "cut"),
        ("It is red, for it burns.\nThe answer is A.", {"answer": "A", "kind": "choice"}, ""),
        ("The answer is A.", {"answer": "A", "kind": "choice"}, "no_work"),
        (
            "Both come to x + 1, factored.\nThe answer is x + 1.",
            {"answer": "x + 1", "kind": "expression"},
            "",
        ),
        (
            "Simplify both of them first.\nThe answer is x + 1.",
            {"answer": "x + 1", "kind": "expression"},
            "answer_not_reached",
        ),
    ],
)
def test_a_right_answer_alone_is_not_enough(text: str, values: dict[str, Any], reason: str) -> None:
    assert judged(text, **values) == reason


def test_a_control_that_nobody_verified_is_held_to_what_it_states_itself() -> None:
    assert judged("Work: 3 + 5 = 9\nThe answer is 9.", answer="9", verdict="wrong") == ""
    assert (
        judged("Work: 3 + 5 = 9\nThe answer is 7.", answer="7", verdict="wrong")
        == "answer_not_reached"
    )


def test_a_path_that_a_vote_chose_is_held_to_what_it_states_itself() -> None:
    one, path = (
        question(1, "8"),
        make(Path, "vote", text="Work: 3 + 5 = 9\nThe answer is 9.", finish_reason="stop"),
    )
    vote = make(Verdict, "vote", verifier="majority", verdict="correct", extracted="9")
    assert refusal_of_path(path, vote, one, STRICT) == ""


def test_a_path_that_was_cut_is_taken_where_the_settings_say_so() -> None:
    path = make(
        Path, "cut", text="Work: 3 + 5 = 8\nThe answer is 8.", cut=True, finish_reason="stop"
    )
    taken = STRICT.model_copy(update={"accept_cut": True})
    assert refusal_of_path(path, None, question(1, "8"), taken) == ""


@given(st.text(max_size=200), st.integers(-999, 99_999))
def test_work_never_holds_more_than_the_text_and_a_bare_statement_is_never_work(
    text: str, value: int
) -> None:
    assert work_of(text) in text
    assert work_of(f"The answer is {value}.") == ""


@pytest.mark.parametrize(
    ("structure", "answer", "kind", "states"),
    [
        ("1. Add 30 and 12.\n2. That is 42.", "42", "number", True),
        ("1. Add the two numbers.\n2. Double them.", "42", "number", False),
        ("1. Add.\n2. Take away.\n3. Write it down.", "3", "number", False),
        ("1. Compute 1 + 2 = 3.", "3", "number", True),
        ("1. Use question 12345.", "12345", "number", False),  # the question names it
        ("1. Choose the red one, A.", "A", "choice", False),
    ],
)
def test_a_structure_that_states_the_reference_is_known(
    structure: str, answer: str, kind: AnswerKind, states: bool
) -> None:
    one = replace(question(12345, answer), answer_kind=kind)
    assert states_reference(structure, one) == states


@pytest.mark.parametrize("preset", PRESETS)
def test_no_preset_accepts_a_path_without_work_or_one_that_was_cut(preset: str) -> None:
    selection = preset_settings(preset).selection
    for text, cut in (
        ("The answer is 8.", False),
        ("3 + 5 = 8 in so many words that it is enough work for all of them", True),
    ):
        path = make(Path, text, text=text, cut=cut, finish_reason="stop", id=UUID(int=1))
        assert refusal_of_path(path, None, question(1, "8"), selection) in ("cut", "no_work")
