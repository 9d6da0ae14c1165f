"""What a report shows: each figure with the very SQL that gives it, over the public tables and views.

A figure is a title, a note, SQL and a way to draw the rows; nothing in a report comes from anywhere else.
"""

from storage.records import Round
from tasks.reports.accuracy_figures import accuracies, lengths, noise
from tasks.reports.decision_figures import decision_figures
from tasks.reports.drawing import bar_chart, line_chart
from tasks.reports.figure import Figure
from tasks.reports.text_figures import text_figures


def figures_of(round: Round, challenger_id: str, champion_id: str) -> list[Figure]:
    """Every figure of a round's report, in reading order."""
    return [
        *accuracies(round),
        *lengths(round),
        noise(round),
        *_learning(round),
        *_judges(round),
        *text_figures(round),
        *_changed(round, challenger_id, champion_id),
        *_chains(round),
        *decision_figures(round),
        *_books(round),
    ]


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
