"""A comparison's tables for a terminal: accuracy and costs, cut texts and missing work, means."""

from collections.abc import Mapping

from storage.records import ComparisonFigure
from storage.sql.presenting import in_columns
from tasks.comparison.comparison_figures import iterations, trials_of
from tasks.comparison.contest import Contest
from tasks.comparison.words import primary_sentence
from tasks.rules.comparison.contrasts import UNTESTED, is_tested

Figures = Mapping[tuple[str, str, str], ComparisonFigure]
"""By name, method and scope."""
TEXTS = {
    "answers in domain": ("answers", "in_domain"),
    "answers out of domain": ("answers", "out_of_domain"),
    "paths": ("paths", "in_domain"),
    "examples": ("examples", "in_domain"),
}


def table_lines(contest: Contest) -> list[str]:
    """The tables: accuracy and costs, shares of texts, means of the sets; then the primary test."""
    figures = _figures(contest)
    primary = primary_sentence(contest)
    return [
        *_accuracies(contest, figures),
        "",
        *_texts(contest, figures),
        "",
        *_means(contest, figures),
        *([primary] if primary else []),
        *([] if is_tested(len(contest.seeds)) else [UNTESTED]),
    ]


def _figures(contest: Contest) -> Figures:
    """The last iteration's, at each method's own learning rate."""
    rows = contest.store.select(
        ComparisonFigure,
        comparison_id=contest.record.id,
        rates="chosen",
        reading="strict",
        against="",
        iteration=iterations(contest)[-1],
    )
    return {(row.name, row.method, row.scope): row for row in rows}


def _accuracies(contest: Contest, figures: Figures) -> list[str]:
    """Strict accuracy with intervals, and costs over all seeds."""

    def shown(method: str, scope: str) -> str:
        row = figures.get(("accuracy", method, scope))
        return f"{row.value:.1%} ({row.low:.1%} to {row.high:.1%})" if row else "-"

    trials = trials_of(contest, "chosen", iterations(contest)[-1])
    lines = [
        ["method", "in domain, strict", "out of domain, strict", "examples", "paths", "tokens"]
    ]
    for one in contest.contenders:
        own = trials[one.name]
        lines.append(
            [
                one.name,
                shown(one.name, "in_domain"),
                shown(one.name, "out_of_domain"),
                str(sum(trial.examples for trial in own)),
                str(sum(trial.paths_spent for trial in own)),
                str(sum(trial.tokens_spent for trial in own)),
            ]
        )
    return in_columns(lines)


def _texts(contest: Contest, figures: Figures) -> list[str]:
    """Which share of a method's texts was cut, and which holds no work."""

    def shown(method: str, kind: str, scope: str) -> str:
        shares = [figures.get((f"{kind}_{one}", method, scope)) for one in ("cut", "no_work")]
        return " / ".join(f"{one.value:.1%}" for one in shares if one is not None) or "-"

    lines = [["cut / no work", *TEXTS]]
    for one in contest.contenders:
        lines.append([one.name, *(shown(one.name, *place) for place in TEXTS.values())])
    return in_columns(lines)


def _means(contest: Contest, figures: Figures) -> list[str]:
    """The mean of the sets' own accuracies by scope, each set weighing the same."""
    scopes = sorted({scope for name, _, scope in figures if name == "macro_accuracy"})

    def shown(method: str, scope: str) -> str:
        row = figures.get(("macro_accuracy", method, scope))
        return f"{row.value:.1%} [{row.low:.1%}, {row.high:.1%}]" if row else "-"

    lines = [["mean of sets, strict", *scopes]]
    for one in contest.contenders:
        lines.append([one.name, *(shown(one.name, scope) for scope in scopes)])
    return in_columns(lines)
