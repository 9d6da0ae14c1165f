"""pass@k, maj@k, lengths and endings of planted answers."""

from typing import Any
from uuid import UUID, uuid5

import numpy as np
import pytest

from storage.records import Answer
from tasks.rules.gate.answer_figures import greedy_figures, majority_is_right, sampled_figures
from tests.storage.examples import make

NAMES = UUID(int=5)


def answer(verdict: str, stated: str | None = "7", **more: Any) -> Answer:
    return make(
        Answer,
        repr((verdict, stated, more)),
        strict_verdict=verdict,
        lenient_verdict=verdict,
        strict_extracted=stated,
        lenient_extracted=stated,
        **more,
    )


RIGHT, WRONG, OTHER = answer("correct", "7"), answer("wrong", "8"), answer("wrong", "9")
HALF = answer("correct", "0.5")
SILENT = answer("unjudged", None)


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([RIGHT, RIGHT, WRONG], 1.0),
        ([RIGHT, WRONG, WRONG], 0.0),
        ([RIGHT, HALF, WRONG], 1.0),  # right answers are one class, however they are written
        ([RIGHT, WRONG, OTHER], 1 / 3),  # a tie goes by lot
        ([RIGHT, SILENT, SILENT], 1.0),  # who states nothing has no vote
        ([SILENT], 0.0),
        ([], 0.0),
    ],
)
def test_the_most_frequent_answer_is_right(answers: list[Answer], expected: float) -> None:
    assert majority_is_right(answers, "strict") == pytest.approx(expected)


def test_pass_and_majority_are_averages_over_questions() -> None:
    by_question = {
        uuid5(NAMES, "a"): [RIGHT, WRONG, WRONG],
        uuid5(NAMES, "b"): [RIGHT, RIGHT, RIGHT],
    }
    found = {
        (one.name, one.k): one.value
        for one in sampled_figures(by_question, 3, generator())
        if one.reading == "strict"
    }
    assert found == {
        ("pass_at_k", 1): pytest.approx(2 / 3),
        ("pass_at_k", 3): 1.0,
        ("maj_at_k", 3): 0.5,
    }


def test_a_question_without_all_its_samples_is_left_out() -> None:
    by_question = {uuid5(NAMES, "a"): [RIGHT, WRONG], uuid5(NAMES, "b"): [RIGHT, RIGHT, RIGHT]}
    assert {one.questions for one in sampled_figures(by_question, 3, generator())} == {1}
    assert sampled_figures({}, 3, generator()) == []


def test_samples_of_one_question_hang_together() -> None:
    """The interval of 8 questions with 8 equal samples each is that of 8 answers, not of 64."""
    alike = {uuid5(NAMES, str(place)): [RIGHT if place % 2 else WRONG] * 8 for place in range(8)}
    spread = {uuid5(NAMES, str(place)): [RIGHT, WRONG] * 4 for place in range(8)}
    wide, narrow = (sampled_figures(one, 8, generator())[0].interval for one in (alike, spread))
    assert wide.high - wide.low > 0.5
    assert narrow.high - narrow.low == 0.0


def test_lengths_endings_and_unjudged_answers_have_intervals_around_them() -> None:
    answers = [
        answer("correct", completion_tokens=n, finish_reason="stop" if n > 3 else "length")
        for n in range(10)
    ]
    found = {
        (one.name, one.reading): one for one in greedy_figures([*answers, SILENT], generator())
    }
    assert found["stopped", ""].value == pytest.approx(6 / 11)
    assert (
        found["unjudged", "strict"].value
        == found["unjudged", "lenient"].value
        == pytest.approx(1 / 11)
    )
    assert found["mean_tokens", ""].value == pytest.approx(45 / 11)
    assert all(one.interval.low < one.value < one.interval.high for one in found.values())
    assert greedy_figures([], generator()) == []
