"""The list of allowed functions was reviewed for the DuckDB that is installed, function by
function.
"""

import duckdb
import pytest

from storage.sql.allowed import CATALOGUE, INFORMATION_SCHEMA, allowed_functions, own_tables
from storage.sql.sql_check import Refused, checked

FROM_KINDS = {"table", "table_macro", "pragma"}


def functions_of_duckdb() -> dict[str, set[str]]:
    """Every function's name, in lower case, with its kinds."""
    found: dict[str, set[str]] = {}
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT lower(function_name), function_type FROM duckdb_functions()"
        )
        for name, kind in rows.fetchall():
            found.setdefault(name, set()).add(kind)
    return found


def test_the_list_was_reviewed_for_this_duckdb_and_knows_each_of_its_functions() -> None:
    listed, found = allowed_functions(), functions_of_duckdb()
    unknown = sorted(found.keys() - listed.tables - listed.values - listed.refused.keys())
    gone = sorted((listed.tables | listed.values | listed.refused.keys()) - found.keys())

    assert unknown == [], "review these functions: are they harmless?"
    assert gone == [], "DuckDB has these no more"
    assert listed.reviewed_for == duckdb.__version__


def test_what_is_refused_is_not_also_allowed() -> None:
    listed, found = allowed_functions(), functions_of_duckdb()

    assert not listed.tables & listed.refused.keys()
    assert listed.values & listed.refused.keys() == {"histogram"}, (
        "an aggregate, and a macro that reads a named table"
    )
    assert all(found[name] & FROM_KINDS for name in listed.tables)
    assert all(found[name] - FROM_KINDS for name in listed.values)


def test_only_what_is_on_the_list_passes_whatever_duckdb_has() -> None:
    listed = allowed_functions()
    with duckdb.connect() as connection:
        for name in functions_of_duckdb() | {"a_function_of_a_newer_duckdb": set[str]()}:
            for statement, allowed in (
                (f'SELECT "{name}"(1)', name in listed.values),
                (f'FROM "{name}"(1)', name in listed.tables),
                (f"SELECT count(*) OVER (ORDER BY main.\"{name}\"('x'))", name in listed.values),
                (f'SELECT x."{name}"()', name in listed.values),
            ):
                assert passes(connection, statement) is allowed, statement


def passes(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    try:
        return checked(connection, statement, "regenesis") == statement
    except Refused:
        return False


def test_a_view_of_duckdbs_own_is_refused_unless_it_describes_tables() -> None:
    with duckdb.connect() as connection:
        views = connection.execute(
            "SELECT schema_name, view_name FROM duckdb_views() WHERE internal"
        ).fetchall()
        for schema, name in views:
            described = name in CATALOGUE or (
                schema == "information_schema" and name in INFORMATION_SCHEMA
            )

            assert passes(connection, f"FROM {schema}.{name}") is (
                schema == "information_schema"
            ), (schema, name)
            assert passes(connection, f"FROM {name}") is (described and schema == "main"), (
                schema,
                name,
            )
            if schema != "information_schema":
                with pytest.raises(Refused, match="a plain word that DuckDB does not use itself"):
                    checked(connection, f"WITH {name} AS (FROM {name}) FROM {name}", "regenesis")


def test_the_store_s_tables_are_no_names_of_duckdb() -> None:
    with duckdb.connect() as connection:
        internal = {
            name
            for (name,) in connection.execute("SELECT view_name FROM duckdb_views()").fetchall()
        }

    assert not own_tables() & internal
