"""From judged paths to a training set: what is kept, and each reason why not."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.ids import content_id
from storage.records import Label, Path, Question, Verdict
from storage.views.reasons import REASONS
from tasks.prompt_files import prompts_of
from tasks.rules.ladder.prompts import parse_prompt
from tasks.rules.training.selection import Candidate, refusal
from tasks.settings import SelectionSettings, load_settings
from tests.fakes.selecting import select_paths

NOW = datetime(2025, 1, 1, tzinfo=UTC)
SET = content_id("question_sets", "made up")


def question(name: str) -> Question:
    return Question(
        id=content_id("questions", name),
        question_set_id=SET,
        source_row_id=name,
        part="train",
        draw=1,
        text=name,
        choices=[],
        answer="4",
        answer_kind="number",
        extra="{}",
        created_at=NOW,
    )


def candidate(
    text: str,
    *,
    asked: str = "2 + 2",
    verdict: Label | None = "correct",
    reason: str = "equal",
    hinted: bool = False,
    tokens: int = 20,
    sample: int = 0,
    self_check: bool | None = None,
) -> Candidate:
    of = question(asked)
    path = Path(
        id=content_id("paths", asked, text, hinted, sample),
        question_id=of.id,
        model_id=SET,
        prompt_id=SET,
        sampling="{}",
        draw=1,
        sample=sample,
        hinted=hinted,
        text=text,
        finish_reason="stop",
        prompt_tokens=9,
        completion_tokens=tokens,
        seed=1,
        endpoint="none",
        round_id=None,
        created_at=NOW,
        strategy="regenesis",
        guideline_id=None,
        adapted_guideline_id=None,
        structure_id=None,
        closed=False,
    )
    judged = verdict and Verdict(
        id=content_id("verdicts", path.id),
        path_id=path.id,
        draw=1,
        verifier="reference",
        verifier_version="1",
        verdict=verdict,
        reason=reason,
        extracted="4",
        lenient_verdict=verdict,
        lenient_extracted="4",
        rater=None,
        details="{}",
        created_at=NOW,
    )
    return Candidate(path, judged or None, of, self_check)


def reasons(
    candidates: list[Candidate], settings: SelectionSettings | None = None, seed: int = 1
) -> list[str]:
    return [
        choice.reason for choice in select_paths(candidates, settings or SelectionSettings(), seed)
    ]


@pytest.mark.parametrize(
    ("one", "settings", "reason"),
    [
        (candidate("The answer is 4."), SelectionSettings(), ""),
        (
            candidate("It is 5.", verdict="wrong", reason="answer_differs"),
            SelectionSettings(),
            "answer_differs",
        ),
        (
            candidate("Hm.", verdict="unjudged", reason="no_final_answer"),
            SelectionSettings(),
            "no_final_answer",
        ),
        (candidate("It is 4.", verdict=None), SelectionSettings(), "not_judged_yet"),
        (candidate("It is 5.", verdict="wrong"), SelectionSettings(accept="any"), ""),
        (candidate("  \n "), SelectionSettings(accept="any"), "empty_text"),
        (candidate("Four.", tokens=801), SelectionSettings(max_path_tokens=800), "over_length"),
        (candidate("Four.", tokens=800), SelectionSettings(max_path_tokens=800), ""),
        (candidate("It is 4."), SelectionSettings(require_boxed=True), "not_boxed"),
        (candidate(r"So \boxed{4}."), SelectionSettings(require_boxed=True), ""),
        (candidate("1. Add.\n2. It is 4."), SelectionSettings(require_numbered_list=True), ""),
        (candidate("Steps:\n\n 1) Add."), SelectionSettings(require_numbered_list=True), ""),
        (
            candidate("It costs\n21.4 or 1.5"),
            SelectionSettings(require_numbered_list=True),
            "no_numbered_list",
        ),
        (candidate("It is 4.", self_check=False), SelectionSettings(), "self_check_no"),
    ],
)
def test_a_path_alone_is_refused_with_the_reason(
    one: Candidate, settings: SelectionSettings, reason: str
) -> None:
    assert not reason or reason in REASONS
    assert refusal(one, settings) == reason


def test_at_most_so_many_paths_of_a_question_are_kept() -> None:
    paths = [candidate(f"Way {number}: 4") for number in range(8)] + [candidate("6", asked="3 + 3")]
    assert Counter(reasons(paths)) == {"kept": 6, "over_keep": 3}


def test_exact_duplicates_are_known_whatever_their_case_and_blanks() -> None:
    paths = [candidate("It is  4."), candidate("it is 4.\n"), candidate("It is 4.", asked="1 + 3")]
    assert Counter(reasons(paths)) == {"kept": 2, "duplicate": 1}


def test_a_duplicate_of_a_hinted_path_leaves_the_free_one() -> None:
    paths = [candidate("It is 4.", hinted=True), candidate("It is 4.")]
    assert reasons(paths, SelectionSettings(max_hinted_share=1)) == ["duplicate", "kept"]


def test_hinted_paths_are_at_most_their_share_of_the_set() -> None:
    free = [candidate(f"way {number}", asked=f"free {number}") for number in range(7)]
    hinted = [
        candidate(f"way {number}", asked=f"hard {number}", hinted=True) for number in range(9)
    ]
    assert Counter(reasons(free + hinted)) == {"kept": 10, "over_hinted_share": 6}


def test_a_hinted_path_that_speaks_of_its_hint_is_refused() -> None:
    paths = [
        candidate("As we were told, 4.", hinted=True),
        candidate("As we were told, 4.", asked="1 + 3"),
    ]
    choices = select_paths(
        paths, SelectionSettings(max_hinted_share=1), 1, leaks=lambda one: "told" in one.path.text
    )
    assert [choice.reason for choice in choices] == ["mentions_given_answer", "kept"]


def test_a_reason_found_elsewhere_stands() -> None:
    paths = [candidate("It is 4."), candidate("Four.")]
    choices = select_paths(
        paths, SelectionSettings(), 1, refused={paths[0].path.id: "contaminated"}
    )
    assert [choice.reason for choice in choices] == ["contaminated", "kept"]


def test_a_count_limits_the_whole_set() -> None:
    paths = [candidate("It is 4.", asked=f"question {number}") for number in range(20)]
    choices = select_paths(paths, SelectionSettings(accept="any"), 1, count=5)
    assert Counter(choice.reason for choice in choices) == {"kept": 5, "over_count": 15}


def test_another_seed_draws_other_paths() -> None:
    paths = [candidate(f"Way {number}") for number in range(40)]
    assert reasons(paths, seed=1) != reasons(paths, seed=2)


@given(order=st.permutations(range(12)), seed=st.integers(0, 2**31))
def test_the_order_of_the_rows_changes_nothing(order: list[int], seed: int) -> None:
    paths = [
        candidate(f"Way {number % 9}", hinted=number % 3 == 0, sample=number)
        for number in range(12)
    ]

    def kept(candidates: list[Candidate]) -> set[UUID]:
        return {
            choice.candidate.path.id
            for choice in select_paths(candidates, SelectionSettings(), seed)
            if choice.kept
        }

    assert kept(paths) == kept([paths[place] for place in order])


@pytest.mark.parametrize("name", ["path", "path_hinted"])
def test_official_code_asks_for_what_it_accepts(name: str) -> None:
    settings = load_settings("official-code")
    template = parse_prompt(prompts_of(settings)[name].text)

    turns = template.fill(form="the number", question="2 + 2?", structure="Add.", answer="4")
    text = "1. Add two and two.\n2. That is 4.\nThe answer is \\boxed{4}."

    assert "numbered list" in turns.user
    assert "the number in \\boxed{}" in turns.user
    accepts = settings.selection
    assert (accepts.require_boxed, accepts.require_numbered_list, accepts.max_path_tokens) == (
        True,
        True,
        800,
    )
    assert settings.synthesis.self_check
    assert reasons([candidate(text, self_check=True)], accepts) == ["kept"]
    assert reasons([candidate(text, self_check=False)], accepts) == ["self_check_no"]
    assert reasons([candidate(text, tokens=801)], accepts) == ["over_length"]
