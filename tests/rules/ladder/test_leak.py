"""The answer-leak detector."""

import pytest

from tasks.rules.ladder.leak import mentions_given_answer, talks_about_the_given_answer

LEAKS = [
    "We need to show that the given answer is 12. The answer is 12.",
    "Since the answer is 12, the sum must be 12. The answer is 12.",
    "We know that the answer is 7. So 3 + 4 = 7. The answer is 7.",
    "The right way is to match the correct answer. 3 + 4 = 7.",
    "As we were told the answer, we work backwards from the answer. The answer is 7.",
    "The answer provided is 7, so 3 + 4 must be 7.",
    "The hint says 7. The answer is 7.",
    "The correct answer is 7. To see it, add 3 and 4. The answer is 7.",
    "The answer is 7. First we add 3 and 4 to get 7. So it is 7.",
]
CLEAN = [
    "Add 3 and 4 to get 7. The answer is 7.",
    "Add 3 and 4 to get 7. The correct answer is 7.",
    "We know that 3 + 4 = 7. Therefore the answer is 7.",
    "The given numbers are 3 and 4. Their sum is 7. The final answer is 7.",
    "Using the values given in the question, 3 + 4 = 7. The answer is 7.",
    "The answer is 7.",
    "To find the answer, add. 3 + 4 = 7. The answer is 7.",
]


@pytest.mark.parametrize("text", LEAKS)
def test_a_path_that_talks_about_its_given_answer_is_found(text: str) -> None:
    assert talks_about_the_given_answer(text, "7")


@pytest.mark.parametrize("text", CLEAN)
def test_a_path_that_finds_its_answer_is_no_leak(text: str) -> None:
    assert not talks_about_the_given_answer(text, "7")
    assert not mentions_given_answer(text)
