"""From final answers to the rows of the table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Literal

import numpy as np

from storage.ids import content_id, seed_of
from storage.records import ComparisonFigure, Domain, Question, Trial
from tasks.comparison.contest import Contest
from tasks.comparison.learning_rates import answers_of
from tasks.comparison.table.macro_scopes import chance_levels, macro_scopes
from tasks.comparison.table.text_shares import text_shares
from tasks.rules.comparison.chance import ChanceLevel
from tasks.rules.comparison.contrasts import (
    Row,
    Verdicts,
    accuracy,
    differences,
)
from tasks.rules.gate.answer_figures import Reading, verdict_of

Rates = Literal["chosen", "fixed"]
RATES: tuple[Rates, ...] = ("chosen", "fixed")
REFERENCES = ("base", "regenesis")
DOMAINS: tuple[Domain, ...] = ("in_domain", "out_of_domain")
READINGS: tuple[Reading, ...] = ("strict", "lenient")


def write_figures(contest: Contest) -> list[ComparisonFigure]:
    """Store every figure of the table, in the place of one that has changed."""
    chance = _chance(contest)
    rows = [
        figure
        for rates in RATES
        for iteration in iterations(contest)
        for reading in READINGS
        for figure in _figures(contest, rates, iteration, reading, chance)
    ]
    rows += [_chance_figure(contest, name, one) for name, one in chance.items()]
    rows += [one for iteration in iterations(contest) for one in _text_figures(contest, iteration)]
    known = {
        one.id: one
        for one in contest.store.select(ComparisonFigure, comparison_id=contest.record.id)
    }
    for row in rows:
        before = known.get(row.id)
        if before is not None and _said(before) != _said(row):
            contest.store.update(row)
    contest.store.append(rows)
    return rows


def _said(figure: ComparisonFigure) -> tuple[float, float, float, bool]:
    """What a figure says, and whether it is tested: a state from before may test one seed.

    A p-value alone is not told apart: by one sampling it changes only with the rule for ties.
    """
    return (figure.value, figure.low, figure.high, figure.p_value is None)


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


def _figures(
    contest: Contest,
    rates: Rates,
    iteration: int,
    reading: Reading,
    chance: Mapping[str, ChanceLevel],
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
    macro = {method: macro_scopes(contest, own, chance) for method, own in domains.items()}
    rows += [
        accuracy(one, scope, sets, np.random.default_rng([seed, place]), macro=True)
        for one in verdicts
        for place, (scope, sets) in enumerate(macro[one.method].items())
    ]
    for reference in REFERENCES:
        if reference in by_name:
            rows += differences(verdicts, by_name[reference], domains, seed)
            rows += differences(verdicts, by_name[reference], macro, seed, macro=True)
    return [_figure(contest, row, rates, iteration, reading) for row in rows]


def _chance(contest: Contest) -> dict[str, ChanceLevel]:
    base = trials_of(contest, "chosen", 1).get("base", [])
    return chance_levels(
        contest,
        {
            reading: _verdicts(contest, "base", base, reading) if base else None
            for reading in READINGS
        },
    )


def _chance_figure(contest: Contest, name: str, one: ChanceLevel) -> ComparisonFigure:
    row = Row("base", "", name, 1, one.asked, one.level, one.low, one.high, name="chance")
    return _figure(contest, row, "chosen", 1, "strict")


def _text_figures(contest: Contest, iteration: int) -> list[ComparisonFigure]:
    found: list[ComparisonFigure] = []
    for method, trials in trials_of(contest, "chosen", iteration).items():
        for one in text_shares(contest, trials):
            name = f"{one.kind}_{one.share}"
            row = Row(
                method,
                "",
                one.scope,
                len(trials),
                one.texts,
                one.value,
                one.value,
                one.value,
                name=name,
            )
            found.append(_figure(contest, row, "chosen", iteration, "strict"))
    return found


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
    return ComparisonFigure(
        id=content_id(
            "comparison_figures",
            contest.record.id,
            row.name,
            rates,
            reading,
            row.scope,
            row.method,
            row.against,
            iteration,
        ),
        comparison_id=contest.record.id,
        name=row.name,
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
