"""The table of methods says what their citations say, and makes the contenders that a comparison
needs.
"""

import pytest

from storage.errors import InputError
from tasks.comparison.methods import builtin_methods
from tasks.rules.comparison.methods import Contender, contenders, parse_methods, pool_settings
from tasks.settings import load_settings

METHODS = builtin_methods()
SETS = ["chain_sum", "gcd"]
WANTED = (
    "base",
    "few_shot",
    "gt_answers",
    "gt_rationales",
    "rft",
    "random",
    "star",
    "star_one_round",
    "lmsi",
    "regenesis",
    "no_adaptation",
    "no_structure",
    "no_adaptation_no_structure",
    "no_hints",
    "hints_only",
    "majority_vote",
    "mixed_sets",
)


def test_every_method_that_was_asked_for_is_there_with_its_citation() -> None:
    assert set(WANTED) <= METHODS.keys()
    assert all(method.citation and method.about for method in METHODS.values())


# name -> strategy, hints, accept, rounds, trains on
CITED = {
    "rft": ("direct", "never", "correct", 1, "newest"),
    "random": ("direct", "never", "any", 1, "newest"),
    "star": ("direct", "unsolved", "correct", 3, "newest"),
    "star_one_round": ("direct", "unsolved", "correct", 1, "newest"),
    "lmsi": ("direct", "never", "majority", 1, "newest"),
    "regenesis": ("regenesis", "unsolved", "correct", 1, "all"),
    "no_adaptation": ("no_adaptation", "unsolved", "correct", 1, "all"),
    "no_structure": ("no_structure", "unsolved", "correct", 1, "all"),
    "no_adaptation_no_structure": ("no_adaptation_no_structure", "unsolved", "correct", 1, "all"),
    "no_hints": ("regenesis", "never", "correct", 1, "all"),
    "hints_only": ("regenesis", "every", "correct", 1, "all"),
    "majority_vote": ("regenesis", "never", "majority", 1, "all"),
}


@pytest.mark.parametrize("name", CITED)
def test_a_method_is_what_its_citation_says(name: str) -> None:
    one = METHODS[name]

    assert (one.strategy, one.hints, one.accept, one.rounds, one.trains_on) == CITED[name]


def test_one_set_at_a_time_enters_once_a_set_with_a_part_of_the_budget() -> None:
    entered = contenders(METHODS, ["mixed_sets"], SETS, 25)

    assert [(one.name, one.only_set, one.parts) for one in entered] == [
        ("mixed_sets:chain_sum", "chain_sum", 2),
        ("mixed_sets:gcd", "gcd", 2),
    ]


def test_every_guideline_is_left_out_once() -> None:
    entered = contenders(METHODS, ["without_guidelines"], SETS, 25)

    assert sorted(position for one in entered for position in one.without) == list(range(1, 26))
    assert len(entered) == 5


def test_methods_of_one_strategy_share_a_pool_and_its_hinted_retries() -> None:
    settings = load_settings()
    entered = contenders(
        METHODS, ["rft", "random", "lmsi", "star", "regenesis", "hints_only"], SETS, 25
    )
    by_name = {one.name: pool_settings(settings, entered, one) for one in entered}

    assert by_name["rft"] == by_name["random"] == by_name["lmsi"] == by_name["star"]
    assert by_name["rft"].hinted_retry
    assert not by_name["rft"].adaptive
    assert by_name["hints_only"].hinted_only
    assert not pool_settings(settings, entered[:3], entered[0]).hinted_retry


def test_a_method_filters_by_its_own_rule_over_the_settings() -> None:
    settings = load_settings()

    def selection(name: str) -> tuple[str, float]:
        chosen = Contender(name, METHODS[name]).selection(settings)
        return chosen.accept, chosen.max_hinted_share

    assert selection("regenesis") == ("correct", settings.selection.max_hinted_share)
    assert selection("star") == selection("star_one_round") == selection("regenesis")
    assert selection("hints_only") == ("correct", 1.0)
    assert selection("gt_answers")[0] == "any"


@pytest.mark.parametrize("names", [["rft", "nonsense"], []])
def test_an_unknown_method_is_refused_with_those_that_there_are(names: list[str]) -> None:
    with pytest.raises(InputError, match="Methods to compare are among base, few_shot"):
        contenders(METHODS, names, SETS, 25)


def test_a_wrong_key_of_the_table_is_named() -> None:
    with pytest.raises(InputError, match="stratgy"):
        parse_methods('[mine]\nabout = "a"\ncitation = "b"\nstratgy = "direct"')


def test_a_method_may_say_its_own_chains_per_question_behind_its_name() -> None:
    settings = load_settings(overrides={"synthesis": {"chains_per_question": 4}})
    entered = contenders(METHODS, ["rft@7", "rft", "mixed_sets@2", "regenesis"], SETS, 25)

    chains = {one.name: one.chains_per_question(settings) for one in entered}
    pools = {one.name: pool_settings(settings, entered, one) for one in entered}

    assert chains == {
        "rft@7": 7,
        "rft": 4,
        "mixed_sets@2:chain_sum": 2,
        "mixed_sets@2:gcd": 2,
        "regenesis": 4,
    }
    assert {name: pool.chains_per_question for name, pool in pools.items()} == chains


@pytest.mark.parametrize("name", ["rft@", "rft@0", "rft@x", "rft@-1", "rft@1001", "base@3", "no@3"])
def test_chains_that_no_method_can_have_are_refused_with_what_was_found(name: str) -> None:
    with pytest.raises(InputError, match=f"found '{name}'"):
        contenders(METHODS, [name], SETS, 25)
