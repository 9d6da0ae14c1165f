"""A set's chance level, and when its base may be guessing."""

import pytest

from storage.records import Question
from tasks.rules.comparison.chance import beside_chance, chance_level
from tests.storage.examples import make


def asked(kind: str, choices: int = 0) -> Question:
    return make(Question, (kind, choices), answer_kind=kind, choices=list("abcdefgh"[:choices]))


@pytest.mark.parametrize(
    ("questions", "level"),
    [
        ([asked("boolean")], 0.5),
        ([asked("choice", 4)], 0.25),
        ([asked("choice", 8), asked("choice", 4)], 0.1875),
        ([asked("number"), asked("boolean")], 0.25),
        ([asked("number")], 0.0),
        ([], 0.0),
    ],
)
def test_a_guess_is_right_by_the_kind_of_answer(questions: list[Question], level: float) -> None:
    assert chance_level(questions) == level


@pytest.mark.parametrize(
    ("level", "right", "at_chance"),
    [(0.5, 55, True), (0.5, 70, False), (0.5, 10, True), (0.0, 0, False), (0.0, 50, False)],
)
def test_a_base_is_at_chance_where_its_interval_does_not_lie_above_the_level(
    level: float, right: int, at_chance: bool
) -> None:
    assert beside_chance(level, right, 100).at_chance is at_chance
