"""What a comparison's report shows: each figure with its SQL over the store's tables."""

from collections.abc import Sequence
from uuid import UUID

from tasks.reports.drawing import interval_chart, line_chart
from tasks.reports.figure import Figure, Sql, statement
from tasks.rules.comparison.contrasts import UNTESTED, is_tested
from tasks.rules.comparison.seed_tests import FEWEST_FOR_T

_HERE = "tasks.comparison"
_OVER_SEEDS = (
    "round(t.low * 100, 2) AS t_low, round(t.high * 100, 2) AS t_high, t.p_value AS t_p,"
    " t.p_adjusted AS t_p_adjusted,"
)


_BOTH_TESTS = (
    "p_value is the bootstrap's; t_low, t_high and t_p are the t test over seeds, which knows what"
    " so few seeds can say. Only the two domains are adjusted (Holm); groups describe."
)


def comparison_figures(comparison: UUID, draws: Sequence[int]) -> list[Figure]:
    """Every figure, in reading order; a draw per seed."""
    tested = is_tested(len(draws))
    return [
        *(
            _averages(comparison, domain, reading)
            for domain in ("in_domain", "out_of_domain")
            for reading in ("strict", "lenient")
        ),
        _fixed(comparison),
        *(_paired(comparison, rates, tested) for rates in ("chosen", "fixed")),
        *_by_set(comparison),
        *_means(comparison, len(draws)),
        _texts(comparison),
        _favourites(comparison),
        _rates(comparison),
        *_budgets(comparison),
        *_rounds(comparison),
        *_guidelines(draws),
        _left_out(comparison, tested),
    ]


def _averages(comparison: UUID, domain: str, reading: str) -> Figure:
    named = {"in_domain": "In domain", "out_of_domain": "Out of domain"}
    notes = {
        "strict": (
            "The answer stated as asked. 95 % intervals over seeds and questions, resampled"
            " together."
        ),
        "lenient": (
            "The answer found anywhere at the end; much of a strict gain can be learning to"
            " state it."
        ),
    }
    return Figure(
        name=f"averages_{domain}_{reading}",
        title=(
            f"{named[domain]}, {reading} reading: final questions, each method's own learning rate"
        ),
        note=notes[reading],
        sql=statement(_HERE, "averages", comparison=comparison, domain=domain, reading=reading),
        chart=interval_chart,
        chapter="The table" if (domain, reading) == ("in_domain", "strict") else "",
    )


def _fixed(comparison: UUID) -> Figure:
    return Figure(
        name="averages_fixed",
        title="The same learning rate for all",
        note="Final questions; the choice of learning rates plays no part here.",
        sql=statement(_HERE, "averages_fixed", comparison=comparison),
    )


def _paired(comparison: UUID, rates: str, tested: bool) -> Figure:
    tests = (
        "p is two-sided, of no difference; p_adjusted is Holm's over all methods and both domains"
        " of one reference and reading. A large p says that no difference was seen, not that there"
        " is none: the interval says how large a one these data leave open."
    )
    return Figure(
        name=f"paired_{rates}",
        title=f"Paired differences, {rates} learning rates",
        note=f"Question by question and seed by seed. {tests if tested else UNTESTED}",
        sql=statement(
            _HERE,
            "paired",
            comparison=comparison,
            rates=rates,
            tests=Sql("p_value, p_adjusted," if tested else ""),
        ),
    )


def _means(comparison: UUID, seeds: int) -> list[Figure]:
    tests = ["b.p_value, b.p_adjusted,"] if is_tested(seeds) else []
    tests += [_OVER_SEEDS] if seeds >= FEWEST_FOR_T else []
    note = _BOTH_TESTS if is_tested(seeds) else UNTESTED
    paired = [("macro_paired", "Paired differences of means of sets", "macro_difference")]
    if seeds >= FEWEST_FOR_T:
        paired.append(("over_seeds", "Paired differences, t test over seeds", "difference"))
    return [
        Figure(
            name="macro",
            title="Means of sets",
            note=(
                "The mean of the sets' own accuracies, so that a large set weighs no more than a"
                " small one; by domain, by the settings' groups, and of each without the sets at"
                " chance."
            ),
            sql=statement(_HERE, "macro", comparison=comparison),
            chapter="Means of sets",
        ),
        *(
            Figure(name, title, note, _beside_t(comparison, figure, "\n    ".join(tests)))
            for name, title, figure in paired
        ),
        _chance(comparison),
    ]


def _chance(comparison: UUID) -> Figure:
    return Figure(
        name="chance",
        title="What guessing gets right",
        note=(
            "Chance levels by the settings or by the answers' kind, beside the 95 % interval of"
            " what the base has right by the better reading; a set is at chance where that"
            " interval does not lie above the level."
        ),
        sql=statement(_HERE, "chance", comparison=comparison),
    )


def _beside_t(comparison: UUID, name: str, tests: str) -> str:
    return statement(_HERE, "over_seeds", comparison=comparison, figure=name, tests=Sql(tests))


def _texts(comparison: UUID) -> Figure:
    return Figure(
        name="texts",
        title="Cut texts and missing work",
        note=(
            "Of each method's answers to final questions, of the paths that it could choose from"
            " and of its examples: the share that ended at its length limit, and the share with"
            " fewer words before its answer than selection.min_work_words (one, where that is 0)."
            " What counts as answer is what selection takes for it: its statement or last sentence."
        ),
        sql=statement(_HERE, "texts", comparison=comparison),
    )


def _by_set(comparison: UUID) -> list[Figure]:
    return [
        Figure(
            name=f"sets_{reading}",
            title=f"Each set, {reading} reading",
            note="Final questions, each method's own learning rate.",
            sql=statement(_HERE, "sets", comparison=comparison, reading=reading),
            chapter="Set by set" if reading == "strict" else "",
        )
        for reading in ("strict", "lenient")
    ]


def _favourites(comparison: UUID) -> Figure:
    return Figure(
        name="favourite_answers",
        title="Favourite answers",
        note=(
            "The answer that a method gives most in a set (final questions, strict, own learning"
            " rate), how often it gives it, how often it is a right one, what is right in all, and"
            " what of the questions that have other answers; in percent. Where that last is about"
            " nothing, the set's accuracy is a fixed answer and no skill."
        ),
        sql=statement(_HERE, "favourite_answers", comparison=comparison),
    )


def _rates(comparison: UUID) -> Figure:
    return Figure(
        name="learning_rates",
        title="Choice of learning rates",
        note=(
            "Every method tried each rate once, with the first seed. In-domain gate questions"
            " chose: the most right by the strict reading, of equal ones the smaller rate. Final"
            " questions played no part."
        ),
        sql=statement(_HERE, "learning_rates", comparison=comparison),
        chapter="What went in",
    )


def _budgets(comparison: UUID) -> list[Figure]:
    return [
        Figure(
            name="budgets",
            title="Paths, tokens and examples",
            note=(
                "What was generated for each training set, what its filter let through (filtered),"
                " and what was trained on after matching. Methods of one seed share their pools:"
                " their sum is more than was paid."
            ),
            sql=statement(_HERE, "budgets", comparison=comparison),
        ),
        Figure(
            name="pools",
            title="Pools",
            note=(
                "What each seed's methods share. Solved: questions with a right path that was shown"
                " no answer."
            ),
            sql=statement(_HERE, "pools", comparison=comparison),
        ),
        Figure(
            name="reasons",
            title="Why paths were not trained on",
            note="Every path that a method could choose from has a row.",
            sql=statement(_HERE, "reasons", comparison=comparison),
        ),
    ]


def _rounds(comparison: UUID) -> list[Figure]:
    return [
        Figure(
            name=f"iterations_{scope}",
            title=f"Round by round, {words}",
            note=(
                "Strict accuracy on final questions after each round; a method of fewer rounds"
                " keeps its last figure."
            ),
            sql=statement(_HERE, "iterations", comparison=comparison, scope=scope),
            chart=lambda rows: line_chart(rows, "round", "accuracy", "role", percent=True),
            chapter="Several rounds" if scope == "in_domain" else "",
        )
        for scope, words in (("in_domain", "in domain"), ("out_of_domain", "out of domain"))
    ] + [
        Figure(
            name="collapse",
            title="What the collapse watch saw before each round",
            note=(
                "Of the paths that the round was trained on: different words, length, near"
                " duplicates, pass@1 and pass@k. A fall here before a fall above would be a"
                " warning."
            ),
            sql=statement(_HERE, "collapse", comparison=comparison),
        )
    ]


def _guidelines(draws: Sequence[int]) -> list[Figure]:
    return [
        Figure(
            name="guidelines",
            title="What each guideline was worth",
            note=(
                "Over the comparison's seeds and all strategies that use guidelines: attempts"
                " without a hint, share of right ones, questions solved, those that no other"
                " guideline solved, tokens for each accepted path."
            ),
            sql=statement(_HERE, "guidelines", draws=list(draws)),
            chapter="Guidelines",
        )
    ]


def _left_out(comparison: UUID, tested: bool) -> Figure:
    return Figure(
        name="left_out",
        title="Training without a group of guidelines",
        note=(
            "Against regenesis, which keeps all, on as many examples: what leaving the paths of"
            " these guidelines out changed, in points. Only with method without_guidelines."
        ),
        sql=statement(
            _HERE,
            "left_out",
            comparison=comparison,
            tests=Sql("p_adjusted," if tested else ""),
        ),
    )
