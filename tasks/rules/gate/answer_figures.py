"""Figures of one model's answers to one set besides accuracy: lengths, endings, pass@k, maj@k.

Answers in, figures with intervals out. Shares have Wilson's interval; means over questions are
resampled by question, for the samples of one question hang together.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import numpy as np

from storage.records import Answer
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.gate.statistics import Interval, pass_at_k, stratified_bootstrap, wilson_interval

Reading = Literal["strict", "lenient"]
READINGS: tuple[Reading, ...] = ("strict", "lenient")
# the ends of a 95 % interval then waver by less than a fiftieth of its width
RESAMPLED = 2_000


@dataclass(frozen=True)
class Figure:
    """A value with its interval; `reading` is empty where both read the same."""

    name: str
    reading: str
    k: int
    questions: int
    value: float
    interval: Interval


def greedy_figures(answers: Sequence[Answer], generator: np.random.Generator) -> list[Figure]:
    """Mean length, share stopped and share unjudged of one answer per question."""
    if not answers:
        return []
    stopped = sum(is_natural_stop(answer.finish_reason) for answer in answers)
    unjudged = {
        reading: sum(verdict_of(one, reading) == "unjudged" for one in answers)
        for reading in READINGS
    }
    return [
        _mean(
            "mean_tokens", "", 1, [float(answer.completion_tokens) for answer in answers], generator
        ),
        _share("stopped", "", stopped, len(answers)),
        *(_share("unjudged", reading, count, len(answers)) for reading, count in unjudged.items()),
    ]


def sampled_figures(
    answers: Mapping[UUID, Sequence[Answer]], samples: int, generator: np.random.Generator
) -> list[Figure]:
    """pass@1, pass@k and maj@k by both readings, over questions with all `samples` answers."""
    whole = [ones for ones in answers.values() if len(ones) == samples]
    if not whole:
        return []

    def passed(k: int, reading: Reading) -> Callable[[Sequence[Answer]], float]:
        return lambda ones: pass_at_k(
            samples, sum(verdict_of(one, reading) == "correct" for one in ones), k
        )

    figures: list[Figure] = []
    for reading in READINGS:
        for k in sorted({1, samples}):
            figures.append(
                _mean("pass_at_k", reading, k, list(map(passed(k, reading), whole)), generator)
            )
        votes = [majority_is_right(ones, reading) for ones in whole]
        figures.append(_mean("maj_at_k", reading, samples, votes, generator))
    return figures


def majority_is_right(answers: Sequence[Answer], reading: Reading) -> float:
    """Chance that the most frequent stated answer is right, ties broken by lot; 0 for none.

    Right answers are one class whatever their words, wrong ones are classes by what was extracted.
    """
    # the empty string stands for the right answer, which no wrong one can be
    votes = Counter(
        "" if verdict_of(one, reading) == "correct" else f"wrong {stated}"
        for one in answers
        if (stated := one.strict_extracted if reading == "strict" else one.lenient_extracted)
        is not None
    )
    if not votes:
        return 0.0
    most = max(votes.values())
    return (votes[""] == most) / sum(count == most for count in votes.values())


def verdict_of(answer: Answer, reading: Reading) -> str:
    """The verdict by this reading."""
    return answer.strict_verdict if reading == "strict" else answer.lenient_verdict


def _share(name: str, reading: str, count: int, questions: int) -> Figure:
    return Figure(name, reading, 1, questions, count / questions, wilson_interval(count, questions))


def _mean(
    name: str, reading: str, k: int, values: Sequence[float], generator: np.random.Generator
) -> Figure:
    means = stratified_bootstrap([values], RESAMPLED, generator)
    low, high = np.quantile(means, [0.025, 0.975])
    return Figure(
        name, reading, k, len(values), sum(values) / len(values), Interval(float(low), float(high))
    )
