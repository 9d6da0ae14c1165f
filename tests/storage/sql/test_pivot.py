"""A PIVOT without its values gives what DuckDB gives for it, and goes through the same check as any
statement.
"""

import json
from collections.abc import Iterator
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Path
from storage.sql.pivot import MOST_VALUES, with_values
from storage.sql.sandbox import run_user_sql
from storage.sql.sql_check import Refused, checked
from tests.storage.examples import make

PIVOTS = (
    "PIVOT t ON a USING sum(b)",
    "pivot t on a",
    'PIVOT t ON s, a USING sum(b) AS q, count(*) AS n GROUP BY "ö" ORDER BY 1 LIMIT 3',
    'WITH q AS (FROM t WHERE a = 3) PIVOT q ON "ö" /* USING */ USING sum(b) -- ON x',
    "FROM (PIVOT t ON a USING sum(b)) WHERE true",
    "PIVOT (SELECT 'ü IN ON' AS u, a FROM t) ON u || a",
    "SELECT * FROM (PIVOT t ON upper(s) USING max(b)) JOIN range(2) AS r ON true",
    "PIVOT t ON a IN (1), s USING sum(b)",
    "PIVOT t ON b > 2",
    "PIVOT t ON a UNION ALL PIVOT t ON a",
    "UNPIVOT t ON a, b",
    "SELECT 'PIVOT t ON a'",
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE t (a INT, b INT, s VARCHAR, "ö" VARCHAR)')
        connection.execute(
            "INSERT INTO t VALUES (1, 2, 'x', 'ü'), (3, 4, 'y', 'ü'), (3, 5, NULL, 'é''')"
        )
        yield connection


def unchecked(statement: str) -> str:
    return statement


@pytest.mark.parametrize("statement", PIVOTS)
def test_it_gives_what_duckdb_gives(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    named = with_values(connection, statement, unchecked)

    assert len(connection.extract_statements(named)) == 1
    assert rows_of(connection, named) == rows_of(connection, statement)


@pytest.mark.parametrize(
    "explain", ["EXPLAIN", "EXPLAIN ANALYZE", "explain (FORMAT json)", "/* x */ EXPLAIN -- y\n"]
)
@pytest.mark.parametrize("statement", PIVOTS)
def test_it_is_explained_like_any_statement(
    connection: duckdb.DuckDBPyConnection, explain: str, statement: str
) -> None:
    named = with_values(connection, f"{explain} {statement}", unchecked)

    assert len(connection.extract_statements(named)) == 1
    assert named == f"{explain} " + with_values(connection, statement, unchecked)
    assert connection.execute(named).fetchall()


def rows_of(connection: duckdb.DuckDBPyConnection, statement: str) -> tuple[list[str], list[str]]:
    found = connection.execute(statement)
    columns = [column[0] for column in found.description or []]
    return columns, sorted(map(str, found.fetchall()))


@pytest.mark.parametrize(
    "statement",
    [
        "PIVOT t ON a; DROP TABLE t",
        "PIVOT read_csv('/etc/passwd') ON a",
        "PIVOT '/etc/passwd' ON a",
        "PIVOT (SELECT getvariable('x') AS a) ON a",
        "PIVOT paths ON (SELECT max(content) FROM read_text('/etc/passwd'))",
        "PIVOT paths ON current_setting('temp_directory')",
        "PIVOT paths ON draw USING any_value(current_setting('x'))",
        "WITH q AS (FROM pg_settings) PIVOT q ON name",
        "CREATE TYPE x AS ENUM ('a'); PIVOT paths ON draw",
        "PIVOT paths ON draw) TO 'x'; COPY (SELECT 1",
        "EXPLAIN ANALYZE PIVOT pg_settings ON name",
    ],
)
def test_what_is_refused_elsewhere_is_refused_in_it(
    connection: duckdb.DuckDBPyConnection, statement: str
) -> None:
    connection.execute("CREATE TABLE paths AS SELECT 1 AS draw")

    def check(text: str) -> str:
        return checked(connection, text, "memory")

    with pytest.raises(Refused):
        check(with_values(connection, statement, check))


def test_too_many_columns_are_refused_with_what_to_do(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(Refused, match=f"at most {MOST_VALUES} columns.* Name the values"):
        with_values(connection, f"PIVOT range({MOST_VALUES + 1}) ON range", unchecked)


def test_it_runs_on_a_store(tmp_path: FilePath) -> None:
    url = f"duckdb:///{tmp_path / 'regenesis.duckdb'}"
    open_store(url).append([make(Path, 1, draw=1), make(Path, 2, draw=2), make(Path, 3, draw=2)])
    statement = "PIVOT (SELECT draw, finish_reason FROM paths) ON draw USING count(*)"

    [row] = json.loads(run_user_sql(url, statement, "json"))

    assert {name: row[name] for name in ("1", "2")} == {"1": 1, "2": 2}
    with pytest.raises(InputError, match="statement"):
        run_user_sql(url, "PIVOT paths ON draw; DROP TABLE paths")
