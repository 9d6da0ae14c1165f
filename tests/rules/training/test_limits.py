"""The limits of a set, counted over columns, leave out what counting one by one leaves out."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.ids import content_id
from storage.records import Path, Question
from tasks.rules.training.selection import Candidate, normalised, rank
from tasks.settings import SelectionSettings
from tests.fakes.selecting import select_paths
from tests.storage.examples import make

SETS = [content_id("question_sets", number) for number in range(2)]


def candidates(seed: int, number: int) -> list[Candidate]:
    """Some of few questions with few different texts, hinted or not."""
    rng = random.Random(seed)
    questions = [
        make(
            Question,
            (seed, n),
            question_set_id=SETS[n % 2],
            answer_kind=rng.choice(["choice", "choice", "number"]),
            answer=rng.choice(["A", "a ", "A", "B", "C"]),
        )
        for n in range(max(1, number // 3))
    ]
    return [
        Candidate(
            make(
                Path, (seed, n), text=rng.choice(["x", "X ", "y", "\ud800", f"way {n}"]), hinted=h
            ),
            None,
            rng.choice(questions),
        )
        for n, h in enumerate(rng.choices([True, False], k=number))
    ]


def one_by_one(every: list[Candidate], settings: SelectionSettings, seed: int, count: int) -> Any:
    """The reason of each, each limit over what the one before it left."""
    kept = sorted(every, key=lambda one: (one.path.hinted, rank(seed, one.path.id)))
    reasons: dict[Any, str] = {}

    def leave_out(reason: str, gone: list[Candidate]) -> None:
        reasons.update({one.path.id: reason for one in gone})
        kept[:] = [one for one in kept if one.path.id not in reasons]

    seen, taken = set[Any](), Counter[Any]()
    repeated: list[Candidate] = []
    for one in kept:
        key = one.question.id, normalised(one.path.text)
        repeated += [one] if key in seen else []
        seen.add(key)
    leave_out("duplicate", repeated)
    beyond: list[Candidate] = []
    for one in kept:
        beyond += [one] if taken[one.question.id] >= settings.keep_per_question else []
        taken[one.question.id] += 1
    leave_out("over_keep", beyond)
    if count:
        kept.sort(key=lambda one: rank(seed, one.path.id))
        leave_out("over_count", kept[count:])
    hinted, share = [one for one in kept if one.path.hinted], settings.max_hinted_share
    allowed = 0
    while allowed < len(hinted) and allowed + 1 <= share * (len(kept) - len(hinted) + allowed + 1):
        allowed += 1
    leave_out("over_hinted_share", hinted[allowed:])
    by_answer = defaultdict[Any, defaultdict[str, list[Candidate]]](lambda: defaultdict(list))
    for one in kept:
        if settings.max_answer_ratio and one.question.answer_kind == "choice":
            of_set = by_answer[one.question.question_set_id]
            of_set[one.question.answer.strip().casefold()].append(one)
    for answers in by_answer.values():
        most = max(1, int(settings.max_answer_ratio * min(map(len, answers.values()))))
        leave_out("over_answer_ratio", [one for same in answers.values() for one in same[most:]])
    return [reasons.get(one.path.id, "kept") for one in every]


@given(
    seed=st.integers(0, 10**6),
    number=st.integers(0, 60),
    keep=st.integers(1, 4),
    share=st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    ratio=st.sampled_from([0.0, 1.0, 1.5]),
    count=st.sampled_from([0, 1, 7, 30]),
)
def test_columns_and_one_by_one_leave_out_the_same(
    seed: int, number: int, keep: int, share: float, ratio: float, count: int
) -> None:
    settings = SelectionSettings(
        accept="any", keep_per_question=keep, max_hinted_share=share, max_answer_ratio=ratio
    )
    every = candidates(seed, number)

    chosen = select_paths(every, settings, seed, count=count)

    assert [one.reason for one in chosen] == one_by_one(every, settings, seed, count)
    assert [one.candidate for one in chosen] == every
    assert all(one == replace(one, kept=one.reason == "kept") for one in chosen)
