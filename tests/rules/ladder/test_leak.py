"""The answer-leak detector, on texts labelled by reading."""

import pytest

from tasks.rules.ladder.leak import mentions_given_answer
from tests.rules.ladder.leak_texts import CLEAN, LEAKS


def test_at_least_49_of_50_leaks_are_found_and_49_of_50_that_are_found_are_leaks():
    found = [mentions_given_answer(text, answer) for text, answer in LEAKS]
    flagged = [mentions_given_answer(text, answer) for text, answer in CLEAN]

    assert min(len(LEAKS), len(CLEAN)) >= 50
    assert sum(found) >= 0.98 * len(LEAKS), [LEAKS[i] for i, seen in enumerate(found) if not seen]
    assert sum(found) >= 0.98 * (sum(found) + sum(flagged)), [
        CLEAN[i] for i, seen in enumerate(flagged) if seen
    ]


@pytest.mark.parametrize(
    "value", ["12", "1,200", "-5", "1/2", "0.5", "$12.50", "yes", "B", "Paris"]
)
def test_any_value_that_is_stated_before_its_work_is_a_leak_and_behind_it_none(value: str):
    work = (
        "First we look at what is there, then we count what is left of it. Some are red, others are"
        " blue."
    )

    assert mentions_given_answer(f"The answer is {value}. {work} The answer is {value}.", value)
    assert mentions_given_answer(f"Answer: {value}\n\nExplanation: {work}", value)
    assert not mentions_given_answer(f"{work} The answer is {value}.", value)
    assert not mentions_given_answer(
        f"{work} The correct answer is {value}. It fits what is there.", value
    )


def test_without_the_value_talk_alone_counts():
    assert mentions_given_answer("The given answer fits.")
    assert not mentions_given_answer(
        "We know that the answer must be whole. 3 * 4 = 12. The answer is 12."
    )
