"""A question that accepts several answers.

Any of them counts, and all are shown wherever a reference is.
"""

import re
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.open_store import open_store
from storage.records import Path, Question, QuestionSet, Verdict
from tasks.explore.markup import story_markup
from tasks.explore.story import QuestionStory
from tasks.rules.answers.verdicts import Case, Judgement, judged_quickly
from tasks.rules.ladder.prompts import shown_answer
from tasks.verification.audit import second_opinion_of
from tasks.verification.verify_paths import Judge, case_of, verify_paths
from tests.storage.examples import make

NIGER = make(
    Question,
    1,
    text="Which country has Niamey as its capital?",
    answer="Niger",
    answer_kind="text",
    other_answers=["Republic of Niger", "the Niger Republic"],
    part="train",
)


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("The answer is Niger.", "correct"),
        ("The answer is Republic of Niger.", "correct"),
        (r"\boxed{the Niger Republic}", "correct"),
        ("The answer is Nigeria.", "wrong"),
        ("It lies in Africa.", "unjudged"),
    ],
)
def test_any_accepted_answer_is_right_and_no_other_is(said: str, verdict: str) -> None:
    with Judge() as judge:
        assert judge.judge([case_of(NIGER, said, "stop")])[0].verdict == verdict


async def test_one_path_is_judged_as_many_are() -> None:
    cases = [
        case_of(NIGER, f"The answer is {one}.", "stop")
        for one in ("Niger", "Republic of Niger", "Chad")
    ]
    with Judge() as judge:
        assert [await judge.judge_one(one) for one in cases] == judge.judge(cases)


def test_several_expressions_are_compared_by_algebra_one_by_one() -> None:
    case = Case(r"\boxed{1+x^2}", "x^3", "expression", also_accepted=("x^2+1", "x"))
    with Judge() as judge:
        assert judge.judge([case, replace(case, also_accepted=("x",))])[0].verdict == "correct"
        assert judge.judge([replace(case, also_accepted=("x",))])[0].verdict == "wrong"


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 9))
def test_a_number_is_right_exactly_when_it_is_one_of_them(answers: list[int], said: int) -> None:
    case = Case(
        f"The answer is {said}.",
        str(answers[0]),
        "number",
        also_accepted=tuple(map(str, answers[1:])),
    )
    judged = judged_quickly(case)
    assert isinstance(judged, Judgement)
    assert (judged.verdict == "correct") == (said in answers)


def test_all_are_shown_in_prompts_views_and_the_explorer(tmp_path: FilePath) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'store.duckdb'}")
    path = make(Path, 1, question_id=NIGER.id, text="The answer is Republic of Niger.", draw=1)
    store.append([NIGER, path])
    with Judge() as judge:
        verify_paths(store, judge)

    all_of_them = "Niger or Republic of Niger or the Niger Republic"
    assert shown_answer(NIGER) == all_of_them
    assert [one.verdict for one in store.select(Verdict)] == ["correct"]
    for view in ("lineage", "accepted_paths"):
        assert store.query(f"SELECT reference_answer FROM {view}")[
            "reference_answer"
        ].to_pylist() == [all_of_them]
    assert store.select(Question) == [NIGER]
    assert second_opinion_of(path, NIGER) == "correct"
    assert all_of_them in story_markup(QuestionStory(NIGER, make(QuestionSet), [], [], 0))


PRODUCT = FilePath(__file__).parents[3]


def test_no_statement_reads_the_first_of_the_accepted_answers_alone() -> None:
    """Each statement of the product, wherever it stands, that names `q.answer` names
    `q.other_answers` beside it.
    """
    files = [
        one for folder in ("flows", "tasks", "storage") for one in (PRODUCT / folder).rglob("*")
    ]
    lines = [
        f"{one.relative_to(PRODUCT)}: {line.strip()}"
        for one in files
        if one.suffix in (".py", ".sql")
        for line in one.read_text("utf-8").splitlines()
        if re.search(r"\bq\.answer\b", line)
    ]

    assert len(lines) >= 7
    assert [line for line in lines if "q.other_answers" not in line] == []
