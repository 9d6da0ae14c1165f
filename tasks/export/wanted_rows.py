"""Which rows an export holds, with the SQL that gives them: a training set or accepted paths.

Ids leave as text, because not every reader of Parquet knows UUIDs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from storage.environment import Environment
from storage.errors import InputError, PermanentError
from storage.lineage.lineage_tree import find_record
from storage.records import Model, QuestionSet, Round, TrainingSet
from tasks.engines.models.base_models import known_licence
from tasks.rules.cards.data_card import Base, Source

if TYPE_CHECKING:
    from storage.open_store import Store

Kind = Literal["training_set", "paths", "pairs", "judged"]
# a round's own training set; comparisons keep theirs under the name of a method
OWN_METHOD = "regenesis"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Rows that were asked for, before any of them is read."""

    kind: Kind
    title: str
    sql: str
    facts: Mapping[str, object]
    filters: Mapping[str, object]
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])
    system: str = ""
    prefill: str = ""
    """What the assistant's turn began with in training; an exported answer begins with it too."""


def wanted_training_set(store: "Store", prefix: str = "", round: int = 0) -> Wanted:
    """A training set by its id or a beginning of it, or a round's; `round` 0 is the newest."""
    chosen = _named_set(store, prefix) if prefix else _set_of_round(store, round)
    of_round = store.get(Round, chosen.round_id) if chosen.round_id else None
    settings: dict[str, Any] = json.loads(chosen.settings)
    known_settings: dict[str, Any] = json.loads(of_round.settings) if of_round else {}
    system = settings.get("system") or known_settings.get("model", {}).get("system_prompt", "")
    contaminated = len(settings.pop("contaminated", []))
    return Wanted(
        kind="training_set",
        title=f"Training set {str(chosen.id)[:8]}"
        + (f" of round {of_round.number}" if of_round else ""),
        sql=_training_set_sql(chosen.id),
        facts={
            "training set": chosen.id,
            "method": chosen.method,
            "round": of_round.number if of_round else "none",
            "seed": chosen.seed,
            "SHA-256 over its examples": chosen.digest,
            "system message": system or "none",
            "the assistant's turn begins with": settings.get("prefill") or "nothing",
        },
        filters={**settings, "questions_left_out_as_contaminated": contaminated},
        left_out=_left_out(store, chosen.id),
        system=system,
        prefill=settings.get("prefill", ""),
    )


def wanted_paths(store: "Store", round: int = 0) -> Wanted:
    """The accepted paths of a round, or of all rounds.

    Those of comparisons are no round's; they may have been brought from elsewhere.
    """
    rounds = store.select(Round, order_by="number")
    if round and round not in {one.number for one in rounds}:
        raise _no_such_round(rounds, round)
    chosen = [one for one in rounds if round in (0, one.number)]
    return Wanted(
        kind="paths",
        title=f"Accepted paths of round {round}" if round else "Accepted paths of all rounds",
        sql=_paths_sql(round),
        facts={
            "round": round or "all",
            "seed": ", ".join(f"{one.seed} (round {one.number})" for one in chosen) or "none",
        },
        filters={
            "verdict": "correct (a person's, else the newest version's)",
            "round": round or "all",
        },
    )


def wanted_pairs(store: "Store", round: int = 0) -> Wanted:
    """A right and a wrong path of one question, for preference training; each path once."""
    return _wanted_judged(
        store, round, "pairs", "Pairs of a right and a wrong path", _pairs_sql(round)
    )


def wanted_judged(store: "Store", round: int = 0) -> Wanted:
    """Right and wrong paths, each with its label."""
    return _wanted_judged(store, round, "judged", "Right and wrong paths", _judged_sql(round))


def _wanted_judged(store: "Store", round: int, kind: Kind, title: str, sql: str) -> Wanted:
    of_rounds = wanted_paths(store, round)
    return Wanted(
        kind=kind,
        title=f"{title} of {f'round {round}' if round else 'all rounds'}",
        sql=sql,
        facts=of_rounds.facts,
        filters={
            "verdict": (
                "correct or wrong (a person's, else the newest version's); unjudged paths are"
                " left out"
            ),
            "hinted": "left out: the model was shown the answer",
            "finish_reason": "stop: cut texts are left out",
            "part": "train",
            "equal texts of one question and verdict": "once",
            "round": round or "all",
        },
    )


def sources_of(store: "Store", wanted: Wanted) -> list[Source]:
    """The question sets that the rows come from, in order of name."""
    found = store.query(
        f"SELECT question_set_id AS id, count(*) AS rows FROM ({wanted.sql}) GROUP BY ALL"
    )
    counted: dict[str | None, int] = {row["id"]: row["rows"] for row in found.to_pylist()}
    sets = store.select(QuestionSet, id=[UUID(id) for id in counted if id], order_by="name, id")
    if len(sets) < len(counted):
        raise PermanentError(
            f"Each row's question must be in a set of the store; of {len(counted)} sets"
            f" {len(sets)} are there. Run: regenesis storage check"
        )
    return [Source(one, counted[str(one.id)]) for one in sets]


def bases_of(store: "Store", wanted: Wanted, environment: Environment) -> list[Base]:
    """The base models whose weights wrote the paths, alone or under an adapter."""
    written = store.query(
        "SELECT DISTINCT m.base_model_id AS id FROM paths AS p JOIN models AS m ON m.id ="
        f" p.model_id WHERE p.id IN (SELECT path_id::UUID FROM ({wanted.sql}))"
    )["id"].to_pylist()
    bases = store.select(Model, id=written, order_by="name, id")
    return [Base(one, known_licence(one, environment)) for one in bases]


def _named_set(store: "Store", prefix: str) -> TrainingSet:
    found = find_record(store, prefix)
    chosen = store.get(TrainingSet, found.id) if found.table == TrainingSet.table else None
    if chosen is None:
        raise InputError(
            f"--training-set takes the id of a training set; {prefix!r} is in {found.table}. They"
            ' are listed by: regenesis sql "SELECT id, method, examples FROM training_sets"'
        )
    return chosen


def _set_of_round(store: "Store", number: int) -> TrainingSet:
    rounds = {one.id: one for one in store.select(Round, order_by="number")}
    if number and number not in {one.number for one in rounds.values()}:
        raise _no_such_round(list(rounds.values()), number)
    sets = [
        one
        for one in store.select(TrainingSet, order_by="created_at, id")
        if one.round_id in rounds
    ]
    if number:
        sets = [one for one in sets if one.round_id and rounds[one.round_id].number == number]
    if not sets:
        where = f"round {number}" if number else "the store"
        raise InputError(
            f"An export needs a training set; {where} has none yet. Run: regenesis round"
        )
    # a round's own set comes before those of methods that it is compared with
    return max(
        sets, key=lambda one: (_number(rounds, one), one.method == OWN_METHOD, one.created_at)
    )


def _number(rounds: Mapping[UUID, Round], one: TrainingSet) -> int:
    return rounds[one.round_id].number if one.round_id else 0


def _no_such_round(rounds: list[Round], number: int) -> InputError:
    there = ", ".join(str(one.number) for one in rounds) or "none"
    return InputError(
        f"--round takes the number of a round of the store (there: {there}); found {number}."
    )


def _left_out(store: "Store", id: UUID) -> dict[str, int]:
    counted = store.query(
        "SELECT reason, count(*) AS paths FROM selections WHERE training_set_id = ? AND NOT kept"
        " GROUP BY reason ORDER BY paths DESC, reason",
        [id],
    )
    return {row["reason"]: row["paths"] for row in counted.to_pylist()}


def _training_set_sql(id: UUID) -> str:
    return f"""SELECT
    c.training_example_id::VARCHAR AS training_example_id,
    c.training_set_id::VARCHAR AS training_set_id,
    c.path_id::VARCHAR AS path_id,
    c.question_id::VARCHAR AS question_id,
    q.question_set_id::VARCHAR AS question_set_id,
    c.question_set,
    c.source_row_id,
    c.round,
    c.position,
    c.guideline_id::VARCHAR AS guideline_id,
    c.guideline,
    c.strategy,
    c.hinted,
    c.model,
    c.prompt,
    c.completion
FROM training_set_contents AS c
LEFT JOIN questions AS q ON q.id = c.question_id
WHERE c.training_set_id = '{id}'
ORDER BY c.position, c.training_example_id"""


def _paths_sql(round: int) -> str:
    return f"""SELECT
    a.path_id::VARCHAR AS path_id,
    a.question_id::VARCHAR AS question_id,
    q.question_set_id::VARCHAR AS question_set_id,
    a.question_set,
    a.source_row_id,
    a.round,
    a.draw,
    a.guideline_id::VARCHAR AS guideline_id,
    a.guideline,
    a.strategy,
    a.hinted,
    a.closed,
    a.model,
    a.verifier,
    a.extracted,
    q.answer_kind,
    a.reference_answer,
    q.choices,
    a.question,
    a.path
FROM accepted_paths AS a
LEFT JOIN questions AS q ON q.id = a.question_id
WHERE {_of_rounds("a.round", round)}
ORDER BY a.draw, a.path_id"""


def _of_rounds(number: str, round: int) -> str:
    return f"{number} = {round}" if round else f"{number} IS NOT NULL"


def _judged_paths(round: int) -> str:
    """Right and wrong paths that a model wrote unaided and ended itself, with their place."""
    # of equal texts one; `place` pairs the n-th right path of a question with its n-th wrong one
    return f"""WITH judged AS (
    SELECT p.id, p.question_id, p.model_id, p.draw, p.strategy, p.text, r.number AS round,
        v.verdict, v.verifier, v.extracted,
        row_number() OVER (
            PARTITION BY p.question_id, p.model_id, p.draw, v.verdict ORDER BY p.id
        ) AS place
    FROM paths AS p
    JOIN current_verdicts AS v ON v.path_id = p.id AND v.draw = p.draw
    JOIN rounds AS r ON r.id = p.round_id
    WHERE NOT p.hinted AND p.finish_reason = 'stop' AND v.verdict IN ('correct', 'wrong')
        AND {_of_rounds("r.number", round)}
        AND p.id IN (
            SELECT min(id) FROM paths
            GROUP BY question_id, model_id, draw, hinted, finish_reason, text
        )
)"""


def _judged_sql(round: int) -> str:
    return f"""{_judged_paths(round)}
SELECT
    j.id::VARCHAR AS path_id,
    q.id::VARCHAR AS question_id,
    q.question_set_id::VARCHAR AS question_set_id,
    s.name AS question_set,
    q.source_row_id,
    j.round,
    j.draw,
    j.strategy,
    false AS hinted,
    m.name AS model,
    j.verifier,
    j.extracted,
    q.answer_kind,
    q.choices,
    q.text AS question,
    j.text AS path,
    j.verdict = 'correct' AS label
FROM judged AS j
JOIN questions AS q ON q.id = j.question_id AND q.part = 'train'
LEFT JOIN question_sets AS s ON s.id = q.question_set_id
LEFT JOIN models AS m ON m.id = j.model_id
ORDER BY j.draw, j.id"""


def _pairs_sql(round: int) -> str:
    return f"""{_judged_paths(round)}
SELECT
    c.id::VARCHAR AS path_id,
    w.id::VARCHAR AS rejected_path_id,
    q.id::VARCHAR AS question_id,
    q.question_set_id::VARCHAR AS question_set_id,
    s.name AS question_set,
    q.source_row_id,
    c.round,
    c.draw,
    false AS hinted,
    m.name AS model,
    c.extracted,
    w.extracted AS rejected_extracted,
    q.answer_kind,
    q.choices,
    q.text AS question,
    c.text AS chosen,
    w.text AS rejected
FROM judged AS c
JOIN judged AS w
    ON w.question_id = c.question_id AND w.model_id = c.model_id AND w.draw = c.draw
    AND w.place = c.place
    AND w.verdict = 'wrong' AND c.verdict = 'correct'
JOIN questions AS q ON q.id = c.question_id AND q.part = 'train'
LEFT JOIN question_sets AS s ON s.id = q.question_set_id
LEFT JOIN models AS m ON m.id = c.model_id
ORDER BY c.draw, c.id"""
