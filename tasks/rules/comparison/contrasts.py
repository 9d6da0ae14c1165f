"""A comparison's table: accuracies and paired differences over seeds and questions, Holm-adjusted.

Verdicts in; out comes one row per method, scope and reading. Every seed has a verdict on every
question: a question without an answer counts as not right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tasks.rules.gate.statistics import crossed_bootstrap, holm, smallest_gain, two_sided

# the smallest p-value is then 2/4001, below what Holm asks of dozens of comparisons at 0.05
RESAMPLED = 4000
FEWEST_SEEDS = 2
"""With one seed the resampling holds training's own chance still: simulated with 512 questions, no
true difference and a standard deviation of 2 points between seeds, 20 % of such tests say p <=
0.05, with 3 points 31 %.
"""
ALPHA = 0.05


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


def accuracy(
    verdicts: Verdicts, scope: str, sets: Sequence[str], generator: np.random.Generator
) -> Row:
    """Mean accuracy over the questions of these sets, with its 95 % interval."""
    return _row(verdicts.method, "", scope, [verdicts.by_set[name] for name in sets], generator)


def difference(
    method: Verdicts,
    other: Verdicts,
    scope: str,
    sets: Sequence[str],
    generator: np.random.Generator,
) -> Row:
    """Paired difference by question and seed, its 95 % interval and, from two seeds on, p-value."""
    paired = [method.by_set[name] - other.by_set[name] for name in sets]
    return _row(method.method, other.method, scope, paired, generator)


def differences(
    all_verdicts: Sequence[Verdicts],
    other: Verdicts,
    scopes: Mapping[str, Mapping[str, Sequence[str]]],
    seed: int,
) -> list[Row]:
    """Every method against `other` in every scope that it shares with it, adjusted together (Holm).

    `scopes` gives for each method its scopes: name -> question sets.
    """
    rows = [
        # a generator per row: a method that is added changes no other row's figures
        difference(one, other, scope, sets, np.random.default_rng([seed, place]))
        for place, one in enumerate(all_verdicts)
        if one.method != other.method
        for scope, sets in scopes[one.method].items()
    ]
    tested = [row.p_value for row in rows if row.p_value is not None]
    if len(tested) < len(rows):  # one seed: nothing is tested
        return rows
    return [replace(row, p_adjusted=p) for row, p in zip(rows, holm(tested), strict=True)]


def smallest_difference(questions: int, discordance: float, tests: int = 1) -> float:
    """The difference that one seed's paired test finds four times in five, two-sided 5 %.

    As the first of `tests` after Holm.
    """
    # Holm's first step holds the smallest of n p-values against alpha / n.
    return smallest_gain(questions, discordance, ALPHA / 2 / tests)


def _row(
    method: str,
    against: str,
    scope: str,
    strata: Sequence[NDArray[np.float64]],
    generator: np.random.Generator,
) -> Row:
    questions = sum(values.shape[1] for values in strata)
    means = crossed_bootstrap(strata, RESAMPLED, generator)
    value = (
        sum(float(values.mean(axis=0).sum()) for values in strata) / questions if questions else 0.0
    )
    low, high = (float(one) for one in np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2]))
    seeds = strata[0].shape[0] if strata else 0
    p_value = two_sided(means) if against and seeds >= FEWEST_SEEDS else None
    return Row(method, against, scope, seeds, questions, value, low, high, p_value)
