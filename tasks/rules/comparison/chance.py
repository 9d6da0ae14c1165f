"""What guessing gets right in a set, and whether a base does better than that.

A set whose base is at chance says little of a method: what changes there is which guess is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from storage.records import Question
from tasks.rules.gate.statistics import wilson_interval


@dataclass(frozen=True)
class ChanceLevel:
    """A set's chance level beside the 95 % interval of what the base has right."""

    level: float
    asked: int
    low: float
    high: float

    @property
    def at_chance(self) -> bool:
        """Whether the base may be guessing; never in a set where a guess is never right."""
        return self.level > 0 and self.low <= self.level


def chance_level(questions: Sequence[Question]) -> float:
    """The mean over the questions: 1/2 of yes/no, 1/k of k choices, 0 of any other answer."""
    return fmean(_guess(one) for one in questions) if questions else 0.0


def beside_chance(level: float, right: int, asked: int) -> ChanceLevel:
    """The level beside a base that had `right` of `asked` right."""
    interval = wilson_interval(right, asked)
    return ChanceLevel(level, asked, interval.low, interval.high)


def _guess(question: Question) -> float:
    if question.answer_kind == "boolean":
        return 0.5
    return 1 / len(question.choices) if question.choices else 0.0
