"""A comparison's state as Parquet, so that another machine can continue it.

Rows travel, weights do not: a model whose answers are all there is not needed again; any other is
trained again.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError
from storage.records import RECORD_TYPES, Comparison, Model
from storage.store.strangers_parquet import Room, read_strangers
from storage.store.tables import sql_types
from storage.whole_file import whole_file, write_whole
from tasks.comparison.contest import Contest
from tasks.comparison.pool import draw_of
from tasks.comparison.states.state_check import OF_ITS_DRAWS, check_rows
from tasks.comparison.training_sets import REFERENCE

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.store.arrow import ArrowTable

MOST_BYTES = 20_000_000
"""What a state may weigh, so that it fits into a repository."""
ROOM = Room(rows=300_000, bytes=150_000_000)
"""What its tables may hold together; the study of nine methods and three seeds: 130,000 rows."""
CARD = "state.json"
_MOST_OF_CARD = 10_000
"""Characters; ours has a line for each of its 22 tables."""
_OF_ROUNDS = {one.table for one in RECORD_TYPES if "round_id" in sql_types(one)}


def write_state(contest: Contest, folder: Path) -> dict[str, int]:
    """Write the comparison's rows into `folder`, a file a table; what is there of it is replaced.

    Rows by table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, ArrowTable] = {}
    # of one moment: a run may go on beside it, and a verdict without its path is no whole state
    with contest.store.reading():
        for table, condition in _which(contest).items():
            # an answer that a round gave is the comparison's too, and the round does not travel
            own = "* REPLACE (NULL::UUID AS round_id)" if table in _OF_ROUNDS else "*"
            tables[table] = contest.store.query(
                f"SELECT {own} FROM {table} WHERE {condition} ORDER BY id"
            )
    for table, rows in tables.items():
        _write(as_text(rows), folder / f"{table}.parquet")
    counts = {table: rows.num_rows for table, rows in tables.items()}
    card = {
        "comparison": str(contest.record.id),
        "rows": counts,
        "written_at": datetime.now(UTC).isoformat(),
    }
    write_whole(folder / CARD, json.dumps(card, indent=2, sort_keys=True) + "\n")
    weight = sum(file.stat().st_size for file in folder.glob("*.parquet"))
    if weight > MOST_BYTES:
        raise InputError(
            f"A comparison's state has at most {MOST_BYTES:,} bytes; {str(folder)!r} has"
            f" {weight:,}. Fewer chains, seeds or final questions make it smaller; the folder is"
            " whole all the same."
        )
    return counts


def bring(store: "Store", folder: Path, base: Model) -> int:
    """Put the rows of a state's folder into the store; returns how many were new.

    Bringing twice changes nothing.

    Raises InputError for a folder that is none, and for rows that are not of these tables, of
    another comparison or base model, or not what their ids say; then nothing is written.
    """
    identity = check_state(folder)
    tables = _read_tables(folder)
    rows = {table: found.to_pylist() for table, found in tables.items()}
    check_rows(rows, identity, base, store)
    return store.append_tables(tables)


def brought_comparison(store: "Store", folder: Path) -> Comparison:
    """The comparison of a brought state."""
    return store.select(Comparison, id=UUID(check_state(folder)))[0]


def _read_tables(folder: Path) -> "dict[str, ArrowTable]":
    files = {kind: folder / f"{kind.table}.parquet" for kind in RECORD_TYPES}
    there = {kind: file for kind, file in files.items() if file.is_file()}
    weight = sum(file.stat().st_size for file in there.values())
    if weight > MOST_BYTES:
        raise InputError(
            f"A comparison's state has at most {MOST_BYTES:,} bytes; {str(folder)!r} has"
            f" {weight:,}. Take a state that --export wrote."
        )
    tables, room = dict[str, "ArrowTable"](), ROOM
    for kind, file in there.items():
        rows = tables[kind.table] = read_strangers(file, kind, room)
        room = Room(room.rows - rows.num_rows, room.bytes - rows.nbytes)
    return tables


def check_state(folder: Path) -> str:
    """Whose state it is: the comparison's id; raises InputError where the folder is none."""
    try:
        with (folder / CARD).open(encoding="utf-8") as card:
            return str(json.loads(card.read(_MOST_OF_CARD))["comparison"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"--from takes a folder that `compare --export` wrote; {str(folder)!r} has no {CARD}"
            " that names its comparison."
        ) from error


def _write(rows: "ArrowTable", target: Path) -> None:
    with whole_file(target) as partial:
        pq.write_table(rows, partial, compression="zstd", compression_level=15)


def as_text(rows: "ArrowTable") -> "ArrowTable":
    """Ids as text: not every reader of Parquet knows UUIDs."""
    for place, name in enumerate(rows.column_names):
        if str(rows.schema.field(name).type) == "extension<arrow.uuid>":
            texts = [None if one is None else str(one) for one in rows.column(name).to_pylist()]
            rows = rows.set_column(place, name, pa.array(texts, pa.string()))
    return rows


def _which(contest: Contest) -> dict[str, str]:
    """Table -> the condition of the rows that travel."""
    sets = _listed(one.id for one in [*contest.sets("in_domain"), *contest.sets("out_of_domain")])
    draws = ", ".join(str(draw_of(seed)) for seed in contest.seeds)

    def of_trials(column: str) -> str:
        return f"SELECT {column} FROM trials WHERE comparison_id = '{contest.record.id}'"

    drawn = f"draw IN ({draws})"
    written = f"{drawn} AND {_by_its_writers(contest)}"
    fixed_or_drawn = f"(draw = 0 OR {drawn})"  # not what a round drew or asked
    asked = f"question_set_id IN ({sets}) AND {fixed_or_drawn}"
    counted = f"round_id IS NULL AND model_id IN ({of_trials('model_id')}) AND {asked}"
    return {
        "question_sets": f"id IN ({sets})",
        "questions": asked,
        "guidelines": "true",
        "prompts": "true",
        "models": (
            f"id IN ({of_trials('model_id')}) OR id IN (SELECT model_id FROM paths WHERE {written})"
        ),
        **dict.fromkeys(OF_ITS_DRAWS, written),
        "verdicts": f"path_id IN (SELECT id FROM paths WHERE {written})",
        "failed_requests": drawn,
        **dict.fromkeys(
            ("selections", "training_examples"),
            f"training_set_id IN ({of_trials('training_set_id')})",
        ),
        "training_sets": f"id IN ({of_trials('training_set_id')})",
        "adapters": f"id IN ({of_trials('adapter_id')})",
        "answers": f"model_id IN ({of_trials('model_id')}) AND {fixed_or_drawn} AND question_id IN"
        f" (SELECT id FROM questions WHERE {asked})",
        "evaluations": counted,
        "evaluation_figures": f"evaluation_id IN (SELECT id FROM evaluations WHERE {counted})",
        "comparisons": f"id = '{contest.record.id}'",
        "trials": f"comparison_id = '{contest.record.id}'",
        "comparison_figures": f"comparison_id = '{contest.record.id}'",
    }


def _by_its_writers(contest: Contest) -> str:
    """Another comparison of the same seeds may be of another base model."""
    bases = _listed((contest.base.id, REFERENCE.id))
    return f"model_id IN (SELECT id FROM models WHERE base_model_id IN ({bases}))"


def _listed(ids: Iterable[UUID]) -> str:
    return ", ".join(f"'{one}'" for one in ids)
