"""What a comparison's state may hold: rows of that comparison alone, under ids of their content.

A state is somebody else's file: a promotion in it would make a champion here, an adapter's place
be read as ours, and a row under the id of one of ours be read instead.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from storage.errors import InputError
from storage.records import Model
from tasks.comparison.pool import FIRST_DRAW
from tasks.comparison.states.state_ids import Rows, rows_under_another_id
from tasks.comparison.states.state_in_the_way import rows_in_the_way
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store

OF_ITS_DRAWS = ("adapted_guidelines", "structures", "paths", "verdicts", "failed_requests", "pools")
TABLES = (
    "question_sets",
    "questions",
    "guidelines",
    "prompts",
    "models",
    *OF_ITS_DRAWS,
    "selections",
    "training_examples",
    "training_sets",
    "adapters",
    "answers",
    "evaluations",
    "evaluation_figures",
    "comparisons",
    "trials",
    "comparison_figures",
)
"""All that travels; `state._which` says which of their rows."""
# such as adapters/0f3c...9a (32 hexadecimal digits): below the home, and no way out of it
_LOCATION = re.compile(r"adapters/[0-9a-f]{32}")
Found = Iterator[tuple[str, str, object]]
"""Table, column and value of what should not be there."""


def check_rows(rows: Rows, comparison: str, base: Model, store: "Store") -> None:
    """Raises InputError at the first row that is none of this comparison's, or not what it says.

    `base` is this machine's base model. No row may stand in the way of one of the store's own.
    """
    for table in rows:
        if table not in TABLES:
            raise InputError(
                f"A comparison's state holds no {table}; found some. Take a state that --export"
                " wrote."
            )
    _check_comparison(rows, comparison, base)
    for table, column, value in _strangers(rows, comparison):
        raise InputError(
            f"A comparison's state holds rows of comparison {comparison} alone; found {column}"
            f" {str(value)[:80]!r} in {table}. Nothing was taken. Take a state that --export wrote."
        )
    for table, identity in rows_under_another_id(rows, base):
        raise InputError(
            f"A row's id is the hash of what it holds; in {table}, {identity} is not that of its"
            " row. Nothing was taken. Take a state that --export wrote."
        )
    for table, identity, what in rows_in_the_way(rows, store):
        raise InputError(
            f"A comparison's state changes nothing of this store's own; {identity} of {table}"
            f" {what}. Nothing was taken. Bring the state into a home of its own (--home)."
        )


def _check_comparison(rows: Rows, comparison: str, base: Model) -> None:
    """Whether its row is there, is of this base model, and can be gone on with."""
    found = [row for row in rows.get("comparisons", []) if str(row["id"]) == comparison]
    if not found:
        raise InputError(
            f"A comparison's state holds rows of comparison {comparison} alone; it lacks that"
            " comparison's own. Nothing was taken. Take a state that --export wrote."
        )
    [row] = found
    if row["base_model_id"] != base.id:
        raise InputError(
            f"The comparison {row['name'][:80]!r} is of the base model {row['base_model_id']}; the"
            f" settings name {base.name!r} ({base.id}). Name its model in the settings."
        )
    try:
        Settings.model_validate_json(row["settings"])
        readable = isinstance(json.loads(row["timings"]), dict)
    except (ValueError, RecursionError):
        readable = False
    if not readable:
        raise InputError(
            f"The comparison {row['name'][:80]!r} must have settings and timings that this version"
            " can read; found others. Nothing was taken. Take a state that --export wrote."
        )


def _strangers(rows: Rows, comparison: str) -> Found:
    yield from _of_another(rows, comparison)
    yield from _of_other_draws(rows)
    yield from _unasked(rows)
    yield from _untaught(rows)
    for table, found in rows.items():
        yield from ((table, "round_id", row["round_id"]) for row in found if row.get("round_id"))
    for row in rows.get("adapters", []):
        place = row["location"]
        # the folder of its own digest: not that of other weights that lie here
        if not _LOCATION.fullmatch(place) or place != f"adapters/{row['digest'][:32]}":
            yield "adapters", "location", place


def _of_another(rows: Rows, comparison: str) -> Found:
    """What belongs to nothing that came with it."""

    def of(table: str, column: str) -> list[Any]:
        return [row[column] for row in rows.get(table, [])]

    def outside(table: str, column: str, allowed: Iterable[object]) -> Found:
        known = set(allowed)
        yield from ((table, column, value) for value in of(table, column) if value not in known)

    this, models = [_uuid(comparison)], of("trials", "model_id")
    yield from outside("comparisons", "id", this)
    yield from outside("trials", "comparison_id", this)
    yield from outside("comparison_figures", "comparison_id", this)
    yield from outside("questions", "question_set_id", of("question_sets", "id"))
    for table, column in (("training_sets", "training_set_id"), ("adapters", "adapter_id")):
        yield from outside(table, "id", of("trials", column))
        # what a trial names comes with it: it may not stand for something of the store
        yield from outside("trials", column, [None, *of(table, "id")])
    yield from outside("trials", "model_id", of("models", "id"))
    yield from outside("selections", "training_set_id", of("trials", "training_set_id"))
    yield from outside("selections", "path_id", of("paths", "id"))
    yield from outside("verdicts", "path_id", of("paths", "id"))
    yield from outside("adapters", "training_set_id", of("training_sets", "id"))
    yield from outside("adapters", "base_model_id", of("comparisons", "base_model_id"))
    yield from outside(
        "models", "id", [*models, *of("paths", "model_id"), *of("pools", "model_id")]
    )
    yield from outside("answers", "model_id", models)
    yield from outside("answers", "question_id", of("questions", "id"))
    yield from outside("evaluations", "model_id", models)
    yield from outside("evaluations", "question_set_id", of("question_sets", "id"))
    yield from outside("evaluation_figures", "evaluation_id", of("evaluations", "id"))


def _of_other_draws(rows: Rows) -> Found:
    """What has the draw of a round: a comparison's draws are far above them."""
    for table in OF_ITS_DRAWS:
        yield from (
            (table, "draw", row["draw"]) for row in rows.get(table, []) if row["draw"] < FIRST_DRAW
        )
    for table in ("questions", "answers", "evaluations"):
        yield from (
            (table, "draw", row["draw"])
            for row in rows.get(table, [])
            if row["draw"] and row["draw"] < FIRST_DRAW
        )


def _unasked(rows: Rows) -> Found:
    """Questions drawn for a set that is read from a file: all of its questions have draw 0."""
    fixed = {
        row["id"]
        for row in rows.get("question_sets", [])
        if not row["source"].startswith("procedural:")
    }
    for row in rows.get("questions", []):
        if row["draw"] and row["question_set_id"] in fixed:
            yield "questions", "draw", row["draw"]


def _untaught(rows: Rows) -> Found:
    """Training examples that their set did not choose."""
    chosen = {
        (row["training_set_id"], row["path_id"])
        for row in rows.get("selections", [])
        if row["kept"]
    }
    for row in rows.get("training_examples", []):
        if (row["training_set_id"], row["path_id"]) not in chosen:
            yield "training_examples", "path_id", row["path_id"]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
