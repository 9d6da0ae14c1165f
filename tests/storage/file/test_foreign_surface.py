"""A store's file that somebody copied into a home: its views and macros may be anybody's."""

import shutil
from collections.abc import Callable
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.care.check_and_gc import back_up_store, check_store, compact
from storage.errors import InputError
from storage.file.database import connect
from storage.file.file_store import FileStore
from storage.file.surface import VIEWS_DIGEST, digest_of, views_as_stored
from storage.open_store import open_store
from storage.records import RECORD_TYPES, Path, Record
from storage.store.store import Store
from storage.store.tables import sql_types
from storage.views import View, all_views
from tests.storage.examples import make

SECRET = "the user's own key"
# of DuckDB's functions those that read something outside of the database
OUTSIDE = {
    "read_text": "SELECT content FROM read_text('{file}')",
    "read_blob": "SELECT content FROM read_blob('{file}')",
    "read_csv": "SELECT * FROM read_csv('{file}', header = false)",
    "read_json": "SELECT * FROM read_json_objects('{folder}/some.json')",
    "glob": "SELECT * FROM glob('{folder}/*')",
    "another file": "SELECT * FROM '{file}'",
}


@pytest.fixture
def home(tmp_path: FilePath) -> FilePath:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text(SECRET)
    (tmp_path / "outside" / "some.json").write_text('{"key": "' + SECRET + '"}')
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def by_hand(home: FilePath, *statements: str) -> str:
    """The URL of a store that was made elsewhere, changed there, and copied into the home."""
    elsewhere = home.with_name("elsewhere")
    store = open_store(f"duckdb:///{elsewhere / 'regenesis.duckdb'}")
    store.append([make(Path, 1), make(Path, 2)])
    outside = home.with_name("outside")
    with duckdb.connect(elsewhere / "regenesis.duckdb") as connection:
        for statement in statements:
            connection.execute(statement.format(file=outside / "secret.csv", folder=outside))
    shutil.copy(elsewhere / "regenesis.duckdb", home / "regenesis.duckdb")
    return f"duckdb:///{home / 'regenesis.duckdb'}"


def test_views_of_our_names_are_put_back_whatever_they_were_and_whatever_the_digest_says(
    home: FilePath,
) -> None:
    names = [view.name for view in all_views()]
    hostile = (f"CREATE OR REPLACE VIEW {name} AS {OUTSIDE['read_text']}" for name in names)

    store = open_store(by_hand(home, *hostile))

    fresh = open_store(f"duckdb:///{home / 'fresh.duckdb'}")
    asked = "SELECT view_name, sql, comment FROM duckdb_views() WHERE NOT internal ORDER BY 1"
    assert store.query(asked).to_pylist() == fresh.query(asked).to_pylist()
    for name in names:
        assert SECRET not in str(store.query(f"SELECT * FROM {name}").to_pylist())


@pytest.mark.parametrize("view", [all_views()[0], all_views()[-1]], ids=lambda view: view.name)
def test_one_view_that_differs_in_a_word_is_put_back(home: FilePath, view: View) -> None:
    url = by_hand(home, f"CREATE OR REPLACE VIEW {view.name} AS FROM ({view.sql}) LIMIT 0")

    store = open_store(url)

    asked = f"SELECT sql FROM duckdb_views() WHERE view_name = '{view.name}'"
    assert "LIMIT 0" not in str(store.query(asked).to_pylist())


MACROS = (
    "MACRO sum(x) AS 0",
    "MACRO COUNT(x) AS 7",
    "MACRO max(x) AS 999",
    "MACRO coalesce_(x) AS 0",
    "MACRO list(x) AS [x]",
    "MACRO current_database() AS 'another'",
    "MACRO duckdb_views() AS TABLE SELECT 'x' AS view_name, 'y' AS sql",
    "MACRO duckdb_tables() AS TABLE SELECT 'schema_migrations' AS table_name",
    "MACRO duckdb_functions() AS TABLE SELECT 'x' AS function_name, 'macro' AS function_type",
    "MACRO json_serialize_sql(x) AS 'x'",
    "MACRO unnest(x) AS 1",
)


def test_macros_in_the_place_of_duckdbs_functions_go_and_others_stay(home: FilePath) -> None:
    url = by_hand(home, *(f"CREATE {macro}" for macro in MACROS), "CREATE MACRO mine(x) AS x + 1")

    store = open_store(url, keep_log=True)  # as a run does

    [row] = store.query("SELECT sum(draw) AS s, count(*) AS n, mine(1) AS m FROM paths").to_pylist()
    assert (row["n"], row["m"]) == (2, 2)
    with store.reading() as connection:
        left = connection.execute(
            "SELECT function_name FROM duckdb_functions() WHERE NOT internal"
        ).fetchall()
    assert sorted(left) == [("coalesce_",), ("mine",)]


def test_the_check_of_a_store_names_macros_in_the_place_of_duckdbs_functions(
    home: FilePath,
) -> None:
    store = open_store(by_hand(home, "CREATE MACRO upper(x) AS 'no'", "CREATE MACRO mine() AS 1"))

    [found] = [one for one in check_store(store) if one.code == "macro_shadows_function"]

    assert (found.count, found.example) == (1, "upper")


@pytest.mark.parametrize("kind", RECORD_TYPES, ids=lambda kind: kind.table)
def test_the_check_of_a_store_names_every_column_of_another_type(
    home: FilePath, kind: type[Record]
) -> None:
    types = {name: type for name, type in sql_types(kind).items() if name != "id"}
    others = {name: "INTEGER" if type == "DOUBLE" else "BLOB" for name, type in types.items()}
    columns = ", ".join(f"NULL::{other} AS {name}" for name, other in others.items())
    made = f"CREATE TABLE {kind.table} AS SELECT NULL::UUID AS id, {columns} WHERE false"
    store = open_store(by_hand(home, f"DROP TABLE {kind.table}", made))

    found = [one for one in check_store(store) if one.code == "column_of_another_type"]

    assert {one.where: one.example for one in found} == {
        f"{kind.table}.{name}": f"{others[name]} in place of {type}" for name, type in types.items()
    }


@pytest.mark.parametrize("table", [one.table for one in RECORD_TYPES[:3]])
def test_a_view_in_the_place_of_a_table_and_a_table_in_that_of_a_view_are_refused(
    home: FilePath, table: str
) -> None:
    url = by_hand(
        home, f"ALTER TABLE {table} RENAME TO theirs", f"CREATE VIEW {table} AS FROM theirs"
    )
    with pytest.raises(InputError, match=rf"has no table {table}\. .*storage restore"):
        open_store(url, keep_log=True)


def test_a_table_in_the_place_of_a_view_is_refused(home: FilePath) -> None:
    url = by_hand(home, "DROP VIEW rejections", "CREATE TABLE rejections AS SELECT 1 AS one")

    with pytest.raises(InputError, match=r"has a table rejections\. .*storage restore"):
        open_store(url)


def ask(store: Store, view: str) -> object:
    return store.query(f"SELECT * FROM {view}").to_pylist()


def ask_long(store: Store, view: str) -> object:
    with store.reading_long() as connection:
        return connection.execute(f"SELECT * FROM {view}").fetchall()


def ask_writing(store: Store, view: str) -> object:
    assert isinstance(store, FileStore)
    with store.writing_alone() as connection:
        return connection.execute(f"SELECT * FROM {view}").fetchall()


def ask_beside(store: Store, view: str) -> object:
    assert isinstance(store, FileStore)
    with store.writing_alone(beside=store.path.with_name("other.duckdb")) as connection:
        return connection.execute(f"SELECT * FROM {view}").fetchall()


def ask_a_copy(store: Store, view: str) -> object:
    copy = store.refresh_reader()
    assert copy is not None
    with connect(copy, read_only=True) as connection:
        return connection.execute(f"SELECT * FROM {view}").fetchall()


@pytest.mark.parametrize("way", [ask, ask_long, ask_writing, ask_beside, ask_a_copy])
def test_nothing_that_we_open_reads_anything_beside_the_store(
    home: FilePath, way: Callable[[Store, str], object]
) -> None:
    views = {f"theirs_{number}": text for number, text in enumerate(OUTSIDE.values())}
    store = open_store(by_hand(home, *(f"CREATE VIEW {one} AS {views[one]}" for one in views)))

    for view in views:
        with pytest.raises((duckdb.Error, InputError)) as refused:
            way(store, view)
        assert "Permission Error" in str(refused.value)
        assert SECRET not in str(refused.value)


def test_such_a_store_is_written_backed_up_compacted_and_checked_as_any_other(
    home: FilePath,
) -> None:
    store = open_store(by_hand(home, f"CREATE VIEW theirs AS {OUTSIDE['read_text']}"))

    assert store.append([make(Path, 3)]) == 1
    back_up_store(store, home / "backup.duckdb")
    compact(store)
    check_store(store, home)
    store.refresh_reader()

    assert len(open_store(store.url).select(Path)) == 3
    assert len(open_store(f"duckdb:///{home / 'backup.duckdb'}").select(Path)) == 3


def test_a_reader_copy_that_was_put_in_the_stores_place_is_a_store(home: FilePath) -> None:
    store = open_store(by_hand(home))
    reader = store.refresh_reader()
    assert reader is not None
    shutil.copyfile(reader, home / "regenesis.duckdb")

    again = open_store(store.url)

    assert again.append([make(Path, 3)]) == 1
    assert again.refresh_reader() == reader


def test_a_store_just_made_is_as_it_should_be_and_is_not_written_again(home: FilePath) -> None:
    store = open_store(by_hand(home))
    assert isinstance(store, FileStore)
    before = store.path.read_bytes()

    open_store(store.url)

    assert store.path.read_bytes() == before


def test_the_digest_of_the_views_is_that_of_the_views_in_a_file(home: FilePath) -> None:
    stored = views_as_stored()
    rows = open_store(by_hand(home)).query("SELECT view_name, sql FROM duckdb_views()").to_pylist()

    assert {row["view_name"]: row["sql"] for row in rows if row["view_name"] in stored} == stored
    assert digest_of(stored) == VIEWS_DIGEST, f"VIEWS_DIGEST in surface.py is {digest_of(stored)}"
