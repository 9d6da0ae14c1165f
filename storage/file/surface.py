"""The views and comments that this program puts above the tables of a file, and what shadows them.

A file that somebody copied into a home may hold views of our names and macros of DuckDB's with any
text. They are put back as they should be before anything is asked of them.
"""

import hashlib
from contextlib import suppress
from functools import cache

import duckdb

from storage.errors import InputError
from storage.records import RECORD_TYPES
from storage.store.batches import transaction
from storage.views import all_views, make_views
from storage.views.comments import record_comments, write_comments

# the digest of views and comments; IF NOT EXISTS, because a kill can come just behind making it
MAKE_STATE = "CREATE TABLE IF NOT EXISTS schema_state (surface VARCHAR NOT NULL)"
# with the schema of DuckDB's own functions: a macro of the file may bear their names
_DATABASE = "system.main.current_database()"
_HERE = f"database_name = {_DATABASE} AND schema_name = 'main' AND NOT internal"
_FUNCTIONS = "system.main.duckdb_functions()"
# `digest_of(views_as_stored())`; a test says what it is where a view has changed
VIEWS_DIGEST = "c8ae99f966a605d4b48fceb690306cd97ac431d7f1da3a31597c6f10e76fdd91"


def surface_digest() -> str:
    """Names the comments and views that this program would write."""
    return hashlib.sha256(repr((record_comments(), all_views())).encode()).hexdigest()


def is_written(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the digest in the file is of the surface that this program would write."""
    with suppress(duckdb.CatalogException):  # by an earlier version that was killed just before
        state = connection.execute("SELECT surface FROM schema_state").fetchall()
        return state == [(surface_digest(),)]
    return False


def has_our_views(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether every view is as this program writes it, whatever the digest in the file says."""
    rows = connection.execute(
        f"SELECT view_name, sql FROM system.main.duckdb_views() WHERE {_HERE}"
    ).fetchall()
    there = dict(rows)
    texts = {view.name: there.get(view.name, "") for view in all_views()}
    # parsing them takes ten times as long as reading them, and comes out otherwise only where
    # DuckDB is of another version
    return digest_of(texts) == VIEWS_DIGEST or texts == views_as_stored()


def digest_of(texts: dict[str, str]) -> str:
    """Names the texts of views."""
    return hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()


def write_surface(connection: duckdb.DuckDBPyConnection) -> None:
    """Views and comments of this program into a database whose tables are there."""
    with transaction(connection):
        connection.execute(MAKE_STATE)
        write_comments(connection)
        make_views(connection)
        # the digest is written last, in the same transaction: a kill before it has the surface
        # written again
        connection.execute("DELETE FROM schema_state")
        connection.execute("INSERT INTO schema_state VALUES (?)", [surface_digest()])


def shadowing(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Name and kind of each macro in the file that bears the name of a function of DuckDB's."""
    macros = connection.execute(
        f"SELECT DISTINCT function_name, function_type FROM {_FUNCTIONS} WHERE {_HERE}"
    ).fetchall()
    if not macros:
        return []
    known = {
        row[0].lower()
        for row in connection.execute(
            f"SELECT function_name FROM {_FUNCTIONS} WHERE internal"
        ).fetchall()
    }
    return [(name, kind) for name, kind in macros if name.lower() in known]


def drop_shadowing(connection: duckdb.DuckDBPyConnection) -> None:
    """Macros of other names stay: nothing of ours calls them."""
    for name, kind in shadowing(connection):
        table = " TABLE" if kind == "table_macro" else ""
        connection.execute(f"DROP MACRO{table} main.{identifier(name)}")


def refuse_other_things(connection: duckdb.DuckDBPyConnection, where: str) -> None:
    """Raises InputError where a table of ours is none, or a view of ours is a table."""
    tables = set(tables_in(connection))
    missing = [one.table for one in RECORD_TYPES if one.table not in tables]
    taken = [view.name for view in all_views() if view.name in tables]
    if missing or taken:
        is_none = f"has no table {missing[0]}" if missing else f"has a table {taken[0]}"
        raise InputError(
            f"A store's tables and views are as this program makes them; {where!r} {is_none}. Put"
            " another copy in its place: regenesis storage restore FILE"
        )


def tables_in(connection: duckdb.DuckDBPyConnection, database: str = _DATABASE) -> list[str]:
    """Base tables, without those of other schemas; `database` is a SQL expression.

    A view of the name of a table is none.
    """
    rows = connection.execute(
        f"SELECT table_name FROM system.main.duckdb_tables() WHERE database_name = {database}"
        " AND schema_name = 'main' AND NOT internal AND NOT temporary"
    ).fetchall()
    return [row[0] for row in rows]


def identifier(name: str) -> str:
    """As SQL reads it, whatever is in the name."""
    return '"' + name.replace('"', '""') + '"'


@cache
def views_as_stored() -> dict[str, str]:
    """What DuckDB reads from a file for each view: its own wording of the parsed text."""
    views = all_views()
    # a DuckDB of its own, in which nothing is shadowed; the texts are parsed and not bound
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT json_deserialize_sql(json_serialize_sql(text)) FROM (SELECT unnest(?) AS text)",
            [[view.sql for view in views]],
        ).fetchall()
    return {
        view.name: f"CREATE VIEW {view.name} AS {text};"
        for view, (text,) in zip(views, rows, strict=True)
    }
