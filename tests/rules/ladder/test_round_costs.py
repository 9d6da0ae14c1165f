"""The forecast's arithmetic."""

import random
from dataclasses import replace

from tasks.rules.ladder.round_costs import (
    Estimate,
    QuestionCost,
    Rates,
    RoundShape,
    forecast,
    predict_total,
)


def test_the_interval_of_a_total_holds_about_nine_times_in_ten() -> None:
    chance = random.Random(5)
    held = 0
    for _ in range(400):
        values = [chance.expovariate(1 / 300) for _ in range(100)]
        estimate = predict_total(values[:15], 100)
        held += estimate.low <= sum(values) <= estimate.high
    assert 0.8 <= held / 400 <= 0.97


def test_what_was_seen_whole_has_no_interval() -> None:
    assert predict_total([1.0, 2.0, 3.0], 3) == Estimate(6.0, 6.0, 6.0)


def test_the_disk_holds_the_weights_that_training_keeps() -> None:
    cost = QuestionCost(tokens=1000, paths=4, accepted=2, rows=12, text_bytes=2000)
    shape = RoundShape(
        questions=3, evaluation_answers=0, tokens_an_answer=0, epochs=3, keep_per_question=5
    )

    without = forecast([cost] * 3, shape, Rates(100.0, 100.0)).disk_bytes
    with_weights = forecast(
        [cost] * 3, replace(shape, weight_bytes=10**9), Rates(100.0, 100.0)
    ).disk_bytes

    assert with_weights.value - without.value == 10**9


def test_money_counts_hours_and_tokens() -> None:
    cost = QuestionCost(tokens=1000, paths=4, accepted=2, rows=12, text_bytes=2000)
    shape = RoundShape(
        questions=3, evaluation_answers=0, tokens_an_answer=0, epochs=3, keep_per_question=5
    )
    rates = Rates(generation=100.0, training=1e12)

    predicted = forecast(
        [cost] * 3, shape, rates, price_per_hour=120.0, price_per_million_tokens=10.0
    )

    assert abs(predicted.seconds.value - 30) < 0.01
    assert abs(predicted.money.value - (1.0 + 0.03)) < 0.001
    assert any(line.startswith("money") for line in predicted.lines())
