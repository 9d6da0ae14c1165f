"""A comparison's state: every kind of row comes back as it was, and what is no state is refused by
name.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import (
    RECORD_TYPES,
    Adapter,
    Comparison,
    Evaluation,
    Model,
    QuestionSet,
    Record,
    Round,
    TrainingSet,
)
from storage.store.tables import sql_types, to_arrow
from tasks.comparison.pool import FIRST_DRAW
from tasks.comparison.state import CARD, as_text, bring, read_table
from tasks.comparison.state_check import OF_ITS_DRAWS, TABLES
from tests.storage.examples import make, uid

COMPARISON = uid(Comparison, "this")
OF = {
    "comparison_id": COMPARISON,
    "draw": FIRST_DRAW + 1,
    "round_id": None,
    "location": f"adapters/{'a' * 32}",
    "question_set_id": uid(QuestionSet),
    "training_set_id": uid(TrainingSet),
    "adapter_id": uid(Adapter),
    "model_id": uid(Model),
    "evaluation_id": uid(Evaluation),
}
KINDS = {kind.table: kind for kind in RECORD_TYPES}


def of_the_comparison(table: str, key: object = 0, **other: Any) -> Record:
    """A row that belongs to it, except in what is given."""
    columns = sql_types(KINDS[table])
    values = {name: value for name, value in OF.items() if name in columns} | other
    if table == "comparisons":
        values |= {"id": COMPARISON}
    return make(KINDS[table], key, **values)


def state_of(folder: Path, records: Iterable[Record]) -> Path:
    """A state's folder with these rows."""
    state = folder / "state"
    state.mkdir()
    by_table: dict[str, list[Record]] = {}
    for record in records:
        by_table.setdefault(record.table, []).append(record)
    for table, rows in by_table.items():
        pq.write_table(as_text(to_arrow(KINDS[table], rows)), state / f"{table}.parquet")
    (state / CARD).write_text(json.dumps({"comparison": str(COMPARISON)}), "utf-8")
    return state


def test_every_kind_of_row_travels_and_comes_back_as_it_was(tmp_path: Path) -> None:
    there = open_store(f"duckdb:///{tmp_path / 'there.duckdb'}")
    records = [of_the_comparison(table) for table in TABLES]
    state = state_of(tmp_path, records)

    brought, again = bring(there, state), bring(there, state)

    assert (brought, again) == (len(TABLES), 0)
    for record in records:
        assert there.select(type(record)) == [record]
    assert str(pq.read_table(state / "paths.parquet").schema.field("id").type) == "string"


STRANGERS = {
    **{kind.table: [(kind.table, {})] for kind in RECORD_TYPES if kind.table not in TABLES},
    **{
        f"{table} of another draw": [(table, {"draw": 3})] for table in (*OF_ITS_DRAWS, "questions")
    },
    **{
        f"{name} of another": [(table, {name: uid(Round, "another")})]
        for table, name in (
            ("comparison_figures", "comparison_id"),
            ("questions", "question_set_id"),
            ("selections", "training_set_id"),
            ("answers", "model_id"),
            ("evaluations", "model_id"),
            ("evaluation_figures", "evaluation_id"),
            ("paths", "round_id"),
            ("training_sets", "round_id"),
            ("evaluations", "round_id"),
        )
    },
    **{
        f"location {place!r}": [("adapters", {"location": place})]
        for place in (
            "/etc/ssh",
            "../.ssh",
            "adapters/../../.ssh",
            "adapters",
            "adapters/a b",
            f"adapters/{'a' * 32}/x",
        )
    },
}


@pytest.mark.parametrize("case", STRANGERS)
def test_what_is_no_row_of_the_comparison_is_refused_and_nothing_is_taken(
    case: str, tmp_path: Path
) -> None:
    there = open_store(f"duckdb:///{tmp_path / 'there.duckdb'}")
    changed = dict(STRANGERS[case])
    records = [of_the_comparison(table, **changed.get(table, {})) for table in TABLES]
    records += [of_the_comparison(table) for table in changed if table not in TABLES]

    with pytest.raises(InputError, match=r"A comparison's state holds (no|rows of)"):
        bring(there, state_of(tmp_path, records))

    assert [kind.table for kind in RECORD_TYPES if there.select(kind)] == []


@pytest.mark.parametrize("table", ["models", "adapters", "training_sets", "comparisons"])
def test_a_further_row_that_no_trial_names_is_refused(table: str, tmp_path: Path) -> None:
    records = [of_the_comparison(one) for one in TABLES]
    records.append(
        make(
            KINDS[table], "further", **{k: v for k, v in OF.items() if k in sql_types(KINDS[table])}
        )
    )

    with pytest.raises(InputError, match="alone; found id"):
        bring(open_store(f"duckdb:///{tmp_path / 'there.duckdb'}"), state_of(tmp_path, records))


def wrong_files(folder: Path) -> dict[str, Path]:
    """Files that are no rows of paths."""
    names = pq.read_table(folder / "verdicts.parquet")
    pq.write_table(names, folder / "another_table.parquet")
    (folder / "no_parquet.parquet").write_text("<script>", "utf-8")
    rows = pq.read_table(folder / "paths.parquet")
    pq.write_table(
        rows.set_column(0, "id", [["not an id"] * rows.num_rows]), folder / "no_id.parquet"
    )
    return {name: folder / f"{name}.parquet" for name in ("another_table", "no_parquet", "no_id")}


@pytest.mark.parametrize("case", ["another_table", "no_parquet", "no_id"])
def test_a_file_that_is_none_is_refused_by_name(case: str, tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'here.duckdb'}")
    kinds: dict[str, type[Record]] = {kind.table: kind for kind in RECORD_TYPES}
    store.append([make(kinds["paths"]), make(kinds["verdicts"])])
    for table in ("paths", "verdicts"):
        pq.write_table(
            as_text(store.query(f"SELECT * FROM {table}")), tmp_path / f"{table}.parquet"
        )

    with pytest.raises(InputError, match=rf"{case}.parquet' must hold rows of paths"):
        read_table(wrong_files(tmp_path)[case], kinds["paths"])


def test_a_folder_without_its_card_is_no_state(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'here.duckdb'}")

    with pytest.raises(InputError, match=json.dumps(CARD).strip('"')):
        bring(store, tmp_path)
