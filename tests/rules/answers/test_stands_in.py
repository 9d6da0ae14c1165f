"""A value stands in a text as a value, not as a string."""

import pytest

from storage.records import AnswerKind
from tasks.rules.answers.stands_in import stands_in

THERE: list[tuple[str, str, AnswerKind]] = [
    ("So she has 1234 apples.", "1,234", "number"),
    ("So she has 1,234 apples, he has none.", "1234", "number"),
    ("One half of them is red.", "1/2", "number"),
    ("That is $\\frac{1}{2}$ of it", "0.5", "number"),
    ("3 + 4 = 7.", "7", "number"),
    ("10 - 5 is what is left", "5", "number"),
    ("x = -5", "-5", "number"),
    ("It cost $12.50 in all.", "12.5", "number"),
    ("two and a half hours", "2.5", "number"),
    ("48/2=24 clips, 48+24=72 clips", "72", "number"),
    ("48/2=24 clips, 48+24=72 clips", "24", "number"),
    ("<<48+24=72>>72 clips", "72", "number"),
    ("We get x^2 + 1, as wanted.", "x^2+1", "expression"),
    ("so $\\dfrac{x}{2}$ is it", "\\frac{x}{2}", "expression"),
    ("It is in Paris, then.", "paris", "text"),
    ("apples come first, pears second", "apples, pears", "text"),
    ("Yes, it floats.", "yes", "boolean"),
    ("Option (B) fits.", "B", "choice"),
]
NOT_THERE: list[tuple[str, str, AnswerKind]] = [
    ("There are 312 of them.", "12", "number"),
    ("There are 12.5 of them.", "12", "number"),
    ("There are 12,345 of them.", "12", "number"),
    ("It is 0.12 of it.", "12", "number"),
    ("Half of them.", "2", "number"),
    ("x = 5", "-5", "number"),
    ("We get x^2 + 10", "x^2+1", "expression"),
    ("Parisian", "Paris", "text"),
    ("Yesterday", "yes", "boolean"),
    ("A bird sings", "A", "choice"),
    ("", "5", "number"),
    ("5", "", "number"),
]


@pytest.mark.parametrize(("text", "value", "kind"), THERE)
def test_a_value_that_stands_in_a_text_is_found_however_it_is_written(
    text: str, value: str, kind: AnswerKind
):
    assert stands_in(text, value, kind)


@pytest.mark.parametrize(("text", "value", "kind"), NOT_THERE)
def test_a_part_of_another_value_is_not_the_value(text: str, value: str, kind: AnswerKind):
    assert not stands_in(text, value, kind)


def test_the_text_of_an_option_stands_for_its_letter():
    assert stands_in("So it must be dry palms.", "A", "choice", ("dry palms", "wet palms"))
    assert not stands_in("So it must be wet palms.", "A", "choice", ("dry palms", "wet palms"))
