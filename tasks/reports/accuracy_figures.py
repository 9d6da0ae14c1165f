"""The figures of a report that hold models beside each other: accuracy, length, noise, another harness."""

from storage.records import Round
from tasks.reports.drawing import interval_chart, length_chart
from tasks.reports.figure import Figure, order_of_roles

_ROLE = f"{order_of_roles('e.role')}, m.name"


def accuracies(round: Round) -> list[Figure]:
    """Before and after on gate and final questions, each domain and reading apart."""
    named = {"in_domain": "In domain", "out_of_domain": "Out of domain"}
    notes = {
        "strict": "The answer stated as asked. The gate reads these.",
        "lenient": "The answer found anywhere at the end; much of a strict gain can be learning to state it.",
    }
    figures = [
        Figure(
            name=f"accuracy_{domain}_{reading}",
            title=f"{title}, {reading} reading",
            note=notes[reading],
            sql=_accuracy_sql(round, domain, "gate", reading),
            chart=interval_chart,
            chapter="Before and after" if (domain, reading) == ("in_domain", "strict") else "",
        )
        for domain, title in named.items()
        for reading in ("strict", "lenient")
    ]
    final = [
        Figure(
            name=f"final_{domain}",
            title=f"{title}: the final questions",
            note="Read by no decision, only reported; strict and lenient beside each other.",
            sql=_final_sql(round, domain),
        )
        for domain, title in named.items()
    ]
    return [*figures, *final]


def lengths(round: Round) -> list[Figure]:
    """Lengths, endings, several samples, and another harness's reading of the same questions."""

    def figures_sql(wanted: str, columns: str, order: str = "") -> str:
        return f"""SELECT s.domain, s.name AS question_set, {columns}
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = 'gate' AND f.source = 'regenesis' AND f.name IN ({wanted})
ORDER BY s.domain, s.name, {_ROLE}{order}"""

    share = "avg(f.value) FILTER (f.name = '{}' AND f.reading = '{}') AS {}"
    return [
        Figure(
            name="lengths",
            title="Mean length of an answer",
            note="Tokens of the gate answers; 95 % interval over questions.",
            sql=figures_sql("'mean_tokens'", "m.name AS model, e.role, f.value, f.low, f.high"),
            chart=length_chart,
        ),
        Figure(
            name="endings",
            title="Endings and unjudged answers",
            note="Share of gate answers ended by a stop token, and shares that the readings could not judge. Their "
            "intervals are in evaluation_figures.",
            sql=f"""SELECT s.name AS question_set, e.role, {share.format("stopped", "", "stopped")},
    {share.format("unjudged", "strict", "unjudged_strict")}, {share.format("unjudged", "lenient", "unjudged_lenient")}
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id
WHERE e.round_id = '{round.id}' AND e.part = 'gate' AND f.source = 'regenesis'
GROUP BY s.domain, s.name, e.role, e.model_id
ORDER BY s.domain, s.name, {order_of_roles("e.role")}, e.model_id""",
        ),
        Figure(
            name="sampled",
            title="Several sampled answers",
            note="Share right of k sampled gate answers: any of k (pass@k; k = 1 is each alone), the most frequent "
            "(maj@k). Intervals resample questions. None where the round samples once (evaluation.samples).",
            sql=figures_sql(
                "'pass_at_k', 'maj_at_k'",
                "e.role, f.reading, f.name AS figure, f.k, f.questions, f.value, f.low, f.high",
                ", f.reading DESC, figure DESC, f.k",
            ),
        ),
        Figure(
            name="other_harness",
            title="The same questions, asked and judged by another harness",
            note="EleutherAI's lm-evaluation-harness on the same model and questions, with its own chat template, "
            "request and reading of the answer, beside our figure. Run: regenesis evaluate --with lm-eval",
            sql=other_harness_sql(round),
        ),
    ]


def noise(round: Round) -> Figure:
    """What asking twice changes: the floor under every difference above."""
    return Figure(
        name="noise",
        title="Noise floor",
        note="The champion was asked some gate questions twice, the second time in the other order and without cached "
        "prefixes (A/A): what changes without any training. No smaller difference above means anything.",
        sql=f"""SELECT m.name AS model, count(*) AS answers,
    count(*) FILTER (a.text <> b.text) / count(*) AS changed_texts,
    count(*) FILTER (a.strict_verdict <> b.strict_verdict) / count(*) AS changed_verdicts
FROM answers AS a JOIN answers AS b ON b.question_id = a.question_id AND b.model_id = a.model_id AND b.draw = a.draw
    AND b.prompt_id = a.prompt_id AND b.sampling = a.sampling AND a.sample = 0 AND b.sample > 0
JOIN models AS m ON m.id = a.model_id
WHERE a.draw IN (0, {round.number}) AND json_extract(a.sampling, '$.temperature')::DOUBLE = 0
    AND a.model_id IN (SELECT model_id FROM evaluations WHERE round_id = '{round.id}')
GROUP BY m.id, m.name ORDER BY m.name, m.id""",
    )


def other_harness_sql(round: Round) -> str:
    """Our accuracy and another harness's exact match on the same gate questions, reading by reading."""
    return f"""SELECT s.name AS question_set, e.role, f.source, f.reading, f.questions,
    if(f.reading = 'strict', e.strict_correct, e.lenient_correct) / e.questions AS ours, f.value AS theirs,
    f.low, f.high
FROM evaluation_figures AS f JOIN evaluations AS e ON e.id = f.evaluation_id
JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = 'gate' AND f.name = 'exact_match'
ORDER BY s.domain, s.name, {_ROLE}, f.reading DESC"""


def _accuracy_sql(round: Round, domain: str, part: str, reading: str) -> str:
    return f"""SELECT s.name AS question_set, m.name AS model, e.role, e.questions, e.{reading}_correct AS correct,
    e.{reading}_correct / e.questions AS accuracy, e.{reading}_low AS low, e.{reading}_high AS high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = '{part}' AND e.domain = '{domain}'
ORDER BY s.name, {_ROLE}"""


def _final_sql(round: Round, domain: str) -> str:
    return f"""SELECT s.name AS question_set, e.role, e.questions,
    e.strict_correct, e.strict_correct / e.questions AS strict, e.strict_low, e.strict_high,
    e.lenient_correct, e.lenient_correct / e.questions AS lenient, e.lenient_low, e.lenient_high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = 'final' AND e.domain = '{domain}'
ORDER BY s.name, {_ROLE}"""
