"""What each trial of a seed is trained on, at a budget decided over all methods.

The first iteration's pools are everybody's; a method of several rounds trains on them and writes
its next pool itself. What is compared at last, the last iteration of each, is matched over all of
them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.comparison.contest import Contest, Try
from tasks.comparison.training_sets import (
    Entrant,
    choose_between_rounds,
    choose_examples,
    entrant,
    token_budget,
)
from tasks.rules.training.selection import Choice


@dataclass(frozen=True)
class Lesson:
    """A try and the choices that make its training set."""

    entrant: Entrant
    choices: Sequence[Choice]

    @property
    def size(self) -> int:
        """Examples."""
        return sum(choice.kept for choice in self.choices)

    def of(self, one: Try) -> "Lesson":
        """The same for another learning rate."""
        return Lesson(replace(self.entrant, one=one), self.choices)


@dataclass(frozen=True)
class FirstLessons:
    """The first iteration of every method, by name, and the budget that was found in it."""

    by_name: Mapping[str, Lesson]
    token_budget: float | None


def iterations_of(contest: Contest, one: Try) -> int:
    """How many rounds a try goes."""
    return one.contender.iterations(contest.settings)


def trained_tries(contest: Contest, seed: int) -> list[Try]:
    """The tries of a seed of which a model comes."""
    return [one for one in contest.tries(seed) if one.contender.method.trains]


def first_lessons(contest: Contest, seed: int) -> FirstLessons:
    """Every trained method's first iteration, matched; it does not depend on the learning rate."""
    trained = [one for one in contest.contenders if one.method.trains]
    entrants = [entrant(contest, Try(one, contest.fixed_rate), seed, 1) for one in trained]
    budget = token_budget(contest, entrants)
    matched = choose_examples(contest, entrants, budget) if entrants else []
    lessons = [Lesson(one, choices) for one, choices in zip(entrants, matched, strict=True)]
    return FirstLessons({one.entrant.contender.name: one for one in lessons}, budget)


def middle_lesson(
    contest: Contest, one: Try, seed: int, iteration: int, first: FirstLessons
) -> Lesson:
    """An iteration before the last."""
    lesson = first.by_name[one.contender.name]
    if iteration == 1:
        return lesson.of(one)
    enters = entrant(contest, one, seed, iteration)
    return Lesson(enters, choose_between_rounds(contest, enters, lesson.size, first.token_budget))


def last_lessons(
    contest: Contest, tries: Sequence[Try], seed: int, first: FirstLessons
) -> list[Lesson]:
    """The last iteration of every try, matched over all of them."""
    several = [one for one in tries if iterations_of(contest, one) > 1]
    if not several:
        return [first.by_name[one.contender.name].of(one) for one in tries]
    once = [name for name in first.by_name if name not in {one.contender.name for one in several}]
    entrants = [first.by_name[name].entrant for name in once]
    entrants += [entrant(contest, one, seed, iterations_of(contest, one)) for one in several]
    matched = choose_examples(contest, entrants, first.token_budget)
    lessons = [Lesson(*pair) for pair in zip(entrants, matched, strict=True)]
    by_name = dict(zip(once, lessons, strict=False))
    by_try = {lesson.entrant.one: lesson for lesson in lessons}
    return [
        by_name[one.contender.name].of(one) if one.contender.name in by_name else by_try[one]
        for one in tries
    ]
