"""Creating, migrating and refusing databases; the migrations say what the records say."""

import os
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.errors import InputError, PermanentError
from storage.file.database import DatabaseFile
from storage.file.file_schema import ensure_schema
from storage.migrations import Migration, all_migrations, migrate, schema_version
from storage.open_store import open_store
from storage.records import RECORD_TYPES, Path, Record
from storage.store.tables import nullable_columns, sql_types
from tests.storage.examples import make


@pytest.fixture
def url(tmp_path: FilePath) -> str:
    return f"duckdb:///{tmp_path / 'home' / 'regenesis.duckdb'}"


@pytest.mark.parametrize("record_type", RECORD_TYPES, ids=lambda kind: kind.table)
def test_the_migrations_make_the_table_that_the_record_describes(record_type: type[Record]) -> None:
    with duckdb.connect() as connection:
        migrate(connection)
        rows = connection.execute(f"DESCRIBE {record_type.table}").fetchall()

    assert {row[0]: row[1] for row in rows} == sql_types(record_type)
    assert [row[0] for row in rows] == list(sql_types(record_type))
    assert {row[0] for row in rows if row[2] == "YES"} == nullable_columns(record_type)


def test_migrations_are_numbered_without_a_gap_and_declare_no_keys() -> None:
    migrations = all_migrations()

    assert [migration.version for migration in migrations] == list(range(1, len(migrations) + 1))
    for migration in migrations:
        code = "\n".join(
            line for line in migration.sql.upper().splitlines() if not line.startswith("--")
        )
        assert not any(
            word in code for word in ("PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "REFERENCES")
        )


def test_a_migration_that_fails_leaves_no_trace() -> None:
    bad = Migration(len(all_migrations()) + 1, "bad", "CREATE TABLE half (x INT); SELECT nonsense;")
    with duckdb.connect() as connection:
        migrate(connection)
        with pytest.raises(PermanentError, match="failed and was undone"):
            migrate(connection, [*all_migrations(), bad])

        assert schema_version(connection) == len(all_migrations())
        assert connection.execute(
            "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'"
        ).fetchone() == (0,)


def test_an_older_database_is_migrated_after_a_backup(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(url)
    store.append([make(Path)])
    newer = [
        *all_migrations(),
        Migration(len(all_migrations()) + 1, "more", "CREATE TABLE more (x INT);"),
    ]
    monkeypatch.setattr("storage.migrations.all_migrations", lambda: newer)

    ensure_schema(DatabaseFile(store.path, 0.1))

    backup = store.path.with_name(f"regenesis.before-schema-{len(newer) - 1}.duckdb")
    with duckdb.connect(backup, read_only=True) as connection:
        assert schema_version(connection) == len(newer) - 1
        assert connection.execute("SELECT count(*) FROM paths").fetchone() == (1,)
    with duckdb.connect(store.path, read_only=True) as connection:
        assert schema_version(connection) == len(newer)
        assert connection.execute("SELECT count(*) FROM lineage").fetchone() == (1,)


def test_a_database_from_a_newer_version_is_refused_and_not_touched(url: str) -> None:
    store = open_store(url)
    with duckdb.connect(store.path) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (999, 'future', now()::TIMESTAMP)")
    before = store.path.read_bytes()

    with pytest.raises(InputError, match="has schema 999; this program knows up to"):
        open_store(url)

    assert store.path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(url: str) -> None:
    path = FilePath(url.removeprefix("duckdb:///"))
    path.parent.mkdir()
    path.write_bytes(b"not a database" * 1000)

    with pytest.raises(InputError, match=r"must be a DuckDB file|damaged"):
        open_store(url)


@pytest.mark.parametrize("bad", ["sqlite:///x.db", "duckdb:///", "", "ducklake:nothing"])
def test_a_url_of_another_kind_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="Set REGENESIS_STORE"):
        open_store(bad)


def test_a_folder_that_can_not_be_made_is_one_clear_line(tmp_path: FilePath) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match=r"can't|cannot be made"):
        open_store(f"duckdb:///{tmp_path / 'file' / 'regenesis.duckdb'}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_can_still_be_read(url: str) -> None:
    store = open_store(url)
    store.append([make(Path)])
    store.path.parent.chmod(0o555)
    try:
        assert len(open_store(url).select(Path)) == 1
    finally:
        store.path.parent.chmod(0o755)


def test_opening_twice_at_once_makes_one_schema(url: str) -> None:
    first, second = open_store(url), open_store(url)

    assert first.append([make(Path)]) + second.append([make(Path)]) == 1
    rows = first.query("SELECT count(*) AS n FROM schema_migrations")["n"].to_pylist()
    assert rows == [len(all_migrations())]
