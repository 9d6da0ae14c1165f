"""Statements made from DuckDB's own lists: every kind of statement, every function, every setting,
at every place.

Each is refused in one line, or runs and changes nothing: the store's digest stays. They go through
the check and a connection that is shut, in one process; a sample goes through the real one.
"""

import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import cycle, islice
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Path
from storage.sql.allowed import allowed_functions
from storage.sql.closed_process import opened, shut
from storage.sql.sandbox import run_user_sql
from storage.sql.sql_check import Refused, checked
from tests.attacks.test_allowed_functions import functions_of_duckdb
from tests.attacks.test_secrets_of_sql import PLANTED
from tests.attacks.test_store_names import digest
from tests.storage.examples import make

# one or more of every kind that DuckDB knows; {name} is the store's file or catalogue
KINDS = {
    "ALTER": ["ALTER TABLE paths ADD COLUMN x INT", "ALTER VIEW lineage RENAME TO x"],
    "ANALYZE": ["ANALYZE", "VACUUM ANALYZE paths"],
    "ATTACH": [
        "ATTACH '{name}' AS other",
        "ATTACH '{name}' AS other (TYPE sqlite)",
        "ATTACH ':memory:' AS m",
    ],
    "CALL": [
        "CALL pragma_version()",
        "CALL checkpoint('{name}')",
        "CALL enable_profiling(save_location := '{name}')",
        "CALL enable_logging(storage := 'file', storage_config := {{'path': '{name}'}})",
    ],
    "COPY": [
        "COPY paths TO '{name}'",
        "COPY paths FROM '{name}'",
        "COPY (SELECT 1) TO '{name}' (USE_TMP_FILE false)",
    ],
    "COPY_DATABASE": ["COPY FROM DATABASE regenesis TO memory"],
    "CREATE": [
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP TABLE t AS SELECT 1",
        "CREATE MACRO sum(x) AS x",
        "CREATE SECRET (TYPE s3)",
        "CREATE TYPE t AS ENUM ('a')",
        "CREATE OR REPLACE VIEW paths AS SELECT 1",
    ],
    "CREATE_FUNC": ["CREATE FUNCTION abs(x) AS x"],
    "DELETE": [
        "DELETE FROM paths",
        "TRUNCATE paths",
        "WITH d AS (DELETE FROM paths RETURNING *) FROM d",
    ],
    "DETACH": ["DETACH regenesis"],
    "DROP": ["DROP TABLE paths", "DROP SECRET object_store"],
    "EXECUTE": ["EXECUTE p"],
    "EXPLAIN": [
        "EXPLAIN DELETE FROM paths",
        "EXPLAIN ANALYZE COPY paths TO '{name}'",
        "EXPLAIN ANALYZE ATTACH '{name}'",
        "EXPLAIN ANALYZE PRAGMA version",
        "EXPLAIN ANALYZE INSERT INTO paths FROM paths",
    ],
    "EXPORT": ["EXPORT DATABASE '{name}'", "IMPORT DATABASE '{name}'"],
    "EXTENSION": [],
    "INSERT": ["INSERT INTO paths FROM paths", "INSERT OR REPLACE INTO paths BY NAME FROM paths"],
    "INVALID": ["", ";", "--", "/*", "SELEC 1", "\\0", "SELECT 1\\0; DROP TABLE paths"],
    "LOAD": ["LOAD httpfs", "INSTALL httpfs", "FORCE INSTALL httpfs FROM '{name}'"],
    "LOGICAL_PLAN": [],
    "MERGE_INTO": ["MERGE INTO paths USING paths AS p ON paths.id = p.id WHEN MATCHED THEN DELETE"],
    "MULTI": [
        "SELECT 1; SELECT 2",
        "SELECT 1;; COPY paths TO '{name}'",
        "PIVOT paths ON draw; DROP TABLE paths",
    ],
    "PRAGMA": [
        "PRAGMA database_list",
        "PRAGMA enable_profiling",
        "PRAGMA import_database('{name}')",
    ],
    "PREPARE": ["PREPARE p AS SELECT 1", "PREPARE p AS COPY paths TO '{name}'", "DEALLOCATE p"],
    "RELATION": [],
    "SELECT": [
        "FROM '{name}'",
        'FROM "{name}"',
        "SELECT $1",
        "SELECT ?",
        "FROM pg_settings",
        "FROM sqlite_master",
        "WITH pg_settings AS (FROM pg_settings) FROM pg_settings",
        "SELECT (WITH x AS (SELECT 1) FROM y) FROM x, z",
        'WITH "{name}" AS (SELECT 1) SELECT (FROM "{name}")',
        "SHOW VARIABLES",
        "SHOW TABLES FROM system",
        "FROM system.information_schema.tables",
        "FROM memory.main.paths",
        "DESCRIBE pg_settings",
        "FROM __ducklake_metadata_regenesis.ducklake_metadata",
        "FROM stored.paths",
        "TABLE pg_settings",
        "FROM duckdb_secrets",
        "SUMMARIZE FROM read_csv('{name}')",
        "FROM paths POSITIONAL JOIN 'x.csv'",
    ],
    "SET": ["SET threads = 1", "SET VARIABLE x = 1", "RESET threads", "USE memory"],
    "TRANSACTION": ["BEGIN", "COMMIT", "ROLLBACK"],
    "UPDATE": ["UPDATE paths SET text = ''"],
    "UPDATE_EXTENSIONS": ["UPDATE EXTENSIONS"],
    "VACUUM": ["VACUUM", "CHECKPOINT", "FORCE CHECKPOINT regenesis"],
    "VARIABLE_SET": ["SET SESSION x = 1"],
}
# what DuckDB says of arguments that do not fit; a fatal or an internal error is none of these
HARMLESS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
    duckdb.ParserException,
    duckdb.NotImplementedException,
    duckdb.InvalidTypeException,
)
# where an expression can stand; {call} is a call of a function
PLACES = (
    "SELECT {call}",
    "SELECT * FROM range(2) AS t(i) WHERE i IN (SELECT {call})",
    "SELECT 1 ORDER BY {call}",
    "SELECT 1 LIMIT (SELECT {call})",
    "SELECT 1 OFFSET (SELECT {call})",
    "SELECT count(*) FILTER ({call} IS NULL)",
    "SELECT count(*) FROM range(2) GROUP BY {call}",
    "SELECT count(*) FROM range(2) HAVING {call} IS NULL",
    "SELECT 1 QUALIFY row_number() OVER (ORDER BY {call}) = 1",
    "SELECT sum(i) OVER (ROWS BETWEEN {call} PRECEDING AND CURRENT ROW) FROM range(2) t(i)",
    "SELECT sum(i) OVER w FROM range(2) t(i) WINDOW w AS (PARTITION BY {call})",
    "SELECT [{call} FOR x IN [1]]",
    "SELECT list_transform([1], lambda x: {call})",
    "SELECT CASE WHEN {call} THEN 1 END",
    "VALUES (1, {call})",
    "SELECT 1 UNION ALL SELECT {call}",
    "SELECT 1 EXCEPT (SELECT 2 INTERSECT SELECT {call})",
    "WITH x AS MATERIALIZED (SELECT {call}) FROM x",
    "WITH RECURSIVE r AS (SELECT 1 UNION SELECT {call}) FROM r",
    "SELECT * FROM range(2) AS t(i), LATERAL (SELECT {call})",
    "SELECT * FROM range({call})",
    "SELECT * FROM range(2) AS a(i) JOIN range(2) AS b(j) ON {call} IS NULL",
    "DESCRIBE SELECT {call}",
    "SUMMARIZE SELECT {call}",
    "EXPLAIN SELECT {call}",
    "EXPLAIN ANALYZE (FORMAT json) SELECT {call}",
    "SELECT * REPLACE ({call} AS i) FROM range(2) AS t(i)",
    "SELECT COLUMNS(c -> {call}) FROM range(2)",
    "PIVOT (SELECT {call} AS a, 1 AS b) ON b IN (1) USING max(a)",
    "UNPIVOT (SELECT {call} AS a) ON a",
    "FROM (PIVOT range(2) ON range IN (1) USING max({call}))",
    "SELECT TRY({call})",
    "SELECT {call}::VARCHAR COLLATE NOCASE",
    "SELECT any_value(1 ORDER BY {call})",
    "SELECT {{'a': {call}}}.a",
    "SELECT DISTINCT ON ({call}) 1",
    "FROM paths AT (VERSION => {call})",
    "SELECT max(i) FROM range(2) t(i) USING SAMPLE reservoir(1 ROWS) WHERE {call} = 1",
)


@pytest.fixture(scope="module", params=["file", "lake"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, FilePath]:
    """A store's URL, and the name of its file or catalogue."""
    folder = tmp_path_factory.mktemp("statements")
    name = folder / ("regenesis.duckdb" if request.param == "file" else "catalog.sqlite")
    url = (
        f"duckdb:///{name}"
        if request.param == "file"
        else f"ducklake:sqlite:///{name}?data={folder / 'data'}"
    )
    open_store(url).append([make(Path, 1), make(Path, 2)])
    opened(url).connection.close()
    return url, name


def of_kinds(name: FilePath) -> Iterator[str]:
    for examples in KINDS.values():
        yield from (example.format(name=name) for example in examples)


def of_functions(name: FilePath, *, refused: bool, places_each: int = 6) -> Iterator[str]:
    """Every function with the store's name, called in the usual ways; a refused one at some places,
    in turn.
    """
    listed = allowed_functions()
    turns = cycle(PLACES)
    for function in functions_of_duckdb():
        value = f"\"{function}\"('{name}')"
        if (function in listed.values) is not refused:
            places = islice(turns, places_each) if refused else PLACES[:1]
            yield from (place.format(call=value) for place in places)
        if (function in listed.tables) is not refused:
            yield from (
                f"FROM {value}",
                f"SELECT (SELECT count(*) FROM {value})",
                f"DESCRIBE FROM {value}",
            )
        if refused:
            yield from (f"CALL {value}", f"PRAGMA {value}", f"EXPLAIN ANALYZE CALL {value}")


def of_settings(name: FilePath) -> Iterator[str]:
    with duckdb.connect() as connection:
        settings = [
            row[0] for row in connection.execute("SELECT name FROM duckdb_settings()").fetchall()
        ]
    for setting in settings:
        yield from (
            f"SET {setting} = '{name}'",
            f"SET GLOBAL {setting} = '{name}'",
            f"RESET {setting}",
            f"SHOW {setting}",
            f"PRAGMA {setting} = '{name}'",
            f"SELECT current_setting('{setting}')",
            f"SELECT getvariable('{setting}')",
        )


def test_there_is_an_example_of_every_kind_of_statement() -> None:
    kinds = {name for name in dir(duckdb.StatementType) if name.isupper()}

    assert kinds - KINDS.keys() == set()


@pytest.mark.parametrize("places_each", [6, pytest.param(len(PLACES), marks=pytest.mark.soak)])
def test_every_statement_that_must_be_refused_is(
    place: tuple[str, FilePath], places_each: int
) -> None:
    url, name = place
    began, count = time.monotonic(), 0
    before = digest(name.parent)
    with duckdb.connect() as connection:
        for statement in (
            *of_kinds(name),
            *of_functions(name, refused=True, places_each=places_each),
            *of_settings(name),
        ):
            count += 1
            with pytest.raises(Refused) as refused:
                print(checked(connection, statement, "regenesis"), "was let through")
            assert str(refused.value)
    print(f"{count} statements refused in {time.monotonic() - began:.1f} s")

    assert count > 4000
    assert digest(name.parent) == before
    assert len(open_store(url).select(Path)) == 2


def test_every_function_that_is_allowed_does_no_harm_with_the_store_s_name(
    place: tuple[str, FilePath],
) -> None:
    url, name = place
    before = digest(name.parent)
    store = opened(url)
    shut(store)
    count = 0
    with closing(store.connection) as connection:
        for statement in of_functions(name, refused=False):
            count += 1
            text = checked(connection, statement, "regenesis")
            with suppress(*HARMLESS):
                connection.execute(text).fetchmany(10)
    print(f"{count} statements ran")

    assert count > 500
    assert digest(name.parent) == before


SAMPLE = (
    "SELECT count(*) AS n FROM paths",
    "FROM duckdb_tables()",
    "SHOW DATABASES",
    "FROM information_schema.tables",
    "FROM pg_settings",
    "SELECT current_setting('temp_directory')",
    "FROM read_text('/proc/self/environ')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{name}' (USE_TMP_FILE false)",
)


def test_a_sample_through_the_real_process_shows_no_secret_and_changes_nothing(
    place: tuple[str, FilePath], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, name = place
    for secret, value in PLANTED.items():
        monkeypatch.setenv(secret, value)
    before = digest(name.parent)
    for statement in SAMPLE:
        try:
            said = run_user_sql(url, statement.format(name=name), "json")
        except InputError as error:
            said = str(error)
        assert said
        assert "planted" not in said

    assert digest(name.parent) == before


def test_a_store_behind_a_link_is_as_safe(tmp_path: FilePath) -> None:
    real, link = tmp_path / "real", tmp_path / "link.duckdb"
    real.mkdir()
    open_store(f"duckdb:///{real / 'regenesis.duckdb'}").append([make(Path, 1)])
    link.symlink_to(real / "regenesis.duckdb")
    url = f"duckdb:///{link}"
    assert run_user_sql(url, "SELECT count(*) AS n FROM paths", "csv") == "n\n1\n"
    before = digest(tmp_path)

    for target in (link, real / "regenesis.duckdb", f"{link}.wal"):
        with pytest.raises(InputError, match="Only SELECT"):
            run_user_sql(
                url,
                f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{target}' (FORMAT csv, USE_TMP_FILE false)",
            )

    assert digest(tmp_path) == before
