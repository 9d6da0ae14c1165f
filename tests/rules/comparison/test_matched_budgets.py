"""Matched budgets are exact, whatever the filters left.

By paths, by questions, and never above a token budget.
"""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Path, Question
from tasks.rules.comparison.matched_budgets import (
    Entry,
    match_paths,
    match_questions,
    refuse_empty,
    within_tokens,
)
from tasks.rules.training.selection import Candidate, Choice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SET = content_id("question_sets", "made up")


def candidate(method: str, question: int, sample: int, hinted: bool = False) -> Candidate:
    of = Question(
        id=content_id("questions", question),
        question_set_id=SET,
        source_row_id="",
        part="train",
        draw=1,
        text="",
        choices=[],
        answer="4",
        answer_kind="number",
        extra="{}",
        created_at=NOW,
    )
    path = Path(
        id=content_id("paths", method, question, sample, hinted),
        question_id=of.id,
        model_id=SET,
        prompt_id=SET,
        sampling="{}",
        draw=1,
        sample=sample,
        hinted=hinted,
        text="",
        finish_reason="stop",
        prompt_tokens=9,
        completion_tokens=20,
        seed=1,
        endpoint="none",
        round_id=None,
        created_at=NOW,
        strategy="direct",
        guideline_id=None,
        adapted_guideline_id=None,
        structure_id=None,
        closed=False,
    )
    return Candidate(path, None, of)


def entry(method: str, kept: list[Candidate], share: float = 1.0, parts: int = 1) -> Entry:
    refused = [Choice(candidate(method, 999, 0), False, "answer_differs")]
    return Entry(method, [*(Choice(one, True, "kept") for one in kept), *refused], share, parts)


def kept(choices: list[Choice]) -> list[Candidate]:
    return [choice.candidate for choice in choices if choice.kept]


ENTRIES = st.lists(
    st.tuples(st.dictionaries(st.integers(0, 5), st.integers(1, 4), min_size=1), st.integers(0, 6)),
    min_size=1,
    max_size=4,
)


def built(drawn: list[tuple[dict[int, int], int]], share: float) -> list[Entry]:
    entries: list[Entry] = []
    for place, (free, hinted) in enumerate(drawn):
        name = f"method{place}"
        paths = [
            candidate(name, question, n) for question, count in free.items() for n in range(count)
        ]
        allowed = int(share * len(paths) / (1 - share)) if share < 1 else hinted
        paths += [candidate(name, 100 + n, 0, hinted=True) for n in range(min(hinted, allowed))]
        entries.append(entry(name, paths, share))
    return entries


@given(ENTRIES, st.sampled_from([0.3, 0.5, 1.0]), st.integers(0, 9))
def test_matched_by_paths_all_sets_have_the_smallest_size_and_at_most_their_share_of_hints(
    drawn: list[tuple[dict[int, int], int]], share: float, seed: int
) -> None:
    entries = built(drawn, share)

    matched = match_paths(entries, seed)

    smallest = min(len(one.kept) for one in entries)
    assert {len(kept(choices)) for choices in matched} == {smallest}
    for choices in matched:
        assert sum(one.path.hinted for one in kept(choices)) <= share * smallest + 1e-9


@given(ENTRIES, st.integers(0, 9))
def test_matched_by_questions_all_learn_the_same_questions_with_equally_many_paths(
    drawn: list[tuple[dict[int, int], int]], seed: int
) -> None:
    matched = match_questions(built(drawn, 1.0), seed)

    asked = [Counter(one.question.id for one in kept(choices)) for choices in matched]
    assert all(one == asked[0] for one in asked)


def test_a_set_of_its_own_gets_its_part_and_together_they_are_one_whole() -> None:
    whole = entry("regenesis", [candidate("regenesis", n, 0) for n in range(40)])
    parts = [
        entry(f"mixed_sets:{n}", [candidate(f"part{n}", m, 0) for m in range(15)], parts=4)
        for n in range(4)
    ]

    sizes = [len(kept(choices)) for choices in match_paths([whole, *parts], seed=1)]

    assert sizes == [40, 10, 10, 10, 10]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(0, 400))
def test_a_token_budget_is_never_passed_and_less_than_a_chain_stays_unspent(
    costs: list[int], budget: int
) -> None:
    paths = [candidate("m", n, 0) for n in range(len(costs))]
    tokens: dict[UUID, float] = {
        one.path.id: float(cost) for one, cost in zip(paths, costs, strict=True)
    }

    paid = within_tokens(paths, tokens, budget, seed=1)

    spent = sum(tokens[one] for one in paid)
    assert spent <= budget
    assert len(paid) == len(paths) or spent + max(costs) > budget


def test_the_same_seed_takes_the_same_paths_and_another_one_others() -> None:
    entries = [
        entry("a", [candidate("a", n, 0) for n in range(30)]),
        entry("b", [candidate("b", n, 0) for n in range(10)]),
    ]

    once, again, other = (match_paths(entries, seed) for seed in (1, 1, 2))

    assert kept(once[0]) == kept(again[0]) != kept(other[0])
    assert {choice.reason for choice in once[0]} == {"kept", "over_count", "answer_differs"}


def test_a_limit_of_examples_holds_for_every_method() -> None:
    entries = [
        entry(name, [candidate(name, n, m) for n in range(9) for m in range(3)])
        for name in ("a", "b")
    ]

    assert [len(kept(one)) for one in match_paths(entries, 1, most=7)] == [7, 7]
    assert [len(kept(one)) for one in match_questions(entries, 1, most=7)] == [6, 6]


def test_a_method_that_leaves_the_others_too_little_is_named() -> None:
    entries = [
        entry("rft", [candidate("rft", n, 0) for n in range(30)]),
        entry("lmsi", [candidate("lmsi", 1, 0)]),
    ]

    with pytest.raises(InputError, match="'lmsi' has but 1"):
        refuse_empty(entries, match_paths(entries, 1), fewest=8)
