"""Beside accuracy: what was cut or holds no work, means of sets by group and above chance, and the
primary test; on a comparison of three seeds, made once.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from storage.errors import InputError
from storage.records import Answer, ComparisonFigure, Question, QuestionSet
from tasks.comparison.comparison_figures import write_figures
from tasks.comparison.comparison_report import comparison_html
from tasks.comparison.comparison_report_figures import comparison_figures
from tasks.comparison.contest import check_comparison
from tasks.comparison.learning_rates import choose_rates
from tasks.comparison.pool import draw_of
from tasks.comparison.table.table_lines import table_lines
from tests.fakes.scripted_engine import Asked, ScriptedEngine
from tests.fakes.small_comparison import SmallComparison, question_rows, script, small_settings

METHODS = ["base", "star_one_round", "regenesis"]
GROUPS = {"near": ["riddles"], "trained": ["sums", "products"]}


def with_yes_and_no() -> list[QuestionSet | Question]:
    """The products are questions of yes and no, which a base that knows no answer guesses."""
    return [
        (
            replace(one, answer="yes", answer_kind="boolean")
            if isinstance(one, Question) and one.part == "final" and "products" in one.text
            else one
        )
        for one in question_rows()
    ]


def tersely(asked: Asked) -> str:
    """A final question's answer without a word of work."""
    if " final " in asked.question:
        return f"The answer is {asked.seed % 9}."
    return script(asked)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallComparison]:
    settings = small_settings(methods=METHODS, seeds=3, groups=GROUPS, primary="star_one_round")
    made = SmallComparison(tmp_path_factory.mktemp("small"), settings, with_yes_and_no())
    contest = made.contest
    made.train(seed=1)
    made.answer(contest.dev_questions, [one for one in contest.trials if one.training_set_id])
    choose_rates(contest)
    for seed in (2, 3):
        made.train(seed=seed)
    made.engine = ScriptedEngine(tersely)
    made.answer(contest.final_questions, contest.trials)
    [*rows] = made.store.select(Answer, model_id=contest.base.id)
    for one in rows[:8]:  # of the base's 24 answers
        made.store.update(replace(one, finish_reason="length"))
    write_figures(contest)
    yield made
    made.close()


def figures(small: SmallComparison, **equal: Any) -> list[ComparisonFigure]:
    return small.store.select(
        ComparisonFigure, comparison_id=small.contest.record.id, rates="chosen", **equal
    )


def test_the_shares_of_cut_texts_and_of_texts_without_work_stand_beside_accuracy(
    small: SmallComparison,
) -> None:
    cut = figures(small, name="answers_cut", method="base")
    assert sum(one.questions * one.value for one in cut) == pytest.approx(3 * 8)
    # an answer that is stated at once holds no work; the script's paths do
    said = {one.name: one.value for one in figures(small, reading="strict", method="regenesis")}
    assert (said["answers_no_work"], said["paths_no_work"], said["examples_no_work"]) == (1, 0, 0)
    assert (said["paths_cut"], said["examples_cut"]) == (0, 0)
    lines = table_lines(small.contest)
    [heading] = [one for one in lines if one.startswith("cut / no work")]
    assert heading.split("  ")[-1] == "examples"
    assert any(one.startswith("regenesis") and "0.0% / 100.0%" in one for one in lines)


def test_means_of_sets_are_shown_by_group_and_without_sets_at_chance(
    small: SmallComparison,
) -> None:
    scopes = {one.scope for one in figures(small, name="macro_accuracy", reading="strict")}
    assert scopes == {
        "in_domain",
        "out_of_domain",
        "near",
        "trained",
        "in_domain_above_chance",
        "trained_above_chance",
    }
    chance = {one.scope: one.value for one in figures(small, name="chance")}
    assert chance == {"sums": 0.0, "products": 0.5, "riddles": 0.0}
    one_set = figures(small, name="accuracy", scope="sums", reading="strict")
    above = figures(small, name="macro_accuracy", scope="in_domain_above_chance", reading="strict")
    assert {one.method: one.value for one in above} == pytest.approx(
        {one.method: one.value for one in one_set}
    )


def test_the_primary_test_is_said_with_bootstrap_and_t_test(small: SmallComparison) -> None:
    [said] = [one for one in table_lines(small.contest) if one.startswith("Primary test")]
    assert "regenesis minus star_one_round, out of domain, strict, mean of the sets" in said
    assert "over seeds and questions; p " in said
    assert "t test over seeds; p " in said
    page = comparison_html(small.contest)
    assert said.partition(":")[0] in page
    draws = [draw_of(seed) for seed in small.contest.seeds]
    shown = {one.name: one for one in comparison_figures(small.contest.record.id, draws)}
    for name in ("macro", "macro_paired", "over_seeds", "chance", "texts"):
        assert small.store.query(shown[name].sql).num_rows, name
    rows = small.store.query(shown["macro_paired"].sql).to_pylist()
    assert {row["against"] for row in rows} == {"base", "regenesis"}
    assert all(row["t_low"] <= row["points"] <= row["t_high"] for row in rows)


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": {"near": ["unknown"]}},
        {"groups": {"near": []}},
        {"groups": {"sums": ["riddles"]}},
        {"groups": {"out_of_domain": ["riddles"]}},
        {"chance": {"unknown": 0.5}},
        {"chance": {"sums": 1.0}},
        {"primary": "star"},
        {"primary": "rft", "methods": ["base", "rft"]},
    ],
)
def test_scopes_that_name_nothing_of_the_comparison_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="found "):
        check_comparison(small_settings(**wrong))
