"""A comparison's state: every kind of row comes back as it was, and what is no state is refused by name."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import RECORD_TYPES, Record
from tasks.comparison.state import CARD, as_text, bring, read_table
from tests.storage.examples import make


def test_every_kind_of_row_travels_and_comes_back_as_it_was(tmp_path: Path) -> None:
    here, there = (open_store(f"duckdb:///{tmp_path / name}.duckdb") for name in ("here", "there"))
    here.append([make(kind, key) for kind in RECORD_TYPES for key in (1, 2)])
    state = tmp_path / "state"
    state.mkdir()
    for kind in RECORD_TYPES:
        pq.write_table(as_text(here.query(f"SELECT * FROM {kind.table}")), state / f"{kind.table}.parquet")
    (state / CARD).write_text("{}", "utf-8")

    brought, again = bring(there, state), bring(there, state)

    assert (brought, again) == (2 * len(RECORD_TYPES), 0)
    for kind in RECORD_TYPES:
        assert there.select(kind, order_by="id") == here.select(kind, order_by="id"), kind
    assert str(pq.read_table(state / "paths.parquet").schema.field("id").type) == "string"


def wrong_files(folder: Path) -> dict[str, Path]:
    """Files that are no rows of paths."""
    names = pq.read_table(folder / "verdicts.parquet")
    pq.write_table(names, folder / "another_table.parquet")
    (folder / "no_parquet.parquet").write_text("<script>", "utf-8")
    rows = pq.read_table(folder / "paths.parquet")
    pq.write_table(rows.set_column(0, "id", [["not an id"] * rows.num_rows]), folder / "no_id.parquet")
    return {name: folder / f"{name}.parquet" for name in ("another_table", "no_parquet", "no_id")}


@pytest.mark.parametrize("case", ["another_table", "no_parquet", "no_id"])
def test_a_file_that_is_none_is_refused_by_name(case: str, tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'here.duckdb'}")
    kinds: dict[str, type[Record]] = {kind.table: kind for kind in RECORD_TYPES}
    store.append([make(kinds["paths"]), make(kinds["verdicts"])])
    for table in ("paths", "verdicts"):
        pq.write_table(as_text(store.query(f"SELECT * FROM {table}")), tmp_path / f"{table}.parquet")

    with pytest.raises(InputError, match=rf"{case}.parquet' must hold rows of paths"):
        read_table(wrong_files(tmp_path)[case], kinds["paths"])


def test_a_folder_without_its_card_is_no_state(tmp_path: Path) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'here.duckdb'}")

    with pytest.raises(InputError, match=json.dumps(CARD).strip('"')):
        bring(store, tmp_path)
