"""From final answers to the rows of the table, and to its lines in a terminal."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

import numpy as np

from storage.ids import content_id, seed_of
from storage.records import ComparisonFigure, Domain, Question, Trial
from storage.sql.presenting import in_columns
from tasks.comparison.contest import Contest
from tasks.comparison.learning_rates import answers_of
from tasks.rules.comparison.contrasts import Row, Verdicts, accuracy, differences
from tasks.rules.gate.answer_figures import Reading, verdict_of

Rates = Literal["chosen", "fixed"]
RATES: tuple[Rates, ...] = ("chosen", "fixed")
REFERENCES = ("base", "regenesis")
DOMAINS: tuple[Domain, ...] = ("in_domain", "out_of_domain")
READINGS: tuple[Reading, ...] = ("strict", "lenient")


def write_figures(contest: Contest) -> list[ComparisonFigure]:
    """Store every figure of the table, in the place of one that has changed."""
    rows = [
        figure
        for rates in RATES
        for iteration in iterations(contest)
        for reading in READINGS
        for figure in _figures(contest, rates, iteration, reading)
    ]
    known = {
        one.id: one
        for one in contest.store.select(ComparisonFigure, comparison_id=contest.record.id)
    }
    for row in rows:
        before = known.get(row.id)
        if before is not None and (before.value, before.low, before.high) != (
            row.value,
            row.low,
            row.high,
        ):
            contest.store.update(row)
    contest.store.append(rows)
    return rows


def iterations(contest: Contest) -> range:
    """The rounds that the longest method goes, from 1."""
    return range(1, max((one.iterations for one in contest.trials), default=1) + 1)


def trials_of(contest: Contest, rates: Rates, iteration: int) -> dict[str, list[Trial]]:
    """The trials of each method, a seed each, in its last iteration where it goes fewer."""
    chosen = contest.chosen_rates
    found: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in contest.trials:
        rate = chosen.get(trial.method, 0.0) if rates == "chosen" else contest.fixed_rate
        is_it = trial.adapter_id is None or trial.learning_rate == rate
        if is_it and trial.iteration == min(iteration, trial.iterations):
            found[trial.method].append(trial)
    return {one.name: found[one.name] for one in contest.contenders}


def trials_read(contest: Contest) -> list[Trial]:
    """The trials that the table shows: those at the chosen and at the fixed learning rate."""
    found = [
        trial
        for rates in RATES
        for iteration in iterations(contest)
        for trials in trials_of(contest, rates, iteration).values()
        for trial in trials
    ]
    return list({trial.id: trial for trial in found}.values())


def scopes_of(contest: Contest, method: str) -> dict[str, list[str]]:
    """What is averaged for a method: its domains, and each set.

    One trained on one set alone has that one in domain.
    """
    inside = [one.name for one in contest.sets("in_domain")]
    outside = [one.name for one in contest.sets("out_of_domain")]
    only = next(one.only_set for one in contest.contenders if one.name == method)
    domains = {"in_domain": [only] if only else inside, "out_of_domain": outside}
    return {
        scope: sets
        for scope, sets in {**domains, **{name: [name] for name in inside + outside}}.items()
        if sets
    }


def table_lines(contest: Contest) -> list[str]:
    """The table for a terminal: strict accuracy with intervals, and costs over all seeds."""
    last = iterations(contest)[-1]
    rows = contest.store.select(
        ComparisonFigure,
        comparison_id=contest.record.id,
        name="accuracy",
        rates="chosen",
        reading="strict",
        iteration=last,
    )
    shown = {
        (row.method, row.scope): f"{row.value:.1%} ({row.low:.1%} to {row.high:.1%})"
        for row in rows
    }
    trials = trials_of(contest, "chosen", last)
    lines = [
        ["method", "in domain, strict", "out of domain, strict", "examples", "paths", "tokens"]
    ]
    for one in contest.contenders:
        own = trials[one.name]
        lines.append(
            [
                one.name,
                shown.get((one.name, "in_domain"), "-"),
                shown.get((one.name, "out_of_domain"), "-"),
                str(sum(trial.examples for trial in own)),
                str(sum(trial.paths_spent for trial in own)),
                str(sum(trial.tokens_spent for trial in own)),
            ]
        )
    return in_columns(lines)


def _figures(
    contest: Contest, rates: Rates, iteration: int, reading: Reading
) -> list[ComparisonFigure]:
    verdicts = [
        _verdicts(contest, method, trials, reading)
        for method, trials in trials_of(contest, rates, iteration).items()
        if len(trials) == len(contest.seeds)
    ]
    by_name = {one.method: one for one in verdicts}
    scopes = {one.method: scopes_of(contest, one.method) for one in verdicts}
    seed = seed_of(content_id("comparison_table", contest.record.id, reading))
    rows = [
        accuracy(one, scope, sets, np.random.default_rng([seed, place]))
        for one in verdicts
        for place, (scope, sets) in enumerate(scopes[one.method].items())
    ]
    domains = {
        method: {
            scope: sets for scope, sets in own.items() if scope in ("in_domain", "out_of_domain")
        }
        for method, own in scopes.items()
    }
    for reference in REFERENCES:
        if reference in by_name:
            rows += differences(verdicts, by_name[reference], domains, seed)
    return [_figure(contest, row, rates, iteration, reading) for row in rows]


def _verdicts(contest: Contest, method: str, trials: Sequence[Trial], reading: Reading) -> Verdicts:
    names = {one.id: one.name for domain in DOMAINS for one in contest.sets(domain)}

    def set_of(question: Question) -> str:
        return names[question.question_set_id]

    questions = sorted(contest.final_questions, key=lambda one: (set_of(one), one.id.bytes))
    answers = [answers_of(contest, trial, questions) for trial in trials]
    right = np.array(
        [
            [one is not None and verdict_of(one, reading) == "correct" for one in seed]
            for seed in answers
        ],
        dtype=float,
    )
    by_set: dict[str, np.ndarray[tuple[int, int], np.dtype[np.float64]]] = {}
    start = 0
    for name, group in groupby(questions, key=set_of):
        end = start + len(list(group))
        by_set[name] = right[:, start:end]
        start = end
    return Verdicts(method, by_set)


def _figure(
    contest: Contest, row: Row, rates: Rates, iteration: int, reading: Reading
) -> ComparisonFigure:
    name = "difference" if row.against else "accuracy"
    return ComparisonFigure(
        id=content_id(
            "comparison_figures",
            contest.record.id,
            name,
            rates,
            reading,
            row.scope,
            row.method,
            row.against,
            iteration,
        ),
        comparison_id=contest.record.id,
        name=name,
        rates=rates,
        reading=reading,
        scope=row.scope,
        method=row.method,
        against=row.against,
        iteration=iteration,
        seeds=row.seeds,
        questions=row.questions,
        value=row.value,
        low=row.low,
        high=row.high,
        p_value=row.p_value,
        p_adjusted=row.p_adjusted,
        created_at=datetime.now(UTC),
    )
