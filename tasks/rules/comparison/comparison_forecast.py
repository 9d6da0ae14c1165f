"""The forecast of a comparison from its settings and what is stored: requests, tokens, time, money.

Arithmetic over stated assumptions, each of them printed; nothing is measured here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.rules.comparison.contrasts import smallest_difference
from tasks.settings import Settings

LENGTH_SHARE = 0.6
"""Of a stage's longest text, what it writes on average (measured on the embedded model:
docs/decisions.md).
"""
# the same as in tasks/synthesis/round_forecast.py, where nothing was measured
TRAINING_TO_GENERATION = 0.8
START_SECONDS = 45.0
# of a question and its prompt in a training example
PROMPT_TOKENS = 60
# shares of questions on which two methods may differ; the forecast says for each what it shows
DISCORDANCE = (0.1, 0.2, 0.3)


@dataclass(frozen=True)
class Amounts:
    """What is still to be done; counts, before any of it runs."""

    requests: Mapping[str, int]
    """Of the pools, by stage."""
    trainings: int
    examples: int
    """In a training set at most."""
    final_answers: int
    dev_answers: int
    server_starts: int


@dataclass(frozen=True)
class ComparisonForecast:
    """The same with tokens and time."""

    lines: tuple[str, ...]
    generated_tokens: int
    trained_tokens: int
    minutes: float
    money: float


def forecast_comparison(settings: Settings, amounts: Amounts, tests: int) -> ComparisonForecast:
    """Tokens, time and money of these amounts at the settings' rates and prices."""
    rate = settings.comparison.rate
    training_rate = settings.comparison.training_rate or TRAINING_TO_GENERATION * rate
    pools, answers, trained = _tokens(settings, amounts)
    seconds = (
        (pools + answers) / rate + trained / training_rate + START_SECONDS * amounts.server_starts
    )
    money = settings.synthesis.cost(seconds, pools + answers)
    trainings = f"{amounts.trainings} models on at most {amounts.examples} examples"
    asked = f"{amounts.final_answers} final, {amounts.dev_answers} development"
    parts = [
        ("pools", f"{_counts(amounts.requests)}: {_took(pools, rate)}"),
        ("training", f"{trainings}: {_took(trained, training_rate)}"),
        ("answers", f"{asked}: {_took(answers, rate)}"),
        ("in all", f"about {seconds / 60:.0f} min" + (f", {money:,.2f} money" if money else "")),
        *(("assumed", line) for line in _assumed(settings, training_rate)),
        *(("shows", line) for line in detectable_lines(settings, tests)),
    ]
    lines = tuple(f"{name:<9}{said}" for name, said in parts)
    return ComparisonForecast(lines, pools + answers, trained, seconds / 60, money)


def _tokens(settings: Settings, amounts: Amounts) -> tuple[int, int, int]:
    """Tokens of the pools, of the answers and of training."""
    synthesis = settings.synthesis
    longest = {
        "selection": synthesis.adapt,
        "adapted_guideline": synthesis.adapt,
        "structure": synthesis.structure,
        "path": synthesis.path,
        "close": synthesis.close,
    }

    def mean(most: int) -> float:
        return min(most, settings.comparison.tokens_a_text or LENGTH_SHARE * most)

    most = {
        stage: longest[stage].max_tokens if stage in longest else 64 for stage in amounts.requests
    }
    pools = round(sum(count * mean(most[stage]) for stage, count in amounts.requests.items()))
    answers = round(
        (amounts.final_answers + amounts.dev_answers)
        * mean(settings.evaluation.sampling.max_tokens)
    )
    example = min(settings.training.max_tokens, mean(synthesis.path.max_tokens) + PROMPT_TOKENS)
    trained = round(amounts.trainings * amounts.examples * example * settings.training.epochs)
    return pools, answers, trained


def _assumed(settings: Settings, training_rate: float) -> list[str]:
    """What the forecast takes for given."""
    rate, price = settings.comparison.rate, settings.synthesis.price_per_hour
    lengths = settings.comparison.tokens_a_text or f"{LENGTH_SHARE:g} of their longest"
    speed = f"{rate:,.0f} tokens/s (comparison.rate), training at {training_rate:,.0f}"
    return [
        f"{speed}, {START_SECONDS:.0f} s a server start",
        f"tokens a text: {lengths}; hints for half of the questions",
        *([f"{price:g} an hour"] if price else []),
    ]


def detectable_lines(settings: Settings, tests: int) -> list[str]:
    """The smallest difference that each domain's final questions could show.

    Alone, and as the first of `tests` after Holm.
    """
    sizes = settings.questions
    lines: list[str] = []
    for words, sets in (("in domain", sizes.in_domain), ("out of domain", sizes.out_of_domain)):
        asked = len(sets) * sizes.final_per_set
        found: list[str] = []
        for share in DISCORDANCE:
            alone, first = (
                smallest_difference(asked, share),
                smallest_difference(asked, share, tests),
            )
            found.append(
                f"{alone:.1%} ({first:.1%} as the first of {tests}) where {share:.0%} of answers"
                " differ"
            )
        if sets:
            lines.append(f"{words}, {asked} final questions: {'; '.join(found)}")
    return [*lines, "of one seed, two-sided 5 %, four times in five; after Holm in brackets"]


def _took(tokens: int, rate: float) -> str:
    return f"about {tokens:,} tokens, {tokens / rate / 60:.0f} min"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {stage}" for stage, count in counts.items()) or "nothing to generate"


def tests_of(methods: Sequence[str]) -> int:
    """How many paired tests one reference has: every other method in both domains."""
    return max(1, 2 * (len(methods) - 1))
