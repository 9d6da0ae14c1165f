"""What the pages of `regenesis explore` ask: filters in, one SELECT over the public views out.

Each is a statement that a user can copy into `regenesis sql`; what a user or a model wrote enters
only as a quoted literal. Nothing reads a whole table into Python: every list has a limit,
everything else is counted in the database.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast
from uuid import UUID

from storage.views import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.open_store import Store

MOST_ROWS = 200
Solved = Literal["", "unsolved", "only with a hint", "solved"]
Change = Literal["", "fixed", "broken", "both right", "both not right"]
SOLVED: dict[Solved, str] = {
    "": "",
    "unsolved": "correct_paths = 0 AND hinted_correct_paths = 0",
    "only with a hint": "correct_paths = 0 AND hinted_correct_paths > 0",
    "solved": "correct_paths > 0",
}
CHANGES: dict[Change, str] = {
    "": "",
    "fixed": "NOT first_right AND second_right",
    "broken": "first_right AND NOT second_right",
    "both right": "first_right AND second_right",
    "both not right": "NOT first_right AND NOT second_right",
}
Rateable = Literal["the judges differ", "unjudged", "any"]
RATEABLE: dict[Rateable, str] = {
    "the judges differ": "second.verdict <> v.verdict",
    "unjudged": "v.verdict = 'unjudged'",
    "any": "",
}


@dataclass(frozen=True)
class Chosen:
    """The filters that all pages share; None and empty mean all."""

    draw: int | None = None
    question_set: str = ""

    def where(self, *more: str, draw: str = "draw", question_set: str = "question_set") -> str:
        """A WHERE clause of these, on the columns named, and of further conditions; empty where
        there are none.
        """
        conditions = [f"{draw} = {self.draw}"] if draw and self.draw is not None else []
        conditions += [f"{question_set} = {quoted(self.question_set)}"] if self.question_set else []
        conditions += filter(None, more)
        return f"WHERE {' AND '.join(conditions)}\n" if conditions else ""


def rows_of(store: "Store", sql: str) -> "list[Mapping[str, object]]":
    """The rows of one of these statements; the store's file is open only meanwhile."""
    return cast("list[Mapping[str, object]]", store.query(sql).to_pylist())


def rounds_sql() -> str:
    """One row a round, oldest first."""
    return """\
SELECT round, status, outcome, champion, paths, correct_paths, hinted_correct_paths, training_examples,
    generated_tokens, seconds, coalesce(decision, reason) AS why
FROM round_summary
ORDER BY round"""


def accuracies_sql(domain: str) -> str:
    """One row a round and role: strict accuracy on the gate questions of a domain."""
    return f"""\
SELECT r.number AS round, e.role, sum(e.strict_correct) / sum(e.questions) AS accuracy
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE e.part = 'gate' AND e.domain = {quoted(domain)}
GROUP BY ALL ORDER BY e.role, round"""


def guidelines_sql(chosen: Chosen) -> str:
    """One row a guideline, the one with most questions solved by it alone first."""
    view = "guideline_leaderboard" if chosen.draw is None else "guideline_history"
    rows = (
        f"FROM {view}\n{Chosen(chosen.draw).where()}"
        if not chosen.question_set
        else f"FROM ({_in_one_set(chosen)})\n"
    )
    return f"""\
SELECT guideline, attempts, correct, correct / nullif(attempts, 0) AS accuracy, solved, unique_solves,
    hinted_correct, tokens_per_correct AS tokens_for_each_accepted
{rows}ORDER BY unique_solves DESC, correct DESC, guideline"""


def _in_one_set(chosen: Chosen) -> str:
    """The leaderboard of one question set."""
    return f"""
    SELECT
        g.name AS guideline, sum(attempts)::BIGINT AS attempts, sum(correct)::BIGINT AS correct,
        count(*) FILTER (correct > 0) AS solved, count(*) FILTER (correct > 0 AND solvers = 1) AS unique_solves,
        sum(hinted_correct)::BIGINT AS hinted_correct,
        sum(tokens) / nullif(sum(correct) + sum(hinted_correct), 0) AS tokens_per_correct
    FROM (
        SELECT t.*, count(*) FILTER (correct > 0) OVER (PARTITION BY t.draw, t.question_id) AS solvers
        FROM guideline_attempts AS t
        JOIN questions AS q ON q.id = t.question_id
        JOIN question_sets AS s ON s.id = q.question_set_id
        {chosen.where(draw="t.draw", question_set="s.name").strip()}
    ) AS a
    JOIN guidelines AS g ON g.id = a.guideline_id
    GROUP BY g.id, g.name
"""


def rejects_sql(chosen: Chosen) -> str:
    """One row a reason, the commonest first."""
    return f"""\
SELECT reason, explanation, count(*) AS paths
FROM rejections
{chosen.where()}GROUP BY ALL ORDER BY paths DESC, reason"""


def rejected_sql(chosen: Chosen, reason: str, limit: int = 20) -> str:
    """Some paths that were not taken for a reason, with all that tells why."""
    return f"""\
SELECT path_id, round, method, question_set, guideline, question, reference_answer, extracted, path
FROM rejections
{chosen.where(f"reason = {quoted(reason)}")}LIMIT {limit}"""


def questions_sql(chosen: Chosen, part: str = "", solved: Solved = "", contains: str = "") -> str:
    """One row a question and draw, the newest draw first."""
    where = chosen.where(
        f"part = {quoted(part)}" if part else "",
        f"paths + hinted_paths > 0 AND {SOLVED[solved]}" if solved else "",
        f"contains(lower(question), {quoted(contains.lower())})" if contains else "",
    )
    return f"""\
SELECT draw, question_set, part, source_row_id, question, paths, correct_paths, hinted_correct_paths,
    training_examples, answers, correct_answers, question_id
FROM question_history
{where}ORDER BY draw DESC, part DESC, question_set, source_row_id LIMIT {MOST_ROWS}"""


def models_sql() -> str:
    """The models that answered, the newest first."""
    return """\
SELECT m.id, m.name, count(*) AS answers
FROM answers AS a JOIN models AS m ON m.id = a.model_id
GROUP BY ALL ORDER BY max(a.created_at) DESC, m.name"""


def newest_roles_sql() -> str:
    """One row a role that models had in the evaluations of the newest round that has a
    challenger's.
    """
    return """\
SELECT e.role, any_value(e.model_id) AS model_id
FROM evaluations AS e JOIN rounds AS r ON r.id = e.round_id
WHERE r.number = (
    SELECT max(number) FROM rounds JOIN evaluations ON round_id = rounds.id AND role = 'challenger'
)
GROUP BY e.role"""


def changes_sql(first: UUID, second: UUID, chosen: Chosen) -> str:
    """One row a question set and part: how the answers of two models to the same questions differ."""
    return f"""\
SELECT question_set, domain, part, count(*) AS answers, count(*) FILTER (first_right) AS first_right,
    count(*) FILTER (second_right) AS second_right, count(*) FILTER ({CHANGES["fixed"]}) AS fixed,
    count(*) FILTER ({CHANGES["broken"]}) AS broken
FROM ({_pairs(first, second)})
{chosen.where()}GROUP BY ALL ORDER BY domain, question_set, part"""


def pairs_sql(first: UUID, second: UUID, chosen: Chosen, change: Change = "") -> str:
    """One row a question that both models answered, with both answers."""
    return f"""\
SELECT *
FROM ({_pairs(first, second)})
{chosen.where(CHANGES[change])}ORDER BY domain, question_set, source_row_id, sample LIMIT {MOST_ROWS}"""


def _pairs(first: UUID, second: UUID) -> str:
    """Answers of two models to the same question, draw, prompt, sampling and sample, as views
    compare them.
    """
    return f"""
    SELECT
        s.name AS question_set, s.domain, q.part, q.source_row_id, q.text AS question,
        q.answer || coalesce(' or ' || array_to_string(q.other_answers, ' or '), '') AS reference_answer,
        a.draw, a.sample, a.question_id,
        a.strict_verdict = 'correct' AS first_right, b.strict_verdict = 'correct' AS second_right,
        a.text AS first_text, a.strict_extracted AS first_extracted, a.strict_verdict AS first_verdict,
        b.text AS second_text, b.strict_extracted AS second_extracted, b.strict_verdict AS second_verdict
    FROM answers AS a
    JOIN answers AS b ON b.question_id = a.question_id AND b.draw = a.draw AND b.sample = a.sample
        AND b.prompt_id = a.prompt_id AND b.sampling = a.sampling
    JOIN questions AS q ON q.id = a.question_id
    JOIN question_sets AS s ON s.id = q.question_set_id
    WHERE a.model_id = '{first}' AND b.model_id = '{second}'
"""


def to_rate_sql(chosen: Chosen, kind: Rateable, limit: int = 50) -> str:
    """Paths that no person has rated yet: where two judges differ, that no rule could judge, or
    any.
    """
    where = chosen.where(
        "v.verifier <> 'human'", RATEABLE[kind], draw="v.draw", question_set="s.name"
    )
    return f"""\
SELECT v.path_id, v.draw, v.verdict, v.reason, s.name AS question_set
FROM current_verdicts AS v
JOIN paths AS p ON p.id = v.path_id AND p.draw = v.draw
JOIN questions AS q ON q.id = p.question_id
JOIN question_sets AS s ON s.id = q.question_set_id
LEFT JOIN (
    SELECT path_id, arg_max(verdict, created_at) AS verdict FROM verdicts
    {Chosen(chosen.draw).where("verifier = 'second'").strip()} GROUP BY path_id
) AS second ON second.path_id = v.path_id
{where}ORDER BY hash(v.path_id) LIMIT {limit}"""
