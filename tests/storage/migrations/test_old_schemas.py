"""A store of every schema there was, with data, is brought to this one.

Each row as it was, a backup beside it.
"""

from pathlib import Path

import duckdb
import pytest

from storage.care.check_and_gc import check_store
from storage.migrations import all_migrations, schema_version
from storage.open_store import open_store
from storage.records import RECORD_TYPES
from storage.records import Path as RecordedPath
from storage.views import all_views
from tests.storage.examples import make

SCHEMAS = Path(__file__).parents[2] / "data" / "schemas"
OLDER = range(1, len(all_migrations()))


def store_of_schema(version: int, path: Path) -> str:
    """The URL of a store as that schema had it."""
    with duckdb.connect(path) as connection:
        connection.execute((SCHEMAS / f"schema_{version}.sql").read_text("utf-8"))
    return f"duckdb:///{path}"


def rows_of(
    path: Path, columns: dict[str, str] | None = None
) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every record's table that is there, or of the given columns."""
    with duckdb.connect(path, read_only=True) as connection:
        there = {
            row[0]
            for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        }
        return {
            kind.table: (
                connection.execute(
                    f"SELECT {(columns or {}).get(kind.table, '*')} FROM {kind.table} ORDER BY id"
                ).fetchall()
            )
            for kind in RECORD_TYPES
            if kind.table in (columns or there)
        }


def columns_of(path: Path) -> dict[str, str]:
    with duckdb.connect(path, read_only=True) as connection:
        rows = connection.execute(
            "SELECT table_name, string_agg('\"' || column_name || '\"', ', ' ORDER BY column_index)"
            " FROM duckdb_columns() WHERE table_name IN (SELECT table_name FROM duckdb_tables())"
            " GROUP BY table_name"
        ).fetchall()
    return dict(rows)


@pytest.mark.parametrize("version", OLDER)
def test_a_store_of_an_older_schema_keeps_every_row(tmp_path: Path, version: int) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(version, path)
    before, columns = rows_of(path), columns_of(path)

    store = open_store(url)

    tables = {table: names for table, names in columns.items() if table in before}
    assert rows_of(path, tables) == before
    assert all(before.values())
    assert [
        kind.table
        for kind in RECORD_TYPES
        if len(store.select(kind)) != len(before.get(kind.table, []))
    ] == []
    assert store.query("SELECT count(*) AS n FROM lineage")["n"].to_pylist() == [1]
    astray = (
        "training_examples AS e JOIN paths AS p ON p.id = e.path_id WHERE e.draw IS DISTINCT FROM"
        " p.draw"
    )
    assert store.query(f"SELECT count(*) AS n FROM {astray}")["n"].to_pylist() == [0]
    for view in all_views():
        store.query(f"SELECT * FROM {view.name}")
    assert not [problem for problem in check_store(store) if problem.code != "dangling_parent"]
    assert store.append([make(RecordedPath, "new")]) == 1


@pytest.mark.parametrize("version", OLDER)
def test_the_backup_before_it_is_the_store_as_it_was(tmp_path: Path, version: int) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(version, path)
    before = rows_of(path)

    open_store(url)

    backup = tmp_path / f"regenesis.before-schema-{version}.duckdb"
    assert rows_of(backup) == before
    with duckdb.connect(backup, read_only=True) as connection:
        assert schema_version(connection) == version
