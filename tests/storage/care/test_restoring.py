"""A restore takes rows alone from a backup, all of them, and nothing of one that is damaged."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from storage.care.backups import back_up, records_of, restore
from storage.environment import Environment
from storage.errors import InputError
from storage.file.database import DatabaseFile, log_of
from storage.file.rebuilding import rebuild
from storage.file.restoring import Planned, begin, partial_of
from storage.open_store import existing_store, open_store, store_exists
from storage.records import Path as RecordedPath
from storage.views import all_views
from tests.faults.store_changes import environment_of
from tests.storage.examples import make

SECRET = "what only the user may read"


@pytest.fixture
def places(tmp_path: Path) -> Environment:
    home = tmp_path / "home"
    home.mkdir()
    return environment_of(home)


def store_with(folder: Path, *keys: str, keep_log: bool = False) -> Path:
    """A store's file with paths of these texts, each in a batch of its own."""
    store = open_store(f"duckdb:///{folder / 'other.duckdb'}", keep_log=keep_log)
    for key in keys:
        store.append([make(RecordedPath, key, text=key)])
    return folder / "other.duckdb"


def texts(places: Environment) -> list[str]:
    return sorted(path.text for path in open_store(places.store_url).select(RecordedPath))


def restored(places: Environment, backup: Path) -> list[str]:
    """What was said to be left out."""
    said = list[str]()
    restore(places, backup, datetime.now(UTC), said.append)
    return said


def test_a_store_that_was_copied_with_its_log_is_restored_with_the_rows_of_its_log(
    places: Environment, tmp_path: Path
) -> None:
    store = store_with(tmp_path, "one", "two", keep_log=True)
    copied = tmp_path / "copied.duckdb"
    shutil.copyfile(store, copied)
    shutil.copyfile(log_of(store), log_of(copied))
    before = (copied.read_bytes(), log_of(copied).read_bytes())

    restored(places, copied)

    assert texts(places) == ["one", "two"]
    assert (copied.read_bytes(), log_of(copied).read_bytes()) == before


def test_a_log_of_another_file_beside_a_backup_is_refused(
    places: Environment, tmp_path: Path
) -> None:
    store = store_with(tmp_path, "one", keep_log=True)
    (tmp_path / "backup").mkdir()
    backup = store_with(tmp_path / "backup", "two")
    shutil.copyfile(log_of(store), log_of(backup))

    with pytest.raises(InputError, match="A store and its log belong together"):
        restored(places, backup)

    assert not list(places.home.glob("*.duckdb"))


# every kind of object that a DuckDB file holds beside rows; FILE is one that nobody may read
PLANTED = """
CREATE OR REPLACE VIEW rejections AS SELECT content AS reason, 1 AS n FROM read_text('FILE');
CREATE VIEW mine AS FROM read_text('FILE');
CREATE VIEW duckdb_columns AS FROM read_text('FILE');
CREATE TABLE planted (i INT CHECK (i > 0), j INT GENERATED ALWAYS AS (i + 1));
CREATE TABLE generated AS SELECT id FROM verdicts;
DROP TABLE leases;
CREATE TABLE leases (question_set VARCHAR GENERATED ALWAYS AS (upper(owner)), draw BIGINT,
    owner VARCHAR CHECK (length(owner) > 0), renewed_at TIMESTAMP);
ALTER TABLE paths ALTER COLUMN text SET DEFAULT current_setting('home_directory');
CREATE UNIQUE INDEX one_draw ON paths (draw);
CREATE TYPE planted_type AS ENUM ('a');
CREATE SEQUENCE planted_numbers;
ALTER TABLE verdicts ALTER COLUMN created_at SET DEFAULT nextval('planted_numbers')::VARCHAR;
CREATE SCHEMA planted_schema;
CREATE VIEW planted_schema.paths AS FROM read_text('FILE');
CREATE TABLE planted_schema.verdicts (i INT);
COMMENT ON TABLE verdicts IS 'planted';
CREATE MACRO duckdb_tables() AS TABLE FROM read_text('FILE');
CREATE MACRO count(x) AS (SELECT max(content) FROM read_text('FILE'));
CREATE MACRO coalesce_planted(x, y) AS (SELECT max(content) FROM read_text('FILE'));
CREATE MACRO max(x) AS (SELECT content FROM read_text('FILE'))
"""
OBJECTS = (
    "SELECT 'table', schema_name, table_name, comment, sql FROM duckdb_tables() WHERE NOT internal"
    " UNION ALL SELECT 'view', schema_name, view_name, comment, sql FROM duckdb_views() WHERE NOT"
    " internal UNION ALL SELECT 'function', schema_name, function_name, comment, macro_definition"
    " FROM duckdb_functions() WHERE NOT internal UNION ALL SELECT 'index', schema_name, index_name,"
    " comment, sql FROM duckdb_indexes() UNION ALL SELECT 'type', schema_name, type_name, comment,"
    " '' FROM duckdb_types() WHERE NOT internal UNION ALL SELECT 'sequence', schema_name,"
    " sequence_name, comment, sql FROM duckdb_sequences() UNION ALL SELECT 'schema', schema_name,"
    " '', comment, '' FROM duckdb_schemas() WHERE NOT internal ORDER BY ALL"
)


def objects_of(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(OBJECTS).fetchall()


@pytest.mark.parametrize("in_log", [False, True], ids=["in the file", "in its log"])
def test_nothing_but_rows_comes_over_from_a_backup(
    places: Environment, tmp_path: Path, in_log: bool
) -> None:
    backup, secret = store_with(tmp_path, "one"), tmp_path / "secret.txt"
    secret.write_text(SECRET)
    with duckdb.connect(backup) as connection:
        if in_log:
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute(PLANTED.replace("FILE", str(secret)))
    (tmp_path / "sound").mkdir()
    sound = store_with(tmp_path / "sound", "one")

    restored(places, backup)

    assert objects_of(places.home / "regenesis.duckdb") == objects_of(sound)
    assert texts(places) == ["one"]
    store = open_store(places.store_url)
    for view in all_views():
        assert SECRET not in str(store.query(f"SELECT * FROM {view.name}").to_pylist())


def test_what_a_user_has_added_to_a_store_is_named_where_it_is_left_out(
    places: Environment, tmp_path: Path
) -> None:
    backup = store_with(tmp_path, "one")
    with duckdb.connect(backup) as connection:
        connection.execute(
            "CREATE TABLE notes (i INT); CREATE VIEW mine AS FROM paths; CREATE MACRO twice(x) AS"
            " 2 * x; ALTER TABLE paths ADD COLUMN stars INT"
        )

    assert restored(places, backup) == [
        f"Left out, for it is none of a store's: {what!r}"
        for what in ("column paths.stars", "macro twice", "table notes", "view mine")
    ]


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE verdicts",
        "ALTER TABLE verdicts DROP COLUMN path_id",
        "DROP TABLE verdicts; CREATE VIEW verdicts AS FROM paths",
    ],
)
def test_a_backup_without_one_of_our_tables_or_columns_is_refused(
    places: Environment, tmp_path: Path, change: str
) -> None:
    backup = store_with(tmp_path, "one")
    with duckdb.connect(backup) as connection:
        connection.execute(change)

    with pytest.raises(InputError, match=r"verdicts.*Name another backup"):
        restored(places, backup)

    assert sorted(places.home.glob("*.duckdb*")) == []


def home_as_it_is(home: Path) -> dict[str, bytes]:
    """Every file but those of turns and copies."""
    return {
        file.name: file.read_bytes()
        for file in sorted(home.iterdir())
        if file.suffix not in (".gate", ".lock")
    }


def damage_store(backup: Path) -> None:
    """The middle of the file, where rows lie: the header is sound."""
    content = bytearray(backup.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300_000] = bytes(
        byte ^ 0xFF for byte in content[middle : middle + 300_000]
    )
    backup.write_bytes(content)


def damage_records(backup: Path) -> None:
    """A page in the middle."""
    content = bytearray(records_of(backup).read_bytes())
    content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    records_of(backup).write_bytes(content)


def no_records(backup: Path) -> None:
    records_of(backup).write_bytes(b"no database" * 1000)


@pytest.mark.parametrize("damage", [damage_store, damage_records, no_records])
def test_a_damaged_backup_of_either_kind_is_refused_and_changes_neither(
    places: Environment, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    store = open_store(places.store_url)
    store.append([make(RecordedPath, i, text=os.urandom(500).hex()) for i in range(2000)])
    write_records(places.home, 3000)
    backup = back_up(store, places.home, tmp_path / "backup.duckdb")
    damage(backup)
    before = home_as_it_is(places.home)

    with pytest.raises(InputError, match=r"backup\.(duckdb|mlflow\.db)"):
        restored(places, backup)

    assert home_as_it_is(places.home) == before


def write_records(home: Path, rows: int) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as records, records:
        records.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, text VARCHAR)")
        records.executemany("INSERT INTO runs VALUES (?, 'good')", [(i,) for i in range(rows)])


KILLED_WRITER = """
import os, signal, sqlite3, sys
records = sqlite3.connect(sys.argv[1], isolation_level=None)
records.execute(f"PRAGMA journal_mode = {sys.argv[2]}")
records.execute("PRAGMA cache_size = 2")
records.execute("BEGIN")
records.execute("UPDATE runs SET text = 'torn'")
if sys.argv[2] == "wal":
    records.execute("COMMIT")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("journal", ["delete", "persist", "wal"])
@pytest.mark.parametrize("old", ["sound", "damaged", "gone"])
def test_what_a_killed_writer_left_beside_the_old_records_is_not_applied_to_the_restored_ones(
    places: Environment, tmp_path: Path, journal: str, old: str
) -> None:
    store, records = open_store(places.store_url), places.home / "mlflow.db"
    write_records(places.home, 3000)
    backup = back_up(store, places.home, tmp_path / "backup.duckdb")
    with closing(sqlite3.connect(records)) as connection, connection:
        connection.execute("DELETE FROM runs WHERE id % 3 = 0")
    done = subprocess.run([sys.executable, "-c", KILLED_WRITER, str(records), journal], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(places.home.glob("mlflow.db-*"))) >= 1
    if old == "damaged":
        records.write_bytes(b"no database" * 1000)
    elif old == "gone":
        records.unlink()

    restored(places, backup)

    with closing(sqlite3.connect(records)) as connection:
        found = connection.execute("SELECT count(*), min(text), max(text) FROM runs").fetchall()
    assert found == [(3000, "good", "good")]


def test_a_restore_that_was_killed_where_no_store_lay_counts_as_a_store(
    places: Environment, tmp_path: Path
) -> None:
    other = open_store(f"duckdb:///{tmp_path / 'other.duckdb'}")
    other.append([make(RecordedPath, 1)])
    file = DatabaseFile(places.home / "regenesis.duckdb", 1.0)
    for leftover in places.home.glob("*"):
        leftover.unlink()
    assert not store_exists(places.store_url)
    rebuild(tmp_path / "other.duckdb", partial_of(file.path))
    begin(file, Planned("regenesis.duckdb.before-restore-1", "", ""))

    assert store_exists(places.store_url)
    assert len(existing_store(places.store_url).select(RecordedPath)) == 1
