"""Every formula against scipy, or against a simulation where scipy has none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tasks.rules.gate.statistics import (
    bootstrap_distribution,
    holm,
    lower_bound,
    mcnemar_gain,
    mcnemar_power,
    pass_at_k,
    smallest_gain,
    stratified_bootstrap,
    tango_bounds,
    tango_loss,
    tango_no_loss,
    wilson_interval,
)
from tests.rules.gate.margins import smallest_margin

COUNTS = st.integers(0, 300)


@given(
    st.integers(1, 3_000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
)
def test_the_wilson_interval_is_scipys(pair: tuple[int, int]) -> None:
    successes, total = pair
    expected = stats.binomtest(successes, total).proportion_ci(0.95, method="wilson")
    found = wilson_interval(successes, total)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_answers_say_nothing_about_accuracy() -> None:
    assert wilson_interval(0, 0) == wilson_interval(0, 0).__class__(0.0, 1.0)


@given(COUNTS, COUNTS)
def test_mcnemar_is_scipys_exact_binomial_test(gained: int, lost: int) -> None:
    expected = (
        stats.binomtest(gained, gained + lost, alternative="greater").pvalue
        if gained + lost
        else 1.0
    )
    assert mcnemar_gain(gained, lost) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(COUNTS, COUNTS)
def test_one_more_gain_never_weakens_the_evidence(gained: int, lost: int) -> None:
    assert mcnemar_gain(gained + 1, lost) <= mcnemar_gain(gained, lost) + 1e-12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_equals_its_step_down_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        rejected: set[int] = set()
        for rank, place in enumerate(sorted(range(len(p_values)), key=lambda one: p_values[one])):
            if p_values[place] * (len(p_values) - rank) > alpha:
                break
            rejected.add(place)
        assert {place for place, value in enumerate(adjusted) if value <= alpha} == rejected
    assert all(after >= before for before, after in zip(p_values, adjusted, strict=True))


def test_the_tango_test_keeps_its_level_where_the_loss_is_exactly_the_limit() -> None:
    generator = np.random.default_rng(11)
    counts = generator.multinomial(128, [0.05, 0.20, 0.75], size=4_000)
    rejected = [tango_loss(int(gained), int(lost), 128, 0.15) <= 0.05 for gained, lost, _ in counts]
    assert 0.03 < np.mean(rejected) < 0.07


def test_without_a_limit_the_tango_test_is_mcnemars_score_test() -> None:
    assert tango_loss(10, 25, 100, 0.0) == pytest.approx(stats.norm.cdf((10 - 25) / np.sqrt(35)))


@settings(max_examples=20)
@given(
    st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60), min_size=1, max_size=4
    )
)
def test_the_bootstrap_centres_on_the_observed_mean(strata: list[list[float]]) -> None:
    means = stratified_bootstrap(strata, 2_000, np.random.default_rng(3))
    values = [value for stratum in strata for value in stratum]
    assert float(means.mean()) == pytest.approx(float(np.mean(values)), abs=0.1)
    assert lower_bound(means, 0.05) <= -lower_bound(-means, 0.05)


def test_the_bootstrap_bound_is_scipys_percentile_bound() -> None:
    values: NDArray[np.float64] = np.random.default_rng(5).choice(
        [-1.0, 0.0, 1.0], size=200, p=[0.1, 0.7, 0.2]
    )
    ours = lower_bound(stratified_bootstrap([list(values)], 20_000, np.random.default_rng(1)), 0.05)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=0.95, alternative="greater", method="percentile", rng=2
    ).confidence_interval.low
    assert ours == pytest.approx(theirs, abs=0.006)


def test_the_bootstrap_resamples_within_each_stratum() -> None:
    means = stratified_bootstrap([[1.0] * 5, [-1.0] * 5], 100, np.random.default_rng(0))
    assert set(means) == {0.0}


def test_the_exact_bootstrap_is_the_limit_of_the_sampled_one() -> None:
    strata = [(9, 3, 64), (0, 5, 20), (2, 2, 100)]
    values = [
        [1.0] * gained + [-1.0] * lost + [0.0] * (total - gained - lost)
        for gained, lost, total in strata
    ]
    sampled = stratified_bootstrap(values, 200_000, np.random.default_rng(0), pseudo_pairs=1.0)
    exact = bootstrap_distribution(strata, pseudo_pairs=1.0)
    for alpha in (0.4, 0.05, 0.001):
        assert exact.low(alpha) == pytest.approx(lower_bound(sampled, alpha), abs=0.0055)
        assert exact.high(alpha) == pytest.approx(-lower_bound(-sampled, alpha), abs=0.0055)
    assert float(exact.values @ exact.shares) == pytest.approx(float(sampled.mean()), abs=1e-3)


def test_the_exact_bootstrap_of_one_stratum_of_gains_is_binomial() -> None:
    exact = bootstrap_distribution([(3, 0, 10)])
    assert exact.shares[10:] == pytest.approx(stats.binom.pmf(np.arange(11), 10, 0.3), abs=1e-12)


def test_eight_questions_without_a_difference_prove_no_equality() -> None:
    means = stratified_bootstrap([[0.0] * 8], 5_000, np.random.default_rng(0), pseudo_pairs=1.0)
    assert lower_bound(means, 0.05) < -0.1


def test_exact_power_is_the_share_of_simulated_studies_that_find_the_gain() -> None:
    generator = np.random.default_rng(7)
    counts = generator.multinomial(256, [0.15, 0.05, 0.80], size=4_000)
    found = np.mean([mcnemar_gain(int(gained), int(lost)) <= 0.0125 for gained, lost, _ in counts])
    assert found == pytest.approx(mcnemar_power(256, 0.2, 0.1, 0.0125), abs=0.02)


@pytest.mark.parametrize("questions", [64, 256, 512])
@pytest.mark.parametrize("discordance", [0.1, 0.3])
def test_the_smallest_gain_has_the_power_that_was_asked_for(
    questions: int, discordance: float
) -> None:
    gain = smallest_gain(questions, discordance, 0.05)
    assert 0.8 <= mcnemar_power(questions, discordance, gain, 0.05) < 0.83


def test_too_few_questions_can_show_no_gain_at_all() -> None:
    assert smallest_gain(0, 0.2, 0.05) == smallest_gain(4, 0.2, 0.05) == 1.0


def test_exact_and_approximate_power_meet_where_the_one_takes_over_from_the_other() -> None:
    assert smallest_gain(2_001, 0.2, 0.05) == pytest.approx(
        smallest_gain(2_000, 0.2, 0.05), abs=0.002
    )


@pytest.mark.parametrize(
    ("margin", "discordance", "questions"),
    [
        (0.03, 0.15, 1031),
        (0.05, 0.15, 371),
        (0.10, 0.15, 93),
        (0.03, 0.2, 1374),
        (0.05, 0.2, 495),
        (0.10, 0.2, 124),
    ],
)
def test_the_margin_table_of_the_design_is_reproduced(
    margin: float, discordance: float, questions: int
) -> None:
    assert (
        smallest_margin(questions, discordance, 0.05)
        <= margin
        < smallest_margin(questions - 1, discordance, 0.05)
    )


def test_pass_at_k_is_the_share_of_subsets_with_a_right_answer() -> None:
    assert pass_at_k(5, 2, 1) == pytest.approx(0.4)
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert pass_at_k(5, 4, 2) == 1.0


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(40, 90)),
        min_size=1,
        max_size=4,
    )
)
def test_score_bounds_are_what_the_test_at_their_level_does_not_exclude(
    strata: list[tuple[int, int, int]],
) -> None:
    bounds = tango_bounds(strata, 0.0125, 0.05)
    questions = sum(one[2] for one in strata)
    difference = sum(gained - lost for gained, lost, _ in strata) / questions
    assert -1 <= bounds.low <= difference <= bounds.high <= 1
    assert (
        tango_no_loss(strata, -bounds.low + 0.001)
        <= 0.0125
        <= tango_no_loss(strata, -bounds.low - 0.001)
    )


def test_one_stratum_gives_the_p_value_of_tangos_test() -> None:
    for gained, lost, questions in ((3, 12, 64), (0, 0, 64), (20, 2, 192)):
        assert tango_no_loss([(gained, lost, questions)], 0.1) == pytest.approx(
            1 - tango_loss(gained, lost, questions, 0.1)
        )
