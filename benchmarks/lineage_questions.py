# ruff: noqa: E501
"""What benchmarks/storage.py asks.

Each view for one round, and beside it the same question by hand on the bare tables.

By hand, what the store holds is known: which tables a question needs, that `draw` narrows each, and
that of a path judged twice the newest verdict counts. Both give the same rows, which is checked.
"""

_NEWEST = (
    "(SELECT path_id, arg_max(verdict, created_at) AS verdict, arg_max(reason, created_at) AS reason FROM verdicts"
    " WHERE draw = 3 GROUP BY path_id)"
)
_NEWEST_OF_ALL = "(SELECT path_id, draw, arg_max(verdict, created_at) AS verdict FROM verdicts GROUP BY path_id, draw)"
_ANSWERS = (
    "SELECT count(*), min(q.text), min(b.text), min(a.text) FROM answers b JOIN answers a ON a.question_id = b.question_id"
    " AND a.draw = 3 AND a.sample = b.sample AND a.prompt_id = b.prompt_id AND a.sampling = b.sampling"
    " AND a.model_id <> b.model_id AND {} JOIN questions q ON q.id = b.question_id AND q.draw = 3 WHERE b.draw = 3"
)
_ROUND = "(SELECT id FROM rounds WHERE number = 3)"
_SET = "(SELECT id FROM training_sets WHERE round_id IN (SELECT id FROM rounds WHERE number = 3))"


def _leaderboard(columns: str, verdicts: str, where: str) -> str:
    return (
        f"SELECT {columns}guideline_id, sum(a)::BIGINT, sum(c)::BIGINT, count(*) FILTER (c > 0), count(*) FILTER (c > 0 AND n = 1),"
        " sum(t)::BIGINT FROM (SELECT *, count(*) FILTER (c > 0) OVER (PARTITION BY draw, question_id) AS n FROM ("
        "SELECT p.guideline_id, p.draw, p.question_id, count(*) FILTER (NOT hinted) AS a,"
        " count(*) FILTER (NOT hinted AND v.verdict = 'correct') AS c, sum(completion_tokens) AS t"
        f" FROM paths p JOIN {verdicts} v ON v.path_id = p.id {where} GROUP BY ALL)) GROUP BY ALL"
    )


# Name: the view's query, the query by hand.
ONE_ROUND: dict[str, tuple[str, str]] = {
    "current_verdicts": (
        "SELECT verdict, reason, count(*) FROM current_verdicts WHERE draw = 3 GROUP BY ALL",
        f"SELECT verdict, reason, count(*) FROM {_NEWEST} GROUP BY ALL",
    ),
    "lineage": (
        "SELECT guideline, verdict, count(*), sum(chain_tokens)::BIGINT, min(question), max(len(trained_models)) FROM lineage WHERE draw = 3 GROUP BY ALL",
        (
            "SELECT g.name, v.verdict, count(*), sum(p.completion_tokens + s.completion_tokens + a.completion_tokens)::BIGINT, min(q.text), max(coalesce(t.models, 0))"
            " FROM paths p JOIN structures s ON s.id = p.structure_id AND s.draw = 3 JOIN adapted_guidelines a ON a.id = p.adapted_guideline_id AND a.draw = 3"
            f" JOIN {_NEWEST} v ON v.path_id = p.id JOIN questions q ON q.id = p.question_id JOIN guidelines g ON g.id = p.guideline_id"
            " LEFT JOIN (SELECT path_id, count(*) AS models FROM training_examples e JOIN adapters d ON d.training_set_id = e.training_set_id JOIN models m ON m.adapter_id = d.id GROUP BY 1) t"
            " ON t.path_id = p.id WHERE p.draw = 3 GROUP BY ALL"
        ),
    ),
    "accepted_paths": (
        "SELECT question_set, guideline, count(*), min(path) FROM accepted_paths WHERE draw = 3 GROUP BY ALL",
        (
            f"SELECT qs.name, g.name, count(*), min(p.text) FROM paths p JOIN {_NEWEST} v ON v.path_id = p.id AND v.verdict = 'correct'"
            " JOIN questions q ON q.id = p.question_id JOIN question_sets qs ON qs.id = q.question_set_id JOIN guidelines g ON g.id = p.guideline_id WHERE p.draw = 3 GROUP BY ALL"
        ),
    ),
    "rejections": (
        "SELECT guideline, reason, count(*), min(path) FROM rejections WHERE draw = 3 GROUP BY ALL",
        (
            "SELECT g.name, s.reason, count(*), min(p.text) FROM selections s JOIN paths p ON p.id = s.path_id AND p.draw = 3"
            " JOIN guidelines g ON g.id = p.guideline_id WHERE s.draw = 3 AND NOT s.kept GROUP BY ALL"
        ),
    ),
    "question_history": (
        "SELECT count(*), sum(paths)::BIGINT, sum(correct_paths)::BIGINT, sum(training_examples)::BIGINT, min(question) FROM question_history WHERE draw = 3 AND paths > 0",
        (
            "SELECT count(*), sum(n)::BIGINT, sum(c)::BIGINT, sum(t)::BIGINT, min(q.text) FROM (SELECT p.question_id, count(*) FILTER (NOT hinted) AS n, count(*) FILTER (v.verdict = 'correct' AND NOT hinted) AS c, count(e.path_id) AS t"
            f" FROM paths p JOIN {_NEWEST} v ON v.path_id = p.id LEFT JOIN training_examples e ON e.path_id = p.id WHERE p.draw = 3 GROUP BY 1) w JOIN questions q ON q.id = w.question_id WHERE n > 0"
        ),
    ),
    "guideline_attempts": (
        "SELECT guideline_id, count(*), sum(attempts)::BIGINT, sum(correct)::BIGINT FROM guideline_attempts WHERE draw = 3 GROUP BY ALL",
        (
            "SELECT guideline_id, count(*), sum(a)::BIGINT, sum(c)::BIGINT FROM (SELECT p.guideline_id, p.question_id, count(*) FILTER (NOT hinted) AS a,"
            f" count(*) FILTER (NOT hinted AND v.verdict = 'correct') AS c FROM paths p JOIN {_NEWEST} v ON v.path_id = p.id WHERE p.draw = 3 GROUP BY ALL) GROUP BY 1"
        ),
    ),
    "guideline_history": (
        "SELECT draw, guideline_id, attempts, correct, solved, unique_solves, tokens FROM guideline_history WHERE draw = 3",
        _leaderboard("draw, ", _NEWEST, "WHERE p.draw = 3"),
    ),
    "round_summary": (
        "SELECT round, questions, paths, correct_paths, generated_tokens, training_sets, in_domain_before, in_domain_after FROM round_summary WHERE round = 3",
        (
            f"SELECT 3, count(DISTINCT question_id), count(*), count(*) FILTER (v.verdict = 'correct'), (sum(completion_tokens) + (SELECT sum(completion_tokens) FROM structures WHERE draw = 3 AND round_id = {_ROUND})"
            f" + (SELECT sum(completion_tokens) FROM adapted_guidelines WHERE draw = 3 AND round_id = {_ROUND}) + (SELECT sum(completion_tokens) FROM answers WHERE draw = 3 AND round_id = {_ROUND}))::BIGINT,"
            f" (SELECT count(*) FROM training_sets WHERE round_id = {_ROUND}), (SELECT sum(strict_correct) / sum(questions) FROM evaluations WHERE round_id = {_ROUND} AND role = 'base'),"
            f" (SELECT sum(strict_correct) / sum(questions) FROM evaluations WHERE round_id = {_ROUND} AND role = 'challenger')"
            f" FROM paths p JOIN {_NEWEST} v ON v.path_id = p.id WHERE p.draw = 3 AND p.round_id = {_ROUND}"
        ),
    ),
    "token_costs": (
        "SELECT stage, texts, completion_tokens FROM token_costs WHERE round = 3 AND stage <> 'answer'",
        " UNION ALL ".join(
            f"SELECT '{stage}', count(*), sum(completion_tokens)::BIGINT FROM {table} WHERE draw = 3 AND round_id = {_ROUND}"
            for stage, table in (
                ("adapted_guideline", "adapted_guidelines"),
                ("structure", "structures"),
                ("path", "paths"),
            )
        ),
    ),
    "hint_share": (
        "SELECT examples, hinted_examples FROM hint_share WHERE round = 3",
        f"SELECT count(*), count(*) FILTER (p.hinted) FROM training_examples e JOIN paths p ON p.id = e.path_id AND p.draw = 3 WHERE e.training_set_id = {_SET}",
    ),
    "training_set_contents": (
        "SELECT guideline, count(*), min(completion) FROM training_set_contents WHERE round = 3 GROUP BY ALL",
        f"SELECT g.name, count(*), min(e.completion) FROM training_examples e JOIN paths p ON p.id = e.path_id AND p.draw = 3 JOIN guidelines g ON g.id = p.guideline_id WHERE e.training_set_id = {_SET} GROUP BY ALL",
    ),
    "model_lineage": (
        "SELECT guideline, examples, hinted_examples, questions FROM model_lineage WHERE model = 'base+round3' AND round = 3",
        f"SELECT g.name, count(*), count(*) FILTER (p.hinted), count(DISTINCT e.question_id) FROM training_examples e JOIN paths p ON p.id = e.path_id AND p.draw = 3 JOIN guidelines g ON g.id = p.guideline_id WHERE e.training_set_id = {_SET} GROUP BY ALL",
    ),
    "answers_fixed": (
        "SELECT count(*), min(question), min(before_answer), min(after_answer) FROM answers_fixed WHERE draw = 3",
        _ANSWERS.format("b.strict_verdict <> 'correct' AND a.strict_verdict = 'correct'"),
    ),
    "answers_broken": (
        "SELECT count(*), min(question), min(before_answer), min(after_answer) FROM answers_broken WHERE draw = 3",
        _ANSWERS.format("b.strict_verdict = 'correct' AND a.strict_verdict <> 'correct'"),
    ),
    "lineage_links": (
        "SELECT child_table, count(*) FROM lineage_links WHERE parent_table = 'rounds' AND parent_id = (SELECT id FROM rounds WHERE number = 3) GROUP BY ALL",
        " UNION ALL ".join(
            f"SELECT '{table}', count(*) FROM {table} WHERE round_id = {_ROUND} HAVING count(*) > 0"
            for table in (
                "adapted_guidelines",
                "structures",
                "paths",
                "answers",
                "training_sets",
                "adapters",
                "evaluations",
                "promotions",
            )
        ),
    ),
}

EVERYTHING: dict[str, tuple[str, str]] = {
    "guideline_leaderboard": (
        "SELECT guideline_id, attempts, correct, solved, unique_solves, tokens FROM guideline_leaderboard",
        _leaderboard("", _NEWEST_OF_ALL, "AND v.draw = p.draw"),
    ),
}

# By hand, one path's lineage: the row, then what is near it, each narrowed by its draw.
LINEAGE_BY_HAND: tuple[str, ...] = (
    "SELECT s.*, a.*, g.* FROM structures s JOIN adapted_guidelines a ON a.id = $adapted AND a.draw = $draw JOIN guidelines g ON g.id = a.guideline_id WHERE s.id = $structure AND s.draw = $draw",
    "SELECT q.*, qs.* FROM questions q JOIN question_sets qs ON qs.id = q.question_set_id WHERE q.id = $question",
    "SELECT * FROM verdicts WHERE path_id = $path AND draw = $draw",
    "SELECT * FROM selections WHERE path_id = $path AND draw = $draw",
    (
        "SELECT e.*, t.*, d.*, m.*, v.*, o.* FROM training_examples e JOIN training_sets t ON t.id = e.training_set_id LEFT JOIN adapters d ON d.training_set_id = t.id"
        " LEFT JOIN models m ON m.adapter_id = d.id LEFT JOIN evaluations v ON v.model_id = m.id LEFT JOIN promotions o ON o.challenger_model_id = m.id WHERE e.path_id = $path"
    ),
)
PATH_BY_HAND = "SELECT id AS path, draw, structure_id AS structure, adapted_guideline_id AS adapted, question_id AS question, text FROM paths WHERE id = ?"
