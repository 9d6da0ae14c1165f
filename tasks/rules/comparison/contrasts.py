"""A comparison's table: accuracies and paired differences over seeds and questions, Holm-adjusted.

Verdicts in; out comes one row per method, scope and reading. Every seed has a verdict on every
question: a question without an answer counts as not right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.rules.comparison.seed_tests import seed_test
from tasks.rules.gate.statistics import crossed_bootstrap, holm, smallest_gain, two_sided

# the smallest p-value is then 2/4001, below what Holm asks of dozens of comparisons at 0.05
RESAMPLED = 4000
FEWEST_SEEDS = 2
"""With one seed the resampling holds training's own chance still: simulated with 512 questions, no
true difference and a standard deviation of 2 points between seeds, 20 % of such tests say p <=
0.05, with 3 points 31 %.
"""
UNTESTED = (
    "One seed: no p-value is given, and no Holm, for one seed knows nothing of what chance does in"
    " training."
)
ALPHA = 0.05
DOMAINS = ("in_domain", "out_of_domain")


def is_tested(seeds: int) -> bool:
    """Whether so many seeds allow a test of a difference."""
    return seeds >= FEWEST_SEEDS


@dataclass(frozen=True)
class Verdicts:
    """One method's verdicts on final questions by one reading: one row per seed, set by set."""

    method: str
    by_set: Mapping[str, NDArray[np.float64]]

    @property
    def seeds(self) -> int:
        return next(iter(self.by_set.values())).shape[0] if self.by_set else 0


@dataclass(frozen=True)
class Row:
    """One figure of the table; `against` is empty for an accuracy."""

    method: str
    against: str
    scope: str
    seeds: int
    questions: int
    value: float
    low: float
    high: float
    p_value: float | None = None
    p_adjusted: float | None = None
    name: str = ""
    """Of the figure: accuracy or difference, with macro_ where every set weighs the same, and with
    seeds_ where only seeds vary.
    """


def accuracy(
    verdicts: Verdicts,
    scope: str,
    sets: Sequence[str],
    generator: np.random.Generator,
    macro: bool = False,
) -> Row:
    """Mean accuracy over the questions of these sets, with its 95 % interval.

    `macro`: the mean of the sets' own accuracies.
    """
    row = _row([verdicts.by_set[name] for name in sets], generator, macro)
    name = _name("accuracy", macro)
    return replace(row, method=verdicts.method, scope=scope, name=name, p_value=None)


def difference(
    method: Verdicts,
    other: Verdicts,
    scope: str,
    sets: Sequence[str],
    generator: np.random.Generator,
    macro: bool = False,
) -> list[Row]:
    """Paired difference by question and seed, its 95 % interval and, from two seeds on, p-value.

    From three seeds on a second row has interval and p-value of the t test over seeds.
    """
    paired = [method.by_set[name] - other.by_set[name] for name in sets]
    row = replace(
        _row(paired, generator, macro),
        method=method.method,
        against=other.method,
        scope=scope,
        name=_name("difference", macro),
    )
    return [row, *_over_seeds(row, paired, macro)]


def differences(
    all_verdicts: Sequence[Verdicts],
    other: Verdicts,
    scopes: Mapping[str, Mapping[str, Sequence[str]]],
    seed: int,
    macro: bool = False,
) -> list[Row]:
    """Every method against `other` in every scope that it shares with it, adjusted together (Holm).

    `scopes` gives for each method its scopes: name -> question sets. The two domains are a family
    of tests; other scopes describe, and have no adjusted p-value.
    """
    rows = [
        row
        # a generator per row: a method that is added changes no other row's figures
        for place, one in enumerate(all_verdicts)
        if one.method != other.method
        for scope, sets in scopes[one.method].items()
        for row in difference(one, other, scope, sets, np.random.default_rng([seed, place]), macro)
    ]
    return [
        one for name in dict.fromkeys(row.name for row in rows) for one in _adjusted(rows, name)
    ]


def smallest_difference(questions: int, discordance: float, tests: int = 1) -> float:
    """The difference that one seed's paired test finds four times in five, two-sided 5 %.

    As the first of `tests` after Holm.
    """
    # Holm's first step holds the smallest of n p-values against alpha / n.
    return smallest_gain(questions, discordance, ALPHA / 2 / tests)


def _adjusted(rows: Sequence[Row], name: str) -> list[Row]:
    own = [row for row in rows if row.name == name]
    tested = {
        place: row.p_value
        for place, row in enumerate(own)
        if row.p_value is not None and row.scope in DOMAINS
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(row, p_adjusted=adjusted.get(place)) for place, row in enumerate(own)]


def _over_seeds(row: Row, paired: Sequence[NDArray[np.float64]], macro: bool) -> list[Row]:
    weighed = _equal_sets(paired) if macro else paired
    by_seed = sum(values.sum(axis=1) for values in weighed) / max(1, row.questions)
    found = seed_test([float(one) for one in np.atleast_1d(by_seed)])
    if found is None or not row.questions:
        return []
    return [
        replace(
            row,
            name=f"seeds_{row.name}",
            low=found.low,
            high=found.high,
            p_value=found.p_value,
        )
    ]


def _equal_sets(strata: Sequence[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """Values so weighed that their mean over all questions is the mean of the sets' means."""
    total = sum(values.shape[1] for values in strata)
    return [values * (total / len(strata) / max(1, values.shape[1])) for values in strata]


def _name(name: str, macro: bool) -> str:
    return f"macro_{name}" if macro else name


def _row(strata: Sequence[NDArray[np.float64]], generator: np.random.Generator, macro: bool) -> Row:
    strata = _equal_sets(strata) if macro else strata
    questions = sum(values.shape[1] for values in strata)
    means = crossed_bootstrap(strata, RESAMPLED, generator)
    value = (
        sum(float(values.mean(axis=0).sum()) for values in strata) / questions if questions else 0.0
    )
    low, high = (float(one) for one in np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2]))
    seeds = strata[0].shape[0] if strata else 0
    p_value = two_sided(means) if is_tested(seeds) else None
    return Row("", "", "", seeds, questions, value, low, high, p_value)
