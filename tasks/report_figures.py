"""What a report shows: each figure with the very SQL that gives it, over the public tables and views.

A figure is a title, a note, SQL and a way to draw the rows; nothing in a report comes from anywhere else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from storage.records import Round
from tasks.report_drawing import bar_chart, interval_chart, line_chart

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Figure:
    """One figure of a report."""

    name: str
    title: str
    note: str
    sql: str
    chart: Callable[[Rows], str] | None = None
    shape: Literal["table", "cards"] = "table"
    chapter: str = ""
    """Heading that it opens; empty within one."""


def figures_of(round: Round, challenger_id: str, champion_id: str) -> list[Figure]:
    """Every figure of a round's report, in reading order."""
    return [
        *_accuracies(round),
        *_learning(round),
        *_judges(round),
        *_changed(round, challenger_id, champion_id),
        *_chains(round),
        *_books(round),
    ]


def _accuracies(round: Round) -> list[Figure]:
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
    lengths = Figure(
        name="lengths",
        title="Lengths, endings and unjudged answers",
        note="Share of gate answers ended by a stop token, share unjudged by the strict reading, mean tokens.",
        sql=f"""SELECT s.domain, s.name AS question_set, m.name AS model, e.role, e.questions,
    e.stopped / e.questions AS stopped, e.unjudged / e.questions AS unjudged, e.mean_tokens
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = 'gate'
ORDER BY s.domain, s.name, {_ROLE}""",
    )
    return [*figures, *final, lengths, _sampled(round)]


def _sampled(round: Round) -> Figure:
    return Figure(
        name="sampled",
        title="Several sampled answers",
        note="Share right of k sampled gate answers: each alone (pass@1), any (pass@k), the most frequent (maj@k).",
        sql=f"""WITH votes AS (
    SELECT a.model_id, q.question_set_id, a.question_id, a.strict_extracted, count(*) AS answers,
        count(*) FILTER (a.strict_verdict = 'correct') AS correct
    FROM answers AS a JOIN questions AS q ON q.id = a.question_id
    WHERE a.round_id = '{round.id}' AND q.part = 'gate' AND json_extract(a.sampling, '$.temperature')::DOUBLE > 0
    GROUP BY ALL
), by_question AS (
    SELECT model_id, question_set_id, question_id, sum(answers) AS answers, sum(correct) AS correct,
        arg_max(correct > 0, {{stated: strict_extracted IS NOT NULL, n: answers, text: strict_extracted}}) AS majority
    FROM votes GROUP BY ALL
)
SELECT s.domain, s.name AS question_set, m.name AS model, count(*) AS questions, max(b.answers)::BIGINT AS k,
    avg(b.correct / b.answers) AS pass_at_1, avg((b.correct > 0)::INT) AS pass_at_k, avg(b.majority::INT) AS maj_at_k
FROM by_question AS b JOIN question_sets AS s ON s.id = b.question_set_id JOIN models AS m ON m.id = b.model_id
GROUP BY s.domain, s.name, m.id, m.name ORDER BY s.domain, s.name, m.name, m.id""",
    )


_ROLE = "list_position(['base', 'champion', 'challenger'], e.role), m.name"


def _accuracy_sql(round: Round, domain: str, part: str, reading: str) -> str:
    return f"""SELECT s.name AS question_set, m.name AS model, e.role, e.questions, e.{reading}_correct AS correct,
    e.{reading}_correct / e.questions AS accuracy, e.{reading}_low AS low, e.{reading}_high AS high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = '{part}' AND e.domain = '{domain}'
ORDER BY s.name, {_ROLE}"""


def _final_sql(round: Round, domain: str) -> str:
    return f"""SELECT s.name AS question_set, m.name AS model, e.role, e.questions,
    e.strict_correct, e.strict_correct / e.questions AS strict, e.strict_low, e.strict_high,
    e.lenient_correct, e.lenient_correct / e.questions AS lenient, e.lenient_low, e.lenient_high
FROM evaluations AS e JOIN question_sets AS s ON s.id = e.question_set_id JOIN models AS m ON m.id = e.model_id
WHERE e.round_id = '{round.id}' AND e.part = 'final' AND e.domain = '{domain}'
ORDER BY s.name, {_ROLE}"""


def _learning(round: Round) -> list[Figure]:
    def by_round(domain: str, title: str) -> Figure:
        return Figure(
            name=f"rounds_{domain}",
            title=f"{title} by round",
            note="Strict accuracy on each round's own gate questions, all sets together.",
            sql=f"""SELECT r.number AS round, e.role, sum(e.questions)::BIGINT AS questions,
    sum(e.strict_correct) / sum(e.questions) AS accuracy
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE r.line = '{_quoted(round.line)}' AND r.number <= {round.number} AND e.part = 'gate' AND e.domain = '{domain}'
GROUP BY r.number, e.role
ORDER BY r.number, list_position(['base', 'champion', 'challenger'], e.role)""",
            chart=lambda rows: line_chart(rows, "round", "accuracy", "role", percent=True),
        )

    return [
        Figure(
            name="accepted_by_guideline",
            title="Accepted paths by guideline",
            note="Paths without a hint, and of them those whose answer was right.",
            sql=f"""SELECT g.name AS guideline, count(*) AS paths, count(*) FILTER (v.verdict = 'correct') AS accepted
FROM paths AS p JOIN guidelines AS g ON g.id = p.guideline_id
LEFT JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
WHERE p.draw = {round.number} AND NOT p.hinted
GROUP BY g.id, g.name, g.position ORDER BY accepted DESC, g.position, g.id""",
            chart=lambda rows: bar_chart(rows, "guideline", "paths", "accepted"),
            chapter="What it wrote and learnt from",
        ),
        Figure(
            name="rejects_by_reason",
            title="Why paths were not selected",
            note="Every path that is in no training set of this round has a reason.",
            sql=f"""SELECT s.reason, count(*) AS paths
FROM selections AS s JOIN training_sets AS t ON t.id = s.training_set_id
WHERE t.round_id = '{round.id}' AND NOT s.kept
GROUP BY s.reason ORDER BY paths DESC, s.reason""",
            chart=lambda rows: bar_chart(rows, "reason", "paths"),
        ),
        Figure(
            name="training_sets",
            title="Training sets",
            note="What the challenger was trained on, and how much of it came from hinted paths.",
            sql=f"""SELECT method, examples, hinted_examples, seed, left(digest, 12) AS digest
FROM training_sets WHERE round_id = '{round.id}' ORDER BY created_at, id""",
        ),
        Figure(
            name="loss_curve",
            title="Loss curve",
            note="Training loss of each logged step.",
            sql=f"""SELECT name AS adapter, generate_subscripts(losses, 1) AS step, unnest(losses) AS loss
FROM adapters WHERE round_id = '{round.id}' ORDER BY created_at, id, step""",
            chart=lambda rows: line_chart(rows, "step", "loss"),
        ),
        by_round("in_domain", "In-domain accuracy"),
        by_round("out_of_domain", "Out-of-domain accuracy"),
    ]


def _judges(round: Round) -> list[Figure]:
    return [
        Figure(
            name="judge_confusion",
            title="A second judge",
            note="Written apart from the first. It reads every case on which judges tend to differ (prone) and a "
            "random sample of the others; a person decides: regenesis audit.",
            sql=f"""SELECT chosen, first_verdict, second_verdict, paths, human_correct, human_wrong
FROM judge_confusion WHERE draw = {round.number} ORDER BY ALL""",
            chapter="Can the verdicts be trusted",
        ),
        Figure(
            name="judge_rates",
            title="Estimated error rates of the first judge",
            note="Over the random sample alone, the second judge taken for the truth, which it is not: an upper bound "
            "where it errs. A false accept is a path called correct that is not.",
            sql=f"""SELECT sum(paths) FILTER (first_verdict = 'correct')::BIGINT AS called_correct,
    sum(paths) FILTER (first_verdict = 'correct' AND second_verdict = 'wrong')::BIGINT AS of_them_second_says_wrong,
    sum(paths) FILTER (first_verdict = 'wrong')::BIGINT AS called_wrong,
    sum(paths) FILTER (first_verdict = 'wrong' AND second_verdict = 'correct')::BIGINT AS of_them_second_says_correct
FROM judge_confusion WHERE draw = {round.number} AND chosen = 'sampled' HAVING count(*) > 0""",
        ),
        Figure(
            name="majority_votes",
            title="What a majority vote would be worth",
            note="The vote of each question's free paths held against its reference: how many it decides, and how many "
            "of those rightly, by the winner's share. Sampling stopped early where it succeeded.",
            sql=f"""SELECT floor(share * 4) / 4 AS share_from, count(*) AS questions, count(winner) AS decided,
    count(*) FILTER (winner_is_right) AS right, count(*) FILTER (winner_is_right) / nullif(count(winner), 0) AS accuracy
FROM majority_votes WHERE draw = {round.number} GROUP BY share_from ORDER BY share_from""",
        ),
    ]


def _changed(round: Round, challenger_id: str, champion_id: str) -> list[Figure]:
    if not challenger_id:
        return []
    pair = f"before_model_id = '{champion_id}' AND after_model_id = '{challenger_id}'"
    ours = f"{pair} AND part = 'gate' AND sample = 0 AND draw IN (0, {round.number})"
    counts = " UNION ALL ".join(
        f"SELECT '{change}' AS change, domain, question_set, count(*) AS questions\n"
        f"FROM answers_{change} WHERE {ours} GROUP BY ALL"
        for change in ("fixed", "broken")
    )
    figures = [
        Figure(
            name="changes",
            title="Fixed and broken questions",
            note="Gate questions that the champion answered wrongly and the challenger rightly, and the reverse.",
            sql=f"SELECT * FROM ({counts})\nORDER BY change DESC, domain, question_set",
            chapter="Questions that changed",
        )
    ]
    for change, title in (("fixed", "Some fixed questions"), ("broken", "Some broken questions")):
        figures.append(
            Figure(
                name=f"{change}_questions",
                title=title,
                note="Both answers in full.",
                sql=f"""SELECT question_set, question, reference_answer, before_answer, after_answer
FROM answers_{change} WHERE {ours} ORDER BY md5(question_id::VARCHAR), after_answer_id LIMIT 6""",
                shape="cards",
            )
        )
    return figures


def _chains(round: Round) -> list[Figure]:
    def some(name: str, title: str, condition: str, limit: int) -> Figure:
        return Figure(
            name=name,
            title=title,
            note="From the question to the verdict, as the model wrote it.",
            sql=f"""SELECT question_set, question, reference_answer, guideline, adapted_guideline, structure, path,
    coalesce(verdict, 'not judged') || ' (' || coalesce(reason, '') || ')' AS verdict, hinted
FROM lineage WHERE draw = {round.number} AND {condition}
ORDER BY md5(path_id::VARCHAR) LIMIT {limit}""",
            shape="cards",
            chapter="Whole chains to read" if name == "accepted_chains" else "",
        )

    return [
        some("accepted_chains", "Accepted", "verdict = 'correct' AND NOT hinted", 4),
        some("refused_chains", "Refused", "coalesce(verdict, '') <> 'correct'", 4),
        some("hinted_chains", "Accepted after a hint", "verdict = 'correct' AND hinted", 2),
    ]


def _books(round: Round) -> list[Figure]:
    return [
        Figure(
            name="decision",
            title="Decisions",
            note="The gate's, and people's, with every figure the rule used.",
            sql=f"""SELECT p.outcome, p.decided_by, p.state, m.name AS challenger, c.name AS champion_before,
    p.tests_so_far, p.reasons, p.statistics
FROM promotions AS p JOIN models AS m ON m.id = p.challenger_model_id JOIN models AS c ON c.id = p.champion_model_id
WHERE p.round_id = '{round.id}' ORDER BY p.created_at, p.id""",
            shape="cards",
            chapter="The decision in figures",
        ),
        Figure(
            name="noise",
            title="Noise floor",
            note="Greedy answers asked for twice (A/A): what changes without any training. Empty where it was not run.",
            sql=f"""SELECT m.name AS model, count(*) AS answers,
    count(*) FILTER (a.text <> b.text) / count(*) AS changed_texts,
    count(*) FILTER (a.strict_verdict <> b.strict_verdict) / count(*) AS changed_verdicts
FROM answers AS a JOIN answers AS b ON b.question_id = a.question_id AND b.model_id = a.model_id AND b.draw = a.draw
    AND b.prompt_id = a.prompt_id AND b.sampling = a.sampling AND a.sample = 0 AND b.sample = 1
JOIN models AS m ON m.id = a.model_id
WHERE b.round_id = '{round.id}' AND json_extract(a.sampling, '$.temperature')::DOUBLE = 0
GROUP BY m.id, m.name ORDER BY m.name, m.id""",
        ),
        Figure(
            name="timings",
            title="Where the time went",
            note="Seconds by what they went into.",
            sql=f"""SELECT key AS phase, value::DOUBLE AS seconds
FROM rounds, json_each(rounds.timings, '$.seconds') WHERE rounds.id = '{round.id}' ORDER BY seconds DESC, phase""",
            chart=lambda rows: bar_chart(rows, "phase", "seconds"),
            chapter="Time and rates",
        ),
        Figure(
            name="cost",
            title="The round against its engine's raw rate",
            note="Generation alone would take the generated tokens at the raw rate: one full batch, nothing beside it. "
            "times_the_least is the time without engine starts over generation and training alone.",
            sql=cost_sql(round),
            shape="cards",
        ),
        Figure(
            name="rates",
            title="Tokens, rates and totals",
            note="As the round noted them; raw_tokens_per_second is the engine's own rate.",
            sql=f"""SELECT key AS figure, value::DOUBLE AS value
FROM rounds, json_each(rounds.timings) WHERE rounds.id = '{round.id}' AND type NOT IN ('OBJECT', 'VARCHAR', 'ARRAY')
ORDER BY figure""",
        ),
        Figure(
            name="failed_requests",
            title="Requests that failed",
            note="What no retry could mend; kept so that nothing vanishes.",
            sql=f"""SELECT stage, reason, count(*) AS requests
FROM failed_requests WHERE round_id = '{round.id}' GROUP BY stage, reason ORDER BY requests DESC, stage, reason""",
        ),
    ]


def cost_sql(round: Round) -> str:
    """One row: the round's time against what its tokens and training take alone; none without a raw rate."""
    return f"""WITH generated AS (
    SELECT completion_tokens, round_id FROM adapted_guidelines
    UNION ALL SELECT completion_tokens, round_id FROM structures
    UNION ALL SELECT completion_tokens, round_id FROM paths
    UNION ALL SELECT completion_tokens, round_id FROM answers
), noted AS (
    SELECT json_extract(timings, '$.raw_tokens_per_second')::DOUBLE AS raw_tokens_per_second,
        (SELECT sum(completion_tokens)::BIGINT FROM generated WHERE round_id = '{round.id}') AS generated_tokens,
        json_extract(timings, '$.seconds.training')::DOUBLE AS training_seconds,
        json_extract(timings, '$.engine_starts')::INTEGER AS engine_starts,
        json_extract(timings, '$.engine_start_seconds')::DOUBLE AS engine_start_seconds,
        json_extract(timings, '$.total_seconds')::DOUBLE AS total_seconds
    FROM rounds WHERE id = '{round.id}'
), alone AS (
    SELECT *, generated_tokens / nullif(raw_tokens_per_second, 0) AS generation_seconds_alone FROM noted
)
SELECT *, (total_seconds - engine_start_seconds) / (generation_seconds_alone + training_seconds) AS times_the_least
FROM alone WHERE raw_tokens_per_second > 0"""


def _quoted(text: str) -> str:
    return text.replace("'", "''")
