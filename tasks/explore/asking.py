"""What the pages of `regenesis explore` ask: filters in, one SELECT over the public views out.

Each is a statement that a user can copy into `regenesis sql`; what a user or a model wrote enters
only as a quoted literal. Nothing reads a whole table into Python: every list has a limit,
everything else is counted in the database.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast
from uuid import UUID

from storage.views import quoted
from tasks.reports.figure import Sql, statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.open_store import Store

# rows of a list: more is for `regenesis sql`, and a page of them would load slowly
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

    def where(self, *more: str, draw: str = "draw", question_set: str = "question_set") -> Sql:
        """A WHERE clause of these on the named columns and further conditions, or empty."""
        conditions = [f"{draw} = {self.draw}"] if draw and self.draw is not None else []
        conditions += [f"{question_set} = {quoted(self.question_set)}"] if self.question_set else []
        conditions += filter(None, more)
        return Sql(f"WHERE {' AND '.join(conditions)}" if conditions else "")


def rows_of(store: "Store", sql: str) -> "list[Mapping[str, object]]":
    """The rows of one of these statements; the store's file is open only meanwhile."""
    return cast("list[Mapping[str, object]]", store.query(sql).to_pylist())


def rounds_sql() -> str:
    """One row per round, the oldest first."""
    return _statement("rounds")


def accuracies_sql(domain: str) -> str:
    """One row per round and role: strict accuracy on the gate questions of a domain."""
    return _statement("accuracies", domain=domain)


def guidelines_sql(chosen: Chosen) -> str:
    """One row per guideline; the one with most questions solved by it alone is first."""
    if chosen.question_set:
        where = chosen.where(draw="t.draw", question_set="s.name")
        rows = _statement("guidelines_of_one_set", where=where)
        return _statement("guidelines", guidelines=Sql(f"(\n{rows}\n)"), where=Sql())
    view = Sql("guideline_leaderboard" if chosen.draw is None else "guideline_history")
    return _statement("guidelines", guidelines=view, where=chosen.where())


def rejects_sql(chosen: Chosen) -> str:
    """One row per reason, the commonest first."""
    return _statement("rejects", where=chosen.where())


def rejected_sql(chosen: Chosen, reason: str, limit: int = 20) -> str:
    """Some paths that were not taken for a reason, with all that tells why."""
    return _statement("rejected", where=chosen.where(f"reason = {quoted(reason)}"), limit=limit)


def questions_sql(chosen: Chosen, part: str = "", solved: Solved = "", contains: str = "") -> str:
    """One row per question and draw, the newest draw first."""
    where = chosen.where(
        f"part = {quoted(part)}" if part else "",
        f"paths + hinted_paths > 0 AND {SOLVED[solved]}" if solved else "",
        f"contains(lower(question), {quoted(contains.lower())})" if contains else "",
    )
    return _statement("questions", where=where, limit=MOST_ROWS)


def models_sql() -> str:
    """The models that answered, the newest first."""
    return _statement("models")


def newest_roles_sql() -> str:
    """One row per role of models in the newest round with a challenger's evaluation."""
    return _statement("newest_roles")


def changes_sql(first: UUID, second: UUID, chosen: Chosen) -> str:
    """One row per question set and part: how two models' answers to the same questions differ."""
    fixed, broken = Sql(CHANGES["fixed"]), Sql(CHANGES["broken"])
    pairs = _pairs(first, second)
    return _statement("changes", pairs=pairs, where=chosen.where(), fixed=fixed, broken=broken)


def pairs_sql(first: UUID, second: UUID, chosen: Chosen, change: Change = "") -> str:
    """One row per question that both models answered, with both answers."""
    where = chosen.where(CHANGES[change])
    return _statement("pairs", pairs=_pairs(first, second), where=where, limit=MOST_ROWS)


def _pairs(first: UUID, second: UUID) -> Sql:
    """Answers of two models to the same request, as the views compare them.

    Question, draw, prompt, sampling and sample are equal.
    """
    rows = _statement("pairs_of_answers", first=first, second=second)
    return Sql(f"\n{rows}\n")


def to_rate_sql(chosen: Chosen, kind: Rateable, limit: int = 50) -> str:
    """Paths that no person has rated: those in dispute, unjudged ones, or any."""
    where = chosen.where(
        "v.verifier <> 'human'", RATEABLE[kind], draw="v.draw", question_set="s.name"
    )
    second = Chosen(chosen.draw).where("verifier = 'second'")
    return _statement("to_rate", of_second_judge=second, where=where, limit=limit)


def _statement(name: str, **values: object) -> str:
    return statement("tasks.explore", name, **values)
