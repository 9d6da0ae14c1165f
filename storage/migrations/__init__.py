"""Numbered migrations, each in one transaction with its own record; a backup comes first.

A migration is a file `NNNN_name.sql` in this folder. Files are never edited once released; a new
one is added.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources

import duckdb

from storage.clock import utc_now
from storage.errors import InputError, PermanentError, first_line

# IF NOT EXISTS: the first migration and a repeated one begin alike
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL
)
"""


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str


def all_migrations() -> list[Migration]:
    """Every migration, oldest first."""
    files = sorted(
        (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql")),
        key=lambda file: file.name,
    )
    return [
        # 0003_lake.sql -> 3, lake
        Migration(int(file.name[:4]), file.name[5:-4], file.read_text("utf-8"))
        for file in files
    ]


def migrations_up_to(version: int) -> list[Migration]:
    """Those that made a database of that schema."""
    return [migration for migration in all_migrations() if migration.version <= version]


def schema_version(connection: duckdb.DuckDBPyConnection) -> int:
    """The newest applied migration; 0 for an empty database."""
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'schema_migrations'"
    ).fetchone()
    if not known or not known[0]:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
    return int(row[0]) if row else 0


def newest_version() -> int:
    """The schema of this program."""
    return max(migration.version for migration in all_migrations())


def check_version(version: int, where: str, migrations: Sequence[Migration] | None = None) -> bool:
    """Whether migrations are due; raises InputError for a database newer than the program."""
    newest = max(migration.version for migration in migrations or all_migrations())
    if version > newest:
        raise InputError(
            f"The store {where!r} has schema {version}; this program knows up to {newest}. "
            "Install the newer regenesis, or set REGENESIS_STORE to another file."
        )
    return version < newest


def migrate(
    connection: duckdb.DuckDBPyConnection, migrations: Sequence[Migration] | None = None
) -> list[Migration]:
    """Apply what is missing, each in its own transaction; returns what was applied."""
    connection.execute(_LEDGER)
    version = schema_version(connection)
    due = [migration for migration in migrations or all_migrations() if migration.version > version]
    for migration in due:
        _apply(connection, migration)
    return due


def _apply(connection: duckdb.DuckDBPyConnection, migration: Migration) -> None:
    connection.begin()
    try:
        # the change and its record commit together: a kill leaves both or neither
        connection.execute(migration.sql)
        connection.execute(
            "INSERT INTO schema_migrations VALUES (?, ?, ?)",
            [migration.version, migration.name, utc_now().replace(tzinfo=None)],
        )
        connection.commit()
    except duckdb.Error as error:
        with suppress(duckdb.TransactionException):  # a commit that fails has rolled back
            connection.rollback()
        raise PermanentError(
            f"Migration {migration.version} ({migration.name}) failed and was undone:"
            f" {first_line(error)}"
        ) from error
