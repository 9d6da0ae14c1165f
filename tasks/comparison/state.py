"""A comparison's state as Parquet, so that another machine can continue it.

Rows travel, weights do not: a model whose answers are all there is not needed again; any other is
trained again.
"""

import json
from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError
from storage.records import RECORD_TYPES, Comparison, Model, Record
from storage.store.tables import arrow_schema, sql_types
from tasks.comparison.contest import Contest
from tasks.comparison.pool import draw_of
from tasks.comparison.state_check import OF_ITS_DRAWS, check_rows

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.store.arrow import ArrowTable

MOST_BYTES = 20_000_000
"""What a state may weigh, so that it fits into a repository."""
CARD = "state.json"
_OF_ROUNDS = {one.table for one in RECORD_TYPES if "round_id" in sql_types(one)}


def write_state(contest: Contest, folder: Path) -> dict[str, int]:
    """Write the comparison's rows into `folder`, a file a table; what is there of it is replaced.

    Rows by table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for table, condition in _which(contest).items():
        # an answer that a round gave is the comparison's too, and the round does not travel
        own = "* REPLACE (NULL::UUID AS round_id)" if table in _OF_ROUNDS else "*"
        rows = contest.store.query(f"SELECT {own} FROM {table} WHERE {condition} ORDER BY id")
        _write(as_text(rows), folder / f"{table}.parquet")
        counts[table] = rows.num_rows
    card = {
        "comparison": str(contest.record.id),
        "rows": counts,
        "written_at": datetime.now(UTC).isoformat(),
    }
    (folder / CARD).write_text(json.dumps(card, indent=2, sort_keys=True) + "\n", "utf-8")
    weight = sum(file.stat().st_size for file in folder.glob("*.parquet"))
    if weight > MOST_BYTES:
        raise InputError(
            f"A comparison's state has at most {MOST_BYTES:,} bytes; {str(folder)!r} has"
            f" {weight:,}. Fewer chains, seeds or final questions make it smaller; the folder is"
            " whole all the same."
        )
    return counts


def bring(store: "Store", folder: Path) -> int:
    """Put the rows of a state's folder into the store; returns how many were new.

    Bringing twice changes nothing.

    Raises InputError for a folder that is none, and for rows that are not of these tables or of
    another comparison; then nothing is written.
    """
    comparison = check_state(folder)
    tables: dict[str, ArrowTable] = {}
    for record_type in RECORD_TYPES:
        file = folder / f"{record_type.table}.parquet"
        if file.is_file():
            tables[record_type.table] = read_table(file, record_type)
    check_rows(tables, comparison)
    return store.append_tables(tables)


def brought_comparison(store: "Store", folder: Path, base: Model) -> Comparison:
    """The comparison of a brought state; raises InputError for another base model."""
    record = store.select(Comparison, id=UUID(check_state(folder)))[0]
    if record.base_model_id != base.id:
        raise InputError(
            f"The comparison {record.name!r} in {str(folder)!r} is of the base model"
            f" {record.base_model_id}; the settings name {base.name!r} ({base.id}). Name its model"
            " in the settings."
        )
    return record


def check_state(folder: Path) -> str:
    """Whose state it is: the comparison's id; raises InputError where the folder is none."""
    try:
        return str(json.loads((folder / CARD).read_text("utf-8"))["comparison"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--from takes a folder that `compare --export` wrote; {str(folder)!r} has no {CARD}"
            " that names its comparison."
        ) from error


def _write(rows: "ArrowTable", target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    pq.write_table(rows, partial, compression="zstd", compression_level=15)
    partial.replace(target)


def as_text(rows: "ArrowTable") -> "ArrowTable":
    """Ids as text: not every reader of Parquet knows UUIDs."""
    for place, name in enumerate(rows.column_names):
        if str(rows.schema.field(name).type) == "extension<arrow.uuid>":
            texts = [None if one is None else str(one) for one in rows.column(name).to_pylist()]
            rows = rows.set_column(place, name, pa.array(texts, pa.string()))
    return rows


def read_table(file: Path, record_type: type[Record]) -> "ArrowTable":
    """A file's rows in the table's own types; raises InputError, naming the file."""
    try:
        rows, schema = cast("ArrowTable", pq.read_table(file)), arrow_schema(record_type)
        kinds = sql_types(record_type)
        later = {field.name for field in fields(record_type) if field.default is None}
        columns = [
            _column(rows, name, kinds[name], schema.field(name).type, optional=name in later)
            for name in kinds
        ]
        table = cast("ArrowTable", pa.Table.from_arrays(columns, schema=schema))
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"{str(file)!r} must hold rows of {record_type.table}, as `compare --export` writes"
            f" them ({error})."
        ) from error
    ids = table["id"].to_pylist()
    if len(set(ids)) < len(ids):
        raise InputError(f"{str(file)!r} has an id twice; its rows are one per record.")
    return table


def _column(rows: "ArrowTable", name: str, kind: str, wanted: object, *, optional: bool) -> object:
    """A column in the table's own type; nulls where an earlier version had no such column."""
    if name not in rows.column_names and optional:
        return pa.nulls(rows.num_rows, wanted)
    column = rows.column(name)
    if kind != "UUID":
        return column.cast(wanted)
    binary = pa.array(
        [None if one is None else UUID(str(one)).bytes for one in column.to_pylist()], pa.binary(16)
    )
    return pa.ExtensionArray.from_storage(pa.uuid(), binary)


def _which(contest: Contest) -> dict[str, str]:
    """Table -> the condition of the rows that travel."""
    sets = _listed(one.id for one in [*contest.sets("in_domain"), *contest.sets("out_of_domain")])
    draws = ", ".join(str(draw_of(seed)) for seed in contest.seeds)

    def of_trials(column: str) -> str:
        return f"SELECT {column} FROM trials WHERE comparison_id = '{contest.record.id}'"

    drawn = f"draw IN ({draws})"
    questions = f"SELECT id FROM questions WHERE question_set_id IN ({sets})"
    counted = (
        f"round_id IS NULL AND model_id IN ({of_trials('model_id')}) AND question_set_id IN"
        f" ({sets})"
    )
    return {
        "question_sets": f"id IN ({sets})",
        "questions": f"question_set_id IN ({sets}) AND (draw = 0 OR {drawn})",
        "guidelines": "true",
        "prompts": "true",
        "models": (
            f"id IN ({of_trials('model_id')}) OR id IN (SELECT model_id FROM paths WHERE {drawn})"
        ),
        **dict.fromkeys(OF_ITS_DRAWS, drawn),
        **dict.fromkeys(
            ("selections", "training_examples"),
            f"training_set_id IN ({of_trials('training_set_id')})",
        ),
        "training_sets": f"id IN ({of_trials('training_set_id')})",
        "adapters": f"id IN ({of_trials('adapter_id')})",
        "answers": f"model_id IN ({of_trials('model_id')}) AND question_id IN ({questions})",
        "evaluations": counted,
        "evaluation_figures": f"evaluation_id IN (SELECT id FROM evaluations WHERE {counted})",
        "comparisons": f"id = '{contest.record.id}'",
        "trials": f"comparison_id = '{contest.record.id}'",
        "comparison_figures": f"comparison_id = '{contest.record.id}'",
    }


def _listed(ids: Iterable[UUID]) -> str:
    return ", ".join(f"'{one}'" for one in ids)
