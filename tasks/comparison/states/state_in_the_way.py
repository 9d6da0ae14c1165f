"""Rows of a stranger's state that would stand in the way of rows of the store's own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from storage.records import RECORD_TYPES, Adapter, Answer, Question, QuestionSet, Record
from storage.store.tables import sql_types
from tasks.comparison.states.state_ids import Rows

if TYPE_CHECKING:
    from storage.open_store import Store

_KINDS: dict[str, type[Record]] = {kind.table: kind for kind in RECORD_TYPES}
_DIFFERS = {
    "status",
    "timings",
    "endpoint",
    "seed",
    "mlflow_run_id",
    "snapshot",
    "precision",
    "location",
    "round_id",
}
"""What may differ where the same thing was made twice, as may times and measured figures."""
_DIFFERS_IN: dict[str, set[str]] = {
    "models": {"name"},
    "adapters": {"name"},
    "comparisons": {"settings"},
    # their ids are hashes of all that matters; what else they hold differs from list to list
    "question_sets": {"mapping", "licence", "citation", "redistributable", "source"},
    "questions": {"source_row_id", "extra"},
    "guidelines": {"name", "position", "in_hinted_retry"},
    "prompts": {"name"},
}
_AT_ONCE = 5_000
InTheWay = Iterator[tuple[str, UUID, str]]
"""Table, id and why, of rows that the store may not take."""


def rows_in_the_way(rows: Rows, store: "Store") -> InTheWay:
    """Those that would be read in place of the store's own, or beside them."""
    yield from _unlike_the_stores(rows, store)
    yield from _of_a_known_name(rows, store)
    yield from _new_in_a_whole_set(rows, store)
    yield from _of_a_rounds_weights(rows, store)
    yield from _answers_for_a_round(rows, store)


def _unlike_the_stores(rows: Rows, store: "Store") -> InTheWay:
    for table, brought in rows.items():
        names = _compared(table)
        known = _known(store, _KINDS[table], [row["id"] for row in brought])
        for row in brought:
            own = known.get(row["id"])
            if own is None:
                continue
            # null where it was written by a version that had no such column
            other = [name for name in names if row[name] not in (None, own[name])]
            if other:
                yield table, row["id"], f"is here with another {other[0]}"
            elif table in ("training_sets", "adapters") and own["round_id"] is not None:
                yield table, row["id"], "is here as a round's"


def _compared(table: str) -> list[str]:
    """The columns that are the same wherever a row is made."""
    left_out = _DIFFERS | _DIFFERS_IN.get(table, set())
    return [
        name
        for name, kind in sql_types(_KINDS[table]).items()
        if name not in left_out and not kind.startswith(("TIMESTAMP", "DOUBLE"))
    ]


def _of_a_known_name(rows: Rows, store: "Store") -> InTheWay:
    """Question sets under the name of another one here: the newest of a name is read."""
    brought = rows.get("question_sets", [])
    own = store.select(QuestionSet, name=[row["name"] for row in brought])
    for row in brought:
        if any(one.name == row["name"] for one in own) and row["id"] not in {o.id for o in own}:
            yield "question_sets", row["id"], f"has the name of another set here, {row['name']!r}"


def _new_in_a_whole_set(rows: Rows, store: "Store") -> InTheWay:
    """A set's questions of draw 0 come in one step: no stranger adds to those of a set here."""
    sets = _known(store, QuestionSet, [row["id"] for row in rows.get("question_sets", [])])
    fixed = [
        row
        for row in rows.get("questions", [])
        if not row["draw"] and row["question_set_id"] in sets
    ]
    known = store.existing(Question, [row["id"] for row in fixed])
    for row in fixed:
        if row["id"] not in known:
            yield "questions", row["id"], "is not in its set here"


def _of_a_rounds_weights(rows: Rows, store: "Store") -> InTheWay:
    places = [row["location"] for row in rows.get("adapters", [])]
    taken = {one.location for one in store.select(Adapter, location=places) if one.round_id}
    for row in rows.get("adapters", []):
        if row["location"] in taken:
            yield "adapters", row["id"], "names the weights of a round here"


def _answers_for_a_round(rows: Rows, store: "Store") -> InTheWay:
    """Answers that a round here would take for its own, as it asks no question twice."""
    rounds = store.query("SELECT champion_model_id, base_model_id FROM rounds").to_pylist()
    models = {one for row in rounds for one in row.values()}
    brought = [
        row for row in rows.get("answers", []) if row["model_id"] in models and not row["draw"]
    ]
    known = store.existing(Answer, [row["id"] for row in brought])
    for row in brought:
        if row["id"] not in known:
            yield "answers", row["id"], "is to a question that rounds here ask of the same model"


def _known(store: "Store", kind: type[Record], ids: list[UUID]) -> dict[UUID, dict[str, Any]]:
    parts = (ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE))
    return {one.id: vars(one) for part in parts for one in store.select(kind, id=part)}
