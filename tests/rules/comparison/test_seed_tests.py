"""The t test over seeds is the one of the textbooks, at every number of seeds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks.rules.comparison.seed_tests import seed_test, t_quantile, t_two_sided


@given(st.floats(-50, 50), st.integers(1, 40))
def test_the_p_value_is_that_of_students_distribution(t: float, degrees: int) -> None:
    # at t = 2e-10 scipy says 1, which is 1.3e-10 too much
    assert t_two_sided(t, degrees) == pytest.approx(2 * stats.t.sf(abs(t), degrees), abs=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 30])
def test_the_quantile_is_that_of_students_distribution(degrees: int) -> None:
    assert t_quantile(0.05, degrees) == pytest.approx(stats.t.isf(0.025, degrees), rel=1e-6)


@given(st.lists(st.floats(-1, 1).map(lambda one: round(one, 3)), min_size=3, max_size=8))
def test_the_test_over_seeds_is_the_one_sample_t_test(by_seed: list[float]) -> None:
    found = seed_test(by_seed)

    assert found is not None
    assert found.low <= found.mean <= found.high
    if len(set(by_seed)) > 1:
        wanted = stats.ttest_1samp(by_seed, 0.0)
        interval = wanted.confidence_interval(0.95)
        assert found.p_value == pytest.approx(wanted.pvalue, abs=1e-8)
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=1e-6)
    else:
        assert found.p_value == (1.0 if by_seed[0] == 0 else 0.0)


@pytest.mark.parametrize("seeds", [0, 1, 2])
def test_fewer_than_three_seeds_have_no_t_test(seeds: int) -> None:
    assert seed_test([0.1] * seeds) is None
