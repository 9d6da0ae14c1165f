"""Care of a store in a file: rewriting it without the room of deleted rows, and copying it whole.

Both write aside and rename when whole, so a kill or a full disk leaves the last good state.
"""

from contextlib import closing
from pathlib import Path

import duckdb

from storage.errors import InputError, PermanentError, first_line
from storage.file.database import STORAGE_VERSION, connect, log_of, told_clearly
from storage.file.file_schema import put_in_place
from storage.file.file_store import FileStore
from storage.file.surface import identifier, tables_in
from storage.views import quoted

# with a slash, for DuckDB calls the store by its file's name, which has none
_NEW = identifier("compacted/file")


def compact_file(store: FileStore) -> tuple[int, int]:
    """Rewrite the file without the room of deleted rows; returns its bytes before and after.

    Raises HeldByAnother while a foreign client has it open.
    """
    partial = store.path.with_name(f".{store.path.name}.compact.part")
    partial.unlink(missing_ok=True)
    try:
        with store.writing_alone(beside=partial) as connection:
            connection.execute("CHECKPOINT")  # no log is left that the new file would be met with
            before = store.path.stat().st_size
            connection.execute(
                f"ATTACH {quoted(str(partial))} AS {_NEW} (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
            [(name,)] = connection.execute("SELECT current_database()").fetchall()
            old = identifier(name)
            connection.execute(f"COPY FROM DATABASE {old} TO {_NEW}")
            # compared before the rename, while the old file is still there
            _check_equal(connection, old, _NEW)
            connection.execute(f"DETACH {_NEW}")
            put_in_place(partial, store.path)
    except (OSError, duckdb.Error) as error:
        raise InputError(
            f"{str(store.path)!r} was not compacted ({first_line(error)}); the file is as"
            " it was. Free disk space."
        ) from error
    finally:
        for leftover in (partial, log_of(partial)):
            leftover.unlink(missing_ok=True)
    return before, store.path.stat().st_size


def back_up_file(store: FileStore, partial: Path) -> None:
    """A whole copy, of which every row was read: a damaged file must not push good backups out."""
    store.copy_to(partial)
    with told_clearly(store.path), closing(connect(partial, read_only=True)) as connection:
        for table in map(identifier, tables_in(connection)):
            _measured(connection, table)


def _check_equal(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    for table in map(identifier, tables_in(connection)):
        if _measured(connection, f"{one}.main.{table}") != _measured(
            connection, f"{other}.main.{table}"
        ):
            raise PermanentError(
                f"The rewritten {table} differs from the old; the file is as it was."
            )


def _measured(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[object, ...] | None:
    """How many rows, and a hash that no order of them changes."""
    # under XOR two equal rows would cancel, and a, a, b be as b, b, b
    return connection.execute(f"SELECT count(*), sum(hash(t)) FROM {table} AS t").fetchone()
