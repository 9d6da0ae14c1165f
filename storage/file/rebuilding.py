"""Makes a store of our own from the rows of a file that may come from anywhere.

Only rows cross over: those of the tables and columns that our migrations make. Views, macros,
constraints, defaults, indexes, types and sequences of the other file do not, so none of its text
ever runs; and every row is read, so a damaged block shows here.
"""

import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import duckdb

from storage.errors import InputError
from storage.file.database import DatabaseFile, connect, log_of, opening_told
from storage.file.readers import files_of
from storage.file.surface import identifier, tables_in, write_surface
from storage.migrations import check_version, migrate, migrations_up_to
from storage.views import all_views, quoted

# The name under which the other file is attached; with a slash, for DuckDB calls the store by its
# file's name, which has none
_OTHER = "other/file"
# what a reader copy and the surface add to the tables of the migrations
_KNOWN_BESIDE = {"schema_state", "reader_copies", "reader_age"}


def rebuild(source: Path, target: Path) -> list[str]:
    """Make the new file `target` of the rows in `source` and in the log beside it.

    Returns what was left out: tables, columns, views and macros that are none of ours.

    Raises InputError where `source` is no store that this program reads; DuckDB's own errors where
    it is damaged.
    """
    with (
        _whole(source, target) as whole,
        closing(connect(target, read_only=False, beside=whole)) as connection,
    ):
        _attach(connection, source, whole)
        version = _version(connection, source)
        migrate(connection, migrations_up_to(version))
        known = tables_in(connection)
        left_out = [line for table in known for line in _copied(connection, table, source)]
        left_out += _unknown(connection, known)
        connection.execute(f"DETACH {identifier(_OTHER)}")
        migrate(connection)
        write_surface(connection)
        connection.execute("CHECKPOINT")
    return left_out


@contextmanager
def _whole(source: Path, target: Path) -> Generator[Path]:
    """The file itself, or where a log lies beside it a copy of both, beside the target.

    DuckDB 1.5.5 fails to read some logs with a file that it may not write: "Bad file descriptor".
    """
    if not log_of(source).exists():
        yield source
        return
    copy = target.with_name(target.name.removesuffix(".part") + ".copy.part")
    # a store that others write has turns: no batch of theirs comes between file and log
    has_turns = source.with_name(source.name + ".gate").exists()
    others = DatabaseFile(source, 5.0).locked(exclusive=False) if has_turns else nullcontext()
    try:
        with others:
            shutil.copyfile(source, copy)
            shutil.copyfile(log_of(source), log_of(copy))
        yield copy
    finally:
        for leftover in files_of(copy):
            leftover.unlink(missing_ok=True)


def _attach(connection: duckdb.DuckDBPyConnection, source: Path, whole: Path) -> None:
    mode = "READ_ONLY" if whole == source else "READ_WRITE"
    with opening_told(source):
        connection.execute(f"ATTACH {quoted(str(whole))} AS {identifier(_OTHER)} ({mode})")


def _version(connection: duckdb.DuckDBPyConnection, source: Path) -> int:
    version = 0
    if "schema_migrations" in tables_in(connection, quoted(_OTHER)):
        [row] = connection.execute(
            "SELECT coalesce(max(version), 0)::BIGINT FROM"
            f" {identifier(_OTHER)}.main.schema_migrations"
        ).fetchall()
        version = int(row[0])
    check_version(version, str(source))
    if version < 1:
        raise InputError(
            f"A backup holds a store; {str(source)!r} is a database without our tables. Name"
            " another."
        )
    return version


def _copied(connection: duckdb.DuckDBPyConnection, table: str, source: Path) -> list[str]:
    """Copy the table's rows; returns the columns that were left out."""
    theirs = _columns(connection, f"{identifier(_OTHER)}.main.{identifier(table)}", table, source)
    ours = _columns(connection, f"main.{identifier(table)}", table, source)
    missing = [column for column in ours if column not in theirs]
    if missing:
        raise InputError(
            f"A backup's table {table} has the column {missing[0]}; that of {str(source)!r} does"
            " not. Name another backup."
        )
    names = ", ".join(map(identifier, ours))
    # a migration may have put rows of its own into a table
    connection.execute(f"DELETE FROM main.{identifier(table)}")
    connection.execute(
        f"INSERT INTO main.{identifier(table)} ({names})"
        f" SELECT {names} FROM {identifier(_OTHER)}.main.{identifier(table)}"
    )
    return [f"column {table}.{column}" for column in theirs if column not in ours]


def _columns(
    connection: duckdb.DuckDBPyConnection, qualified: str, table: str, source: Path
) -> list[str]:
    try:
        described = connection.execute(f"SELECT * FROM {qualified} LIMIT 0").description
    except duckdb.CatalogException as error:
        raise InputError(
            f"A backup holds the table {table}; {str(source)!r} does not. Name another backup."
        ) from error
    return [str(column[0]) for column in described]


def _unknown(connection: duckdb.DuckDBPyConnection, known: list[str]) -> list[str]:
    """Tables, views and macros of the other file that are none of ours."""
    ours = {*known, *_KNOWN_BESIDE, *(view.name for view in all_views())}
    rows = connection.execute(
        "SELECT 'table', schema_name, table_name, database_name FROM duckdb_tables() WHERE NOT"
        " internal UNION ALL SELECT 'view', schema_name, view_name, database_name FROM"
        " duckdb_views() WHERE NOT internal UNION ALL SELECT 'macro', schema_name, function_name,"
        " database_name FROM duckdb_functions() WHERE NOT internal"
    ).fetchall()
    return [
        f"{kind} {name if schema == 'main' else f'{schema}.{name}'}"
        for kind, schema, name, database in sorted(rows)
        if database == _OTHER and not (kind != "macro" and schema == "main" and name in ours)
    ]
