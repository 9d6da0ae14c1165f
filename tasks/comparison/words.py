"""A comparison's figures in sentences, by the questions of the paper's reviewers.

Never "equal": where no difference was seen, the sentence says how large a one they leave open.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from storage.records import ComparisonFigure, Pool
from tasks.comparison.comparison_figures import iterations
from tasks.comparison.contest import Contest
from tasks.rules.comparison.contrasts import ALPHA
from tasks.rules.comparison.methods import plain_name
from tasks.rules.training.collapse import TextHealth, collapse_warnings

WORDS = {"in_domain": "in domain", "out_of_domain": "out of domain"}


@dataclass(frozen=True)
class ReviewersQuestion:
    """A question of the paper's reviewers, and the methods whose difference answers it."""

    asked: str
    methods: tuple[str, ...]
    against: str = "regenesis"


QUESTIONS = (
    ReviewersQuestion(
        "With the same budget, do earlier methods do as well?",
        ("rft", "star", "star_one_round", "lmsi", "few_shot"),
    ),
    ReviewersQuestion("Is it more than training on anything the model writes?", ("random",)),
    ReviewersQuestion("Does the method gain anything at all?", ("regenesis",), "base"),
    ReviewersQuestion("What do hints do?", ("no_hints", "hints_only")),
    ReviewersQuestion(
        "What does each component bring?",
        ("no_adaptation", "no_structure", "no_adaptation_no_structure"),
    ),
    ReviewersQuestion("Does it need reference answers?", ("majority_vote",)),
    ReviewersQuestion("Would the reference answers alone do?", ("gt_answers", "gt_rationales")),
    ReviewersQuestion("Is training on several sets at once better than on one?", ("mixed_sets",)),
    ReviewersQuestion("Which guidelines matter?", ("without_guidelines",)),
)


def reviewers_questions(contest: Contest) -> list[tuple[str, str]]:
    """Each question with what these data say, or that they can't say anything."""
    figures = _differences(contest)
    return [(question.asked, _answer(question, figures)) for question in QUESTIONS]


def findings(contest: Contest) -> str:
    """The first paragraph: the best method in each domain, and regenesis against the base."""
    rows = contest.store.select(
        ComparisonFigure,
        comparison_id=contest.record.id,
        name="accuracy",
        rates="chosen",
        reading="strict",
        iteration=iterations(contest)[-1],
    )
    said: list[str] = []
    for scope, words in WORDS.items():
        ranked = sorted(
            (row for row in rows if row.scope == scope), key=lambda row: (-row.value, row.method)
        )
        if ranked:
            best = ranked[0]
            said.append(
                f"{words.capitalize()} the highest strict accuracy is that of {best.method},"
                f" {best.value:.1%} ({best.low:.1%} to {best.high:.1%}); that it is the best is not"
                " said by this."
            )
    against_base = [
        row for row in _differences(contest) if (row.method, row.against) == ("regenesis", "base")
    ]
    said += [sentence(row) for row in against_base]
    primary = primary_sentence(contest)
    said = [primary, *said] if primary else said
    seeds = len(contest.seeds)
    if seeds < 5:
        few = "1 seed is" if seeds == 1 else f"{seeds} seeds are"
        said.append(f"{few} few: the intervals know little of what seeds change.")
    return " ".join(said)


def collapse_lines(contest: Contest) -> list[str]:
    """What the collapse watch said of each later round's paths, and what followed."""
    said: list[str] = []
    several = [one for one in contest.trials if one.iterations > 1 and one.pool_id]
    for (method, seed, rate), trials in groupby(
        several, key=lambda one: (one.method, one.seed, one.learning_rate)
    ):
        before: list[TextHealth] = []
        for trial in trials:
            pool = contest.store.get(Pool, trial.pool_id) if trial.pool_id else None
            if pool is None:
                continue
            health = TextHealth(**json.loads(pool.health))
            warnings = collapse_warnings(health, before)
            before.append(health)
            if trial.iteration > 1:
                what = " ".join(warnings) or "nothing has drifted."
                said.append(
                    f"{method}, seed {seed}, rate {rate:g}, before round {trial.iteration}: {what}"
                )
    return said + [
        _course(contest, method) for method in dict.fromkeys(one.method for one in several)
    ]


def _course(contest: Contest, method: str) -> str:
    """Accuracies of a method, round after round."""
    rows = contest.store.select(
        ComparisonFigure,
        order_by="iteration",
        comparison_id=contest.record.id,
        name="accuracy",
        rates="chosen",
        reading="strict",
        method=method,
    )
    courses = [
        f"{words} " + ", ".join(f"{row.value:.1%}" for row in rows if row.scope == scope)
        for scope, words in WORDS.items()
    ]
    return f"{method}, strict accuracy on final questions round after round: {'; '.join(courses)}."


def sentence(row: ComparisonFigure) -> str:
    """One difference in words."""
    span = f"{row.value * 100:+.1f} points (95 % {row.low * 100:+.1f} to {row.high * 100:+.1f}"
    p_values = (row.p_value, row.p_adjusted)
    p = ")" if None in p_values else "; p {:.2g}, Holm {:.2g})".format(*p_values)
    seen = row.p_adjusted is not None and row.p_adjusted <= ALPHA
    what = f"{row.method} against {row.against} {WORDS.get(row.scope, row.scope)}: {span}{p}"
    if seen:
        return f"{what}, {'more' if row.value > 0 else 'less'} than chance would give."
    if row.p_value is not None and row.p_value <= ALPHA:
        return (
            f"{what}; alone it would be seen, beside the other tests it is not: weak evidence of a"
            " difference."
        )
    if row.p_value is None:
        return (
            f"{what}; one seed: no test is made, for what chance does in training is in none of"
            " this."
        )
    return (
        f"{what}; no difference was seen, and one between {row.low * 100:+.1f} and"
        f" {row.high * 100:+.1f} points stays possible."
    )


def primary_sentence(contest: Contest) -> str:
    """The one primary test in words; empty where the settings name none."""
    other = contest.settings.comparison.primary
    rows = contest.store.select(
        ComparisonFigure,
        comparison_id=contest.record.id,
        method=other,
        against="regenesis",
        rates="chosen",
        reading="strict",
        scope="out_of_domain",
        iteration=iterations(contest)[-1],
    )
    by_name = {row.name: row for row in rows}
    if not other or "macro_difference" not in by_name:
        return ""
    row, seeds = by_name["macro_difference"], by_name.get("seeds_macro_difference")
    said = f"Primary test, regenesis minus {other}, out of domain, strict, mean of the sets: "
    said += _turned(row, "over seeds and questions")
    return said + (f"; {_turned(seeds, 't test over seeds')}." if seeds else ".")


def _turned(row: ComparisonFigure, how: str) -> str:
    """What a row of another method against regenesis says of regenesis against it."""
    points = [-100 * one for one in (row.value, row.high, row.low)]
    p = "no p-value" if row.p_value is None else f"p {row.p_value:.2g}"
    return "{:+.1f} points (95 % {:+.1f} to {:+.1f}, {}; {})".format(*points, how, p)


def _answer(question: ReviewersQuestion, figures: Sequence[ComparisonFigure]) -> str:
    rows = [
        row
        for row in figures
        if plain_name(row.method) in question.methods and row.against == question.against
    ]
    if not rows:
        return (
            f"These data cannot answer it: the comparison has no {' or '.join(question.methods)}"
            f" beside {question.against}."
        )
    return " ".join(sentence(row) for row in rows)


def _differences(contest: Contest) -> list[ComparisonFigure]:
    found = contest.store.select(
        ComparisonFigure,
        comparison_id=contest.record.id,
        name="difference",
        rates="chosen",
        reading="strict",
        iteration=iterations(contest)[-1],
    )
    order = {one.name: place for place, one in enumerate(contest.contenders)}
    return sorted(found, key=lambda row: (order.get(row.method, 0), row.scope))
