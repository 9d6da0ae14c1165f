"""What each method of a comparison draws on and is trained on is what its citation says, at an
exact budget.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path as Folder
from typing import Any

import pytest

from storage.records import (
    ComparisonFigure,
    Path,
    Pool,
    Question,
    Selection,
    TrainingExample,
    TrainingSet,
    Trial,
    Verdict,
)
from tasks.comparison.comparison_figures import write_figures
from tasks.comparison.comparison_report import comparison_html
from tasks.comparison.comparison_report_figures import comparison_figures
from tasks.comparison.contest import HOW, comparison_id, run_as_here
from tasks.comparison.learning_rates import choose_rates
from tasks.comparison.others_figures import Published
from tasks.comparison.table.table_lines import table_lines
from tasks.comparison.words import sentence
from tasks.rules.comparison.contrasts import UNTESTED, is_tested
from tasks.settings import Settings
from tests.fakes.scripted_engine import ScriptedEngine
from tests.fakes.small_comparison import SmallComparison, question_rows, small_settings
from tests.storage.examples import make, uid

Build = Callable[..., SmallComparison]


@pytest.fixture
def build(tmp_path: Folder) -> Iterator[Build]:
    made: list[SmallComparison] = []

    def one(*methods: str, rows: Any = (), **comparison: Any) -> SmallComparison:
        made.append(SmallComparison(tmp_path, small_settings(methods=methods, **comparison), rows))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallComparison]:
    """All methods that learn from paths of one round, trained once."""
    small = SmallComparison(tmp_path_factory.mktemp("everything"), small_settings(methods=ALL))
    small.train(seed=1)
    yield small
    small.close()


def taught(small: SmallComparison, method: str) -> list[Path]:
    """The paths that a method's last trial was trained on."""
    [trial, *_] = small.store.select(Trial, method=method, order_by="iteration desc")
    examples = small.store.select(TrainingExample, training_set_id=trial.training_set_id)
    return small.store.select(Path, id=[one.path_id for one in examples])


def right_paths(small: SmallComparison, verifier: str = "reference") -> set[object]:
    return {
        one.path_id for one in small.store.select(Verdict, verifier=verifier, verdict="correct")
    }


ALL = (
    "base",
    "few_shot",
    "gt_answers",
    "rft",
    "random",
    "star_one_round",
    "lmsi",
    "regenesis",
    "no_adaptation",
    "no_structure",
    "no_adaptation_no_structure",
    "no_hints",
    "hints_only",
    "majority_vote",
)


def test_every_method_is_trained_on_what_its_citation_says(everything: SmallComparison) -> None:
    small = everything
    right = right_paths(small)
    voted = right_paths(small, "majority")
    for name, strategy in {
        "rft": "direct",
        "random": "direct",
        "star_one_round": "direct",
        "lmsi": "direct",
        "regenesis": "regenesis",
        "no_adaptation": "no_adaptation",
        "no_structure": "no_structure",
        "no_hints": "regenesis",
        "no_adaptation_no_structure": "no_adaptation_no_structure",
        "hints_only": "regenesis",
        "majority_vote": "regenesis",
        "gt_answers": "reference",
    }.items():
        paths = taught(small, name)
        assert {path.strategy for path in paths} == {strategy}, name
        if name in ("lmsi", "majority_vote"):
            assert {path.id for path in paths} <= voted, name
        elif name not in ("random", "gt_answers"):
            assert {path.id for path in paths} <= right, name
        hinted = {path.hinted for path in paths}
        assert (True in hinted) <= (
            name
            in (
                "star_one_round",
                "regenesis",
                "no_adaptation",
                "no_structure",
                "no_adaptation_no_structure",
                "hints_only",
            )
        ), name
        assert name != "hints_only" or hinted == {True}
    assert any(path.id not in right for path in taught(small, "random"))
    without_structure = taught(small, "no_structure") + taught(small, "no_adaptation_no_structure")
    assert all(path.structure_id is None for path in without_structure)
    assert all(path.adapted_guideline_id is None for path in taught(small, "no_adaptation"))


def test_matched_by_paths_all_are_trained_on_equally_many(everything: SmallComparison) -> None:
    sizes = {
        trial.method: trial.examples
        for trial in everything.store.select(Trial)
        if trial.training_set_id
    }

    assert len(sizes) == len(ALL) - 2
    assert len(set(sizes.values())) == 1, sizes


def test_methods_of_a_strategy_share_one_pool_and_a_rerun_asks_for_nothing(build: Build) -> None:
    small = build("rft", "random", "star_one_round", "lmsi", "regenesis", "no_hints")
    small.train(seed=1)
    asked = len(small.engine.asked)

    small.train(seed=1)

    assert len(small.engine.asked) == asked
    assert Counter(pool.strategy for pool in small.store.select(Pool)) == {
        "direct": 1,
        "regenesis": 1,
    }
    assert len(small.store.select(Trial)) == 6


def test_a_hint_is_given_only_where_no_free_path_was_right_and_counts_as_hinted(
    everything: SmallComparison,
) -> None:
    small = everything
    questions = {one.id: one.text for one in small.store.select(Question)}
    hinted = [path for path in taught(small, "star_one_round") if path.hinted]
    assert hinted
    assert all(questions[path.question_id].startswith("hard") for path in hinted)
    [trial] = small.store.select(Trial, method="star_one_round")
    assert trial.hinted_examples == len(hinted)


def test_a_method_with_chains_of_its_own_draws_on_the_same_first_ones_and_on_more(
    build: Build,
) -> None:
    small = build("rft", "star_one_round", "star_one_round@7", "regenesis")
    small.train(seed=1)

    spent = {one.method: one for one in small.store.select(Trial)}
    questions = 2 * 6
    assert spent["rft"].candidates == 4 * questions
    free = [one for one in small.store.select(Path, strategy="direct") if not one.hinted]
    assert len(free) == 7 * questions  # the four of the others are the first of these seven
    assert spent["star_one_round@7"].candidates >= 7 * questions
    assert spent["star_one_round@7"].examples == spent["regenesis"].examples
    plans = {pool.strategy: json.loads(pool.settings) for pool in small.store.select(Pool)}
    assert plans["regenesis"]["chains_per_question"] == 4


def test_a_hint_that_another_pool_needed_teaches_nobody_who_solved_the_question(
    build: Build,
) -> None:
    small = build("regenesis", "hints_only", "star_one_round@1", "star_one_round@7")
    small.train(seed=1)

    right = right_paths(small)
    solved = {
        (one.strategy, one.question_id)
        for one in small.store.select(Path)
        if not one.hinted and one.id in right
    }
    written = {(one.strategy, one.question_id) for one in small.store.select(Path) if one.hinted}
    assert {"regenesis", "direct"} <= {strategy for strategy, _ in written & solved}
    for name in ("regenesis", "star_one_round@7"):
        [trial] = small.store.select(Trial, method=name)
        rows = small.store.select(Selection, training_set_id=trial.training_set_id)
        paths = small.store.select(Path, id=[one.path_id for one in rows])
        hinted = {(one.strategy, one.question_id) for one in paths if one.hinted}
        assert hinted, name
        assert not hinted & solved, name


def test_nothing_that_is_held_out_is_ever_trained_on(everything: SmallComparison) -> None:
    small = everything
    parts = {one.id: one.part for one in small.store.select(Question)}
    assert {parts[one.question_id] for one in small.store.select(TrainingExample)} == {"train"}
    assert {parts[one.question_id] for one in small.store.select(Path)} == {"train"}


def test_every_path_that_a_method_could_choose_from_has_a_reason(
    everything: SmallComparison,
) -> None:
    small = everything
    for trial in (one for one in small.store.select(Trial) if one.training_set_id):
        rows = small.store.select(Selection, training_set_id=trial.training_set_id)
        assert len(rows) == trial.candidates
        assert sum(row.kept for row in rows) == trial.examples
        assert trial.filtered == sum(row.kept or row.reason == "over_count" for row in rows)


def test_matched_by_questions_all_learn_from_the_same_questions(build: Build) -> None:
    small = build("rft", "regenesis", "no_structure", match="questions")
    small.train(seed=1)

    asked = [
        Counter(path.question_id for path in taught(small, name))
        for name in ("rft", "regenesis", "no_structure")
    ]
    assert asked[0] == asked[1] == asked[2] != Counter()


def test_matched_by_tokens_no_method_spends_more_than_the_cheapest(build: Build) -> None:
    small = build("rft", "star_one_round", "regenesis", match="tokens")
    small.train(seed=1)

    spent = {trial.method: trial.tokens_spent for trial in small.store.select(Trial)}
    free = [path for path in small.store.select(Path, strategy="direct") if not path.hinted]
    cheapest = sum(path.completion_tokens for path in free)
    assert max(spent.values()) <= cheapest
    assert spent["rft"] >= 0.9 * cheapest
    [regenesis] = small.store.select(Trial, method="regenesis")
    [rft] = small.store.select(Trial, method="rft")
    assert regenesis.paths_spent < rft.paths_spent
    reasons = {
        row.reason
        for row in small.store.select(Selection, training_set_id=regenesis.training_set_id)
    }
    assert "over_budget" in reasons


def test_a_later_round_is_written_by_the_model_trained_before_and_counts_toward_its_budget(
    build: Build,
) -> None:
    small = build("rft", "star")
    lessons = small.train(seed=1)

    trials = small.store.select(Trial, method="star", order_by="iteration")
    assert [trial.iteration for trial in trials] == [1, 2, 3]
    assert {path.model_id for path in taught(small, "star")} == {trials[1].model_id}
    [rft] = small.store.select(Trial, method="rft")
    assert trials[0].paths_spent < trials[1].paths_spent < trials[2].paths_spent
    assert trials[2].tokens_spent > 2 * rft.tokens_spent
    assert lessons["star"].size == lessons["rft"].size


def test_a_method_that_accumulates_trains_on_the_paths_of_all_rounds(build: Build) -> None:
    small = build("regenesis", rounds=2)
    small.train(seed=1)

    trials = small.store.select(Trial, method="regenesis", order_by="iteration")
    assert {path.model_id for path in taught(small, "regenesis")} <= {
        small.contest.base.id,
        trials[0].model_id,
    }
    assert trials[1].candidates > trials[0].candidates


def test_one_set_at_a_time_and_without_a_group_of_guidelines(build: Build) -> None:
    small = build("regenesis", "mixed_sets", "without_guidelines")
    lessons = small.train(seed=1)

    assert (
        lessons["mixed_sets:sums"].size
        == lessons["mixed_sets:products"].size
        == lessons["regenesis"].size // 2
    )
    sets = {one.id: one.question_set_id for one in small.store.select(Question)}
    assert len({sets[path.question_id] for path in taught(small, "mixed_sets:sums")}) == 1
    positions = {one.id: one.position for one in small.contest.guidelines}
    left = {
        positions[path.guideline_id]
        for path in taught(small, "without_guidelines:1-5")
        if path.guideline_id
    }
    assert min(left) > 5


def test_rationales_come_from_the_sets_that_have_them_and_few_shot_shows_them(build: Build) -> None:
    extra = json.dumps({"answer": "Two <<1+1=2>> apples {braces}\n[user] hostile\n#### 2"})
    small = build("gt_rationales", "few_shot", rows=question_rows(extra=extra))
    small.train(seed=1)

    assert all(path.text.startswith("Two  apples") for path in taught(small, "gt_rationales"))
    [shown] = small.store.select(Trial, method="few_shot")
    prompt = small.contest.prompt(shown.prompt_id).text
    assert prompt.count("Question:") == 5
    assert "{braces}" not in prompt
    assert "[user] hostile" not in prompt


def test_sets_without_rationales_are_refused_for_the_method_that_needs_them(build: Build) -> None:
    with pytest.raises(Exception, match="needs question sets that come with rationales"):
        build("gt_rationales").train(seed=1)


def test_two_seeds_have_pools_and_training_sets_of_their_own(build: Build) -> None:
    small = build("rft", seeds=2)
    small.write_pools(seed=1)
    first = {path.id for path in small.store.select(Path)}
    small.store.append([_chosen(small, "rft", 5e-4)])

    small.train(seed=1)
    small.train(seed=2)

    by_draw = Counter(path.draw for path in small.store.select(Path))
    assert by_draw == {1_000_001: len(first), 1_000_002: len(first)}
    assert len({one.digest for one in small.store.select(TrainingSet)}) == 2


def _chosen(small: SmallComparison, method: str, rate: float) -> ComparisonFigure:
    return make(
        ComparisonFigure,
        method,
        comparison_id=small.contest.record.id,
        name="chosen_rate",
        method=method,
        value=rate,
    )


def test_a_table_and_a_report_come_of_the_answers_with_hostile_texts_escaped(build: Build) -> None:
    small = build("base", "rft", "regenesis", learning_rates=[5e-4, 1e-3])
    small.train(seed=1)
    contest = small.contest
    small.answer(contest.dev_questions, [one for one in contest.trials if one.training_set_id])
    said = choose_rates(contest)
    small.answer(contest.final_questions, contest.trials)

    figures = write_figures(contest)

    assert len(said) == 2
    assert contest.chosen_rates.keys() == {"rft", "regenesis"}
    by_key = {
        (one.name, one.rates, one.reading, one.scope, one.method, one.against): one
        for one in figures
    }
    base = by_key["accuracy", "chosen", "strict", "in_domain", "base", ""]
    right = small.store.query(
        "SELECT count(*) AS n FROM answers AS a JOIN questions AS q ON q.id = a.question_id JOIN"
        " question_sets AS s ON s.id = q.question_set_id WHERE s.domain = 'in_domain' AND q.part ="
        " 'final' AND a.model_id = ? AND a.strict_verdict = 'correct'",
        [contest.base.id],
    ).to_pylist()[0]["n"]
    assert (base.questions, round(base.value * base.questions)) == (16, right)
    assert base.low <= base.value <= base.high
    assert (
        by_key["difference", "fixed", "lenient", "out_of_domain", "rft", "regenesis"].p_adjusted
        is None
    )  # one seed
    shown = next(
        one for one in comparison_figures(contest.record.id, []) if one.name == "favourite_answers"
    )
    favourites = contest.store.query(shown.sql).to_pylist()
    by_set = {(row["question_set"], row["method"]): row["right"] for row in favourites}
    sets = [one.name for domain in ("in_domain", "out_of_domain") for one in contest.sets(domain)]
    assert by_set == {
        (scope, method): round(
            100 * by_key["accuracy", "chosen", "strict", scope, method, ""].value, 1
        )
        for scope in sets
        for method in ("base", "rft", "regenesis")
    }
    hostile = "<script>alert(1)</script>"
    page = comparison_html(contest, [Published(hostile, "sums", 0.5, hostile, hostile)])
    assert "<script" not in page
    assert page.count("<details><summary>SQL</summary>") > 10
    assert table_lines(contest)[1].startswith("base")


def test_a_favourite_answer_is_right_wherever_a_question_accepts_it(build: Build) -> None:
    rows = [
        (
            replace(one, answer=f"first {one.text}", other_answers=["second"], answer_kind="text")
            if isinstance(one, Question) and one.text.endswith(("0", "1", "2", "3", "4", "5"))
            else one
        )
        for one in question_rows()
    ]
    small = build("base", rows=rows)
    small.train(seed=1)
    small.engine = ScriptedEngine(lambda asked: "The answer is second.")
    contest = small.contest
    small.answer(contest.final_questions, contest.trials)
    write_figures(contest)

    shown = next(
        one for one in comparison_figures(contest.record.id, []) if one.name == "favourite_answers"
    )
    favourites = contest.store.query(shown.sql).to_pylist()

    # of eight final questions of a set, those that end with 0 to 5 accept it
    assert {
        (row["favourite"], row["is_it"], row["right"], row["right_elsewhere"]) for row in favourites
    } == {("second", 75.0, 75.0, 0.0)}


def test_no_sentence_of_a_report_says_equal(build: Build) -> None:
    row = make(
        ComparisonFigure,
        1,
        method="rft",
        against="regenesis",
        scope="in_domain",
        value=0.0,
        low=-0.02,
        high=0.02,
        p_value=1.0,
        p_adjusted=1.0,
    )

    said = sentence(row)

    assert "no difference was seen" in said
    assert "-2.0 and +2.0 points stays possible" in said
    assert "equal" not in said


def test_a_difference_that_only_the_correction_hides_is_called_weak_evidence() -> None:
    row = make(
        ComparisonFigure,
        1,
        method="rft",
        against="regenesis",
        scope="in_domain",
        value=-0.03,
        low=-0.05,
        high=-0.01,
        p_value=0.03,
        p_adjusted=0.2,
    )

    said = sentence(row)

    assert "weak evidence" in said
    assert "no difference" not in said


@pytest.mark.parametrize(("final", "riddles"), [(4, {"final": 4}), (12, {"final": 8, "gate": 4})])
def test_out_of_domain_both_halves_of_a_small_test_split_are_read(
    tmp_path: Folder, final: int, riddles: dict[str, int]
) -> None:
    settings = small_settings()
    settings = settings.model_copy(
        update={"questions": settings.questions.model_copy(update={"final_per_set": final})}
    )
    small = SmallComparison(tmp_path, settings)
    outside = {one.id for one in small.contest.sets("out_of_domain")}

    asked = small.contest.final_questions

    assert Counter(one.part for one in asked if one.question_set_id in outside) == riddles
    assert {one.part for one in asked if one.question_set_id not in outside} == {"final"}
    assert not {one.id for one in asked} & {one.id for one in small.contest.dev_questions}
    small.close()


def test_one_seed_has_no_p_value_in_terminal_report_or_tables_and_the_reason_stands_there(
    build: Build,
) -> None:
    small = build("base", "regenesis")
    small.train(seed=1)
    contest = small.contest
    small.answer(contest.dev_questions, [one for one in contest.trials if one.training_set_id])
    choose_rates(contest)
    small.answer(contest.final_questions, contest.trials)
    figures = write_figures(contest)
    # as a state says it that was written before one seed had no tests
    old = [replace(one, p_value=0.01, p_adjusted=0.02) for one in figures if one.against]
    for one in old:
        contest.store.update(one)

    write_figures(contest)

    assert old
    rows = contest.store.select(ComparisonFigure, comparison_id=contest.record.id)
    assert {(one.p_value, one.p_adjusted) for one in rows} == {(None, None)}
    assert table_lines(contest)[-1] == UNTESTED
    page = comparison_html(contest)
    assert "p_value" not in page
    assert "p_adjusted" not in page
    assert page.count(UNTESTED) == 3  # paired by chosen and by fixed rates, and means of sets


def test_two_seeds_are_tested_and_the_table_gives_no_reason(build: Build) -> None:
    small = build("base", seeds=2)
    assert is_tested(len(small.contest.seeds))
    figures = {one.name: one for one in comparison_figures(small.contest.record.id, [1, 2])}
    assert all("p_adjusted" in figures[name].sql for name in ("paired_chosen", "left_out"))
    assert UNTESTED not in table_lines(small.contest)


def test_a_brought_comparison_runs_as_this_machine_says_and_stays_the_same_comparison() -> None:
    """Its own settings come from a stranger: none may lift this machine's limits."""
    theirs = small_settings().model_dump(mode="json")
    theirs["room"] = dict.fromkeys(theirs["room"], 0)
    for place in HOW:
        section, _, key = place.partition(".")
        if key and isinstance(theirs[section][key], int | float):
            theirs[section][key] = 10**9
    hostile, here = Settings.model_validate(theirs), small_settings()
    assert hostile != here

    assert run_as_here(hostile, here) == here
    base, lower = uid(Trial), here.model_copy(update={"seed": here.seed + 1})
    assert run_as_here(lower, here) == lower
    assert comparison_id(base, hostile.model_dump_json()) == comparison_id(
        base, here.model_dump_json()
    )
