"""The table's intervals and tests: over seeds and questions, adjusted, and never a certainty from
few data.
"""

from collections import Counter

import numpy as np
import pytest

from tasks.rules.comparison.contrasts import (
    Row,
    Verdicts,
    accuracy,
    differences,
    smallest_difference,
)
from tasks.rules.gate.statistics import crossed_bootstrap, two_sided

SCOPES = {"in_domain": ["sums"], "out_of_domain": ["riddles"]}


def verdicts(method: str, share: float, seeds: int = 3, questions: int = 200) -> Verdicts:
    generator = np.random.default_rng(sum(map(ord, method)))
    return Verdicts(
        method,
        {
            name: (generator.random((seeds, questions)) < share) * 1.0
            for name in ("sums", "riddles")
        },
    )


def contrasts(*methods: Verdicts) -> dict[tuple[str, str], Row]:
    rows = differences(list(methods), methods[0], {one.method: SCOPES for one in methods}, seed=1)
    return {(row.method, row.scope): row for row in rows if row.name == "difference"}


def test_a_large_difference_is_seen_and_none_is_not() -> None:
    rows = contrasts(verdicts("base", 0.2), verdicts("better", 0.6), verdicts("alike", 0.2))

    better, alike = rows["better", "in_domain"], rows["alike", "in_domain"]
    assert better.low > 0.2
    assert (better.p_adjusted or 1) < 0.01
    assert alike.low < 0 < alike.high
    assert (alike.p_value or 0) > 0.05


def test_the_adjusted_p_is_never_smaller_and_counts_all_methods_and_domains() -> None:
    rows = contrasts(
        verdicts("base", 0.2), verdicts("a", 0.5), verdicts("b", 0.3), verdicts("c", 0.2)
    )

    assert len(rows) == 6
    assert all((row.p_adjusted or 0) >= (row.p_value or 0) for row in rows.values())
    assert max(rows.values(), key=lambda row: -(row.p_value or 0)).p_adjusted == pytest.approx(
        min(1.0, 6 * min(row.p_value or 0 for row in rows.values()))
    )


def test_seeds_that_differ_widen_the_interval() -> None:
    same = [np.tile(np.linspace(0, 1, 100), (3, 1))]
    apart = [np.vstack([np.full(100, level) for level in (0.0, 0.5, 1.0)])]

    def width(strata: list[np.ndarray]) -> float:
        low, high = np.quantile(
            crossed_bootstrap(strata, 2000, np.random.default_rng(1)), [0.025, 0.975]
        )
        return float(high - low)

    assert width(apart) > 3 * width(same)


def test_no_answer_that_differs_is_no_difference_at_all() -> None:
    rows = contrasts(verdicts("base", 0.3), Verdicts("copy", verdicts("base", 0.3).by_set))

    assert rows["copy", "in_domain"].p_value == 1.0


def test_a_p_below_five_percent_goes_with_an_interval_that_leaves_out_zero() -> None:
    generator = np.random.default_rng(2)
    for shift in np.linspace(-0.1, 0.1, 21):
        means = generator.normal(shift, 0.04, 4000)
        low, high = np.quantile(means, [0.025, 0.975])
        if abs(two_sided(means) - 0.05) > 0.005:
            assert (two_sided(means) < 0.05) == (low > 0 or high < 0)


def test_an_accuracy_is_the_share_of_right_answers_over_its_sets() -> None:
    one = Verdicts(
        "base",
        {"sums": np.array([[1.0, 0.0], [1.0, 1.0]]), "riddles": np.array([[0.0, 0.0], [0.0, 0.0]])},
    )

    row = accuracy(one, "all", ["sums", "riddles"], np.random.default_rng(1))

    assert (row.value, row.seeds, row.questions, row.p_value) == (0.375, 2, 4, None)


def test_more_questions_show_smaller_differences_and_more_tests_larger_ones() -> None:
    assert smallest_difference(512, 0.2) < smallest_difference(128, 0.2)
    assert smallest_difference(512, 0.2, tests=16) > smallest_difference(512, 0.2)


def test_one_seed_gives_intervals_and_no_p_values() -> None:
    rows = contrasts(verdicts("base", 0.2, seeds=1), verdicts("better", 0.9, seeds=1))

    assert {(row.p_value, row.p_adjusted) for row in rows.values()} == {(None, None)}
    assert all(row.low < row.value < row.high for row in rows.values())


def test_macro_figures_weigh_each_set_the_same_and_equal_sets_change_nothing() -> None:
    uneven = Verdicts("base", {"sums": np.ones((3, 300)), "riddles": np.zeros((3, 100))})
    even = verdicts("base", 0.4)

    def means(one: Verdicts) -> list[float]:
        return [
            accuracy(one, "all", ["sums", "riddles"], np.random.default_rng(1), macro).value
            for macro in (False, True)
        ]

    assert means(uneven) == pytest.approx([0.75, 0.5])
    assert means(even)[0] == pytest.approx(means(even)[1])


def test_from_three_seeds_on_a_t_test_over_seeds_stands_beside_each_difference() -> None:
    def names(seeds: int) -> Counter[str]:
        pair = [verdicts("base", 0.2, seeds), verdicts("better", 0.6, seeds)]
        scopes = {one.method: SCOPES for one in pair}
        return Counter(row.name for row in differences(pair, pair[0], scopes, seed=1, macro=True))

    assert names(2) == {"macro_difference": 2}
    assert names(3) == {"macro_difference": 2, "seeds_macro_difference": 2}


def test_the_two_domains_alone_are_a_family_of_tests() -> None:
    pair = [verdicts("base", 0.2), verdicts("better", 0.6)]
    scopes = {one.method: SCOPES | {"near": ["riddles"]} for one in pair}

    rows = differences(pair, pair[0], scopes, seed=1, macro=True)

    assert {row.scope for row in rows if row.p_adjusted is None} == {"near"}
    assert all(row.p_value is not None for row in rows)
