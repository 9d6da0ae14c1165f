"""The forecast: from a small probe's figures to what a whole round will take, with an interval.

Totals over N questions are predicted from n probed ones: the interval holds both the probe's
uncertainty and the spread of the questions to come. Hardware that is not there is an assumption,
and is listed as one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# 95 % points of Student's t by degrees of freedom (two-sided 90 % interval)
_T = {
    1: 6.31,
    2: 2.92,
    3: 2.35,
    4: 2.13,
    5: 2.02,
    6: 1.94,
    7: 1.89,
    8: 1.86,
    9: 1.83,
    10: 1.81,
    15: 1.75,
    20: 1.72,
    30: 1.70,
    60: 1.67,
}
RATE_ERROR = 0.25  # relative; a probe is short and the machine is shared
# a row without its texts, compressed (measured: benchmarks/synthesis_memory.py's store)
BYTES_A_ROW = 220


@dataclass(frozen=True)
class Estimate:
    """A value with a 90 % interval."""

    low: float
    value: float
    high: float

    def __add__(self, other: "Estimate") -> "Estimate":
        spread = math.hypot(self.value - self.low, other.value - other.low)
        above = math.hypot(self.high - self.value, other.high - other.value)
        value = self.value + other.value
        return Estimate(max(0.0, value - spread), value, value + above)

    def plus(self, known: float) -> "Estimate":
        """All three and something that is known."""
        return Estimate(self.low + known, self.value + known, self.high + known)

    def times(self, factor: float) -> "Estimate":
        """All three by a factor."""
        return Estimate(self.low * factor, self.value * factor, self.high * factor)


@dataclass(frozen=True)
class QuestionCost:
    """What one probed question took."""

    tokens: int
    paths: int
    accepted: int
    rows: int
    text_bytes: int


@dataclass(frozen=True)
class RoundShape:
    """The rest of the round: what follows from settings and not from the probe."""

    questions: int
    evaluation_answers: int  # models times questions times samples
    tokens_an_answer: float
    epochs: float
    keep_per_question: int
    start_seconds: float = 0.0  # engine starts
    weight_bytes: int = 0  # of what training keeps: full weights, or an adapter


@dataclass(frozen=True)
class Rates:
    """Tokens a second; assumed where `assumed` says so."""

    generation: float
    training: float
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """A whole round, each figure with its interval."""

    generated_tokens: Estimate
    seconds: Estimate
    disk_bytes: Estimate  # the weights that training keeps included
    accepted_paths: Estimate
    money: Estimate
    assumptions: tuple[str, ...]

    def lines(self) -> list[str]:
        """What a person reads."""
        money = [f"money     {_span(self.money, 1, '')}"] if self.money.high else []
        return [
            f"tokens    {_span(self.generated_tokens, 1, '')}",
            f"time      {_span(self.seconds, 60, ' min')}",
            f"disk      {_span(self.disk_bytes, 2**20, ' MiB')}",
            f"accepted  {_span(self.accepted_paths, 1, ' paths')}",
            *money,
            *(f"assumed   {line}" for line in self.assumptions),
        ]


def predict_total(samples: Sequence[float], total: int, *, floor: float = 0.0) -> Estimate:
    """The sum over `total` items of which `samples` were seen; the seen ones count as they were.

    Normal prediction interval for a sum: t * s * sqrt(m + m^2/n) for the m that are still to come.
    """
    seen = len(samples)
    if not seen:
        return Estimate(0.0, 0.0, math.inf)
    to_come = max(0, total - seen)
    mean = sum(samples) / seen
    # one question alone says nothing of its spread, which is then taken to be as large as its mean
    variance = sum((sample - mean) ** 2 for sample in samples) / (seen - 1) if seen > 1 else mean**2
    # an all-equal probe still leaves doubt: at least one item in seen + 2 may be otherwise
    variance = max(variance, (mean**2 or 1.0) / (seen + 2) ** 2)
    half = _t(seen - 1) * math.sqrt(variance * (to_come + to_come**2 / seen))
    value = sum(samples) + mean * to_come
    return Estimate(max(floor, value - half), value, value + half)


def forecast(
    costs: Sequence[QuestionCost],
    shape: RoundShape,
    rates: Rates,
    *,
    price_per_hour: float = 0.0,
    price_per_million_tokens: float = 0.0,
) -> Forecast:
    """The round that the probe's costs and the round's shape lead to."""
    total = shape.questions
    synthesis = predict_total([cost.tokens for cost in costs], total)
    answers = shape.evaluation_answers * shape.tokens_an_answer
    # how long held-out answers are is an assumption: give or take 40 %
    tokens = synthesis + Estimate(answers * 0.6, answers, answers * 1.4)
    accepted = predict_total([cost.accepted for cost in costs], total)
    kept = predict_total([min(cost.accepted, shape.keep_per_question) for cost in costs], total)
    mean_path = sum(cost.tokens for cost in costs) / max(1, sum(cost.paths for cost in costs))
    training = kept.times(shape.epochs * mean_path / rates.training)
    rows = predict_total([cost.rows for cost in costs], total).times(BYTES_A_ROW)
    # compressed by about a half
    texts = predict_total([cost.text_bytes for cost in costs], total).times(0.5)
    seconds = _by_rate(tokens, rates.generation) + training
    seconds = seconds.plus(shape.start_seconds)
    return Forecast(
        generated_tokens=tokens,
        seconds=seconds,
        disk_bytes=(rows + texts).plus(shape.weight_bytes),
        accepted_paths=accepted,
        money=seconds.times(price_per_hour / 3600) + tokens.times(price_per_million_tokens / 1e6),
        assumptions=rates.assumed,
    )


def _by_rate(tokens: Estimate, rate: float) -> Estimate:
    value = tokens.value / rate
    error = math.hypot(
        RATE_ERROR, (tokens.high - tokens.value) / tokens.value if tokens.value else 0.0
    )
    return Estimate(value / (1 + error), value, value * (1 + error))


def _t(degrees: int) -> float:
    known = [limit for limit in _T if limit <= max(1, degrees)]
    return _T[max(known)]


def _span(estimate: Estimate, unit: float, name: str) -> str:
    low, value, high = (one / unit for one in (estimate.low, estimate.value, estimate.high))
    return f"{value:,.4g}{name} ({low:,.4g} to {high:,.4g})"
