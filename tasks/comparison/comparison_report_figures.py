"""What a comparison's report shows: each figure with its SQL over the store's tables."""

from collections.abc import Sequence
from uuid import UUID

from tasks.reports.drawing import interval_chart, line_chart
from tasks.reports.figure import Figure

_ROLE = (
    "CASE t.method WHEN 'base' THEN 'base' WHEN 'regenesis' THEN 'challenger' ELSE 'control' END"
)


def comparison_figures(comparison: UUID, draws: Sequence[int]) -> list[Figure]:
    """Every figure, in reading order."""
    return [
        *(
            _averages(comparison, domain, reading)
            for domain in ("in_domain", "out_of_domain")
            for reading in ("strict", "lenient")
        ),
        _fixed(comparison),
        *(_paired(comparison, rates) for rates in ("chosen", "fixed")),
        *_by_set(comparison),
        _favourites(comparison),
        _rates(comparison),
        *_budgets(comparison),
        *_rounds(comparison),
        *_guidelines(comparison, draws),
        _left_out(comparison),
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
        sql=f"""SELECT t.method AS question_set, t.method AS model, {_ROLE} AS role, t.seeds, t.questions,
    t.value AS accuracy, t.low, t.high
FROM comparison_figures AS t WHERE t.comparison_id = '{comparison}' AND t.name = 'accuracy' AND t.rates = 'chosen'
    AND t.scope = '{domain}' AND t.reading = '{reading}' AND t.iteration = {_last(comparison)}
ORDER BY t.value DESC, t.method""",
        chart=interval_chart,
        chapter="The table" if (domain, reading) == ("in_domain", "strict") else "",
    )


def _fixed(comparison: UUID) -> Figure:
    return Figure(
        name="averages_fixed",
        title="The same learning rate for all",
        note="Final questions; the choice of learning rates plays no part here.",
        sql=f"""SELECT scope, reading, method, round(value * 100, 2) AS percent, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high, seeds, questions
FROM comparison_figures WHERE comparison_id = '{comparison}' AND name = 'accuracy' AND rates = 'fixed'
    AND scope IN ('in_domain', 'out_of_domain') AND iteration = {_last(comparison)}
ORDER BY scope, reading DESC, value DESC, method""",
    )


def _paired(comparison: UUID, rates: str) -> Figure:
    return Figure(
        name=f"paired_{rates}",
        title=f"Paired differences, {rates} learning rates",
        note=(
            "Question by question and seed by seed. p is two-sided, of no difference; p_adjusted is"
            " Holm's over all methods and both domains of one reference and reading. A large p says"
            " that no difference was seen, not that there is none: the interval says how large a"
            " one these data leave open."
        ),
        sql=f"""SELECT against, reading, scope, method, round(value * 100, 2) AS points, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high, p_value, p_adjusted, seeds, questions
FROM comparison_figures WHERE comparison_id = '{comparison}' AND name = 'difference' AND rates = '{rates}'
    AND iteration = {_last(comparison)}
ORDER BY against, reading DESC, scope, value DESC, method""",
    )


def _by_set(comparison: UUID) -> list[Figure]:
    return [
        Figure(
            name=f"sets_{reading}",
            title=f"Each set, {reading} reading",
            note="Final questions, each method's own learning rate.",
            sql=f"""SELECT scope AS question_set, method, round(value * 100, 2) AS percent, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high, seeds, questions
FROM comparison_figures WHERE comparison_id = '{comparison}' AND name = 'accuracy' AND rates = 'chosen'
    AND reading = '{reading}' AND scope NOT IN ('in_domain', 'out_of_domain') AND iteration = {_last(comparison)}
ORDER BY scope, value DESC, method""",
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
        sql=f"""WITH said AS (
    SELECT t.method, s.domain, s.name AS question_set, a.strict_extracted AS says,
        list_prepend(q.answer, coalesce(q.other_answers, [])) AS accepted,
        (a.strict_verdict = 'correct')::INT AS is_right
    FROM trials AS t JOIN answers AS a ON a.model_id = t.model_id AND a.prompt_id = t.prompt_id
    JOIN questions AS q ON q.id = a.question_id JOIN question_sets AS s ON s.id = q.question_set_id
    LEFT JOIN comparison_figures AS c ON c.comparison_id = t.comparison_id AND c.method = t.method
        AND c.name = 'chosen_rate'
    WHERE t.comparison_id = '{comparison}' AND t.iteration = t.iterations AND q.part = 'final' AND a.draw = 0
        AND t.learning_rate = coalesce(c.value, t.learning_rate)
), most AS (
    SELECT method, question_set, mode(says) AS favourite FROM said GROUP BY method, question_set
), held AS (
    SELECT *, says IS NOT DISTINCT FROM favourite AS says_it,
        coalesce(list_contains(accepted, favourite), FALSE) OR (says_it AND is_right = 1) AS is_it
    FROM said JOIN most USING (method, question_set)
)
SELECT domain, question_set, method, favourite, round(100 * avg(says_it::INT), 1) AS says_it,
    round(100 * avg(is_it::INT), 1) AS is_it, round(100 * avg(is_right), 1) AS right,
    round(100 * avg(is_right) FILTER (NOT is_it), 1) AS right_elsewhere
FROM held
GROUP BY domain, question_set, method, favourite ORDER BY domain, question_set, avg(is_right) DESC, method""",
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
        sql=f"""SELECT d.method, d.rates AS learning_rate, d.value AS accuracy, d.low, d.high, d.questions,
    d.rates::DOUBLE = c.value AS chosen
FROM comparison_figures AS d JOIN comparison_figures AS c ON c.comparison_id = d.comparison_id
    AND c.method = d.method AND c.name = 'chosen_rate'
WHERE d.comparison_id = '{comparison}' AND d.name = 'dev_accuracy' ORDER BY d.method, d.rates::DOUBLE""",
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
            sql=f"""SELECT seed, method, learning_rate, iteration, paths_spent, tokens_spent, candidates, filtered,
    examples, hinted_examples / nullif(examples, 0) AS hinted_share, questions, distinct_2
FROM trials WHERE comparison_id = '{comparison}' AND training_set_id IS NOT NULL
ORDER BY seed, method, learning_rate, iteration""",
        ),
        Figure(
            name="pools",
            title="Pools",
            note=(
                "What each seed's methods share. Solved: questions with a right path that was shown"
                " no answer."
            ),
            sql=f"""SELECT DISTINCT t.seed, t.iteration, p.strategy, m.name AS written_by, p.questions, p.solved,
    p.paths, p.correct, p.hinted_paths, p.hinted_correct, p.tokens,
    json_extract(p.health, '$.distinct_2')::DOUBLE AS distinct_2
FROM trials AS t JOIN pools AS p ON p.id = t.pool_id JOIN models AS m ON m.id = p.model_id
WHERE t.comparison_id = '{comparison}' ORDER BY t.seed, t.iteration, p.strategy, p.hinted_paths, m.name""",
        ),
        Figure(
            name="reasons",
            title="Why paths were not trained on",
            note="Every path that a method could choose from has a row.",
            sql=f"""SELECT t.method, s.reason, count(*) AS paths
FROM trials AS t JOIN selections AS s ON s.training_set_id = t.training_set_id
WHERE t.comparison_id = '{comparison}' GROUP BY t.method, s.reason ORDER BY t.method, paths DESC, s.reason""",
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
            sql=f"""SELECT t.iteration AS round, t.method AS role, t.value AS accuracy, t.low, t.high
FROM comparison_figures AS t WHERE t.comparison_id = '{comparison}' AND t.name = 'accuracy' AND t.rates = 'chosen'
    AND t.reading = 'strict' AND t.scope = '{scope}' AND {_last(comparison)} > 1 ORDER BY t.method, t.iteration""",
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
            sql=f"""SELECT DISTINCT t.method, t.seed, t.learning_rate, t.iteration AS round,
    json_extract(p.health, '$.distinct_2')::DOUBLE AS distinct_2,
    json_extract(p.health, '$.mean_tokens')::DOUBLE AS mean_tokens,
    json_extract(p.health, '$.near_duplicate_rate')::DOUBLE AS near_duplicate_rate,
    json_extract(p.health, '$.pass_at_1')::DOUBLE AS pass_at_1,
    json_extract(p.health, '$.pass_at_k')::DOUBLE AS pass_at_k
FROM trials AS t JOIN pools AS p ON p.id = t.pool_id
WHERE t.comparison_id = '{comparison}' AND t.iterations > 1 ORDER BY t.method, t.seed, t.learning_rate, round""",
        )
    ]


def _guidelines(comparison: UUID, draws: Sequence[int]) -> list[Figure]:
    listed = ", ".join(str(draw) for draw in draws)
    return [
        Figure(
            name="guidelines",
            title="What each guideline was worth",
            note=(
                "Over the comparison's seeds and all strategies that use guidelines: attempts"
                " without a hint, share of right ones, questions solved, those that no other"
                " guideline solved, tokens for each accepted path."
            ),
            sql=f"""SELECT guideline, sum(attempts)::BIGINT AS attempts,
    sum(correct) / nullif(sum(attempts), 0) AS solve_rate, sum(solved)::BIGINT AS solved,
    sum(unique_solves)::BIGINT AS unique_solves,
    sum(tokens) / nullif(sum(correct) + sum(hinted_correct), 0) AS tokens_per_accepted
FROM guideline_history WHERE draw IN ({listed}) GROUP BY guideline_id, guideline
ORDER BY solve_rate DESC NULLS LAST, guideline""",
            chapter="Guidelines",
        )
    ]


def _left_out(comparison: UUID) -> Figure:
    return Figure(
        name="left_out",
        title="Training without a group of guidelines",
        note=(
            "Against regenesis, which keeps all, on as many examples: what leaving the paths of"
            " these guidelines out changed, in points. Only with method without_guidelines."
        ),
        sql=f"""SELECT method AS without, scope, reading, round(value * 100, 2) AS points, round(low * 100, 2) AS low,
    round(high * 100, 2) AS high, p_adjusted
FROM comparison_figures WHERE comparison_id = '{comparison}' AND name = 'difference' AND rates = 'chosen'
    AND against = 'regenesis' AND method LIKE 'without_guidelines:%' AND iteration = {_last(comparison)}
ORDER BY scope, reading DESC, method""",
    )


def _last(comparison: UUID) -> str:
    return f"(SELECT max(iterations) FROM trials WHERE comparison_id = '{comparison}')"
