"""A comparison's forecast is arithmetic over stated assumptions."""

from tasks.rules.comparison.comparison_forecast import Amounts, forecast_comparison
from tasks.settings import load_settings


def test_tokens_time_and_money_follow_from_the_amounts_and_the_stated_assumptions() -> None:
    settings = load_settings(
        overrides={
            "comparison": {"rate": 100.0, "training_rate": 50.0, "tokens_a_text": 10},
            "synthesis": {"price_per_hour": 36.0},
            "training": {"epochs": 2},
        }
    )
    amounts = Amounts(
        {"path": 60, "close": 40},
        trainings=2,
        examples=5,
        final_answers=30,
        dev_answers=20,
        server_starts=1,
    )

    found = forecast_comparison(settings, amounts, tests=4)

    pools, answers, trained = 60 * 10 + 40 * 8, 50 * 10, 2 * 5 * (10 + 60) * 2
    assert (found.generated_tokens, found.trained_tokens) == (pools + answers, trained)
    assert found.minutes * 60 == (pools + answers) / 100 + trained / 50 + 45
    assert round(found.money, 6) == round(found.minutes / 60 * 36, 6)
    assert any("tokens a text: 10" in line for line in found.lines)
    assert any("as the first of 4" in line for line in found.lines)
